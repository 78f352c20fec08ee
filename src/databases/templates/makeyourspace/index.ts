/** Installs the sample database MAKEYOURSPACE. Who makes the database and its owner role is not decided here. */
import { readFile } from 'node:fs/promises';
import type { ClientBase } from 'pg';
import { generateMakeyourspace, type TableRows } from './generate.ts';

export { exampleQueries } from './examples.ts';

/** Keeps one statement's parameter at some 2 MB. */
const maxRowsPerInsert = 4_000;
const seed = 'makeyourspace';

/**
 * Fills the empty database to which `client` is connected with the schema and the rows of MAKEYOURSPACE, in the schema
 * public and in one transaction: afterwards it is all there, or nothing of it. The client's role becomes the owner; it
 * needs no right beyond CREATE in that schema. Nothing is granted to other roles. `signal` is looked at between
 * statements, each of which takes a fraction of a second.
 * @throws what PostgreSQL says, e.g. 42P07 or 42710 where the database is not empty; or the signal's reason
 */
export async function installMakeyourspace(
  client: ClientBase,
  { signal }: { signal?: AbortSignal } = {},
): Promise<void> {
  const run = async (sql: string) => {
    signal?.throwIfAborted();
    await client.query(sql);
  };
  const runFile = async (name: string) => run(await readFile(new URL(name, import.meta.url), 'utf8'));

  await run('BEGIN');
  try {
    await run('SET LOCAL search_path = public');
    await runFile('schema.sql');
    const tables = generateMakeyourspace({ seed });
    for (const table of tables) await load(client, table, { signal });
    await runFile('relations.sql');
    await runFile('functions.sql');
    await runFile('events.sql');
    await runFile('views.sql');
    await runFile('policies.sql');
    await run(`ANALYZE ${[...tables.map(({ table }) => table), 'outbox', 'sales_by_month'].join(', ')}`);
    await run('COMMIT');
  } catch (error) {
    try {
      await client.query('ROLLBACK');
    } catch {
      /* the connection is gone, and the transaction with it: the first error says why */
    }
    throw error;
  }
}

/** Inserts rows as JSON, which PostgreSQL turns into the table's own types, and moves the identity behind them. */
async function load(
  client: ClientBase,
  { table, rows }: TableRows,
  { signal }: { signal: AbortSignal | undefined },
): Promise<void> {
  const name = client.escapeIdentifier(table);
  const columns = Object.keys(rows[0] ?? {});
  const list = columns.map((column) => client.escapeIdentifier(column)).join(', ');
  for (let start = 0; start < rows.length; start += maxRowsPerInsert) {
    signal?.throwIfAborted();
    await client.query(
      `INSERT INTO ${name} (${list}) OVERRIDING SYSTEM VALUE
       SELECT ${list} FROM json_populate_recordset(NULL::${name}, $1)`,
      [JSON.stringify(rows.slice(start, start + maxRowsPerInsert))],
    );
  }
  if (columns.includes('id')) {
    await client.query(`SELECT setval(pg_get_serial_sequence($1, 'id'), max(id)) FROM ${name}`, [table]);
  }
}
