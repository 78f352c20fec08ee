import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { type ConnectionConfig, connect } from '../../src/db/connection.ts';
import { type Embedded, startEmbedded } from '../../src/db/embedded.ts';
import { createPlayground, type HostedDatabase, type Playground } from '../../src/db/playground.ts';
import { preparePlayground } from '../../src/db/playground-setup.ts';
import { ask, log } from './support.ts';

let dataDir: string;
let embedded: Embedded;
let playground: Playground;
let superuser: ConnectionConfig;
/** The tenant whose SQL is hostile, and one beside him. */
let mine: HostedDatabase;
let other: HostedDatabase;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  await chmod(dataDir, 0o711);
  embedded = await startEmbedded({ dataDir, log, clusters: { meta: true, playground: true } });
  playground = createPlayground({ ...embedded.playground!, log });
  superuser = embedded.playground!.cluster.superuser;
  mine = await playground.createDatabase();
  other = await playground.createDatabase();
  await ask(mine.owner, 'CREATE TABLE notes AS SELECT 1 AS n');
});

afterAll(async () => {
  await embedded.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const escapes = [
  `COPY (SELECT 1) TO PROGRAM 'id'`,
  `COPY notes FROM PROGRAM 'id'`,
  `COPY (SELECT 1) TO '/tmp/quarry-escape'`,
  `COPY notes FROM '/etc/passwd'`,
  `SELECT pg_read_file('/etc/passwd')`,
  `SELECT pg_read_binary_file('PG_VERSION')`,
  `SELECT pg_ls_dir('.')`,
  `SELECT pg_stat_file('PG_VERSION')`,
  `SELECT pg_ls_logdir()`,
  `SELECT pg_ls_waldir()`,
  `SELECT lo_import('/etc/passwd')`,
  `SELECT lo_export(1, '/tmp/quarry-escape')`,
  'CREATE EXTENSION dblink',
  'CREATE EXTENSION file_fdw',
  'CREATE EXTENSION postgres_fdw',
  'CREATE EXTENSION plpython3u',
  'CREATE EXTENSION plperlu',
  'CREATE EXTENSION pg_buffercache',
  'CREATE EXTENSION pageinspect',
  'CREATE EXTENSION amcheck',
  `LOAD 'plpgsql_check'`,
  `CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'getpid'`,
  `CREATE FUNCTION f(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'`,
  'CREATE ROLE r',
  'CREATE USER u SUPERUSER',
  'ALTER ROLE CURRENT_USER SUPERUSER',
  'ALTER ROLE CURRENT_USER CREATEROLE',
  'ALTER ROLE CURRENT_USER CREATEDB',
  'ALTER ROLE CURRENT_USER REPLICATION',
  'ALTER ROLE CURRENT_USER BYPASSRLS',
  'ALTER ROLE CURRENT_USER CONNECTION LIMIT -1',
  `ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'`,
  'ALTER ROLE CURRENT_USER SET temp_file_limit = -1',
  'ALTER ROLE CURRENT_USER SET log_min_messages = debug5',
  'ALTER ROLE ALL SET work_mem = 64',
  `ALTER ROLE postgres PASSWORD 'x'`,
  'SET ROLE postgres',
  'SET ROLE quarry_admin',
  'SET ROLE quarry_feed',
  'SET SESSION AUTHORIZATION postgres',
  'GRANT quarry_admin TO CURRENT_USER',
  'GRANT pg_read_server_files TO CURRENT_USER',
  'GRANT pg_execute_server_program TO CURRENT_USER',
  'GRANT pg_signal_backend TO CURRENT_USER',
  'SET temp_file_limit = -1',
  `SET session_preload_libraries = 'x'`,
  'SET allow_system_table_mods = on',
  `ALTER SYSTEM SET shared_preload_libraries = 'x'`,
  'SELECT pg_reload_conf()',
  'SELECT pg_rotate_logfile()',
  'SELECT pg_switch_wal()',
  'CHECKPOINT',
  'SELECT * FROM pg_authid',
  'SELECT * FROM pg_shadow',
  'SELECT * FROM pg_hba_file_rules',
  'SELECT * FROM pg_file_settings',
  'SELECT * FROM pg_subscription',
  `SELECT pg_create_logical_replication_slot('s', 'pgoutput')`,
  `SELECT pg_create_physical_replication_slot('s')`,
  `SELECT pg_drop_replication_slot('s')`,
  'SELECT * FROM pg_replication_slots',
  'CREATE PUBLICATION p FOR ALL TABLES',
  `CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p`,
  'CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()',
  `CREATE TABLESPACE t LOCATION '/tmp'`,
  'CREATE DATABASE d',
  'DROP DATABASE postgres',
  'DROP DATABASE quarry_template',
  'CREATE FOREIGN DATA WRAPPER w',
  'CREATE LANGUAGE x HANDLER plpgsql_call_handler',
  'CREATE CAST (text AS int) WITHOUT FUNCTION',
  'UPDATE pg_catalog.pg_class SET relowner = 10',
  'CREATE TABLE pg_catalog.t ()',
  'GRANT EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend TO PUBLIC',
  'SELECT pg_terminate_backend(pg_backend_pid())',
  'SELECT pg_cancel_backend(pg_backend_pid())',
  'SELECT pg_advisory_lock(1)',
  'SELECT pg_try_advisory_xact_lock_shared(1, 2)',
  'SELECT pg_advisory_unlock_all()',
  `SELECT pg_logical_emit_message(false, 'quarry', 'x')`,
  'SELECT pg_stat_reset()',
  'SELECT * FROM pg_database',
  'SELECT pg_describe_object(1262, 1, 0)',
  'SELECT * FROM pg_identify_object(1260, 10, 0)',
  `SELECT shobj_description(1, 'pg_database')`,
];

test('whatever a tenant tries to leave his database with is refused for want of the right', async () => {
  await using tenant = await connect(mine.owner);
  const answers: Record<string, string> = {};
  for (const sql of escapes) {
    // One at a time: some of them are refused to everybody inside a transaction.
    answers[sql] = await tenant.client.query(sql).then(
      () => 'allowed',
      (error: { code: string }) => error.code,
    );
  }
  expect(answers).toEqual(Object.fromEntries(escapes.map((sql) => [sql, '42501'])));
});

test('a tenant has no right beyond his database', async () => {
  const rights = `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit FROM pg_roles
    WHERE rolname = current_user`;
  expect(await ask(mine.owner, rights)).toEqual([[false, false, false, false, false, 20]]);
  expect(await ask(mine.owner, 'SHOW temp_file_limit')).toEqual([['2GB']]);
});

test('a tenant connects to his database and to no other, on neither cluster', async () => {
  for (const database of [other.name, 'postgres', 'template1', 'template0', 'quarry_template']) {
    await expect(ask({ ...mine.owner, database }, 'SELECT')).rejects.toMatchObject({
      code: expect.stringMatching(/^(42501|55000)$/),
    });
  }
  const { host, port, database } = embedded.meta!.app;
  await expect(ask({ ...mine.owner, host, port, database }, 'SELECT')).rejects.toThrow(
    /password authentication failed/,
  );
});

test('the catalogues show a tenant no other database, role or session', async () => {
  const reader = await playground.grantReader({ database: other.name });
  await using busy = await connect(other.owner);
  await busy.client.query('SELECT 1');
  const foreign = [other.name, other.owner.user, reader.user, 'quarry_admin', 'quarry_feed', 'quarry_template'];
  const { rows: views } = await busy.client.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c
      WHERE relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND relkind IN ('r', 'v')`,
  );
  await using tenant = await connect(mine.owner);
  const leaks: string[] = [];
  let readable = 0;
  for (const { name } of views) {
    const text = await tenant.client
      .query<{ text: string }>(`SELECT coalesce(string_agg(t::text, ' '), '') AS text FROM ${name} t`)
      .then(
        ({ rows }) => rows[0]?.text ?? '',
        () => undefined,
      );
    if (text === undefined) continue;
    readable++;
    for (const word of foreign) if (new RegExp(`\\b${word}\\b`).test(text)) leaks.push(`${name}: ${word}`);
  }
  expect(leaks.filter((leak) => !leak.includes('quarry_'))).toEqual([]);
  // Rights granted to the two roles of ours stand in the access lists of the copy.
  expect(new Set(leaks.map((leak) => leak.split(':')[0]))).toEqual(new Set(['pg_proc', 'pg_class']));
  expect(readable).toBeGreaterThan(150);
});

test('a function of the reader’s own does not see past the filter of a view', async () => {
  await using tenant = await connect(mine.owner);
  await tenant.client.query(`
    CREATE TABLE seen (name text);
    CREATE FUNCTION leak(name name) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
      AS $$ BEGIN INSERT INTO seen VALUES (name); RETURN true; END $$`);
  await tenant.client.query('SELECT FROM pg_roles WHERE leak(rolname)');
  const { rows } = await tenant.client.query<{ name: string }>(`SELECT name FROM seen WHERE name LIKE 'q\\_%'`);
  expect(rows.map(({ name }) => name)).toEqual([mine.owner.user]);
});

test('reading the catalogue of one’s own database works as anywhere', async () => {
  const own = mine.owner.user;
  for (const [sql, answer] of [
    ['SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = $$notes$$', own],
    ['SELECT relowner::regrole::text FROM pg_class WHERE relname = $$notes$$', own],
    ['SELECT tableowner FROM pg_tables WHERE tablename = $$notes$$', own],
    ['SELECT rolname FROM pg_roles WHERE rolname = current_user', own],
    ['SELECT usename FROM pg_stat_activity WHERE pid = pg_backend_pid()', own],
    ['SELECT datname FROM pg_stat_database', mine.name],
    ['SELECT table_catalog FROM information_schema.tables WHERE table_name = $$notes$$', mine.name],
    ['SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $$public$$', 'pg_database_owner'],
    ['SELECT (pg_database_size(current_database()) > 0)::text', 'true'],
  ] as const) {
    expect(await ask(mine.owner, sql)).toEqual([[answer]]);
  }
});

test('an owner makes what belongs into a database of his own', async () => {
  await using tenant = await connect(mine.owner);
  await tenant.client.query(`
    CREATE SCHEMA s; CREATE TYPE s.mood AS ENUM ('good'); CREATE TABLE s.t (m s.mood, n numeric);
    CREATE EXTENSION hstore; CREATE EXTENSION pgcrypto; CREATE TEMP TABLE x ();
    CREATE FUNCTION s.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
    DROP SCHEMA s CASCADE`);
});

test('the change feed reads a database by its own role, which is the owner’s master and not his servant', async () => {
  const { owner, feed } = await playground.createDatabase();
  await ask(owner, 'CREATE TABLE t (id int PRIMARY KEY)');
  await using reader = await connect(feed!);
  await reader.client.query(`SELECT pg_create_logical_replication_slot('quarry_test', 'pgoutput')`);
  await reader.client.query('CREATE PUBLICATION p FOR TABLE public.t');
  expect(await ask(owner, `SELECT pg_has_role('quarry_feed', 'MEMBER')`)).toEqual([[false]]);
  await playground.dropDatabase(owner.database);
  expect(await ask(superuser, `SELECT slot_name FROM pg_replication_slots`)).toEqual([]);
});

test('dropping a database ends its sessions, its feed and its roles, and dropping it twice is no fault', async () => {
  const { name, owner, feed } = await playground.createDatabase();
  const reader = await playground.grantReader({ database: name });
  await using session = await connect(owner);
  await using reading = await connect(reader);
  await using feeding = await connect(feed!);
  await feeding.client.query(`SELECT pg_create_logical_replication_slot('quarry_busy', 'test_decoding')`);
  await ask(owner, `ALTER DATABASE ${name} IS_TEMPLATE true`);
  const waiting = session.client.query('SELECT pg_sleep(600)');
  waiting.catch(() => undefined);
  await playground.dropDatabase(name);
  await expect(waiting).rejects.toThrow(/terminat/);
  await expect(reading.client.query('SELECT 1')).rejects.toThrow();
  const left = `SELECT rolname FROM pg_roles WHERE starts_with(rolname, '${owner.user}')
    UNION ALL SELECT datname FROM pg_database WHERE datname = '${name}'
    UNION ALL SELECT slot_name FROM pg_replication_slots`;
  expect(await ask(superuser, left)).toEqual([]);
  await playground.dropDatabase(name);
});

test('several databases are made and dropped at once', async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => playground.createDatabase()));
  expect(await Promise.all(made.map(({ owner }) => ask(owner, 'SELECT current_user')))).toEqual(
    made.map(({ owner }) => [[owner.user]]),
  );
  await Promise.all(made.map(({ name }) => playground.dropDatabase(name)));
});

test('only hosted databases and their roles can be dropped or altered', async () => {
  for (const name of ['postgres', 'quarry_template', `q_${'0'.repeat(20)}; DROP ROLE x`]) {
    await expect(playground.dropDatabase(name)).rejects.toThrow(/Not the name/);
    await expect(playground.grantReader({ database: name })).rejects.toThrow(/Not the name/);
    await expect(playground.dropRole(name)).rejects.toThrow(/Not the name/);
  }
  await expect(playground.grantReader({ database: `q_${'0'.repeat(20)}` })).rejects.toThrow(/no hosted database/);
});

test('a reader reads what the owner makes, also later, writes nothing, and neither sees nor ends another’s session', async () => {
  const { name, owner } = await playground.createDatabase();
  await ask(owner, 'CREATE SCHEMA s; CREATE TABLE s.first AS SELECT 1 AS n');
  const [anna, bert] = await Promise.all([1, 2].map(() => playground.grantReader({ database: name })));
  await ask(owner, 'CREATE TABLE second AS SELECT 2 AS n');
  await using session = await connect(anna!);
  const { rows } = await session.client.query('SELECT pg_backend_pid() AS pid');
  expect(await ask(bert!, 'SELECT n FROM s.first UNION SELECT n FROM second ORDER BY n')).toEqual([[1], [2]]);
  expect(await ask(bert!, 'SELECT count(*) FROM pg_stat_activity')).toEqual([['1']]);
  expect(await ask(bert!, `SELECT query FROM pg_stat_get_activity(${rows[0].pid})`)).toEqual([
    ['<insufficient privilege>'],
  ]);
  for (const sql of [
    'DELETE FROM second',
    'CREATE TABLE t ()',
    'CREATE TEMP TABLE t ()',
    'CREATE SCHEMA t',
    'TRUNCATE s.first',
  ]) {
    await expect(ask(bert!, `SET transaction_read_only = off; ${sql}`)).rejects.toMatchObject({
      code: '42501',
    });
  }
  for (const sql of [
    `SELECT pg_terminate_backend(${rows[0].pid})`,
    `SET ROLE ${owner.user}`,
    `SET ROLE ${anna!.user}`,
  ]) {
    await expect(ask(bert!, sql)).rejects.toMatchObject({ code: '42501' });
  }
  await expect(ask({ ...bert!, database: other.name }, 'SELECT')).rejects.toMatchObject({ code: '42501' });
  await playground.dropRole(anna!.user);
  await expect(session.client.query('SELECT 1')).rejects.toThrow();
  await expect(ask(anna!, 'SELECT')).rejects.toThrow(/authentication/);
  await playground.dropRole(anna!.user);
  await playground.dropDatabase(name);
});

test('what a tenant changed about his role and his database is undone at the next lease', async () => {
  const { name, owner, feed } = await playground.createDatabase();
  await using session = await connect(owner);
  for (const sql of [
    `ALTER ROLE CURRENT_USER PASSWORD 'mine alone'`,
    `ALTER ROLE CURRENT_USER SET statement_timeout = '1ms'`,
    `ALTER ROLE CURRENT_USER IN DATABASE ${name} SET search_path = 'nowhere'`,
    'ALTER ROLE CURRENT_USER SET idle_in_transaction_session_timeout = 0',
    `REVOKE CONNECT ON DATABASE ${name} FROM ${feed!.user}, ${owner.user}`,
    `GRANT CONNECT ON DATABASE ${name} TO PUBLIC`,
    `ALTER DATABASE ${name} CONNECTION LIMIT 0`,
    `ALTER DATABASE ${name} IS_TEMPLATE true`,
  ])
    await session.client.query(sql);
  await expect(ask(owner, 'SELECT')).rejects.toThrow(/authentication/);
  const leased = await playground.resetRole({ database: name, role: owner.user, password: 'a new one' });
  expect(leased).toMatchObject({ password: 'a new one', user: owner.user, database: name });
  expect(
    await ask(
      leased,
      `SELECT current_setting('statement_timeout'), current_setting('search_path'),
         current_setting('idle_in_transaction_session_timeout'), current_setting('temp_file_limit')`,
    ),
  ).toEqual([['0', '"$user", public', '10min', '2GB']]);
  expect(await ask(feed!, 'SELECT current_user')).toEqual([['quarry_feed']]);
  await expect(ask({ ...other.owner, database: name }, 'SELECT')).rejects.toMatchObject({ code: '42501' });
  const reader = await playground.grantReader({ database: name });
  await ask(reader, 'SET transaction_read_only = off; ALTER ROLE CURRENT_USER SET default_transaction_read_only = off');
  const again = await playground.resetRole({ database: name, role: reader.user, password: 'another' });
  expect(await ask(again, 'SHOW default_transaction_read_only')).toEqual([['on']]);
  await playground.dropDatabase(name);
});

/** When a role, its settings and its database were last written. */
const written = (role: string, database: string) =>
  ask(
    superuser,
    `SELECT xmin::text FROM pg_authid WHERE rolname = '${role}'
     UNION ALL SELECT xmin::text FROM pg_database WHERE datname = '${database}'
     UNION ALL SELECT s.xmin::text FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole WHERE rolname = '${role}'`,
  );

test('a lease of a role that is as it was set writes nothing, of an owner and of a reader', async () => {
  const { name, owner } = other;
  const reader = await playground.grantReader({ database: name });
  for (const { user, password } of [owner, reader]) {
    const before = await written(user, name);
    const leased = await playground.resetRole({ database: name, role: user, password });
    expect(leased).toMatchObject({ user, password, database: name });
    expect(await written(user, name)).toEqual(before);
    await expect(playground.resetRole({ database: name, role: user, password: 'another' })).resolves.toBeDefined();
    expect(await written(user, name)).not.toEqual(before);
    await playground.resetRole({ database: name, role: user, password });
    expect(await ask(leased, 'SELECT 1')).toEqual([[1]]);
  }
  await playground.dropRole(reader.user);
});

const tamperings = {
  'its password': `ALTER ROLE CURRENT_USER PASSWORD 'mine alone'`,
  'a setting that Quarry does not set': 'ALTER ROLE CURRENT_USER SET search_path = nowhere',
  'a setting in its database alone': 'ALTER ROLE CURRENT_USER IN DATABASE %db SET search_path = nowhere',
  'a setting of Quarry’s': 'ALTER ROLE CURRENT_USER SET idle_in_transaction_session_timeout = 0',
  'a setting of Quarry’s, taken away': 'ALTER ROLE CURRENT_USER RESET idle_in_transaction_session_timeout',
  'how many may connect to its database': 'ALTER DATABASE %db CONNECTION LIMIT 0',
  'that its database is a template': 'ALTER DATABASE %db IS_TEMPLATE true',
  'that everybody may connect to its database': 'GRANT CONNECT ON DATABASE %db TO PUBLIC',
  'its own right to connect and the change feed’s': 'REVOKE CONNECT ON DATABASE %db FROM CURRENT_USER, quarry_feed',
  'its own right to make schemas': 'REVOKE CREATE ON DATABASE %db FROM CURRENT_USER',
  'its own right to temporary tables': 'REVOKE TEMPORARY ON DATABASE %db FROM CURRENT_USER',
};

test.each(Object.entries(tamperings))('the next lease undoes what an owner changed: %s', async (_what, sql) => {
  const { name, owner, feed } = await playground.createDatabase();
  await using session = await connect(owner);
  await session.client.query(sql.replace('%db', name));
  const lease = { database: name, role: owner.user, password: owner.password };
  const tampered = await written(owner.user, name);
  const leased = await playground.resetRole(lease);
  expect(await written(owner.user, name)).not.toEqual(tampered);
  expect(
    await ask(
      leased,
      `SELECT current_setting('search_path'), current_setting('idle_in_transaction_session_timeout'),
         has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMPORARY')`,
    ),
  ).toEqual([['"$user", public', '10min', true, true]]);
  expect(await ask(feed!, 'SELECT 1')).toEqual([[1]]);
  await expect(ask({ ...other.owner, database: name }, 'SELECT')).rejects.toMatchObject({ code: '42501' });
  const undone = await written(owner.user, name);
  await playground.resetRole(lease);
  expect(await written(owner.user, name)).toEqual(undone);
  await playground.dropDatabase(name);
});

