/** The two ways to answer for a catalogue: from the target, and from a snapshot that is as new as the question. */

import { reachOf } from '../../src/catalog/reads/opening.ts';
import { packSnapshot, unpackSnapshot } from '../../src/catalog/snapshots/content.ts';
import { createSnapshotCatalog } from '../../src/catalog/snapshots/snapshot-catalog.ts';
import { createSnapshotIndex, type SnapshotIndex } from '../../src/catalog/snapshots/snapshot-index.ts';
import { createSnapshots, type SnapshotLimits } from '../../src/catalog/snapshots/snapshots.ts';
import { createSnapshotStore } from '../../src/catalog/snapshots/store.ts';
import type { Database } from '../../src/databases/databases.ts';
import type { Catalog, ReadOptions } from '../../src/engines/catalog.ts';
import type { CatalogSnapshot } from '../../src/engines/snapshot.ts';
import { type Bus, createBus } from '../../src/lib/bus.ts';
import type { Topic } from '../../src/lib/topics.ts';
import type { World } from '../databases/world.ts';
import { silent } from '../support/metadata.ts';

/** The snapshots of one process in a world; they stay fresh, and are there only when somebody has asked for a refresh. */
export const snapshotsIn = (
  { pool, databases }: Pick<World, 'pool' | 'databases'>,
  options: { bus?: Bus<Topic>; ttlMs?: number; limits?: Partial<SnapshotLimits> } = {},
) =>
  createSnapshots<Database>({
    store: createSnapshotStore({ pool }),
    read: (database, given) =>
      databases.readCatalog(database, (catalog) => catalog.snapshot({ ...given, reach: reachOf(database) }), given),
    bus: createBus<Topic>(),
    log: silent,
    ttlMs: 3_600_000,
    ...options,
  });

export const ways = ['live', 'snapshot'] as const;

/** As another process opens it. */
export async function reopened(snapshot: CatalogSnapshot): Promise<SnapshotIndex> {
  const { content } = await packSnapshot(snapshot);
  return createSnapshotIndex(await unpackSnapshot(content));
}

/** The same catalogue, from a snapshot of now. */
export async function fromSnapshot(live: Catalog, options: ReadOptions): Promise<Catalog> {
  const index = await reopened(await live.snapshot({ ...options, reach: 'SERVER' }));
  return createSnapshotCatalog({ index, live: (work) => work(live, options) });
}
