/**
 * Puts a job's rows away while its query runs, in chunks (results.ts has their form, chunk-queue.ts brings them to the
 * store). The query waits only for the store; rows that come slowly are written before their chunk is full, so that readers
 * see them.
 */
import type { Patience } from '../db/patience.ts';
import { type Cell, type ResultColumn, RunError, type RunEvent } from '../engines/engine.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import type { Hold } from '../jobs/store.ts';
import type { Bus } from '../lib/bus.ts';
import { collectAll } from '../lib/collect.ts';
import type { Topic } from '../lib/topics.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { createChunkQueue } from './chunk-queue.ts';
import { attemptFolder, maxChunkBytes } from './results.ts';
import { maxChunkRows, type ResultStore } from './store.ts';

export interface ResultWriterDeps {
  store: Pick<ResultStore, 'begin' | 'append' | 'end' | 'put'>;
  blobs: Pick<BlobStore, 'put'>;
  bus: Pick<Bus<Topic>, 'ring'>;
  hold: Hold;
  patience: Patience;
  timing?: EarlyTiming;
}

/** So long the first row of a chunk waits for more: each chunk that was cut early makes the next one wait longer. */
export interface EarlyTiming {
  firstWaitMs: number;
  growthMs: number;
}

/** A row a second for the 24 hours that a job may last: 6,500 chunks, the last of which waited 26 s. */
const earlyTiming: EarlyTiming = { firstWaitMs: 200, growthMs: 4 };

/** No more is gathered while a chunk of so many bytes is written: of rows of 30 MB there is one at a time. */
const longChunkBytes = 4 * maxChunkBytes;

/**
 * Of one row as JSON: half as much again as the longest message of a target, for quotes and line breaks. A control character
 * becomes six, and whoever reads the row has all of them in memory, several times over.
 */
export const maxLineBytes = 96 * 2 ** 20;

/**
 * Takes the events of a run in order. Every method throws LostHold when the job is another worker's by now, and
 * StorageFailed when the store failed, also for rows that an earlier call has brought.
 */
export interface ResultWriter {
  begin(index: number, statement: string, columns: ResultColumn[]): Promise<void>;
  /** @throws RunError LIMIT_EXCEEDED for a row that is too long to be kept */
  rows(rows: readonly Cell[][]): Promise<void>;
  end(event: Extract<RunEvent, { type: 'end' }>): Promise<void>;
  /** Of a statement without columns, instead of both. */
  whole(statement: string, event: Extract<RunEvent, { type: 'end' }>): Promise<void>;
  /** Writes what it still has, so that a failed or cancelled job shows what came before. The last call of a run that broke off. */
  flush(): Promise<void>;
}

interface OpenSet {
  readonly id: string;
  readonly index: number;
  chunks: number;
  rows: number;
}

export function createResultWriter({
  store,
  blobs,
  bus,
  hold,
  patience,
  timing = earlyTiming,
}: ResultWriterDeps): ResultWriter {
  let current: OpenSet | null = null;
  let lines: string[] = [];
  let bytes = 0;
  let earlyChunks = 0;
  let timer: NodeJS.Timeout | undefined;
  const ring = () => bus.ring('job.rows', hold.id);
  const chunks = createChunkQueue({ store, blobs, hold, patience, onStored: ring });

  /** Hands on what was gathered. @returns when more may come: behind a single long row, when that is stored */
  async function cut(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    if (!current || lines.length === 0) return;
    const set = current;
    const text = lines;
    const long = bytes > longChunkBytes;
    const blob = `${attemptFolder(hold)}/${set.index}-${set.chunks}`;
    const chunk = { index: set.chunks, firstRow: set.rows, rows: text.length, blob };
    lines = [];
    bytes = 0;
    set.chunks += 1;
    set.rows += text.length;
    await chunks.push(set.id, chunk, text);
    if (!long) return;
    await chunks.drained();
    collectAll();
  }

  function cutSoon(): void {
    timer ??= setTimeout(
      () => {
        // While the store is slow, more is gathered instead of more being handed over.
        chunks
          .drained()
          .then(async () => {
            if (timer === undefined) return;
            earlyChunks += 1;
            await cut();
          })
          .catch(ignored);
      },
      timing.firstWaitMs + earlyChunks * timing.growthMs,
    );
  }

  return {
    async begin(index, statement, columns) {
      const id = await patience(() => store.begin(hold, { index, statement, columns }));
      if (id === null) throw new LostHold();
      current = { id, index, chunks: 0, rows: 0 };
    },
    async rows(rows) {
      chunks.check();
      for (const row of rows) {
        const line = JSON.stringify(row);
        if (isTooLong(line)) throw tooLong(current?.index);
        lines.push(line);
        bytes += line.length;
        if (lines.length >= maxChunkRows || bytes >= maxChunkBytes) await cut();
      }
      if (lines.length > 0) cutSoon();
    },
    async end({ command, rowCount, truncated, durationMs }) {
      await cut();
      await chunks.drained();
      if (!current) return;
      const { id } = current;
      if (!(await patience(() => store.end(hold, id, { command, rowCount, truncated, durationMs }))))
        throw new LostHold();
      current = null;
      ring();
    },
    async whole(statement, { index, command, rowCount, truncated, durationMs }) {
      const set = { index, statement, command, rowCount, truncated, durationMs };
      if (!(await patience(() => store.put(hold, set)))) throw new LostHold();
      ring();
    },
    async flush() {
      await cut();
      await chunks.drained();
    },
  };
}

/** A character is up to three bytes. */
const isTooLong = (line: string): boolean => line.length > maxLineBytes / 3 && Buffer.byteLength(line) > maxLineBytes;

const tooLong = (statement: number | undefined) =>
  new RunError({
    code: 'LIMIT_EXCEEDED',
    message: `A row of more than ${maxLineBytes / 2 ** 20} MiB as JSON`,
    hint: 'Ask for less of a value at once, e.g. by substring(), or export it to a file.',
    statement,
  });

/** The next call throws it. */
const ignored = () => undefined;
