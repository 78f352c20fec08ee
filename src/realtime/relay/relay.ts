/**
 * One feed of a database among all processes: one of them holds it, by a lease (leader.ts), the others are told by it
 * (follower.ts). Whoever opens one does not know which he is.
 */
import type { ChangeSource, CommitPosition } from '../../engines/changes.ts';
import type { Bus } from '../../lib/bus.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import type { Keyring } from '../../lib/keyring.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import { pause, untilAborted } from '../../lib/until-aborted.ts';
import type { Lease, Leases } from '../feeds/leases.ts';
import { followHolder, HolderGone } from './follower.ts';
import { type Leader, lead, type OpenFeed, type RelayedFeed } from './leader.ts';
import { type RelayLimits, relayLimits } from './limits.ts';
import { patientStore } from './patient-store.ts';
import type { RelayStore } from './store.ts';

export interface RelayedOptions {
  readonly databaseId: string;
  /** Another text where another feed would be opened: one that is held elsewhere is ended then. */
  readonly revision: string;
  /** Asked before another feed is ended for this one, and before this one is held. @throws AppError where that one is the newer */
  readonly requireCurrent: () => Promise<void>;
  /** The reader has had all up to here; absent: nothing. */
  readonly after?: CommitPosition | undefined;
  /** Where this process is to hold it. */
  readonly open: OpenFeed;
  readonly decoderOf: ChangeSource['decoderOf'];
  /** Ends the opening, not the feed. */
  readonly signal: AbortSignal;
}

export interface Relay extends Service {
  /**
   * One a database and process at a time. It ends with CONNECTION_FAILED where its holder has died: opened again, with what
   * was had before, it goes on where a kept feed does.
   * @throws whatever `open` throws; AppError NOT_FOUND for the database, POSITION_LOST where not all behind `after` can be
   * told, TIMEOUT; the signal's reason
   */
  open(options: RelayedOptions): Promise<RelayedFeed>;
  /** Ends the feed of a database, whoever holds it. */
  end(databaseId: string): Promise<void>;
}

export interface RelayDeps {
  readonly leases: Pick<Leases, 'take' | 'holderId'>;
  readonly store: RelayStore;
  readonly keyring: Pick<Keyring, 'seal' | 'open'>;
  readonly bus: Bus<Topic>;
  readonly log: Log;
  readonly limits?: Partial<RelayLimits> | undefined;
}

/** Between two looks for what dead processes have left, and how long they have been dead then. */
const sweepMs = 60_000;
/** Between two attempts to become the holder, or to be told by him. */
const retryMs = 100;

export function createRelay({ leases, keyring, bus, log, ...deps }: RelayDeps): Relay {
  const limits = { ...relayLimits, ...deps.limits };
  const store = patientStore(deps.store, limits.askMs);
  const { holderId } = leases;
  const leaders = new Map<string, Leader>();
  const stopped = new AbortController();

  async function hold(options: RelayedOptions, lease: Lease, signal: AbortSignal): Promise<RelayedFeed> {
    const { databaseId, revision, after, open } = options;
    try {
      // Only now: whoever changes the connection waits for nobody who holds it.
      await options.requireCurrent();
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    const deps = { lease, holderId, revision, after, open, store, keyring, bus, limits, log };
    const leader = await lead(deps, { signal });
    leaders.set(databaseId, leader);
    log.info({ databaseId }, 'relay.held');
    void leader.done.then(() => {
      if (leaders.get(databaseId) === leader) leaders.delete(databaseId);
    });
    return leader.first;
  }

  async function take(databaseId: string, signal: AbortSignal): Promise<Lease | null> {
    const taking = leases.take(databaseId);
    try {
      return await untilAborted(taking, signal);
    } catch (error) {
      // Nobody wants it any more.
      void taking.then((lease) => lease?.[Symbol.asyncDispose]()).catch(() => undefined);
      throw error;
    }
  }

  /** Null: to be tried again. */
  async function openOnce(options: RelayedOptions, signal: AbortSignal): Promise<RelayedFeed | null> {
    const { databaseId, revision, after, decoderOf } = options;
    const own = leaders.get(databaseId);
    if (own) {
      const again = own.revision === revision ? await own.attach(after, signal).catch(() => null) : null;
      if (again) return again;
      if (own.revision !== revision) await options.requireCurrent();
      await untilAborted(own.stop(anotherFeed()), signal);
    }
    const lease = await take(databaseId, signal);
    if (lease) return await hold(options, lease, signal);
    try {
      const deps = { databaseId, readerId: holderId, revision, after, decoderOf, store, keyring, bus, limits, log };
      return await followHolder(deps, { signal });
    } catch (error) {
      if (!(error instanceof HolderGone)) throw error;
      if (error.why === 'OTHER_FEED') {
        await options.requireCurrent();
        await endTelling(databaseId);
      } else if (!(await store.knows(databaseId))) throw notFound('Database');
      return null;
    }
  }

  async function endTelling(databaseId: string): Promise<void> {
    await store.end(databaseId);
    bus.ringElsewhere('changes.wanted', databaseId);
  }

  const sweep = () =>
    void store.sweep(sweepMs).catch((error: unknown) => log.debug({ error: String(error) }, 'relay.not_swept'));
  const sweeping = setInterval(sweep, sweepMs).unref();

  return {
    async open(options) {
      const signal = AbortSignal.any([options.signal, stopped.signal]);
      for (;;) {
        signal.throwIfAborted();
        const opened = await openOnce(options, signal);
        if (opened) return opened;
        await pause(retryMs, signal);
      }
    },

    async end(databaseId) {
      await leaders.get(databaseId)?.stop(anotherFeed());
      await endTelling(databaseId);
    },

    async stop() {
      clearInterval(sweeping);
      stopped.abort(new AppError('CONNECTION_FAILED', 'The server is stopping'));
      await Promise.all([...leaders.values()].map((leader) => leader.stop(stopped.signal.reason)));
    },
  };
}

const anotherFeed = (): AppError => new AppError('CONNECTION_FAILED', 'The database is listened to anew');
