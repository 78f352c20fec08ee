/** Gathers the rows of a COPY into buffers of whole rows, byte by byte as they came: no row becomes an object or a text. */
import { collectYoung } from '../../lib/collect.ts';
import { NotPostgresql } from './errors.ts';
import type { CopyTaker } from './guard.ts';

const lineFeed = 10;
/** So much of buffers that were written may lie: left to itself V8 lets them come to eighty megabytes. */
const garbageBytes = 4 * 2 ** 20;

export interface CopyLines {
  /** Whole rows. */
  readonly lines: Buffer;
  readonly rows: number;
}

export interface CopyGatherer extends CopyTaker {
  /** Buffers that are full. */
  readonly full: number;
  /** There is one that is not. */
  readonly begun: boolean;
  /** The next buffer; one that is not full only where no other is. Null where there is no whole row, or one is half there. */
  take(): CopyLines | null;
  /** What is there and what comes is thrown away. */
  discard(): void;
}

export interface CopyGathererDeps {
  /** Of a buffer; a row that is longer has one for itself. */
  readonly bytes: number;
  /** Kept in all; those behind them are thrown away. */
  readonly maxRows: number;
  /** A row is the first one of its buffer. */
  readonly onBegun: () => void;
  readonly onFull: () => void;
}

export function createCopyGatherer({ bytes, maxRows, onBegun, onFull }: CopyGathererDeps): CopyGatherer {
  const done: CopyLines[] = [];
  let buffer: Buffer | null = null;
  let end = 0;
  let rows = 0;
  let kept = 0;
  let keeping = false;
  let discarding = false;
  let made = 0;

  function makeBuffer(length: number): Buffer {
    if (made >= garbageBytes) {
      made = 0;
      collectYoung();
    }
    made += length;
    return Buffer.allocUnsafeSlow(length);
  }

  function cut(): void {
    if (buffer === null || rows === 0) return;
    done.push({ lines: buffer.subarray(0, end), rows });
    buffer = null;
    rows = 0;
  }

  return {
    begin(length) {
      keeping = !discarding && kept < maxRows;
      if (!keeping) return;
      if (length === 0) throw new NotPostgresql();
      if (buffer !== null && end + length > buffer.length) {
        cut();
        onFull();
      }
      if (buffer === null) {
        buffer = makeBuffer(Math.max(bytes, length));
        end = 0;
        onBegun();
      }
    },
    piece(chunk, start, stop) {
      if (!keeping || buffer === null) return;
      chunk.copy(buffer, end, start, stop);
      end += stop - start;
    },
    end() {
      if (!keeping) return;
      keeping = false;
      // Readers go from one end of a line to the next.
      if (buffer?.[end - 1] !== lineFeed) throw new NotPostgresql();
      kept += 1;
      rows += 1;
    },
    get full() {
      return done.length;
    },
    get begun() {
      return buffer !== null;
    },
    take() {
      // A row that is half there stays where it is.
      if (done.length === 0 && !keeping) cut();
      return done.shift() ?? null;
    },
    discard() {
      discarding = true;
      keeping = false;
      done.length = 0;
      buffer = null;
      rows = 0;
    },
  };
}
