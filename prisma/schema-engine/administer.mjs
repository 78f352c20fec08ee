/** The errands of the CLI that come before any schema: is the database there, make it, take it away. */
import pg from 'pg';
import { connectionOf } from './connection.mjs';

/** @throws Error of PostgreSQL as it is; report.mjs gives it Prisma's code */
export async function administer({ command, url }) {
  const errand = errands[command];
  if (!errand) throw new Error(`The schema engine knows no command ${command}`);
  await errand(url);
}

export async function createDatabase(url) {
  const { database, ...server } = connectionOf(url);
  await onServer(server, (client) => client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`));
  return database;
}

const errands = {
  'can-connect-to-database': (url) => withClient(connectionOf(url), (client) => client.query('SELECT 1')),
  'create-database': createDatabase,
  'drop-database': (url) => {
    const { database, ...server } = connectionOf(url);
    return onServer(server, (client) =>
      client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)} WITH (FORCE)`),
    );
  },
};

/** A database is neither made nor dropped from inside. */
const onServer = (server, work) => withClient({ ...server, database: 'postgres' }, work);

async function withClient(connection, work) {
  const client = new pg.Client(connection);
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end();
  }
}
