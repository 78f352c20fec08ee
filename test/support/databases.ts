/** A database of its own for a test file, on the shared real PostgreSQL. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

/** A server, and its superuser. */
export interface TestServer {
  host: string;
  port: number;
  user: string;
  password: string;
}

export interface TestDatabase extends TestServer, AsyncDisposable {
  database: string;
  /** A client of the superuser, connected to this database. */
  client: pg.Client;
}

/** @param template what it is a copy of: nobody may be connected there */
export async function createTestDatabase(
  sql = '',
  server: TestServer = inject('postgres'),
  template = 'template1',
): Promise<TestDatabase> {
  const database = `test_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ ...server, database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${database} TEMPLATE ${template}`);
  const client = new pg.Client({ ...server, database });
  await client.connect();
  if (sql) await client.query(sql);
  return {
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database,
    client,
    async [Symbol.asyncDispose]() {
      await client.end();
      await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
      await admin.end();
    },
  };
}
