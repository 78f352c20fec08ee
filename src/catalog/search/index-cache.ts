/** Indexes in memory, the last used ones, as many as there is room for. */
import { bytesOf, type CatalogIndex } from './catalog-index.ts';

export interface CachedIndex {
  /** Of the snapshot and the name that it was made of. */
  readonly version: string;
  readonly index: CatalogIndex;
  readonly bytes: number;
}

export function createIndexCache({ maxBytes }: { maxBytes: number }) {
  // A Map is in the order of insertion: the first one was not used for longest.
  const kept = new Map<string, CachedIndex>();
  let bytes = 0;

  function drop(databaseId: string): void {
    bytes -= kept.get(databaseId)?.bytes ?? 0;
    kept.delete(databaseId);
  }

  return {
    /** Of whatever version. */
    get(databaseId: string): CachedIndex | null {
      const found = kept.get(databaseId);
      if (!found) return null;
      kept.delete(databaseId);
      kept.set(databaseId, found);
      return found;
    },
    put(databaseId: string, version: string, index: CatalogIndex): CachedIndex {
      const made = { version, index, bytes: bytesOf(index) };
      drop(databaseId);
      kept.set(databaseId, made);
      bytes += made.bytes;
      for (const [oldest] of kept) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
      return made;
    },
    bytes: () => bytes,
  };
}
