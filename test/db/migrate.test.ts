import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type MigrateOptions, migrate } from '../../src/db/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, 'run-migrate.ts');

async function setUp(files: Record<string, string>): Promise<MigrateOptions & { database: TestDatabase }> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'quarry-migrations-'));
  onTestFinished(async () => {
    await database[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  await write(directory, files);
  return { connection: connectionOf(database), directory, database };
}

function connectionOf({ host, port, user, password, database }: TestDatabase) {
  return { host, port, user, password, database };
}

async function write(directory: string, files: Record<string, string>): Promise<void> {
  for (const [name, sql] of Object.entries(files)) {
    await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, name, 'migration.sql'), sql);
  }
}

const two = {
  '1_first': 'CREATE TABLE a (n int); INSERT INTO a VALUES (1);',
  '2_second': '-- with a comment\nALTER TABLE a ADD m text;\n',
};

async function books({ client }: TestDatabase) {
  const { rows } = await client.query(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished, rolled_back_at, applied_steps_count AS steps
       FROM _prisma_migrations ORDER BY migration_name`,
  );
  return rows;
}

test('migrations are applied in the order of their names, once, in the books of Prisma', async () => {
  const { database, ...options } = await setUp(two);
  expect(await migrate(options)).toEqual(['1_first', '2_second']);
  expect(await migrate(options)).toEqual([]);
  const checksum = (sql: string) => createHash('sha256').update(sql).digest('hex');
  expect(await books(database)).toEqual(
    Object.entries(two).map(([name, sql]) => ({
      name,
      checksum: checksum(sql),
      finished: true,
      rolled_back_at: null,
      steps: 1,
    })),
  );
});

test('three processes at once apply each migration once', async () => {
  const { database, ...options } = await setUp(two);
  const argument = JSON.stringify(options);
  const answers = await Promise.all([1, 2, 3].map(() => run(process.execPath, [program, argument])));
  expect(answers.map(({ stdout }) => stdout).sort()).toEqual(['["1_first","2_second"]', '[]', '[]']);
  expect((await database.client.query('SELECT count(*) FROM a')).rows).toEqual([{ count: '1' }]);
});

test('a changed migration is refused, and nothing new is applied', async () => {
  const { database, ...options } = await setUp(two);
  await migrate(options);
  await write(options.directory, { '1_first': `${two['1_first']} `, '3_third': 'CREATE TABLE c ()' });
  await expect(migrate(options)).rejects.toThrow(/1_first was changed/);
  expect(await books(database)).toHaveLength(2);
});

test('a database with a migration that this build does not know is refused', async () => {
  const { database, ...options } = await setUp(two);
  await migrate(options);
  await rm(join(options.directory, '2_second'), { recursive: true });
  await expect(migrate(options)).rejects.toThrow(/newer than this Quarry: it has the migration 2_second/);
  expect(await books(database)).toHaveLength(2);
});

test('a migration that failed in other hands is refused until it is resolved', async () => {
  const { database, ...options } = await setUp(two);
  await migrate(options);
  await database.client.query(`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '2_second'`);
  await expect(migrate(options)).rejects.toThrow(/2_second failed half-way.*prisma migrate resolve/);
  await database.client.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '2_second';
     ALTER TABLE a DROP m`,
  );
  expect(await migrate(options)).toEqual(['2_second']);
});

test('a migration with a fault leaves nothing behind and is tried again when it is mended', async () => {
  const { database, ...options } = await setUp({ ...two, '3_third': 'CREATE TABLE c (); CREATE TABLE a ()' });
  await expect(migrate(options)).rejects.toThrow(/3_third failed: relation "a" already exists/);
  expect(await books(database)).toHaveLength(2);
  expect((await database.client.query(`SELECT to_regclass('c') AS c`)).rows).toEqual([{ c: null }]);
  await write(options.directory, { '3_third': 'CREATE TABLE c ()' });
  expect(await migrate(options)).toEqual(['3_third']);
});

test('a migration killed in the middle leaves nothing behind, and the next start goes on', async () => {
  const { database, ...options } = await setUp({ '1_first': 'CREATE TABLE a (); SELECT pg_advisory_xact_lock(42)' });
  await database.client.query('SELECT pg_advisory_lock(42)');
  const child = spawn(process.execPath, [program, JSON.stringify(options)]);
  await vi.waitFor(async () => {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    expect((await database.client.query(waiting)).rowCount).toBe(1);
  }, 30_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect((await database.client.query(`SELECT to_regclass('a') AS a`)).rows).toEqual([{ a: null }]);
  await database.client.query('SELECT pg_advisory_unlock(42)');
  expect(await migrate(options)).toEqual(['1_first']);
  expect(await books(database)).toMatchObject([{ name: '1_first', finished: true }]);
});

test('a file that cannot run in a transaction is run alone, and a failure of it stays in the books', async () => {
  const { database, ...options } = await setUp({ ...two, '3_index': 'CREATE INDEX CONCURRENTLY i ON a (n)' });
  expect(await migrate(options)).toContain('3_index');
  await write(options.directory, { '4_index': 'CREATE UNIQUE INDEX CONCURRENTLY u ON a (n)' });
  await database.client.query('INSERT INTO a VALUES (1)');
  await expect(migrate(options)).rejects.toThrow(/4_index failed: could not create unique index/);
  await expect(migrate(options)).rejects.toThrow(/4_index failed half-way/);
  expect(await books(database)).toMatchObject([{}, {}, { name: '3_index', finished: true }, { finished: false }]);
});

test('a file that commits by itself is in the books as far as it came', async () => {
  const { database, ...options } = await setUp({ '1_own': 'CREATE TABLE a (); COMMIT; CREATE TABLE b ()' });
  expect(await migrate(options)).toEqual(['1_own']);
  await write(options.directory, { '2_own': 'CREATE TABLE c (); COMMIT; CREATE TABLE a ()' });
  await expect(migrate(options)).rejects.toThrow(/2_own failed/);
  expect(await books(database)).toMatchObject([{ finished: true }, { name: '2_own', finished: false }]);
});

test('a folder that is missing or holds no migration.sql is refused', async () => {
  const { database, ...options } = await setUp({});
  await mkdir(join(options.directory, '1_empty'));
  await expect(migrate(options)).rejects.toThrow(/1_empty has no/);
  await expect(migrate({ ...options, directory: join(options.directory, 'none') })).rejects.toThrow(/No migrations at/);
  expect((await database.client.query(`SELECT to_regclass('_prisma_migrations') AS t`)).rows).toEqual([{ t: null }]);
});

test('waiting for another process ends when it is aborted', async () => {
  const { database, ...options } = await setUp(two);
  await database.client.query('SELECT pg_advisory_lock(72707369)');
  const abort = new AbortController();
  const waiting = migrate({ ...options, signal: abort.signal });
  waiting.catch(() => undefined);
  await vi.waitFor(async () => {
    const waits = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 72707369
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    expect((await database.client.query(waits)).rowCount).toBe(1);
  }, 30_000);
  abort.abort(new Error('stop'));
  await expect(waiting).rejects.toThrow('stop');
});
