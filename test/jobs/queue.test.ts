import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePosition } from '../../src/jobs/job.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
beforeAll(async () => {
  queue = await createTestQueue();
});
afterAll(() => queue[Symbol.asyncDispose]());

const claim = (limit = 100, maxParallelJobs = 3) => queue.claim(limit, { maxParallelJobs });

/** Nothing of an earlier test may be claimed by this one. */
async function emptied(): Promise<TestQueue> {
  await queue.pool.query('DELETE FROM jobs');
  return queue;
}

const ended = { status: 'succeeded', error: null, rows: 0, bytes: 0 } as const;

test('a job is claimed once, oldest first, with a fence and a lease', async () => {
  const { submit, metadata, store } = await emptied();
  const owner = await metadata.addUser();
  const first = await submit(owner, 'select 1');
  const second = await submit(owner, 'select 2');
  const [a] = await claim(1);
  const [b] = await claim(1);
  expect([a?.id, b?.id]).toEqual([first.id, second.id]);
  expect(a).toMatchObject({ status: 'running', fence: 1, attempt: 1 });
  expect(await claim()).toEqual([]);
  expect((await store.find(first.id))?.startedAt).toBeInstanceOf(Date);
});

test('the parallel limit of a user holds over workers that claim at the same moment', async () => {
  const { submit, metadata, store } = await emptied();
  const owner = await metadata.addUser({ maxParallelJobs: 2 });
  for (let i = 0; i < 20; i += 1) await submit(owner, 'select 1');
  const claims = await Promise.all(Array.from({ length: 6 }, () => claim(5, 4)));
  expect(claims.flat()).toHaveLength(2);
  await store.finish(claims.flat()[0]!, ended);
  expect(await claim(5, 4)).toHaveLength(1);
});

test('a user’s own limit cannot pass the ceiling', async () => {
  const { submit, metadata } = await emptied();
  const owner = await metadata.addUser({ maxParallelJobs: 50 });
  for (let i = 0; i < 5; i += 1) await submit(owner, 'select 1');
  expect(await claim(100, 3)).toHaveLength(3);
});

test('one user with many jobs does not stand before another with one', async () => {
  const { submit, metadata } = await emptied();
  const greedy = await metadata.addUser();
  const modest = await metadata.addUser();
  for (let i = 0; i < 50; i += 1) await submit(greedy, 'select 1');
  const one = await submit(modest, 'select 1');
  const ids = (await claim(2, 4)).map(({ id }) => id);
  expect(ids).toContain(one.id);
});

test('every write of a worker whose lease was taken over is refused', async () => {
  const { submit, metadata, store, results, pool } = await emptied();
  const job = await submit(await metadata.addUser(), 'select 1');
  const [zombie] = await claim(1);
  await pool.query(`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = $1`, [job.id]);
  const [heir] = await store.takeOver({ workerId: '00000000-0000-0000-0000-00000000000b', limit: 10, except: [] });
  expect(heir).toMatchObject({ id: job.id, fence: 2 });
  expect(await store.setBackend(zombie!, { sessionId: '1', startedAt: 'x' })).toBe(false);
  expect(await store.setProgress(zombie!, { rows: 1, bytes: 1 })).toBe(false);
  expect(await store.addNotices(zombie!, [{ index: 1, message: 'x' }], 10)).toBe(false);
  expect(await results.begin(zombie!, { index: 0, statement: 'x', columns: [] })).toBeNull();
  const set = await results.begin(heir!, { index: 0, statement: 'x', columns: [] });
  expect(await results.append(zombie!, set!, [{ index: 0, firstRow: 0, rows: 1, blob: 'x', textBytes: 2 }])).toBe(
    false,
  );
  expect(await results.end(zombie!, set!, { command: 'SELECT', rowCount: 1, truncated: false, durationMs: 1 })).toBe(
    false,
  );
  expect((await store.renew([zombie!])).size).toBe(0);
  expect(await store.finish(zombie!, ended)).toBe(false);
  expect(await store.finish(heir!, ended)).toBe(true);
  expect((await store.find(job.id))?.status).toBe('succeeded');
});

test('a job that has ended moves no more', async () => {
  const { submit, metadata, store } = await emptied();
  const job = await submit(await metadata.addUser(), 'select 1');
  const [held] = await claim(1);
  await store.finish(held!, ended);
  expect(await store.requestCancel(job.id)).toBeNull();
  expect(await store.finish(held!, { ...ended, status: 'failed' })).toBe(false);
  expect(await store.release(held!)).toBe(false);
  expect((await store.find(job.id))?.status).toBe('succeeded');
});

test('two submissions with one idempotency key are one job, also at the same moment', async () => {
  const { metadata, store, submit } = await emptied();
  const owner = await metadata.addUser();
  const other = await metadata.addUser();
  const jobs = await Promise.all(
    Array.from({ length: 8 }, () => submit(owner, 'select 1', { idempotencyKey: 'once' })),
  );
  expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
  expect((await submit(other, 'select 1', { idempotencyKey: 'once' })).id).not.toBe(jobs[0]!.id);
  expect(await store.count({ ownerId: owner })).toBe(1);
});

