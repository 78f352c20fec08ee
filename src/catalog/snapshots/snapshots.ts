/**
 * Keeps a snapshot of each database that is looked at, and reads it anew: on request, and when one that was asked for is
 * no longer fresh. One read of a target at a time, over all requests and replicas. How one is read is its engine's; what
 * is answered from it, snapshot-catalog.ts.
 */
import type { CatalogSnapshot } from '../../engines/snapshot.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { type Difference, differenceOf } from '../drift/difference.ts';
import { createSnapshotCache } from './cache.ts';
import { packSnapshot, unpackSnapshot } from './content.ts';
import { fingerprintOf } from './fingerprint.ts';
import { createSnapshotIndex, type SnapshotIndex } from './snapshot-index.ts';
import type { SnapshotSource, SnapshotState, SnapshotStore } from './store.ts';

export interface SnapshotsDeps<Database extends SnapshotSource> {
  readonly store: SnapshotStore;
  /** Reads the target. @throws AppError */
  read(database: Database, options: { signal: AbortSignal }): Promise<CatalogSnapshot>;
  readonly bus: Bus<Topic>;
  readonly log: Log;
  /** For how long a snapshot is answered from. */
  readonly ttlMs: number;
  readonly limits?: Partial<SnapshotLimits>;
}

export interface SnapshotLimits {
  /** Of one read, with its wait for others that read the same target. */
  readonly readTimeoutMs: number;
  /** After which another replica takes one that says nothing for lost. */
  readonly leaseMs: number;
  /** Between looks whether another replica has ended its read, where its ring was lost. */
  readonly pollMs: number;
  /** Between two reads that nobody asked for, when the first one failed. */
  readonly pauseAfterFailureMs: number;
  readonly maxCachedBytes: number;
  /** A snapshot with a longer text is opened behind the answer that would have liked to have it. */
  readonly maxAwaitedBytes: number;
}

const defaultLimits: SnapshotLimits = {
  readTimeoutMs: 120_000,
  leaseMs: 30_000,
  pollMs: 1_000,
  pauseAfterFailureMs: 10_000,
  maxCachedBytes: 256 * 2 ** 20,
  maxAwaitedBytes: 4 * 2 ** 20,
};

export interface Snapshots<Database extends SnapshotSource> extends Service {
  /** What is known of the snapshots of these databases, in their order; null where there is none. */
  states(databaseIds: readonly string[]): Promise<(SnapshotState | null)[]>;
  /** What may be answered from now; null where there is none or it is not fresh, and then it is read in the background. */
  open(database: Database, state: SnapshotState | null): Promise<SnapshotIndex | null>;
  /**
   * Reads the target as it is from now on. What fails leaves the snapshot that is there, with its age.
   * @throws AppError of the engine; TIMEOUT; NOT_FOUND for a database that is gone; the signal's reason
   */
  refresh(database: Database, options: { signal: AbortSignal }): Promise<void>;
}

interface Flight {
  readonly done: Promise<void>;
  /** The one that begins when this one has ended, for whoever came meanwhile. */
  next: Flight | null;
}

