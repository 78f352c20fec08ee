/** Scripts of several statements: what goes into which transaction, what is reported, and where a failure stands. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunEvent, Session } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, columnsOf, endsOf, faultOf, rowsOf, runOptions, typesOf } from '../../support/describe-engine.ts';
import { openSession, postgresql, targetOf } from './support.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE item (id int PRIMARY KEY);
    CREATE TABLE child (id int REFERENCES item DEFERRABLE INITIALLY DEFERRED);
    CREATE PROCEDURE fill(INOUT n int) LANGUAGE plpgsql AS
      'BEGIN FOR i IN 1..n LOOP INSERT INTO item VALUES (i); COMMIT; END LOOP; END'`);
  session = await openSession(targetOf(database));
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});
beforeEach(() => database.client.query('TRUNCATE item CASCADE'));

/** What others see. */
const items = async () => (await database.client.query('SELECT id FROM item ORDER BY id')).rows.map(({ id }) => id);

/** Everything up to the failure, and the failure. */
async function untilFault(script: string, options: Parameters<typeof runOptions>[0] = {}) {
  const events: RunEvent[] = [];
  const running = (async () => {
    for await (const event of session.run(script, runOptions(options))) events.push(event);
  })();
  return { fault: await faultOf(running), events };
}

describe('each statement of a script', () => {
  test('is a transaction of its own: what came before a failure stays', async () => {
    const script = 'insert into item values (1); insert into item values (2), (1); insert into item values (3)';
    const { fault, events } = await untilFault(script);
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '23505', statement: 1 });
    expect(fault.detail).toContain('already exists');
    expect(endsOf(events)).toMatchObject([{ index: 0 }]);
    expect(await items()).toEqual([1]);
  });

  test('has its own statement, result and end, in order', async () => {
    const script = 'create temp table t (n int); insert into t values (1), (2); select n from t; drop table t';
    const events = await collect(session, script);
    expect(typesOf(events)).toEqual([
      ...[
        'statement',
        'end',
        'statement',
        'end',
        'statement',
        'estimate',
        'columns',
        'rows',
        'end',
        'statement',
        'end',
      ],
    ]);
    expect(events.flatMap((event) => ('index' in event ? [event.index] : []))).toEqual([
      0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3,
    ]);
    expect(endsOf(events).map(({ command, rowCount, truncated }) => [command, rowCount, truncated])).toEqual([
      ['CREATE TABLE', null, false],
      ['INSERT', 2, false],
      ['SELECT', 2, false],
      ['DROP TABLE', null, false],
    ]);
  });

  test.each<[string, string, number | null, unknown[][]]>([
    ['insert into item values (7) returning id, id * 2', 'INSERT', 1, [[7, 14]]],
    ['with n as (insert into item values (7) returning id) select id from n', 'SELECT', 1, [[7]]],
    [
      'merge into item using (values (8)) v (id) on item.id = v.id when not matched then insert values (v.id) returning item.id',
      'MERGE',
      1,
      [[8]],
    ],
    ['show server_encoding', 'SHOW', 1, [['UTF8']]],
    ['explain (costs off) select 1', 'EXPLAIN', 1, [['Result']]],
    ['values (1), (2)', 'SELECT', 2, [[1], [2]]],
    ['table item', 'SELECT', 0, []],
    ['call fill(2)', 'CALL', 1, [[2]]],
    ['delete from item', 'DELETE', 0, []],
    ['create table as_select as select 1 as n', 'SELECT', 1, []],
    ['select n into into_select from (values (1), (2)) v (n)', 'SELECT', 2, []],
    ['drop table as_select, into_select', 'DROP TABLE', null, []],
  ])('%s', async (script, command, rowCount, rows) => {
    const events = await collect(session, script);
    expect(endsOf(events)).toMatchObject([{ command, rowCount }]);
    expect(rowsOf(events)).toEqual(rows);
  });

  test.each(['PER_STATEMENT', 'WHOLE'] as const)(
    'tells what it affected also where few of the rows that it returns are kept: %s',
    async (transaction) => {
      const script = `
      insert into item select generate_series(1, 5000) returning id;
      update item set id = -id returning id;
      merge into item using generate_series(1, 4) n on id = -n when matched then delete returning n;
      delete from item where id < -10 returning id;
      delete from item where id = -10 returning id`;
      const events = await collect(session, script, { maxRows: 3, transaction });
      expect(endsOf(events).map(({ command, rowCount, truncated }) => [command, rowCount, truncated])).toEqual([
        ['INSERT', 5_000, true],
        ['UPDATE', 5_000, true],
        ['MERGE', 4, true],
        ['DELETE', 4_990, true],
        ['DELETE', 1, false],
      ]);
      expect(rowsOf(events, 0)).toEqual([[1], [2], [3]]);
      expect((await items()).sort()).toEqual([-5, -6, -7, -8, -9]);
    },
  );

  test('tells what it affected where none of the rows that it returns is kept', async () => {
    const events = await collect(session, 'insert into item values (1), (2) returning id', { maxRows: 0 });
    expect(endsOf(events)).toMatchObject([{ command: 'INSERT', rowCount: 2, truncated: true }]);
  });

  test.each<[string, number, { readOnly?: boolean }]>([
    ['begin; declare c cursor for select generate_series(1, 9); fetch 7 from c; commit', 7, {}],
    ['prepare p as select generate_series(1, 9); execute p; deallocate p', 9, {}],
    ['explain (costs off) select 1 union all select 2', 3, { readOnly: true }],
  ])(
    'tells how many rows there are, kept or not, where all are made at once: %s',
    async (script, rowCount, options) => {
      const ends = endsOf(await collect(session, script, { maxRows: 2, ...options }));
      expect(ends.filter(({ truncated }) => truncated)).toMatchObject([{ rowCount }]);
    },
  );

  test.each(['PER_STATEMENT', 'WHOLE'] as const)(
    'is not left half done where it calls what does something, however few of its rows are kept: %s',
    async (transaction) => {
      await database.client.query(`
        CREATE OR REPLACE FUNCTION noted(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO item VALUES (n) RETURNING id';
        CREATE OR REPLACE FUNCTION doubled(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT n * 2'`);
      const events = await collect(session, 'select noted(i) from generate_series(1, 5000) i', {
        maxRows: 3,
        transaction,
      });
      expect(endsOf(events)).toMatchObject([{ command: 'SELECT', rowCount: 5_000, truncated: true }]);
      expect(rowsOf(events)).toEqual([[1], [2], [3]]);
      expect(await items()).toHaveLength(5_000);
      // What only reckons ends behind the rows that are kept.
      const endless = await collect(
        session,
        'with recursive n (i) as (values (1::bigint) union all select i + 1 from n) select doubled(i) from n',
        { maxRows: 3, transaction },
      );
      expect(rowsOf(endless)).toEqual([['2'], ['4'], ['6']]);
    },
  );

  test('may be a procedure that ends transactions itself', async () => {
    await collect(session, 'call fill(3)');
    expect(await items()).toEqual([1, 2, 3]);
    await collect(session, 'do $$ begin insert into item values (4); commit; insert into item values (5); end $$');
    expect(await items()).toEqual([1, 2, 3, 4, 5]);
  });

  test('may be one that no transaction can hold', async () => {
    const made = `${database.database}_made`;
    const script = `vacuum item; create index concurrently item_again on item (id); drop index concurrently item_again;
      create database ${made}; drop database ${made}; alter type pg_temp.none add value 'x'`;
    const { fault, events } = await untilFault(script);
    expect(fault).toMatchObject({ statement: 5 });
    expect(endsOf(events).map(({ command }) => command)).toEqual([
      ...['VACUUM', 'CREATE INDEX', 'DROP INDEX', 'CREATE DATABASE', 'DROP DATABASE'],
    ]);
  });

  test('that fails at its commit fails as itself, and keeps nothing', async () => {
    const { fault, events } = await untilFault('insert into child values (404) returning id; select 1');
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '23503', statement: 0 });
    expect(endsOf(events)).toEqual([]);
  });

  test('that fails behind its first rows still fails', async () => {
    const { fault } = await untilFault('select 1 / (5000 - n) from generate_series(1, 10000) n');
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '22012', statement: 0 });
  });

  test('sees what the session was told before: settings, temporary tables, prepared statements', async () => {
    const script = `set search_path = pg_catalog; create temp table kept (n int); prepare p (int) as select $1 + 1;
      execute p (41); select count(*) from pg_temp.kept; show search_path`;
    const events = await collect(session, script);
    expect([rowsOf(events, 3), rowsOf(events, 4), rowsOf(events, 5)]).toEqual([[[42]], [['0']], [['pg_catalog']]]);
    await collect(session, 'discard all; reset all');
  });
});

