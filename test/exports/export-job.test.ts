/** Exports as jobs: from the query straight into files that are there whole, or not at all. */
import { createHash } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createDestinations, type ExportInput } from '../../src/exports/destination.ts';
import { createExportBooks } from '../../src/exports/export-books.ts';
import { createExportWriter } from '../../src/exports/export-writer.ts';
import { formats } from '../../src/exports/registry.ts';
import type { Job, NewJob } from '../../src/jobs/job.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import type { StoredFile } from '../../src/storage/files/store.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';
import { mountSmallDisk, noSmallDisk } from '../support/small-disk.ts';

/** Of all that one user has here. */
const userBytes = 64 * 2 ** 20;

let queue: TestQueue;
let owner: string;
let worker: Awaited<ReturnType<TestQueue['worker']>>;
beforeAll(async () => {
  queue = await createTestQueue({ storage: { bytesOfUser: userBytes } });
  owner = await queue.metadata.addUser();
  worker = await queue.worker();
});
afterAll(() => queue[Symbol.asyncDispose]());

const settings = { defaultExportFormat: 'csv', defaultExportBucketId: null, defaultExportPrefix: '' } as const;
const input = (given: Partial<ExportInput> = {}): ExportInput => ({
  format: null,
  safe: false,
  bucketId: null,
  path: null,
  compression: 'none',
  overwrite: false,
  ...given,
});

const destinations = () =>
  createDestinations({
    access: queue.access,
    files: queue.files,
    store: queue.exportStore,
  });

/** As submitQuery and exportJob do. */
async function submit(sql: string, given: Partial<ExportInput> = {}, options: Partial<NewJob> = {}): Promise<Job> {
  const id = uuidv7();
  const exporting = { id, name: options.name ?? null, at: new Date('2026-06-01T10:20:30.400Z') };
  const request = await destinations().resolve(queue.viewerOf(owner), input(given), settings, exporting);
  return await queue.submit(owner, sql, { id, maxRows: null, export: request, ...options });
}

const run = async (...given: Parameters<typeof submit>) => await queue.until(await submit(...given));

async function filesOf(job: Job): Promise<StoredFile[]> {
  const ids = job.exported?.files ?? [];
  const found = await queue.files.findFiles(ids);
  return ids.flatMap((id) => found.find((file) => file.id === id) ?? []);
}

const bytesOf = async (file: StoredFile | undefined) => (await queue.blobs.get(file?.blob ?? '')) ?? Buffer.alloc(0);
const textsOf = async (job: Job) =>
  await Promise.all((await filesOf(job)).map(async (file) => (await bytesOf(file)).toString()));

const pendingFiles = async () =>
  (await queue.pool.query(`SELECT count(*)::int AS n FROM files WHERE status = 'pending'`)).rows[0].n as number;

/** All blobs with a row that shows them; what has none waits in the trash. */
const leftovers = async () => {
  const keys: string[] = [];
  for await (const { key } of queue.blobs.list('files', new AbortController().signal)) keys.push(key);
  const { rows } = await queue.pool.query<{ blob: string }>(
    'SELECT blob FROM files UNION SELECT prefix FROM blob_trash',
  );
  return keys.filter((key) => !rows.some(({ blob }) => blob === key));
};

/** The processes that write, of which this one is the parent. */
const exporters = async () =>
  (await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number);

