/** What a query reads, as the server itself resolves it, and where only its text is left. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NotOneStatement } from '../../../../src/engines/engine.ts';
import { type LiveSession, NotAQuery, type QueryReads } from '../../../../src/engines/live.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/databases.ts';
import { hasPostgres15, startPostgres15 } from '../../../support/postgres-15.ts';
import { postgresql, targetOf } from '../support.ts';

let old: Awaited<ReturnType<typeof startPostgres15>> | undefined;
let database: TestDatabase;
let owner: LiveSession;
/** May make nothing, not even what is temporary. */
let reader: LiveSession;

const { signal } = new AbortController();

const open = (changes: Parameters<typeof targetOf>[1] = {}) =>
  postgresql().live!.open(targetOf(database, changes), { signal, label: 'quarry test' });

const versions = hasPostgres15 ? ([18, 15] as const) : ([18] as const);

describe.each(versions)('on PostgreSQL %i', (version) => {
  beforeAll(async () => {
    if (version === 15) old = await startPostgres15();
    database = await createTestDatabase(
      `
    CREATE TABLE room (id int PRIMARY KEY, name text);
    CREATE TABLE msg (id serial PRIMARY KEY, room_id int REFERENCES room, body text, at timestamptz DEFAULT now());
    CREATE TABLE pair (a int, b int, note text, PRIMARY KEY (a, b));
    CREATE TABLE loose (n int);
    CREATE COLLATION soft (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE wide (id uuid, big bigint, label varchar(20), soft text COLLATE soft, padded char(3), amount numeric);
    CREATE VIEW named AS SELECT m.*, r.name FROM msg m JOIN room r ON r.id = m.room_id;
    CREATE VIEW renamed AS SELECT name AS called, body, id AS number FROM named;
    CREATE VIEW latest AS SELECT * FROM msg ORDER BY id DESC LIMIT 10;
    CREATE VIEW recent AS SELECT * FROM msg WHERE at > now() - interval '1 day';
    CREATE TABLE part (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (more text) INHERITS (parent);
    CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM msg;
    CREATE SEQUENCE steps;
    CREATE FOREIGN DATA WRAPPER nowhere;
    CREATE SERVER away FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE remote (id int) SERVER away;
    CREATE TABLE member (user_name text, room_id int);
    CREATE TABLE secret (id int PRIMARY KEY, room_id int);
    ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
    CREATE POLICY seen ON secret USING (room_id IN (SELECT room_id FROM member WHERE user_name = current_user));
    CREATE FUNCTION counts() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM room';
    CREATE FUNCTION counts_atomic() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM loose; END;
    CREATE FUNCTION counts_deep(int) RETURNS bigint LANGUAGE sql AS 'SELECT counts() + $1';
    CREATE FUNCTION hides() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM room); END';
    CREATE FUNCTION doubles(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 2 * $1; END';
    CREATE FUNCTION since() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()';
    CREATE FUNCTION same(int, text) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN EXISTS (SELECT FROM msg); END';
    CREATE OPERATOR === (leftarg = int, rightarg = text, function = same);
    CREATE FUNCTION adds(bigint, int) RETURNS bigint LANGUAGE sql AS 'SELECT $1 + $2 + (SELECT count(*) FROM pair)';
    CREATE AGGREGATE total (int) (sfunc = adds, stype = bigint, initcond = '0');
    CREATE SCHEMA "Other";
    CREATE TABLE "Other"."Odd name" ("Id" int PRIMARY KEY, ":relid 5" text);
    CREATE TYPE "Other"."Mood" AS ENUM ('calm', 'loud');
    CREATE FUNCTION elsewhere() RETURNS bigint LANGUAGE sql SET search_path = "Other" AS 'SELECT count(*) FROM "Odd name"'`,
      old,
    );
    const { client, database: name } = database;
    await client.query(`
    CREATE ROLE ${name}_reader LOGIN PASSWORD 'reads';
    GRANT pg_read_all_data TO ${name}_reader;
    REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC`);
    [owner, reader] = await Promise.all([open(), open({ user: `${name}_reader`, password: 'reads' })]);
  });
  afterAll(async () => {
    await Promise.all([owner, reader].map((session) => session?.[Symbol.asyncDispose]()));
    await database?.client.query(`DROP OWNED BY ${database.database}_reader; DROP ROLE ${database.database}_reader`);
    await database?.[Symbol.asyncDispose]();
    await old?.[Symbol.asyncDispose]();
  });

  const look = (sql: string, parameters: readonly unknown[] = [], session = owner) =>
    session.describe({ sql, parameters }, { signal });
  const tablesOf = ({ tables }: QueryReads) => tables.map(({ schema, name }) => `${schema}.${name}`).sort();

  describe('the tables that a query reads', () => {
    const cases: [sql: string, tables: string[], parameters?: unknown[]][] = [
      ['SELECT * FROM msg', ['public.msg']],
      ['TABLE room;', ['public.room']],
      ['  -- before\n SELECT 1 -- behind', []],
      ['VALUES (1), (2)', []],
      ['SELECT * FROM renamed WHERE body = $1', ['public.msg', 'public.room'], ['x']],
      ['SELECT * FROM msg WHERE false', ['public.msg']],
      ['SELECT m.id FROM msg m LEFT JOIN room r ON r.id = m.room_id', ['public.msg', 'public.room']],
      [
        'SELECT id FROM msg WHERE id IN (SELECT a FROM pair) UNION SELECT n FROM loose WHERE 1 = 0',
        ['public.loose', 'public.msg', 'public.pair'],
      ],
      ['WITH room AS (SELECT 1 AS x) SELECT * FROM room', []],
      ['SELECT count(*) FROM part', ['public.part']],
      ['SELECT * FROM part_1', ['public.part']],
      ['SELECT * FROM "Other"."Odd name"', ['Other.Odd name']],
      ['SELECT counts()', ['public.room']],
      ['SELECT counts_atomic()', ['public.loose']],
      ['SELECT counts_deep(1)', ['public.room']],
      ['SELECT elsewhere()', ['Other.Odd name']],
      ['SELECT total(n) FROM loose', ['public.loose', 'public.pair']],
      ['SELECT * FROM secret', ['public.member', 'public.secret']],
      ['SELECT id, id, 1, 1 FROM msg', ['public.msg']],
      ['SELECT FROM msg', ['public.msg']],
      ['SELECT msg, ROW (1, 2) FROM msg', ['public.msg']],
      [
        'SELECT * FROM msg WHERE room_id = $2 AND body = ANY ($1) ORDER BY at LIMIT $3',
        ['public.msg'],
        [['a'], 1, '5'],
      ],
      [`SELECT '$1', "$1", $1::text, 'é$1' FROM (SELECT 1 AS "$1") x, loose WHERE n=$2`, ['public.loose'], ['a', 1]],
      [`SELECT $1::"Other"."Mood", ($2::"Other"."Mood"[])[1]`, [], ['calm', ['loud']]],
      ['SELECT * FROM msg FETCH FIRST $1 ROWS ONLY', ['public.msg'], ['3']],
    ];
    test.each(cases)('%s', async (sql, tables, parameters = []) => {
      const reads = await look(sql, parameters);
      expect(tablesOf(reads)).toEqual(tables);
      expect(reads.polled).toEqual([]);
    });

    test.each(cases)('are the same by name, where no view can be made: %s', async (sql, tables, parameters = []) => {
      const { rows } = await database.client.query(`SELECT has_database_privilege($1, current_database(), 'TEMP')`, [
        `${database.database}_reader`,
      ]);
      expect(rows).toEqual([{ has_database_privilege: false }]);
      expect(tablesOf(await look(sql, parameters, reader))).toEqual(tables);
    });

    test('are named by what they are, also when they are called otherwise later', async () => {
      const [before] = (await look('SELECT * FROM loose')).tables;
      await database.client.query('ALTER TABLE loose RENAME TO looser');
      const [after] = (await look('SELECT * FROM looser')).tables;
      await database.client.query('ALTER TABLE looser RENAME TO loose');
      expect(after).toEqual({ ...before, name: 'looser' });
    });
  });

  describe('a query is run again from time to time', () => {
    const cases: [sql: string, reason: RegExp | string, tables: string[]][] = [
      ['SELECT now()', 'now() changes with time', []],
      ['SELECT CURRENT_DATE, * FROM room', 'the current date or time is part of it', ['public.room']],
      ['SELECT * FROM recent', 'now() changes with time', ['public.msg']],
      ['SELECT since()', 'now() changes with time', []],
      ['SELECT age(at) FROM msg', 'age() changes with time', ['public.msg']],
      [`SELECT * FROM msg WHERE at > 'today'`, "'today' may be a time that changes", ['public.msg']],
      ['SELECT * FROM room ORDER BY random()', 'random() may give something else each time', ['public.room']],
      ['SELECT * FROM room TABLESAMPLE system (10)', 'TABLESAMPLE takes other rows each time', ['public.room']],
      ['SELECT hides()', 'what public.hides() reads is not known', []],
      ['SELECT * FROM loose WHERE n === $$x$$', 'what public.same() reads is not known', ['public.loose']],
      ['SELECT relname FROM pg_class', /pg_class is the server’s own/, []],
      ['SELECT * FROM information_schema.tables', /is the server’s own/, []],
      ['SELECT pg_table_size(16384)', 'pg_table_size() may give something else each time', []],
      ['SELECT * FROM counted', 'public.counted changes when it is refreshed', []],
      ['SELECT * FROM fleeting', 'public.fleeting is in no log', []],
      ['SELECT * FROM remote', 'public.remote is elsewhere, and its changes are not told', []],
      ['SELECT last_value FROM steps', 'public.steps is a sequence, whose steps are not told', []],
      ['SELECT * FROM parent', 'public.parent has children, and may get others', ['public.child', 'public.parent']],
    ];
    test.each(cases)('and says why: %s', async (sql, reason, tables) => {
      for (const session of [owner, reader]) {
        const reads = await look(sql, [], session);
        const reasons = typeof reason === 'string' ? [reason] : [expect.stringMatching(reason)];
        // By name alone more may be meant.
        expect(reads.polled).toEqual(session === owner ? reasons : expect.arrayContaining(reasons));
        expect(tablesOf(reads)).toEqual(tables);
      }
    });

    test.each([
      'SELECT doubles(id), upper(name), to_char(1, $$9$$), id + 1, name || 1 FROM room',
      `SELECT at + interval '1 day', date_trunc('day', at), age(at, at), at::date, to_jsonb(msg), extract(year FROM at) FROM msg`,
      'SELECT string_agg(body, $$,$$ ORDER BY id), array_agg(id), json_agg(body), row_number() OVER () FROM msg GROUP BY room_id',
      'SELECT current_user, current_database(), pg_typeof(id), coalesce(name, $$x$$) FROM room',
    ])('but not for what stays what it is: %s', async (sql) => {
      expect((await look(sql)).polled).toEqual([]);
    });
  });

  describe('the rows of a query are known again', () => {
    const cases: [sql: string, key: number[] | null][] = [
      ['SELECT body, id FROM msg', [1]],
      ['SELECT * FROM pair', [0, 1]],
      ['SELECT b, note FROM pair', null],
      ['SELECT body FROM msg', null],
      ['SELECT n FROM loose', null],
      ['SELECT r.id, m.id, body FROM msg m JOIN room r ON r.id = room_id', [0, 1]],
      ['SELECT m.id, r.name FROM msg m JOIN room r ON r.id = room_id', [0]],
      ['SELECT x.id, y.id FROM room x, room y', [0, 1]],
      ['SELECT called, number FROM renamed', [1]],
      ['SELECT id FROM (SELECT id, body FROM msg) inside', [0]],
      ['SELECT * FROM part_1', [0, 1]],
      ['SELECT count(*), room_id FROM msg GROUP BY room_id', [1]],
      ['SELECT count(*), room_id % 2 AS half FROM msg GROUP BY half', [1]],
      ['SELECT room_id, body, count(*) FROM msg GROUP BY 1, 2', [0, 1]],
      ['SELECT count(*) FROM msg GROUP BY room_id', null],
      ['SELECT room_id, count(*) FROM msg GROUP BY ROLLUP (room_id)', null],
      ['SELECT count(*), max(id) FROM msg', []],
      ['SELECT id, (SELECT count(*) FROM room) FROM msg', [0]],
      ['SELECT id FROM msg UNION ALL SELECT id FROM room', null],
      ['SELECT 1', null],
      ['SELECT "Id" FROM "Other"."Odd name"', [0]],
    ];
    test.each(cases)('%s', async (sql, key) => {
      expect((await look(sql)).key).toEqual(key);
    });

    test('by what they are grouped by also where parameters stand among it', async () => {
      const sql = `SELECT room_id + $1, body = 'é$2', room_id FROM msg WHERE body=$2 AND id = ANY($3) GROUP BY 1, body, room_id`;
      expect((await look(sql, [1, 'x', [1]])).key).toBeNull();
      const shown = `/* é */ SELECT room_id + $1 AS next, body, count(*) FROM msg WHERE id = ANY($3) OR body=$2 GROUP BY room_id + $1, body;`;
      expect((await look(shown, [1, 'x', ['1']])).key).toEqual([0, 1]);
    });

    test('by the columns of a primary key also where no view can be made', async () => {
      expect((await look('SELECT called, number FROM renamed', [], reader)).key).toEqual([1]);
    });
  });

  describe('rows that a query surely leaves out', () => {
    const of = (column: string, equals: string) => ({ column, equals });
    const id = '0190f7a2-0000-7000-8000-00000000000a';
    type Case = [sql: string, filters: { column: string; equals: string }[], parameters?: unknown[]];
    // Up to 15 the rule of a view mentions the view twice more.
    const throughViews: Case[] =
      version < 16
        ? []
        : [
            ['SELECT * FROM named WHERE room_id = 3 AND name = $1', [of('room_id', '3'), of('name', 'x')], ['x']],
            [`SELECT * FROM renamed WHERE called = 'x' AND number > 0`, [of('name', 'x')]],
          ];
    const cases: Case[] = [
      ['SELECT * FROM msg WHERE room_id = 3', [of('room_id', '3')]],
      ['SELECT * FROM msg WHERE 03 = room_id', [of('room_id', '3')]],
      ['SELECT * FROM msg WHERE room_id = $1', [of('room_id', '3')], [3]],
      [`SELECT * FROM msg WHERE room_id = '3' AND body > 'x' AND body = 'é'`, [of('room_id', '3'), of('body', 'é')]],
      [
        'SELECT count(*) FROM msg m WHERE m.room_id = $2::int8 AND body = $1 GROUP BY id',
        [of('body', 'x')],
        ['x', '5'],
      ],
      [
        'SELECT m.id FROM msg m JOIN room r ON r.id = m.room_id WHERE m.room_id = 3 AND r.name = $1',
        [of('room_id', '3'), of('name', 'x')],
        ['x'],
      ],
      ['SELECT r.id FROM room r LEFT JOIN msg m ON m.room_id = r.id WHERE m.room_id = 0', [of('room_id', '0')]],
      [
        `SELECT * FROM wide WHERE big = -5 AND label = 'it''s' AND id = '${id.toUpperCase()}'`,
        [of('big', '-5'), of('label', "it's"), of('id', id)],
      ],
      ...throughViews,
      [`SELECT * FROM "Other"."Odd name" WHERE ":relid 5" = 'x'`, [of(':relid 5', 'x')]],
      // Read in another place as well.
      ['SELECT *, (SELECT count(*) FROM msg) FROM msg m WHERE m.room_id = 3', []],
      ['SELECT x.id FROM msg x, msg y WHERE x.room_id = 3', []],
      ['SELECT counts(), id FROM room WHERE id = 3', []],
      ['SELECT * FROM part_1 WHERE id = 3', []],
      ['SELECT * FROM parent WHERE id = 3', []],
      ['SELECT * FROM member WHERE room_id = 3 AND EXISTS (SELECT FROM secret)', []],
      // Equal is not what is the same, or not certain.
      ['SELECT * FROM msg WHERE room_id = 3 OR body = $$x$$', []],
      ['SELECT * FROM msg WHERE NOT room_id = 3', []],
      ['SELECT * FROM msg WHERE room_id <> 3', []],
      ['SELECT * FROM msg WHERE room_id = 3.0', []],
      ['SELECT * FROM msg WHERE room_id = 1 + 2', []],
      ['SELECT * FROM msg WHERE room_id = $1', [], [null]],
      ['SELECT * FROM msg WHERE room_id = ANY ($1)', [], [[3]]],
      ['SELECT * FROM msg WHERE room_id IN (3)', []],
      ['SELECT * FROM msg WHERE room_id BETWEEN 3 AND 3', []],
      ['SELECT * FROM msg WHERE (room_id, body) = (3, $$x$$)', []],
      [`SELECT * FROM wide WHERE soft = 'x' AND padded = 'x' AND amount = 1`, []],
      ['SELECT * FROM msg AS m (a, b) WHERE b = 3', []],
      ['WITH m AS (SELECT * FROM msg) SELECT * FROM m WHERE room_id = 3', []],
      ['SELECT id FROM msg WHERE room_id = 3 UNION SELECT id FROM room', []],
      ['SELECT x.* FROM named x, named y WHERE x.room_id = 3', []],
      ['SELECT *, (SELECT count(*) FROM msg) FROM named WHERE room_id = 3', []],
      ['SELECT * FROM latest WHERE room_id = 3', []],
      ['SELECT * FROM msg GROUP BY id HAVING room_id = 3', []],
    ];
    test.each(cases)('%s', async (sql, filters, parameters = []) => {
      const reads = await look(sql, parameters);
      expect(reads.filters.map(({ column, equals }) => ({ column, equals }))).toEqual(filters);
      for (const { tableId } of reads.filters) expect(reads.tables.map(({ id }) => id)).toContain(tableId);
    });
  });

  describe('what cannot be kept live', () => {
    const refused = (sql: string, parameters?: readonly unknown[]) =>
      look(sql, parameters).then(
        () => null,
        (error: unknown) => error,
      );

    test('is what writes, or may', async () => {
      for (const sql of [
        'INSERT INTO room VALUES (1)',
        'WITH made AS (DELETE FROM room RETURNING *) SELECT * FROM made',
        'SELECT * FROM room FOR UPDATE',
        'SELECT * INTO copied FROM room',
        `SELECT nextval('steps')`,
        'CREATE TABLE made (id int)',
        'BEGIN',
      ]) {
        expect(await refused(sql), sql).toMatchObject({ fault: { code: 'READ_ONLY' } });
      }
    });

    test('is what has no rows of tables', async () => {
      expect(await refused('SHOW work_mem')).toBeInstanceOf(NotAQuery);
      expect(await refused('EXPLAIN SELECT 1')).toBeInstanceOf(NotAQuery);
    });

    test('is more than one statement, or none', async () => {
      expect(await refused('SELECT 1; SELECT 2')).toBeInstanceOf(NotOneStatement);
      expect(await refused('-- nothing')).toBeInstanceOf(NotOneStatement);
    });

    test('is said with its place, what it needs, and how to give it', async () => {
      expect(await refused('\n SELECT nothing FROM room')).toMatchObject({
        fault: { code: 'SQL_ERROR', sqlState: '42703', line: 2, position: 10 },
      });
      expect(await refused('SELEC 1')).toMatchObject({ fault: { code: 'SQL_ERROR', sqlState: '42601' } });
      expect(await refused('SELECT $1::int')).toMatchObject({
        fault: { code: 'SQL_ERROR', message: 'The statement has 1 parameters, and 0 were given' },
      });
      expect(await refused('SELECT $1::int[]', [{}])).toMatchObject({
        fault: { code: 'SQL_ERROR', message: expect.stringContaining('Parameter $1') },
      });
    });

    test('is deeper than the server goes; what it takes is read to its depth', async () => {
      const sum = (depth: number) => `SELECT ${'1 + ('.repeat(depth)}1${')'.repeat(depth)} FROM loose`;
      expect(await refused(sum(12_000))).toMatchObject({ fault: { code: 'SQL_ERROR' } });
      expect(tablesOf(await look(sum(1_500)))).toEqual(['public.loose']);
    });

    test('leaves the session as it was', async () => {
      await refused('SELECT nothing');
      expect(tablesOf(await look('TABLE room'))).toEqual(['public.room']);
    });
  });

  describe('a description', () => {
    test('is of the catalogue as it was, and tells when a view shows something else', async () => {
      const { client } = database;
      await client.query('CREATE VIEW shown AS SELECT id FROM msg');
      const reads = await look('SELECT * FROM shown');
      expect(await owner.isCurrent(reads, { signal })).toBe(true);
      await client.query('INSERT INTO room VALUES (77)');
      expect(await owner.isCurrent(reads, { signal })).toBe(true);
      await client.query('CREATE OR REPLACE VIEW shown AS SELECT id FROM room');
      expect(await owner.isCurrent(reads, { signal })).toBe(false);
      expect(tablesOf(await look('SELECT * FROM shown'))).toEqual(['public.room']);
    });

    test('leaves nothing in the database', async () => {
      const objects = `SELECT count(*) FROM pg_class WHERE relname LIKE 'quarry%'`;
      await look('SELECT * FROM msg');
      expect((await database.client.query(objects)).rows).toEqual([{ count: '0' }]);
    });
  });
});