describe("a script's own transaction", () => {
  test('is kept by its COMMIT', async () => {
    const events = await collect(session, 'begin; insert into item values (1); select * from item; commit');
    expect(rowsOf(events, 2)).toEqual([[1]]);
    expect(endsOf(events).map(({ command }) => command)).toEqual(['BEGIN', 'INSERT', 'SELECT', 'COMMIT']);
    expect(await items()).toEqual([1]);
  });

  test('is undone by its ROLLBACK', async () => {
    await collect(session, 'begin; insert into item values (1); rollback; insert into item values (2)');
    expect(await items()).toEqual([2]);
  });

  test('follows its savepoints', async () => {
    await collect(
      session,
      `begin; insert into item values (1); savepoint s; insert into item values (2); rollback to s;
       insert into item values (3); release s; commit`,
    );
    expect(await items()).toEqual([1, 3]);
  });

  test.each(['PER_STATEMENT', 'WHOLE'] as const)('holds nothing open that was read: %s', async (transaction) => {
    const script = 'create table passing (id int); select * from passing; select 1; drop table passing; select 2';
    const own = transaction === 'WHOLE' ? script : `begin; ${script}; commit`;
    expect(endsOf(await collect(session, own, { transaction })).map(({ command }) => command)).toContain('DROP TABLE');
  });

  test('goes on behind COMMIT AND CHAIN', async () => {
    const script = 'begin; insert into item values (1); commit and chain; insert into item values (2); rollback';
    await collect(session, script);
    expect(await items()).toEqual([1]);
  });

  test('has cursors, held ones too', async () => {
    const script = `begin; declare c cursor with hold for select n from generate_series(1, 5) n; fetch 2 from c; commit;
      fetch 1 from c; move 1 from c; fetch all from c; close c`;
    const events = await collect(session, script);
    expect([rowsOf(events, 2), rowsOf(events, 4), rowsOf(events, 6)]).toEqual([[[1], [2]], [[3]], [[5]]]);
  });

  test('is undone where a statement fails, and nothing more is run', async () => {
    const { fault } = await untilFault(
      'begin; insert into item values (1); select 1/0; commit; insert into item values (2)',
    );
    expect(fault).toMatchObject({ sqlState: '22012', statement: 2 });
    expect(await items()).toEqual([]);
    expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
  });

  test('that is left open is undone, and said to be', async () => {
    const { fault } = await untilFault('begin; insert into item values (1); select 1');
    expect(fault).toMatchObject({ code: 'SQL_ERROR', statement: 2 });
    expect(fault.message).toMatch(/open.*rolled back/);
    expect(await items()).toEqual([]);
  });

  test('may read a large result in the middle, and is not ended by it', async () => {
    const script =
      'begin; insert into item values (1); select generate_series(1, 5000); insert into item values (2); commit';
    const events = await collect(session, script, { maxRows: 10 });
    expect(rowsOf(events, 2)).toHaveLength(10);
    expect(await items()).toEqual([1, 2]);
  });
});

