/**
 * Takes away what belongs to nothing, both ways: uploads that nobody ended, blobs without a row, and finds the rows whose
 * blob is gone, or there again. Every worker has one, called by its janitor; each does what the others have not yet done.
 */
import type { Log } from '../../lib/log.ts';
import type { BlobEntry, BlobStore } from '../blob-store.ts';
import type { FileStore } from './store.ts';

export interface SweeperDeps {
  readonly store: Pick<
    FileStore,
    'deleteExpired' | 'trashStray' | 'readyAmong' | 'dueForCheck' | 'markMissing' | 'markSound'
  >;
  readonly blobs: Pick<BlobStore, 'list' | 'size' | 'upload'>;
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
/** Looked for in one round; each file about once a day, and one that was missing each hour. */
const checksARound = 200;

export type Duty = (signal: AbortSignal) => Promise<number>;

/** Each does a bounded piece, or stops when it is told to. @returns how many were found */
export function createSweeper({ store, blobs, log, clock = Date.now }: SweeperDeps): Readonly<Record<string, Duty>> {
  let listedAt = Number.NEGATIVE_INFINITY;

  /** @returns how many */
  async function takeAway(found: readonly BlobEntry[], signal: AbortSignal): Promise<number> {
    const trashed = await store.trashStray(found.map(({ key }) => key));
    // Beside the bytes of a file that is ready nobody uploads any more.
    const left = await store.readyAmong(found.flatMap(({ key, partial }) => (partial ? [key] : [])));
    for (const key of left) await (await blobs.upload(key, signal, { anew: true })).abandon();
    return trashed + left.length;
  }

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
      let found: BlobEntry[] = [];
      for await (const entry of blobs.list(prefix, signal)) {
        if (clock() - entry.modifiedAt.getTime() < strayAfterMs) continue;
        found.push(entry);
        if (found.length < atOnce) continue;
        total += await takeAway(found, signal);
        found = [];
      }
      return total + (await takeAway(found, signal));
    },

    async lostBlobs(signal) {
      const missing: string[] = [];
      const sound: string[] = [];
      try {
        for (const { id, blob, sizeBytes, missingAt } of await store.dueForCheck(checksARound)) {
          if (signal.aborted) break;
          const size = await blobs.size(blob);
          if (size === sizeBytes) {
            sound.push(id);
            if (missingAt !== null) log.info({ fileId: id, blob, sizeBytes }, 'file.blob_found');
            continue;
          }
          missing.push(id);
          log.error({ fileId: id, blob, sizeBytes, found: size }, 'file.blob_missing');
        }
      } finally {
        // Of a round that a failing store cut short what was looked at counts, and nothing else: that is due as before.
        await store.markMissing(missing);
        await store.markSound(sound);
      }
      return missing.length;
    },
  };
}
