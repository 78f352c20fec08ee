import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRows } from '../../src/queries/results.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

const listening = new AbortController().signal;

let queue: TestQueue;
let owner: string;
beforeEach(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
});
afterEach(() => queue[Symbol.asyncDispose]());

/** Sessions that Quarry's jobs hold in the target now. */
async function sessions(): Promise<string[]> {
  const { rows } = await queue.targetDatabase.client.query(
    `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'`,
  );
  return rows.map(({ query }) => query);
}

async function untilSession(text: string): Promise<void> {
  while (!(await sessions()).some((query) => query.includes(text)))
    await new Promise((resolve) => setTimeout(resolve, 20));
}

test('a script gives a result set for each statement, in order', async () => {
  await queue.worker();
  const job = await queue.submit(
    owner,
    `create table t (i int, s text); insert into t select i, 'row ' || i from generate_series(1, 3) i; select * from t order by i`,
  );
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded', error: null, progressRows: 3 });
  const sets = await queue.results.list(job.id, { limit: 10, backward: false, after: null, before: null });
  expect(sets.map(({ command, rowCount }) => [command, rowCount])).toEqual([
    ['CREATE TABLE', null],
    ['INSERT', 3],
    ['SELECT', 3],
  ]);
  expect(await queue.rows(job, 2)).toEqual([
    [1, 'row 1'],
    [2, 'row 2'],
    [3, 'row 3'],
  ]);
});

test('a script of too many statements is refused before its first one', async () => {
  await queue.worker();
  const script = `create table t (i int); ${'select 1; '.repeat(10_000)}`;
  expect(await queue.until(await queue.submit(owner, script))).toMatchObject({
    status: 'failed',
    error: { code: 'LIMIT_EXCEEDED', statement: 10_000 },
  });
  const { rows } = await queue.targetDatabase.client.query(`SELECT to_regclass('t') AS made`);
  expect(rows).toEqual([{ made: null }]);
});

test('a result of many chunks is read by page over their edges', async () => {
  await queue.worker();
  const job = await queue.submit(owner, 'select i, repeat(md5(i::text), 20) from generate_series(1, 5000) i', {
    maxRows: 4500,
  });
  await queue.until(job);
  const set = (await queue.results.at(job.id, 0))!;
  expect(set).toMatchObject({ truncated: true, storedRows: 4500 });
  const rows = (await queue.rows(job)) as [number, string][];
  expect(rows.map(([i]) => i)).toEqual(Array.from({ length: 4500 }, (_, i) => i + 1));
  expect(readdirSync(`${queue.folder}/results/${job.id}`).every((name) => !name.includes('partial'))).toBe(true);
});

test('an error names its statement, position and SQLSTATE, and what came before it stays', async () => {
  await queue.worker();
  const job = await queue.submit(owner, 'select 1 as one;\nselect * from missing;\nselect 3');
  expect(await queue.until(job)).toMatchObject({
    status: 'failed',
    error: { code: 'SQL_ERROR', sqlState: '42P01', statement: 1, line: 2, position: 32 },
  });
  expect(await queue.rows(job, 0)).toEqual([[1]]);
  expect(await queue.results.count(job.id)).toBe(1);
});

test('a running job that is cancelled leaves nothing running in the target', async () => {
  await queue.worker();
  const job = await queue.submit(owner, 'select pg_sleep(600)');
  await queue.until(job, 'running');
  await untilSession('pg_sleep');
  await queue.jobs.cancel(queue.viewerOf(owner), job.id);
  expect(await queue.until(job)).toMatchObject({ status: 'cancelled', error: null });
  expect(await sessions()).toEqual([]);
});

test('SQL that talks its own timeout away is still stopped', async () => {
  await queue.worker();
  const job = await queue.submit(owner, 'set statement_timeout = 0; select pg_sleep(600)', { timeoutMs: 500 });
  expect(await queue.until(job)).toMatchObject({ status: 'failed', error: { code: 'TIMEOUT', statement: 1 } });
  expect(await sessions()).toEqual([]);
});

test('a statement that swallows the cancel is ended by force', async () => {
  await queue.worker();
  const job = await queue.submit(
    owner,
    `do $$ begin loop begin perform pg_sleep(600); exception when query_canceled then raise notice 'not me'; end; end loop; end $$`,
    { timeoutMs: 500 },
  );
  expect(await queue.until(job)).toMatchObject({ status: 'failed', error: { code: 'TIMEOUT' } });
  expect(await sessions()).toEqual([]);
});