describe('a script that is one transaction', () => {
  const whole = { transaction: 'WHOLE' } as const;

  test('is kept whole', async () => {
    await collect(session, 'insert into item values (1); insert into item values (2) returning id', whole);
    expect(await items()).toEqual([1, 2]);
  });

  test('is undone whole, its tables as well', async () => {
    const script = 'create table lost (id int); insert into item values (1); select 1/0; insert into item values (2)';
    const { fault } = await untilFault(script, whole);
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '22012', statement: 2 });
    expect(await items()).toEqual([]);
    expect(rowsOf(await collect(session, `select to_regclass('lost')`))).toEqual([[null]]);
  });

  test('may fail at its end, as no statement of its own', async () => {
    const { fault } = await untilFault('insert into child values (404); insert into item values (1)', whole);
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '23503' });
    expect(fault.statement).toBeUndefined();
    expect(await items()).toEqual([]);
  });

  test('may have savepoints and nothing else about transactions', async () => {
    await collect(
      session,
      'savepoint s; insert into item values (1); rollback to s; insert into item values (2)',
      whole,
    );
    expect(await items()).toEqual([2]);
    for (const word of ['begin', 'commit', 'rollback', 'end', 'abort', 'commit and chain', `prepare transaction 'x'`]) {
      const { fault, events } = await untilFault(`insert into item values (9); ${word}`, whole);
      expect(fault).toMatchObject({ code: 'SQL_ERROR', statement: 1, position: 30 });
      expect(events).toEqual([]);
    }
    expect(await items()).toEqual([2]);
  });

  test('cannot hold a VACUUM, and says how it can be run', async () => {
    const { fault } = await untilFault('insert into item values (1); vacuum', whole);
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '25001', statement: 1 });
    expect(fault.hint).toContain('PER_STATEMENT');
    expect(await items()).toEqual([]);
  });

  test('cannot hold a procedure that commits', async () => {
    const { fault } = await untilFault('call fill(1)', whole);
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '2D000' });
    expect(fault.hint).toContain('PER_STATEMENT');
  });
});

