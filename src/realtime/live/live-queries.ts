/**
 * Live answers to queries, as streams. Whoever asks the same with the same rights shares one query; what a reader has
 * missed while he was slow he is told at once, as the difference from what he was told last.
 */
import { createHash } from 'node:crypto';
import { requireCan } from '../../accounts/policy.ts';
import type { Settings } from '../../accounts/settings.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import { resourceOf } from '../../databases/access.ts';
import { rightsKeyOf } from '../../databases/credentials.ts';
import type { Databases, VisibleDatabase } from '../../databases/databases.ts';
import { createPatience } from '../../db/patience.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { isUuid } from '../../lib/ids.ts';
import { secretOf } from '../../lib/keyring.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import { onAborted } from '../../lib/on-aborted.ts';
import type { ViewerRights } from '../viewer-rights.ts';
import { type Bell, createBell } from './bell.ts';
import type { Watch } from './following.ts';
import { checkLiveInput, type LiveInput } from './input.ts';
import { createResults, type LiveResult } from './results.ts';
import type { LiveState } from './rows.ts';
import { createLiveSessions, type LivePlace, type LiveSessionLimits, liveSessionLimits } from './sessions.ts';
import { createSharedQuery, type SharedQuery, type SharedQueryLimits, sharedQueryLimits } from './shared-query.ts';

export interface LiveQueryLimits extends SharedQueryLimits {
  /** Streams of one user at once. */
  readonly ofUser: number;
  /** Different queries of one database, and of this process. */
  readonly ofDatabase: number;
  readonly ofAll: number;
  /** Between two looks of a reader whether the credentials are still the same. */
  readonly lookMs: number;
  /** Of one run; less where the user's own limit is less. */
  readonly timeoutMs: number;
  readonly sessions: LiveSessionLimits;
}

export const liveQueryLimits: LiveQueryLimits = {
  ...sharedQueryLimits,
  ofUser: 20,
  ofDatabase: 200,
  ofAll: 1_000,
  lookMs: 3_000,
  timeoutMs: 30_000,
  sessions: liveSessionLimits,
};

export interface LiveQueriesDeps {
  readonly databases: Pick<Databases, 'targetOf'>;
  readonly rights: ViewerRights<VisibleDatabase>;
  readonly watching: { watch(database: VisibleDatabase, ...rest: Parameters<Watch>): ReturnType<Watch> };
  readonly settingsOf: (viewer: Viewer) => Promise<Pick<Settings, 'statementTimeoutMs'>>;
  readonly log: Log;
  readonly limits?: Partial<LiveQueryLimits> | undefined;
}

export interface LiveCounts {
  readonly readers: number;
  readonly queries: number;
  /** Since the start. */
  readonly runs: number;
  /** Those of them that were too early for a transaction, and done again. */
  readonly early: number;
}

export interface LiveQueries extends Service {
  /**
   * The answer, and then what changes of it, until the signal aborts.
   * @throws AppError UNAUTHENTICATED, NOT_FOUND also when the right or the database goes, BAD_USER_INPUT,
   * READ_ONLY, UNSUPPORTED, CONNECTION_FAILED; SQL_ERROR, TIMEOUT, LIMIT_EXCEEDED also of a later run
   */
  follow(
    viewer: Viewer | null,
    databaseId: string,
    input: LiveInput,
    signal: AbortSignal,
  ): AsyncGenerator<LiveResult, void>;
  counts(): LiveCounts;
}