test('a lease that nobody wants any more ends with the reason of that, also where it waits', async () => {
  const { name, owner } = other;
  await ask(owner, 'ALTER ROLE CURRENT_USER SET search_path = nowhere');
  await using holder = await connect(superuser);
  await holder.client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [owner.user]);
  const gone = new AbortController();
  const lease = { database: name, role: owner.user, password: owner.password };
  const waiting = playground.resetRole({ ...lease, signal: gone.signal });
  const waits = `SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'`;
  while ((await holder.client.query(waits)).rowCount === 0);
  gone.abort('cancel');
  await expect(waiting).rejects.toBe('cancel');
  await holder.client.query('SELECT pg_advisory_unlock_all()');
  expect(await ask(await playground.resetRole(lease), 'SELECT 1')).toEqual([[1]]);
});

test('a lease outlives the connection that it was looked at on', async () => {
  const { name, owner } = other;
  const lease = { database: name, role: owner.user, password: owner.password };
  await playground.resetRole(lease);
  await ask(
    superuser,
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'quarry-roles'`,
  );
  expect(await ask(await playground.resetRole(lease), 'SELECT 1')).toEqual([[1]]);
  const enough = new Error('enough');
  await expect(playground.resetRole({ ...lease, signal: AbortSignal.abort(enough) })).rejects.toBe(enough);
});

test('a session is ended by its pid and start, and one that only has the pid is left alone', async () => {
  await using session = await connect(mine.owner);
  const { rows } = await session.client.query<{ pid: number; started: string }>(
    `SELECT pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
  );
  const { pid, started } = rows[0]!;
  expect(await playground.endSession({ pid, startedAt: '2020-01-01 00:00:00+00' })).toBe(false);
  expect((await session.client.query('SELECT 1')).rowCount).toBe(1);
  expect(await playground.endSession({ pid, startedAt: started })).toBe(true);
  await expect(session.client.query('SELECT 1')).rejects.toThrow();
  expect(await playground.endSession({ pid, startedAt: started })).toBe(false);
});