describe('a failure', () => {
  test.each<[title: string, script: string, word: string, line: number, statement: number]>([
    ['on the first line', 'select nope', 'nope', 1, 0],
    ['in the second statement', 'select 1;\n\n  select\n  nope', 'nope', 4, 1],
    ['behind letters of several bytes', `select 'äöü€'; select nope`, 'nope', 1, 1],
    [
      'behind letters of two UTF-16 units',
      `select '\u{1f427}\u{1f427}' as "\u{1f427}";\n-- \u{1f427}\nselect nope`,
      'nope',
      3,
      1,
    ],
    ['behind such letters in its own statement', `select 1; select '\u{1f427}ä', nope`, 'nope', 1, 1],
    ['behind comments', '/* a; /* nested; */ b */ select 1; -- ; \n select nope -- end', 'nope', 2, 1],
    ['behind Windows line ends', 'select 1;\r\nselect 2;\r\nselect nope', 'nope', 3, 2],
    ['with nothing behind its semicolon', ';;select 1;;\nselect nope;;', 'nope', 2, 1],
  ])('is told at its character of the whole script: %s', async (_, script, word, line, statement) => {
    const { fault } = await untilFault(script);
    const position = [...script.slice(0, script.lastIndexOf(word))].length + 1;
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '42703', position, line, statement });
  });

  test.each([
    ['select 1;\nselect 2;\nselect (', '', 3],
    [`select 'äöü \u{1f427}';\nselekt 1`, 'selekt', 2],
    ['insert into item values (1); select 1 from from', 'from', 1],
  ])('to parse keeps the whole script from running: %j', async (script, word, line) => {
    const { fault, events } = await untilFault(`insert into item values (77); ${script}`);
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '42601', line });
    if (word !== '') {
      const whole = `insert into item values (77); ${script}`;
      expect(fault.position).toBe([...whole.slice(0, whole.lastIndexOf(word))].length + 1);
    }
    expect(events).toEqual([]);
    expect(await items()).toEqual([]);
  });

  test.each([
    ['\\d item', /psql/],
    ['select 1;\n\\set a 1\nselect 2', /psql/],
    ["\\copy item from 'items.csv' csv", /psql/],
    ['select 1 \\gset', /psql/],
    ['copy item from stdin;\n1\n2\n\\.\n', /INSERT/],
    ['COPY item FROM STDIN WITH (FORMAT csv);\n1\r\n2\r\n\\.\r\nselect 1', /INSERT/],
    ['1\n\\.\n', /INSERT/],
    ['copy item (id) from stdin', /INSERT/],
    ['copy item to stdout', /SELECT/],
    ['set client_encoding = latin1', /UTF-8/],
    [`set names 'latin1'`, /UTF-8/],
  ])('of what belongs to a client has a hint: %j', async (script, hint) => {
    const { fault } = await untilFault(script);
    expect(fault.code).toBe('SQL_ERROR');
    expect(fault.hint).toMatch(hint);
    expect(await items()).toEqual([]);
  });

  test.each([
    `SET client_encoding = 'UTF8'`,
    `set names 'utf-8'`,
    'set client_encoding to unicode',
    'reset client_encoding',
  ])('of the encoding that every session has does nothing: %s', async (script) => {
    expect(rowsOf(await collect(session, `${script}; show client_encoding`), 1)).toEqual([['UTF8']]);
  });

  test.each(['', ' \n\t', ';', ' ; ;; ', '-- only a comment', '/* only; a comment */', ';-- a\n;'])(
    'to hold a statement is one: %j',
    async (script) => {
      expect((await untilFault(script)).fault).toMatchObject({ code: 'SQL_ERROR' });
    },
  );

  test('of a function tells what the server remarks', async () => {
    const script = `do $$ begin raise exception 'no way' using errcode = 'QX001', detail = 'the detail', hint = 'the hint'; end $$`;
    expect((await untilFault(script)).fault).toMatchObject({
      ...{ code: 'SQL_ERROR', sqlState: 'QX001', message: 'no way', detail: 'the detail', hint: 'the hint' },
    });
  });

  test('of a foreign server is not taken for the loss of this one', async () => {
    const script = `do $$ begin raise exception 'server is gone' using errcode = '08006'; end $$`;
    expect((await untilFault(script)).fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '08006' });
    expect(session.closed.aborted).toBe(false);
  });

  test('by the time that the script has set itself is a timeout', async () => {
    const { fault } = await untilFault(`set statement_timeout = '50ms'; select pg_sleep(600)`);
    expect(fault).toMatchObject({ code: 'TIMEOUT', sqlState: '57014', statement: 1 });
    await collect(session, 'reset statement_timeout');
  });

  test('of a script with a NUL character, or one that is too long, is said before anything runs', async () => {
    expect((await untilFault(`insert into item values (1); select 'a\0b'`)).fault.code).toBe('SQL_ERROR');
    const long = `insert into item values (1); select '${'x'.repeat(2 ** 20)}'`;
    expect((await untilFault(long)).fault.code).toBe('LIMIT_EXCEEDED');
    const deep = `insert into item values (1); select ${'('.repeat(50_000)}1${')'.repeat(50_000)}`;
    expect((await untilFault(deep)).fault.code).toBe('SQL_ERROR');
    expect(await items()).toEqual([]);
    expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
  });
});

