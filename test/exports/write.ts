/** Files in memory, as a format writes them. */
import { tmpdir } from 'node:os';
import type { ExportColumn, ExportRow, Format, FormatOptions, ResultSet, Sink } from '../../src/exports/format.ts';

/** Keeps what it is given; `file` is all of it. */
export function memorySink(): Sink & { readonly writes: Buffer[]; file(): Buffer } {
  const writes: Buffer[] = [];
  return {
    writes,
    write: async (bytes) => {
      // Not a copy: a writer that uses its buffer again is found out.
      writes.push(
        typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      );
    },
    file: () => Buffer.concat(writes),
  };
}

export const formatOptions = (options: Partial<FormatOptions> = {}): FormatOptions => ({
  temporaryFolder: tmpdir(),
  signal: new AbortController().signal,
  ...options,
});

export async function writeTo(
  sink: Sink,
  format: Format,
  sets: readonly (ResultSet & { rows: readonly ExportRow[] })[],
  options: Partial<FormatOptions> = {},
): Promise<void> {
  await using writer = format.open(sink, formatOptions(options));
  for (const { rows, ...set } of sets) {
    await writer.begin(set);
    // In batches, as rows arrive.
    for (let from = 0; from < rows.length; from += 1_000) await writer.rows(rows.slice(from, from + 1_000));
    await writer.end();
  }
  await writer.close();
}

/** A file of one result set. */
export async function write(
  format: Format,
  columns: readonly ExportColumn[],
  rows: readonly ExportRow[],
  options: Partial<FormatOptions> & { readonly setName?: string } = {},
): Promise<Buffer> {
  const sink = memorySink();
  await writeTo(sink, format, [{ name: options.setName ?? 'result', columns, rows }], options);
  return sink.file();
}

export const textColumns = (...names: string[]): ExportColumn[] =>
  names.map((name) => ({ name, type: { kind: 'text' } }));
