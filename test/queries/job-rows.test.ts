import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { transaction } from '../../src/db/metadata.ts';
import type { Job } from '../../src/jobs/job.ts';
import type { JobErrorCode } from '../../src/jobs/states.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createJobRows, type JobRows, type JobRowsOptions, type RowBatch } from '../../src/queries/job-rows.ts';
import { createLongReads } from '../../src/queries/long-reads.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let jobRows: JobRows;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
  jobRows = createJobRows({ results: queue.results, blobs: queue.blobs, longReads: createLongReads(), bus: queue.bus });
  owner = await queue.metadata.addUser();
  await queue.worker();
});
afterAll(() => queue[Symbol.asyncDispose]());

/** Left when its test ends. */
function read(job: Pick<Job, 'id'>, options: Partial<JobRowsOptions> = {}, viewer = queue.viewerOf(owner)) {
  const leaving = new AbortController();
  const batches = jobRows.follow(viewer, job.id, { batchSize: 500, after: null, ...options }, leaving.signal);
  onTestFinished(async () => {
    leaving.abort();
    await batches.return();
  });
  return batches;
}

async function next(batches: AsyncGenerator<RowBatch>): Promise<RowBatch> {
  const { value, done } = await batches.next();
  if (done) throw new Error('the stream is at its end');
  return value;
}

async function rest(batches: AsyncGenerator<RowBatch>): Promise<RowBatch[]> {
  const all: RowBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

const rowsOf = (batches: readonly RowBatch[]): unknown[] => batches.flatMap(({ rows }) => rows);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => [from + i]);
let gates = 0;

/** SQL that waits in the target for `open()`. */
async function gate() {
  const key = ++gates;
  const { client } = queue.targetDatabase;
  await client.query('SELECT pg_advisory_lock($1)', [key]);
  let shut = true;
  const open = async () => {
    if (shut) await client.query('SELECT pg_advisory_unlock($1)', [key]);
    shut = false;
  };
  onTestFinished(open);
  return { waits: `pg_advisory_xact_lock_shared(${key})`, open };
}

const series = (count: number) => `select i from generate_series(1, ${count}) i`;

async function ran(sql: string): Promise<Job> {
  return queue.until(await queue.submit(owner, sql));
}

test('rows are read while the query that gives them still runs', async () => {
  const { waits, open } = await gate();
  const job = await queue.submit(owner, `${series(1_000)} union all select 1001 from (select ${waits}) gate`);
  const batches = read(job, { batchSize: 1_000 });
  const first = await next(batches);
  expect(first).toMatchObject({ resultSet: 0, columns: [{ name: 'i', dataType: 'integer' }] });
  expect(first.rows).toEqual(numbers(1, first.rows.length));
  expect(await queue.store.find(job.id)).toMatchObject({ status: 'running' });
  await open();
  const others = await rest(batches);
  expect(others.every(({ resultSet, columns }) => resultSet === 0 && columns === null)).toBe(true);
  expect(rowsOf([first, ...others])).toEqual(numbers(1, 1_001));
});

test('the first rows are read while the query still waits for its next one', async () => {
  const { waits, open } = await gate();
  const job = await queue.submit(owner, `select i, case when i > 2 then ${waits} end from generate_series(1, 4) i`);
  const batches = read(job);
  const rows = [...(await next(batches)).rows];
  while (rows.length < 2) rows.push(...(await next(batches)).rows);
  expect(rows).toEqual([
    [1, null],
    [2, null],
  ]);
  expect(await queue.store.find(job.id)).toMatchObject({ status: 'running' });
  await open();
  expect(rowsOf(await rest(batches))).toHaveLength(2);
});

test('a reader may come while the job is still queued', async () => {
  const { waits, open } = await gate();
  const busy = await queue.metadata.addUser({ maxParallelJobs: 1 });
  const running = await queue.submit(busy, `select ${waits}`);
  await queue.until(running, 'running');
  const job = await queue.submit(busy, 'select 7 as seven');
  const first = read(job, {}, queue.viewerOf(busy)).next();
  expect(await queue.store.find(job.id)).toMatchObject({ status: 'queued' });
  await open();
  expect(await first).toMatchObject({ value: { rows: [[7]] } });
});

test('a slow reader holds nothing back: the job has ended when he has taken one batch, and he misses nothing', async () => {
  const job = await queue.submit(owner, series(5_000));
  const batches = read(job, { batchSize: 10 });
  const first = await next(batches);
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded' });
  expect(rowsOf([first, ...(await rest(batches))])).toEqual(numbers(1, 5_000));
});