test('the session in the target is known to the job before its first statement', async () => {
  await queue.worker();
  const job = await queue.submit(owner, 'select pg_backend_pid()');
  await queue.until(job);
  const [[pid]] = (await queue.rows(job)) as [[number]];
  expect((await queue.store.find(job.id))?.backend).toMatchObject({
    sessionId: String(pid),
    startedAt: expect.any(String),
  });
});

test('a lost worker’s job is ended in the target and marked INTERRUPTED, one that never began goes back', async () => {
  const { store, pool } = queue;
  const began = await queue.submit(owner, 'select 1');
  const never = await queue.submit(owner, 'select 2');
  const held = await queue.claim(2);
  const orphan = queue.targetDatabase.client.query(
    `select pid::text, backend_start::text from pg_stat_activity where pid = pg_backend_pid()`,
  );
  const { pid, backend_start: startedAt } = (await orphan).rows[0];
  await store.setBackend(held.find(({ id }) => id === began.id)!, { sessionId: pid, startedAt });
  const gone = new Promise((resolve) => queue.targetDatabase.client.on('error', resolve));
  await pool.query(`UPDATE jobs SET lease_until = now() - interval '1 second'`);
  await queue.worker({ timing: { rescueMs: 50 } });
  await gone;
  expect(await queue.until(began)).toMatchObject({ status: 'failed', error: { code: 'INTERRUPTED' } });
  expect(await queue.until(never)).toMatchObject({ status: 'succeeded', attempt: 1 });
});

test('notices are kept in their order, the newest of them shown', async () => {
  await queue.worker();
  const job = await queue.submit(owner, `do $$ begin for i in 1..5 loop raise notice 'n%', i; end loop; end $$`);
  await queue.until(job);
  const notices = await queue.jobs.operationNotices(listening).of(job, 2);
  expect(notices).toHaveLength(2);
  expect(notices[1]).toContain('n5');
});

test('of a flood of notices the newest are kept', async () => {
  await queue.worker();
  const job = await queue.submit(
    owner,
    `do $$ begin for i in 1..5000 loop raise notice 'n%', i; end loop; end $$; select 1`,
  );
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded' });
  const notices = await queue.jobs.operationNotices(listening).of(job, 1_000);
  expect(notices.length).toBeLessThanOrEqual(1_000);
  expect(notices.at(-1)).toContain('n5000');
});

test('a worker that is stopped lets what runs finish, and takes nothing new', async () => {
  const worker = await queue.worker({ concurrency: 1 });
  const running = await queue.submit(owner, 'select pg_sleep(0.5)');
  await queue.until(running, 'running');
  const waiting = await queue.submit(owner, 'select 1');
  await worker.stop();
  expect((await queue.store.find(running.id))?.status).toBe('succeeded');
  expect((await queue.store.find(waiting.id))?.status).toBe('queued');
});

/** Ends every session of Quarry in the metadata, as a restart of their server does. */
async function breakMetadata(): Promise<void> {
  const { database, pool } = queue.metadata;
  await database.client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  // The test reads through the same pool: its dead connections are gone when as many reads in a row have worked.
  for (let sound = 0; sound <= pool.totalCount; ) {
    sound = await pool.query('SELECT 1').then(
      () => sound + 1,
      () => 0,
    );
  }
}

test('a job that runs while the metadata’s connections break ends as it would have', async () => {
  await queue.worker();
  const job = await queue.submit(owner, 'select pg_sleep(1); select i from generate_series(1, 3000) i');
  await queue.until(job, 'running');
  await untilSession('pg_sleep');
  await breakMetadata();
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded' });
  expect(await queue.rows(job, 1)).toHaveLength(3_000);
});

test('a page ends where its text is large, and goes on behind it', async () => {
  await queue.worker();
  const job = await queue.submit(owner, `select i, repeat('x', 3000000) from generate_series(1, 5) i`);
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded' });
  const set = (await queue.results.at(job.id, 0))!;
  const deps = { store: queue.results, blobs: queue.blobs };
  const seen: unknown[] = [];
  for (let offset = 0, pages = 0; ; pages += 1) {
    const page = (await readRows(deps, set, offset, 1_000))!;
    seen.push(...page.rows.map((row) => (row as [number])[0]));
    if (!page.hasNextPage) break;
    expect(pages).toBeLessThan(5);
    offset = page.endOffset! + 1;
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test('an error that holds a whole cell is cut', async () => {
  await queue.worker();
  const job = await queue.submit(owner, `select cast(repeat('y', 5000000) as int)`);
  const { error } = await queue.until(job);
  expect(error).toMatchObject({ code: 'SQL_ERROR', sqlState: '22P02' });
  expect(error!.message.length).toBeLessThan(10_000);
});
