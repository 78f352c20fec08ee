/** The change feed of a PostgreSQL database without a logical log: triggers write an outbox, which is read here. */
import { createGate } from '../../../../lib/gate.ts';
import { pause } from '../../../../lib/until-aborted.ts';
import type { QualifiedName } from '../../../catalog.ts';
import type { ChangeFeed, FeedEvent, FeedLimits, FeedOptions, FollowOutcome } from '../../../changes.ts';
import { Events, type FollowedTable } from '../events.ts';
import { failureOf, feedClosed, isFinal } from '../failures.ts';
import { createFeedback } from '../feedback.ts';
import type { TableFacts } from '../followable.ts';
import { coverages } from '../following.ts';
import { after as behind, later } from '../lsn.ts';
import type { FeedNames } from '../names.ts';
import { createPartitions } from '../partitions.ts';
import { isLockTimeout } from '../publication.ts';
import { createShapes } from '../shapes.ts';
import { refusalOf, type Side } from '../side.ts';
import { positionLost } from '../slot.ts';
import { type Outbox, type OutboxPlace, placeOf, positionOfPlace } from './outbox.ts';
import { createOutboxEvents } from './outbox-events.ts';
import { lockPatienceMs, type Triggers } from './triggers.ts';

/** A ring can get lost on the way, by a pooler, and none follows a transaction that was prepared. */
const pollMs = 1_000;
/** Triggers that are on until then are taken off another time. */
const cleanUpMs = 5_000;

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

/** Of an outbox that nobody else reads. */
export function createFeed({
  side,
  outbox,
  triggers,
  names,
  options: { kept },
  limits: { checkMs, silentMs, maxRetainedBytes, maxToldBytes },
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
  const begunWith = coverages(followed);
  /** The last row that was read. */
  let last: OutboxPlace = { place: placeOf(start), xid: null, id: null };

  const shapes = createShapes({ query: (text, values) => side.query(text, values, { signal: closed.signal }) });
  const events = new Events({ shapes, followed, start, replyRequested: () => {} });
  const rows = createOutboxEvents(events);
  const forget = (flushed: bigint): void =>
    void outbox.forget(flushed - 1n, { signal: closed.signal }).catch((error: unknown) => lose(failureOf(error)));
  const feedback = createFeedback({ stream: { feedback: forget }, events, start });
  const news = (event: FeedEvent & { type: 'coverage' | 'gap' | 'schema' }): void => {
    events.add(event);
    wake();
  };

  const partitions = createPartitions({
    side,
    events,
    placeNow: (waiting) => placeNow(waiting.signal),
    notes: kept ? outbox.notes : null,
    resumed,
    news,
  });

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
        if (kept && retainedBytes > maxToldBytes) feedback.confirm(events.position);
        await gate.run(() => check(signal), signal);
      }
    } catch (error) {
      lose(failureOf(error));
    }
  }

  async function check(signal: AbortSignal): Promise<void> {
    const there = await triggers.there({ signal });
    for (const oid of [...followed.keys()]) if (there.get(String(oid)) !== 'WHOLE') loseTable(oid);
    // Which could not be had when they were let go.
    const left = [...there.keys()].filter((oid) => !followed.has(Number(oid)));
    await triggers.take(left, { signal, patienceMs: 0 }).catch(unlessBusy);
    await partitions.look([...followed.keys()].map(String), { signal }).catch(unlessBusy);
  }

  /** Whoever has committed has his place by now. */
  async function placeNow(signal: AbortSignal): Promise<string> {
    const place = await outbox.order({ signal });
    if (place === null) throw positionLost();
    return positionOfPlace(place);
  }

  function loseTable(oid: number): void {
    if (!followed.delete(oid)) return;
    news({
      type: 'coverage',
      tableId: String(oid),
      coverage: 'NOTHING',
      reason: 'The table is gone, or a trigger on it is gone or was switched off',
    });
  }

  function lose(reason: unknown): void {
    if (closed.signal.aborted) return;
    closed.abort(reason);
    feedback[Symbol.dispose]();
    wake();
    cleaned = cleanUp(reason).catch(() => undefined); // The target is away: the next feed begins anew.
  }

  async function cleanUp(reason: unknown): Promise<void> {
    if (kept && !isFinal(reason)) return;
    const signal = AbortSignal.timeout(cleanUpMs);
    await outbox.close({ signal });
    await triggers.take([...(await triggers.there({ signal })).keys()], { signal, patienceMs: cleanUpMs });
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
        // Of a kept feed somebody may have a place that is as old as what was confirmed.
        if (!kept) feedback.advance();
        if (batch.length > 0) {
          yield batch;
          quiet = batch.every(({ type }) => type === 'alive');
          continue;
        }
        if (closed.signal.aborted) break;
        if (quiet) await rest(Math.min(checkMs, pollMs));
        if (closed.signal.aborted) break;
        quiet = false;
        await readOn().catch((error: unknown) => lose(failureOf(error)));
      }
    } finally {
      reading = false;
    }
    if (!disposed) throw closed.signal.reason;
  }

  async function follow(tables: readonly QualifiedName[], signal: AbortSignal): Promise<FollowOutcome[]> {
    const found: (TableFacts | string)[] = [];
    for (const table of tables) found.push(await putOne(table, signal));
    const added = found.flatMap((one) => (typeof one === 'string' || followed.has(Number(one.oid)) ? [] : [one.oid]));
    await partitions.begin(added, { signal });
    // Whoever wrote to them before has committed, and has his place now: all behind it is captured whole.
    const after = later(await placeNow(signal), events.begun);
    return found.map((one, index) => {
      const table = tables[index]!;
      if (typeof one === 'string') return { table, id: null, reason: one };
      const known = followed.get(Number(one.oid))?.after ?? after;
      followed.set(Number(one.oid), { after: known, coverage: 'ALL' });
      return { table, id: one.oid, after: known, coverage: 'ALL', reason: null };
    });
  }

  /** @returns what is known of it, or why it cannot be followed */
  async function putOne(table: QualifiedName, signal: AbortSignal): Promise<TableFacts | string> {
    try {
      const facts = await triggers.put(table, { signal, patienceMs: lockPatienceMs });
      if (facts === null) return 'There is no such table';
      if (facts.coverage === 'NOTHING') return facts.reason ?? '';
      // What was written without them is missing.
      if (facts.published === null) loseTable(Number(facts.oid));
      return facts;
    } catch (error) {
      unlessBusy(error);
      return 'Somebody holds a lock on it, e.g. to write to it or to alter it: try again';
    }
  }

  const within = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, closed.signal]);

  return {
    start,
    resumed,
    followed: begunWith,
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
