/** Tells those who answer from a catalogue's snapshot that a job may have changed the catalogue: his owner's next read sees it. */
import type { SnapshotStore } from '../catalog/snapshots/store.ts';
import type { Patience } from '../db/patience.ts';

export interface CatalogMarkDeps {
  readonly store: Pick<SnapshotStore, 'changed'>;
  /** Null: credentials of the job's own, of which nothing is kept. */
  readonly databaseId: string | null;
  readonly patience: Patience;
}

/** Disposing it tells once more, when everything has ended: what was open is committed, or undone, only then. */
export interface CatalogMark extends AsyncDisposable {
  /** A statement begins that may change it. */
  begin(): void;
  /** A statement has ended. */
  end(): Promise<void>;
}

/** A script may hold ten thousand statements that change it. */
const tellEveryMs = 1_000;

export function createCatalogMark({ store, databaseId, patience }: CatalogMarkDeps): CatalogMark {
  let altered = false;
  let toldAt = Number.NEGATIVE_INFINITY;

  async function tell(): Promise<void> {
    if (!altered || databaseId === null) return;
    toldAt = performance.now();
    await patience(() => store.changed(databaseId));
  }

  return {
    begin() {
      altered = true;
    },
    async end() {
      if (performance.now() - toldAt >= tellEveryMs) await tell();
    },
    [Symbol.asyncDispose]: tell,
  };
}
