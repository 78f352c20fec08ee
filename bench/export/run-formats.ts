/**
 * Rows a second of each format by itself: rows of eight mixed columns that are in memory already, into a sink that only
 * counts; and XLSX by exceljs' streaming writer, in turn with ours. `node bench/export/run-formats.ts [rows, up to a
 * million with exceljs] [formats, e.g. csv,xlsx,exceljs]`; exceljs needs `npm ci` in bench.
 */
import { tmpdir } from 'node:os';
import { Writable } from 'node:stream';
import pg from 'pg';
import { parseCopyText } from '../../src/engines/copy-text.ts';
import type { ExportColumn, ExportRow, ExportType, Sink } from '../../src/exports/format.ts';
import { type FormatName, formats } from '../../src/exports/registry.ts';
import { copyOut } from '../../test/support/copy.ts';
import { median } from '../support/median.ts';
import { requirePeer } from '../support/peer.ts';
import { serverOf } from '../support/server.ts';
import { createOrders, selectOrders } from './orders.ts';

const [rowsText = '500000', namesText = [...Object.keys(formats), 'exceljs'].join(',')] = process.argv.slice(2);
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

/** The part of it that is used. */
interface Exceljs {
  stream: {
    xlsx: {
      WorkbookWriter: new (
        options: object,
      ) => {
        addWorksheet(name: string): {
          getColumn(place: number): { numFmt: string };
          addRow(cells: readonly unknown[]): { commit(): void };
          commit(): void;
        };
        commit(): Promise<void>;
      };
    };
  };
}

/** What each cell is to a spreadsheet. */
const cellOf: readonly ((text: string) => unknown)[] = columns.map(({ type: { kind } }) => {
  if (kind === 'int64' || kind === 'decimal' || kind === 'float64') return Number;
  if (kind === 'boolean') return (text) => text === 't';
  if (kind === 'timestamptz') return (text) => new Date(`${text.replace(' ', 'T')}:00`);
  return (text) => text;
});

async function timedExceljs(rows: readonly ExportRow[]): Promise<{ bytes: number; elapsedMs: number }> {
  const { stream: streaming } = requirePeer<Exceljs>('exceljs');
  let bytes = 0;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done();
    },
  });
  const startedAt = performance.now();
  const workbook = new streaming.xlsx.WorkbookWriter({ stream, useStyles: true });
  const sheet = workbook.addWorksheet('orders');
  sheet.getColumn(1 + columns.findIndex(({ name }) => name === 'ordered_at')).numFmt = 'yyyy-mm-dd hh:mm:ss';
  sheet.addRow(columns.map(({ name }) => name)).commit();
  for (let batch = 0; batch < batches; batch++) {
    for (const row of rows) sheet.addRow(row.map((text, i) => text && cellOf[i]!(text))).commit();
    // It does not say when it wants to wait.
    await new Promise((resolve) => setImmediate(resolve));
  }
  sheet.commit();
  await workbook.commit();
  return { bytes, elapsedMs: performance.now() - startedAt };
}

const rows = await orders();
const names = namesText.split(',');
const results = new Map(names.map((name): [string, Awaited<ReturnType<typeof timed>>[]] => [name, []]));
// The first round warms up and does not count; each is in turn, since other load comes and goes.
for (let round = 0; round <= rounds; round++) {
  for (const name of names) {
    const result = await (name === 'exceljs' ? timedExceljs(rows) : timed(name as FormatName, rows));
    if (round > 0) results.get(name)?.push(result);
  }
}
console.log(`${batches * batchRows} rows of ${columns.length} columns, median of ${rounds} rounds`);
for (const [name, all] of results) {
  const ms = median(all.map(({ elapsedMs }) => elapsedMs));
  const mb = (all[0]?.bytes ?? 0) / 1e6;
  console.log(
    `${name.padEnd(8)} ${((batches * batchRows) / ms).toFixed(0).padStart(6)} thousand rows/s ${((mb / ms) * 1_000).toFixed(0).padStart(5)} MB/s`,
  );
}
const [ours, theirs] = [results.get('xlsx'), results.get('exceljs')];
if (ours && theirs) {
  const ratios = ours.map(({ elapsedMs }, i) => (theirs[i]?.elapsedMs ?? Number.NaN) / elapsedMs);
  console.log(
    `xlsx ${median(ratios).toFixed(2)} x exceljs, of rounds ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}`,
  );
}
