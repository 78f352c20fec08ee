/** Runs a script into files: rows go from the session to the writer, and whoever runs the job is told all the rest. */
import type { RunEvent, RunOptions, Session } from '../engines/engine.ts';
import type { ExportWriter } from '../exports/export-writer.ts';
import type { FormatName } from '../exports/registry.ts';

/** Rows that were given to the writer since it was told last. */
export interface WrittenEvent {
  readonly type: 'written';
  readonly index: number;
  readonly rows: number;
  /** As the target sent them. */
  readonly bytes: number;
  /** Of all files, so far. */
  readonly writtenBytes: number;
}

export type ToldEvent = Exclude<RunEvent, { type: 'rows' | 'raw' | 'lines' }> | WrittenEvent;

export interface RunScript extends Pick<RunOptions, 'parameters' | 'readOnly' | 'transaction' | 'maxRows'> {
  readonly sql: string;
}

interface ExportRunDeps {
  readonly session: Session;
  readonly writer: ExportWriter;
  /** Waited for. */
  readonly told: (event: ToldEvent) => Promise<void>;
}

/** The lines that an engine may make by itself, cells as they are; such a format's writer has a `copy` of the same name. */
const lines: Readonly<Partial<Record<FormatName, 'CSV' | 'TSV'>>> = { csv: 'CSV', tsv: 'TSV', parquet: 'TSV' };

/** Between two words about rows. */
const tellEveryMs = 100;

/** @throws RunError; whatever the writer throws, and `told` */
export async function runInto(
  { session, writer, told }: ExportRunDeps,
  { sql, format, safe, ...options }: RunScript & { readonly format: FormatName; readonly safe: boolean },
  signal: AbortSignal,
): Promise<void> {
  const raw = (safe ? undefined : lines[format]) ?? 'ROWS';
  let begun = -1;
  let toldAt = 0;
  let untold = { index: 0, rows: 0, bytes: 0 };

  async function tellWritten(): Promise<void> {
    if (untold.rows === 0) return;
    const event = { type: 'written', ...untold, writtenBytes: writer.writtenBytes() } as const;
    untold = { ...untold, rows: 0, bytes: 0 };
    toldAt = performance.now();
    await told(event);
  }

  for await (const event of session.run(sql, { ...options, raw, signal })) {
    if (event.type === 'raw' || event.type === 'lines') {
      const { rows, bytes } = await write(writer, event);
      untold = { index: event.index, rows: untold.rows + rows, bytes: untold.bytes + bytes };
      if (performance.now() - toldAt >= tellEveryMs) await tellWritten();
      continue;
    }
    if (event.type === 'rows') throw new TypeError('cells where raw text was asked for');
    await tellWritten();
    if (event.type === 'columns') {
      await writer.begin(event.columns);
      begun = event.index;
    }
    // What returns nothing has no file.
    if (event.type === 'end' && begun === event.index) await writer.end(event);
    await told(event);
  }
}

type Rows = Extract<RunEvent, { type: 'raw' | 'lines' }>;

async function write(writer: ExportWriter, event: Rows): Promise<{ rows: number; bytes: number }> {
  if (event.type === 'lines') {
    await writer.lines(event.lines, event.rows);
    return { rows: event.rows, bytes: event.lines.length };
  }
  await writer.rows(event.rows);
  return { rows: event.rows.length, bytes: event.bytes };
}