export function createSnapshots<Database extends SnapshotSource>({
  store,
  read,
  bus,
  log,
  ttlMs,
  ...deps
}: SnapshotsDeps<Database>): Snapshots<Database> {
  const limits = { ...defaultLimits, ...deps.limits };
  const cache = createSnapshotCache({ maxBytes: limits.maxCachedBytes });
  const stopped = new AbortController();
  const flights = new Map<string, Flight>();
  const opening = new Map<string, Promise<SnapshotIndex | null>>();
  /** When the last read that nobody asked for failed, by the clock of this process. */
  const failedAt = new Map<string, number>();

  function fly(database: Database, before: Flight | null, work: () => Promise<void>): Flight {
    const done = (before ? before.done.catch(() => undefined) : Promise.resolve()).then(work);
    const flight: Flight = { done, next: null };
    if (!before) flights.set(database.id, flight);
    const end = () => {
      if (flight.next) flights.set(database.id, flight.next);
      else flights.delete(database.id);
    };
    // Whoever waits is told; nobody may.
    done.then(end, end);
    return flight;
  }

  /** @param patient waits for the read of another replica, and reads again behind it */
  async function readAnew(database: Database, { patient }: { patient: boolean }): Promise<void> {
    const deadline = AbortSignal.timeout(limits.readTimeoutMs);
    const signal = AbortSignal.any([deadline, stopped.signal]);
    const reader = { id: uuidv7(), leaseMs: limits.leaseMs };
    try {
      const startedAt = await begin(database, reader, signal, { patient });
      if (startedAt === null) return;
      await keep(database, reader, startedAt, signal);
    } catch (error) {
      if (!deadline.aborted || stopped.signal.aborted) throw error;
      throw new AppError('TIMEOUT', 'The catalogue could not be read in time', {
        cause: error,
        details: { timeoutMs: limits.readTimeoutMs },
      });
    }
  }

  /** Null where another replica reads it, and nobody waits. */
  async function begin(
    database: Database,
    reader: { id: string; leaseMs: number },
    signal: AbortSignal,
    { patient }: { patient: boolean },
  ): Promise<string | null> {
    using bell = createDoorbell(bus, 'catalog.read', database.id);
    for (;;) {
      signal.throwIfAborted();
      const begun = await store.begin(database, reader);
      if (begun === 'GONE') throw notFound('Database');
      if (begun !== 'TAKEN') return begun.startedAt;
      if (!patient) return null;
      await bell.wait(limits.pollMs, signal);
    }
  }

  async function keep(
    database: Database,
    reader: { id: string; leaseMs: number },
    startedAt: string,
    signal: AbortSignal,
  ): Promise<void> {
    const lost = new AbortController();
    const timer = setInterval(() => {
      store.goOn(database.id, reader).then(
        (ours) => ours || lost.abort(new AppError('CONFLICT', 'Another server reads the catalogue by now')),
        () => undefined, // The metadata are away for a moment; `keep` will tell.
      );
    }, limits.leaseMs / 3);
    const since = performance.now();
    try {
      const snapshot = await read(database, { signal: AbortSignal.any([signal, lost.signal]) });
      const fingerprint = await fingerprintOf(snapshot);
      const packed = await packSnapshot(snapshot);
      const changes = await changesSince(database.id, snapshot, fingerprint);
      if (!(await store.keep(database.id, reader.id, { ...packed, fingerprint, startedAt, changes }))) {
        throw new AppError('CONFLICT', 'The connection was changed while its catalogue was read');
      }
      cache.put(database.id, packed.version, createSnapshotIndex(snapshot), packed.bytes);
      failedAt.delete(database.id);
      if (changes.length > 0) bus.ring('catalog.changed', database.id);
      const { bytes, content } = packed;
      log.debug(
        {
          databaseId: database.id,
          durationMs: Math.round(performance.now() - since),
          bytes,
          kept: content.length,
          changes: changes.length,
        },
        'catalog.read',
      );
    } catch (error) {
      await store.giveUp(database.id, reader.id).catch(() => undefined); // Its lease ends by itself.
      throw error;
    } finally {
      clearInterval(timer);
      bus.ring('catalog.read', database.id);
    }
  }

  /** What is kept cannot be replaced meanwhile: whoever reads is the only one who keeps. A first snapshot is no change. */
  async function changesSince(
    databaseId: string,
    snapshot: CatalogSnapshot,
    fingerprint: string,
  ): Promise<readonly Difference[]> {
    const [last] = await store.states([databaseId], ttlMs);
    if (!last || last.fingerprint === fingerprint) return [];
    const cached = cache.get(databaseId, last.version);
    if (cached) return await differenceOf(cached.snapshot, snapshot);
    const content = await store.content(databaseId, last.version);
    const before = content && (await unpackSnapshot(content).catch(() => null));
    if (before) return await differenceOf(before, snapshot);
    // One that cannot be read must not keep the next from being kept.
    log.warn({ databaseId }, 'catalog.changes_unknown');
    return [];
  }

  function readBehind(database: Database): void {
    const failed = failedAt.get(database.id);
    if (flights.has(database.id) || stopped.signal.aborted) return;
    if (failed !== undefined && performance.now() - failed < limits.pauseAfterFailureMs) return;
    fly(database, null, () => readAnew(database, { patient: false })).done.catch((error: unknown) => {
      if (stopped.signal.aborted) return;
      for (const [id, at] of failedAt) {
        if (performance.now() - at >= limits.pauseAfterFailureMs) failedAt.delete(id);
      }
      failedAt.set(database.id, performance.now());
      log.debug({ databaseId: database.id, error: String(error) }, 'catalog.not_read');
    });
  }

  function openKept({ databaseId, version, bytes }: SnapshotState): Promise<SnapshotIndex | null> {
    const key = `${databaseId} ${version}`;
    const known = opening.get(key);
    if (known) return known;
    const opened = store
      .content(databaseId, version)
      .then(async (content) => {
        if (!content) return null;
        const index = createSnapshotIndex(await unpackSnapshot(content));
        cache.put(databaseId, version, index, bytes);
        return index;
      })
      .finally(() => opening.delete(key));
    opened.catch((error: unknown) => log.warn({ databaseId, error: String(error) }, 'catalog.not_opened'));
    opening.set(key, opened);
    return opened;
  }

  return {
    async states(databaseIds) {
      const found = new Map((await store.states(databaseIds, ttlMs)).map((state) => [state.databaseId, state]));
      return databaseIds.map((id) => found.get(id) ?? null);
    },

    async open(database, state) {
      if (!state) cache.drop(database.id);
      if (!state?.fresh) {
        readBehind(database);
        return null;
      }
      const cached = cache.get(database.id, state.version);
      if (cached) return cached;
      const opened = openKept(state);
      return state.bytes <= limits.maxAwaitedBytes ? await opened.catch(() => null) : null;
    },

    async refresh(database, { signal }) {
      signal.throwIfAborted();
      const work = () => readAnew(database, { patient: true });
      const running = flights.get(database.id);
      if (running) running.next ??= fly(database, running, work);
      const flight = running?.next ?? fly(database, null, work);
      await untilAborted(flight.done, signal);
    },

    async stop() {
      stopped.abort(new AppError('CONNECTION_FAILED', 'The server is stopping'));
      await Promise.allSettled([...flights.values()].flatMap(({ done, next }) => [done, next?.done]));
      await Promise.allSettled(opening.values());
    },
  };
}
