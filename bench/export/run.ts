/**
 * Rows a second of an export by a whole Quarry, from its submission to the file that is there, and the peak memory of the
 * process that exports, of those that it starts, which are PARQUET's, and of the worker whose child it is; beside `psql \copy` of the same query to a file. Each in a
 * process of its own, the ways in turn, in every round.
 * `node bench/export/run.ts [rows] [rounds] [ways, e.g. csv,csv.zstd,ndjson] [postgres URL]`; psql has to be on the PATH.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { compressions } from '../../src/exports/compression.ts';
import { formats } from '../../src/exports/registry.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';
import { createOrders, selectOrders } from './orders.ts';
import { type BenchTarget, type ExportResult, type ExportTask, startExporter } from './quarry.ts';

const database = 'quarry_bench_export';
const [rowsText = '1000000', roundsText = '3', waysText, url] = process.argv.slice(2);
const rows = Number(rowsText);
const rounds = Number(roundsText);
const ways = waysText?.split(',') ?? [
  ...Object.keys(formats),
  ...Object.keys(compressions).map((compression) => `csv.${compression}`),
];

async function byPsql(target: BenchTarget, directory: string): Promise<ExportResult> {
  const { host, port, user, password } = target;
  const path = join(directory, 'psql.csv');
  const startedAt = performance.now();
  await promisify(execFile)('psql', ['-Xqc', `\\copy (${selectOrders}) TO '${path}' (FORMAT csv, HEADER)`], {
    env: {
      ...process.env,
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: password,
      PGDATABASE: database,
    },
  });
  const elapsedMs = performance.now() - startedAt;
  return {
    rows,
    bytes: (await stat(path)).size,
    elapsedMs,
    idleBytes: 0,
    peakBytes: 0,
    workerPeakBytes: 0,
    childPeakBytes: 0,
  };
}

function taskOf(way: string): ExportTask {
  const [format = '', compression = 'none'] = way.split('.');
  if (!(format in formats) || !(compression === 'none' || compression in compressions)) {
    throw new Error(`there is no way ${way}`);
  }
  // Named as in the API, but for their case.
  return {
    sql: selectOrders,
    format: format.toUpperCase() as ExportTask['format'],
    compression: compression.toUpperCase() as ExportTask['compression'],
  };
}

const server = await serverOf(url);
const directory = await mkdtemp(join(tmpdir(), 'quarry-bench-export-'));
try {
  await using stack = new AsyncDisposableStack();
  const { host, port, user, password } = server;
  const admin = new pg.Client({ host, port, user, password, database: 'postgres' });
  await admin.connect();
  stack.defer(() => admin.end());
  await admin.query(`DROP DATABASE IF EXISTS ${database}`);
  await admin.query(`CREATE DATABASE ${database}`);
  stack.defer(async () => void (await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)));
  const target = { host, port, user, password, database };
  const client = new pg.Client(target);
  await client.connect();
  // The first reader of a new row writes its hint bits: none of those that are measured.
  await client.query(createOrders(rows));
  await client.query('VACUUM ANALYZE orders');
  await client.end();

  const runs = new Map<string, () => Promise<ExportResult>>([['psql', () => byPsql(target, directory)]]);
  const quarry = stack.use(await startExporter(target));
  for (const way of ways) {
    const task = taskOf(way);
    runs.set(way, () => quarry.export(task));
  }
  const results = new Map([...runs.keys()].map((way): [string, ExportResult[]] => [way, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [way, run] of runs) {
      const result = await run();
      if (result.rows !== rows) throw new Error(`${way} wrote ${result.rows} rows`);
      results.get(way)?.push(result);
    }
  }

  console.log(`${rows} rows, median of ${rounds} rounds; memory is the most of all rounds, and above the idle process`);
  for (const [way, all] of results) {
    const ms = median(all.map(({ elapsedMs }) => elapsedMs));
    // Each by that of its own round, since other load comes and goes.
    const ratios = all.map(({ elapsedMs }, i) => (results.get('psql')?.[i]?.elapsedMs ?? Number.NaN) / elapsedMs);
    const mb = (bytes: readonly number[]) => (Math.max(...bytes) / 1e6).toFixed(0).padStart(4);
    const peak = mb(all.map(({ peakBytes }) => peakBytes));
    const grown = mb(all.map(({ peakBytes, idleBytes }) => peakBytes - idleBytes));
    const children = mb(all.map(({ childPeakBytes }) => childPeakBytes));
    const worker = mb(all.map(({ workerPeakBytes }) => workerPeakBytes));
    console.log(
      `${way.padEnd(12)} ${((rows / ms) * 1_000).toFixed(0).padStart(9)} rows/s  ${median(ratios).toFixed(2).padStart(5)} x psql` +
        `  ${mb(all.map(({ bytes }) => bytes))} MB file${way === 'psql' ? '' : `  ${peak} MB peak  ${grown} MB above idle  ${children} MB children  ${worker} MB worker`}`,
    );
  }
} finally {
  await rm(directory, { recursive: true, force: true });
  await server.stop();
}
