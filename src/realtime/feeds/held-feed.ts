/**
 * Opens the feed of a database for the process that holds it. Of a kept one the metadata know its generation, and since
 * when each table is told of without a gap: so a position is good for as long as nothing behind it is missed.
 */
import { randomInt } from 'node:crypto';
import type {
  ChangeFeed,
  ChangeSource,
  CommitPosition,
  FeedEvent,
  FeedLimits,
  FollowOutcome,
} from '../../engines/changes.ts';
import type { Target } from '../../engines/engine.ts';
import { AppError } from '../../lib/errors.ts';
import { newGeneration } from '../positions.ts';
import type { OpenedFeed } from './lasting-feed.ts';
import { leaseLost } from './leases.ts';
import type { FeedStore, HeldFeed } from './store.ts';

export interface HeldFeedOptions {
  readonly changes: ChangeSource;
  readonly target: Target;
  readonly held: HeldFeed;
  readonly store: Pick<FeedStore, 'began' | 'tables' | 'note'>;
  /** All up to here was told; absent: nothing was. */
  readonly after?: CommitPosition | undefined;
  readonly limits?: Partial<FeedLimits> | undefined;
  /** Ends the opening. */
  readonly signal: AbortSignal;
}

/** @throws as ChangeSource.open does; AppError POSITION_LOST where it would begin anew behind `after`; CONNECTION_FAILED where it is held no longer */
export async function openHeldFeed(options: HeldFeedOptions): Promise<OpenedFeed> {
  const { changes, target, held, after, limits, signal } = options;
  const generation = newGeneration(Date.now(), randomInt(2 ** 16));
  if (held.kept) return await openKept(options, generation);
  if (after !== undefined) throw positionLost();
  const feed = await changes.open(target, { feedId: held.databaseId, kept: false, limits, signal });
  return { feed, generation };
}

async function openKept(
  { changes, target, held, store, after, limits, signal }: HeldFeedOptions,
  fresh: string,
): Promise<OpenedFeed> {
  let { generation } = held;
  const begin = async () => {
    if (after !== undefined) throw positionLost();
    generation = fresh;
    if (!(await store.began(held, generation))) throw leaseLost();
  };
  const feed = await changes.open(target, {
    feedId: held.databaseId,
    kept: true,
    after,
    // Before the slot is there: one that is found later is the one that these positions are of.
    beginsAnew: begin,
    limits,
    signal,
  });
  try {
    if (generation === null) await begin();
    const since = await store.tables(held.databaseId);
    return { feed: noting({ feed, held, store, since }), generation: generation ?? fresh };
  } catch (error) {
    await feed[Symbol.asyncDispose]();
    throw error;
  }
}

interface Noting {
  readonly feed: ChangeFeed;
  readonly held: HeldFeed;
  readonly store: Pick<FeedStore, 'note'>;
  readonly since: Map<string, CommitPosition>;
}

function noting({ feed, held, store, since }: Noting): ChangeFeed {
  async function note(tables: ReadonlyMap<string, CommitPosition | null>): Promise<void> {
    if (tables.size === 0) return;
    const noted = await store.note(held, tables).catch((cause: unknown) => {
      throw new AppError('CONNECTION_FAILED', 'What is followed could not be noted: try again', { cause });
    });
    if (!noted) throw leaseLost();
    for (const [id, place] of tables) {
      if (place === null) since.delete(id);
      else since.set(id, place);
    }
  }

  async function follow(
    tables: Parameters<ChangeFeed['follow']>[0],
    options: { signal: AbortSignal },
  ): Promise<FollowOutcome[]> {
    const outcomes = await feed.follow(tables, options);
    const now = feed.status().position;
    const added = new Map<string, CommitPosition>();
    for (const { id, after } of outcomes.filter(isFollowed)) {
      // Of one that a dead process had added nobody knows since when: from now on it is surely told.
      if (!since.has(id)) added.set(id, after > now ? after : now);
    }
    await note(added);
    return outcomes.map((outcome) =>
      isFollowed(outcome) ? { ...outcome, after: since.get(outcome.id) ?? outcome.after } : outcome,
    );
  }

  async function* read(): AsyncGenerator<readonly FeedEvent[]> {
    for await (const events of feed) {
      const changed = events.filter((event) => event.type === 'coverage' || event.type === 'gap');
      const place = feed.status().position;
      const isTold = (event: (typeof changed)[number]) =>
        event.type === 'gap' ? since.has(event.tableId) : event.coverage !== 'NOTHING';
      await note(new Map(changed.map((event) => [event.tableId, isTold(event) ? place : null])));
      yield events;
    }
  }

  return {
    start: feed.start,
    resumed: feed.resumed,
    followed: feed.followed,
    follow,
    async unfollow(ids, options) {
      await note(new Map(ids.map((id) => [id, null])));
      await feed.unfollow(ids, options);
    },
    [Symbol.asyncIterator]: read,
    confirm: (position) => feed.confirm(position),
    status: () => feed.status(),
    closed: feed.closed,
    [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
  };
}

type Followed = Extract<FollowOutcome, { id: string }>;
const isFollowed = (outcome: FollowOutcome): outcome is Followed => outcome.id !== null;

const positionLost = (): AppError =>
  new AppError('POSITION_LOST', 'The server no longer has all that was committed since');
