/** Takes out of a target what listening to it left there, when its connection is forgotten or leads elsewhere. */

import type { Executor } from '../db/metadata.ts';
import type { Engine, Target } from '../engines/engine.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Remains } from './feeds/remains.ts';
import type { FeedStore } from './feeds/store.ts';
import type { Hub, HubDatabase } from './hub.ts';

/** How long a target may keep somebody from letting it go. */
const removeTimeoutMs = 5_000;

export interface RemoveFeedDeps<Database extends HubDatabase> {
  readonly hub: Pick<Hub<Database>, 'end'>;
  readonly store: Pick<FeedStore, 'has' | 'change' | 'remove'>;
  readonly remains: Pick<Remains, 'remember'>;
  readonly pool: Executor;
}

type Reach = (options: { signal: AbortSignal }) => Promise<{ engine: Engine; target: Target }>;

/**
 * Ends all who read it, in whichever process; never throws for the target. What could not be taken out of it is remembered.
 * @returns to be called when the connection is another, or gone, or stays: nobody listens to it before
 */
export async function removeFeed<Database extends HubDatabase>(
  { hub, store, remains, pool }: RemoveFeedDeps<Database>,
  { id, hosted }: Pick<HubDatabase, 'id' | 'hosted'>,
  reach: Reach,
  options: { signal: AbortSignal },
): Promise<() => Promise<void>> {
  const isThere = await store.has(id);
  // From here on nobody listens to it again.
  await store.change(id, { holderId: uuidv7(), leaseMs: removeTimeoutMs * 2 });
  await hub.end(id, new AppError('POSITION_LOST', 'The database was disconnected, or its connection leads elsewhere'));
  // A hosted one goes with all that is in it.
  const left = hosted ? null : await removeFrom(id, reach, options);
  // Where nothing was there, there is nothing to be left.
  if (isThere && left) await remains.remember(id, { engine: left.engine.kind, target: left.target });
  return async () => {
    await store.remove(pool, id).catch(() => undefined); // It is swept.
  };
}

/** @returns where it could not be done; null: nothing is left, or nobody could ever reach it */
async function removeFrom(feedId: string, reach: Reach, options: { signal: AbortSignal }) {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(removeTimeoutMs)]);
  const reached = await reach({ signal }).catch(() => null);
  try {
    await reached?.engine.changes?.remove(reached.target, { feedId, signal });
    return null;
  } catch {
    // It is not there, or does not let us in.
    return reached;
  }
}
