/** Jobs that start in the statement that accepts them, though another process runs them. */
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type MailReceiver, startNotify } from '../../src/db/notify.ts';
import type { Job, NewJob } from '../../src/jobs/job.ts';
import { createBus } from '../../src/lib/bus.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import type { Service } from '../../src/lib/lifecycle.ts';
import { createTestJobStore } from '../support/job-store.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';
import { silent } from '../support/metadata.ts';

let queue: TestQueue;
const services: Service[] = [];
beforeAll(async () => {
  queue = await createTestQueue();
});
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await queue[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await queue.pool.query('DELETE FROM jobs');
  await queue.pool.query('DELETE FROM workers');
});

const workers = async (): Promise<number> => (await queue.pool.query('SELECT FROM workers')).rowCount!;

/** A worker, once it is known to be there. */
async function worker(...options: Parameters<TestQueue['worker']>): Promise<Service> {
  const service = await queue.worker(...options);
  while ((await workers()) === 0);
  // Behind its first claim: while somebody claims nothing is given.
  await queue.pool.query('SELECT pg_advisory_xact_lock(4707691)');
  return service;
}

/** It claims when somebody rings, and not while the test gives. */
const seldom = { pollMs: 3_600_000 };

/** A place of jobs that says it is there and does nothing with what it is given. */
async function idleWorker(concurrency: number) {
  const workerId = uuidv7();
  const messages: string[] = [];
  const waiting: (() => void)[] = [];
  const connection = queue.metadata.database;
  const notify = await startNotify({ connection, pool: queue.pool, bus: createBus(), log: silent });
  services.push(notify);
  const { promise, resolve } = Promise.withResolvers<string>();
  const receiver: MailReceiver = {
    opened: resolve,
    received(text) {
      messages.push(text);
      for (const wake of waiting.splice(0)) wake();
    },
  };
  await notify.receive(receiver);
  await queue.store.announce({ workerId, mailbox: await promise, concurrency });
  return {
    workerId,
    stop: () => notify.stop(),
    /** The jobs that it was told of, when there are so many. */
    async given(count: number) {
      while (messages.length < count) await new Promise<void>((wake) => waiting.push(wake));
      return Promise.all(messages.map((message) => queue.store.givenBy(message)));
    },
  };
}

const statusOf = async (id: string) => (await queue.store.find(id))?.status;

test('what nobody waits before runs when it is accepted, in the process that runs jobs', async () => {
  const service = await worker({ timing: seldom });
  const owner = await queue.metadata.addUser();
  const job = await queue.submit(owner, 'select $1::int as n', { parameters: [7], name: 'seven' });
  expect(job).toMatchObject({ status: 'running', fence: 1, attempt: 1, startedAt: expect.any(Date) });
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded', attempt: 1, fence: 1 });
  expect(await queue.rows(job)).toEqual([[7]]);
  await service.stop();
});

test('it is given whole, or by its id where it is longer than a message', async () => {
  const { given, workerId } = await idleWorker(2);
  const owner = await queue.metadata.addUser();
  const options = { parameters: ['ä\n\t"', null], sealedConnection: 'sealed', maxAttempts: 3, priority: 2 };
  const short = await queue.submit(owner, 'select $1, $2', options);
  const long = await queue.submit(owner, `select '${'é'.repeat(1_000_000)}'`, options);
  const [first, second] = await given(2);
  expect([first, second]).toEqual(await queue.store.findAll([short.id, long.id]));
  const { rows } = await queue.pool.query('SELECT DISTINCT worker_id FROM jobs');
  expect(rows).toEqual([{ worker_id: workerId }]);
});

test('the limits of a user, of a database and of all places hold for what comes at the same moment', async () => {
  await idleWorker(3);
  await idleWorker(1);
  const [modest, eager] = [await queue.metadata.addUser({ maxParallelJobs: 1 }), await queue.metadata.addUser()];
  const submitted = await Promise.all([modest, modest, eager].map((owner) => queue.submit(owner, 'select 1')));
  expect(submitted.map(({ status }) => status)).toEqual(['running', 'queued', 'running']);
  await queue.pool.query('DELETE FROM jobs');
  const many = await Promise.all(Array.from({ length: 6 }, () => queue.submit(eager, 'select 1')));
  expect(many.filter(({ status }) => status === 'running')).toHaveLength(4);
  await queue.pool.query('DELETE FROM jobs');
  const store = createTestJobStore(queue.pool, { maxParallelJobsPerDatabase: 1 });
  const input = { ...many[0]!, idempotencyKey: null };
  const limited = await Promise.all([1, 2].map(() => store.insert({ ...input, id: uuidv7() })));
  expect(limited.map(({ job }) => job.status)).toEqual(['running', 'queued']);
});

