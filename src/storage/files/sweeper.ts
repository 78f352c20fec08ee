/**
 * Takes away what belongs to nothing, both ways: uploads that nobody ended, blobs without a row, and finds the rows whose
 * blob is gone. Every worker has one, called by its janitor; each does what the others have not yet done.
 */
import type { Log } from '../../lib/log.ts';
import type { BlobStore } from '../blob-store.ts';
import type { FileStore } from './store.ts';

export interface SweeperDeps {
  readonly store: Pick<FileStore, 'deleteExpired' | 'trashStray' | 'dueForCheck' | 'markMissing'>;
  readonly blobs: Pick<BlobStore, 'list' | 'size'>;
  readonly log: Log;
  readonly clock?: () => number;
}

/** Under which all blobs of files are. */
const prefix = 'files';
/** Younger ones may belong to what is not committed yet. */
const strayAfterMs = 3_600_000;
/** All blobs are listed so often. */
const listEveryMs = 3_600_000;
const atOnce = 500;
/** Looked for in one round; each file about once a day. */
const checksARound = 200;

export type Duty = (signal: AbortSignal) => Promise<number>;

/** Each does a bounded piece, or stops when it is told to. @returns how many were found */
export function createSweeper({ store, blobs, log, clock = Date.now }: SweeperDeps): Readonly<Record<string, Duty>> {
  let listedAt = Number.NEGATIVE_INFINITY;

  return {
    async uploads(signal) {
      let total = 0;
      while (!signal.aborted) {
        const count = await store.deleteExpired(atOnce);
        total += count;
        if (count < atOnce) break;
      }
      return total;
    },

    async strayBlobs(signal) {
      if (clock() - listedAt < listEveryMs) return 0;
      listedAt = clock();
      let total = 0;
      let keys: string[] = [];
      for await (const { key, modifiedAt } of blobs.list(prefix, signal)) {
        if (clock() - modifiedAt.getTime() < strayAfterMs) continue;
        keys.push(key);
        if (keys.length < atOnce) continue;
        total += await store.trashStray(keys);
        keys = [];
      }
      return total + (await store.trashStray(keys));
    },

    async lostBlobs(signal) {
      const missing: string[] = [];
      for (const { id, blob, sizeBytes } of await store.dueForCheck(checksARound)) {
        if (signal.aborted) break;
        const size = await blobs.size(blob);
        if (size === sizeBytes) continue;
        missing.push(id);
        log.error({ fileId: id, blob, sizeBytes, found: size }, 'file.blob_missing');
      }
      await store.markMissing(missing);
      return missing.length;
    },
  };
}
