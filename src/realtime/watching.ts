/** Watches the commits that change some tables, for as long as somebody wants: over feeds that are lost and opened again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { QualifiedName } from '../engines/catalog.ts';
import type { RowAccess } from '../engines/row-access.ts';
import { AppError, notFound } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Commit, FeedRun } from './feed-run.ts';
import type { Hub, HubDatabase } from './hub.ts';

export type { Commit };

export interface Watcher {
  /** Called in the order of the commits. */
  committed(commit: Commit): void;
  /** Commits may have been missed. */
  gap(): void;
  /** The shape of tables may have changed. A hint: not in the order of the commits. */
  reshaped(): void;
  /** Nothing is told any more. */
  lost(error: AppError): void;
}

export interface Watching<Database extends HubDatabase> {
  /**
   * Tells of every commit that changes one of the tables, from when it resolves until the signal aborts; and of a gap,
   * where the database could not be reached for a while.
   * @throws AppError NOT_FOUND for a table, UNSUPPORTED where not all changes of one are told, CONNECTION_FAILED, TIMEOUT,
   * LIMIT_EXCEEDED; the signal's reason
   */
  watch(
    database: Database,
    tables: readonly QualifiedName[],
    watcher: Watcher,
    options: { signal: AbortSignal },
  ): Promise<void>;
}

export interface WatchingDeps<Database extends HubDatabase> {
  readonly hub: Pick<Hub<Database>, 'withRun'>;
  readonly log: Log;
  readonly limits?: Partial<WatchingLimits> | undefined;
}

export interface WatchingLimits {
  /** Between two attempts to listen again: at first, and at the most. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

const watchingLimits: WatchingLimits = { retryMs: 250, maxRetryMs: 10_000 };

export function createWatching<Database extends HubDatabase>({
  hub,
  log,
  ...deps
}: WatchingDeps<Database>): Watching<Database> {
  const limits = { ...watchingLimits, ...deps.limits };

  interface Wanted {
    readonly database: Database;
    readonly names: readonly QualifiedName[];
    readonly watcher: Watcher;
    readonly signal: AbortSignal;
  }

  /** @returns what aborts when nothing is told any more, with the reason */
  const attach = ({ database, names, watcher, signal }: Wanted): Promise<AbortSignal> =>
    hub.withRun(
      database,
      async (run) => {
        const tables = await lookFor(run, names, signal);
        const held = await run.tables.hold(tables, signal);
        const uncovered = new AbortController();
        const requireAll = () => {
          for (const table of tables) run.tables.require(table, 'ALL');
        };
        try {
          requireAll();
        } catch (error) {
          held[Symbol.dispose]();
          throw error;
        }
        const watching = run.watch({
          tableIds: new Set(tables.map(({ id }) => id)),
          committed: (commit) => watcher.committed(commit),
          reshaped: () => watcher.reshaped(),
          uncovered: () => {
            try {
              requireAll();
            } catch (error) {
              uncovered.abort(error);
            }
          },
        });
        const ended = AbortSignal.any([uncovered.signal, run.ended, signal]);
        void aborted(ended).then(() => {
          watching[Symbol.dispose]();
          held[Symbol.dispose]();
        });
        return ended;
      },
      signal,
    );

  /** Listens again whenever nothing is told any more, unless it never will be. */
  async function keepAttached(wanted: Wanted, first: AbortSignal): Promise<void> {
    const { database, watcher, signal } = wanted;
    let attached: AbortSignal | null = first;
    for (let waitMs = limits.retryMs; !signal.aborted; ) {
      try {
        if (attached) {
          await aborted(attached);
          throw attached.reason;
        }
        attached = await attach(wanted);
        waitMs = limits.retryMs;
        watcher.gap();
      } catch (error) {
        if (signal.aborted) return;
        if (isFinal(error)) return watcher.lost(error);
        log.debug({ databaseId: database.id, error: String(error) }, 'realtime.not_attached');
        await sleep(waitMs, undefined, { signal }).catch(() => undefined);
        if (!attached) waitMs = Math.min(waitMs * 2, limits.maxRetryMs);
        attached = null;
      }
    }
  }

  return {
    async watch(database, names, watcher, { signal }) {
      const wanted = { database, names, watcher, signal };
      void keepAttached(wanted, await attach(wanted));
    },
  };
}

async function lookFor(run: FeedRun, names: readonly QualifiedName[], signal: AbortSignal): Promise<RowAccess[]> {
  const found = await untilAborted(run.rights.look(names), signal);
  return found.map((access) => {
    if (!access) throw notFound('Table');
    return access;
  });
}

/** What no other attempt would change. */
const isFinal = (error: unknown): error is AppError =>
  error instanceof AppError && ['UNSUPPORTED', 'NOT_FOUND', 'FORBIDDEN', 'NOT_CONFIGURED'].includes(error.code);

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
