/** Who wants what of one feed: the tables that are followed are those of all of them together. */
import type { QualifiedName } from '../../engines/catalog.ts';
import type { ChangeFeed, Coverage, FeedEvent, FollowOutcome } from '../../engines/changes.ts';

export interface Parties {
  /** For one of them, besides what he holds; in turn with the others. @throws whatever ChangeFeed.follow does */
  follow(party: string, tables: readonly QualifiedName[], signal: AbortSignal): Promise<readonly FollowOutcome[]>;
  /** From now on he holds these alone. */
  hold(party: string, ids: readonly string[]): void;
  unfollow(party: string, ids: readonly string[]): void;
  leave(party: string): void;
  /** What the feed tells of it. */
  cover(event: Extract<FeedEvent, { type: 'coverage' }>): void;
  /** By the ids of the tables, whoever wants them. */
  readonly followed: ReadonlyMap<string, Coverage>;
  readonly all: Iterable<string>;
}

export interface PartiesDeps {
  readonly feed: Pick<ChangeFeed, 'follow' | 'unfollow' | 'followed' | 'closed'>;
  /** What was followed once is followed for as long as the feed. */
  readonly kept: boolean;
  /** Something is followed that nobody wants. */
  readonly failed: (error: unknown) => void;
}

export function createParties({ feed, kept, failed }: PartiesDeps): Parties {
  const parties = new Map<string, Set<string>>();
  const followed = new Map(feed.followed);
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = last.then(work);
    last = done.catch(() => undefined); // Whoever asked is told.
    return done;
  }

  const of = (party: string): Set<string> => {
    const ids = parties.get(party) ?? new Set();
    parties.set(party, ids);
    return ids;
  };

  function letGo(): void {
    if (kept) return;
    inTurn(async () => {
      const wanted = new Set([...parties.values()].flatMap((ids) => [...ids]));
      const unwanted = [...followed.keys()].filter((id) => !wanted.has(id));
      if (unwanted.length === 0 || feed.closed.aborted) return;
      for (const id of unwanted) followed.delete(id);
      await feed.unfollow(unwanted, { signal: feed.closed });
    }).catch(failed);
  }

  return {
    follow: (party, tables, signal) =>
      inTurn(async () => {
        if (tables.length === 0) return [];
        const outcomes = await feed.follow(tables, { signal });
        for (const outcome of outcomes) {
          if (outcome.id === null) continue;
          of(party).add(outcome.id);
          followed.set(outcome.id, outcome.coverage);
        }
        return outcomes;
      }),
    hold(party, ids) {
      parties.set(party, new Set(ids));
      letGo();
    },
    unfollow(party, ids) {
      for (const id of ids) of(party).delete(id);
      letGo();
    },
    leave(party) {
      if (parties.delete(party)) letGo();
    },
    cover({ tableId, coverage }) {
      if (coverage === 'NOTHING') followed.delete(tableId);
      else if (followed.has(tableId)) followed.set(tableId, coverage);
    },
    followed,
    get all() {
      return parties.keys();
    },
  };
}
