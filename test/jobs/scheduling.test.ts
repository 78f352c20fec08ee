/** Which job starts when: limits, turns, priorities that age, times to run, another attempt. */
import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createPool } from '../../src/db/metadata.ts';
import type { Job } from '../../src/jobs/job.ts';
import { mayRunAgain, pauseMs } from '../../src/jobs/retry.ts';
import type { Limits } from '../../src/jobs/store.ts';
import { createBus } from '../../src/lib/bus.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createTestJobStore } from '../support/job-store.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';
import { silent } from '../support/metadata.ts';

let queue: TestQueue;
beforeAll(async () => {
  queue = await createTestQueue();
});
afterAll(() => queue[Symbol.asyncDispose]());
beforeEach(async () => {
  await queue.pool.query('DELETE FROM jobs');
});

const ended = { status: 'succeeded', error: null, rows: 0, bytes: 0 } as const;

/** A worker that holds what it is given until it is told to end it; on a store of its own, as its process has it. */
function serve(concurrency: number, limits: Partial<Limits> = {}, bus = createBus<Topic>()) {
  const store = createTestJobStore(queue.pool, { ...limits, bus });
  const running: Job[] = [];
  /** In the order in which they started. */
  const started: Job[] = [];
  const faults: unknown[] = [];
  const handle = store.serve({
    workerId: uuidv7(),
    concurrency,
    busy: () => running.length,
    claiming: () => undefined,
    start: (jobs) => {
      running.push(...jobs);
      started.push(...jobs);
    },
    failed: (fault) => faults.push(fault),
  });
  return {
    ...handle,
    store,
    running,
    started,
    faults,
    async end(job: Job): Promise<boolean> {
      const held = await store.finish(job, ended);
      running.splice(running.indexOf(job), 1);
      await handle.wake();
      return held;
    },
  };
}

/** As if it had been submitted so long ago: nobody waits in a test. */
const aged = (job: Job, ms: number) =>
  queue.pool.query('UPDATE jobs SET rank_ms = rank_ms - $2 WHERE id = $1', [job.id, ms]);

test('what an end makes ready beyond the places of its worker is told to the other workers', async () => {
  const { submit, metadata } = queue;
  const [one, many] = [await metadata.addUser({ maxParallelJobs: 1 }), await metadata.addUser()];
  const bus = createBus<Topic>();
  const told: string[] = [];
  const worker = serve(1, { maxParallelJobsPerDatabase: 1 }, bus);
  // Nothing waits: the next claim looks for an only job.
  await worker.wake();
  const [shared, other] = [uuidv7(), uuidv7()];
  await submit(one, 'select 1', { targetKey: shared });
  await worker.wake();
  // One waits for its user's limit, one for the database's; both are free when the first one ends.
  await submit(one, 'select 2', { targetKey: other });
  await submit(many, 'select 3', { targetKey: shared });
  bus.connect({ send: (topic) => void told.push(topic) });
  await worker.end(worker.running[0]!);
  expect(worker.running).toHaveLength(1);
  expect(told).toContain('jobs.queued');
});

/** A small generator of its own, so that a failure comes again (Park and Miller, 1988). */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

test('a thousand jobs of twelve users on four databases all run, and no limit is passed at any moment', async () => {
  const random = createRandom(20_261_121);
  const limits = { maxParallelJobs: 3, maxParallelJobsPerDatabase: 5 };
  const concurrency = 6;
  const owners = await Promise.all(
    Array.from({ length: 12 }, (_, i) => queue.metadata.addUser(i % 3 === 0 ? { maxParallelJobs: 1 } : {})),
  );
  const mostOf = (ownerId: string) => (owners.indexOf(ownerId) % 3 === 0 ? 1 : limits.maxParallelJobs);
  const targets = Array.from({ length: 4 }, () => uuidv7());
  const workers = Array.from({ length: 3 }, () => ({ id: uuidv7(), running: [] as Job[] }));
  const count = (jobs: readonly Job[], of: (job: Job) => string) =>
    Object.entries(Object.groupBy(jobs, of)).map(([key, group]) => [key, group!.length] as const);

  await Promise.all(
    Array.from({ length: 1_000 }, () =>
      // One user has half of all jobs.
      queue.submit(owners[random(2) === 0 ? 1 : random(12)]!, 'select 1', {
        targetKey: targets[random(4)]!,
        priority: random(21) - 10,
      }),
    ),
  );
  let done = 0;
  for (let idle = 0; done < 1_000 && idle < 3; ) {
    // All three at the same moment.
    const claimed = await Promise.all(
      workers.map(({ id, running }) => queue.claim(concurrency - running.length, limits, id)),
    );
    for (const [i, jobs] of claimed.entries()) workers[i]!.running.push(...jobs);
    const running = workers.flatMap((worker) => worker.running);
    for (const [ownerId, jobs] of count(running, (job) => job.ownerId))
      expect(jobs).toBeLessThanOrEqual(mostOf(ownerId));
    for (const [, jobs] of count(running, (job) => job.targetKey)) expect(jobs).toBeLessThanOrEqual(5);
    for (const worker of workers) expect(worker.running.length).toBeLessThanOrEqual(concurrency);
    idle = running.length === 0 ? idle + 1 : 0;
    for (const worker of workers) {
      const stay = worker.running.filter(() => random(3) === 0);
      const end = worker.running.filter((job) => !stay.includes(job));
      expect(await Promise.all(end.map((job) => queue.store.finish(job, ended)))).not.toContain(false);
      done += end.length;
      worker.running = stay;
    }
  }
  expect(done).toBe(1_000);
});

