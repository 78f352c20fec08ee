/** The change feed of a PostgreSQL database without a logical log: triggers write an outbox, which is read here. */
import { AppError } from '../../../../lib/errors.ts';
import { createGate } from '../../../../lib/gate.ts';
import { pause } from '../../../../lib/until-aborted.ts';
import type { QualifiedName } from '../../../catalog.ts';
import type { ChangeFeed, FeedEvent, FeedLimits, FeedOptions, FollowOutcome } from '../../../changes.ts';
import type { Target } from '../../../engine.ts';
import type { ConnectDeps } from '../../connect.ts';
import { Events, type FollowedTable } from '../events.ts';
import { failureOf, feedClosed } from '../failures.ts';
import { createFeedback } from '../feedback.ts';
import { after as behind, later } from '../lsn.ts';
import { type FeedNames, namesOf, unsupported } from '../names.ts';
import { isLockTimeout } from '../publication.ts';
import { createShapes } from '../shapes.ts';
import { openSide, refusalOf, type Side } from '../side.ts';
import { positionLost } from '../slot.ts';
import { outboxNamesOf } from './installation.ts';
import { createOutbox, type Outbox, type OutboxPlace, placeOf, positionOfPlace } from './outbox.ts';
import { createOutboxEvents } from './outbox-events.ts';
import { createTriggers, type Triggers } from './triggers.ts';

/** A ring can get lost on the way, by a pooler, and none follows a transaction that was prepared. */
const pollMs = 1_000;
/** A table that is never free is not had at all. */
const lockPatienceMs = 5_000;
/** Nobody has counted the rows: a planner that takes them for few sorts all of a transaction for each piece of it. */
const planning = ['SET enable_bitmapscan = off', 'SET enable_seqscan = off', 'SET jit = off'] as const;
/** Triggers that are on until then are taken off another time. */
const cleanUpMs = 5_000;
const takeOverPauseMs = 50;

/** @throws as ChangeSource.open does; UNSUPPORTED where no outbox is installed */
export async function openOutboxFeed(
  deps: ConnectDeps,
  target: Target,
  options: FeedOptions,
  limits: FeedLimits,
): Promise<ChangeFeed> {
  const { feedId, signal } = options;
  const names = namesOf(feedId);
  await using opening = new AsyncDisposableStack();
  const side = opening.use(await openSide(deps, target, { signal, label: `${names.label} side` }));
  const outbox = createOutbox(side, outboxNamesOf(feedId));
  const triggers = createTriggers({ side, names: outboxNamesOf(feedId) });
  if (!(await outbox.isInstalled({ signal }))) throw unsupported('No outbox is installed');
  try {
    await takeOver(side, names, signal);
    for (const setting of planning) await side.query(setting, [], { signal });
    const { start, followed } = await begin(outbox, triggers, options);
    await side.query(`LISTEN ${outboxNamesOf(feedId).channel}`, [], { signal });
    await side.query(`LISTEN ${names.ddlChannel}`, [], { signal });
    return createFeed({ side, outbox, triggers, names, options, limits, ...start, followed, held: opening.move() });
  } catch (error) {
    signal.throwIfAborted();
    throw refusalOf(error);
  }
}

