/** The text of stored chunks: as it comes, kept for who reads on in the same one, or within what one operation may unpack. */
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { AppError } from '../lib/errors.ts';
import { createGate } from '../lib/gate.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { LongReads } from './long-reads.ts';
import type { Chunk } from './store.ts';

const decompress = promisify(zstdDecompress);

/** Of one page's text: ten rows of a megabyte are a page, whatever was asked for. A single row may be more. */
export const maxPageBytes = 8 * 1_048_576;

/** Bytes of text that the pages of one operation unpack, whatever it asks for. A single row may be more. */
export const maxOperationBytes = 32 * 1_048_576;

/** Lines of a chunk; null where it is not there. */
export type ChunkReader = (chunk: Pick<Chunk, 'blob' | 'textBytes'>) => Promise<string[] | null>;

type Blobs = Pick<BlobStore, 'get'>;

/** Where chunks are read by many at once. */
export interface SharedChunks {
  readonly blobs: Blobs;
  readonly longReads: LongReads;
}

interface Reader {
  readonly userId: string;
  /** Nobody waits for his rows any more. */
  readonly signal: AbortSignal;
}

/** It has a row that is more than a page. One whose bytes nobody counted hardly has: all of them in turns would be slow. */
const isLong = ({ textBytes }: Pick<Chunk, 'textBytes'>): boolean => (textBytes ?? 0) > maxPageBytes;

export const linesFrom =
  (blobs: Blobs): ChunkReader =>
  async ({ blob }) => {
    const packed = await blobs.get(blob);
    return packed && linesOf(await decompress(packed));
  };

const linesOf = (text: Buffer): string[] => text.toString('utf8').split('\n');

/** For who takes a chunk row by row; `forget` when he has to wait for the next one. A long one is kept in a turn of his. */
export function keepingLast(
  { blobs, longReads }: SharedChunks,
  { userId, signal }: Reader,
): { read: ChunkReader; forget: () => void } & Disposable {
  const read = linesFrom(blobs);
  let last: { blob: string; lines: string[] } | null = null;
  let leave: (() => void) | null = null;

  function forget(): void {
    last = null;
    leave?.();
    leave = null;
  }

  return {
    async read(chunk) {
      if (last?.blob === chunk.blob) return last.lines;
      forget();
      if (isLong(chunk)) leave = await longReads.enter(userId, signal);
      const lines = await read(chunk);
      if (lines) last = { blob: chunk.blob, lines };
      return lines;
    },
    forget,
    [Symbol.dispose]: forget,
  };
}

/** What the pages of one operation share: its chunks are unpacked one after the other, and only so many bytes of them. */
export interface OperationBudget {
  /** @throws BudgetSpent, the signal's reason, AppError TIMEOUT where too many read long rows */
  linesFrom(chunks: SharedChunks): ChunkReader;
  /** Its answer is made: who waits to read a long row has his turn. */
  end(): void;
}

export class BudgetSpent extends AppError {
  override readonly name = 'BudgetSpent';

  constructor(limit: number) {
    super('LIMIT_EXCEEDED', `The rows of one operation are more than ${limit} bytes: ask for fewer at once`, {
      details: { limit },
    });
  }
}

export function createOperationBudget({ userId, signal }: Reader, limit: number = maxOperationBytes): OperationBudget {
  const gate = createGate({ max: 1 });
  let left = limit;
  let leave: (() => void) | null = null;

  async function unpack(packed: Buffer): Promise<Buffer> {
    // The first one is never refused, however large: what is asked for alone can always be read.
    if (left === limit) return decompress(packed);
    try {
      return await decompress(packed, { maxOutputLength: left });
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      // It has cost what was left.
      left = 0;
      throw new BudgetSpent(limit);
    }
  }

  return {
    linesFrom:
      ({ blobs, longReads }) =>
      (chunk) =>
        gate.run(async () => {
          if (left <= 0) throw new BudgetSpent(limit);
          // Whoever has his turn has it for all that he reads: he waits for none beside what he holds.
          if (isLong(chunk)) leave ??= await longReads.enter(userId, signal);
          const packed = await blobs.get(chunk.blob);
          if (!packed) return null;
          const text = await unpack(packed);
          left -= text.length;
          return linesOf(text);
        }, signal),
    end() {
      leave?.();
      leave = null;
    },
  };
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
