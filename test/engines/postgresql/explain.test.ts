/** Plans of a real server: what a statement touches, what it is warned of, what is refused, and that nothing stays. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ExplainOptions, NotOneStatement, type QueryPlan, type Target } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { faultOf } from '../../support/describe-engine.ts';
import { postgresql, targetOf } from './support.ts';

let database: TestDatabase;
const engine = postgresql();

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE person (id int PRIMARY KEY, name text, boss int REFERENCES person);
    CREATE TABLE visit (id int PRIMARY KEY, person_id int REFERENCES person ON DELETE CASCADE, at date);
    CREATE TABLE note (id int, visit_id int REFERENCES visit ON DELETE SET NULL);
    CREATE SCHEMA "Odd Schema";
    CREATE TABLE "Odd Schema"."Odd Table" (id int);
    CREATE VIEW visitor AS SELECT p.id, p.name, v.at FROM person p LEFT JOIN visit v ON v.person_id = p.id;
    CREATE VIEW first_visitor AS SELECT id FROM visitor WHERE id = 1;
    CREATE MATERIALIZED VIEW seen AS SELECT id FROM person;
    CREATE TABLE entry (id int, at int) PARTITION BY RANGE (at);
    CREATE TABLE entry_old PARTITION OF entry FOR VALUES FROM (0) TO (10);
    CREATE TABLE entry_new PARTITION OF entry FOR VALUES FROM (10) TO (20);
    CREATE TABLE numbered (id bigserial, n int);
    CREATE TABLE logged (id int);
    CREATE TABLE log (id int);
    CREATE FUNCTION write_log() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END';
    CREATE TRIGGER logs AFTER INSERT ON logged FOR EACH ROW EXECUTE FUNCTION write_log();
    CREATE FUNCTION visits_of(who int) RETURNS SETOF date LANGUAGE sql STABLE AS
      'SELECT at FROM visit WHERE person_id = who';
    CREATE FUNCTION add_note() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS
      'WITH r AS (SELECT max(id) AS id FROM first_visitor) INSERT INTO note SELECT id FROM r RETURNING id';
    CREATE FUNCTION adds_note() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT public.add_note()';
    CREATE FUNCTION atomic_count() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
      BEGIN ATOMIC SELECT count(*) FROM "Odd Schema"."Odd Table"; END;
    CREATE FUNCTION opaque() RETURNS int LANGUAGE plpgsql VOLATILE AS
      'BEGIN INSERT INTO log VALUES (7); RETURN 1; END';
    CREATE FUNCTION looks() RETURNS bigint LANGUAGE plpgsql STABLE AS
      'BEGIN RETURN (SELECT count(*) FROM log); END';
    CREATE FUNCTION differs(int, int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
      'BEGIN INSERT INTO log VALUES (8); RETURN true; END';
    CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = differs);
    CREATE OPERATOR "Odd Schema".@## (LEFTARG = int, RIGHTARG = int, FUNCTION = differs);
    CREATE VIEW comparing AS SELECT id FROM person WHERE id OPERATOR("Odd Schema".@##) 2;
    CREATE FUNCTION adds_up(int, int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM opaque(); RETURN $1; END';
    CREATE AGGREGATE total (int) (SFUNC = adds_up, STYPE = int, INITCOND = 0);
    CREATE FUNCTION is_fine(int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM opaque(); RETURN true; END';
    CREATE DOMAIN fine AS int CHECK (is_fine(VALUE));
    CREATE DOMAIN finer AS fine;
    CREATE TABLE holds_fine (id finer);
    CREATE TABLE checks (id int CHECK (is_fine(id)));
    CREATE TYPE pair AS (a int);
    CREATE FUNCTION pair_of(int) RETURNS pair LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM opaque(); RETURN ROW($1); END';
    CREATE CAST (int AS pair) WITH FUNCTION pair_of(int);
    CREATE VIEW hiding AS SELECT opaque() AS n;
    CREATE FUNCTION claims_immutable() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      'BEGIN PERFORM opaque(); RETURN 1; END';
    CREATE FUNCTION makes_writable() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      'BEGIN PERFORM set_config(''transaction_read_only'', ''off'', true); PERFORM opaque(); RETURN 1; END';
    CREATE TABLE ignored (id int);
    CREATE RULE nothing AS ON INSERT TO ignored DO INSTEAD NOTHING;
    CREATE TABLE noted (id int);
    CREATE RULE also AS ON INSERT TO noted DO ALSO INSERT INTO log VALUES (NEW.id);
    CREATE FUNCTION write_instead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER instead INSTEAD OF INSERT ON visitor FOR EACH ROW EXECUTE FUNCTION write_instead();
    CREATE FUNCTION long_one() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT 1 --${'x'.repeat(70_000)}';
    CREATE FUNCTION calls_itself() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'SELECT 1 FROM log';
    CREATE OR REPLACE FUNCTION calls_itself() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS
      'SELECT calls_itself() FROM log';
    CREATE TABLE large (id int, x int);
    INSERT INTO large SELECT i, i % 1000 FROM generate_series(1, 120000) i;
    INSERT INTO person SELECT i, 'p' || i FROM generate_series(1, 200) i;
    INSERT INTO visit SELECT i, i, NULL FROM generate_series(1, 200) i;
    ANALYZE`);
});
afterAll(() => database?.[Symbol.asyncDispose]());

const explain = (sql: string, options: Partial<ExplainOptions> = {}, target: Target = targetOf(database)) =>
  engine.explain(target, sql, {
    analyze: false,
    readOnly: false,
    maxPlanBytes: 2 ** 22,
    label: 'quarry test',
    signal: AbortSignal.timeout(50_000),
    ...options,
  });

const touches = async (sql: string, options: Partial<ExplainOptions> = {}) => {
  const { reads, writes } = await explain(sql, options);
  return { reads, writes };
};

const warnings = async (sql: string, options: Partial<ExplainOptions> = {}) =>
  (await explain(sql, options)).warnings.join('\n');

test('a plan has its tree, its text and its estimates', async () => {
  const found = await explain('SELECT name FROM person WHERE id = 7');
  expect(found).toMatchObject({
    plan: [{ Plan: { 'Node Type': 'Seq Scan', 'Relation Name': 'person', Schema: 'public', 'Plan Rows': 1 } }],
    estimatedRows: 1,
    estimatedCost: expect.any(Number),
    reads: ['public.person'],
    writes: [],
    warnings: [],
  });
  expect(found.text).toMatch(/^Seq Scan on public\.person {2}\(cost=\S+ rows=1 width=\d+\)\n/);
  expect(found.text).not.toContain('actual');
});

describe('the tables of a statement are told', () => {
  test.each<[string, string, { reads?: string[]; writes?: string[] }]>([
    ['none', 'SELECT 1', {}],
    ['through views of views', 'SELECT * FROM first_visitor', { reads: ['public.person', 'public.visit'] }],
    ['of a join that is left out', 'SELECT id FROM visitor', { reads: ['public.person', 'public.visit'] }],
    ['of what is never read', 'SELECT * FROM visit WHERE false', { reads: ['public.visit'] }],
    ['of a materialized view', 'TABLE seen', { reads: ['public.seen'] }],
    ['with their quotes', 'TABLE "Odd Schema"."Odd Table"', { reads: ['"Odd Schema"."Odd Table"'] }],
    ['of the catalogue', 'SELECT count(*) FROM pg_class', { reads: ['pg_catalog.pg_class'] }],
    ['of VALUES', 'VALUES (1), (2)', {}],
    [
      'of partitions that are left',
      'SELECT * FROM entry WHERE at = 3',
      { reads: ['public.entry', 'public.entry_old'] },
    ],
    ['of an INSERT', `INSERT INTO person VALUES (0, 'a')`, { writes: ['public.person'] }],
    ['of an INSERT into partitions', 'INSERT INTO entry VALUES (1, 1)', { writes: ['public.entry'] }],
    [
      'that are read and written',
      'INSERT INTO note SELECT id FROM note JOIN person USING (id)',
      { reads: ['public.note', 'public.person'], writes: ['public.note'] },
    ],
    [
      'of an UPDATE',
      'UPDATE entry SET id = 3 WHERE at = 12',
      { reads: ['public.entry', 'public.entry_new'], writes: ['public.entry', 'public.entry_new'] },
    ],
    [
      'that a DELETE takes along',
      'DELETE FROM person WHERE id = 1',
      { reads: ['public.person'], writes: ['public.note', 'public.person', 'public.visit'] },
    ],
    [
      'of a MERGE',
      'MERGE INTO note USING person ON note.id = person.id WHEN MATCHED THEN DELETE',
      { reads: ['public.note', 'public.person'], writes: ['public.note'] },
    ],
    [
      'of a CTE that writes',
      'WITH gone AS (DELETE FROM note WHERE id = 1 RETURNING id) SELECT * FROM gone, person',
      { reads: ['public.note', 'public.person'], writes: ['public.note'] },
    ],
    [
      'that are made',
      'CREATE TABLE "New One" AS TABLE person',
      { reads: ['public.person'], writes: ['public."New One"'] },
    ],
    [
      'that are made for the session',
      'SELECT * INTO TEMP made FROM seen',
      { reads: ['public.seen'], writes: ['pg_temp.made'] },
    ],
    ['that a function in SQL reads', 'SELECT * FROM visits_of(3)', { reads: ['public.visit'] }],
    [
      'that functions of functions in SQL write',
      'SELECT adds_note()',
      { reads: ['public.person', 'public.visit'], writes: ['public.note'] },
    ],
    ['of a function with a parsed body', 'SELECT atomic_count()', { reads: ['"Odd Schema"."Odd Table"'] }],
    ['of a function that calls itself', 'SELECT calls_itself()', { reads: ['public.log'] }],
    ['of a rule', 'INSERT INTO noted VALUES (1)', { writes: ['public.log', 'public.noted'] }],
    ['of a lock', 'SELECT * FROM person FOR UPDATE', { reads: ['public.person'] }],
  ])('%s: %s', async (_, sql, { reads = [], writes = [] }) => {
    expect(await touches(sql)).toEqual({ reads, writes });
  });

  test('also those that only a run can know, and not what foreign keys check', async () => {
    expect(await touches('INSERT INTO logged VALUES (1)', { analyze: true })).toEqual({
      reads: [],
      writes: ['public.log', 'public.logged'],
    });
    expect(await touches('SELECT opaque(), looks()', { analyze: true })).toEqual({
      reads: [],
      writes: ['public.log'],
    });
    expect(await touches('SELECT looks()', { analyze: true })).toEqual({ reads: ['public.log'], writes: [] });
    expect(await touches('INSERT INTO visit VALUES (1000, 1)', { analyze: true })).toEqual({
      reads: [],
      writes: ['public.visit'],
    });
    expect(await touches('INSERT INTO entry VALUES (1, 15)', { analyze: true })).toEqual({
      reads: [],
      writes: ['public.entry', 'public.entry_new'],
    });
  });
});

test('a statement that a rule turns into nothing has no plan', async () => {
  for (const analyze of [false, true]) {
    expect(await explain('INSERT INTO ignored VALUES (1)', { analyze })).toMatchObject({
      plan: [],
      text: expect.stringContaining('nothing'),
      estimatedCost: null,
      estimatedRows: null,
    });
  }
});

describe('a parameter', () => {
  test('is bound, and planned with its value', async () => {
    const { plan } = await explain('SELECT * FROM person WHERE id = $1 AND name = $2', { parameters: [7, `it's`] });
    expect(JSON.stringify(plan)).toContain('(person.id = 7)');
    expect(JSON.stringify(plan)).toContain(`it''s`);
  });

  test('keeps a bigint exact', async () => {
    const { plan } = await explain('SELECT $1::bigint AS n', { parameters: ['9007199254740993'] });
    expect(plan).toMatchObject([{ Plan: { Output: [`'9007199254740993'::bigint`] } }]);
  });

  test.each<[string, string, readonly unknown[] | undefined, object]>([
    ['is missed', 'SELECT $1::int', undefined, { sqlState: '08P01' }],
    ['is one too many', 'SELECT 1', [1], { sqlState: '08P01' }],
    ['is of another type', 'SELECT $1::int', ['ten'], { sqlState: '22P02' }],
    ['has lost digits', 'SELECT $1::bigint', [2 ** 60], { sqlState: '22023' }],
  ])('that %s is refused', async (_, sql, parameters, fault) => {
    expect(await faultOf(explain(sql, { parameters }))).toMatchObject({ code: 'SQL_ERROR', ...fault });
  });
});

describe('an error', () => {
  test.each<[string, string, object]>([
    ['of syntax', 'SELECT *\nFORM person', { sqlState: '42601', position: 10, line: 2 }],
    ['of a name', '-- 🐧\nSELECT 1,\n  nme FROM person', { sqlState: '42703', position: 18, line: 3 }],
    ['of a table', '  SELECT * FROM nowhere', { sqlState: '42P01', position: 17, line: 1 }],
    ['of a type', `SELECT 1 + 'a'`, { sqlState: '22P02', position: 12, line: 1 }],
  ])('%s is told where it is in the text', async (_, sql, fault) => {
    for (const analyze of [false, true]) {
      expect(await faultOf(explain(sql, { analyze }))).toMatchObject({ code: 'SQL_ERROR', ...fault });
    }
  });

  test('of a run is told, too', async () => {
    const fault = await faultOf(explain('SELECT 1 / (id - 1) FROM person', { analyze: true }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '22012' });
  });

  test('of a missing right is the server’s', async () => {
    const role = `poor_${database.database}`;
    await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const fault = await faultOf(explain('TABLE person', {}, targetOf(database, { user: role, password: 'x' })));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '42501' });
    await database.client.query(`DROP ROLE ${role}`);
  });
});

describe('what has no plan is refused:', () => {
  test.each(['', ' ; ', '-- nothing', 'SELECT 1; SELECT 2', 'SELECT 1; COMMIT'])('%j', async (sql) => {
    await expect(explain(sql)).rejects.toBeInstanceOf(NotOneStatement);
  });

  test.each([
    ['EXPLAIN SELECT 1', /without EXPLAIN/],
    ['CREATE TABLE t (id int)', /SELECT/],
    ['COMMIT', /SELECT/],
    ['DO $$ BEGIN END $$', /SELECT/],
    ['CALL p()', /SELECT/],
    ['COPY person TO STDOUT', /SELECT/],
    ['TRUNCATE person', /SELECT/],
    ['SET search_path = x', /SELECT/],
    ['DECLARE c CURSOR FOR SELECT 1', /SELECT/],
    ['REFRESH MATERIALIZED VIEW seen', /SELECT/],
  ])('%s', async (sql, hint) => {
    const fault = await faultOf(explain(sql));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', hint: expect.stringMatching(hint) });
  });
});

describe('a warning is given', () => {
  test.each([
    ['UPDATE without WHERE', 'UPDATE note SET id = 1', /UPDATE without WHERE changes every row of note/],
    ['DELETE without WHERE', 'DELETE FROM note', /DELETE without WHERE removes every row of note/],
    ['it in a CTE', 'WITH d AS (DELETE FROM note) SELECT 1', /DELETE without WHERE/],
    [
      'a large table read for a filter',
      'SELECT * FROM large WHERE x = 7',
      /public\.large has about 120,000 rows.*\(large\.x = 7\)/,
    ],
    ['a cross join', 'SELECT * FROM person, visit', /Every row of person is joined with every row of visit/],
    ['a trigger', 'INSERT INTO logged VALUES (1)', /trigger logs on public\.logged calls public\.write_log\(\)/],
    ['a volatile function', 'SELECT opaque()', /volatile.*: public\.opaque\(\)/],
    ['it in a view', 'SELECT * FROM hiding', /volatile.*: public\.opaque\(\)/],
    ['it in VALUES', 'INSERT INTO note VALUES (opaque()), (2)', /volatile.*: public\.opaque\(\)/],
    ['it in a LIMIT', 'SELECT * FROM person LIMIT opaque()', /volatile.*: public\.opaque\(\)/],
    ['an operator', 'SELECT 1 ### 2', /volatile.*: public\.differs\(\)/],
    ['it behind ANY', 'SELECT 1 ### ANY (SELECT 2)', /volatile.*: public\.differs\(\)/],
    ['it in a view, outside of the search path', 'SELECT * FROM comparing', /volatile.*: public\.differs\(\)/],
    ['an aggregate', 'SELECT total(id) FROM person', /volatile.*: public\.adds_up\(\)/],
    ['the check of a domain', 'SELECT id::finer FROM person', /volatile.*: public\.is_fine\(\)/],
    ['it in a column that is written', 'INSERT INTO holds_fine VALUES (1)', /volatile.*: public\.is_fine\(\)/],
    ['the check of a table', 'INSERT INTO checks VALUES (1)', /volatile.*: public\.is_fine\(\)/],
    ['a cast', 'SELECT id::pair FROM person', /volatile.*: public\.pair_of\(\)/],
    ['a function that is too long to look into', 'SELECT long_one()', /volatile.*: public\.long_one\(\)/],
    ['a trigger instead of a write', 'INSERT INTO visitor VALUES (1)', /trigger instead on public\.visitor/],
    ['a function that reads', 'SELECT looks()', /functions read is not listed.*: public\.looks\(\)/],
  ])('for %s', async (_, sql, warning) => {
    expect(await warnings(sql)).toMatch(warning);
  });

  test.each([
    'SELECT * FROM person JOIN visit ON visit.person_id = person.id',
    'SELECT * FROM large WHERE x >= 0',
    'SELECT count(*) FROM large',
    'SELECT * FROM person WHERE name = $$a$$',
    'UPDATE note SET id = 1 WHERE id = 2',
    'SELECT now(), random(), upper(name), count(*) FROM person GROUP BY name',
    'SELECT * FROM person p, LATERAL visits_of(p.id)',
    'INSERT INTO note VALUES (1)',
    `SELECT -id + 1, id::text || 'x' FROM person WHERE id BETWEEN 2 AND 3 AND name LIKE 'p%' AND name IN ('a', 'b')`,
  ])('for nothing in: %s', async (sql) => {
    expect(await warnings(sql)).toBe('');
  });

  test('for a write where only reading is allowed, and none where it is run', async () => {
    expect(await warnings('DELETE FROM note WHERE id = 1', { readOnly: true })).toMatch(/may only be read here/);
    expect(await warnings('SELECT 1', { readOnly: true })).toBe('');
    const fault = await faultOf(explain('DELETE FROM note WHERE id = 1', { readOnly: true, analyze: true }));
    expect(fault).toMatchObject({ code: 'READ_ONLY', position: 1, line: 1 });
  });

  test('for what a rollback does not undo', async () => {
    const before = (await database.client.query('SELECT last_value FROM numbered_id_seq')).rows[0].last_value;
    const sql = 'INSERT INTO numbered (n) VALUES (1), (2)';
    expect(await warnings(sql)).toBe('');
    expect(await warnings(sql, { analyze: true })).toMatch(/nextval\(\) acts outside of transactions/);
    const { rows } = await database.client.query('SELECT last_value FROM numbered_id_seq');
    expect(Number(rows[0].last_value)).toBeGreaterThan(Number(before));
    expect((await database.client.query('SELECT FROM numbered')).rowCount).toBe(0);
    expect(await warnings('SELECT opaque()', { analyze: true })).toMatch(/sequences.*not put back: public\.opaque\(\)/);
    expect(await warnings('SELECT is_fine(1) FROM hiding', { analyze: true })).toMatch(/opaque\(\)/);
  });
});

/** What somebody else sees of the tables. */
const stateOf = async () =>
  (
    await database.client.query(`
      SELECT (SELECT count(*) FROM person) AS people, (SELECT count(*) FROM log) AS log,
             (SELECT count(*) FROM pg_class) AS relations`)
  ).rows;

