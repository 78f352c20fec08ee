/** SQL-1, 2, 5 and 6: a signed-in user whose SQL means harm, with the API as his only way in. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { CancelDocument, ConnectDocument, DatabasesDocument, QueueDocument } from '../support/operations.ts';
import { type Quarry, startQuarry } from '../support/server.ts';
import { type Analyst, createAnalyst } from './support.ts';

const PageDocument = graphql(`
  query Page($id: ID!, $offset: Int!) {
    job(id: $id) {
      result(index: 0) {
        rowCount
        truncated
        rows(first: 10, offset: $offset) {
          rows
          hasNextPage
        }
      }
    }
  }
`);

const ReadOnlyDocument = graphql(`
  mutation ReadOnly($id: ID!, $readOnly: Boolean!) {
    updateDatabase(input: { id: $id, readOnly: $readOnly }) {
      database {
        readOnly
      }
    }
  }
`);

const ShareDocument = graphql(`
  mutation Share($name: String!) {
    createProject(input: { name: $name }) {
      project {
        id
      }
    }
  }
`);

const JoinDocument = graphql(`
  mutation Join($input: AddMemberInput!) {
    addMember(input: $input) {
      member {
        role
      }
    }
  }
`);

let quarry: Quarry;
/** Whose SQL is hostile, and who is in peace. */
let mallory: Analyst;
let alice: Analyst;
/** A hosted database of each. */
let den: string;
let home: string;
let sample: string;
let worker: number;
/** MiB of the worker before its first job. */
let idle: number;

beforeAll(async () => {
  quarry = await startQuarry();
  const analyst = async () => createAnalyst({ quarry, account: await quarry.register() });
  // The first account is the administrator's, and neither of these.
  await analyst();
  [mallory, alice] = await Promise.all([analyst(), analyst()]);
  [den, home] = await Promise.all([mallory.host('Den'), alice.host('Home')]);
  await Promise.all([quarry.until('sample.ready'), quarry.until('worker.started')]);
  const { databases } = await quarry.ask(DatabasesDocument, {}, mallory.account);
  sample = databases.nodes.find(({ name }) => name === 'MAKEYOURSPACE')!.id;
  worker = quarry.workerPid;
  idle = await peakMegabytes();
});
afterEach(async ({ task }) => {
  const peak = await peakMegabytes();
  console.info(`SQL-5 worker: ${idle} MiB idle, ${peak} MiB at its peak: ${task.name}`);
  expect(peak).toBeLessThan(idle + 300);
});
afterAll(() => quarry?.[Symbol.asyncDispose]());

