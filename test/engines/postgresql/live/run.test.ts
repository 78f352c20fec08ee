/** The answer to a live query: of a moment that is told, within its limits, and without a trace. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveAnswer, LiveRunOptions, LiveSession } from '../../../../src/engines/live.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/databases.ts';
import { postgresql, targetOf } from '../support.ts';

let database: TestDatabase;
let session: LiveSession;

const { signal } = new AbortController();
const openSession = () => postgresql().live!.open(targetOf(database), { signal, label: 'quarry test' });

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE item (id int PRIMARY KEY, name text, tags text[], amount numeric);
    INSERT INTO item VALUES (1, 'one', '{a,b}', 1.10), (2, NULL, NULL, NULL);
    CREATE TABLE kept (id int);
    CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO kept VALUES (1); RETURN 1; END';
    CREATE FUNCTION unlocks() RETURNS int LANGUAGE plpgsql AS
      $$ BEGIN PERFORM set_config('transaction_read_only', 'off', false); INSERT INTO kept VALUES (1); RETURN 1; END $$`);
  session = await openSession();
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

const defaults = { signal, transactions: [], maxRows: 1_000, maxBytes: 2 ** 20, revision: '1' } as const;
const run = (sql: string, parameters: readonly unknown[] = [], options: Partial<LiveRunOptions> = {}) =>
  session.run({ sql, parameters }, { ...defaults, ...options });
const cellsOf = ({ rows, decode }: LiveAnswer) => rows.map(decode);
const refused = (...args: Parameters<typeof run>) =>
  run(...args).then(
    () => null,
    (error: unknown) => error,
  );

describe('an answer', () => {
  test('has its columns, and rows exact as text and as cells', async () => {
    const answer = await run('SELECT * FROM item ORDER BY id');
    expect(answer.columns.map(({ name, dataType }) => [name, dataType])).toEqual([
      ['id', 'integer'],
      ['name', 'text'],
      ['tags', 'text[]'],
      ['amount', 'numeric'],
    ]);
    expect(answer.columns[0]!.origin).toEqual({ schema: 'public', table: 'item', column: 'id' });
    expect(answer.rows).toEqual([
      ['1', 'one', '{a,b}', '1.10'],
      ['2', null, null, null],
    ]);
    expect(cellsOf(answer)).toEqual([
      [1, 'one', ['a', 'b'], '1.10'],
      [2, null, null, null],
    ]);
  });

  test('takes parameters, in a session that has not described the query', async () => {
    const sql = 'SELECT name FROM item WHERE id = $1 OR name = ANY ($2)';
    expect(cellsOf(await run(sql, ['1', []]))).toEqual([['one']]);
    expect(cellsOf(await run(sql, [2, ['one']]))).toEqual([['one'], [null]]);
    expect(await refused(sql, [1])).toMatchObject({ fault: { code: 'SQL_ERROR' } });
  });

  test('may have no rows, or no columns', async () => {
    expect((await run('SELECT * FROM item WHERE false')).rows).toEqual([]);
    expect((await run('SELECT FROM item')).rows).toEqual([[], []]);
  });

  test('describes columns anew where they are others', async () => {
    await database.client.query('CREATE TABLE shape (id int)');
    const before = await run('SELECT * FROM shape');
    await database.client.query('ALTER TABLE shape ADD COLUMN note text');
    const after = await run('SELECT * FROM shape');
    expect([before, after].map(({ columns }) => columns.map(({ name }) => name))).toEqual([['id'], ['id', 'note']]);
  });
});

describe('an answer is asked to hold a transaction', () => {
  test('and does when it is committed', async () => {
    const { client } = database;
    await client.query('BEGIN');
    const { rows } = await client.query<{ id: string }>(
      `UPDATE item SET name = 'uno' WHERE id = 1 RETURNING pg_current_xact_id()::text AS id`,
    );
    const transactions = [rows[0]!.id];
    const before = await run('SELECT name FROM item WHERE id = 1', [], { transactions });
    expect([before.missing, before.rows]).toEqual([transactions, [['one']]]);
    await client.query('COMMIT');
    const after = await run('SELECT name FROM item WHERE id = 1', [], { transactions });
    expect([after.missing, after.rows]).toEqual([[], [['uno']]]);
  });

  test('and is of one moment, whatever is committed while it is made', async () => {
    await database.client.query('CREATE TABLE tally (n int); INSERT INTO tally VALUES (0)');
    await using writer = await connected();
    let done = false;
    const writing = (async () => {
      while (!done) await writer.client.query('UPDATE tally SET n = n + 1');
    })();
    for (let round = 0; round < 100; round++) {
      const { rows } = await run(
        `SELECT (SELECT n FROM tally) = n, pg_current_snapshot()::text = (SELECT pg_current_snapshot()::text) FROM tally`,
      );
      expect(rows).toEqual([['t', 't']]);
    }
    done = true;
    await writing;
  });
});

async function activeOf(text: string): Promise<number> {
  const { rows } = await database.client.query(
    `SELECT FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1`,
    [`%${text}%`],
  );
  return rows.length;
}

async function connected() {
  const { host, port, user, password, database: name } = database;
  const client = new pg.Client({ host, port, user, password, database: name });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

describe('what a query may not', () => {
  test('is to write, in whatever way', async () => {
    for (const sql of ['SELECT writes()', 'SELECT unlocks()', 'INSERT INTO kept VALUES (1)']) {
      expect(await refused(sql), sql).toMatchObject({ fault: { code: 'READ_ONLY' } });
    }
    expect((await database.client.query('SELECT FROM kept')).rowCount).toBe(0);
  });

  test('is to give more rows than are wanted, or more bytes', async () => {
    const exact = await run('SELECT * FROM generate_series(1, 1000)');
    expect(exact.rows).toHaveLength(1_000);
    expect(await refused('SELECT * FROM generate_series(1, 1001)')).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { limit: 1_000 },
    });
    session = await openSession();
    expect(await refused(`SELECT repeat('x', 100) FROM generate_series(1, 20)`, [], { maxBytes: 1_000 })).toMatchObject(
      {
        code: 'LIMIT_EXCEEDED',
        details: { limit: 1_000 },
      },
    );
    session = await openSession();
    expect(await refused('SELECT generate_series(1, 1000000000)', [], { maxRows: 10 })).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { limit: 10 },
    });
    session = await openSession();
  });

  test('is to take longer than it may, or than it is wanted', async () => {
    const timeout = AbortSignal.timeout(200);
    expect(await refused('SELECT pg_sleep(30)', [], { signal: timeout })).toMatchObject({ fault: { code: 'TIMEOUT' } });
    const leaving = new AbortController();
    const work = refused('SELECT pg_sleep(30)', [], { signal: leaving.signal });
    leaving.abort();
    expect(await work).toMatchObject({ fault: { code: 'CANCELLED' } });
    expect((await run('SELECT 1')).rows).toEqual([['1']]);
  });

  test('is to undo its limits, or to fill the memory', async () => {
    const timeout = () => AbortSignal.timeout(300);
    const stubborn = `SELECT stubborn()`;
    await database.client.query(`
      CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM set_config('statement_timeout', '0', false);
        LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
      END $$`);
    expect(await refused(stubborn, [], { signal: timeout() })).toMatchObject({ fault: { code: 'TIMEOUT' } });
    while ((await activeOf('stubborn')) > 0) await sleep(20);
    session = await openSession();
    const wide = `SELECT ${Array.from({ length: 1_600 }, (_, i) => `${i} AS "__proto__"`).join()}`;
    expect((await run(wide)).rows[0]).toHaveLength(1_600);
    expect(await refused(`SELECT repeat('x', 200000000)`)).toMatchObject({ fault: { code: 'LIMIT_EXCEEDED' } });
    session = await openSession();
  });

  test('is to read what is gone; the session goes on', async () => {
    await database.client.query('CREATE TABLE doomed (id int)');
    await run('SELECT * FROM doomed');
    await database.client.query('DROP TABLE doomed');
    expect(await refused('SELECT * FROM doomed')).toMatchObject({ fault: { code: 'SQL_ERROR', sqlState: '42P01' } });
    expect(await refused('SELECT 1 / (id - 1) FROM item')).toMatchObject({ fault: { sqlState: '22012' } });
    expect((await run('SELECT 1')).rows).toEqual([['1']]);
  });
});

test('a session that is ended says so', async () => {
  await using ending = await openSession();
  const { rows } = await ending.run({ sql: 'SELECT pg_backend_pid()', parameters: [] }, defaults);
  await database.client.query('SELECT pg_terminate_backend($1)', [rows[0]![0]]);
  while (!ending.closed.aborted) await sleep(5);
  const fault = await ending.run({ sql: 'SELECT 1', parameters: [] }, defaults).catch((error: unknown) => error);
  expect(fault).toMatchObject({ fault: { code: 'CONNECTION_LOST' } });
});