describe('a run', () => {
  test('measures, in the tree and in the text', async () => {
    const found = await explain('SELECT * FROM person WHERE id > 150 ORDER BY name', { analyze: true });
    expect(found.plan).toMatchObject([
      { Plan: { 'Actual Rows': 50, 'Actual Loops': 1 }, 'Execution Time': expect.any(Number) },
    ]);
    const steps = found.text.split('\n').filter((line) => line.includes('(cost='));
    expect(steps.length).toBeGreaterThan(1);
    for (const step of steps) expect(step).toMatch(/\(actual time=[\d.]+\.\.[\d.]+ rows=50 loops=1\)$/);
    expect(found.text).toMatch(/Execution Time: [\d.]+ ms$/);
  });

  test('is undone', async () => {
    const before = await stateOf();
    for (const sql of [
      'DELETE FROM person',
      `INSERT INTO person VALUES (-1, 'x')`,
      'INSERT INTO logged VALUES (1)',
      'SELECT opaque()',
      'CREATE TABLE made AS TABLE person',
      'CREATE MATERIALIZED VIEW made AS TABLE person',
    ]) {
      const { plan } = await explain(sql, { analyze: true });
      expect(JSON.stringify(plan)).toContain('Actual Rows');
    }
    expect(await stateOf()).toEqual(before);
  });

  test('that is to read only writes nothing, whatever it calls', async () => {
    const before = await stateOf();
    for (const sql of [
      'SELECT opaque()',
      'SELECT adds_note()',
      'SELECT * FROM hiding',
      `SELECT nextval('numbered_id_seq')`,
    ]) {
      const fault = await faultOf(explain(sql, { analyze: true, readOnly: true }));
      expect(fault.code).toBe('READ_ONLY');
    }
    expect((await explain('SELECT * FROM person', { analyze: true, readOnly: true })).text).toContain('rows=200');
    expect(await stateOf()).toEqual(before);
  });
});

