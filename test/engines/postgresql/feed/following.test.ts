/** What a feed of the log follows while others hold locks, take keys away and give them back. */
import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Target } from '../../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/databases.ts';
import { targetOf } from '../support.ts';
import { follow, inShort, never, openFeed, told, transactions } from './support.ts';

let database: TestDatabase;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase('');
  target = targetOf(database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

const sql = (text: string, values: unknown[] = []) => database.client.query(text, values);

async function client(): Promise<pg.Client> {
  const { host, port, user, password } = database;
  const another = new pg.Client({ host, port, user, password, database: database.database });
  await another.connect();
  onTestFinished(() => another.end());
  return another;
}

/** In which publication a table is: that of all, that of INSERTs, or none. */
async function publishedAs(table: string): Promise<'ALL' | 'INSERTS' | null> {
  const { rows } = await sql(
    `SELECT pubname LIKE '%inserts' AS inserts FROM pg_publication_tables WHERE tablename = $1`,
    [table],
  );
  return rows.length === 0 ? null : rows[0].inserts ? 'INSERTS' : 'ALL';
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

const isSettled = async (): Promise<boolean> =>
  (await sql(`SELECT FROM pg_publication WHERE obj_description(oid, 'pg_publication') IS NOT NULL`)).rowCount === 0;

test('a table that is let go while somebody holds a lock on it is withdrawn when he has ended', async () => {
  await sql('CREATE TABLE held (id int PRIMARY KEY, v text)');
  const feed = await openFeed(target, { limits: { checkMs: 50 } });
  const [outcome] = await feed.follow([{ schema: 'public', name: 'held' }], { signal: never });
  const locker = await client();
  await locker.query('BEGIN; LOCK TABLE held IN SHARE UPDATE EXCLUSIVE MODE');
  await feed.unfollow([outcome!.id!], { signal: never });
  await locker.query('COMMIT');
  await until(async () => (await publishedAs('held')) === null);
  await sql('ALTER TABLE held DROP CONSTRAINT held_pkey');
  await sql(`INSERT INTO held VALUES (1, 'a'); UPDATE held SET v = 'b'; DELETE FROM held`);
});

test('a table whose key is taken away while it is being added breaks none of its owner’s writes', async () => {
  await sql('CREATE TABLE adding (id int PRIMARY KEY, v text)');
  await sql(`INSERT INTO adding VALUES (1, 'a')`);
  const feed = await openFeed(target, { limits: { checkMs: 50 } });
  await sql('CREATE TABLE partly (id int PRIMARY KEY, v text)');
  const writer = await client();
  // Writes to one of the two, so that both are waited for.
  await writer.query(`BEGIN; INSERT INTO partly VALUES (1, 'a')`);
  const tables = ['adding', 'partly'].map((name) => ({ schema: 'public', name }));
  const following = feed.follow(tables, { signal: never });
  await until(async () => (await publishedAs('partly')) === 'ALL');
  await sql('ALTER TABLE adding DROP CONSTRAINT adding_pkey');
  await until(async () => (await publishedAs('adding')) === 'INSERTS');
  await sql(`UPDATE adding SET v = 'b'`);
  await writer.query('COMMIT');
  expect((await following).map(({ id }) => id !== null)).toEqual([true, true]);
  const events = told(feed);
  expect((await events.next()).value).toMatchObject({ type: 'coverage', coverage: 'INSERTS' });
});

test('that all is told of a table again is said behind what was told in part, and not before', async () => {
  await sql('CREATE TABLE behind (id int, v text)');
  const feed = await openFeed(target, { limits: { checkMs: 50 } });
  await follow(feed, 'behind');
  // While nobody reads.
  await sql(`INSERT INTO behind VALUES (1, 'a')`);
  await sql(`UPDATE behind SET v = 'b'`);
  await sql(`INSERT INTO behind VALUES (2, 'c')`);
  await sql('ALTER TABLE behind REPLICA IDENTITY FULL');
  await until(async () => (await publishedAs('behind')) === 'ALL' && (await isSettled()));
  // A look later its readers would have been told.
  const { heardAt } = feed.status();
  await until(async () => (await sql('SELECT 1')).rowCount === 1 && feed.status().heardAt > heardAt);
  const seen: string[] = [];
  for await (const event of told(feed)) {
    if (event.type === 'begin' || event.type === 'commit') continue;
    seen.push(inShort(event));
    if (event.type !== 'coverage') continue;
    expect(event).toMatchObject({ coverage: 'ALL', reason: null });
    break;
  }
  expect(seen).toEqual(['+behind(1,a)', '+behind(2,c)', 'coverage']);
  const [outcome] = await feed.follow([{ schema: 'public', name: 'behind' }], { signal: never });
  expect(outcome).toMatchObject({ coverage: 'ALL' });
  await sql(`UPDATE behind SET v = 'd' WHERE id = 2`);
  expect(await transactions(told(feed), 1)).toEqual(['[~behind(2,c → 2,d)]']);
});

test('a table that is written to for long keeps no other from being looked at', async () => {
  await sql(`
    CREATE TABLE written (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE written_low PARTITION OF written FOR VALUES FROM (0) TO (10);
    CREATE TABLE written_high PARTITION OF written FOR VALUES FROM (10) TO (20);
    ALTER TABLE written_high REPLICA IDENTITY NOTHING;
    CREATE TABLE looked (id int PRIMARY KEY, v text)`);
  const feed = await openFeed(target, { limits: { checkMs: 50, patienceMs: 600_000 } });
  await follow(feed, 'written', 'looked');
  await sql(`INSERT INTO looked VALUES (1, 'a')`);
  const writer = await client();
  await writer.query('BEGIN; INSERT INTO written_low VALUES (1)');
  await sql('ALTER TABLE written_high REPLICA IDENTITY DEFAULT');
  await until(async () => (await publishedAs('written')) === 'ALL');
  await sql('ALTER TABLE looked DROP CONSTRAINT looked_pkey');
  await until(async () => (await publishedAs('looked')) === 'INSERTS');
  await sql(`UPDATE looked SET v = 'b'`);
  await writer.query('COMMIT');
  const news: unknown[] = [];
  for await (const event of told(feed)) {
    if (event.type === 'coverage') news.push(event.coverage);
    if (news.length === 2) break;
  }
  expect(news).toEqual(['INSERTS', 'ALL']);
});
