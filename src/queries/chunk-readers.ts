/** The text of stored chunks: as it comes, kept for who reads on in the same one, or within what one operation may unpack. */
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { AppError } from '../lib/errors.ts';
import { createGate } from '../lib/gate.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Chunk } from './store.ts';

const decompress = promisify(zstdDecompress);

/** Bytes of text that the pages of one operation unpack, whatever it asks for. A single row may be more. */
export const maxOperationBytes = 32 * 1_048_576;

/** Lines of a chunk; null where it is not there. */
export type ChunkReader = (chunk: Pick<Chunk, 'blob'>) => Promise<string[] | null>;

type Blobs = Pick<BlobStore, 'get'>;

export const linesFrom =
  (blobs: Blobs): ChunkReader =>
  async ({ blob }) => {
    const packed = await blobs.get(blob);
    return packed && linesOf(await decompress(packed));
  };

const linesOf = (text: Buffer): string[] => text.toString('utf8').split('\n');

/** For who takes a chunk row by row; `forget` when he has to wait for the next one. */
export function keepingLast(read: ChunkReader): { read: ChunkReader; forget: () => void } {
  let last: { blob: string; lines: string[] } | null = null;
  return {
    async read(chunk) {
      if (last?.blob === chunk.blob) return last.lines;
      last = null;
      const lines = await read(chunk);
      if (lines) last = { blob: chunk.blob, lines };
      return lines;
    },
    forget: () => {
      last = null;
    },
  };
}

/** What the pages of one operation share: its chunks are unpacked one after the other, and only so many bytes of them. */
export interface OperationBudget {
  /** @throws BudgetSpent, the signal's reason */
  linesFrom(blobs: Blobs): ChunkReader;
}

export class BudgetSpent extends AppError {
  override readonly name = 'BudgetSpent';

  constructor(limit: number) {
    super('LIMIT_EXCEEDED', `The rows of one operation are more than ${limit} bytes: ask for fewer at once`, {
      details: { limit },
    });
  }
}

/** @param signal nobody waits for the operation any more */
export function createOperationBudget(signal: AbortSignal, limit: number = maxOperationBytes): OperationBudget {
  const gate = createGate({ max: 1 });
  let left = limit;

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
    linesFrom: (blobs) => (chunk) =>
      gate.run(async () => {
        if (left <= 0) throw new BudgetSpent(limit);
        const packed = await blobs.get(chunk.blob);
        if (!packed) return null;
        const text = await unpack(packed);
        left -= text.length;
        return linesOf(text);
      }, signal),
  };
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
