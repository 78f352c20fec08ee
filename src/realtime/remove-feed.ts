/** Takes out of a target what listening to it left there, when its connection is forgotten or leads elsewhere. */
import type { Engine, Target } from '../engines/engine.ts';
import { AppError } from '../lib/errors.ts';
import type { Hub, HubDatabase } from './hub.ts';

/** How long a target may keep somebody from letting it go. */
const removeTimeoutMs = 5_000;

/** Ends all who read it; never throws for the target. */
export async function removeFeed<Database extends HubDatabase>(
  hub: Pick<Hub<Database>, 'end'>,
  { id, hosted }: Pick<HubDatabase, 'id' | 'hosted'>,
  reach: (options: { signal: AbortSignal }) => Promise<{ engine: Engine; target: Target }>,
  options: { signal: AbortSignal },
): Promise<void> {
  await hub.end(id, new AppError('POSITION_LOST', 'The database was disconnected, or its connection leads elsewhere'));
  // It goes with all that is in it.
  if (hosted) return;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(removeTimeoutMs)]);
  try {
    const { engine, target } = await reach({ signal });
    await engine.changes?.remove(target, { feedId: id, signal });
  } catch {
    // It is not there, or does not let us in: what bears our name there keeps no log without a reader.
  }
}
