import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { createDoorbell } from '../../src/lib/bus.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { startJanitor, sweep } from '../../src/queries/janitor.ts';
import { createJobRows } from '../../src/queries/job-rows.ts';
import { createLeftovers, type Leftovers } from '../../src/queries/leftovers.ts';
import { createLongReads } from '../../src/queries/long-reads.ts';
import { readRows } from '../../src/queries/results.ts';
import { createDiskStore } from '../../src/storage/disk.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';
import { silent } from '../support/metadata.ts';

let queue: TestQueue;
let leftovers: Leftovers;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
  leftovers = createLeftovers(queue.pool);
  owner = await queue.metadata.addUser();
  await queue.worker();
});
afterAll(() => queue[Symbol.asyncDispose]());
beforeEach(() => queue.pool.query('DELETE FROM blob_trash'));

const { signal } = new AbortController();
const clean = (blobs = queue.blobs) => sweep({ leftovers, blobs, log: silent }, signal);

async function ran(sql = 'select i from generate_series(1, 1500) i'): Promise<Job> {
  return queue.until(await queue.submit(owner, sql));
}

async function expire(...jobs: Job[]): Promise<void> {
  await queue.pool.query('UPDATE jobs SET results_expire_at = now() WHERE id = ANY($1::uuid[])', [
    jobs.map(({ id }) => id),
  ]);
}

const trash = async (): Promise<string[]> =>
  (await queue.pool.query<{ prefix: string }>('SELECT prefix FROM blob_trash ORDER BY 1')).rows.map(
    ({ prefix }) => prefix,
  );

async function read(job: Job) {
  const set = (await queue.results.at(job.id, 0))!;
  return { set, page: await readRows({ store: queue.results, blobs: queue.blobs }, set, 0, 10) };
}

const folders = () => readdirSync(join(queue.folder, 'results'));

test('rows that have expired are gone, with their blobs; what they were stays', async () => {
  const job = await ran();
  const young = await ran();
  await queue.pool.query(`UPDATE jobs SET results_expire_at = now() + interval '1 hour' WHERE id = $1`, [young.id]);
  await expire(job);
  await clean();
  const { set, page } = await read(job);
  expect(page).toBeNull();
  expect(set).toMatchObject({ dropped: true, rowCount: 1_500, storedRows: 1_500, columns: [{ name: 'i' }] });
  expect(await queue.store.find(job.id)).toMatchObject({
    status: 'succeeded',
    resultsDropped: true,
    progressRows: 1_500,
  });
  expect(folders()).not.toContain(job.id);
  expect(await trash()).toEqual([]);
  expect((await read(young)).page?.rows).toHaveLength(10);
});

test('a job that runs loses nothing, whatever its row says', async () => {
  const job = await ran();
  await queue.pool.query(
    `UPDATE jobs SET results_expire_at = now(), status = 'running', lease_until = now() + interval '1 hour' WHERE id = $1`,
    [job.id],
  );
  await clean();
  expect((await read(job)).page?.rows).toHaveLength(10);
  await queue.pool.query(
    `UPDATE jobs SET status = 'succeeded', lease_until = NULL, results_expire_at = NULL WHERE id = $1`,
    [job.id],
  );
});

