/**
 * Keeps listening to the databases whose changes are kept, each in one process among all, and cleans up what processes that
 * died have left in targets.
 */
import type { Engine, Target } from '../../engines/engine.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError } from '../../lib/errors.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import type { Hub, HubDatabase } from '../hub.ts';
import type { Leases } from './leases.ts';
import type { Remains } from './remains.ts';
import type { FeedStore } from './store.ts';

export interface KeeperDeps<Database extends HubDatabase> {
  readonly leases: Pick<Leases, 'takeKept'>;
  readonly store: Pick<FeedStore, 'takeLeft' | 'remove' | 'noteProblem' | 'countUnheld'>;
  readonly remains: Pick<Remains, 'clean'>;
  readonly databases: {
    findAll(ids: readonly string[]): Promise<Database[]>;
    targetOf(
      database: Database,
      principal: 'feed',
      options: { signal: AbortSignal },
    ): Promise<{ engine: Engine; target: Target }>;
  };
  readonly hub: Pick<Hub<Database>, 'keep'>;
  readonly pool: Parameters<FeedStore['remove']>[0];
  readonly bus: Bus<Topic>;
  readonly log: Log;
  readonly limits?: Partial<KeeperLimits> | undefined;
}

export interface KeeperLimits {
  /** Between two looks which feeds are this process's. */
  readonly tickMs: number;
  /** Kept feeds of one process. */
  readonly held: number;
  /** Before a feed that could not be opened is tried again; longer each time, up to `maxRetryMs`. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** What a process left is cleaned up when its lease has ended so long ago; and so many at once. */
  readonly leftMs: number;
  readonly leftAtOnce: number;
  /** What cleaning up one target may take. */
  readonly cleanMs: number;
}

export const keeperLimits: KeeperLimits = {
  tickMs: 1_000,
  held: 48,
  retryMs: 500,
  maxRetryMs: 10_000,
  leftMs: 10_000,
  leftAtOnce: 10,
  cleanMs: 10_000,
};

const sayable = (error: unknown): string =>
  error instanceof AppError ? error.message : 'It could not be listened to: the log of the server says why';

export function startKeeper<Database extends HubDatabase>(deps: KeeperDeps<Database>): Service {
  const { leases, store, remains, databases, hub, pool, bus, log } = deps;
  const limits = { ...keeperLimits, ...deps.limits };
  const cleanerId = uuidv7();
  const stopped = new AbortController();
  const opening = new Map<string, Promise<void>>();
  const failed = new Map<string, { waitMs: number; nextMs: number; message: string }>();
  let unheld = 0;

  async function open(database: Database): Promise<void> {
    try {
      await hub.keep(database);
      failed.delete(database.id);
    } catch (error) {
      log.info({ databaseId: database.id, error: String(error) }, 'realtime.feed_not_kept');
      const before = failed.get(database.id);
      const waitMs = Math.min((before?.waitMs ?? limits.retryMs / 2) * 2, limits.maxRetryMs);
      const message = sayable(error);
      failed.set(database.id, { waitMs, nextMs: performance.now() + waitMs, message });
      if (message !== before?.message) await store.noteProblem(database.id, message).catch(() => undefined); // The log has it.
    } finally {
      opening.delete(database.id);
    }
  }

  async function hold(): Promise<void> {
    const ids = await leases.takeKept(limits.held);
    const due = ids.filter((id) => !opening.has(id) && (failed.get(id)?.nextMs ?? 0) <= performance.now());
    for (const database of due.length === 0 ? [] : await databases.findAll(due))
      opening.set(database.id, open(database));
    for (const id of failed.keys()) if (!ids.includes(id)) failed.delete(id);
    if (ids.length >= limits.held) await lookForUnheld();
    else unheld = 0;
  }

  /** Others may have room; where none has, somebody has to start one more. */
  async function lookForUnheld(): Promise<void> {
    const before = unheld;
    unheld = await store.countUnheld();
    if (unheld > before) log.warn({ held: limits.held, unheld }, 'realtime.feeds_not_held');
  }

  /** Where the target is away it is tried again, when this lease has ended. */
  async function clean(): Promise<void> {
    const { leftMs, leftAtOnce: limit, cleanMs } = limits;
    const ids = await store.takeLeft({ holderId: cleanerId, leaseMs: cleanMs * 2, leftMs, limit });
    await Promise.all((ids.length === 0 ? [] : await databases.findAll(ids)).map(cleanOne));
  }

  async function cleanOne(database: Database): Promise<void> {
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(limits.cleanMs)]);
    try {
      const { engine, target } = await databases.targetOf(database, 'feed', { signal });
      await engine.changes?.remove(target, { feedId: database.id, signal });
      await store.remove(pool, database.id);
      log.info({ databaseId: database.id }, 'realtime.feed_swept');
    } catch (error) {
      log.debug({ databaseId: database.id, error: String(error) }, 'realtime.feed_not_swept');
    }
  }

  async function run(): Promise<void> {
    using bell = createDoorbell(bus, 'feeds.changed', '*');
    const { signal } = stopped;
    while (!signal.aborted) {
      for (const step of [hold, clean, () => remains.clean({ signal })])
        await step().catch((error: unknown) => log.debug({ error: String(error) }, 'realtime.keeper_failed'));
      await bell.wait(limits.tickMs, signal);
    }
  }

  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
