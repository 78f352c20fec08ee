/**
 * The contract that every export format implements: rows of raw text in, bytes of a file out. Which formats there are
 * is registry.ts; what a file is compressed with, and where it goes, are sinks that a format knows nothing of.
 */

import type { ExportType } from '../engines/export-type.ts';

export type { ExportType, ScalarType } from '../engines/export-type.ts';

export interface ExportColumn {
  /** As the query names it: not unique, may be empty. */
  readonly name: string;
  readonly type: ExportType;
}

/**
 * Values as PostgreSQL prints them under the settings of our sessions, for every engine: booleans `t` and `f`, binary
 * `\x…` in hex, lists `{…}` with quotes and backslashes (`[5:6]={…}` where they do not begin at 1), times in ISO 8601
 * with a blank for the T, intervals in ISO 8601, `NaN`, `Infinity`; json is sound JSON. Null is null. Formats rely on
 * it that a value is of the kind of its column: where an engine cannot promise that, the kind is `other`.
 */
export type ExportRow = readonly (string | null)[];

export interface ResultSet {
  /** Of the sheet, or of the table that statements fill. */
  readonly name: string;
  readonly columns: readonly ExportColumn[];
}

/** Where bytes go, one write at a time: text is written as UTF-8. */
export interface Sink {
  /**
   * Resolves when more may come; the bytes are the sink's for good, and nobody changes them any more.
   * @throws whatever keeps it from taking more
   */
  write(bytes: Uint8Array | string): Promise<void>;
}

export interface FormatOptions {
  /** Cells that a spreadsheet would run as a formula are made text, which changes them; formats without such cells ignore it. */
  readonly safe?: boolean | undefined;
  /** A folder for what cannot be streamed; the caller's, and there. */
  readonly temporaryFolder: string;
  readonly signal: AbortSignal;
}

/** Rows that an engine has made lines of by itself (`RunOptions.raw`). */
export interface CopyLines {
  readonly format: 'CSV' | 'TSV';
  /** Whole lines, of so many rows, without one of names; as `rows` otherwise. The bytes are the sink's for good. */
  write(lines: Buffer, rows: number): Promise<void>;
}

/**
 * Writes one file: `begin`, `rows` …, `end` for a result set (for several where the format has sheets), then `close`.
 * One call at a time. Each throws what the sink throws, or the signal's reason; then only disposal is left.
 */
export interface FormatWriter extends AsyncDisposable {
  begin(set: ResultSet): Promise<void>;
  /** As many values a row as the set has columns. */
  rows(rows: readonly ExportRow[]): Promise<void>;
  /** Where rows of a set may come as lines of PostgreSQL's COPY as well. */
  readonly copy?: CopyLines | undefined;
  end(): Promise<void>;
  /** Writes the end of the file; the sink has all of it when this resolves. */
  close(): Promise<void>;
  /** Frees what the writer holds, also when it broke off. Writes nothing, ends no sink. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Format {
  /** Its key in the registry, in lower case. */
  readonly name: string;
  /** Without the dot. */
  readonly extension: string;
  readonly mimeType: string;
  /** It heeds `FormatOptions.safe`. */
  readonly canBeSafe: boolean;
  /** One file holds several result sets; else each is a file of its own. */
  readonly sheets: boolean;
  open(sink: Sink, options: FormatOptions): FormatWriter;
}
