/** Takes out of a target what listening to it left there, when its connection is forgotten or leads elsewhere. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Executor } from '../db/metadata.ts';
import type { Engine, Target } from '../engines/engine.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Remains } from './feeds/remains.ts';
import type { FeedStore } from './feeds/store.ts';
import type { Hub, HubDatabase } from './hub.ts';

/** How long a target may keep somebody from letting it go. */
const removeTimeoutMs = 5_000;
/** Said again for as long as it lasts: whoever opens the feed just now may keep it from being ended for much longer. */
const leaseMs = 10_000;
const renewMs = 3_000;

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
  const held = await holdOn(store, id);
  try {
    await hub.end(
      id,
      new AppError('POSITION_LOST', 'The database was disconnected, or its connection leads elsewhere'),
    );
    // A hosted one goes with all that is in it.
    const left = hosted ? null : await removeFrom(id, reach, options);
    // Where nothing was there, there is nothing to be left.
    if (isThere && left) await remains.remember(id, { engine: left.engine.kind, target: left.target });
  } catch (error) {
    await held.stop();
    throw error;
  }
  return async () => {
    await held.stop();
    await store.remove(pool, id).catch(() => undefined); // It is swept.
  };
}

/** From here on nobody listens to it again, until this is stopped. */
async function holdOn(store: Pick<FeedStore, 'change'>, id: string): Promise<{ stop(): Promise<void> }> {
  const hold = { holderId: uuidv7(), leaseMs };
  await store.change(id, hold);
  const stopped = new AbortController();
  const renewing = (async () => {
    for (;;) {
      await sleep(renewMs, undefined, { signal: stopped.signal }).catch(() => undefined);
      if (stopped.signal.aborted) return;
      await store.change(id, hold).catch(() => undefined); // It is tried again before the lease ends.
    }
  })();
  return {
    stop() {
      stopped.abort();
      return renewing;
    },
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
