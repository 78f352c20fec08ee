/**
 * A job's rows at rest: NDJSON of row arrays, zstd, in chunks of at most 1,000 rows or 1 MiB. Written while the query
 * runs, waiting only for the store; read by page, one chunk at a time.
 */
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type { Patience } from '../db/patience.ts';
import type { Cell, ResultColumn, RunEvent } from '../engines/engine.ts';
import type { Hold } from '../jobs/store.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { ResultSet, ResultStore } from './store.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

const maxChunkRows = 1_000;
const maxChunkBytes = 1_048_576;
/** Of one page's text: ten rows of a megabyte are a page, whatever was asked for. A single row may be more. */
const maxPageBytes = 8 * 1_048_576;

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
  patience: Patience;
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

export function createResultWriter({ store, blobs, hold, patience }: ResultWriterDeps): ResultWriter {
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
    const appended = await patience(() =>
      store.append(hold, set.id, { index: chunk, firstRow, rows: text.length, blob }),
    );
    if (!appended) throw new LostHold();
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
      const id = await patience(() => store.begin(hold, { index, statement, columns }));
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
      if (!current) return;
      const { id } = current;
      if (!(await patience(() => store.end(hold, id, { command, rowCount, truncated, durationMs }))))
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

/** @returns rows from `offset`, at most `limit` and as many as fit; null when they have been thrown away */
export async function readRows(
  deps: Pick<ResultWriterDeps, 'store' | 'blobs'>,
  set: ResultSet,
  offset: number,
  limit: number,
): Promise<RowPage | null> {
  const end = Math.min(offset + limit, set.storedRows);
  const rows: unknown[] = [];
  let bytes = 0;
  for (const chunk of offset < end ? await deps.store.chunks(set.id, offset, end) : []) {
    const packed = await deps.blobs.get(chunk.blob);
    if (!packed) return null;
    const lines = (await decompress(packed)).toString('utf8').split('\n');
    const wanted = lines.slice(Math.max(0, offset - chunk.firstRow), Math.min(chunk.rows, end - chunk.firstRow));
    for (const line of wanted) {
      bytes += line.length;
      if (rows.length > 0 && bytes > maxPageBytes) return pageOf(rows, true);
      rows.push(JSON.parse(line));
    }
  }
  return pageOf(rows, end < set.storedRows);

  function pageOf(read: unknown[], hasNextPage: boolean): RowPage {
    return { rows: read, endOffset: read.length > 0 ? offset + read.length - 1 : null, hasNextPage };
  }
}
