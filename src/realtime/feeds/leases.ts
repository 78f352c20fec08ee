/**
 * The feeds that this process holds: one process listens to a database, and says so again and again. One that could not
 * say so goes on until another has taken its place, which ends its sessions in the target, too.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../lib/errors.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import type { FeedStore, HeldFeed } from './store.ts';

export interface Lease extends AsyncDisposable {
  readonly feed: HeldFeed;
  /** Aborts when another process holds the feed, it is being changed, or its database is gone: an AppError CONNECTION_FAILED. */
  readonly lost: AbortSignal;
}

export interface Leases extends Service {
  readonly holderId: string;
  /** Null: somebody else holds it. One that is held here already is given again; whoever disposes it lets it go for all. */
  take(databaseId: string): Promise<Lease | null>;
  /** Kept feeds that nobody held, and those that are held here. */
  takeKept(limit: number): Promise<readonly string[]>;
}

export interface LeaseLimits {
  /** After which another process takes the feeds of one that says nothing. */
  readonly leaseMs: number;
  readonly renewMs: number;
  /** Metadata that do not answer for so long are asked anew: else a line that went silent would cost all feeds. */
  readonly askMs: number;
}

export const leaseLimits: LeaseLimits = { leaseMs: 5_000, renewMs: 1_500, askMs: 3_000 };

interface Held {
  feed: HeldFeed;
  readonly lost: AbortController;
}

export function createLeases({
  store,
  log,
  ...deps
}: {
  store: Pick<FeedStore, 'take' | 'takeKept' | 'renew' | 'release'>;
  log: Log;
  limits?: Partial<LeaseLimits> | undefined;
}): Leases {
  const { leaseMs, renewMs, askMs } = { ...leaseLimits, ...deps.limits };
  const holderId = uuidv7();
  const hold = { holderId, leaseMs };
  const all = new Map<string, Held>();
  const stopped = new AbortController();

  function keep(feed: HeldFeed): Held {
    const known = all.get(feed.databaseId);
    if (known?.feed.lease === feed.lease && known.feed.kept === feed.kept) {
      known.feed = feed;
      return known;
    }
    known?.lost.abort(leaseLost());
    const held: Held = { feed, lost: new AbortController() };
    all.set(feed.databaseId, held);
    return held;
  }

  async function letGo(held: Held): Promise<void> {
    if (all.get(held.feed.databaseId) !== held) return;
    all.delete(held.feed.databaseId);
    // Its lease ends by itself.
    await store.release(held.feed.databaseId, holderId).catch(() => undefined);
  }

  async function renew(): Promise<void> {
    if (all.size === 0) return;
    const asked = [...all];
    const found = await untilAborted(store.renew(hold), AbortSignal.timeout(askMs));
    const renewed = new Set(found.map((feed) => keep(feed)));
    for (const [id, held] of asked) {
      if (renewed.has(held) || all.get(id) !== held) continue;
      all.delete(id);
      held.lost.abort(leaseLost());
    }
  }

  async function run(): Promise<void> {
    const { signal } = stopped;
    while (!signal.aborted) {
      await renew().catch((error: unknown) => log.debug({ error: String(error) }, 'realtime.lease_not_renewed'));
      await sleep(renewMs, undefined, { signal }).catch(() => undefined);
    }
  }
  const running = run();

  return {
    holderId,

    async take(databaseId) {
      const feed = await store.take(databaseId, hold);
      if (!feed) return null;
      const held = keep(feed);
      return {
        get feed() {
          return held.feed;
        },
        lost: held.lost.signal,
        [Symbol.asyncDispose]: () => letGo(held),
      };
    },

    async takeKept(limit) {
      const feeds = await store.takeKept({ ...hold, limit });
      for (const feed of feeds) keep(feed);
      return feeds.map(({ databaseId }) => databaseId);
    },

    async stop() {
      stopped.abort();
      await running;
      await Promise.all([...all.values()].map(letGo));
    },
  };
}

export const leaseLost = (): AppError =>
  new AppError('CONNECTION_FAILED', 'Another process listens to the database now');