describe('what the server remarks', () => {
  const raising = (text: string) => `do $$ begin raise notice '${text}'; end $$`;

  test('comes in order, before the end of its statement', async () => {
    const events = await collect(session, `${raising('one')}; ${raising('two')}; drop table if exists nothing_here`);
    expect(events.flatMap((e) => (e.type === 'notice' ? [e.message] : e.type === 'end' ? ['end'] : []))).toEqual([
      ...['NOTICE: one', 'end', 'NOTICE: two', 'end'],
      ...['NOTICE: table "nothing_here" does not exist, skipping', 'end'],
    ]);
  });

  test('comes between the rows that it was raised between', async () => {
    await collect(
      session,
      `create function said(n int) returns int language plpgsql as
         'begin raise notice ''row %'', n; perform pg_sleep(0.15); return n; end'`,
    );
    const events = await collect(session, 'select said(n) from generate_series(1, 4) n');
    expect(
      events.flatMap<unknown>((e) => (e.type === 'notice' ? [e.message] : e.type === 'rows' ? e.rows : [])),
    ).toEqual([...['NOTICE: row 1', [1], 'NOTICE: row 2', [2], 'NOTICE: row 3', [3], 'NOTICE: row 4', [4]]]);
    await collect(session, 'drop function said');
  });

  test('arrives while the statement runs', async () => {
    const script = `do $$ begin raise warning 'begun'; perform pg_sleep(600); end $$`;
    const running = session.run(script, runOptions());
    let first = '';
    for await (const event of running) {
      if (event.type !== 'notice') continue;
      first = event.message;
      break;
    }
    expect(first).toBe('WARNING: begun');
  });

  test('is bounded in number and in length', async () => {
    const flood = `do $$ begin for i in 1..5000 loop raise notice '% %', i, repeat('x', 20000); end loop; end $$`;
    const messages = (await collect(session, flood)).flatMap((e) => (e.type === 'notice' ? [e.message] : []));
    expect(messages.at(-1)).toMatch(/^NOTICE: 5000 x/);
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThan(9_000);
    const next = await collect(session, raising('heard again'));
    expect(next).toContainEqual({ type: 'notice', message: 'NOTICE: heard again' });
  });
});