test('a reader goes on right behind the batch whose cursor he gives', async () => {
  const job = await ran(`${series(1_200)}; select 'x' as x; ${series(3)}`);
  const all = await rest(read(job, { batchSize: 500 }));
  expect(all.map(({ resultSet, columns, rows }) => [resultSet, columns?.[0]?.name ?? null, rows.length])).toEqual([
    [0, 'i', 500],
    [0, null, 500],
    [0, null, 200],
    [1, 'x', 1],
    [2, 'i', 3],
  ]);
  for (const [i, { cursor }] of all.entries())
    expect(await rest(read(job, { batchSize: 500, after: cursor }))).toEqual(all.slice(i + 1));
});

test('a result set without rows gives its columns, and a statement without columns gives nothing', async () => {
  const job = await ran('create table empty (a int, b text); select * from empty; insert into empty values (1)');
  const all = await rest(read(job));
  expect(all).toMatchObject([{ resultSet: 1, columns: [{ name: 'a' }, { name: 'b' }], rows: [] }]);
  expect(await rest(read(job, { after: all[0]!.cursor }))).toEqual([]);
});

test('the columns of an empty result set do not wait for the statement behind it', async () => {
  const { waits } = await gate();
  const job = await queue.submit(owner, `select 1 as none where false; do $$ begin perform ${waits}; end $$`);
  expect(await next(read(job))).toMatchObject({ resultSet: 0, columns: [{ name: 'none' }], rows: [] });
  await queue.jobs.cancel(queue.viewerOf(owner), job.id);
});

test('rows beyond maxRows do not exist', async () => {
  const job = await queue.submit(owner, series(100), { maxRows: 42 });
  expect(rowsOf(await rest(read(job)))).toEqual(numbers(1, 42));
});

test('a batch ends where its text is large', async () => {
  const job = await ran(`select i, repeat('x', 3000000) from generate_series(1, 5) i`);
  const all = await rest(read(job));
  expect(all.map(({ rows }) => rows.length)).toEqual([2, 2, 1]);
  expect(rowsOf(all).map((row) => (row as unknown[])[0])).toEqual([1, 2, 3, 4, 5]);
});

test('many readers of one job, each at his pace, all see all of it', async () => {
  const { waits, open } = await gate();
  const job = await queue.submit(owner, `${series(1_000)} union all select 1001 from (select ${waits}) gate`);
  const readers = [1_000, 300, 77].map((batchSize) => read(job, { batchSize }));
  const firsts = await Promise.all(readers.map(next));
  await open();
  const rests = await Promise.all(readers.map(rest));
  for (const [i, first] of firsts.entries()) expect(rowsOf([first, ...rests[i]!])).toEqual(numbers(1, 1_001));
});

test('a job that fails ends the stream with its error, behind the rows that came before', async () => {
  const job = await queue.submit(owner, `${series(3)};\nselect * from missing`);
  const batches = read(job);
  expect((await next(batches)).rows).toEqual(numbers(1, 3));
  await expect(batches.next()).rejects.toMatchObject({
    code: 'SQL_ERROR',
    details: { jobErrorCode: 'SQL_ERROR', sqlState: '42P01', statement: 1, line: 2, position: 54 },
  });
});

const codes: [JobErrorCode, string][] = [
  ['TIMEOUT', 'TIMEOUT'],
  ['CONNECTION_FAILED', 'CONNECTION_FAILED'],
  ['CONNECTION_LOST', 'CONNECTION_FAILED'],
  ['READ_ONLY', 'READ_ONLY'],
  ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED'],
  ['FORBIDDEN', 'FORBIDDEN'],
  ['STORAGE_FAILED', 'INTERNAL_SERVER_ERROR'],
  ['INTERRUPTED', 'INTERNAL_SERVER_ERROR'],
];
test.each(codes)('the error %s of a job is %s of its stream', async (jobErrorCode, code) => {
  const job = await ran('select * from missing');
  const error = { code: jobErrorCode, message: 'so it was' };
  await queue.pool.query('UPDATE jobs SET error = $2 WHERE id = $1', [job.id, JSON.stringify(error)]);
  await expect(read(job).next()).rejects.toMatchObject({ code, message: 'so it was', details: { jobErrorCode } });
});

