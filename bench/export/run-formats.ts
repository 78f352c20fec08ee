/**
 * Rows a second of each format by itself: rows of eight mixed columns that are in memory already, into a sink that only
 * counts. `node bench/export/run-formats.ts [rows] [formats, e.g. csv,ndjson]`
 */
import { tmpdir } from 'node:os';
import pg from 'pg';
import { parseCopyText } from '../../src/engines/copy-text.ts';
import type { ExportColumn, ExportRow, ExportType, Sink } from '../../src/exports/format.ts';
import { type FormatName, formats } from '../../src/exports/registry.ts';
import { copyOut } from '../../test/support/copy.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';
import { createOrders, selectOrders } from './orders.ts';

const [rowsText = '500000', namesText = Object.keys(formats).join(',')] = process.argv.slice(2);
/** Small enough for the processor's caches, as a batch on its way is. */
const batchRows = 1_000;
const batches = Math.ceil(Number(rowsText) / batchRows);
const rounds = 5;

const kinds: Record<string, ExportType['kind']> = {
  id: 'int64',
  customer: 'text',
  total: 'decimal',
  score: 'float64',
  paid: 'boolean',
  ordered_at: 'timestamptz',
  reference: 'uuid',
  note: 'text',
};
const columns = Object.entries(kinds).map(([name, kind]) => ({ name, type: { kind } })) as ExportColumn[];

async function orders(): Promise<ExportRow[]> {
  const server = await serverOf(undefined);
  const client = new pg.Client({ ...server, database: 'postgres' });
  try {
    await client.connect();
    await client.query(`SET timezone = 'UTC'; ${createOrders(batchRows)}`);
    return parseCopyText(await copyOut(client, `COPY (${selectOrders}) TO STDOUT`), columns.length);
  } finally {
    await client.end();
    await server.stop();
  }
}

async function timed(name: FormatName, rows: readonly ExportRow[]): Promise<{ bytes: number; elapsedMs: number }> {
  let bytes = 0;
  const sink: Sink = {
    write: async (chunk) => {
      bytes += chunk.length;
    },
  };
  const { signal } = new AbortController();
  const startedAt = performance.now();
  await using writer = formats[name].open(sink, { temporaryFolder: tmpdir(), signal });
  await writer.begin({ name: 'orders', columns });
  for (let batch = 0; batch < batches; batch++) await writer.rows(rows);
  await writer.end();
  await writer.close();
  return { bytes, elapsedMs: performance.now() - startedAt };
}

const rows = await orders();
console.log(`${batches * batchRows} rows of ${columns.length} columns, median of ${rounds} rounds`);
for (const name of namesText.split(',') as FormatName[]) {
  // The first round warms up and does not count.
  await timed(name, rows);
  const results = [];
  for (let round = 0; round < rounds; round++) results.push(await timed(name, rows));
  const ms = median(results.map(({ elapsedMs }) => elapsedMs));
  const mb = (results[0]?.bytes ?? 0) / 1e6;
  console.log(
    `${name.padEnd(8)} ${((batches * batchRows) / ms).toFixed(0).padStart(6)} thousand rows/s ${((mb / ms) * 1_000).toFixed(0).padStart(5)} MB/s`,
  );
}
