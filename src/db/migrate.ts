/**
 * Brings the metadata schema up to date at start. It keeps the books of Prisma's CLI (table `_prisma_migrations`, its
 * lock number, its checksums), so that `prisma migrate status` and `deploy` agree with it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { type ConnectionConfig, connect } from './connection.ts';
import { StartError } from './start-error.ts';

/** The number of the session lock that Prisma's engine takes while it migrates. */
const prismaLock = 72_707_369;

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file's bytes, in hex. */
  readonly checksum: string;
}

export interface MigrateOptions {
  readonly connection: ConnectionConfig;
  /** Prisma's layout: one folder a migration, in the order of their names, each with a `migration.sql`. */
  readonly directory: string;
  /** Asked before anything is written; what it throws keeps everything as it is. */
  readonly check?: (client: pg.Client) => Promise<unknown>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Applies what is missing, in order; several processes at once apply each migration once. Nothing is applied unless
 * everything applied before is known, whole and unchanged.
 * @returns the names that this call applied
 * @throws StartError when the database and this build do not fit, or a migration fails
 */
export async function migrate({ connection, directory, check, signal }: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(directory);
  await using connected = await connect(connection, { signal });
  const { client } = connected;
  // Held until the connection ends: whoever comes second waits here and then finds everything done.
  await client.query('SELECT pg_advisory_lock($1)', [prismaLock]);
  await check?.(client);
  await client.query(`
    SET client_min_messages = warning;
    CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id varchar(36) PRIMARY KEY NOT NULL,
      checksum varchar(64) NOT NULL,
      finished_at timestamptz,
      migration_name varchar(255) NOT NULL,
      logs text,
      rolled_back_at timestamptz,
      started_at timestamptz NOT NULL DEFAULT now(),
      applied_steps_count integer NOT NULL DEFAULT 0
    )`);
  const pending = await unapplied(client, migrations);
  for (const migration of pending) await apply(client, migration, signal);
  return pending.map(({ name }) => name);
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw new StartError(`No migrations at ${directory}`, { cause });
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const file = join(directory, name, 'migration.sql');
      const bytes = await readFile(file).catch((cause: unknown) => {
        throw new StartError(`Migration ${name} has no ${file}`, { cause });
      });
      return { name, sql: bytes.toString('utf8'), checksum: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

/** @throws StartError when the books tell of a migration that failed, was changed or is unknown here */
async function unapplied(client: pg.Client, migrations: readonly Migration[]): Promise<Migration[]> {
  const { rows } = await client.query<{ migration_name: string; checksum: string; finished: boolean }>(
    `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished
       FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { migration_name: name, checksum, finished } of rows) {
    const migration = known.get(name);
    if (!migration)
      throw new StartError(
        `The metadata database is newer than this Quarry: it has the migration ${name}. Start the newer version again`,
      );
    if (!finished)
      throw new StartError(
        `The migration ${name} failed half-way: mend the schema, then say so with \`prisma migrate resolve --applied ${name}\` or \`--rolled-back ${name}\``,
      );
    if (migration.checksum !== checksum)
      throw new StartError(`The migration ${name} was changed after it was applied: restore its file`);
  }
  const applied = new Set(rows.map((row) => row.migration_name));
  return migrations.filter(({ name }) => !applied.has(name));
}

const notInTransaction = '25001';

/** In one transaction with its entry in the books, so that a killed migration leaves nothing behind. */
async function apply(client: pg.Client, migration: Migration, signal: AbortSignal | undefined): Promise<void> {
  const { name, checksum, sql } = migration;
  const id = randomUUID();
  const begin = () =>
    client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)', [
      id,
      checksum,
      name,
    ]);
  const finish = () =>
    client.query(
      'UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = $1',
      [id],
    );
  // A file that commits by itself ends our transaction early: then its entry stays, and says that it failed.
  const note = (error: unknown) =>
    client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, String(error)]);
  try {
    await client.query('BEGIN');
    try {
      await begin();
      await client.query(sql);
      await finish();
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      if (!(error instanceof Error && 'code' in error && error.code === notInTransaction)) {
        await note(error);
        throw error;
      }
      // CREATE INDEX CONCURRENTLY and its like, alone in their file.
      await begin();
      await client.query(sql).catch(async (fault: unknown) => {
        await note(fault);
        throw fault;
      });
      await finish();
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw new StartError(`The migration ${name} failed: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  // What a migration sets for itself, such as search_path, ends with it; the lock stays.
  await client.query('RESET ALL');
}
