/**
 * Puts a job's rows away while its query runs, in chunks (results.ts has their form). The query waits only for the store;
 * rows that come slowly are written before their chunk is full, so that readers see them.
 */
import type { Patience } from '../db/patience.ts';
import type { Cell, ResultColumn, RunEvent } from '../engines/engine.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import type { Hold } from '../jobs/store.ts';
import type { Bus } from '../lib/bus.ts';
import { collectAll } from '../lib/collect.ts';
import type { Topic } from '../lib/topics.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { StorageFailed } from '../storage/storage-failed.ts';
import { attemptFolder, encodeChunk, maxChunkBytes } from './results.ts';
import { maxChunkRows, type ResultStore } from './store.ts';

export interface ResultWriterDeps {
  store: Pick<ResultStore, 'begin' | 'append' | 'end'>;
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
 * Takes the events of a run in order. Every method throws LostHold when the job is another worker's by now, and
 * StorageFailed when the store failed, also for rows that an earlier call has brought.
 */
export interface ResultWriter {
  begin(index: number, statement: string, columns: ResultColumn[]): Promise<void>;
  rows(rows: readonly Cell[][]): Promise<void>;
  end(event: Extract<RunEvent, { type: 'end' }>): Promise<void>;
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
  /** The chunks being written, in their order; fails for good with the first that fails. The next one is gathered meanwhile. */
  let writing: Promise<void> = Promise.resolve();
  let fault: unknown = null;
  const ring = () => bus.ring('job.rows', hold.id);

  async function write(set: OpenSet, chunk: number, firstRow: number, text: readonly string[]): Promise<void> {
    const blob = `${attemptFolder(hold)}/${set.index}-${chunk}`;
    try {
      await blobs.put(blob, await encodeChunk(text));
    } catch (cause) {
      throw new StorageFailed('the rows could not be stored', { cause });
    }
    const stored = { index: chunk, firstRow, rows: text.length, blob };
    if (!(await patience(() => store.append(hold, set.id, stored)))) throw new LostHold();
    ring();
  }

  /** Hands what was gathered to the store. @returns when all before it is stored; and itself, where it is a single long row */
  function cut(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const before = writing;
    if (!current || lines.length === 0) return before;
    const set = current;
    const text = lines;
    const long = bytes > longChunkBytes;
    const { chunks, rows } = set;
    lines = [];
    bytes = 0;
    set.chunks += 1;
    set.rows += text.length;
    writing = before.then(() => write(set, chunks, rows, text));
    // Thrown by whatever is called next.
    writing.catch((error: unknown) => {
      fault = error;
    });
    return long ? writing.then(collectAll) : before;
  }

  function cutSoon(): void {
    timer ??= setTimeout(
      () => {
        // While the store is slow, more is gathered instead of more being handed over.
        void writing.then(() => {
          if (timer === undefined) return;
          earlyChunks += 1;
          void cut();
        }, ignored);
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
      if (fault !== null) throw fault;
      for (const row of rows) {
        const line = JSON.stringify(row);
        lines.push(line);
        bytes += line.length;
        if (lines.length >= maxChunkRows || bytes >= maxChunkBytes) await cut();
      }
      if (lines.length > 0) cutSoon();
    },
    async end({ command, rowCount, truncated, durationMs }) {
      await cut();
      await writing;
      if (!current) return;
      const { id } = current;
      if (!(await patience(() => store.end(hold, id, { command, rowCount, truncated, durationMs }))))
        throw new LostHold();
      current = null;
      ring();
    },
    async flush() {
      await cut();
      await writing;
    },
  };
}

/** It is kept in `fault`. */
const ignored = () => undefined;