test('a database has only so many jobs at once, whoever they are of, and others go on', async () => {
  const [crowded, free] = [uuidv7(), uuidv7()];
  const users = await Promise.all([1, 2, 3].map(() => queue.metadata.addUser()));
  for (const user of users) {
    await queue.submit(user, 'select 1', { targetKey: crowded });
    await queue.submit(user, 'select 1', { targetKey: crowded });
  }
  const other = await queue.submit(users[0]!, 'select 1', { targetKey: free });
  const limits = { maxParallelJobsPerDatabase: 2 };
  const claimed = await queue.claim(10, limits);
  expect(claimed.filter(({ targetKey }) => targetKey === crowded)).toHaveLength(2);
  expect(claimed.map(({ id }) => id)).toContain(other.id);
  expect(await queue.claim(10, limits)).toEqual([]);
  await queue.store.finish(claimed.find(({ targetKey }) => targetKey === crowded)!, ended);
  expect(await queue.claim(10, limits)).toHaveLength(1);
});

test('somebody behind many whose database is full gets his turn', async () => {
  const full = uuidv7();
  const users = await Promise.all(Array.from({ length: 60 }, () => queue.metadata.addUser()));
  await Promise.all(users.map((user) => queue.submit(user, 'select 1', { targetKey: full })));
  const last = await queue.submit(await queue.metadata.addUser(), 'select 1', { targetKey: uuidv7() });
  const limits = { maxParallelJobsPerDatabase: 1 };
  const claimed = await queue.claim(8, limits);
  expect(claimed.map(({ id }) => id)).toContain(last.id);
  expect(claimed).toHaveLength(2);
});

test('somebody with jobs running gets the place that those without any cannot use', async () => {
  const [full, free] = [uuidv7(), uuidv7()];
  const owner = await queue.metadata.addUser();
  const limits = { maxParallelJobsPerDatabase: 3 };
  await Promise.all([full, full, full].map((targetKey) => queue.submit(owner, 'select 1', { targetKey })));
  expect(await queue.claim(3, limits)).toHaveLength(3);
  const others = await Promise.all(Array.from({ length: 15 }, () => queue.metadata.addUser()));
  await Promise.all(others.map((user) => queue.submit(user, 'select 1', { targetKey: full })));
  const waiting = await queue.submit(owner, 'select 1', { targetKey: free });
  expect((await queue.claim(1, limits)).map(({ id }) => id)).toEqual([waiting.id]);
});

test('of one user the higher priority goes first, and a low one that has waited goes before it', async () => {
  const owner = await queue.metadata.addUser();
  const low = await queue.submit(owner, 'select 1', { priority: -10 });
  const middle = await queue.submit(owner, 'select 1');
  const high = await queue.submit(owner, 'select 1', { priority: 10 });
  const order = async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) ids.push(...(await queue.claim(1)).map(({ id }) => id));
    return ids;
  };
  expect(await order()).toEqual([high.id, middle.id, low.id]);
  await queue.pool.query(
    `UPDATE jobs SET status = 'queued', lease_until = NULL, worker_id = NULL WHERE status = 'running'`,
  );
  // Twenty levels of 30 s: ten minutes are the longest that anybody is kept back.
  await aged(low, 20 * 30_000 + 60_000);
  expect(await order()).toEqual([low.id, high.id, middle.id]);
});

