/**
 * PARQUET, by DuckDB in a process of its own (parquet-process.ts): rows go to it as lines of text through one named pipe, the file
 * comes back through another, so that neither is ever whole in memory or on disk. What a column becomes is
 * parquet-columns.ts.
 */
import { parseCopyText } from '../engines/copy-text.ts';
import { AppError } from '../lib/errors.ts';
import type { ExportRow, Format, FormatOptions, FormatWriter, ResultSet, Sink } from './format.ts';
import {
  copyStatement,
  delimiter,
  type EncodeField,
  fieldEncoders,
  nullField,
  placelessOf,
  takesLines,
  Unwritable,
} from './parquet-columns.ts';
import { openParquetPipe, ParquetFault, type ParquetPipe } from './parquet-pipe.ts';

const memoryMiB = 256;
/** Small groups: what readers gain by larger ones costs the memory of an export. */
const rowGroupRows = 30_720;
const rowGroupBytes = 32 * 2 ** 20;
/** Of one row as it travels: DuckDB takes four times as much beside a row group. */
const maxRowBytes = 8 * 2 ** 20;
/** DuckDB skips one before the first line: ours, lest it be one of the first value. */
const byteOrderMark = '\ufeff';
/** UTF-16 units that are gathered before they go on. */
const chunkLength = 65_536;

/**
 * Integers, floats, decimals of known digits, booleans, dates, times, timestamps, uuids, binary, json and lists of them
 * keep their type; all else is text. @throws AppError, from a writer: LIMIT_EXCEEDED for a value that Parquet has no
 * place for, with its column and row; NOT_CONFIGURED where DuckDB's native module, or named pipes, are not there
 */
export const parquet: Format = {
  name: 'parquet',
  extension: 'parquet',
  mimeType: 'application/vnd.apache.parquet',
  canBeSafe: false,
  sheets: false,
  open: openParquet,
};

interface OpenSet {
  readonly pipe: ParquetPipe;
  readonly set: ResultSet;
  readonly encoders: readonly EncodeField[];
  readonly takesLines: boolean;
}

function openParquet(sink: Sink, { signal, temporaryFolder }: FormatOptions): FormatWriter {
  let current: OpenSet | null = null;
  let text = '';
  let rowCount = 0;
  let begun = false;

  function lineOf({ set, encoders }: OpenSet, row: readonly (string | null)[]): string {
    let line = '';
    for (let index = 0; index < row.length; index++) {
      if (index > 0) line += delimiter;
      const value = row[index]!;
      try {
        line += value === null ? nullField : encoders[index]!(value);
      } catch (error) {
        if (!(error instanceof Unwritable)) throw error;
        throw noPlace(set.columns[index]!.name, error.message, rowCount);
      }
    }
    // A line that is empty is none to DuckDB.
    if (row.length === 1) line += delimiter;
    // A character of UTF-16 is at most three bytes of UTF-8.
    if (line.length * 3 > maxRowBytes && Buffer.byteLength(line) >= maxRowBytes) throw tooLong(rowCount);
    return `${line}\n`;
  }

  async function writeRows(set: OpenSet, rows: readonly ExportRow[]): Promise<void> {
    for (const row of rows) {
      rowCount++;
      text += lineOf(set, row);
      if (text.length >= chunkLength) await flush(set);
    }
  }

  async function flush(set: OpenSet): Promise<void> {
    const lines = text;
    text = '';
    await toDuckDb(set, lines);
  }

  /** @param lines of `rows` rows; several of them are far from the longest one */
  async function writeLines(set: OpenSet, lines: Buffer, rows: number): Promise<void> {
    if (!set.takesLines) return writeRows(set, parseCopyText(lines, set.set.columns.length));
    rowCount += rows;
    if (rows === 1 && lines.length > maxRowBytes) throw tooLong(rowCount);
    await flush(set);
    await toDuckDb(set, lines);
  }

  async function toDuckDb({ pipe, set }: OpenSet, lines: string | Uint8Array): Promise<void> {
    if (lines.length === 0) return;
    if (!begun) await said(set, () => pipe.write(byteOrderMark));
    begun = true;
    await said(set, () => pipe.write(lines));
  }

  /** What DuckDB finds out about a value, in our words. */
  async function said<T>(set: ResultSet, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const found = error instanceof ParquetFault ? placelessOf(error.reason) : null;
      throw found === null ? error : noPlace(set.columns[found.column]!.name, found.what);
    }
  }

  return {
    copy: {
      format: 'TSV',
      async write(lines, rows) {
        signal.throwIfAborted();
        await writeLines(current!, lines, rows);
      },
    },
    async begin(set) {
      signal.throwIfAborted();
      if (current !== null) throw new Error('a second result set');
      if (set.columns.length === 0) throw new AppError('LIMIT_EXCEEDED', 'A file of PARQUET has at least one column.');
      const limits = { rowGroupRows, rowGroupBytes, maxRowBytes };
      const pipe = openParquetPipe(
        { sink, signal, temporaryFolder },
        { statement: (paths) => copyStatement(set.columns, paths, limits), memoryMiB },
      );
      current = { pipe, set, encoders: fieldEncoders(set.columns), takesLines: takesLines(set.columns) };
    },
    async rows(rows) {
      signal.throwIfAborted();
      await writeRows(current!, rows);
    },
    async end() {
      await flush(current!);
    },
    async close() {
      const { pipe, set } = current!;
      const written = await said(set, () => pipe.end());
      // Whatever went wrong unseen: a file that lacks rows is none.
      if (written !== rowCount) throw new Error(`PARQUET has ${written} of ${rowCount} rows`);
    },
    async [Symbol.asyncDispose]() {
      await current?.pipe[Symbol.asyncDispose]();
    },
  };
}

/** @param row where it is known: DuckDB does not tell it */
const noPlace = (column: string, what: string, row?: number) =>
  new AppError(
    'LIMIT_EXCEEDED',
    `Column "${column}" of ${row === undefined ? 'a row' : `row ${row}`} ${what}, which PARQUET cannot hold there. Cast the column to text.`,
    { details: row === undefined ? { column } : { column, row } },
  );

const tooLong = (row: number) =>
  new AppError(
    'LIMIT_EXCEEDED',
    `Row ${row} is longer than ${maxRowBytes} bytes, the most that PARQUET takes. Other formats take it.`,
    {
      details: { row },
    },
  );