test('of a flood of remarks that nobody takes the newest are kept', async () => {
  const flood = `do $$ begin for i in 1..5000 loop raise notice '%', i; end loop; end $$`;
  const messages: string[] = [];
  for await (const event of session.run(flood, runOptions())) {
    if (event.type !== 'notice') continue;
    if (messages.push(event.message) > 1) continue;
    const idle = `SELECT FROM pg_stat_activity WHERE pid = ${session.identity.sessionId} AND state = 'idle'`;
    while ((await database.client.query(idle)).rowCount === 0);
    // What it has said is on its way, and read while this waits.
    await sleep(20);
  }
  expect(messages.length).toBeLessThanOrEqual(2_000);
  expect(messages.slice(-1_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => `NOTICE: ${4_001 + i}`));
});

describe('taking a script apart', () => {
  test.each<[string, string[]]>([
    [`select 'a;b'; select 2`, [`select 'a;b'`, 'select 2']],
    [`select "a;b" from t; select E'\\';'`, ['select "a;b" from t', `select E'\\';'`]],
    ['select $$a;b$$; select $x$ $$;$$ $x$', ['select $$a;b$$', 'select $x$ $$;$$ $x$']],
    ['select 1 -- ; no end\n; select 2 /* ; */', ['select 1 -- ; no end', 'select 2 /* ; */']],
    [
      'create function f() returns int begin atomic; select 1; end; select 2',
      ['create function f() returns int begin atomic; select 1; end', 'select 2'],
    ],
    [';; select 1 ;;\n; select 2;', ['select 1', 'select 2']],
  ])('knows strings, names, dollar quotes, comments and bodies: %j', async (script, expected) => {
    const statements = await postgresql().split(script);
    expect(statements.map(({ sql }) => sql)).toEqual(expected);
    for (const { sql, offset } of statements) expect(script.slice(offset, offset + sql.length)).toBe(sql);
  });

  test('runs what is in a dollar quote as one statement', async () => {
    const script = `do $body$ begin insert into item values (1); insert into item values (2); end $body$; select ';'`;
    expect(rowsOf(await collect(session, script), 1)).toEqual([[';']]);
    expect(await items()).toEqual([1, 2]);
  });

  test('keeps names of columns as they are, also two of one name', async () => {
    const events = await collect(session, 'select 1 as "a;b", 2 as "a;b", 3 as "__proto__", 4 as "constructor"');
    expect(columnsOf(events).map(({ name }) => name)).toEqual(['a;b', 'a;b', '__proto__', 'constructor']);
    expect(rowsOf(events)).toEqual([[1, 2, 3, 4]]);
  });
});
