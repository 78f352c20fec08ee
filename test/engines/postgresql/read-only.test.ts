/** A script that is to read only: every way round it that is known to us, and what it may do. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Session } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, faultOf, rowsOf, runOptions } from '../../support/describe-engine.ts';
import { openSession, targetOf } from './support.ts';

let database: TestDatabase;
let session: Session;

// A superuser: what holds him back is not a missing right.
beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE kept (id int PRIMARY KEY);
    INSERT INTO kept VALUES (1), (2);
    CREATE TABLE parted (id int) PARTITION BY RANGE (id);
    CREATE SEQUENCE counter;
    CREATE MATERIALIZED VIEW seen AS SELECT id FROM kept;
    CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO kept VALUES (99) RETURNING id';
    CREATE FUNCTION claims_to_read() RETURNS int LANGUAGE plpgsql STABLE AS
      'BEGIN PERFORM writes(); RETURN 1; END';
    CREATE FUNCTION unlocks() RETURNS int LANGUAGE plpgsql AS
      $$ BEGIN
           PERFORM set_config('transaction_read_only', 'off', false);
           INSERT INTO kept VALUES (98); RETURN 1;
         END $$;
    CREATE FUNCTION counts() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('counter') $$;
    CREATE FUNCTION locks() RETURNS SETOF kept LANGUAGE sql AS 'SELECT * FROM kept FOR UPDATE';
    CREATE FUNCTION makes() RETURNS int LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE 'CREATE TABLE made_inside (id int)'; RETURN 1; END $$;
    CREATE FUNCTION imports() RETURNS oid LANGUAGE plpgsql AS
      $$ BEGIN RETURN lo_from_bytea(0, 'x'); END $$;
    CREATE FUNCTION commits() RETURNS int LANGUAGE plpgsql AS 'BEGIN COMMIT; RETURN 1; END';
    CREATE PROCEDURE proceeds() LANGUAGE plpgsql AS 'BEGIN COMMIT; INSERT INTO kept VALUES (96); END';
    CREATE FUNCTION compares(int, text) RETURNS boolean LANGUAGE sql AS
      'INSERT INTO kept VALUES (95) RETURNING true';
    CREATE OPERATOR === (leftarg = int, rightarg = text, function = compares);
    CREATE VIEW writing AS SELECT writes() AS id`);
  session = await openSession(targetOf(database));
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

/** All that a write could have left, as somebody else sees it. */
async function stateOf(): Promise<unknown> {
  const { rows } = await database.client.query(`
    SELECT (SELECT array_agg(id ORDER BY id) FROM kept) AS kept,
           (SELECT count(*) FROM pg_class) AS relations, (SELECT count(*) FROM pg_proc) AS functions,
           (SELECT count(*) FROM pg_largeobject_metadata) AS objects, (SELECT is_called FROM counter) AS counted,
           (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pg_temp%' AND nspname <> 'pg_temp') AS temporary,
           (SELECT count(*) FROM pg_prepared_xacts) AS prepared,
           (SELECT count(*) FROM pg_db_role_setting) AS settings,
           (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = ${session.identity.sessionId}) AS locks`);
  return rows;
}

const refused: readonly string[] = [
  'insert into kept values (3)',
  'update kept set id = 5',
  'delete from kept',
  'merge into kept using kept k on kept.id = k.id when matched then delete',
  'truncate kept',
  'drop table kept',
  'create table made (id int)',
  'create temp table made (id int)',
  'create table made as select 1',
  'select 1 as id into made',
  'select 1 as id into temp made',
  'create view made as select 1',
  'alter table kept add x int',
  'create index on kept (id)',
  'comment on table kept is $$x$$',
  'grant select on kept to public',
  'refresh materialized view seen',
  'commit',
  'rollback',
  'begin',
  'begin read write',
  'start transaction read write',
  'abort; begin; delete from kept',
  'end; delete from kept',
  'commit; drop table kept',
  'commit and chain',
  'rollback and chain',
  `prepare transaction 'x'`,
  `commit prepared 'x'`,
  'savepoint a',
  'select 1; insert into kept values (3)',
  'select 1; commit; insert into kept values (3)',
  'set transaction read write',
  'set transaction_read_only = off',
  'set session characteristics as transaction read write',
  'set default_transaction_read_only = off; insert into kept values (3)',
  'set local transaction_read_only to off',
  'reset all',
  'discard all',
  'set role none',
  'set session authorization default',
  'reset role',
  `select set_config('transaction_read_only', 'off', false)`,
  `select pg_catalog.set_config('transaction_read_only', 'off', true)`,
  `select "set_config"('transaction_read_only', 'off', true)`,
  `update pg_settings set setting = 'off' where name = 'transaction_read_only'`,
  'select writes()',
  'select claims_to_read()',
  'select unlocks()',
  'select makes()',
  'select imports()',
  'select commits()',
  'select counts()',
  'select * from locks()',
  'select * from writing',
  `select 1 === 'a'`,
  'select * from kept where writes() > 0',
  'select 1 order by writes()',
  'select (with w as (select writes()) select 1 from w)',
  `select query_to_xml('insert into kept values (3) returning 1', true, true, '')`,
  `select nextval('counter')`,
  `select setval('counter', 7)`,
  'select * from kept for update',
  'select * from kept for share',
  'select * from (select * from kept for key share) k',
  'with gone as (delete from kept returning *) select * from gone',
  'with gone as (delete from kept returning *) table gone',
  'select * from (with gone as (update kept set id = id returning *) select * from gone) g',
  'explain analyze insert into kept values (3)',
  'explain (analyze) delete from kept',
  'explain (analyze true, buffers) update kept set id = 7',
  'explain analyze create table made as select 1',
  'explain (analyze) select writes()',
  'explain analyze with gone as (delete from kept returning *) select * from gone',
  'do $$ begin insert into kept values (3); end $$',
  'do $$ begin commit; insert into kept values (3); end $$',
  'call proceeds()',
  'prepare p as insert into kept values (3)',
  'prepare p as select 1; execute p',
  'deallocate all',
  'declare c cursor with hold for select writes()',
  'fetch all from c',
  'copy kept from stdin',
  `copy kept from '/etc/passwd'`,
  `copy kept from program 'echo 3'`,
  'copy kept to stdout',
  `copy kept to '/tmp/quarry-read-only'`,
  `copy kept to program 'cat > /tmp/quarry-read-only'`,
  `copy (select 1) to program 'touch /tmp/quarry-read-only'`,
  'listen c',
  'notify c',
  'unlisten *',
  `select pg_notify('c', 'x')`,
  'vacuum',
  'vacuum full kept',
  'analyze kept',
  'cluster',
  'reindex table kept',
  'checkpoint',
  'lock table kept',
  'create database made',
  `load 'x'`,
  'alter system set work_mem = 1',
  'alter database postgres set work_mem = 64',
  'create role made',
  'select lo_create(0)',
  `select lo_from_bytea(0, 'x')`,
  `select lo_import('/etc/passwd')`,
  'select lo_unlink(1)',
  'select pg_terminate_backend(0)',
  'select pg_cancel_backend(0)',
  'select pg_reload_conf()',
  'select pg_advisory_lock(1)',
  'select pg_try_advisory_xact_lock(1)',
  `select pg_create_physical_replication_slot('made')`,
  `select pg_logical_emit_message(false, 'a', 'b')`,
  'select pg_export_snapshot()',
  'select pg_switch_wal()',
  'security label on table kept is null',
  'import foreign schema a from server b into c',
  'create extension if not exists plpgsql',
];

