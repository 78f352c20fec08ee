/** A metadata database of its own for a test file: migrated, with whatever users it wants. */
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { pino } from 'pino';
import { createPool } from '../../src/db/metadata.ts';
import { migrate } from '../../src/db/migrate.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestDatabase, type TestDatabase } from './databases.ts';

export const silent = pino({ level: 'silent' });

export interface TestMetadata extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  addUser(limits?: { maxParallelJobs?: number }): Promise<string>;
}

export async function createTestMetadata(): Promise<TestMetadata> {
  const database = await createTestDatabase();
  await migrate({
    connection: database,
    directory: fileURLToPath(new URL('../../prisma/migrations', import.meta.url)),
  });
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