test('of what comes at the same moment an owner’s highest priority starts, and owners take turns', async () => {
  await idleWorker(4);
  const [eager, modest] = [await queue.metadata.addUser(), await queue.metadata.addUser({ maxParallelJobs: 1 })];
  for (let i = 0; i < 3; i += 1) await queue.submit(eager, 'select 1');
  const statuses = async (submissions: [owner: string, priority: number][]) =>
    (await Promise.all(submissions.map(([owner, priority]) => queue.submit(owner, 'select 1', { priority })))).map(
      ({ status }) => status,
    );
  expect(
    await statuses([
      [eager, -10],
      [eager, 10],
    ]),
  ).toEqual(['queued', 'running']);
  await queue.pool.query(`DELETE FROM jobs WHERE status = 'queued' OR priority = 10`);
  expect(
    await statuses([
      [eager, 10],
      [modest, -10],
    ]),
  ).toEqual(['queued', 'running']);
  await queue.pool.query(`DELETE FROM jobs WHERE status = 'queued' OR owner_id = $1`, [modest]);
  // What its owner’s limit keeps back takes nobody’s place.
  expect(
    await statuses([
      [modest, 0],
      [modest, 0],
      [modest, 1],
      [eager, 0],
    ]),
  ).toEqual(['queued', 'queued', 'running', 'queued']);
  await queue.pool.query('DELETE FROM jobs');
  expect(
    await statuses([
      [modest, 0],
      [modest, 0],
      [modest, 1],
      [eager, 0],
    ]),
  ).toEqual(['queued', 'queued', 'running', 'running']);
});

test('places are given where most are free', async () => {
  const [small, large] = [await idleWorker(1), await idleWorker(3)];
  const owner = await queue.metadata.addUser();
  for (let i = 0; i < 4; i += 1) expect((await queue.submit(owner, 'select 1')).status).toBe('running');
  expect((await queue.submit(owner, 'select 1')).status).toBe('queued');
  expect(await large.given(3)).toHaveLength(3);
  expect(await small.given(1)).toHaveLength(1);
});

test('a worker claims no more than its places though it has not yet heard of what it was given', async () => {
  const { workerId } = await idleWorker(2);
  const owner = await queue.metadata.addUser();
  for (let i = 0; i < 2; i += 1) await queue.submit(owner, 'select 1');
  const started: unknown[] = [];
  for (const jobs of [1, 2]) {
    await queue.pool.query(`DELETE FROM jobs WHERE status = 'queued'`);
    const handle = createTestJobStore(queue.pool).serve({
      workerId,
      concurrency: 2,
      busy: () => 0,
      claiming: () => undefined,
      start: (taken) => started.push(...taken),
      failed: (error) => {
        throw error;
      },
    });
    // Nothing waits: the next claim looks for an only job. Of several it takes what a claim of many takes.
    await handle.wake();
    for (let i = 0; i < jobs; i += 1) expect((await queue.submit(owner, 'select 1')).status).toBe('queued');
    await handle.wake();
    await handle.stop();
  }
  expect(started).toEqual([]);
});

test('while two processes give and a worker claims, no limit is passed at any moment, and all of them run', async () => {
  const [perOwner, places] = [2, 3];
  const limits = { maxParallelJobs: perOwner };
  const service = await worker({ concurrency: places, limits });
  const owners = await Promise.all([1, 2, 3].map(() => queue.metadata.addUser()));
  const stores = [1, 2].map(() => createTestJobStore(queue.pool, limits));
  const { rows } = await queue.pool.query('SELECT id FROM databases LIMIT 1');
  const job: NewJob = {
    kind: 'query',
    ownerId: owners[0]!,
    databaseId: rows[0].id,
    targetKey: rows[0].id,
    targetLabel: 'postgresql test',
    name: null,
    sql: 'select 1',
    parameters: null,
    readOnly: true,
    transaction: 'per_statement',
    timeoutMs: 60_000,
    maxRows: 10,
    idempotencyKey: null,
  };
  const total = 60;
  const submitting = Promise.all(
    stores.map(async (store, i) => {
      for (let n = i; n < total; n += 2) await store.insert({ ...job, ownerId: owners[n % 3]! });
    }),
  );
  const state = async () =>
    (
      await queue.pool.query<{ owner: number; worker: number; ended: number }>(
        `SELECT (SELECT coalesce(max(n), 0)::int FROM (SELECT count(*) AS n FROM jobs WHERE status = 'running' GROUP BY owner_id) _) AS owner,
                (SELECT count(*)::int FROM jobs WHERE status = 'running') AS worker,
                (SELECT count(*)::int FROM jobs WHERE status = 'succeeded') AS ended`,
      )
    ).rows[0]!;
  for (let ended = 0; ended < total; ) {
    const now = await state();
    expect(now.owner).toBeLessThanOrEqual(perOwner);
    expect(now.worker).toBeLessThanOrEqual(places);
    ended = now.ended;
  }
  await submitting;
  await service.stop();
});

