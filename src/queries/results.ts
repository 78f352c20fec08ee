/**
 * A job's rows at rest: NDJSON of row arrays, zstd, in chunks of at most 1,000 rows or 1 MiB; read by page, one chunk at
 * a time. They are written in result-writer.ts.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { Hold } from '../jobs/store.ts';
import { AppError } from '../lib/errors.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { BudgetSpent, type ChunkReader, linesFrom, maxPageBytes } from './chunk-readers.ts';
import type { ResultSet, ResultStore } from './store.ts';

const compress = promisify(zstdCompress);

export const maxChunkBytes = 1_048_576;

/** What most chunks become fits into one piece: each is a way to another thread and back. */
const packing = { chunkSize: 262_144, params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** All that a job ever stored; the database's trigger names it too. */
const jobFolder = (jobId: string): string => `results/${jobId}`;

/** What one worker's hold on it stored: an attempt that is run again leaves nothing that could be taken for the next one's. */
export const attemptFolder = ({ id, fence }: Hold): string => `${jobFolder(id)}/${fence}`;

/** The text is made once, as bytes: of a row of 30 MB each copy on the way counts. */
export async function encodeChunk(lines: readonly string[]): Promise<{ packed: Buffer; textBytes: number }> {
  const text = Buffer.allocUnsafeSlow(lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0));
  let end = 0;
  for (const line of lines) {
    end += text.write(line, end);
    text[end++] = 0x0a;
  }
  return { packed: await compress(text, packing), textBytes: text.length };
}

export interface RowPage {
  rows: unknown[];
  /** Of the last row; give it as `after`. */
  endOffset: number | null;
  hasNextPage: boolean;
}

export interface ReadRowsDeps {
  store: Pick<ResultStore, 'find' | 'chunks'>;
  blobs: Pick<BlobStore, 'get'>;
  /** Absent: each chunk as it comes. */
  read?: ChunkReader;
}

/**
 * @returns rows from `offset`, at most `limit` and as many as fit; null when they have been thrown away
 * @throws AppError NOT_FOUND for rows that should be in the store and are not; what `read` throws before the first row
 */
export async function readRows(
  { store, blobs, read = linesFrom(blobs) }: ReadRowsDeps,
  set: Pick<ResultSet, 'id' | 'storedRows'>,
  offset: number,
  limit: number,
): Promise<RowPage | null> {
  const end = Math.min(offset + limit, set.storedRows);
  const rows: unknown[] = [];
  let bytes = 0;
  for (const chunk of offset < end ? await store.chunks(set.id, offset, end) : []) {
    // A chunk before it is gone: what follows must not take its place.
    if (chunk.firstRow > offset + rows.length) break;
    if (bytes >= maxPageBytes) return pageOf(true);
    let lines: string[] | null;
    try {
      lines = await read(chunk);
    } catch (error) {
      if (error instanceof BudgetSpent && rows.length > 0) return pageOf(true);
      throw error;
    }
    if (lines === null) break;
    const wanted = lines.slice(Math.max(0, offset - chunk.firstRow), Math.min(chunk.rows, end - chunk.firstRow));
    for (const line of wanted) {
      bytes += line.length;
      if (rows.length > 0 && bytes > maxPageBytes) return pageOf(true);
      rows.push(JSON.parse(line));
    }
  }
  if (rows.length === Math.max(0, end - offset)) return pageOf(end < set.storedRows);
  const now = await store.find(set.id);
  if (!now || now.dropped) return null;
  throw new AppError(
    'NOT_FOUND',
    'Rows of this result are missing in the store of the server, although they are kept',
    {
      details: { resultSet: now.index, row: offset + rows.length },
    },
  );

  function pageOf(hasNextPage: boolean): RowPage {
    return { rows, endOffset: rows.length > 0 ? offset + rows.length - 1 : null, hasNextPage };
  }
}
