/** What people see of the queue: places and estimates as they move, deletions, searches, the queue as a whole. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { transaction } from '../../src/db/metadata.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { connectionOf, pageOf } from '../../src/lib/pages.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
});
afterAll(() => queue[Symbol.asyncDispose]());
beforeEach(async () => {
  await queue.pool.query('DELETE FROM jobs');
  owner = await queue.metadata.addUser({ maxParallelJobs: 1 });
});

const ended = { status: 'succeeded', error: null, rows: 0, bytes: 0 } as const;
const patience = () => AbortSignal.timeout(30_000);

test('a queued job says its place, and the place moves as those before it go', async () => {
  const [first, second, third] = [
    await queue.submit(owner, 'select 1'),
    await queue.submit(owner, 'select 2'),
    await queue.submit(owner, 'select 3'),
  ];
  const viewer = queue.viewerOf(owner);
  const followed = queue.jobs.follow(viewer, third.id, patience())[Symbol.asyncIterator]();
  const place = async () => (await followed.next()).value!.place;
  expect(await place()).toEqual({ position: 3, etaMs: null });
  await queue.jobs.cancel(viewer, first.id);
  expect(await place()).toMatchObject({ position: 2 });
  await queue.jobs.reprioritize(viewer, third.id, 5);
  const moved = (await followed.next()).value!;
  expect(moved).toMatchObject({ priority: 5, place: { position: 1, etaMs: 0 } });
  expect(await queue.jobs.place((await queue.store.find(second.id))!)).toMatchObject({ position: 2 });
  const [held] = await queue.claim(1);
  expect(held?.id).toBe(third.id);
  expect((await followed.next()).value).toMatchObject({ status: 'running', place: null });
  await queue.store.finish(held!, ended);
  expect((await followed.next()).value).toMatchObject({ status: 'succeeded', place: null });
  expect((await followed.next()).done).toBe(true);
});

test('an estimate comes from how long the user’s jobs took, what runs and what is ahead', async () => {
  const [done] = [await queue.submit(owner, 'select 1')];
  await queue.claim(1);
  await queue.store.finish((await queue.store.find(done.id))!, ended);
  await queue.pool.query(`UPDATE jobs SET started_at = finished_at - interval '60 s' WHERE id = $1`, [done.id]);
  const [running, next, last] = [
    await queue.submit(owner, 'select 1'),
    await queue.submit(owner, 'select 2'),
    await queue.submit(owner, 'select 3'),
  ];
  expect((await queue.claim(1)).map(({ id }) => id)).toEqual([running.id]);
  const etaOf = async (id: string) => (await queue.jobs.place((await queue.store.find(id))!))!.etaMs!;
  // One at a time, 60 s each, the running one just begun.
  expect(await etaOf(next.id)).toBeGreaterThan(40_000);
  expect(await etaOf(next.id)).toBeLessThanOrEqual(60_000);
  expect((await etaOf(last.id)) - (await etaOf(next.id))).toBeGreaterThan(55_000);
  const later = await queue.submit(owner, 'select 4', { runAt: new Date(Date.now() + 3_600_000) });
  expect(await queue.jobs.place(later)).toMatchObject({ position: 3 });
  expect(await etaOf(later.id)).toBeGreaterThan(3_500_000);
});

test('only a queued job is put forward, and only within the bounds', async () => {
  const job = await queue.submit(owner, 'select 1');
  const viewer = queue.viewerOf(owner);
  await expect(queue.jobs.reprioritize(viewer, job.id, 11)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  await expect(queue.jobs.reprioritize(viewer, job.id, -11)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  const stranger = queue.viewerOf(await queue.metadata.addUser());
  await expect(queue.jobs.reprioritize(stranger, job.id, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await queue.claim(1);
  await expect(queue.jobs.reprioritize(viewer, job.id, 1)).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('a deleted job is told to whoever follows the jobs, also later, and its rows go from the store', async () => {
  const viewer = queue.viewerOf(owner);
  const job = await queue.submit(owner, 'select 1');
  const events = queue.jobs.events(viewer, { databaseId: null, after: null }, patience())[Symbol.asyncIterator]();
  const first = (await events.next()).value!;
  expect(first).toMatchObject({ job: { id: job.id }, deletedJobId: null });
  const [held] = await queue.claim(1);
  expect((await events.next()).value).toMatchObject({ job: { status: 'running' } });
  await expect(queue.jobs.remove(viewer, job.id)).rejects.toMatchObject({ code: 'CONFLICT' });
  await queue.store.finish(held!, ended);
  expect((await events.next()).value).toMatchObject({ job: { status: 'succeeded' } });
  await queue.jobs.remove(viewer, job.id);
  const gone = (await events.next()).value!;
  expect(gone).toMatchObject({ job: null, deletedJobId: job.id });
  await events.return?.();

  const again = queue.jobs
    .events(viewer, { databaseId: null, after: first.position }, patience())
    [Symbol.asyncIterator]();
  expect((await again.next()).value).toEqual(gone);
  await again.return?.();
  await expect(queue.jobs.remove(viewer, job.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { rows } = await queue.pool.query('SELECT prefix FROM blob_trash WHERE prefix = $1', [`results/${job.id}`]);
  expect(rows).toHaveLength(1);
});

test('of a delete and an export of the same job that come at once, one is refused', async () => {
  const viewer = queue.viewerOf(owner);
  for (let round = 0; round < 10; round += 1) {
    const job = await queue.submit(owner, 'select 1');
    await queue.store.finish((await queue.claim(1))[0]!, ended);
    const [exported, removed] = await Promise.allSettled([
      queue.submit(owner, 'select 1', { kind: 'export', sourceId: job.id, runAt: new Date(Date.now() + 3_600_000) }),
      queue.jobs.remove(viewer, job.id),
    ]);
    expect(exported.status).not.toBe(removed.status);
    if (exported.status === 'rejected') expect(exported.reason).toMatchObject({ constraint: 'jobs_source_id_fkey' });
    if (removed.status === 'rejected') expect(removed.reason).toMatchObject({ code: 'CONFLICT' });
  }
});

test('whoever follows the jobs of one database hears of their cancels when it is disconnected', async () => {
  const id = uuidv7();
  await queue.pool.query(
    `INSERT INTO databases (id, name, engine, host, port, database_name, username, ssl_mode, sealed_password, read_only, updated_at)
     VALUES ($1, 'gone', 'postgresql', 'here', 0, 'gone', 'tester', 'DISABLE', '', false, now())`,
    [id],
  );
  const job = await queue.submit(owner, 'select 1', { databaseId: id, targetKey: id });
  const viewer = queue.viewerOf(owner);
  const events = queue.jobs.events(viewer, { databaseId: id, after: null }, patience())[Symbol.asyncIterator]();
  expect((await events.next()).value).toMatchObject({ job: { id: job.id, status: 'queued' } });
  await transaction(queue.pool, async (client) => {
    await queue.store.cancelAllOf(client, id);
    await client.query('DELETE FROM databases WHERE id = $1', [id]);
  });
  expect((await events.next()).value).toMatchObject({ job: { id: job.id, status: 'cancelled', databaseId: null } });
  await events.return?.();
});

test('a job that is deleted while somebody follows it ends his stream with NOT_FOUND', async () => {
  const viewer = queue.viewerOf(owner);
  const job = await queue.submit(owner, 'select 1');
  const followed = queue.jobs.follow(viewer, job.id, patience())[Symbol.asyncIterator]();
  expect((await followed.next()).value).toMatchObject({ status: 'queued' });
  await queue.jobs.remove(viewer, job.id);
  await expect(followed.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a time to run that is far ahead has the longest estimate that an Int holds', async () => {
  const job = await queue.submit(owner, 'select 1', { runAt: new Date(Date.now() + 60 * 86_400_000) });
  expect(await queue.jobs.place(job)).toMatchObject({ etaMs: 2 ** 31 - 1 });
});

test('whoever resumes behind deletions that are forgotten is told to begin anew', async () => {
  const viewer = queue.viewerOf(owner);
  const job = await queue.submit(owner, 'select 1');
  const { xid, seq } = job.position;
  await queue.pool.query('UPDATE job_deletion_horizon SET change_xid = $1, change_seq = $2', [String(xid + 1n), '1']);
  const events = queue.jobs.events(viewer, { databaseId: null, after: `${xid}.${seq}` }, patience());
  await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
  await queue.pool.query('UPDATE job_deletion_horizon SET change_xid = 0, change_seq = 0');
});

test('jobs are found by a part of their name or their SQL, where % and _ are only themselves', async () => {
  await queue.submit(owner, 'select 100 as percent', { name: 'Monthly report' });
  await queue.submit(owner, `select '100%_done'`);
  const viewer = queue.viewerOf(owner);
  const found = async (search: string) =>
    (await queue.jobs.list(viewer, { search }, pageOf({}))).jobs.map(({ sql }) => sql);
  expect(await found('REPORT')).toEqual(['select 100 as percent']);
  expect(await found('100')).toHaveLength(2);
  expect(await found('100%')).toEqual([`select '100%_done'`]);
  expect(await found('%_d')).toEqual([`select '100%_done'`]);
  expect(await found('\\')).toEqual([]);
  for (const search of ['x'.repeat(201), '\0']) {
    await expect(queue.jobs.list(viewer, { search }, pageOf({}))).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  }
});

test('a list and a stream of jobs with long texts hold few of them at a time, and all of them in the end', async () => {
  const viewer = queue.viewerOf(owner);
  const long = `select '${'x'.repeat(1_000_000)}'`;
  const submitted: string[] = [];
  for (let i = 0; i < 24; i += 1) submitted.push((await queue.submit(owner, long)).id);
  const seen: string[] = [];
  for (let after: string | null = null, pages = 0; ; pages += 1) {
    const asked = pageOf({ first: 24, after });
    const { jobs, page } = await queue.jobs.list(viewer, {}, asked);
    const { edges, pageInfo } = connectionOf(
      page,
      jobs,
      ({ id }) => id,
      () => 24,
    );
    seen.push(...edges.map(({ node }) => node.id));
    expect(edges.length).toBeLessThan(24);
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
    expect(pages).toBeLessThan(3);
  }
  expect(seen).toEqual(submitted.toReversed());
  const last = await queue.jobs.list(viewer, {}, pageOf({ last: 24 }));
  const backward = connectionOf(
    last.page,
    last.jobs,
    ({ id }) => id,
    () => 24,
  );
  expect(backward.pageInfo.hasPreviousPage).toBe(true);
  expect(backward.edges.at(-1)?.node.id).toBe(submitted[0]);

  const ids = async (after: string | null) => {
    const told: string[] = [];
    for await (const { job } of queue.jobs.events(viewer, { databaseId: null, after }, patience())) {
      told.push(job!.id);
      if (told.length === 24) return told;
    }
    return told;
  };
  expect(await ids(null)).toEqual(submitted);
  expect(await ids('0.0')).toEqual(submitted);
});

test('the queue tells what waits, what runs and since when', async () => {
  const viewer = queue.viewerOf(owner);
  expect(await queue.jobs.queue(viewer)).toEqual({ queued: 0, running: 0, oldestQueuedAt: null, maxParallelJobs: 4 });
  await queue.submit(owner, 'select 1');
  const second = await queue.submit(owner, 'select 2');
  await queue.submit(owner, 'select 3');
  await queue.claim(1);
  expect(await queue.jobs.queue(viewer)).toMatchObject({
    queued: 2,
    running: 1,
    oldestQueuedAt: (await queue.store.find(second.id))!.submittedAt,
  });
});