/** The most memory that the worker has had since this was asked last. */
async function peakMegabytes(): Promise<number> {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${worker}/status`, 'utf8')) ?? [];
  // Sets the mark back to what it has now (proc(5)).
  await writeFile(`/proc/${worker}/clear_refs`, '5');
  return Math.round(Number(kilobytes) / 1024);
}

const sessionsWith = (text: string) =>
  `select count(*)::int from pg_stat_activity where query like '%${text}%' and pid <> pg_backend_pid()`;

/** No session of a job is left in the den, not even an idle one. */
async function nothingRuns(how: string, end: string): Promise<void> {
  const left = `select state from pg_stat_activity where application_name like 'quarry job:%' and pid <> pg_backend_pid()`;
  const [states] = await mallory.rows(den, left);
  console.info(`SQL-5 a script that ${how}: ${end}, its session ${states!.length === 0 ? 'gone' : states!.join()}`);
  expect(states).toEqual([]);
}

/** The worker of the beginning is the worker of now, and does its work. */
async function worksOn(): Promise<void> {
  expect(await alice.rows(home, 'select 1')).toEqual([[[1]]]);
  expect(quarry.workerPid).toBe(worker);
}

describe('a hosted database is a cage', () => {
  const escapes = [
    `copy (select 1) to program 'id'`,
    `copy notes from program 'id'`,
    `copy (select 1) to '/tmp/quarry-escape'`,
    `copy notes from '/etc/passwd'`,
    `select pg_read_file('/etc/passwd')`,
    `select pg_read_binary_file('PG_VERSION')`,
    `select pg_ls_dir('.')`,
    `select pg_ls_tmpdir()`,
    `select pg_stat_file('PG_VERSION')`,
    `select pg_current_logfile()`,
    `select lo_import('/etc/passwd')`,
    `select lo_export(1, '/tmp/quarry-escape')`,
    'create extension dblink',
    'create extension file_fdw',
    'create extension postgres_fdw',
    'create extension plpython3u',
    'create extension plperlu',
    'create extension pg_visibility',
    `load '/tmp/evil.so'`,
    `create function f() returns int language c as '/tmp/evil.so', 'f'`,
    `create function f(text) returns text language internal as 'pg_read_file_all'`,
    'create role evil',
    'create role evil superuser login',
    'alter role current_user superuser',
    'alter role current_user createrole',
    'alter role current_user createdb',
    'alter role current_user replication',
    'alter role current_user bypassrls',
    'alter role current_user connection limit 1000',
    'alter role current_user set temp_file_limit = -1',
    'alter role all set statement_timeout = 1',
    `alter role postgres password 'evil'`,
    'set role postgres',
    'set role quarry_admin',
    'set role quarry_feed',
    'set session authorization postgres',
    'grant quarry_admin to current_user',
    'grant pg_read_all_data to current_user',
    'grant pg_read_server_files to current_user',
    'grant pg_write_server_files to current_user',
    'grant pg_execute_server_program to current_user',
    'grant pg_signal_backend to current_user',
    'set temp_file_limit = -1',
    `set session_preload_libraries = 'evil'`,
    `set dynamic_library_path = '/tmp'`,
    'select pg_reload_conf()',
    'select pg_rotate_logfile()',
    'select pg_switch_wal()',
    `select pg_create_restore_point('evil')`,
    'select * from pg_authid',
    'select * from pg_shadow',
    'select * from pg_database',
    'select * from pg_hba_file_rules',
    'select * from pg_file_settings',
    'select * from pg_replication_slots',
    `select pg_create_logical_replication_slot('evil', 'pgoutput')`,
    `select pg_create_physical_replication_slot('evil')`,
    'create publication evil for all tables',
    'create foreign data wrapper evil',
    'create language evil handler plpgsql_call_handler',
    'update pg_catalog.pg_class set relowner = 10',
    'create table pg_catalog.evil ()',
    'select pg_terminate_backend(pid) from pg_stat_activity',
    'select pg_cancel_backend(pg_backend_pid())',
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_lock(1)',
    'select pg_stat_reset()',
    `select pg_logical_emit_message(false, 'evil', '')`,
  ];
  /** Refused inside a function for another reason than the right, so each is a job of its own. */
  const alone = [
    `alter system set archive_command = 'id'`,
    'create database evil',
    'drop database postgres',
    'drop database quarry_template',
    `create tablespace evil location '/tmp'`,
    `create subscription evil connection 'host=127.0.0.1' publication evil`,
    'checkpoint',
  ];

  test('whatever leads out of it is refused for want of the right', async () => {
    // One script for all: each tries, and writes down what it was told.
    const script = `
      create table notes (n int);
      create table answers (sql text, answer text);
      do $try$
      declare attempt text;
      begin
        foreach attempt in array array[${escapes.map((sql) => `$sql$${sql}$sql$`).join(', ')}] loop
          begin
            execute attempt;
            insert into answers values (attempt, 'allowed');
          exception when others then
            insert into answers values (attempt, sqlstate);
          end;
        end loop;
      end $try$;
      select * from answers;`;
    const answers = (await mallory.rows(den, script)).at(-1) as [string, string][];
    expect(Object.fromEntries(answers)).toEqual(Object.fromEntries(escapes.map((sql) => [sql, '42501'])));
    for (const sql of alone) {
      const { status, error } = await mallory.run(den, sql);
      expect({ sql, status, ...error }).toMatchObject({ sql, status: 'FAILED', sqlState: '42501' });
    }
    expect(escapes.length + alone.length).toBeGreaterThanOrEqual(51);
  });

  test('the role has no right beyond it', async () => {
    const rights = 'select rolsuper, rolcreaterole, rolreplication from pg_roles where rolname = current_user';
    expect(await mallory.rows(den, rights)).toEqual([[[false, false, false]]]);
  });

  test('no catalogue tells of the database or the role of somebody else', async () => {
    const [[[database, role]]] = (await alice.rows(home, 'select current_database(), current_user')) as [
      [[string, string]],
    ];
    // Whole, they would be found in the text of the search itself.
    const apart = (name: string) => `'%${name.slice(0, 6)}' || '${name.slice(6)}%'`;
    const search = `
      create function leaks(names text[]) returns setof text language plpgsql as $search$
      declare place text; found boolean;
      begin
        for place in select c.oid::regclass from pg_class c
          where relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and relkind in ('r', 'v')
        loop
          begin
            execute format('select exists (select from %s t where t::text like any ($1))', place) into found using names;
            if found then return next place; end if;
            raise notice 'read';
          exception when insufficient_privilege then null;
          end;
        end loop;
      end $search$;
      select leaks(array[${[database, role].map(apart).join(', ')}]);
      drop function leaks`;
    const { status, results, notices } = await mallory.run(den, search);
    expect(status).toBe('SUCCEEDED');
    expect(results.nodes[1]!.rows!.rows).toEqual([]);
    expect(notices.length).toBeGreaterThan(100);
  });
});

describe('who sleeps, sorts and loops', () => {
  test('takes his own places and nobody else’s: requests and jobs of others go on', async () => {
    const attack = [
      'select pg_sleep(600)',
      `set work_mem = '64GB'; select count(*) from (select random() as r from generate_series(1, 100000000) order by r) s`,
      'do $$ begin loop perform 1; end loop; end $$',
      'create table locked (); begin; lock table locked, pg_class in access exclusive mode; select pg_sleep(600)',
      'select pg_sleep(600)',
      'select pg_sleep(600)',
    ];
    const jobs = await Promise.all(attack.map((sql) => mallory.submit(den, sql, { timeoutMs: 120_000 })));
    await mallory.follow(jobs[0]!, 'RUNNING');
    for (let i = 0; i < 10; i += 1) {
      await quarry.ask(DatabasesDocument, {}, alice.account);
      expect(await alice.rows(home, 'select 1')).toEqual([[[1]]]);
    }
    // More than his places would have taken everybody’s.
    const { queue } = await quarry.ask(QueueDocument, {}, mallory.account);
    expect(queue.running).toBeLessThanOrEqual(4);
    await Promise.all(jobs.map((id) => quarry.ask(CancelDocument, { input: { id } }, mallory.account)));
    for (const id of jobs) expect((await mallory.outcome(id)).status).toMatch(/^(CANCELLED|FAILED)$/);
    expect(await mallory.rows(den, sessionsWith('pg_sleep(600)'))).toEqual([[[0]]]);
    await worksOn();
  });

  test('two users of the sample neither see nor end each other’s sessions', async () => {
    const secret = await alice.submit(sample, `select pg_sleep(600), 'alice was here'`);
    await alice.follow(secret, 'RUNNING');
    const [[[sees, foreign]]] = (await mallory.rows(
      sample,
      `select count(*)::int, (count(*) filter (where query like '%alice%'))::int from pg_stat_activity
        where pid <> pg_backend_pid()`,
    )) as [[[number, number]]];
    expect([sees, foreign]).toEqual([0, 0]);
    for (const sql of [
      'select pg_terminate_backend(pid) from generate_series(1, 4194304) as pid',
      'select pg_cancel_backend(pid) from generate_series(1, 4194304) as pid',
      `do $$ begin execute 'select pg_terminate' || '_backend(pid) from generate_series(1, 4194304) as pid'; end $$`,
      // A function that only reads its text, as far as the classifier knows.
      `select query_to_xml('select pg_terminate' || '_backend(pid) from generate_series(1, 9) as pid', true, true, '')`,
    ]) {
      const { status, error } = await mallory.run(sample, sql);
      expect({ sql, status }).toEqual({ sql, status: 'FAILED' });
      if (error?.code !== 'READ_ONLY') expect(error).toMatchObject({ code: 'SQL_ERROR', sqlState: '42501' });
    }
    const { cancelJob } = await quarry.ask(CancelDocument, { input: { id: secret } }, alice.account);
    expect(cancelJob.job.status).toBe('RUNNING');
    expect((await alice.outcome(secret)).status).toBe('CANCELLED');
  });
});

describe('a limit holds whatever the SQL says', () => {
  const timeoutMs = 1_500;
  test.each([
    ['turns the server’s own off', 'set statement_timeout = 0; select pg_sleep(600)'],
    ['loops', 'do $$ begin loop perform 1; end loop; end $$'],
    [
      'swallows the cancel',
      'do $$ begin loop begin perform pg_sleep(600); exception when query_canceled then null; end; end loop; end $$',
    ],
    ['speaks without end', `do $$ begin loop raise notice '%', repeat('n', 1000); end loop; end $$`],
    [
      'sorts with 64 GB of memory',
      `set work_mem = '64GB'; select count(*) from (select random() as r from generate_series(1, 100000000) order by r) s`,
    ],
    ['selects a thousand million rows', 'select generate_series(1, 1000000000)'],
    ['sends rows of 30 MB', `select repeat('x', 30 * 1024 * 1024) from generate_series(1, 1000)`],
  ])('of time: a script that %s is ended, in the target too', async (how, sql) => {
    const { status, error, notices, durationMs } = await mallory.run(den, sql, { timeoutMs, maxRows: 10_000_000 });
    expect({ status, code: error?.code }).toEqual({ status: 'FAILED', code: 'TIMEOUT' });
    expect(notices.length).toBeLessThanOrEqual(1_000);
    await nothingRuns(how, `ended ${((durationMs! - timeoutMs) / 1_000).toFixed(2)} s behind its time`);
    await worksOn();
  });

  test('of what a client would take: COPY to it is refused before it runs', async () => {
    const { status, error } = await mallory.run(
      den,
      'select 1; copy (select generate_series(1, 1000000000)) to stdout',
    );
    expect({ status, ...error }).toMatchObject({ status: 'FAILED', code: 'SQL_ERROR', statement: 1 });
    await nothingRuns('copies to its client', 'refused');
  });

  test('of rows: a thousand of a thousand million are kept, and it says so', async () => {
    const { status, results } = await mallory.run(den, 'select generate_series(1, 1000000000)', { maxRows: 1_000 });
    expect(status).toBe('SUCCEEDED');
    expect(results.nodes).toMatchObject([{ truncated: true }]);
    expect(results.nodes[0]!.rows!.rows).toHaveLength(1_000);
  });

  test.each([200, 1_000])(
    'of a cell: one of %i MB ends its job and not the worker',
    async (megabytes) => {
      const sql = `select repeat('x', ${megabytes} * 1024 * 1024)`;
      const { status, error } = await mallory.run(den, sql, { timeoutMs: 170_000 });
      expect({ status, code: error?.code }).toEqual({ status: 'FAILED', code: 'LIMIT_EXCEEDED' });
      await nothingRuns(`selects a value of ${megabytes} MB`, 'ended at the limit');
      await worksOn();
      // To make a gigabyte is the server's work, and may take a busy machine a while.
    },
    180_000,
  );

  test('of memory: rows of 400 MB are stored and paged to the last, the worker stays small', async () => {
    const last = 1_000_000;
    const sql = `select i, repeat('x', 400) from generate_series(1, ${last}) i`;
    const id = await mallory.submit(den, sql, { maxRows: last, timeoutMs: 300_000 });
    await mallory.follow(id);
    const { job } = await quarry.ask(PageDocument, { id, offset: last - 3 }, mallory.account);
    expect(job!.result).toEqual({
      rowCount: last,
      truncated: false,
      rows: { rows: [2, 1, 0].map((before) => [last - before, 'x'.repeat(400)]), hasNextPage: false },
    });
    await worksOn();
  }, 180_000);
});

describe('a result keeps', () => {
  test('sixteen hundred columns, columns of one name, and names that mean something to JavaScript', async () => {
    const many = Array.from({ length: 1_600 }, (_, i) => `${i} as c${i}`).join(', ');
    const { status, results } = await mallory.run(
      den,
      `select ${many}; select 1 as same, 2 as same; select 1 as "__proto__", 2 as "constructor", 3 as "toString"`,
    );
    expect(status).toBe('SUCCEEDED');
    const [wide, twice, odd] = results.nodes;
    expect(wide!.columns).toHaveLength(1_600);
    expect(wide!.rows!.rows).toEqual([Array.from({ length: 1_600 }, (_, i) => i)]);
    expect(twice!.columns.map(({ name }) => name)).toEqual(['same', 'same']);
    expect(twice!.rows!.rows).toEqual([[1, 2]]);
    expect(odd!.columns.map(({ name }) => name)).toEqual(['__proto__', 'constructor', 'toString']);
    expect(odd!.rows!.rows).toEqual([[1, 2, 3]]);
  });

  test('what came before SQL that does not parse, with the place of the fault', async () => {
    const { status, error } = await mallory.run(den, 'select 1;\nselec 2');
    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ code: 'SQL_ERROR', sqlState: '42601', line: 2 });
  });
});

describe('a database that is read-only', () => {
  test.each([
    'commit; drop table kept',
    'rollback; drop table kept',
    'end; begin; drop table kept; commit',
    'set transaction read write; drop table kept',
    'set default_transaction_read_only = off; drop table kept',
    'set session characteristics as transaction read write; drop table kept',
    'begin read write; drop table kept; commit',
    `select set_config('transaction_read_only', 'off', false); drop table kept`,
    'do $$ begin commit; drop table kept; end $$',
    'with gone as (delete from kept returning *) select * from gone',
    'explain analyze delete from kept',
    `copy kept from program 'id'`,
    'reset all; drop table kept',
    'discard all; drop table kept',
    'prepare p as delete from kept; execute p',
  ])('is not written by %j', async (sql) => {
    await alice.rows(home, 'create table if not exists kept as select 1 as n');
    await quarry.ask(ReadOnlyDocument, { id: home, readOnly: true }, alice.account);
    const { status, error } = await alice.run(home, sql);
    expect({ status, ...error }).toMatchObject({
      status: 'FAILED',
      code: expect.stringMatching(/^(READ_ONLY|SQL_ERROR)$/),
    });
    expect(await alice.rows(home, 'select n from kept')).toEqual([[[1]]]);
    await quarry.ask(ReadOnlyDocument, { id: home, readOnly: false }, alice.account);
    // The same for a job that asked for it.
    expect((await alice.run(home, sql, { readOnly: true })).status).toBe('FAILED');
    expect(await alice.rows(home, 'select n from kept')).toEqual([[[1]]]);
  });
});

describe('nothing of one user’s session reaches the next one on the same connection', () => {
  let shared: string;
  let target: TestDatabase | undefined;
  beforeAll(async () => {
    target = await createTestDatabase();
    const { host, port, user, password, database } = target;
    const { createProject } = await quarry.ask(ShareDocument, { name: 'Shared' }, alice.account);
    const projectId = createProject.project.id;
    const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
    const input = { name: 'Shared', connection, projectId };
    const { connectDatabase } = await quarry.ask(ConnectDocument, { input }, alice.account);
    shared = connectDatabase.database.id;
    const member = { projectId, email: mallory.account.email, role: 'EDITOR' as const };
    await quarry.ask(JoinDocument, { input: member }, alice.account);
  });
  afterAll(() => target?.[Symbol.asyncDispose]());

  test.each<[what: string, leaves: string, sees: string, clean: unknown]>([
    ['a role', 'set role pg_monitor', 'current_user = session_user', true],
    ['a temporary table', 'create temp table hidden as select 1', `to_regclass('pg_temp.hidden')::text`, null],
    ['a search path', 'set search_path = lair', `current_setting('search_path')`, '"$user", public'],
    ['a listener', 'listen ears', '(select count(*)::int from pg_listening_channels())', 0],
    [
      'an advisory lock',
      'select pg_advisory_lock(42)',
      `(select count(*)::int from pg_locks l join pg_database d on d.oid = l.database
        where l.locktype = 'advisory' and d.datname = current_database())`,
      0,
    ],
    [
      'a prepared statement',
      'prepare trap as select 1',
      '(select count(*)::int from pg_prepared_statements where from_sql)',
      0,
    ],
    [
      'a cursor',
      'begin; declare trap cursor with hold for select 1; commit',
      '(select count(*)::int from pg_cursors where is_holdable)',
      0,
    ],
    ['a variable', `set app.whom = 'mallory'`, `current_setting('app.whom', true)`, null],
    ['a timeout', `set statement_timeout = '1h'`, `current_setting('statement_timeout')`, '0'],
    [
      'how transactions begin',
      'set session characteristics as transaction isolation level serializable',
      `current_setting('transaction_isolation')`,
      'read committed',
    ],
  ])('%s', async (what, leaves, sees, clean) => {
    // It is there at the end of the job that leaves it: else the next one would prove nothing.
    const [own] = (await mallory.rows(shared, `${leaves}; select ${sees}`)).slice(-1);
    expect(own).not.toEqual([[clean]]);
    expect(await alice.rows(shared, `select ${sees}`)).toEqual([[[clean]]]);
    console.info(
      `SQL-6 ${what}: ${JSON.stringify(own)} where it was left, ${JSON.stringify([[clean]])} in the next job`,
    );
  });

  test('an open transaction, which its own job is told of', async () => {
    const { error } = await mallory.run(shared, 'begin; create table half (n int); lock table half; select 1');
    expect(error).toMatchObject({ message: expect.stringContaining('left its transaction open') });
    const open = `select count(*)::int from pg_stat_activity
      where state like 'idle in transaction%' and datname = current_database()`;
    expect(await alice.rows(shared, `${open}; select to_regclass('half')::text`)).toEqual([[[0]], [[null]]]);
  });
});
