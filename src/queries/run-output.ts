/** Where a run puts what it returns: kept as result sets for those who read them by page. Files are export-output.ts'. */
import type { Cell, ResultColumn, RunEvent } from '../engines/engine.ts';
import type { ResultWriter } from './result-writer.ts';

/** In order: `start`, `begin` where a statement has columns, `rows`, `end`; then `finish`, or `breakOff` where any of them failed. */
export interface RunOutput {
  /** Of all rows, as the target sends them. */
  readonly maxBytes: number;
  /** Before anything runs. */
  start(): Promise<void>;
  begin(index: number, statement: string, columns: ResultColumn[]): Promise<void>;
  rows(rows: Cell[][]): Promise<void>;
  /** Of every statement, also of one without columns. */
  end(event: Extract<RunEvent, { type: 'end' }>, statement: string): Promise<void>;
  finish(): Promise<void>;
  breakOff(): Promise<void>;
}

/** Of one job, as the target sent them; more belongs into an export. */
const maxResultBytes = 8 * 2 ** 30;

export function keepResults(writer: ResultWriter): RunOutput {
  let begun = -1;
  return {
    maxBytes: maxResultBytes,
    start: async () => undefined,
    async begin(index, statement, columns) {
      await writer.begin(index, statement, columns);
      begun = index;
    },
    rows: (rows) => writer.rows(rows),
    async end(event, statement) {
      // A statement without columns has a result set too: its command and what it affected.
      if (begun === event.index) await writer.end(event);
      else await writer.whole(statement, event);
    },
    finish: async () => undefined,
    breakOff: () => writer.flush(),
  };
}
