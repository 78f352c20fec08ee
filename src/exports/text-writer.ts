/** What formats made of lines share: the text of many rows is gathered into one string, and leaves as one buffer. */
import { collectGrown } from '../lib/collect.ts';
import type { CopyLines, ExportRow, FormatOptions, FormatWriter, ResultSet, Sink } from './format.ts';

/** Of one write, in UTF-16 units: 64 KiB where all is ASCII, and at most three times as much. A longer row is one write. */
const writeUnits = 65_536;
/** Between two looks at the heap, of text that was written. */
const lookBytes = 2 ** 20;

/** A result set as text. */
export interface TextSet {
  readonly head: string;
  /** With whatever stands before or behind it. */
  row(row: ExportRow): string;
  /** Asked for once, behind the last row. */
  tail(): string;
}

/** @param copy what the lines of COPY are, where they are this format's */
export function createTextWriter(
  sink: Sink,
  { signal }: FormatOptions,
  open: (set: ResultSet) => TextSet,
  copy?: CopyLines['format'],
): FormatWriter {
  let text = '';
  let set: TextSet | null = null;
  let begun = false;
  let unlooked = 0;

  async function flush(): Promise<void> {
    signal.throwIfAborted();
    const bytes = Buffer.from(text);
    text = '';
    if (bytes.length > 0) await sink.write(bytes);
    unlooked += bytes.length;
    if (unlooked < lookBytes) return;
    unlooked = 0;
    collectGrown();
  }

  async function writeLines(lines: Uint8Array): Promise<void> {
    if (set === null) throw new Error('lines of no result set');
    await flush();
    await sink.write(lines);
  }

  return {
    copy: copy && { format: copy, write: writeLines },
    async begin(next) {
      signal.throwIfAborted();
      if (begun) throw new Error('a second result set in a file of one');
      begun = true;
      set = open(next);
      text += set.head;
    },
    async rows(rows) {
      signal.throwIfAborted();
      const current = set;
      if (current === null) throw new Error('rows of no result set');
      for (const row of rows) {
        text += current.row(row);
        if (text.length >= writeUnits) await flush();
      }
    },
    async end() {
      if (set !== null) text += set.tail();
      set = null;
      await flush();
    },
    close: flush,
    async [Symbol.asyncDispose]() {
      text = '';
      set = null;
    },
  };
}