test('what waits already goes first, and what is for later is not given', async () => {
  await idleWorker(8);
  const owner = await queue.metadata.addUser();
  const later = await queue.submit(owner, 'select 1', { runAt: new Date(Date.now() + 3_600_000) });
  expect(later.status).toBe('queued');
  await queue.pool.query('UPDATE jobs SET held_until = NULL');
  expect((await queue.submit(owner, 'select 1')).status).toBe('queued');
});

test('nothing is given to a worker whose process is gone, or that was not seen for a lease', async () => {
  const owner = await queue.metadata.addUser();
  const gone = await idleWorker(8);
  await gone.stop();
  expect((await queue.submit(owner, 'select 1')).status).toBe('queued');
  await queue.pool.query('DELETE FROM jobs');
  const { workerId } = await idleWorker(8);
  await queue.pool.query(`UPDATE workers SET seen_until = now() - interval '1 s' WHERE id = $1`, [workerId]);
  expect((await queue.submit(owner, 'select 1')).status).toBe('queued');
});

test('while somebody claims, what is submitted is queued and waits for nobody', async () => {
  await idleWorker(8);
  const owner = await queue.metadata.addUser();
  const holder = await queue.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT pg_advisory_xact_lock(4707691)');
  expect((await queue.submit(owner, 'select 1')).status).toBe('queued');
  await holder.query('COMMIT');
  holder.release();
});

test('one that its worker never began runs elsewhere when its lease is over, and the late one may not begin', async () => {
  const { given } = await idleWorker(8);
  const owner = await queue.metadata.addUser();
  const job = await queue.submit(owner, 'select 1');
  const [late] = await given(1);
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 s'`);
  const heir = await queue.worker({ timing: { rescueMs: 50 } });
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded', attempt: 1 });
  expect(await queue.store.setBackend(late!, { sessionId: '1', startedAt: 'x' })).toBe(false);
  await heir.stop();
});

test('a worker that leaves is given nothing more, and what it was given and did not hear of goes back', async () => {
  const owner = await queue.metadata.addUser();
  const leaving = await idleWorker(8);
  const job = await queue.submit(owner, 'select 1');
  expect(job.status).toBe('running');
  await queue.store.withdraw(leaving.workerId);
  expect(await queue.store.releaseUnknown(leaving.workerId, [])).toBe(1);
  expect(await queue.store.find(job.id)).toMatchObject({ status: 'queued', attempt: 0, startedAt: null });
  const service = await worker();
  expect((await queue.until(job)).status).toBe('succeeded');
  await service.stop();
  expect(await workers()).toBe(0);
});

test('where a submission cannot be given it is queued, and the log says why', async () => {
  const lines: string[] = [];
  const store = createTestJobStore(queue.pool, {
    log: pino({ level: 'warn' }, { write: (line) => void lines.push(line) }),
  });
  const input = await queue.submit(await queue.metadata.addUser(), 'select 1');
  const insert = (ownerId: string) => store.insert({ ...input, id: uuidv7(), ownerId, idempotencyKey: null });
  // What is wrong with a submission is said to whoever sends it.
  await expect(insert(uuidv7())).rejects.toMatchObject({ code: '23503' });
  expect(lines).toEqual([]);
  await queue.pool.query('ALTER TABLE workers RENAME TO away');
  expect((await insert(input.ownerId)).job.status).toBe('queued');
  await queue.pool.query('ALTER TABLE away RENAME TO workers');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { msg: 'queue.round_failed', error: expect.any(String) },
  ]);
});

/** As if it had been given to the worker so long ago, and what told him were lost. */
async function giveUnheard(job: Job, agoMs: number): Promise<void> {
  await queue.pool.query(
    `UPDATE jobs SET status = 'running', held_until = NULL, worker_id = (SELECT id FROM workers), fence = 1, attempt = 1,
            started_at = now() - $2 * interval '1 ms', lease_until = now() + interval '15 s' - $2 * interval '1 ms'
     WHERE id = $1`,
    [job.id, agoMs],
  );
}
const later = () => ({ runAt: new Date(Date.now() + 3_600_000) });