test('a stream over rows that expire ends with POSITION_LOST, and so does one that comes later', async () => {
  const job = await ran();
  const rows = createJobRows({
    results: queue.results,
    blobs: queue.blobs,
    longReads: createLongReads(),
    bus: queue.bus,
  });
  const follow = () => rows.follow(queue.viewerOf(owner), job.id, { batchSize: 10, after: null }, signal);
  const batches = follow();
  expect((await batches.next()).value).toMatchObject({ rows: { length: 10 } });
  await expire(job);
  await clean();
  await expect(batches.next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
  await expect(follow().next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
});

test('the blobs of deleted jobs go, also those that no row ever named', async () => {
  const job = await ran();
  await queue.blobs.put(`results/${job.id}/1/9-9`, Buffer.from('its worker was killed before it wrote the row'));
  await queue.pool.query('DELETE FROM jobs WHERE id = $1', [job.id]);
  expect(await trash()).toEqual([`results/${job.id}`]);
  await clean();
  expect(folders()).not.toContain(job.id);
  expect(await trash()).toEqual([]);
});

test('several at once do no harm, and leave nothing', async () => {
  const jobs: Job[] = [];
  for (let i = 0; i < 25; i += 1) jobs.push(await ran('select 1'));
  await expire(...jobs);
  await Promise.all([clean(), clean(), clean()]);
  // Whoever lost a race for a job found the trash empty before the winner had filled it.
  await clean();
  for (const { id } of jobs) {
    expect(await queue.store.find(id)).toMatchObject({ resultsDropped: true });
    expect(folders()).not.toContain(id);
  }
  expect(await trash()).toEqual([]);
});

test('a store that fails keeps its trash, and nothing else from being done; the next sweep tries again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'quarry-test-blobs-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const blobs = createDiskStore({ directory });
  await blobs.put('broken/blob', Buffer.from('1'));
  await blobs.put('sound/blob', Buffer.from('1'));
  // No key of the store: refused each time.
  const prefixes = ['Broken', 'broken', 'sound'];
  await queue.pool.query('INSERT INTO blob_trash (prefix) SELECT unnest($1::text[])', [prefixes]);
  await clean(blobs);
  expect(await trash()).toEqual(['Broken']);
  expect(readdirSync(directory)).toEqual([]);
  await clean(blobs);
  expect(await trash()).toEqual(['Broken']);
});

test('a disk that was away is emptied when it is back', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'quarry-test-blobs-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const directory = join(parent, 'mount');
  const blobs = createDiskStore({ directory });
  writeFileSync(directory, 'not a folder');
  await queue.pool.query(`INSERT INTO blob_trash (prefix) VALUES ('results/a')`);
  await clean(blobs);
  expect(await trash()).toEqual(['results/a']);
  rmSync(directory);
  await blobs.put('results/a/1/0-0', Buffer.from('1'));
  await clean(blobs);
  expect(await trash()).toEqual([]);
  expect(existsSync(join(directory, 'results/a'))).toBe(false);
});

test('deletions are remembered for a week; then the horizon moves to the last that was forgotten, and never back', async () => {
  const { pool } = queue;
  await pool.query('DELETE FROM job_deletions');
  const add = (xid: number, seq: number, days: number) =>
    pool.query(
      `INSERT INTO job_deletions (job_id, owner_id, change_xid, change_seq, deleted_at) VALUES ($1, $2, $3, $4, now() - make_interval(days => $5))`,
      [uuidv7(), owner, xid, seq, days],
    );
  const kept = async () => (await pool.query('SELECT change_xid FROM job_deletions ORDER BY 1')).rows.length;
  const horizon = async () => (await pool.query('SELECT change_xid, change_seq FROM job_deletion_horizon')).rows;
  await add(500, 2, 8);
  await add(500, 9, 9);
  await add(499, 50, 8);
  await add(600, 1, 6);
  await Promise.all([clean(), clean()]);
  expect(await kept()).toBe(1);
  expect(await horizon()).toEqual([{ change_xid: '500', change_seq: '9' }]);
  await add(400, 1, 30);
  await clean();
  expect(await kept()).toBe(1);
  expect(await horizon()).toEqual([{ change_xid: '500', change_seq: '9' }]);
});

test('a janitor sweeps when it starts, and stops without waiting for its next round', async () => {
  const job = await ran();
  await expire(job);
  using bell = createDoorbell(queue.bus, 'job.rows', job.id);
  const janitor = startJanitor({ leftovers, blobs: queue.blobs, log: silent, everyMs: 1_000_000_000 });
  await bell.wait(30_000, AbortSignal.timeout(30_000));
  await janitor.stop();
  expect(await queue.store.find(job.id)).toMatchObject({ resultsDropped: true });
});

test('who is stopped leaves what is not done for the next one', async () => {
  const job = await ran();
  await expire(job);
  await sweep({ leftovers, blobs: queue.blobs, log: silent }, AbortSignal.abort());
  expect((await read(job)).page?.rows).toHaveLength(10);
  await clean();
  expect((await read(job)).page).toBeNull();
});
