/** PostGraphile 5 over tables that hold the same catalogue as rows, indexed as it would want them. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The catalogue of the database as rows, in the schema `book`. */
export const rowsOfCatalogue = `
CREATE SCHEMA book;
CREATE TABLE book.tables AS
  SELECT row_number() OVER (ORDER BY n.nspname, c.relname)::int AS id, n.nspname::text AS schema, c.relname::text AS name,
    'TABLE' AS kind, obj_description(c.oid) AS comment, c.oid AS rel
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname ~ '^s[0-9]+$';
ALTER TABLE book.tables ADD PRIMARY KEY (id);
CREATE TABLE book.columns AS
  SELECT row_number() OVER ()::int AS id, t.id AS table_id, a.attname::text AS name, a.attnum::int AS position,
    format_type(a.atttypid, a.atttypmod) AS data_type, NOT a.attnotnull AS nullable,
    pg_get_expr(d.adbin, d.adrelid) AS "default", a.attname = 'id' AS primary_key, a.attname IN ('id', 'email') AS "unique",
    col_description(t.rel, a.attnum) AS comment
  FROM book.tables t JOIN pg_attribute a ON a.attrelid = t.rel AND a.attnum > 0
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum ORDER BY t.id, a.attnum;
ALTER TABLE book.columns ADD PRIMARY KEY (id);
ALTER TABLE book.columns ADD CONSTRAINT of_table FOREIGN KEY (table_id) REFERENCES book.tables;
CREATE INDEX ON book.columns (table_id);
CREATE TABLE book.constraints AS
  SELECT row_number() OVER ()::int AS id, t.id AS table_id, c.conname::text AS name,
    CASE c.contype WHEN 'p' THEN 'PRIMARY_KEY' WHEN 'f' THEN 'FOREIGN_KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'OTHER' END AS kind,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.rel AND a.attnum = ANY (c.conkey)) AS columns,
    pg_get_constraintdef(c.oid) AS definition
  FROM book.tables t JOIN pg_constraint c ON c.conrelid = t.rel ORDER BY t.id, c.conname;
ALTER TABLE book.constraints ADD PRIMARY KEY (id);
ALTER TABLE book.constraints ADD CONSTRAINT of_table FOREIGN KEY (table_id) REFERENCES book.tables;
CREATE INDEX ON book.constraints (table_id);
ALTER TABLE book.tables DROP COLUMN rel;
ANALYZE book.tables, book.columns, book.constraints`;

export const question = `query Page($first: Int!) {
  allTables(first: $first) {
    totalCount
    nodes {
      name kind comment
      columnsByTableId { nodes { name dataType nullable default primaryKey } }
      constraintsByTableId { nodes { name kind columns } }
    }
  }
}`;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A node program of the benchmark, answering on its port. */
export async function started(args: string[], url: string, body: string, headers: Record<string, string>) {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}`);
    const response = await fetch(url, { method: 'POST', body, headers }).catch(() => null); // Nobody listens yet.
    if (response?.ok) return { child, text: await response.text() };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function startPostgraphile(
  client: pg.Client,
  connection: { user: string; password: string; host: string; port: number; database: string },
) {
  await client.query(rowsOfCatalogue);
  const { user, password, host, port: serverPort, database } = connection;
  const port = await freePort();
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const body = JSON.stringify({ query: question, variables: { first: 20, n: 'COUNTER' } });
  const target = `postgres://${user}:${encodeURIComponent(password)}@${host}:${serverPort}/${database}`;
  const program = 'bench/node_modules/postgraphile/dist/cli-run.js';
  const args = [
    program,
    '-P',
    'postgraphile/presets/amber',
    '-c',
    target,
    '-s',
    'book',
    '-p',
    `${port}`,
    '-n',
    '127.0.0.1',
  ];
  const url = `http://127.0.0.1:${port}/graphql`;
  const { child, text } = await started(args, url, body, headers);
  return { child, text, load: { url, headers, body, pid: child.pid! } };
}
