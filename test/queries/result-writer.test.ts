import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { LostHold } from '../../src/jobs/lost-hold.ts';
import type { Hold } from '../../src/jobs/store.ts';
import { createDoorbell } from '../../src/lib/bus.ts';
import { createResultWriter, type EarlyTiming } from '../../src/queries/result-writer.ts';
import { readRows } from '../../src/queries/results.ts';
import type { ResultStore } from '../../src/queries/store.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { StorageFailed } from '../../src/storage/storage-failed.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
});
afterAll(() => queue[Symbol.asyncDispose]());

const columns = [{ name: 'i', dataType: 'integer', type: { kind: 'int32' } as const, origin: null }];
const end = { type: 'end', index: 0, command: 'SELECT', rowCount: null, truncated: false, durationMs: 1 } as const;
/** Nothing is cut early while a test runs. */
const never: EarlyTiming = { firstWaitMs: 10_000_000, growthMs: 0 };

/** A job that somebody runs, and his writer with its first result set begun; `beforePut` holds up chunks on their way. */
async function begun(timing?: EarlyTiming, beforePut: (key: string) => Promise<void> = async () => undefined) {
  const job = await queue.submit(owner, 'select 1');
  await queue.pool.query(
    `UPDATE jobs SET status = 'running', fence = 1, attempt = 1, lease_until = now() + interval '1 hour' WHERE id = $1`,
    [job.id],
  );
  const hold: Hold = { id: job.id, fence: 1 };
  const { results, bus } = queue;
  const appended: number[] = [];
  const store: Pick<ResultStore, 'begin' | 'append' | 'end' | 'put'> = {
    ...results,
    append(by, set, chunks) {
      appended.push(chunks.length);
      return results.append(by, set, chunks);
    },
  };
  const blobs: Pick<BlobStore, 'put'> = {
    async put(key, bytes) {
      await beforePut(key);
      await queue.blobs.put(key, bytes);
    },
  };
  const writer = createResultWriter({ store, blobs, bus, hold, patience: (work) => work(), ...(timing && { timing }) });
  await writer.begin(0, 'select 1', columns);
  return { job, writer, appended };
}

async function chunksOf(job: Job): Promise<number[]> {
  const set = (await queue.results.at(job.id, 0))!;
  return (await queue.results.chunks(set.id, 0, 1_000_000)).map(({ rows }) => rows);
}

const trash = async (): Promise<string[]> =>
  (await queue.pool.query<{ prefix: string }>('SELECT prefix FROM blob_trash')).rows.map(({ prefix }) => prefix);

/** The place of a chunk, where the disk is full. */
function fill(job: Job, chunk: string): string {
  const path = join(queue.folder, 'results', job.id, '1', chunk);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync('/dev/full', `${path}.partial`);
  return dirname(path);
}

test('rows that come slowly are stored while their query waits for the next one, and it is rung', async () => {
  const { job, writer } = await begun();
  using bell = createDoorbell(queue.bus, 'job.rows', job.id);
  await writer.rows([[1]]);
  await bell.wait(30_000, AbortSignal.timeout(30_000));
  expect(await queue.rows(job)).toEqual([[1]]);
  await writer.rows([[2], [3]]);
  await writer.end(end);
  expect(await queue.rows(job)).toEqual([[1], [2], [3]]);
});

test('each chunk that was cut early makes the next one wait longer', async () => {
  const { job, writer } = await begun({ firstWaitMs: 1, growthMs: 10_000_000 });
  using bell = createDoorbell(queue.bus, 'job.rows', job.id);
  await writer.rows([[1]]);
  await bell.wait(30_000, AbortSignal.timeout(30_000));
  for (const i of [2, 3, 4]) await writer.rows([[i]]);
  await writer.end(end);
  expect(await chunksOf(job)).toEqual([1, 3]);
});

test('chunks hold a thousand rows or a megabyte', async () => {
  const many = await begun(never);
  await many.writer.rows(Array.from({ length: 2_500 }, (_, i) => [i]));
  await many.writer.end(end);
  expect(await chunksOf(many.job)).toEqual([1_000, 1_000, 500]);
  const large = await begun(never);
  await large.writer.rows(Array.from({ length: 5 }, () => ['x'.repeat(600_000)]));
  await large.writer.end(end);
  expect(await chunksOf(large.job)).toEqual([2, 2, 1]);
  expect(readdirSync(join(queue.folder, 'results', large.job.id, '1'))).toEqual(['0-0', '0-1', '0-2']);
});

const numbers = (count: number) => Array.from({ length: count }, (_, i) => [i]);

test('several chunks are on their way at once, are shown in their order, and those that wait with one statement', async () => {
  const { promise: mayGo, resolve: go } = Promise.withResolvers<void>();
  const { job, writer, appended } = await begun(never, (key) => (key.endsWith('0-0') ? mayGo : Promise.resolve()));
  await writer.rows(numbers(3_500));
  await expect.poll(() => queue.blobs.size(`results/${job.id}/1/0-2`)).toBeGreaterThan(0);
  expect(await queue.rows(job)).toEqual([]);
  // With a fourth one the writer is told to wait.
  let taken = false;
  const more = writer.rows(numbers(1_000)).then(() => {
    taken = true;
  });
  await expect.poll(() => queue.blobs.size(`results/${job.id}/1/0-3`)).toBeGreaterThan(0);
  expect(taken).toBe(false);
  go();
  await more;
  await writer.end(end);
  expect(await queue.rows(job)).toEqual([...numbers(3_500), ...numbers(1_000)]);
  expect(appended).toEqual([4, 1]);
});