describe('a script that is to read only', () => {
  test.each(refused)('is kept from: %s', async (script) => {
    const before = await stateOf();
    const fault = await faultOf(collect(session, script, { readOnly: true }));
    expect(['READ_ONLY', 'SQL_ERROR']).toContain(fault.code);
    expect(await stateOf()).toEqual(before);
    expect(rowsOf(await collect(session, 'show transaction_read_only', { readOnly: true }))).toEqual([['on']]);
  });

  test('is told what it may do, and where it did not', async () => {
    const fault = await faultOf(collect(session, 'select 1;\ndrop table kept', { readOnly: true }));
    expect(fault).toMatchObject({ code: 'READ_ONLY', statement: 1, position: 11, line: 2 });
    expect(fault.hint).toContain('SELECT');
  });

  test('runs nothing of itself where any statement is refused', async () => {
    const first = session
      .run('select 1; drop table kept', runOptions({ readOnly: true }))
      [Symbol.asyncIterator]()
      .next();
    expect((await faultOf(first)).code).toBe('READ_ONLY');
  });

  test.each([
    ['select id from kept order by id', [[1], [2]]],
    ['table kept order by id', [[1], [2]]],
    [`values (1, 'a'), (2, 'b')`, [[1, 'a'], [2, 'b']]], // biome-ignore format: rows
    ['with recursive n (i) as (select 1 union all select i + 1 from n where i < 3) select i from n', [[1], [2], [3]]],
    ['select id from kept union select 3 order by 1', [[1], [2], [3]]],
    ['show transaction_read_only', [['on']]],
    [`select current_setting('transaction_read_only')`, [['on']]],
    ['select last_value from counter', [['1']]],
    ['explain (costs off) delete from kept', [['Delete on kept'], ['  ->  Seq Scan on kept']]],
    ['select count(*) from generate_series(1, 10000)', [['10000']]],
  ])('may: %s', async (script, rows) => {
    for (const transaction of ['PER_STATEMENT', 'WHOLE'] as const) {
      expect(rowsOf(await collect(session, script, { readOnly: true, transaction }))).toEqual(rows);
    }
  });

  test('may measure what only reads', async () => {
    const events = await collect(session, 'explain (analyze, format json) select * from kept', { readOnly: true });
    expect(JSON.parse(String(rowsOf(events)[0]?.[0]))).toMatchObject([{ Plan: { 'Actual Rows': 2 } }]);
  });

  test('leaves nothing that keeps the next script of the session from writing', async () => {
    await collect(session, 'select 1', { readOnly: true });
    await collect(session, 'insert into kept values (50); delete from kept where id = 50');
  });

  test('is held by the role as well: without rights it is refused also where it may write', async () => {
    const role = `reader_${database.database}`;
    await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT ON kept TO ${role}`);
    const reader = await openSession(targetOf(database, { user: role, password: 'secret' }));
    expect(rowsOf(await collect(reader, 'select count(*) from kept', { readOnly: true }))).toEqual([['2']]);
    expect(await faultOf(collect(reader, 'delete from kept'))).toMatchObject({ code: 'SQL_ERROR', sqlState: '42501' });
    await reader[Symbol.asyncDispose]();
    await database.client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});
