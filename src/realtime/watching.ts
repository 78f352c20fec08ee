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
  /** Commits may have been missed. @param reasons as `watch` gives them, from now on */
  gap(reasons: readonly string[]): void;
  /** The shape of tables may have changed. A hint: not in the order of the commits. */
  reshaped(): void;
  /** Nothing is told any more. */
  lost(error: AppError): void;
}

export interface Watching<Database extends HubDatabase> {
  /**
   * Tells of every commit that changes one of the tables, from when it resolves until the signal aborts; and of a gap,
   * where the database could not be reached for a while.
   * @returns why of a table only inserts and truncates are told; empty where all is
   * @throws AppError NOT_FOUND for a table, UNSUPPORTED where less than `least` is told of one, CONNECTION_FAILED, TIMEOUT,
   * LIMIT_EXCEEDED; the signal's reason
   */
  watch(
    database: Database,
    tables: readonly QualifiedName[],
    watcher: Watcher,
    options: WatchOptions,
  ): Promise<readonly string[]>;
}

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** Absent: ALL. */
  readonly least?: 'ALL' | 'INSERTS' | undefined;
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
    readonly least: 'ALL' | 'INSERTS';
  }

  interface Attached {
    /** Aborts when nothing is told any more, with the reason. */
    readonly ended: AbortSignal;
    /** Why not all is told. */
    readonly reasons: readonly string[];
  }

  const attach = ({ database, names, watcher, signal, least }: Wanted): Promise<Attached> =>
    hub.withRun(
      database,
      async (run) => {
        const tables = await lookFor(run, names, signal);
        const held = await run.tables.hold(tables, signal);
        const uncovered = new AbortController();
        const reasonsNow = () =>
          tables
            .map((table) => run.tables.require(table, least))
            .filter(({ coverage }) => coverage !== 'ALL')
            .map(({ name, reason }) => `Not all changes of ${name.schema}.${name.name} are told: ${reason ?? ''}`);
        let reasons: readonly string[];
        try {
          reasons = reasonsNow();
        } catch (error) {
          held[Symbol.dispose]();
          throw error;
        }
        const watching = run.watch({
          tableIds: new Set(tables.map(({ id }) => id)),
          committed: (commit) => watcher.committed(commit),
          reshaped: () => watcher.reshaped(),
          // Attached again, whoever watches is told of a gap.
          missed: () => uncovered.abort(new Error('Rows came or went untold')),
          uncovered: () => {
            try {
              // Less than before: whoever watches is told so when it is attached again.
              if (reasonsNow().length > reasons.length) uncovered.abort(new Error('Less is told than before'));
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
        return { ended, reasons };
      },
      signal,
    );

  /** Listens again whenever nothing is told any more, unless it never will be. */
  async function keepAttached(wanted: Wanted, first: Attached): Promise<void> {
    const { database, watcher, signal } = wanted;
    let attached: Attached | null = first;
    for (let waitMs = limits.retryMs; !signal.aborted; ) {
      try {
        if (attached) {
          await aborted(attached.ended);
          throw attached.ended.reason;
        }
        attached = await attach(wanted);
        waitMs = limits.retryMs;
        watcher.gap(attached.reasons);
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
    async watch(database, names, watcher, { signal, least = 'ALL' }) {
      const wanted = { database, names, watcher, signal, least };
      const attached = await attach(wanted);
      void keepAttached(wanted, attached);
      return attached.reasons;
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
