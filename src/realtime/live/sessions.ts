/**
 * Sessions in which live queries run: a few a database, each for one user, kept open while he has live queries there.
 * Who waits for one waits in line.
 */
import type { LiveSession } from '../../engines/live.ts';
import { AppError } from '../../lib/errors.ts';
import { createGate, type Gate } from '../../lib/gate.ts';
import type { Service } from '../../lib/lifecycle.ts';

/** Where and for whom a query runs. */
export interface LivePlace {
  readonly databaseId: string;
  readonly userId: string;
  /** Another text where the credentials are others. */
  readonly revision: string;
  /** @throws AppError CONNECTION_FAILED */
  open(options: { signal: AbortSignal }): Promise<LiveSession>;
}

export interface LiveSessionLimits {
  /** Of one database: what runs at once. Each is a connection of its owner's. */
  readonly ofDatabase: number;
  /** Of this process. */
  readonly ofAll: number;
}

export const liveSessionLimits: LiveSessionLimits = { ofDatabase: 4, ofAll: 100 };

export interface LiveSessions extends Service {
  /** Sessions of this place stay open until all who hold it have let it go. */
  hold(place: LivePlace): Disposable;
  /**
   * Does one thing in a session of its own for that time.
   * @throws AppError CONNECTION_FAILED; whatever `work` throws; the signal's reason while it waits
   */
  use<Value>(place: LivePlace, work: (session: LiveSession) => Promise<Value>, signal: AbortSignal): Promise<Value>;
}

interface Idle {
  readonly place: LivePlace;
  readonly session: LiveSession;
}

const ownerOf = ({ databaseId, userId, revision }: LivePlace): string => `${databaseId} ${userId} ${revision}`;

export function createLiveSessions({ limits = liveSessionLimits }: { limits?: LiveSessionLimits } = {}): LiveSessions {
  const all = createGate({ max: limits.ofAll });
  const gates = new Map<string, { readonly gate: Gate; inside: number }>();
  /** The one that was used longest ago is first. */
  const idle = new Set<Idle>();
  const holders = new Map<string, number>();
  const stopped = new AbortController();
  let busy = 0;
  const busyOf = new Map<string, number>();

  function change(counts: Map<string, number>, key: string, by: 1 | -1): number {
    const count = (counts.get(key) ?? 0) + by;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
    return count;
  }

  async function close(entry: Idle): Promise<void> {
    idle.delete(entry);
    await entry.session[Symbol.asyncDispose]();
  }

  /** Those who run let no more through than there is room for, so that what fills it is idle. */
  async function makeRoom({ databaseId }: LivePlace): Promise<void> {
    const ofDatabase = idle.values().filter(({ place }) => place.databaseId === databaseId);
    const [first, ...more] = ofDatabase;
    if (first && 1 + more.length + (busyOf.get(databaseId) ?? 0) > limits.ofDatabase) await close(first);
    const [oldest] = idle;
    if (oldest && idle.size + busy > limits.ofAll) await close(oldest);
  }

  async function take(place: LivePlace, signal: AbortSignal): Promise<LiveSession> {
    for (const entry of [...idle]) {
      if (ownerOf(entry.place) !== ownerOf(place)) continue;
      idle.delete(entry);
      if (!entry.session.closed.aborted) return entry.session;
    }
    await makeRoom(place);
    return await place.open({ signal });
  }

  async function release(place: LivePlace, session: LiveSession): Promise<void> {
    const wanted = holders.has(ownerOf(place)) && !stopped.signal.aborted;
    if (wanted && !session.closed.aborted) idle.add({ place, session });
    else await session[Symbol.asyncDispose]();
  }

  async function lend<Value>(
    place: LivePlace,
    work: (session: LiveSession) => Promise<Value>,
    signal: AbortSignal,
  ): Promise<Value> {
    busy += 1;
    change(busyOf, place.databaseId, 1);
    try {
      const session = await take(place, signal);
      try {
        return await work(session);
      } finally {
        await release(place, session);
      }
    } finally {
      busy -= 1;
      change(busyOf, place.databaseId, -1);
    }
  }

  return {
    hold(place) {
      const owner = ownerOf(place);
      change(holders, owner, 1);
      let held = true;
      return {
        [Symbol.dispose]() {
          if (!held) return;
          held = false;
          if (change(holders, owner, -1) > 0) return;
          for (const entry of [...idle]) if (ownerOf(entry.place) === owner) void close(entry);
        },
      };
    },

    async use(place, work, wanted) {
      const signal = AbortSignal.any([wanted, stopped.signal]);
      const own = gates.get(place.databaseId) ?? { gate: createGate({ max: limits.ofDatabase }), inside: 0 };
      gates.set(place.databaseId, own);
      own.inside += 1;
      try {
        return await own.gate.run(() => all.run(() => lend(place, work, signal), signal), signal);
      } finally {
        own.inside -= 1;
        if (own.inside === 0) gates.delete(place.databaseId);
      }
    },

    async stop() {
      stopped.abort(new AppError('CONNECTION_FAILED', 'The server is stopping'));
      await Promise.all([...idle].map(close));
    },
  };
}