test('a tenant cannot write to the server’s log, nor open more sessions than his limit', async () => {
  expect(await ask(mine.owner, 'SHOW log_min_messages')).toEqual([['panic']]);
  const sessions = await Promise.allSettled(Array.from({ length: 24 }, () => connect(mine.owner)));
  const opened = sessions.filter((session) => session.status === 'fulfilled');
  for (const { value } of opened) await value[Symbol.asyncDispose]();
  expect(opened.length).toBeLessThanOrEqual(20);
  expect(await ask(other.owner, 'SELECT 1')).toEqual([[1]]);
});

test('a failure in the middle of making a database leaves neither it nor its roles', async () => {
  const before = await ask(superuser, 'SELECT count(*) FROM pg_roles');
  const broken = createPlayground({ ...embedded.playground!, template: 'no_such_template', log });
  await expect(broken.createDatabase()).rejects.toThrow(/no_such_template/);
  expect(await ask(superuser, 'SELECT count(*) FROM pg_roles')).toEqual(before);
  const abort = AbortSignal.abort(new Error('enough'));
  await expect(playground.createDatabase({ signal: abort })).rejects.toThrow('enough');
});

test('setting up again changes nothing, and another version of the template is made anew', async () => {
  const passwords = embedded.playground!.cluster.secrets as { admin: string; feed: string };
  const oid = `SELECT oid FROM pg_database WHERE datname = 'quarry_template'`;
  const before = await ask(superuser, oid);
  await Promise.all([1, 2].map(() => preparePlayground({ administrator: superuser, passwords, log })));
  expect(await ask(superuser, oid)).toEqual(before);
  await ask(superuser, `COMMENT ON DATABASE quarry_template IS 'older'`);
  await preparePlayground({ administrator: superuser, passwords, log });
  expect(await ask(superuser, oid)).not.toEqual(before);
});

