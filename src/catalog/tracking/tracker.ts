/**
 * Listens to the databases whose DDL is tracked, and reads their catalogues anew when there was some. Each has one
 * listener among all processes, by a lease. Whenever one begins to listen it reads first: something may have been missed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, Target } from '../../engines/engine.ts';
import { type Bus, createDoorbell, type Doorbell } from '../../lib/bus.ts';
import { uuidv7 } from '../../lib/ids.ts';
import { secretOf } from '../../lib/keyring.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { SnapshotSource } from '../snapshots/store.ts';
import type { TrackingStore } from './store.ts';
import { type TrackedDatabase, trackingLabel } from './tracking.ts';

export interface TrackerDeps<Database extends TrackedDatabase & SnapshotSource> {
  readonly store: TrackingStore;
  readonly databases: {
    findAll(ids: readonly string[]): Promise<Database[]>;
    targetOf(
      database: Database,
      principal: 'catalogue',
      options: { signal: AbortSignal },
    ): Promise<{ engine: Engine; target: Target }>;
  };
  readonly snapshots: Pick<Snapshots<Database>, 'refresh'>;
  /** Of the metadata. @throws Error where they are away */
  forget(databaseId: string): Promise<void>;
  readonly bus: Bus<Topic>;
  readonly log: Log;
  readonly limits?: Partial<TrackerLimits>;
}

export interface TrackerLimits {
  /** Between two looks which databases are this process's, and whether a job has changed one. */
  readonly tickMs: number;
  /** After which another process takes the databases of one that says nothing. */
  readonly leaseMs: number;
  /** Databases of one process, each with a connection. */
  readonly held: number;
  /** A burst of DDL is read once when it has been quiet for so long, and in any case after `burstMs`. */
  readonly quietMs: number;
  readonly burstMs: number;
  /** Between two looks whether what tells is still there, and the target with it. */
  readonly checkMs: number;
  /** Before a target that failed is tried again; longer each time, up to `maxRetryMs`. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

const defaultLimits: TrackerLimits = {
  tickMs: 1_000,
  leaseMs: 10_000,
  held: 200,
  quietMs: 150,
  burstMs: 800,
  checkMs: 30_000,
  retryMs: 1_000,
  maxRetryMs: 60_000,
};

export function startTracker<Database extends TrackedDatabase & SnapshotSource>({
  store,
  databases,
  snapshots,
  forget,
  bus,
  log,
  ...deps
}: TrackerDeps<Database>): Service {
  const limits = { ...defaultLimits, ...deps.limits };
  const holderId = uuidv7();
  const stopped = new AbortController();
  interface Watch {
    readonly revision: string;
    readonly stop: AbortController;
    readonly done: Promise<void>;
  }
  const watches = new Map<string, Watch>();

  function watch(database: Database): Watch {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, stopped.signal]);
    const done = listen(database, signal).catch((error: unknown) => {
      if (!signal.aborted) log.error({ databaseId: database.id, err: error }, 'tracking.failed');
    });
    return { revision: secretOf(database.sealedPassword), stop, done };
  }

  const tell = (databaseId: string) => bus.ringHere('tracking.told', databaseId);

  async function listen(database: Database, signal: AbortSignal): Promise<void> {
    using bell = createDoorbell(bus, 'tracking.told', database.id);
    for (let failures = 0; !signal.aborted; ) {
      const since = performance.now();
      try {
        if (database.hosted) await follow(database, bell, null, signal);
        else {
          const { engine, target } = await databases.targetOf(database, 'catalogue', { signal });
          if (!engine.tracking) return;
          const options = { trackingId: database.id, signal, label: trackingLabel, told: () => tell(database.id) };
          await using listener = await engine.tracking.listen(target, options);
          if (!(await listener.check())) return await lost(database);
          await follow(database, bell, listener, signal);
          if (!listener.closed.aborted && !signal.aborted) return await lost(database);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.debug({ databaseId: database.id, error: String(error) }, 'tracking.interrupted');
      }
      if (performance.now() - since >= limits.maxRetryMs) failures = 0;
      const waitMs = Math.min(limits.retryMs * 2 ** failures, limits.maxRetryMs);
      failures += 1;
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Until the listener has closed, or what tells is no longer there. */
  async function follow(
    database: Database,
    bell: Doorbell,
    listener: { readonly closed: AbortSignal; check(): Promise<boolean> } | null,
    signal: AbortSignal,
  ): Promise<void> {
    const ends = listener ? AbortSignal.any([signal, listener.closed]) : signal;
    tell(database.id);
    while (!ends.aborted) {
      if (await bell.wait(limits.checkMs, ends)) {
        const until = performance.now() + limits.burstMs;
        while (performance.now() < until && (await bell.wait(limits.quietMs, ends)));
        if (ends.aborted) return;
        await snapshots.refresh(database, { signal });
      } else if (!ends.aborted && listener && !(await listener.check())) return;
    }
  }

  /** Somebody took it out of the target: it is not tracked, and says so. */
  async function lost(database: Database): Promise<void> {
    log.warn({ databaseId: database.id }, 'tracking.lost');
    await forget(database.id);
  }

  async function tick(): Promise<void> {
    const held = await store.hold(holderId, { leaseMs: limits.leaseMs, limit: limits.held });
    const rows = held.length === 0 ? [] : await databases.findAll(held);
    const wanted = new Map(rows.map((database) => [database.id, database]));
    for (const [id, { revision, stop }] of watches) {
      const database = wanted.get(id);
      if (database && secretOf(database.sealedPassword) === revision) continue;
      stop.abort();
      watches.delete(id);
    }
    for (const [id, database] of wanted) if (!watches.has(id)) watches.set(id, watch(database));
    for (const id of held.length === 0 ? [] : await store.changed(holderId)) tell(id);
  }

  async function run(): Promise<void> {
    using bell = createDoorbell(bus, 'tracking.changed', '*');
    const { signal } = stopped;
    while (!signal.aborted) {
      await tick().catch((error: unknown) => log.debug({ error: String(error) }, 'tracking.not_held'));
      await bell.wait(limits.tickMs, signal);
    }
  }

  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
      await Promise.all(Array.from(watches.values(), ({ done }) => done));
      await store.release(holderId).catch(() => undefined); // Its lease ends by itself.
    },
  };
}