test('a priority orders the jobs of its owner, and takes nothing from others', async () => {
  const [eager, modest] = [await queue.metadata.addUser(), await queue.metadata.addUser()];
  for (let i = 0; i < 10; i += 1) await queue.submit(eager, 'select 1', { priority: 10 });
  const one = await queue.submit(modest, 'select 1', { priority: -10 });
  expect((await queue.claim(2)).map(({ id }) => id)).toContain(one.id);
});

test.each([1, 2, 4])('as many busy users as there are places (%i) keep nobody out', async (places) => {
  const greedy = await Promise.all(Array.from({ length: places }, () => queue.metadata.addUser()));
  for (let i = 0; i < 20; i += 1) await Promise.all(greedy.map((user) => queue.submit(user, 'select 1')));
  const one = await queue.submit(await queue.metadata.addUser(), 'select 1');
  const worker = serve(places);
  await worker.wake();
  while (!worker.started.some(({ id }) => id === one.id)) await worker.end(worker.running[0]!);
  await worker.stop();
  expect(worker.started.length).toBeLessThanOrEqual(2 * places + 1);
});

test('a priority holds over all databases of its owner, also among many and beside many others', async () => {
  const owner = await queue.metadata.addUser({ maxParallelJobs: 1 });
  const targets = Array.from({ length: 40 }, () => uuidv7()).toSorted();
  for (const [i, targetKey] of targets.entries())
    await queue.submit(owner, 'select 1', { targetKey, priority: i === 39 ? 10 : -10 });
  expect((await queue.claim(1)).map(({ priority }) => priority)).toEqual([10]);
  const [busy, idle] = [uuidv7(), uuidv7()];
  const many = await queue.metadata.addUser({ maxParallelJobs: 4 });
  for (let i = 0; i < 15; i += 1)
    await queue.submit(await queue.metadata.addUser(), 'select 1', { targetKey: uuidv7() });
  for (let i = 0; i < 4; i += 1) {
    await queue.submit(many, 'select 1', { targetKey: busy, priority: 10 });
    await queue.submit(many, 'select 1', { targetKey: idle, priority: -10 });
  }
  const mine = (await queue.claim(24)).filter(({ ownerId }) => ownerId === many);
  expect(mine.map(({ priority }) => priority)).toEqual([10, 10, 10, 10]);
});

test('while somebody holds the claims up, jobs end, leases are renewed and cancels reach their jobs', async () => {
  const owner = await queue.metadata.addUser();
  for (let i = 0; i < 3; i += 1) await queue.submit(owner, 'select 1');
  const worker = serve(2);
  await worker.wake();
  const [first, second] = worker.running as [Job, Job];
  const holder = await queue.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT pg_advisory_xact_lock(4707691)');
  expect(await worker.store.finish(first, ended)).toBe(true);
  expect([...(await worker.store.renew([second])).keys()]).toEqual([second.id]);
  expect(await queue.store.requestCancel(second.id)).toMatchObject({ cancelRequestedAt: expect.any(Date) });
  await holder.query('COMMIT');
  holder.release();
  await worker.stop();
});

test('a worker that does not read what it claimed holds nobody up', async () => {
  const owner = await queue.metadata.addUser();
  const long = `select '${'x'.repeat(1_000_000)}'`;
  for (let i = 0; i < 4; i += 1) await queue.submit(owner, long);
  await queue.submit(await queue.metadata.addUser(), 'select 1');
  const pool = createPool({ connection: queue.metadata.database, log: silent, max: 1 });
  const client = await pool.connect();
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  client.release();
  const frozen = createTestJobStore(pool).serve({
    workerId: uuidv7(),
    concurrency: 4,
    busy: () => 0,
    claiming: () => void stream.pause(),
    start: () => undefined,
    failed: () => undefined,
  });
  const claiming = frozen.wake();
  const taken = async () => (await queue.pool.query(`SELECT FROM jobs WHERE status = 'running'`)).rowCount === 4;
  while (!(await taken()));
  // One is left, of either.
  expect(await queue.claim(8)).toHaveLength(1);
  stream.resume();
  await frozen.stop();
  await claiming;
  await pool.end();
});