test('an administrator who is no superuser hosts databases as far as he may', async () => {
  const server = inject('postgres');
  const admin = { ...server, database: 'postgres' };
  const user = `admin_${randomBytes(6).toString('hex')}`;
  await ask(admin, `CREATE ROLE ${user} LOGIN CREATEDB CREATEROLE PASSWORD 'x'`);
  onTestFinished(async () => {
    await ask(admin, `DROP OWNED BY ${user}`);
    await ask(admin, `DROP ROLE ${user}`);
  });
  const administrator = { ...admin, user, password: 'x' };
  const passwords = { admin: 'a', feed: 'f' };
  const connections = await preparePlayground({ administrator, passwords, log });
  expect(connections).toMatchObject({ admin: { user }, feed: null, template: 'template0' });
  const limited = createPlayground({ ...connections, log });
  const { name, owner, feed } = await limited.createDatabase();
  expect(feed).toBeNull();
  expect(await ask(owner, 'SELECT current_user')).toEqual([[owner.user]]);
  const reader = await limited.grantReader({ database: name });
  await ask(owner, 'CREATE TABLE t AS SELECT 1 AS n');
  expect(await ask(reader, 'SELECT n FROM t')).toEqual([[1]]);
  await limited.resetRole({ database: name, role: owner.user, password: 'y' });
  await limited.dropDatabase(name);
});

test('an administrator without the right to make databases is refused at the start', async () => {
  const passwords = { admin: 'a', feed: 'f' };
  await expect(preparePlayground({ administrator: mine.owner, passwords, log })).rejects.toThrow(
    /CREATEDB and CREATEROLE/,
  );
});
