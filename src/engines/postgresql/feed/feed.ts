/** The change feed of a PostgreSQL database by logical replication: puts its parts behind the contract. */
import type { ChangeFeed, FeedEvent, FeedLimits, FeedOptions } from '../../changes.ts';
import type { Target } from '../../engine.ts';
import type { ConnectDeps } from '../connect.ts';
import { Events } from './events.ts';
import { failureOf, feedClosed, isFinal } from './failures.ts';
import { createFeedback } from './feedback.ts';
import { coverages, createFollowing } from './following.ts';
import { moved } from './lsn.ts';
import { openLog } from './open.ts';
import { createPartitions } from './partitions.ts';
import { createShapes } from './shapes.ts';
import { dropSlots, endReader } from './slot.ts';
import { lookAfter, mostTold, type Retained } from './watch.ts';

/** What is left behind in a target that does not answer is swept another time. */
const cleanUpMs = 5_000;

/** @throws as ChangeSource.open does */
export async function openFeed(
  deps: ConnectDeps,
  target: Target,
  options: FeedOptions,
  limits: FeedLimits,
): Promise<ChangeFeed> {
  const { patienceMs, checkMs, silentMs } = limits;
  const log = await openLog(deps, target, options, limits);
  const { side, replication, publication, stream, slot, start, resumed, followed } = log;
  const closed = new AbortController();
  let disposed = false;
  let reading = false;
  let cleaned: Promise<void> | undefined;
  let retained: Retained = { retainedBytes: null, safeBytes: null };
  let nudged = false;
  const begunWith = coverages(followed);
  let wakeWatch = () => {};

  const shapes = createShapes({ query: (text, values) => side.query(text, values, { signal: closed.signal }) });
  const events = new Events({ shapes, followed, start, replyRequested: () => feedback.send() });
  const feedback = createFeedback({ stream, events, start });
  const news = (event: FeedEvent & { type: 'coverage' | 'gap' | 'schema' }) => {
    events.add(event);
    stream.wake();
  };
  const partitions = createPartitions({
    side,
    events,
    placeNow: publication.placeNow,
    notes: options.kept ? publication.notes : null,
    resumed,
    news,
  });
  const following = createFollowing({ publication, partitions, followed, events, patienceMs, news });

  side.connection.closed.addEventListener('abort', () => lose(failureOf(side.connection.closed.reason)));
  replication.closed.addEventListener('abort', () => {
    // A reader has all that came before from the log itself, and then its end.
    if (!reading) lose(failureOf(replication.closed.reason));
  });
  side.connection.client.on('notification', () => {
    news({ type: 'schema' });
    lookNow();
  });
  // Also while nobody reads: the server ends whoever says nothing.
  const talking = setInterval(() => feedback.send(), checkMs).unref();
  const watching = keepWatch();

  async function keepWatch(): Promise<void> {
    const keep = (found: Retained) => {
      retained = found;
      if (options.kept) forgetTold(found);
    };
    const watched = { side, stream, following, slot, kept: options.kept, limits, retained: keep };
    try {
      while (!closed.signal.aborted) {
        const deadline = AbortSignal.any([closed.signal, AbortSignal.timeout(silentMs + patienceMs)]);
        await lookAfter(watched, { signal: deadline });
        if (!nudged && !closed.signal.aborted)
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, checkMs).unref();
            wakeWatch = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        nudged = false;
      }
    } catch (error) {
      lose(failureOf(error));
    }
  }

  function lookNow(): void {
    nudged = true;
    wakeWatch();
  }

  /** Whoever confirms late must not fill the disk of the target: he has what was told, and can only not be told it again. */
  function forgetTold(found: Retained): void {
    const most = mostTold(found, limits);
    if ((found.retainedBytes ?? 0) > most) feedback.confirm(moved(events.position, -BigInt(Math.floor(most / 2))));
  }

  function lose(reason: unknown): void {
    if (closed.signal.aborted) return;
    closed.abort(reason);
    clearInterval(talking);
    feedback[Symbol.dispose]();
    replication.destroy(new Error('The feed has ended'));
    stream.wake();
    lookNow();
    cleaned = cleanUp(reason).catch(() => undefined); // The target is away: the next one, or a sweep, finds what is left.
  }

  /** A slot that is read on, by a session that has not noticed, or that nobody will read again, would keep the log. */
  async function cleanUp(reason: unknown): Promise<void> {
    const signal = AbortSignal.timeout(Math.min(cleanUpMs, silentMs));
    await endReader(side, replication.identity, { signal });
    if (options.kept && isFinal(reason)) await dropSlots(side, [slot], { signal });
    if (!options.kept) await publication.drop({ signal });
  }

  async function* read(): AsyncGenerator<readonly FeedEvent[]> {
    if (reading) throw new TypeError('A feed has one reader');
    reading = true;
    try {
      for (;;) {
        const batch = events.take();
        // Of a kept feed somebody may have a place that is as old as what was confirmed.
        if (!options.kept) feedback.advance();
        if (batch.length > 0) yield batch;
        else if (closed.signal.aborted) break;
        else await stream.read(events.frame).catch((error: unknown) => lose(failureOf(error)));
      }
    } finally {
      reading = false;
    }
    if (!disposed) throw closed.signal.reason;
  }

  return {
    start,
    resumed,
    followed: begunWith,
    follow: (tables, { signal }) => following.follow(tables, { signal: AbortSignal.any([signal, closed.signal]) }),
    unfollow: (ids, { signal }) => following.unfollow(ids, { signal: AbortSignal.any([signal, closed.signal]) }),
    [Symbol.asyncIterator]: read,
    confirm: (position) => feedback.confirm(position),
    status: () => ({
      ...retained,
      position: events.position,
      confirmed: feedback.confirmed,
      heardAt: new Date(performance.timeOrigin + stream.heardAtMs),
    }),
    closed: closed.signal,
    async [Symbol.asyncDispose]() {
      disposed = true;
      lose(feedClosed());
      await cleaned;
      await watching;
      await log[Symbol.asyncDispose]();
    },
  };
}
