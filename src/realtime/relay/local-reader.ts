/** The reader of a feed in the process that holds it: is handed each batch, and the next one when he has taken it. */
import type { CommitPosition, FeedEvent } from '../../engines/changes.ts';
import { createPulse } from './pulse.ts';
import { createSkip } from './skip.ts';

export interface LocalReader {
  /** What is committed behind it is told. */
  readonly start: CommitPosition;
  give(events: readonly FeedEvent[]): void;
  /** Resolves when he has come for what was given. */
  taken(): Promise<void>;
  /** Until he is stopped. @throws the reason of `ended` */
  events(): AsyncGenerator<readonly FeedEvent[]>;
  stop(): void;
  readonly stopped: AbortSignal;
  confirmed: CommitPosition;
}

/** @param ended aborts when nothing comes any more: what was given before is read first */
export function createLocalReader(
  { start, after }: { start: CommitPosition; after?: CommitPosition | undefined },
  ended: AbortSignal,
): LocalReader {
  const skip = createSkip(after);
  const pulse = createPulse();
  const stopped = new AbortController();
  const over = AbortSignal.any([ended, stopped.signal]);
  let batches: (readonly FeedEvent[])[] = [];
  let reading = false;

  async function* events(): AsyncGenerator<readonly FeedEvent[]> {
    if (reading) throw new TypeError('A feed has one reader');
    reading = true;
    for (;;) {
      const [batch] = batches;
      if (batch) {
        batches = batches.slice(1);
        pulse.beat();
        yield batch;
      } else if (stopped.signal.aborted) return;
      else if (ended.aborted) throw ended.reason;
      else await pulse.wait(over);
    }
  }

  return {
    start: after ?? start,
    confirmed: after ?? start,
    give(given) {
      const rest = skip(given);
      if (rest.length === 0 || stopped.signal.aborted) return;
      batches.push(rest);
      pulse.beat();
    },
    async taken() {
      while (batches.length > 0 && !over.aborted) await pulse.wait(over);
    },
    events,
    stop: () => stopped.abort(),
    stopped: stopped.signal,
  };
}
