/** Opened snapshots of this process, shared by all requests; the ones that were used longest ago go when there is no room. */
import type { SnapshotIndex } from './snapshot-index.ts';

export interface SnapshotCache {
  get(databaseId: string, version: string): SnapshotIndex | null;
  /** @param bytes of its text */
  put(databaseId: string, version: string, index: SnapshotIndex, bytes: number): void;
  drop(databaseId: string): void;
}

interface Entry {
  readonly version: string;
  readonly index: SnapshotIndex;
  readonly bytes: number;
}

/** What an opened snapshot takes over its text: an estimate. One of ten thousand tables kept 62 MB, without its index by name. */
const bytesOfText = 4;

export function createSnapshotCache({ maxBytes }: { maxBytes: number }): SnapshotCache {
  /** The one that was used longest ago is first. */
  const entries = new Map<string, Entry>();
  let total = 0;

  function drop(databaseId: string): void {
    total -= entries.get(databaseId)?.bytes ?? 0;
    entries.delete(databaseId);
  }

  return {
    get(databaseId, version) {
      const entry = entries.get(databaseId);
      if (entry?.version !== version) return null;
      entries.delete(databaseId);
      entries.set(databaseId, entry);
      return entry.index;
    },
    put(databaseId, version, index, textBytes) {
      drop(databaseId);
      const bytes = textBytes * bytesOfText;
      if (bytes > maxBytes) return;
      entries.set(databaseId, { version, index, bytes });
      total += bytes;
      for (const id of entries.keys()) {
        if (total <= maxBytes) break;
        drop(id);
      }
    },
    drop,
  };
}
