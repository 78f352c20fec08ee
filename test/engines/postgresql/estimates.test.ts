/** What the planner expects of a statement: told before its rows, and never at the cost of the statement. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunEvent, Session } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, endsOf, faultOf, rowsOf, typesOf, untilEvent } from '../../support/describe-engine.ts';
import { openSession, targetOf } from './support.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE item (id int PRIMARY KEY);
    INSERT INTO item SELECT generate_series(1, 500);
    ANALYZE item;
    CREATE SEQUENCE looks;
    -- Runs while a query is planned, since it claims to be immutable; fails from the second time on.
    CREATE FUNCTION once() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      'BEGIN IF nextval(''looks'') > 1 THEN RAISE EXCEPTION ''looked at twice''; END IF; RETURN 7; END';
    -- What is behind a view only the server knows.
    CREATE VIEW dear AS SELECT id, once() AS seven FROM item;
    CREATE VIEW slow AS SELECT pg_sleep(600)::text, id FROM item;
    CREATE FUNCTION public.count(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION looked() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      'BEGIN PERFORM nextval(''looks''); RAISE NOTICE ''looked''; RETURN 7; END'`);
  session = await openSession(targetOf(database));
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});
beforeEach(() => database.client.query(`SELECT setval('looks', 1, false)`));

const estimatesOf = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === 'estimate' ? [[event.index, event.rows]] : []));

describe('an estimate', () => {
  test.each<[sql: string, rows: number]>([
    ['select * from item', 500],
    ['table item', 500],
    ['select * from (values (1), (2), (3)) v', 3],
    ['select count(*) from generate_series(1, 40) n where n > pg_catalog.abs(-3) group by lower(n::text)', 13],
    ['with i as (select * from item) select * from i limit 20', 20],
    ['select * from generate_series(1, 40)', 40],
    ['(select 1) union all select id from item', 501],
    ['-- a remark\nselect count(*) from item', 1],
    ['select from item', 500],
  ])('is told of what only reads: %s', async (sql, rows) => {
    for (const options of [{}, { readOnly: true }, { transaction: 'WHOLE' }] as const) {
      expect(estimatesOf(await collect(session, sql, options))).toEqual([[0, rows]]);
    }
  });

  test('comes before the columns and the rows, with how many statements there are', async () => {
    const events = await collect(session, 'select * from item; table item');
    expect(typesOf(events)).toEqual([
      ...['statement', 'estimate', 'columns', 'rows', 'end'],
      ...['statement', 'estimate', 'columns', 'rows', 'end'],
    ]);
    expect(events.flatMap((event) => (event.type === 'statement' ? [event.count] : []))).toEqual([2, 2]);
  });

  test('knows the parameters', async () => {
    const few = await collect(session, 'select * from item where id <= $1', { parameters: [50] });
    const many = await collect(session, 'select * from item where id <= $1', { parameters: [450] });
    expect([estimatesOf(few), estimatesOf(many)]).toEqual([[[0, 50]], [[0, 450]]]);
    const untyped = await collect(session, 'select $1, * from item limit $2', { parameters: ['text', 3] });
    expect([estimatesOf(untyped), rowsOf(untyped).length]).toEqual([[[0, 3]], 3]);
  });

  test('is there while the first row is still being made', async () => {
    const { ended } = await untilEvent(session, 'select * from slow', 'estimate');
    await session.cancel();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
  });

  test('is told inside a transaction of the script, and leaves no savepoint there', async () => {
    const events = await collect(session, 'begin; select * from item; select * from item limit 3; rollback');
    expect(estimatesOf(events)).toEqual([
      [1, 500],
      [2, 3],
    ]);
    const { code, sqlState } = await faultOf(collect(session, 'begin; table item; rollback to "quarry estimate"'));
    expect({ code, sqlState }).toEqual({ code: 'SQL_ERROR', sqlState: '3B001' });
  });

  test.each([
    'insert into item values (1000) returning id',
    'with gone as (delete from item where id = 1000 returning id) select * from gone',
    'select id from item where id = 1 for update',
    `select nextval('looks')`,
    'select id into copied from item',
    'show server_version',
    'explain select 1',
    'drop table copied',
  ])('is not asked for what may write, or has no rows of its own: %s', async (sql) => {
    expect(estimatesOf(await collect(session, sql))).toEqual([]);
  });

  test.each([
    'select 1',
    'values (1), (2), (3)',
    'select generate_series(1, 40)',
    'select pg_sleep(0) from item limit 1',
    'select public.count(1) from item limit 1',
    'select * from item where id = (select max(id) from item where id < looked())',
    'select * from rows from (looked(), generate_series(1, 2))',
  ])('is not asked for what would be there as soon, or calls what may have an effect: %s', async (sql) => {
    expect(estimatesOf(await collect(session, sql))).toEqual([]);
  });

  test('plans nothing twice that calls a function of a user', async () => {
    const events = await collect(session, 'select id, looked() from item where id < 3');
    expect(rowsOf(events)).toEqual([
      [1, 7],
      [2, 7],
    ]);
    expect(events.filter(({ type }) => type === 'notice')).toHaveLength(1);
    expect((await database.client.query('SELECT last_value FROM looks')).rows).toEqual([{ last_value: '1' }]);
  });

  test('is left out where the plan would print much of the parameters, and the statement runs', async () => {
    const select = `select id from item where id < 3 and id::text <> $1`;
    const estimated = async (sql: string, characters: number) => {
      const events = await collect(session, sql, { parameters: ['x'.repeat(characters)] });
      expect(rowsOf(events)).toEqual([[1], [2]]);
      return estimatesOf(events).length;
    };
    expect(await estimated(select, 60_000)).toBe(1);
    expect(await estimated(select, 66_000)).toBe(0);
    expect(await estimated(`${select} and id::text <> $1 || 'y'`, 60_000)).toBe(0);
    expect(await estimated(`${select} -- ${'x'.repeat(66_000)}`, 1)).toBe(0);
    // All of it in one message would be more than a session reads.
    const often = Array.from({ length: 12 }, (_, i) => `and id::text <> $1 || '${i}'`).join(' ');
    expect(await estimated(`${select} ${often}`, 8_000_000)).toBe(0);
  });
});

describe('a planner that fails at the second look', () => {
  test.each(['PER_STATEMENT', 'WHOLE'] as const)('costs its estimate and nothing else: %s', async (transaction) => {
    const events = await collect(session, 'select * from dear where id < 4; select * from item where id = 1', {
      transaction,
    });
    expect(estimatesOf(events)).toEqual([[1, 1]]);
    expect(rowsOf(events)).toEqual([
      [1, 7],
      [2, 7],
      [3, 7],
    ]);
    expect(endsOf(events)).toMatchObject([{ command: 'SELECT', rowCount: 3 }, { rowCount: 1 }]);
  });

  test('leaves the transaction of a script as it was', async () => {
    const events = await collect(
      session,
      'begin; insert into item values (2000); select seven from dear limit 1; delete from item where id = 2000; commit',
    );
    expect(rowsOf(events, 2)).toEqual([[7]]);
    expect(endsOf(events)).toMatchObject([{}, { rowCount: 1 }, { rowCount: 1 }, { rowCount: 1 }, {}]);
  });

  test('is told in place of a failure that the statement has itself', async () => {
    const script = 'select 1;\n select seven, 1 / (id - 3) from dear';
    expect(await faultOf(collect(session, script))).toMatchObject({
      code: 'SQL_ERROR',
      sqlState: '22012',
      statement: 1,
    });
  });
});

test('a fault of the statement is told at its place, and not at that of our question', async () => {
  for (const script of [
    'select 1;\n  select nope from item',
    'select nope(id) from item',
    'select 1 +\n (select nope)',
  ]) {
    const fault = await faultOf(collect(session, script));
    expect(fault.position).toBe(script.indexOf('nope') + 1);
  }
});