describe('an export', () => {
  test('writes the rows of a query into a file of the user, and keeps no result', async () => {
    const job = await run(`SELECT n, 'x,' || n AS t FROM generate_series(1, 3) AS n`, { path: 'a/numbers.csv' });
    expect(job).toMatchObject({ status: 'succeeded', progressRows: 3, percent: 100 });
    expect(await textsOf(job)).toEqual(['n,t\n1,"x,1"\n2,"x,2"\n3,"x,3"\n']);
    const [file] = await filesOf(job);
    const bytes = await bytesOf(file);
    expect(file).toMatchObject({
      status: 'ready',
      path: 'a/numbers.csv',
      mimeType: 'text/csv; charset=utf-8',
      ownerId: owner,
    });
    expect(file?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(job.exported).toMatchObject({ rows: 3, bytes: bytes.length, truncated: false });
    expect(await queue.results.count(job.id)).toBe(0);
  });

  test('goes into the bucket that is made for it where none is named, and stays there the next time', async () => {
    const jobs = [await run('SELECT 1 AS a'), await run('SELECT 1 AS a', {}, { name: 'Mine/../x' })];
    const [first, second] = await Promise.all(jobs.map(filesOf));
    expect(first?.[0]?.path).toBe(`2026-06-01/query-${jobs[0]?.id}.csv`);
    expect(second?.[0]?.path).toBe(`2026-06-01/Mine-..-x-${jobs[1]?.id}.csv`);
    expect(second?.[0]?.bucketId).toBe(first?.[0]?.bucketId);
    const [bucket] = await queue.files.findBuckets(owner, [first?.[0]?.bucketId ?? '']);
    expect(bucket).toMatchObject({ name: 'exports', ownerId: owner, public: false });
  });

  test('is the same by COPY, by the portal, and from rows that were kept', async () => {
    const sql = `SELECT n, n::text AS t, null AS u, n / 7.0 AS d, n % 2 = 0 AS b, array[n, null] AS l, n::float8 / 3 AS f,
      decode(n::text, 'escape') AS y, '2026-01-01'::timestamptz + n * interval '1 s' AS ts FROM generate_series(1, 5000) AS n`;
    const kept = await queue.until(await queue.submit(owner, sql));
    for (const format of ['csv', 'tsv', 'ndjson', 'json', 'sql', 'parquet'] as const) {
      const path = (how: string) => ({ format, path: `same/${how}.${format}` });
      const copied = await run(sql, path('copy'));
      const fetched = await run(sql, path('portal'), { parameters: [] });
      const stored = await run(sql, path('stored'), { kind: 'export', sourceId: kept.id });
      expect([copied.status, fetched.status, stored.status]).toEqual(['succeeded', 'succeeded', 'succeeded']);
      const hashes = (await Promise.all([copied, fetched, stored].map(filesOf))).map(([file]) => file?.sha256);
      expect(new Set(hashes).size).toBe(1);
    }
  });

  test('prints values in its own way whatever the script has set', { timeout: 120_000 }, async () => {
    const columns = `n, decode('5c7800ff', 'hex') AS y, array['\\x00'::bytea] AS ys, '2026-02-01'::date AS d,
      '2026-02-01 10:00:00'::timestamp AS t, interval '1 day 2 hours' AS i, 0.1::float8 * 3 AS f`;
    const sql = `SELECT ${columns} FROM generate_series(1, 3) AS n`;
    await queue.targetDatabase.client.query('CREATE TABLE printed (n int)');
    const written = `INSERT INTO printed SELECT generate_series(1, 3) RETURNING ${columns}`;
    const set = `SET bytea_output = 'escape'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET extra_float_digits = -5`;
    const called = `BEGIN; SELECT set_config('bytea_output', 'escape', false), set_config('datestyle', 'German', false)`;
    for (const format of ['csv', 'tsv', 'ndjson', 'json', 'sql', 'xlsx', 'parquet'] as const) {
      const only = async (job: Job) => await bytesOf((await filesOf(job)).at(-1));
      const to = (how: string) => ({ format, path: `printed/${how}.${format}` });
      // XLSX has all sets in one file.
      const sheet = (script: string) => (format === 'xlsx' ? `${script}; SELECT 1 AS one` : script);
      const plain = await only(await run(sheet(sql), to('plain')));
      const jobs = [
        await run(`${set}; ${sheet(sql)}`, to('set')),
        await run(`${set}; ${sheet(written)}`, to('written')),
      ];
      if (format !== 'xlsx') jobs.push(await run(`${called}; ${sql}; COMMIT`, to('called')));
      for (const job of jobs) {
        expect(job).toMatchObject({ status: 'succeeded' });
        // Its table is named by the place of its set.
        const text = (await only(job)).toString('latin1').replaceAll('"result 2"', '"result"');
        expect([format, text === plain.toString('latin1')]).toEqual([format, true]);
      }
    }
  });

  test('of kept bytes is right whatever the script had set, and dates that mean another day elsewhere are refused', async () => {
    const sql = (set: string) => `${set}; SELECT 1 AS n, decode('5c7800ff', 'hex') AS y`;
    for (const format of ['csv', 'parquet', 'sql'] as const) {
      const [a, b] = await Promise.all(
        ['escape', 'hex'].map(async (output) => {
          const kept = await queue.until(await queue.submit(owner, sql(`SET bytea_output = '${output}'`)));
          const path = `bytes/${output}.${format}`;
          return await bytesOf(
            (await filesOf(await run('', { format, path }, { kind: 'export', sourceId: kept.id })))[0],
          );
        }),
      );
      expect(a?.length).toBeGreaterThan(0);
      expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
    }
    const kept = await queue.until(
      await queue.submit(
        owner,
        `SET datestyle = 'SQL, DMY'; SELECT '2026-02-01'::date AS d, array['2026-02-01'::date] AS l`,
      ),
    );
    const stored = (format: 'sql' | 'parquet' | 'csv') =>
      run('', { format, path: `days/kept.${format}` }, { kind: 'export', sourceId: kept.id });
    for (const format of ['sql', 'parquet'] as const) {
      expect(await stored(format)).toMatchObject({
        status: 'failed',
        error: { code: 'LIMIT_EXCEEDED', message: expect.stringContaining('01/02/2026') },
      });
    }
    // As they were kept.
    expect(await textsOf(await stored('csv'))).toEqual(['d,l\n01/02/2026,{01/02/2026}\n']);
  });

  test.each(['gzip', 'zstd'] as const)('may be compressed with %s', async (compression) => {
    const sql = 'SELECT n FROM generate_series(1, 50000) AS n';
    const job = await run(sql, { compression, format: 'tsv' });
    const [file] = await filesOf(job);
    const bytes = await bytesOf(file);
    const text = (compression === 'gzip' ? gunzipSync(bytes) : zstdDecompressSync(bytes)).toString();
    expect(text.split('\n')).toHaveLength(50_002);
    expect(file?.path).toMatch(compression === 'gzip' ? /\.tsv\.gz$/ : /\.tsv\.zst$/);
    expect(job.exported).toMatchObject({ rows: 50_000, bytes: bytes.length });
  });

  test('makes a file of each result set, numbered before its ending, and none where nothing is returned', async () => {
    const script = `SELECT 1 AS a; CREATE TEMP TABLE made (n int); INSERT INTO made VALUES (7) RETURNING n; SELECT 2 AS b WHERE false`;
    const job = await run(script, { path: 'many.v1/out.csv' });
    expect((await filesOf(job)).map(({ path }) => path)).toEqual([
      'many.v1/out.csv',
      'many.v1/out-2.csv',
      'many.v1/out-3.csv',
    ]);
    expect(await textsOf(job)).toEqual(['a\n1\n', 'n\n7\n', 'b\n']);
    const none = await run('CREATE TEMP TABLE nothing (n int)', { path: 'none.csv' });
    expect([none.status, none.exported]).toEqual(['succeeded', { files: [], rows: 0, bytes: 0, truncated: false }]);
  });

  test('makes one file with a sheet for each result set where the format has sheets', async () => {
    const job = await run('SELECT 1 AS a; SELECT 2 AS b', { format: 'xlsx', path: 'sheets.xlsx' });
    expect(await filesOf(job)).toHaveLength(1);
    expect((await bytesOf((await filesOf(job))[0])).subarray(0, 2).toString()).toBe('PK');
    expect(job.exported).toMatchObject({ rows: 2 });
  });

  test('keeps its types in Parquet, from the query and from what was kept', async () => {
    const sql = `SELECT n::int8 AS n, n / 7.0 AS d, array[n, null] AS l FROM generate_series(1, 3000) AS n`;
    const kept = await queue.until(await queue.submit(owner, sql));
    const straight = await run(sql, { format: 'parquet', path: 'types.parquet' });
    const stored = await run(sql, { format: 'parquet', path: 'kept.parquet' }, { kind: 'export', sourceId: kept.id });
    const [a, b] = await Promise.all([straight, stored].map(async (job) => await bytesOf((await filesOf(job))[0])));
    expect([straight.status, stored.status, a?.subarray(0, 4).toString()]).toEqual(['succeeded', 'succeeded', 'PAR1']);
    expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
  });

  test('is cut by its own maxRows only, and says so', async () => {
    const all = await run('SELECT n FROM generate_series(1, 20000) AS n', { path: 'all.csv' });
    expect(all.exported).toMatchObject({ rows: 20_000, truncated: false });
    const cut = await run('SELECT n FROM generate_series(1, 20000) AS n', { path: 'cut.csv' }, { maxRows: 5 });
    expect([await textsOf(cut), cut.exported]).toMatchObject([['n\n1\n2\n3\n4\n5\n'], { rows: 5, truncated: true }]);
  });

  test('leaves nothing to see of a query that failed in the middle', async () => {
    const job = await run('SELECT 1 AS fine; SELECT 1 / (n - 30000) AS n FROM generate_series(1, 40000) AS n', {
      path: 'failed.csv',
    });
    expect(job).toMatchObject({ status: 'failed', error: { code: 'SQL_ERROR', sqlState: '22012' } });
    expect(await filesOf(job)).toEqual([]);
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  });

  test('leaves nothing to see when it is cancelled in the middle', async () => {
    const job = await submit('SELECT generate_series(1, 2000000000) AS n', { path: 'cancelled.csv' });
    for await (const now of queue.jobs.follow(queue.viewerOf(owner), job.id, AbortSignal.timeout(50_000))) {
      if (now.progressRows > 0) await queue.jobs.cancel(queue.viewerOf(owner), job.id);
    }
    expect(await queue.until(job)).toMatchObject({ status: 'cancelled' });
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  });

  test('is INTERRUPTED when its process dies, with nothing left to see or to run, and no other is', async () => {
    const job = await submit('SELECT generate_series(1, 2000000000) AS n', { path: 'dead.csv' });
    let killed = false;
    for await (const now of queue.jobs.follow(queue.viewerOf(owner), job.id, AbortSignal.timeout(50_000))) {
      if (now.progressRows === 0 || killed) continue;
      killed = true;
      for (const pid of await exporters()) process.kill(pid, 'SIGKILL');
    }
    expect(await queue.until(job)).toMatchObject({ status: 'failed', error: { code: 'INTERRUPTED' } });
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
    const session = 'SELECT FROM pg_stat_activity WHERE application_name = $1';
    expect((await queue.pool.query(session, [`quarry job:${job.id}`])).rowCount).toBe(0);
    expect(await run('SELECT 1 AS a', { path: 'alive.csv' })).toMatchObject({ status: 'succeeded' });
  });

  test('keeps what its process has compiled for the next one, although that one is killed in the end', async () => {
    for (const pid of await exporters()) process.kill(pid, 'SIGKILL');
    await expect.poll(exporters).toEqual([]);
    const modules = join(queue.folder, 'modules');
    vi.stubEnv('NODE_COMPILE_CACHE', modules);
    await run('SELECT 1 AS a', { path: 'compiled.csv' });
    const kept = () => readdir(modules, { recursive: true }).catch(() => []);
    await expect.poll(async () => (await kept()).length).toBeGreaterThan(20);
    vi.unstubAllEnvs();
  });

  test('leaves nothing to see when it takes too long', async () => {
    const job = await run('SELECT generate_series(1, 2000000000) AS n', { path: 'late.csv' }, { timeoutMs: 500 });
    expect(job).toMatchObject({ status: 'failed', error: { code: 'TIMEOUT' } });
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
    expect(await readdir(join(queue.folder, 'tmp')).catch(() => [])).toEqual([]);
  });

  test('of two that go to one path one is told before it runs, and its statements with it', async () => {
    const { client } = queue.targetDatabase;
    await client.query('CREATE TABLE raced (n int); SELECT pg_advisory_lock(9)');
    const sql = (n: number) =>
      `INSERT INTO raced VALUES (${n}); SELECT pg_advisory_xact_lock_shared(9); SELECT ${n} AS n`;
    const both = await Promise.all([1, 2].map((n) => submit(sql(n), { path: 'raced.csv' })));
    const first = await Promise.race(both.map((job) => queue.until(job)));
    expect(first).toMatchObject({
      status: 'failed',
      error: {
        code: 'FORBIDDEN',
        message: 'An export is being written to this path: export to another path, or with overwrite: true',
      },
    });
    await client.query('SELECT pg_advisory_unlock(9)');
    const ended = await Promise.all(both.map((job) => queue.until(job)));
    expect(ended.map(({ status }) => status).toSorted()).toEqual(['failed', 'succeeded']);
    expect((await client.query('SELECT FROM raced')).rowCount).toBe(1);
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  });

  test('does not write over a file that came to its path meanwhile, unless it was told to', async () => {
    const { client } = queue.targetDatabase;
    await client.query('SELECT pg_advisory_lock(8)');
    const waits = `SELECT 'one' AS a FROM pg_advisory_xact_lock_shared(8)`;
    const job = await submit(waits, { path: 'late/raced.csv' });
    await expect.poll(pendingFiles, { timeout: 20_000 }).toBe(1);
    expect(await run(`SELECT 'two' AS a`, { path: 'late/raced.csv', overwrite: true })).toMatchObject({
      status: 'succeeded',
    });
    await client.query('SELECT pg_advisory_unlock(8)');
    expect((await queue.until(job)).error).toMatchObject({
      code: 'FORBIDDEN',
      message: 'There is a file at this path already: export to another path, or with overwrite: true',
    });
    const over = await run(`SELECT 'three' AS a`, { path: 'late/raced.csv', overwrite: true });
    expect(await textsOf(over)).toEqual(['a\nthree\n']);
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  });

  test('is refused at submission where it cannot go', async () => {
    await run('SELECT 1', { path: 'there.csv' });
    await expect(submit('SELECT 1', { path: 'there.csv' })).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(submit('SELECT 1', { path: 'x/{who}.csv' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    await expect(submit('SELECT 1', { path: '../x.csv' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    await expect(submit('SELECT 1', { bucketId: uuidv7() })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const stranger = await queue.metadata.addUser();
    const bucketId = await queue.exportStore.ownBucket(stranger);
    await expect(submit('SELECT 1', { bucketId })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('fails with FORBIDDEN where its bucket is gone when it runs', async () => {
    const other = await queue.metadata.addUser();
    const bucketId = await queue.exportStore.ownBucket(other);
    const job = await queue.submit(owner, 'SELECT 1', {
      maxRows: null,
      export: {
        format: 'csv',
        safe: false,
        compression: 'none',
        bucketId,
        path: 'p.csv',
        template: 'p.csv',
        overwrite: false,
      },
    });
    expect(await queue.until(job)).toMatchObject({ status: 'failed', error: { code: 'FORBIDDEN' } });
  });
});

/** Until `release` a script does not end; that many of its files are reserved. */
async function standingStill(
  script: string,
  files: number,
  ...given: Parameters<typeof submit> extends [string, ...infer Rest] ? Rest : never
) {
  const { client } = queue.targetDatabase;
  await client.query('SELECT pg_advisory_lock(7)');
  const job = await submit(`${script}; SELECT pg_advisory_xact_lock_shared(7)`, ...given);
  const reserved = async () => {
    const ids = (await queue.store.find(job.id))?.exported?.files ?? [];
    return (await queue.files.findFiles(ids)).length;
  };
  await expect.poll(reserved, { timeout: 40_000 }).toBe(files);
  return { job, release: () => client.query('SELECT pg_advisory_unlock(7)') };
}

describe('an export of many files', () => {
  test('holds one of them open at a time', async () => {
    const many = Array.from({ length: 60 }, (_, i) => `SELECT ${i} AS n`).join(';');
    const { job, release } = await standingStill(many, 60, { path: 'many.csv' });
    const folders = (await exporters()).map((pid) => `/proc/${pid}/fd`);
    expect(folders).not.toEqual([]);
    const openFiles = async () => {
      const files = await Promise.all(
        folders.map(async (folder) => (await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => ''))),
      );
      return (await Promise.all(files.flat())).filter((path) => path.startsWith(queue.folder)).length;
    };
    // The one before may be closing yet.
    await expect.poll(openFiles).toBeLessThan(2);
    await release();
    const ended = await queue.until(job);
    expect(ended).toMatchObject({ status: 'succeeded', exported: { rows: 61 } });
    expect((await textsOf(ended)).slice(58, 60)).toEqual(['n\n58\n', 'n\n59\n']);
  });

  test('is refused where they would be more than one may have', async () => {
    const job = await submit('SELECT 1', { path: 'few.csv' }, { runAt: new Date(Date.now() + 3_600_000) });
    const { reservations, blobs } = queue;
    const temporaryFolder = join(queue.folder, 'tmp');
    const jobStore = { roleOfOwner: queue.store.roleOfOwner, setExported: async () => true };
    const patience = (work: () => Promise<never>) => work();
    const signal = new AbortController().signal;
    const books = createExportBooks({ reservations, jobStore, patience, maxFiles: 2 } as never, {
      job: job as never,
      signal,
      stop: () => undefined,
    });
    const writer = createExportWriter(
      { books, blobs, temporaryFolder, format: formats.csv },
      { compression: 'none', safe: false, name: null, signal },
    );
    for (let set = 0; set < 2; set += 1) {
      await writer.begin([]);
      await writer.end({ truncated: false });
    }
    await expect(writer.begin([])).rejects.toMatchObject({
      fault: { code: 'LIMIT_EXCEEDED', message: expect.stringContaining('2 files') },
    });
    await writer.abandon();
    await books.release();
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  });

  test('shows none of them where one finds no room', async () => {
    const job = await run(`${wide}; ${wide}`, { path: 'room.csv' });
    expect(job).toMatchObject({ status: 'failed', error: { code: 'LIMIT_EXCEEDED' } });
    expect([await filesOf(job), await pendingFiles(), await leftovers()]).toEqual([[], 0, []]);
  });

  const wide = `SELECT repeat('x', 1000) AS t FROM generate_series(1, 40000)`;
  const dropAll = async (job: Job) => {
    for (const { id } of await filesOf(job)) await queue.files.deleteFile(null, id);
  };

  test('ends at once where another one that still runs has taken the room', async () => {
    const first = await standingStill(wide, 1, { path: 'a.csv' });
    const taken = async () =>
      (await queue.pool.query(`SELECT sum(size_bytes)::int AS n FROM files WHERE status = 'pending'`)).rows[0].n;
    await expect.poll(taken, { timeout: 20_000 }).toBeGreaterThan(40_000_000);
    // It would wait for the same lock.
    const second = await run(`${wide}; SELECT pg_advisory_xact_lock_shared(7)`, { path: 'b.csv' });
    expect(second).toMatchObject({ status: 'failed', error: { code: 'LIMIT_EXCEEDED' } });
    expect([await filesOf(second), await pendingFiles(), await leftovers()]).toEqual([[], 1, []]);
    await first.release();
    const ended = await queue.until(first.job);
    expect(ended).toMatchObject({ status: 'succeeded' });
    await dropAll(ended);
  });

  test('leaves its room to others that run at the same time, where there is none for all', async () => {
    const jobs = await Promise.all(['a', 'b', 'c'].map((name) => submit(wide, { path: `${name}.csv` })));
    const ended = await Promise.all(jobs.map((job) => queue.until(job)));
    expect(ended.map(({ status }) => status).toSorted()).toEqual(['failed', 'failed', 'succeeded']);
    for (const { error } of ended) expect([undefined, 'LIMIT_EXCEEDED']).toContain(error?.code);
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
    for (const job of ended) await dropAll(job);
  });

  test('needs no room beside the files that it writes over', async () => {
    const two = (n: number) => `SELECT repeat('${n}', 1000) AS t FROM generate_series(1, 25000)`;
    const to = { path: 'nightly.csv', overwrite: true };
    for (let night = 1; night <= 3; night += 1) {
      const job = await run(`${two(night)}; ${two(night)}`, to);
      expect(job).toMatchObject({ status: 'succeeded', exported: { rows: 50_000 } });
      if (night === 3) await dropAll(job);
    }
  });

  test('shows none of them to a bucket that its owner may no longer write to', async () => {
    const projectId = uuidv7();
    await queue.pool.query(`INSERT INTO projects (id, name, updated_at) VALUES ($1, 'shared', now())`, [projectId]);
    await queue.pool.query(
      `INSERT INTO project_members (id, project_id, user_id, role) VALUES ($1, $2, $3, 'editor')`,
      [uuidv7(), projectId, owner],
    );
    const bucketId = uuidv7();
    const bucket = { id: bucketId, name: 'shared', ownerId: owner, projectId, public: false };
    await queue.files.insertBucket(queue.pool, { ...bucket, maxFileSizeBytes: null, allowedMimeTypes: null });
    const { job, release } = await standingStill('SELECT 1 AS a', 1, { bucketId, path: 'late.csv' });
    await queue.pool.query('DELETE FROM project_members WHERE project_id = $1', [projectId]);
    await release();
    expect(await queue.until(job)).toMatchObject({ status: 'failed', error: { code: 'FORBIDDEN' } });
    expect([await filesOf(job), await pendingFiles(), await leftovers()]).toEqual([[], 0, []]);
  });

  test('does not lose them when it takes longer than an upload may', async () => {
    const { job, release } = await standingStill('SELECT 1 AS a', 1, { path: 'days.csv' });
    const ended = await queue.pool.query(
      `UPDATE files SET expires_at = now() - interval '1 s' WHERE status = 'pending' RETURNING id`,
    );
    expect([ended.rowCount, await queue.files.deleteExpired(100)]).toEqual([1, 0]);
    await release();
    expect(await queue.until(job)).toMatchObject({ status: 'succeeded' });
    expect((await textsOf((await queue.store.find(job.id))!))[0]).toBe('a\n1\n');
  });
});

describe('an export of kept rows', () => {
  test('runs no SQL, says what was cut before, and refers to its job', async () => {
    await queue.targetDatabase.client.query('CREATE SEQUENCE runs');
    const kept = await queue.until(
      await queue.submit(owner, `SELECT n, nextval('runs') AS run FROM generate_series(1, 9) AS n; SELECT 'b' AS b`, {
        maxRows: 5,
      }),
    );
    const before = (await queue.targetDatabase.client.query('SELECT last_value FROM runs')).rows;
    const job = await run(kept.sql, { format: 'ndjson', path: 'kept.ndjson' }, { kind: 'export', sourceId: kept.id });
    expect(job).toMatchObject({ status: 'succeeded', kind: 'export', sourceId: kept.id, progressRows: 6 });
    expect(job.exported).toMatchObject({ rows: 6, truncated: true });
    expect((await textsOf(job)).map((text) => text.trim().split('\n').length)).toEqual([5, 1]);
    expect((await queue.targetDatabase.client.query('SELECT last_value FROM runs')).rows).toEqual(before);
  });

  test('fails where the rows have been thrown away', async () => {
    const kept = await queue.until(await queue.submit(owner, 'SELECT 1 AS n'));
    const { rows } = await queue.pool.query(
      'SELECT blob FROM result_chunks JOIN result_sets s ON s.id = result_set_id WHERE job_id = $1',
      [kept.id],
    );
    await queue.blobs.deletePrefix(rows[0].blob, new AbortController().signal);
    const job = await run(kept.sql, { path: 'missing.csv' }, { kind: 'export', sourceId: kept.id });
    expect(job).toMatchObject({ status: 'failed', error: { code: 'STORAGE_FAILED' } });
    expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  });
});

describe('an export of kept rows that go while it reads them', () => {
  /** @param table that it reads and does not get before `change` is done */
  async function exportDuring(table: 'result_sets' | 'result_chunks', change: (source: Job) => string) {
    const kept = await queue.until(await queue.submit(owner, 'SELECT 1 AS n; SELECT 2 AS n'));
    const client = await queue.pool.connect();
    await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const job = await submit(kept.sql, { path: `gone/{job}.csv` }, { kind: 'export', sourceId: kept.id });
    const waiting = async () =>
      (await queue.pool.query('SELECT FROM pg_locks WHERE relation = $1::regclass AND NOT granted', [table])).rowCount;
    await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
    await client.query(change(kept));
    await client.query('COMMIT');
    client.release();
    return await queue.until(job);
  }

  const gone = { status: 'failed', error: { code: 'STORAGE_FAILED', message: expect.stringContaining('thrown away') } };

  test('fails where its job is deleted before all of its sets are found', async () => {
    const job = await exportDuring('result_sets', ({ id }) => `DELETE FROM jobs WHERE id = '${id}'`);
    expect([job, await filesOf(job), await pendingFiles(), await leftovers()]).toMatchObject([gone, [], 0, []]);
  });

  test('fails where its job is deleted in the middle of a set', async () => {
    const job = await exportDuring('result_chunks', ({ id }) => `DELETE FROM jobs WHERE id = '${id}'`);
    expect([job, await filesOf(job), await pendingFiles(), await leftovers()]).toMatchObject([gone, [], 0, []]);
  });

  test('fails where the rows expire', async () => {
    const job = await exportDuring(
      'result_chunks',
      ({ id }) => `UPDATE jobs SET results_dropped = true WHERE id = '${id}';
        DELETE FROM result_chunks USING result_sets s WHERE s.id = result_set_id AND s.job_id = '${id}'`,
    );
    expect([job, await filesOf(job), await pendingFiles(), await leftovers()]).toMatchObject([gone, [], 0, []]);
  });
});

test('what a lost worker had begun is taken away before the job goes on elsewhere', async () => {
  await worker.stop();
  const job = await submit('SELECT 1 AS n', { path: 'lost.csv' }, { readOnly: true, maxAttempts: 2 });
  const [held] = await queue.claim(1);
  const backend = { sessionId: '1', startedAt: '2000-01-01 00:00:00+00' };
  expect(await queue.store.setBackend(held!, backend)).toBe(true);
  const { fileId, blobKey } = await queue.reservations.reserve(queue.viewerOf(owner), {
    bucketId: job.export?.bucketId ?? '',
    path: 'lost.csv',
    overwrite: false,
  });
  expect(await queue.store.setExported(held!, { files: [fileId], rows: 0, bytes: 0, truncated: false })).toBe(true);
  await using upload = await queue.blobs.upload(blobKey, new AbortController().signal);
  await upload.write(Buffer.from('n\n'));
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = $1`, [job.id]);
  worker = await queue.worker();
  const ended = await queue.until(job, 'succeeded');
  expect(ended).toMatchObject({ status: 'succeeded', attempt: 2 });
  expect(await textsOf(ended)).toEqual(['n\n1\n']);
  expect([await pendingFiles(), await leftovers()]).toEqual([0, []]);
  // The one that was lost can show nothing any more.
  await expect(queue.reservations.commit(fileId, { bytes: 2, sha256: '00' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a worker that dies when its files are visible and its job is not over has done the job', async () => {
  await worker.stop();
  await queue.targetDatabase.client.query('CREATE TABLE ran (n int)');
  const job = await submit('INSERT INTO ran VALUES (1) RETURNING n', { path: 'over.csv' }, { maxAttempts: 2 });
  const [held] = await queue.claim(1);
  await queue.store.setBackend(held!, { sessionId: '1', startedAt: '2000-01-01 00:00:00+00' });
  const { bucketId } = job.export!;
  const viewer = queue.viewerOf(owner);
  const { fileId, blobKey } = await queue.reservations.reserve(viewer, {
    bucketId,
    path: 'over.csv',
    overwrite: false,
  });
  await queue.store.setExported(held!, { files: [fileId], rows: 5, bytes: 2, truncated: false });
  await using upload = await queue.blobs.upload(blobKey, new AbortController().signal);
  await upload.write(Buffer.from('n\n'));
  await queue.reservations.commitAll(viewer, bucketId, [{ fileId, ...(await upload.finish()) }]);
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = $1`, [job.id]);
  worker = await queue.worker({ timing: { rescueMs: 50 } });
  const ended = await queue.until(job);
  expect(ended).toMatchObject({ status: 'succeeded', attempt: 1, progressRows: 5, error: null });
  expect([await textsOf(ended), ended.exported?.rows]).toEqual([['n\n'], 5]);
  expect((await queue.targetDatabase.client.query('SELECT FROM ran')).rowCount).toBe(0);
});

test('a full disk fails an export with STORAGE_FAILED, leaves nothing to see, and takes the next one', async (context) => {
  await using disk = await mountSmallDisk(queue.folder, '4m');
  if (!disk) return context.skip(noSmallDisk);
  const sql = `SELECT repeat('x', 1000) AS t FROM generate_series(1, 20000)`;
  const full = await run(sql, { path: 'full.csv' });
  expect(full).toMatchObject({ status: 'failed', error: { code: 'STORAGE_FAILED' } });
  expect([await filesOf(full), await pendingFiles(), await leftovers()]).toEqual([[], 0, []]);
  // Its bytes come from a process of its own, which gives them when it has gathered some.
  const wide = `SELECT (SELECT string_agg(md5(n || '.' || i), '') FROM generate_series(1, 30) i) AS t FROM generate_series(1, 20000) n`;
  const parquet = await run(wide, { format: 'parquet', path: 'full.parquet' });
  expect(parquet).toMatchObject({ status: 'failed', error: { code: 'STORAGE_FAILED' } });
  expect([await filesOf(parquet), await pendingFiles(), await leftovers()]).toEqual([[], 0, []]);
  expect(await readdir(join(queue.folder, 'tmp'))).toEqual([]);
  expect(await textsOf(await run('SELECT 1 AS n', { path: 'full.csv' }))).toEqual(['n\n1\n']);
});

test('where the server lacks what a format needs its export fails with those words, and leaves nothing', async () => {
  const { PATH } = process.env;
  await worker.stop();
  process.env.PATH = '/nowhere';
  try {
    worker = await queue.worker();
    const job = await run('SELECT 1 AS n', { format: 'parquet', path: 'lacking.parquet' });
    const message = 'PARQUET needs named pipes, which this server cannot make.';
    expect(job).toMatchObject({ status: 'failed', error: { code: 'FORBIDDEN', message } });
    expect([await filesOf(job), await pendingFiles(), await leftovers()]).toEqual([[], 0, []]);
  } finally {
    process.env.PATH = PATH;
  }
});