test('jobs that run while another version adds a column end as they would have', async () => {
  const owner = await queue.metadata.addUser();
  for (let i = 0; i < 6; i += 1) await queue.submit(owner, 'select 1');
  const worker = serve(2);
  await worker.wake();
  // Long enough for the server to have made its general plans.
  for (let i = 0; i < 4; i += 1) await worker.end(worker.running[0]!);
  await queue.pool.query('ALTER TABLE jobs ADD COLUMN of_later int');
  try {
    for (const job of [...worker.running]) expect(await worker.end(job)).toBe(true);
    expect(worker.faults).toEqual([]);
  } finally {
    await queue.pool.query('ALTER TABLE jobs DROP COLUMN of_later');
    await worker.stop();
  }
});

test('a submission that waits for a row that somebody holds does not hold up the next', async () => {
  const [slow, quick] = [await queue.metadata.addUser(), await queue.metadata.addUser()];
  const holder = await queue.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [slow]);
  const waiting = queue.submit(slow, 'select 1');
  expect((await queue.submit(quick, 'select 1')).status).toBe('queued');
  await holder.query('ROLLBACK');
  holder.release();
  expect((await waiting).ownerId).toBe(slow);
});

test('a job that was cancelled when its worker was lost does not run', async () => {
  const owner = await queue.metadata.addUser();
  const job = await queue.submit(owner, 'create table must_not_be ()');
  await queue.claim(1);
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 s'`);
  const [heir] = await queue.store.takeOver({ workerId: uuidv7(), limit: 1, except: [] });
  await queue.jobs.cancel(queue.viewerOf(owner), job.id);
  expect(await queue.store.release(heir!)).toBe(false);
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 s'`);
  const worker = await queue.worker({ timing: { rescueMs: 50 } });
  expect((await queue.until(job)).status).toBe('cancelled');
  await worker.stop();
  const { rows } = await queue.targetDatabase.client.query(`select to_regclass('must_not_be') as made`);
  expect(rows).toEqual([{ made: null }]);
});

test('a job is not claimed before its time, and then without anybody asking', async () => {
  const owner = await queue.metadata.addUser();
  const later = await queue.submit(owner, 'select 1', { runAt: new Date(Date.now() + 3_600_000) });
  expect(later).toMatchObject({ status: 'queued', heldUntil: expect.any(Date) });
  expect(await queue.claim(1)).toEqual([]);
  const soon = await queue.submit(owner, 'select 1', { runAt: new Date(Date.now() + 300) });
  const worker = await queue.worker({ timing: { pollMs: 50 } });
  const ran = await queue.until(soon);
  await worker.stop();
  expect(ran.status).toBe('succeeded');
  expect(ran.startedAt!.getTime()).toBeGreaterThanOrEqual(ran.runAt!.getTime());
  expect((await queue.store.find(later.id))?.status).toBe('queued');
});

test('what is submitted where jobs run starts at once, but not before what waits already', async () => {
  const owner = await queue.metadata.addUser();
  const started: Job[] = [];
  const handle = queue.store.serve({
    workerId: uuidv7(),
    concurrency: 3,
    busy: () => started.length,
    claiming: () => undefined,
    start: (jobs) => started.push(...jobs),
    failed: (error) => {
      throw error;
    },
  });
  try {
    expect(await queue.submit(owner, 'select 1')).toMatchObject({ status: 'running', fence: 1, attempt: 1 });
    await queue.pool.query(
      `UPDATE jobs SET status = 'queued', lease_until = NULL, worker_id = NULL, rank_ms = 0 WHERE status = 'running'`,
    );
    const [waiting] = started.splice(0);
    const next = await queue.submit(owner, 'select 2');
    expect(next.status).toBe('queued');
    await handle.wake();
    expect(started.map(({ id }) => id)).toEqual([waiting!.id, next.id]);
    // Nor beyond a limit, and not before its time.
    expect((await queue.submit(owner, 'select 3', { runAt: new Date(Date.now() + 60_000) })).status).toBe('queued');
  } finally {
    await handle.stop();
  }
});

test('of many submitted at the same moment where jobs run only those within the limits start', async () => {
  const owner = await queue.metadata.addUser({ maxParallelJobs: 2 });
  const other = await queue.metadata.addUser();
  const started: Job[] = [];
  const handle = queue.store.serve({
    workerId: uuidv7(),
    concurrency: 4,
    busy: () => started.length,
    claiming: () => undefined,
    start: (jobs) => started.push(...jobs),
    failed: (error) => {
      throw error;
    },
  });
  await Promise.all([owner, owner, owner, owner, other, other, other].map((user) => queue.submit(user, 'select 1')));
  await handle.wake();
  await handle.stop();
  expect(started).toHaveLength(4);
  expect(started.filter(({ ownerId }) => ownerId === owner).length).toBeLessThanOrEqual(2);
  const { rows } = await queue.pool.query(`SELECT count(*)::int AS running FROM jobs WHERE status = 'running'`);
  expect(rows).toEqual([{ running: 4 }]);
});

