/**
 * A job's rows at rest: NDJSON of row arrays, zstd, in chunks of at most 1,000 rows or 1 MiB. Written while the query
 * runs, waiting only for the store; read by page, one chunk at a time.
 */
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type { Cell, ResultColumn, RunEvent } from '../engines/engine.ts';
import type { Hold } from '../jobs/store.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { ResultSet, ResultStore } from './store.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

const maxChunkRows = 1_000;
const maxChunkBytes = 1_048_576;

export class LostHold extends Error {
  override readonly name = 'LostHold';
}

/** The blob store failed: no place left, no answer. */
export class StorageFailed extends Error {
  override readonly name = 'StorageFailed';
}

export interface ResultWriterDeps {
  store: ResultStore;
  blobs: BlobStore;
  hold: Hold;
}

export const resultFolder = (jobId: string): string => `results/${jobId}`;

/** Takes the events of a run in order. Every method throws LostHold when the job is another worker's by now. */
export interface ResultWriter {
  begin(index: number, statement: string, columns: ResultColumn[]): Promise<void>;
  rows(rows: readonly Cell[][]): Promise<void>;
  end(event: Extract<RunEvent, { type: 'end' }>): Promise<void>;
  /** Writes what it still has, so that a failed or cancelled job shows what came before. */
  flush(): Promise<void>;
}

export function createResultWriter({ store, blobs, hold }: ResultWriterDeps): ResultWriter {
  let current: { id: string; index: number; chunks: number; rows: number } | null = null;
  let lines: string[] = [];
  let bytes = 0;
  /** The chunk being written; the next one is gathered meanwhile. */
  let writing: Promise<void> = Promise.resolve();

  async function write(
    set: { id: string; index: number },
    chunk: number,
    firstRow: number,
    text: string[],
  ): Promise<void> {
    const blob = `${resultFolder(hold.id)}/${hold.fence}-${set.index}-${chunk}`;
    try {
      await blobs.put(blob, await compress(`${text.join('\n')}\n`));
    } catch (cause) {
      throw new StorageFailed('the rows could not be stored', { cause });
    }
    if (!(await store.append(hold, set.id, { index: chunk, firstRow, rows: text.length, blob }))) throw new LostHold();
  }

  async function cut(): Promise<void> {
    if (!current || lines.length === 0) return;
    const text = lines;
    const { chunks, rows } = current;
    lines = [];
    bytes = 0;
    current.chunks += 1;
    current.rows += text.length;
    await writing;
    writing = write(current, chunks, rows, text);
    // Thrown to whoever awaits it next.
    writing.catch(() => undefined);
  }

  return {
    async begin(index, statement, columns) {
      const id = await store.begin(hold, { index, statement, columns });
      if (id === null) throw new LostHold();
      current = { id, index, chunks: 0, rows: 0 };
    },
    async rows(rows) {
      for (const row of rows) {
        const line = JSON.stringify(row);
        lines.push(line);
        bytes += line.length;
        if (lines.length >= maxChunkRows || bytes >= maxChunkBytes) await cut();
      }
    },
    async end({ command, rowCount, truncated, durationMs }) {
      await cut();
      await writing;
      if (current && !(await store.end(hold, current.id, { command, rowCount, truncated, durationMs })))
        throw new LostHold();
      current = null;
    },
    async flush() {
      await cut();
      await writing;
    },
  };
}

export interface RowPage {
  rows: unknown[];
  /** Of the last row; give it as `after`. */
  endOffset: number | null;
  hasNextPage: boolean;
}

/** @returns rows `offset` to `offset + limit`; null when they have been thrown away */
export async function readRows(
  deps: Omit<ResultWriterDeps, 'hold'>,
  set: ResultSet,
  offset: number,
  limit: number,
): Promise<RowPage | null> {
  const end = Math.min(offset + limit, set.storedRows);
  const rows: unknown[] = [];
  for (const chunk of offset < end ? await deps.store.chunks(set.id, offset, end) : []) {
    const packed = await deps.blobs.get(chunk.blob);
    if (!packed) return null;
    const lines = (await decompress(packed)).toString('utf8').split('\n');
    for (const line of lines.slice(Math.max(0, offset - chunk.firstRow), Math.min(chunk.rows, end - chunk.firstRow)))
      rows.push(JSON.parse(line));
  }
  return { rows, endOffset: rows.length > 0 ? offset + rows.length - 1 : null, hasNextPage: end < set.storedRows };
}
