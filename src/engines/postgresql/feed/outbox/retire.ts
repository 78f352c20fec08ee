/** Takes an outbox off a target whose log can be followed now: nobody would read it, and the owner's writes would fill it. */
import { isLockTimeout } from '../publication.ts';
import type { Side } from '../side.ts';
import { removeOutbox } from './install.ts';
import { outboxNamesOf } from './installation.ts';
import { createOutbox } from './outbox.ts';
import { createTriggers, lockPatienceMs } from './triggers.ts';

/** Tables that cannot be had keep theirs, and it, until the log is opened next. No-op where nothing is. @throws DatabaseError */
export async function retireOutbox(
  side: Side,
  { feedId, signal }: { feedId: string; signal: AbortSignal },
): Promise<void> {
  const names = outboxNamesOf(feedId);
  if (!(await createOutbox(side, names).isInstalled({ signal }))) return;
  const triggers = createTriggers({ side, names });
  try {
    // One table after the other, each for a moment: to remove it all at once would let writers wait.
    await triggers.take([...(await triggers.there({ signal })).keys()], { signal, patienceMs: lockPatienceMs });
    await removeOutbox(side, { feedId, signal });
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
  }
}