export function createLiveQueries({
  databases,
  rights,
  watching,
  settingsOf,
  log,
  ...deps
}: LiveQueriesDeps): LiveQueries {
  const limits = { ...liveQueryLimits, ...deps.limits };
  const sessions = createLiveSessions({ limits: limits.sessions });
  const results = createResults();
  const shared = new Map<string, { readonly query: SharedQuery; readonly databaseId: string }>();
  const readersOf = new Map<string, number>();
  const stopped = new AbortController();
  let runs = 0;
  let early = 0;

  function placeOf(database: VisibleDatabase, viewer: Viewer): LivePlace {
    return {
      databaseId: database.id,
      userId: viewer.userId,
      revision: secretOf(database.sealedPassword),
      async open({ signal }) {
        const { engine, target } = await databases.targetOf(database, viewer, { signal });
        if (!engine.live) {
          throw new AppError('UNSUPPORTED', `${engine.displayName} keeps no queries live`, {
            details: { engine: engine.kind.toUpperCase(), capability: 'LIVE_QUERY' },
          });
        }
        return await engine.live.open(target, { signal, label: 'quarry live query' });
      },
    };
  }

  /** Those who get the same key get the same rows. */
  const keyOf = (database: VisibleDatabase, viewer: Viewer, input: LiveInput, timeoutMs: number): string =>
    createHash('sha256')
      .update(
        JSON.stringify([
          database.id,
          secretOf(database.sealedPassword),
          rightsKeyOf(database, viewer),
          input,
          timeoutMs,
        ]),
      )
      .digest('base64url');

  function queryOf(key: string, database: VisibleDatabase, input: LiveInput, timeoutMs: number): SharedQuery {
    const known = shared.get(key);
    if (known) return known.query;
    const ofDatabase = shared.values().filter(({ databaseId }) => databaseId === database.id);
    requireRoom('queries of one database are kept live', limits.ofDatabase, [...ofDatabase].length);
    requireRoom('queries are kept live', limits.ofAll, shared.size);
    const entry = {
      databaseId: database.id,
      query: createSharedQuery(
        {
          sessions,
          watch: (...rest) => watching.watch(database, ...rest),
          log,
          limits,
          onRun: () => {
            runs += 1;
          },
          onEarly: () => {
            early += 1;
          },
        },
        { ...input, databaseId: database.id, timeoutMs },
        () => {
          if (shared.get(key) === entry) shared.delete(key);
        },
      ),
    };
    shared.set(key, entry);
    return entry.query;
  }

  function takeSeat(userId: string): Disposable {
    const count = readersOf.get(userId) ?? 0;
    requireRoom('live queries of one user', limits.ofUser, count);
    readersOf.set(userId, count + 1);
    return {
      [Symbol.dispose]() {
        const left = (readersOf.get(userId) ?? 1) - 1;
        if (left === 0) readersOf.delete(userId);
        else readersOf.set(userId, left);
      },
    };
  }

  return {
    async *follow(viewer, databaseId, input, wanted) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      if (!isUuid(databaseId)) throw notFound('Database');
      using right = await rights.watch(viewer, databaseId);
      requireCan(viewer, 'database:query', resourceOf(right.database));
      checkLiveInput(input);
      using _seat = takeSeat(viewer.userId);
      const ends = [wanted, stopped.signal, right.lost];
      const isOver = () => ends.some(({ aborted }) => aborted);
      const { statementTimeoutMs } = await createPatience(wanted)(() => settingsOf(viewer));
      const timeoutMs = Math.min(statementTimeoutMs, limits.timeoutMs);
      const keyNow = () => keyOf(right.database, viewer, input, timeoutMs);
      let before: LiveState | null = null;
      let version = 0;
      while (!isOver()) {
        const key = keyNow();
        using reader = createReader(queryOf(key, right.database, input, timeoutMs), placeOf(right.database, viewer));
        using listening = new DisposableStack();
        for (const end of ends) listening.defer(onAborted(end, reader.wake));
        // With other credentials it is another query: what it says is told as what differs.
        while (!isOver() && key === keyNow()) {
          await reader.news(limits.lookMs);
          if (isOver()) break;
          await right.fresh();
          const { state: after, polled, failure } = reader.query;
          if (failure) throw failure.error;
          if (after === null || after === before) continue;
          const cause = before === null ? new Set<string>() : reader.takeCause();
          const result = results.resultOf({ databaseId, version: version + 1, before, after, cause, polled });
          before = after;
          if (result === null) continue;
          version += 1;
          yield result;
        }
      }
      const [end] = ends.filter(({ aborted }) => aborted);
      if (end !== wanted) throw end?.reason;
    },

    counts: () => ({
      readers: readersOf.values().reduce((sum, count) => sum + count, 0),
      queries: shared.size,
      runs,
      early,
    }),

    async stop() {
      stopped.abort(new AppError('CONNECTION_FAILED', 'The server is stopping'));
      await sessions.stop();
    },
  };
}

function requireRoom(what: string, limit: number, actual: number): void {
  if (actual < limit) return;
  throw new AppError('LIMIT_EXCEEDED', `At most ${limit} ${what} at once`, { details: { limit, actual } });
}

interface Reader extends Disposable {
  readonly query: SharedQuery;
  /** Resolves when there is something that was not looked at, or he was woken, or after so long. */
  news: Bell['wait'];
  wake: Bell['ring'];
  /** Tables whose changes led to what is there now, since it was last taken. */
  takeCause(): ReadonlySet<string>;
}

function createReader(query: SharedQuery, place: LivePlace): Reader {
  const bell = createBell();
  let cause = new Set<string>();
  const joined = query.join({
    place,
    told(tables) {
      for (const table of tables) cause.add(table);
      bell.ring();
    },
  });
  // A query that others read has an answer already.
  if (query.state !== null) bell.ring();
  return {
    query,
    news: bell.wait,
    wake: bell.ring,
    takeCause() {
      const taken = cause;
      cause = new Set();
      return taken;
    },
    [Symbol.dispose]: joined[Symbol.dispose],
  };
}
