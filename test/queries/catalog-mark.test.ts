/** A job that may have changed the catalogue ends its snapshot's freshness before its own end is seen. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { contentFormat } from '../../src/catalog/snapshots/content.ts';
import { createSnapshotStore, type SnapshotState } from '../../src/catalog/snapshots/store.ts';
import type { NewJob } from '../../src/jobs/job.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
let databaseId: string;

beforeAll(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
  await queue.worker();
  await queue.targetDatabase.client.query(
    `create function makes() returns void language plpgsql as 'begin create table if not exists made (); end'; create table t (a int)`,
  );
  ({ id: databaseId } = (await queue.pool.query('select id from databases')).rows[0]);
});
afterAll(() => queue[Symbol.asyncDispose]());
beforeEach(async () => {
  await queue.pool.query('delete from catalog_snapshots');
  await queue.pool.query(
    `insert into catalog_snapshots (database_id, version, fingerprint, read_at, bytes, content) values ($1, '${contentFormat}v', 'f', clock_timestamp(), 1, 'x')`,
    [databaseId],
  );
});

async function after(sql: string, options: Partial<NewJob> = {}): Promise<SnapshotState> {
  await queue.until(await queue.submit(owner, sql, options));
  const [state] = await createSnapshotStore({ pool: queue.pool }).states([databaseId], 60_000);
  return state!;
}

test.each([
  'create table a ()',
  'begin; create table b (); commit',
  'select 1 as x into c',
  'select makes()',
  `do 'begin end'`,
  'create table d (); select 1 / 0',
  'alter table nowhere add column x int',
  'insert into t select 1 where makes() is null',
])('%s', async (sql) => {
  expect(await after(sql)).toMatchObject({ fresh: false });
});

test.each([
  'select 1',
  'select count(*), lower(max(a)::text) from t',
  'insert into t values (1); update t set a = 2; delete from t',
  'begin; lock table t; commit; analyze t; set statement_timeout = 0; show work_mem',
  'explain select * from t',
])('%s leaves it fresh', async (sql) => {
  expect(await after(sql)).toMatchObject({ fresh: true });
});

test('what only reads leaves it fresh, whatever it calls', async () => {
  expect(await after('select makes()', { readOnly: true })).toMatchObject({ fresh: true });
});
