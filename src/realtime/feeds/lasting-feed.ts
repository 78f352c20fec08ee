/**
 * A kept feed for as long as somebody wants it: one that is lost is opened again and goes on where it was, and whoever
 * reads it notices nothing but that he waits. It ends when something is really gone.
 */
import type { ChangeFeed, CommitPosition, Coverage, FeedEvent } from '../../engines/changes.ts';
import { AppError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { pause, untilAborted } from '../../lib/until-aborted.ts';
import { createRepeated } from './repeated.ts';

export interface OpenedFeed {
  readonly feed: ChangeFeed;
  /** Of its positions: another one where something may be missed between this feed and the one before. */
  readonly generation: string;
}

export interface LastingFeedDeps {
  readonly databaseId: string;
  readonly first: OpenedFeed;
  /** Opens it again, behind a place. @throws AppError, POSITION_LOST where that is gone; the signal's reason */
  readonly open: (after: CommitPosition, options: { signal: AbortSignal }) => Promise<OpenedFeed>;
  readonly log: Log;
  readonly limits?: Partial<LastingFeedLimits> | undefined;
}

export interface LastingFeedLimits {
  /** Between two attempts to open it again: at first, and at the most. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** A server may refuse for a moment, while it has not noticed that a session has ended. */
  readonly refusals: number;
}

export const lastingFeedLimits: LastingFeedLimits = { retryMs: 200, maxRetryMs: 3_000, refusals: 10 };

const passing: readonly string[] = ['CONNECTION_FAILED', 'TIMEOUT', 'SQL_ERROR'];

/** Ends with AppError POSITION_LOST, LIMIT_EXCEEDED, UNSUPPORTED, NOT_FOUND or NOT_CONFIGURED; nothing of it passes by waiting. */
export function createLastingFeed({ databaseId, first, open, log, ...deps }: LastingFeedDeps): ChangeFeed {
  const limits = { ...lastingFeedLimits, ...deps.limits };
  const { generation } = first;
  const closed = new AbortController();
  const repeated = createRepeated(first.feed.start);
  const known = new Map(first.feed.followed);
  let feed = first.feed;
  let disposed = false;
  let confirmed: CommitPosition | null = null;
  /** Resolves when the next one is open. */
  let next: PromiseWithResolvers<void> | null = null;
  let waitMs = limits.retryMs;
  /** Told when it was opened last. */
  let toldBefore: CommitPosition | null = null;

  async function openAgain(): Promise<void> {
    if (toldBefore === null || repeated.told > toldBefore) waitMs = limits.retryMs;
    toldBefore = repeated.told;
    next ??= Promise.withResolvers();
    const waiting = next;
    await feed[Symbol.asyncDispose]();
    for (let refusals = 0; ; ) {
      await pause(waitMs, closed.signal);
      waitMs = Math.min(waitMs * 2, limits.maxRetryMs);
      try {
        const opened = await open(repeated.told, { signal: closed.signal });
        if (closed.signal.aborted || opened.generation !== generation) {
          await opened.feed[Symbol.asyncDispose]();
          closed.signal.throwIfAborted();
          throw new AppError('POSITION_LOST', 'The server no longer has all that was committed since');
        }
        feed = opened.feed;
        if (confirmed !== null) feed.confirm(confirmed);
        log.info({ databaseId }, 'realtime.feed_reopened');
        next = null;
        waiting.resolve();
        return;
      } catch (error) {
        closed.signal.throwIfAborted();
        if (isRefusal(error) && refusals < limits.refusals) refusals += 1;
        else if (!isPassing(error)) throw error;
        log.debug({ databaseId, error: String(error) }, 'realtime.feed_not_reopened');
      }
    }
  }

  /** What has changed of what is told, while nobody was told. */
  function differences(): FeedEvent[] {
    const events: FeedEvent[] = [];
    for (const [tableId, before] of known) {
      const coverage = feed.followed.get(tableId) ?? 'NOTHING';
      if (coverage === before) continue;
      const reason = coverage === 'NOTHING' ? 'The table is gone, or is published no longer' : null;
      events.push({ type: 'coverage', tableId, coverage, reason });
    }
    return events;
  }

  function note(events: readonly FeedEvent[]): readonly FeedEvent[] {
    for (const event of events) if (event.type === 'coverage') cover(event.tableId, event.coverage);
    return events;
  }

  function cover(tableId: string, coverage: Coverage): void {
    if (coverage === 'NOTHING') known.delete(tableId);
    else known.set(tableId, coverage);
  }

  function end(reason: unknown): void {
    closed.abort(reason);
    // Nobody may be waiting for it.
    next?.promise.catch(() => undefined);
    next?.reject(reason);
    next = null;
  }

  async function* read(): AsyncGenerator<readonly FeedEvent[]> {
    try {
      for (;;) {
        try {
          for await (const events of feed) {
            const fresh = note(repeated.leaveOut(events));
            if (fresh.length > 0) yield fresh;
          }
        } catch (error) {
          if (!isPassing(error)) throw error;
          log.info({ databaseId, error: String(error) }, 'realtime.feed_interrupted');
        }
        if (disposed) return;
        await openAgain();
        const changed = note(differences());
        if (changed.length > 0) yield changed;
      }
    } catch (error) {
      if (disposed) return;
      end(error);
      throw error;
    }
  }

  /** With the feed that is open, and with the next one where it is lost meanwhile. */
  async function withFeed<Value>(
    work: (current: ChangeFeed, signal: AbortSignal) => Promise<Value>,
    signal: AbortSignal,
  ): Promise<Value> {
    const within = AbortSignal.any([signal, closed.signal]);
    for (;;) {
      within.throwIfAborted();
      if (next) await untilAborted(next.promise, within);
      const current = feed;
      try {
        return await work(current, within);
      } catch (error) {
        within.throwIfAborted();
        if (!current.closed.aborted) throw error;
      }
      // Its reader finds out, and opens the next one.
      if (current === feed) next ??= Promise.withResolvers();
    }
  }

  return {
    start: first.feed.start,
    resumed: first.feed.resumed,
    followed: first.feed.followed,
    follow: (tables, { signal }) =>
      withFeed(async (current, within) => {
        const outcomes = await current.follow(tables, { signal: within });
        // That more is told of a known one than before its reader hears where that begins, from this feed or the next.
        for (const outcome of outcomes) {
          if (outcome.id === null) continue;
          // Where more is told of one than before, its reader hears of that in its place, from this feed or the next.
          if (!known.has(outcome.id) || outcome.coverage !== 'ALL') cover(outcome.id, outcome.coverage);
        }
        return outcomes;
      }, signal),
    unfollow: (ids, { signal }) =>
      withFeed(async (current, within) => {
        await current.unfollow(ids, { signal: within });
        for (const id of ids) known.delete(id);
      }, signal),
    [Symbol.asyncIterator]: read,
    confirm(position) {
      confirmed = position;
      feed.confirm(position);
    },
    status: () => ({ ...feed.status(), position: repeated.told }),
    closed: closed.signal,
    async [Symbol.asyncDispose]() {
      disposed = true;
      end(new AppError('CONNECTION_FAILED', 'The feed was closed'));
      await feed[Symbol.asyncDispose]();
    },
  };
}

const isPassing = (error: unknown): boolean => error instanceof AppError && passing.includes(error.code);
const isRefusal = (error: unknown): boolean => error instanceof AppError && error.code === 'UNSUPPORTED';