test('a queued job is cancelled at once, a running one is asked to end', async () => {
  const { submit, metadata, store } = await emptied();
  const owner = await metadata.addUser();
  const queued = await submit(owner, 'select 1');
  expect(await store.requestCancel(queued.id)).toMatchObject({ status: 'cancelled', finishedAt: expect.any(Date) });
  const running = await submit(owner, 'select 1');
  await claim(1);
  expect(await store.requestCancel(running.id)).toMatchObject({
    status: 'running',
    cancelRequestedAt: expect.any(Date),
  });
});

test('jobs are listed newest first, forwards and backwards, and only the owner’s', async () => {
  const { submit, metadata, jobs, viewerOf } = await emptied();
  const owner = await metadata.addUser();
  const stranger = await metadata.addUser();
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.unshift((await submit(owner, `select ${i}`)).id);
  const page = (over: object) =>
    jobs.list(viewerOf(owner), {}, { limit: 2, backward: false, after: null, before: null, ...over });
  expect((await page({})).jobs.map(({ id }) => id)).toEqual(ids.slice(0, 3));
  expect((await page({ after: ids[1] })).jobs.map(({ id }) => id)).toEqual(ids.slice(2, 5));
  expect((await page({ backward: true })).jobs.map(({ id }) => id)).toEqual(ids.slice(2, 5));
  expect(await (await page({})).count()).toBe(5);
  await expect(
    jobs.list(viewerOf(stranger), { ownerId: owner }, { limit: 2, backward: false, after: null, before: null }),
  ).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(await jobs.find(viewerOf(stranger), ids[0]!)).toBeNull();
  await expect(jobs.cancel(viewerOf(stranger), ids[0]!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('events begin with the unfinished jobs, go on with every change, and resume behind a position', async () => {
  const { submit, metadata, jobs, viewerOf, store } = await emptied();
  const owner = await metadata.addUser();
  const job = await submit(owner, 'select 1');
  const abort = new AbortController();
  const events = jobs.events(viewerOf(owner), { databaseId: null, after: null }, abort.signal)[Symbol.asyncIterator]();
  const first = (await events.next()).value!;
  expect(first.job).toMatchObject({ id: job.id, status: 'queued' });
  const [held] = await claim(1);
  expect((await events.next()).value?.job).toMatchObject({ status: 'running' });
  await store.finish(held!, ended);
  const last = (await events.next()).value!;
  expect(last.job).toMatchObject({ status: 'succeeded' });
  abort.abort();
  await events.return?.();

  const again = jobs
    .events(viewerOf(owner), { databaseId: null, after: first.position }, AbortSignal.timeout(20_000))
    [Symbol.asyncIterator]();
  // Only the newest state of each job.
  expect((await again.next()).value).toMatchObject({ position: last.position, job: { status: 'succeeded' } });
  await again.return?.();
});

test('events of somebody without unfinished jobs begin with the next change', async () => {
  const { submit, metadata, jobs, viewerOf } = await emptied();
  const owner = await metadata.addUser();
  const events = jobs
    .events(viewerOf(owner), { databaseId: null, after: null }, AbortSignal.timeout(20_000))
    [Symbol.asyncIterator]();
  const next = events.next();
  const job = await submit(owner, 'select 1');
  expect((await next).value?.job).toMatchObject({ id: job.id, status: 'queued' });
  await events.return?.();
});

test('a change that commits late is not passed over by one that committed before it', async () => {
  const { submit, metadata, jobs, viewerOf, pool } = await emptied();
  const owner = await metadata.addUser();
  const early = await submit(owner, 'select 1');
  const late = await submit(owner, 'select 2');
  const events = jobs
    .events(
      viewerOf(owner),
      { databaseId: null, after: `${late.position.xid}.${late.position.seq}` },
      AbortSignal.timeout(30_000),
    )
    [Symbol.asyncIterator]();
  const slow = await pool.connect();
  await slow.query('BEGIN');
  await slow.query(
    `UPDATE jobs SET name = 'early', revision = revision + 1, change_xid = pg_current_xact_id()::text::bigint, change_seq = nextval('job_changes') WHERE id = $1`,
    [early.id],
  );
  await queue.store.requestCancel(late.id);
  // It has looked, and seen nothing that is settled.
  const { items, unsettled } = await queue.store.changesAfter(owner, null, late.position, 10);
  expect({ items, unsettled }).toEqual({ items: [], unsettled: true });
  const next = events.next();
  await slow.query('COMMIT');
  slow.release();
  expect((await next).value?.job).toMatchObject({ id: early.id, name: 'early' });
  expect((await events.next()).value?.job).toMatchObject({ id: late.id, status: 'cancelled' });
  await events.return?.();
});

test('what is not a position is BAD_USER_INPUT', async () => {
  const events = queue.jobs.events(
    queue.viewerOf(await queue.metadata.addUser()),
    { databaseId: null, after: 'x' },
    AbortSignal.timeout(5_000),
  );
  await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  expect(parsePosition('1.2')).toEqual({ xid: 1n, seq: 2n });
});
