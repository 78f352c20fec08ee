/**
 * Brings the chunks of a job to the store, several at once, and says in the metadata that they are there, in their order
 * and several with one statement: one after the other, each would wait for a thread, a disk and a database in turn.
 */
import type { Patience } from '../db/patience.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import type { Hold } from '../jobs/store.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { StorageFailed } from '../storage/storage-failed.ts';
import { encodeChunk } from './results.ts';
import type { Chunk, ResultStore } from './store.ts';

export interface ChunkQueueDeps {
  readonly store: Pick<ResultStore, 'append'>;
  readonly blobs: Pick<BlobStore, 'put'>;
  readonly hold: Hold;
  readonly patience: Patience;
  /** More of them can be read now. */
  readonly onStored: () => void;
}

export interface ChunkQueue {
  /** Resolves when there is room for one more. @throws LostHold, StorageFailed, also for what came before */
  push(resultSetId: string, chunk: UncountedChunk, lines: readonly string[]): Promise<void>;
  /** When all of them are there. @throws as push() */
  drained(): Promise<void>;
  /** @throws what broke one, at once */
  check(): void;
}

/** In memory, each with its text, its bytes and what they become. */
const chunksAtOnce = 4;

/** Its bytes are counted on the way. */
type UncountedChunk = Omit<Chunk, 'textBytes'>;

interface OnItsWay {
  readonly resultSetId: string;
  readonly chunk: UncountedChunk;
  readonly written: Promise<number>;
  /** Null until it is written. */
  textBytes: number | null;
}

export function createChunkQueue({ store, blobs, hold, patience, onStored }: ChunkQueueDeps): ChunkQueue {
  const waiting: OnItsWay[] = [];
  let fault: { error: unknown } | null = null;
  let working = false;
  let worked: Promise<void> = Promise.resolve();
  let moved = Promise.withResolvers<void>();

  /** @returns bytes of its text */
  async function write({ blob }: UncountedChunk, lines: readonly string[]): Promise<number> {
    try {
      const { packed, textBytes } = await encodeChunk(lines);
      await blobs.put(blob, packed);
      return textBytes;
    } catch (cause) {
      throw new StorageFailed('the rows could not be stored', { cause });
    }
  }

  /** From the first one on, those of its set that are written. */
  function takeWritten(): OnItsWay[] {
    const end = waiting.findIndex((one) => one.textBytes === null || one.resultSetId !== waiting[0]?.resultSetId);
    return waiting.splice(0, end === -1 ? waiting.length : end);
  }

  const append = ([first, ...more]: readonly OnItsWay[]): Promise<boolean> =>
    first === undefined
      ? Promise.resolve(true)
      : store.append(hold, first.resultSetId, [chunkOf(first), ...more.map(chunkOf)]);

  async function work(): Promise<void> {
    try {
      for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
        await first.written;
        const some = takeWritten();
        if (!(await patience(() => append(some)))) throw new LostHold();
        onStored();
        moved.resolve();
        moved = Promise.withResolvers();
      }
    } catch (error) {
      fault = { error };
      moved.resolve();
      await giveUp(error);
    }
    working = false;
  }

  /** What is written and has no row: of a job that is another's, the trash hears of it; else it goes with the job's rows. */
  async function giveUp(error: unknown): Promise<void> {
    const left = waiting.splice(0);
    await Promise.allSettled(left.map(({ written }) => written));
    if (!(error instanceof LostHold)) return;
    for (const one of left) if (one.textBytes !== null) await append([one]).catch(ignored);
  }

  function check(): void {
    if (fault !== null) throw fault.error;
  }

  return {
    check,
    async push(resultSetId, chunk, lines) {
      check();
      const one: OnItsWay = { resultSetId, chunk, written: write(chunk, lines), textBytes: null };
      one.written.then((textBytes) => {
        one.textBytes = textBytes;
      }, ignored);
      waiting.push(one);
      if (!working) {
        working = true;
        worked = work();
      }
      while (fault === null && waiting.length >= chunksAtOnce) await moved.promise;
      check();
    },
    async drained() {
      await worked;
      check();
    },
  };
}

const chunkOf = ({ chunk, textBytes }: OnItsWay): Chunk => ({ ...chunk, textBytes });

/** Thrown where it is awaited, or it is trash that a later sweep finds. */
const ignored = () => undefined;