test('planning writes nothing, although it calls what claims to be immutable', async () => {
  const before = await stateOf();
  expect(await faultOf(explain('SELECT claims_immutable()'))).toMatchObject({ code: 'READ_ONLY', sqlState: '25006' });
  expect(await stateOf()).toEqual(before);
});

test('what claims to be immutable cannot make the transaction one that writes', async () => {
  const before = await stateOf();
  const fault = await faultOf(explain('SELECT makes_writable()'));
  expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '25001' });
  expect(await stateOf()).toEqual(before);
});

test('a plan that is too long is LIMIT_EXCEEDED', async () => {
  const sql = `SELECT ${Array.from({ length: 500 }, (_, i) => `id + ${i} AS a_column_number_${i}`).join(', ')} FROM person`;
  await expect(explain(sql, { maxPlanBytes: 2_000 })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 2_000, actual: expect.any(Number) },
  });
  const longer = `SELECT '${'x'.repeat(500_000)}'`;
  await expect(explain(longer, { maxPlanBytes: 2_000 })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 2_000 },
  });
});

describe('whoever stops it', () => {
  const running = async () =>
    (
      await database.client.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'quarry slow' AND state = 'active'`,
      )
    ).rowCount;

  test('by its deadline ends it in the target too', async () => {
    const stop = new AbortController();
    const fault = faultOf(
      explain('SELECT pg_sleep(600)', { analyze: true, signal: stop.signal, label: 'quarry slow' }),
    );
    await expect.poll(running, { timeout: 20_000 }).toBe(1);
    stop.abort(new DOMException('late', 'TimeoutError'));
    expect((await fault).code).toBe('TIMEOUT');
    await expect.poll(running, { timeout: 20_000 }).toBe(0);
  });

  test('while planning waits for a lock, gets it back at once', async () => {
    const { host, port, user, password, database: name } = database;
    const holder = new pg.Client({ host, port, user, password, database: name });
    await holder.connect();
    onTestFinished(() => holder.end());
    await holder.query('BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE');
    const stop = new AbortController();
    const fault = faultOf(explain('TABLE note', { signal: stop.signal, label: 'quarry slow' }));
    await expect.poll(running, { timeout: 20_000 }).toBe(1);
    stop.abort(new Error('nobody waits'));
    expect((await fault).code).toBe('CANCELLED');
    await expect.poll(running, { timeout: 20_000 }).toBe(0);
    await holder.query('ROLLBACK');
  });

  test('before it begins is told his own reason', async () => {
    const reason = new Error('too late');
    await expect(explain('SELECT 1', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

test('a server that is not there is CONNECTION_FAILED', async () => {
  await expect(explain('SELECT 1', {}, targetOf(database, { port: 1 }))).rejects.toMatchObject({
    code: 'CONNECTION_FAILED',
  });
});

test('several at once do not meet', async () => {
  const plans: QueryPlan[] = await Promise.all(
    Array.from({ length: 8 }, (_, i) => explain('SELECT $1::int FROM person', { parameters: [i], analyze: true })),
  );
  for (const [i, { plan }] of plans.entries()) expect(plan).toMatchObject([{ Plan: { Output: [String(i)] } }]);
});
