/** Takes out of a target what listening to it left there, when its connection is forgotten or leads elsewhere. */

import type { Executor } from '../db/metadata.ts';
import type { Engine, Target } from '../engines/engine.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { FeedStore } from './feeds/store.ts';
import type { Hub, HubDatabase } from './hub.ts';

/** How long a target may keep somebody from letting it go. */
const removeTimeoutMs = 5_000;

/** Ends all who read it, in whichever process; never throws for the target. */
export async function removeFeed<Database extends HubDatabase>(
  {
    hub,
    store,
    pool,
  }: { hub: Pick<Hub<Database>, 'end'>; store: Pick<FeedStore, 'change' | 'remove'>; pool: Executor },
  { id, hosted }: Pick<HubDatabase, 'id' | 'hosted'>,
  reach: (options: { signal: AbortSignal }) => Promise<{ engine: Engine; target: Target }>,
  options: { signal: AbortSignal },
): Promise<void> {
  // From here on nobody listens to it again.
  await store.change(id, { holderId: uuidv7(), leaseMs: removeTimeoutMs * 2 });
  await hub.end(id, new AppError('POSITION_LOST', 'The database was disconnected, or its connection leads elsewhere'));
  // A hosted one goes with all that is in it.
  if (!hosted) await removeFrom(id, reach, options);
  await store.remove(pool, id);
}

async function removeFrom(
  feedId: string,
  reach: (options: { signal: AbortSignal }) => Promise<{ engine: Engine; target: Target }>,
  options: { signal: AbortSignal },
): Promise<void> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(removeTimeoutMs)]);
  try {
    const { engine, target } = await reach({ signal });
    await engine.changes?.remove(target, { feedId, signal });
  } catch {
    // It is not there, or does not let us in: what bears our name there keeps no log without a reader.
  }
}