/** One reader at a time: whoever was left behind, or is not yet gone, is ended. */
async function takeOver(side: Side, { label, outbox }: FeedNames, signal: AbortSignal): Promise<void> {
  for (;;) {
    const [row] = await side.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0))', [`quarry rows ${outbox}`], {
      signal,
    });
    if (row?.[0] === 't') return;
    await side.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()`,
      [`${label} side`],
      { signal },
    );
    await pause(takeOverPauseMs, signal);
  }
}

interface Begun {
  readonly start: { readonly start: string; readonly resumed: boolean };
  readonly followed: Map<number, FollowedTable>;
}

/** @throws AppError POSITION_LOST */
async function begin(outbox: Outbox, triggers: Triggers, { kept, after, signal }: FeedOptions): Promise<Begun> {
  const there = await triggers.there({ signal });
  const forgotten = kept ? await outbox.resume({ signal }) : null;
  if (forgotten !== null) {
    const first = positionOfPlace(forgotten);
    if (after !== undefined && after < first) throw positionLost();
    const start = later(first, after ?? first);
    const followed = new Map(there.map((oid) => [Number(oid), { after: start, coverage: 'ALL' as const }]));
    return { start: { start, resumed: true }, followed };
  }
  // What they wrote while nobody had a place is not all there.
  await triggers.take(there, { signal, patienceMs: lockPatienceMs });
  const start = positionOfPlace(await outbox.reset({ signal }));
  if (kept && after !== undefined) {
    await outbox.close({ signal });
    throw positionLost();
  }
  return { start: { start, resumed: false }, followed: new Map() };
}

interface Parts {
  readonly side: Side;
  readonly outbox: Outbox;
  readonly triggers: Triggers;
  readonly names: FeedNames;
  readonly options: FeedOptions;
  readonly limits: FeedLimits;
  readonly start: string;
  readonly resumed: boolean;
  readonly followed: Map<number, FollowedTable>;
  readonly held: AsyncDisposableStack;
}

function createFeed({
  side,
  outbox,
  triggers,
  names,
  options: { kept },
  limits: { checkMs, silentMs, maxRetainedBytes },
  start,
  resumed,
  followed,
  held,
}: Parts): ChangeFeed {
  const closed = new AbortController();
  const gate = createGate({ max: 1 });
  let disposed = false;
  let reading = false;
  let retainedBytes: number | null = null;
  let heardAtMs = performance.now();
  let cleaned: Promise<void> | undefined;
  let ring = () => {};
  let rung = false;
  /** The last row that was read. */
  let last: OutboxPlace = { place: placeOf(start), xid: null, id: null };

  const shapes = createShapes({ query: (text, values) => side.query(text, values, { signal: closed.signal }) });
  const events = new Events({ shapes, followed, start, replyRequested: () => {} });
  const rows = createOutboxEvents(events);
  const forget = (flushed: bigint): void =>
    void outbox.forget(flushed - 1n, { signal: closed.signal }).catch((error: unknown) => lose(failureOf(error)));
  const feedback = createFeedback({ stream: { feedback: forget }, events, start });
  const news = (event: FeedEvent & { type: 'coverage' | 'schema' }): void => {
    events.add(event);
    wake();
  };

  side.connection.closed.addEventListener('abort', () => lose(failureOf(side.connection.closed.reason)));
  side.connection.client.on('notification', ({ channel }) => {
    if (channel === names.ddlChannel) news({ type: 'schema' });
    else wake();
  });
  const watching = keepWatch();

  function wake(): void {
    rung = true;
    ring();
  }

  /** Until something has come, or might have. */
  async function rest(ms: number): Promise<void> {
    if (!rung && !closed.signal.aborted)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms).unref();
        ring = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    rung = false;
  }

  async function keepWatch(): Promise<void> {
    try {
      for (;;) {
        await pause(checkMs, closed.signal);
        const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(silentMs + lockPatienceMs)]);
        retainedBytes = await outbox.bytes({ signal });
        heardAtMs = performance.now();
        if (retainedBytes > maxRetainedBytes) throw positionLost();
        await gate.run(() => check(signal), signal);
      }
    } catch (error) {
      lose(failureOf(error));
    }
  }

  async function check(signal: AbortSignal): Promise<void> {
    const there = new Set(await triggers.there({ signal }));
    for (const oid of [...followed.keys()])
      if (!there.delete(String(oid))) {
        followed.delete(oid);
        news({
          type: 'coverage',
          tableId: String(oid),
          coverage: 'NOTHING',
          reason: 'The table is gone, or a trigger on it',
        });
      }
    // Which could not be had when they were let go.
    await triggers.take([...there], { signal, patienceMs: 0 }).catch(unlessBusy);
  }

  function lose(reason: unknown): void {
    if (closed.signal.aborted) return;
    closed.abort(reason);
    feedback[Symbol.dispose]();
    wake();
    cleaned = cleanUp(reason).catch(() => undefined); // The target is away: the next feed begins anew.
  }

  async function cleanUp(reason: unknown): Promise<void> {
    if (kept && !(reason instanceof AppError && reason.code === 'POSITION_LOST')) return;
    const signal = AbortSignal.timeout(cleanUpMs);
    await outbox.close({ signal });
    await triggers.take(await triggers.there({ signal }), { signal, patienceMs: cleanUpMs });
  }

  /** A piece of what has its place; then what has come since; then that there is nothing. @throws whatever ended the feed */
  async function readOn(): Promise<void> {
    if (await readPiece()) return;
    rows.end();
    const place = await outbox.order({ signal: closed.signal });
    if (place === null) throw positionLost();
    if (!(await readPiece())) events.message('', false, behind(positionOfPlace(place)));
  }

  async function readPiece(): Promise<boolean> {
    const piece = await outbox.rows(last, { signal: closed.signal });
    heardAtMs = performance.now();
    for (const row of piece) {
      const waits = rows.row(row);
      if (waits !== undefined) await waits;
    }
    last = piece.at(-1) ?? last;
    return piece.length > 0;
  }

  async function* read(): AsyncGenerator<readonly FeedEvent[]> {
    if (reading) throw new TypeError('A feed has one reader');
    reading = true;
    try {
      for (let quiet = false; ; ) {
        const batch = events.take();
        feedback.advance();
        if (batch.length > 0) {
          yield batch;
          quiet = batch.every(({ type }) => type === 'alive');
          continue;
        }
        if (closed.signal.aborted) break;
        if (quiet) await rest(Math.min(checkMs, pollMs));
        quiet = false;
        await readOn().catch((error: unknown) => lose(failureOf(error)));
      }
    } finally {
      reading = false;
    }
    if (!disposed) throw closed.signal.reason;
  }

  async function follow(tables: readonly QualifiedName[], signal: AbortSignal): Promise<FollowOutcome[]> {
    const outcomes: FollowOutcome[] = [];
    for (const table of tables) {
      try {
        const facts = await triggers.put(table, { signal, patienceMs: lockPatienceMs });
        if (facts === null) outcomes.push({ table, id: null, reason: 'There is no such table' });
        else if (facts.coverage === 'NOTHING') outcomes.push({ table, id: null, reason: facts.reason ?? '' });
        else {
          // Nobody was writing to it: what begins from now on is captured whole.
          const known = followed.get(Number(facts.oid))?.after ?? later(events.position, events.begun);
          followed.set(Number(facts.oid), { after: known, coverage: 'ALL' });
          outcomes.push({ table, id: facts.oid, after: known, coverage: 'ALL', reason: null });
        }
      } catch (error) {
        unlessBusy(error);
        outcomes.push({
          table,
          id: null,
          reason: 'Somebody holds a lock on it, e.g. to write to it or to alter it: try again',
        });
      }
    }
    return outcomes;
  }

  const within = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, closed.signal]);

  return {
    start,
    resumed,
    follow: (tables, { signal }) => gate.run(() => follow(tables, within(signal)).catch(rethrow), within(signal)),
    unfollow: (ids, { signal }) =>
      gate.run(async () => {
        const known = ids.filter((id) => followed.delete(Number(id)));
        await triggers
          .take(known, { signal: within(signal), patienceMs: 0 })
          .catch(unlessBusy)
          .catch(rethrow);
      }, within(signal)),
    [Symbol.asyncIterator]: read,
    confirm: (position) => feedback.confirm(position),
    status: () => ({
      retainedBytes,
      safeBytes: retainedBytes === null ? null : Math.max(0, maxRetainedBytes - retainedBytes),
      position: events.position,
      confirmed: feedback.confirmed,
      heardAt: new Date(performance.timeOrigin + heardAtMs),
    }),
    closed: closed.signal,
    async [Symbol.asyncDispose]() {
      disposed = true;
      lose(feedClosed());
      await cleaned;
      await watching;
      await held.disposeAsync();
    },
  };
}

function unlessBusy(error: unknown): void {
  if (!isLockTimeout(error)) throw error;
}

function rethrow(error: unknown): never {
  throw refusalOf(error);
}