test('what a worker was given and did not hear of it finds, and gives back where it has no place', async () => {
  const service = await worker({ concurrency: 2, timing: { pollMs: 50 } });
  const owner = await queue.metadata.addUser({ maxParallelJobs: 1 });
  const other = await queue.metadata.addUser();
  const long = await queue.submit(owner, 'select pg_sleep(600)');
  const [unheard, cancelled] = [
    await queue.submit(other, 'select 1', later()),
    await queue.submit(other, '?', later()),
  ];
  await giveUnheard(unheard, 2_000);
  // The lease of before: nobody had to rescue it.
  expect(await queue.until(unheard)).toMatchObject({ status: 'succeeded', attempt: 1, fence: 1 });
  await giveUnheard(cancelled, 2_000);
  await queue.store.requestCancel(cancelled.id);
  expect(await queue.until(cancelled)).toMatchObject({ status: 'cancelled' });
  const second = await queue.submit(other, 'select pg_sleep(600)');
  await queue.until(second, 'running');
  const third = await queue.submit(other, 'select 3', later());
  await giveUnheard(third, 2_000);
  expect(await queue.until(third, 'queued')).toMatchObject({ status: 'queued', attempt: 0 });
  for (const job of [long, second]) await queue.jobs.cancel(queue.viewerOf(job.ownerId), job.id);
  expect(await queue.until(third)).toMatchObject({ status: 'succeeded', attempt: 1 });
  await service.stop();
});

test('a worker that is stopped before it hears of a job gives it back, and ends it where it is to be cancelled', async () => {
  const service = await worker({ timing: seldom });
  const owner = await queue.metadata.addUser();
  const [kept, cancelled] = [await queue.submit(owner, 'select 1', later()), await queue.submit(owner, '?', later())];
  for (const job of [kept, cancelled]) await giveUnheard(job, 0);
  await queue.store.requestCancel(cancelled.id);
  const holder = await queue.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT pg_advisory_xact_lock(4707691)');
  const stopping = service.stop();
  // While somebody holds the claims up it is given nothing more all the same.
  while ((await queue.pool.query('SELECT FROM workers WHERE seen_until > now()')).rowCount! > 0);
  await holder.query('COMMIT');
  holder.release();
  await stopping;
  expect(await queue.store.find(kept.id)).toMatchObject({ status: 'queued', attempt: 0, startedAt: null });
  expect(await queue.store.find(cancelled.id)).toMatchObject({ status: 'cancelled', finishedAt: expect.any(Date) });
  expect(await workers()).toBe(0);
});

test('a worker that cannot say that it is there keeps what it runs, also while it stops', async () => {
  const service = await worker({ timing: { heartbeatMs: 50 } });
  const owner = await queue.metadata.addUser();
  const job = await queue.submit(owner, 'select pg_sleep(600)');
  await queue.until(job, 'running');
  const lease = async (): Promise<Date> =>
    (await queue.pool.query('SELECT lease_until FROM jobs WHERE id = $1', [job.id])).rows[0]?.lease_until;
  const renewed = async (times: number) => {
    for (let i = 0, before = await lease(); i < times; i += 1) {
      while ((await lease()).getTime() === before.getTime());
      before = await lease();
    }
  };
  await queue.pool.query('ALTER TABLE workers RENAME TO away');
  await renewed(3);
  await queue.pool.query('ALTER TABLE away RENAME TO workers');
  const stopping = service.stop();
  await renewed(3);
  await queue.jobs.cancel(queue.viewerOf(owner), job.id);
  await stopping;
  expect(await statusOf(job.id)).toBe('cancelled');
});

test('one that is cancelled right behind its submission does not stay', async () => {
  const service = await worker();
  const owner = await queue.metadata.addUser();
  const jobs = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const job = await queue.submit(owner, 'select pg_sleep(600)');
      await queue.jobs.cancel(queue.viewerOf(owner), job.id);
      return job;
    }),
  );
  for (const job of jobs) expect((await queue.until(job)).status).toBe('cancelled');
  await service.stop();
});

test('a worker whose connection breaks is given jobs again by the next one', async () => {
  const service = await worker({ timing: seldom });
  const owner = await queue.metadata.addUser();
  const mailbox = async () => (await queue.pool.query('SELECT mailbox FROM workers')).rows[0]?.mailbox;
  const before = await mailbox();
  await queue.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quarry-bus'`,
  );
  while ((await mailbox()) === before);
  const job = await queue.submit(owner, 'select 1');
  expect(job.status).toBe('running');
  expect((await queue.until(job)).status).toBe('succeeded');
  expect(await statusOf(job.id)).toBe('succeeded');
  await service.stop();
});