test('behind a chunk that could not be stored nothing is shown', async () => {
  const { job, writer } = await begun(never);
  fill(job, '0-1');
  await expect(
    (async () => {
      await writer.rows(numbers(3_500));
      await writer.end(end);
    })(),
  ).rejects.toBeInstanceOf(StorageFailed);
  expect(await queue.rows(job)).toEqual(numbers(1_000));
});

test('of a job that was lost with several chunks on their way all go to the trash', async () => {
  const { promise: mayGo, resolve: go } = Promise.withResolvers<void>();
  const { job, writer } = await begun(never, (key) => (key.endsWith('0-1') ? mayGo : Promise.resolve()));
  await queue.pool.query('UPDATE jobs SET fence = fence + 1 WHERE id = $1', [job.id]);
  const writing = writer.rows(numbers(3_000)).then(() => writer.end(end));
  const lost = expect(writing).rejects.toBeInstanceOf(LostHold);
  const blobs = ['0-0', '0-1', '0-2'].map((name) => `results/${job.id}/1/${name}`);
  await expect.poll(trash).toContain(blobs[0]);
  go();
  await lost;
  expect(await queue.rows(job)).toEqual([]);
  await expect.poll(trash).toEqual(expect.arrayContaining(blobs));
});

test('a failure behind the back of a query that waits is told by the next call', async () => {
  const { job, writer } = await begun({ firstWaitMs: 1, growthMs: 0 });
  const folder = fill(job, '0-0');
  await vi.waitFor(() => expect(writer.rows([[1]])).rejects.toBeInstanceOf(StorageFailed), 30_000);
  await expect(writer.rows([[2]])).rejects.toBeInstanceOf(StorageFailed);
  await expect(writer.flush()).rejects.toBeInstanceOf(StorageFailed);
  expect(await chunksOf(job)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test('what a worker writes that has lost its job is not shown, and its blob goes to the trash', async () => {
  const { job, writer } = await begun(never);
  await writer.rows([[1]]);
  await queue.pool.query('UPDATE jobs SET fence = fence + 1 WHERE id = $1', [job.id]);
  await expect(writer.end(end)).rejects.toBeInstanceOf(LostHold);
  expect(await queue.rows(job)).toEqual([]);
  expect(await trash()).toContain(`results/${job.id}/1/0-0`);
});

test('a blob whose chunk was stored twice, because an answer was lost, is no trash', async () => {
  const { job } = await begun(never);
  const set = (await queue.results.at(job.id, 0))!;
  const chunk = { index: 0, firstRow: 0, rows: 1, blob: `results/${job.id}/1/0-0`, textBytes: 2 };
  expect(await queue.results.append({ id: job.id, fence: 1 }, set.id, [chunk])).toBe(true);
  await queue.pool.query('UPDATE jobs SET fence = fence + 1 WHERE id = $1', [job.id]);
  expect(await queue.results.append({ id: job.id, fence: 1 }, set.id, [chunk])).toBe(false);
  expect(await trash()).not.toContain(chunk.blob);
});

test('a worker that was killed between blob and row has shown nothing that is not there', async () => {
  const { job, writer } = await begun(never);
  await writer.rows(Array.from({ length: 1_500 }, (_, i) => [i]));
  await writer.flush();
  await queue.blobs.put(`results/${job.id}/1/0-2`, Buffer.from('its row was never written'));
  expect(await queue.rows(job)).toHaveLength(1_500);
});

test('rows that should be in the store and are not are an error that says so, not a shorter page', async () => {
  const { job, writer } = await begun(never);
  await writer.rows(Array.from({ length: 2_500 }, (_, i) => [i]));
  await writer.end(end);
  await queue.blobs.deletePrefix(`results/${job.id}/1/0-1`, new AbortController().signal);
  const set = (await queue.results.at(job.id, 0))!;
  const deps = { store: queue.results, blobs: queue.blobs };
  expect((await readRows(deps, set, 0, 1_000))?.rows).toHaveLength(1_000);
  expect((await readRows(deps, set, 2_000, 1_000))?.rows).toHaveLength(500);
  await expect(readRows(deps, set, 0, 2_500)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    details: { resultSet: 0, row: 1_000 },
  });
});

test('a job whose rows do not fit on the disk fails with STORAGE_FAILED, and shows those that did', async () => {
  const job = await queue.submit(await queue.metadata.addUser(), 'select i from generate_series(1, 1500) i');
  const folder = fill(job, '0-1');
  await queue.worker();
  expect(await queue.until(job)).toMatchObject({ status: 'failed', error: { code: 'STORAGE_FAILED' } });
  expect(await queue.rows(job)).toHaveLength(1_000);
  expect(readdirSync(folder)).toEqual(['0-0']);
});
