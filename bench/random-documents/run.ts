/**
 * GQL-4 (1): valid documents as chance has them, over a database of 1,000 tables that is read live and from its snapshot.
 * Ends with 1 where one is a fault of the server, or sends the database more than 20 statements.
 * `node bench/random-documents/run.ts [documents] [seed]`
 */
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { createSchema } from '../../src/graph/schema.ts';
import { randomDocument, randomOf, randomVariables } from '../../test/graph/random-documents.ts';
import { ConnectDocument } from '../../test/support/operations.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { startQuarry } from '../../test/support/server.ts';
import { percentile } from '../support/percentile.ts';
import { openCountedLine } from './statements.ts';

const documents = Number(process.argv[2] ?? 1_000);
const seed = Number(process.argv[3] ?? 7);
const tables = 1_000;
const mostStatements = 20;
/** Documents before the memory is looked at for the first time. */
const warmUp = 200;

const fixture = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.customers (id serial PRIMARY KEY, name text NOT NULL, born date);
  CREATE VIEW shop.adults AS SELECT id, name FROM shop.customers WHERE born < '2000-01-01';
  DO $$ BEGIN FOR n IN 1..${tables} LOOP
    EXECUTE format('CREATE TABLE shop.t%s (id int PRIMARY KEY, customer_id int REFERENCES shop.customers, c1 text, c2 jsonb)', n);
  END LOOP; END $$`;

await using server = await startPostgres();
const { host, port, user, password } = server;
const client = new pg.Client({ host, port, user, password, database: 'postgres' });
await client.connect();
await client.query(fixture);
await client.end();
await using line = await openCountedLine(server);
await using quarry = await startQuarry();
await quarry.until('sample.ready');
const account = await quarry.register();
const connection = { host, port: line.port, user, password, database: 'postgres', ssl: 'DISABLE' as const };
const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'Shop', connection } }, account);
const { id } = connectDatabase.database;
await quarry.execute(
  'mutation ($input: RefreshCatalogInput!) { refreshCatalog(input: $input) { database { id } } }',
  { input: { databaseId: id } },
  account,
);

const megabytes = async () => {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${quarry.pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1_024);
};

const schema = createSchema();
const random = randomOf(seed);
const times: number[] = [];
const counts: number[] = [];
const codes: Record<string, number> = {};
let faults = 0;
let before = 0;
for (let asked = 0; asked < documents; asked += 1) {
  if (asked === Math.min(warmUp, documents - 1)) before = await megabytes();
  const query = randomDocument(schema, random);
  line.takeCount();
  const begun = performance.now();
  const { status, code } = await quarry.execute(query, { id, ...randomVariables(random) }, account);
  times.push(performance.now() - begun);
  counts.push(line.takeCount());
  codes[code ?? 'OK'] = (codes[code ?? 'OK'] ?? 0) + 1;
  if (status >= 500 || code === 'INTERNAL_SERVER_ERROR') faults += 1;
}
const after = await megabytes();

const most = Math.max(...counts);
const passed = faults === 0 && most <= mostStatements;
console.log(
  `GQL-4 (1) documents=${documents} seed=${seed} tables=${tables} ${JSON.stringify(codes)} faults=${faults} ` +
    `p50=${percentile(times, 0.5).toFixed(1)}ms p99=${percentile(times, 0.99).toFixed(1)}ms ` +
    `statements=${most} of ${mostStatements} rss=${before}→${after}MB ${passed ? 'PASS' : 'FAIL'}`,
);
if (!passed) process.exitCode = 1;