test('a job that is cancelled ends the stream with CONFLICT, behind the rows that came before', async () => {
  const { waits } = await gate();
  const job = await queue.submit(owner, `${series(1_000)} union all select 1001 from (select ${waits}) gate`);
  const batches = read(job, { batchSize: 1_000 });
  const rows = [...(await next(batches)).rows];
  await queue.jobs.cancel(queue.viewerOf(owner), job.id);
  const fault = (async () => {
    for await (const batch of batches) rows.push(...batch.rows);
  })();
  await expect(fault).rejects.toMatchObject({ code: 'CONFLICT', details: { jobStatus: 'CANCELLED' } });
  expect(rows.length).toBeGreaterThan(0);
  expect(rows).toEqual(numbers(1, rows.length));
});

/** As a job is put back that may be run again; the next worker that claims it gives other rows. */
async function runAgain(job: Job): Promise<void> {
  await transaction(queue.pool, async (client) => {
    const { rows } = await client.query<{ fence: number }>(
      `UPDATE jobs SET status = 'queued', finished_at = NULL, lease_until = NULL, worker_id = NULL, backend_id = NULL WHERE id = $1 RETURNING fence`,
      [job.id],
    );
    await queue.results.dropAttempt(client, { id: job.id, fence: rows[0]!.fence });
  });
  queue.bus.ring('job.changed', job.id);
}

test('a job that is run again ends the stream of whoever has seen rows of it, and begins for who has not', async () => {
  const job = await ran(series(10));
  const begun = read(job, { batchSize: 5 });
  const { cursor } = await next(begun);
  const fresh = read(job, { batchSize: 5 });
  await runAgain(job);
  await expect(begun.next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
  await expect(read(job, { after: cursor }).next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
  expect(rowsOf(await rest(fresh))).toEqual(numbers(1, 10));
  const { rows } = await queue.pool.query('SELECT prefix FROM blob_trash WHERE prefix LIKE $1', [`%${job.id}%`]);
  expect(rows).toEqual([{ prefix: `results/${job.id}/1` }]);
});

test('a job that is deleted ends the stream with POSITION_LOST, and is NOT_FOUND for who comes later', async () => {
  const job = await ran(series(10));
  const batches = read(job, { batchSize: 5 });
  await next(batches);
  await queue.pool.query('DELETE FROM jobs WHERE id = $1', [job.id]);
  await expect(batches.next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
  await expect(read(job).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('nobody reads what he may not see, and nothing of a job that never was', async () => {
  const job = await ran(series(3));
  const stranger = queue.viewerOf(await queue.metadata.addUser());
  await expect(read(job, {}, stranger).next()).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'Job not found' });
  await expect(read({ id: uuidv7() }).next()).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'Job not found' });
});

test('what is no cursor of this stream, and a batch of no or too many rows, is BAD_USER_INPUT', async () => {
  const job = await ran(series(3));
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  for (const after of [
    '',
    'x',
    encode('rows:x:0:0'),
    encode(`rows:${job.id}:-1:0`),
    `${encode(`rows:${job.id}:0:0`)}=`,
  ])
    await expect(read(job, { after }).next()).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'after' }] },
    });
  for (const batchSize of [0, -1, 1_001])
    await expect(read(job, { batchSize }).next()).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'batchSize' }] },
    });
  // Well made, but of another job.
  const other = await rest(read(await ran(series(3))));
  await expect(read(job, { after: other[0]!.cursor }).next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
});

test('a reader who leaves while he waits is let go at once', async () => {
  const { waits } = await gate();
  const job = await queue.submit(owner, `select ${waits}`);
  const leaving = new AbortController();
  const batches = jobRows.follow(queue.viewerOf(owner), job.id, { batchSize: 500, after: null }, leaving.signal);
  const waiting = batches.next();
  leaving.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
  await queue.jobs.cancel(queue.viewerOf(owner), job.id);
});

test('who takes a chunk row by row reads it once', async () => {
  const job = await ran(series(300));
  const set = (await queue.results.at(job.id, 0))!;
  const read: string[] = [];
  const blobs = {
    get: (key: string) => {
      read.push(key);
      return queue.blobs.get(key);
    },
  };
  const counted = createJobRows({ results: queue.results, blobs, longReads: createLongReads(), bus: queue.bus });
  const options = { batchSize: 1, after: null };
  const batches = await rest(counted.follow(queue.viewerOf(owner), job.id, options, AbortSignal.timeout(50_000)));
  expect(rowsOf(batches)).toEqual(numbers(1, 300));
  expect(read).toEqual((await queue.results.chunks(set.id, 0, 300)).map(({ blob }) => blob));
});
