/** A metadata database of its own for a test file: migrated, with whatever users it wants. */
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { pino } from 'pino';
import { inject } from 'vitest';
import { createPool } from '../../src/db/metadata.ts';
import { migrate } from '../../src/db/migrate.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestDatabase, type TestDatabase, type TestServer } from './databases.ts';

export const silent = pino({ level: 'silent' });

export interface TestMetadata extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  addUser(limits?: { maxParallelJobs?: number }): Promise<string>;
}

const directory = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));
const migrated = 'migrated';

/** Whoever needs it first makes the database that the others are copies of: a tenth of the work of migrating each. */
async function makeMigrated(server: TestServer): Promise<void> {
  const admin = new pg.Client({ ...server, database: 'postgres' });
  await admin.connect();
  try {
    // Until the connection ends.
    await admin.query('SELECT pg_advisory_lock(1)');
    const { rows } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [migrated]);
    if (rows.length > 0) return;
    await admin.query('CREATE DATABASE migrating');
    await migrate({ connection: { ...server, database: 'migrating' }, directory });
    await admin.query(`ALTER DATABASE migrating RENAME TO ${migrated}`);
  } finally {
    await admin.end();
  }
}

/** Migrated, and otherwise empty: an installation of its own. */
export async function createMigratedDatabase(): Promise<TestDatabase> {
  const server = inject('postgres');
  await makeMigrated(server);
  const database = await createTestDatabase('', server, migrated);
  // Else all copies were one installation.
  await database.client.query('UPDATE _prisma_migrations SET id = gen_random_uuid()');
  return database;
}

export async function createTestMetadata(): Promise<TestMetadata> {
  const database = await createMigratedDatabase();
  const pool = createPool({ connection: database, log: silent, max: 8 });
  return {
    database,
    pool,
    async addUser({ maxParallelJobs } = {}) {
      const id = uuidv7();
      await pool.query(
        `INSERT INTO users (id, email, email_key, role, password_hash, max_parallel_jobs) VALUES ($1, $2, $2, 'member', '', $3)`,
        [id, `${id}@example.com`, maxParallelJobs ?? null],
      );
      return id;
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
      await database[Symbol.asyncDispose]();
    },
  };
}