test('one that fails in a batch does not take the others with it', async () => {
  const owner = await queue.metadata.addUser();
  const submitted = await Promise.allSettled([
    queue.submit(owner, 'select 1'),
    queue.submit(uuidv7(), 'select 1'),
    queue.submit(owner, 'select 2'),
  ]);
  expect(submitted.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  // And where the process runs jobs as well.
  const worker = serve(1);
  const job = { ...submitted[0]!, ...(submitted[0] as PromiseFulfilledResult<Job>).value, idempotencyKey: null };
  const again = [owner, uuidv7()].map((ownerId) => worker.store.insert({ ...job, id: uuidv7(), ownerId }));
  expect((await Promise.allSettled(again)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await worker.stop();
});

test('an attempt that could do nothing twice is followed by another, with a pause that grows', () => {
  const job = {
    attempt: 1,
    maxAttempts: 3,
    readOnly: true,
    transaction: 'per_statement',
    cancelRequestedAt: null,
  } as const;
  const writing = { ...job, readOnly: false };
  const whole = { ...writing, transaction: 'whole' } as const;
  const fault = (code: Parameters<typeof mayRunAgain>[1]['code'], sqlState?: string) => ({
    code,
    message: '',
    sqlState,
  });
  expect(mayRunAgain(job, fault('INTERRUPTED'))).toBe(true);
  expect(mayRunAgain(job, fault('CONNECTION_LOST'))).toBe(true);
  expect(mayRunAgain(job, fault('SQL_ERROR', '57P01'))).toBe(true);
  expect(mayRunAgain(writing, fault('CONNECTION_FAILED'))).toBe(true);
  expect(mayRunAgain(writing, fault('INTERRUPTED'))).toBe(false);
  expect(mayRunAgain(writing, fault('SQL_ERROR', '40001'))).toBe(false);
  expect(mayRunAgain(whole, fault('SQL_ERROR', '40001'))).toBe(true);
  expect(mayRunAgain(whole, fault('CONNECTION_LOST'))).toBe(false);
  for (const code of ['TIMEOUT', 'LIMIT_EXCEEDED', 'FORBIDDEN', 'READ_ONLY'] as const)
    expect(mayRunAgain(job, fault(code))).toBe(false);
  expect(mayRunAgain(job, fault('SQL_ERROR', '42601'))).toBe(false);
  expect(mayRunAgain({ ...job, attempt: 3 }, fault('INTERRUPTED'))).toBe(false);
  expect(mayRunAgain({ ...job, cancelRequestedAt: new Date() }, fault('INTERRUPTED'))).toBe(false);
  expect([1, 2, 3, 40].map((attempt) => pauseMs(attempt, () => 0))).toEqual([1_000, 2_000, 4_000, 300_000]);
  expect(pauseMs(1, () => 1)).toBe(1_500);
});

test('a job that only reads runs again when its server ended the session, without the rows of before', async () => {
  const owner = await queue.metadata.addUser();
  const { pool } = queue;
  const worker = await queue.worker({ timing: { pollMs: 50 } });
  const { client } = queue.targetDatabase;
  // The first attempt ends itself behind its first rows; the second finds the table that tells it not to.
  await client.query('CREATE TABLE calm (yes boolean)');
  const job = await queue.submit(
    owner,
    `select 1 as first; select pg_sleep(case when exists (select from calm) then 0 else 60 end)`,
    { readOnly: true, maxAttempts: 2 },
  );
  const sleeping = async () =>
    (
      await client.query(
        `select pid from pg_stat_activity where datname = current_database() and query like 'select pg_sleep%' and state = 'active'`,
      )
    ).rows[0]?.pid as number | undefined;
  let pid: number | undefined;
  while (pid === undefined) pid = await sleeping();
  await client.query('INSERT INTO calm VALUES (true)');
  await client.query('SELECT pg_terminate_backend($1)', [pid]);
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded', attempt: 2, error: null, percent: 100 });
  const { rows } = await pool.query('SELECT index FROM result_sets WHERE job_id = $1 ORDER BY index', [job.id]);
  expect(rows).toEqual([{ index: 0 }, { index: 1 }]);
  await worker.stop();
});
