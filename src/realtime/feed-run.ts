/**
 * One feed of a database from its opening to its end: takes what it tells into the log, wakes readers and tells watchers
 * of commits. What is missed between two feeds nobody knows: whoever reads is ended with this one. A kept feed outlives what
 * it is made of (feeds/lasting-feed.ts), and what its target has told is not confirmed while the log has it.
 */
import type { ChangedTable, ChangeFeed, FeedEvent } from '../engines/changes.ts';
import { AppError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Change, Transaction } from './change.ts';
import { type ChangeLog, type ChangeLogLimits, createChangeLog } from './change-log.ts';
import { createDispatch } from './dispatch.ts';
import { createFollowedTables, type FollowedTables } from './followed-tables.ts';
import { createGroups, type Groups } from './groups.ts';
import { createLogReaders, type LogReaderLimits, type LogReaders } from './log-readers.ts';
import { type Positions, wholeTransaction } from './positions.ts';
import type { RowRights } from './row-rights.ts';

/** A transaction that has changed something of what is watched. */
export interface Commit {
  readonly transactionId: string;
  readonly committedAt: Date;
  /** Behind it. */
  readonly position: string;
  /** Those of the watched tables that it changed. */
  readonly tables: readonly ChangedTable[];
  /** Of these tables; null where there were too many to keep. */
  readonly changes: readonly Change[] | null;
}

export interface RunWatcher {
  readonly tableIds: ReadonlySet<string>;
  committed(commit: Commit): void;
  /** The shape of tables may have changed. */
  reshaped(): void;
  /** Not all changes of this table are told any more. */
  uncovered(tableId: string): void;
  /** What this table holds changed untold. */
  missed(tableId: string): void;
}

export interface FeedRun extends AsyncDisposable {
  readonly positions: Positions;
  readonly log: ChangeLog;
  readonly readers: LogReaders;
  readonly groups: Groups;
  readonly tables: FollowedTables;
  readonly rights: RowRights;
  readonly feed: Pick<ChangeFeed, 'status'>;
  /** It goes on while nobody reads, and so do its positions when the process has ended. */
  readonly kept: boolean;
  /** How old the newest change was when it came, by the clocks of both; null: none has come. */
  lagMs(): number | null;
  /** Tells of commits from now on. */
  watch(watcher: RunWatcher): Disposable;
  /** Aborts with the reason: an AppError, POSITION_LOST where changes may be missed now; or RunIdle. */
  readonly ended: AbortSignal;
  end(reason: AppError): void;
}

/** Nobody had wanted anything for a while. */
export class RunIdle extends Error {
  override readonly name = 'RunIdle';
}

export interface FeedRunDeps {
  readonly databaseId: string;
  readonly feed: ChangeFeed;
  readonly kept: boolean;
  readonly positions: Positions;
  readonly rights: RowRights;
  readonly engine: string;
  readonly logLimits: ChangeLogLimits;
  readonly readerLimits: LogReaderLimits;
  readonly lingerMs: number;
  /** The feed has ended by itself: changes may have been missed. */
  readonly onLost: (reason: AppError) => void;
  readonly log: Log;
}

/** Changes of one transaction that are kept for watchers. */
const maxWatchedChanges = 1_000;
/** How often it is looked for readers who are too slow, while nothing comes. */
const lookMs = 1_000;

export function createFeedRun({
  databaseId,
  feed,
  kept,
  positions,
  rights,
  engine,
  lingerMs,
  onLost,
  log: logger,
  ...limits
}: FeedRunDeps): FeedRun {
  const log = createChangeLog({
    start: { commit: feed.start, place: wholeTransaction },
    limits: limits.logLimits,
  });
  const readers = createLogReaders({ log, limits: limits.readerLimits });
  const dispatch = createDispatch();
  const ended = new AbortController();
  const end = (reason: unknown) => ended.abort(reason);
  const tables = createFollowedTables({
    feed,
    engine,
    lingerMs: kept ? null : lingerMs,
    onIdle: () => end(new RunIdle()),
    log: logger,
  });
  const groups = createGroups({ databaseId, log, positions, rights, dispatch });
  const watchers = new Set<RunWatcher>();
  const looking = setInterval(readers.look, lookMs).unref();
  let confirmed = log.tail;
  let lagMs: number | null = null;
  let current: { transaction: Transaction; changes: Change[] | null; tables: Map<string, ChangedTable> } | null = null;

  /** What watchers are told is gathered as it comes, since the log may have let go of it when the transaction ends. */
  function watchEvent(event: FeedEvent): void {
    if (event.type === 'schema') for (const watcher of watchers) watcher.reshaped();
    else if (event.type === 'begin') {
      const { transactionId: id, committedAt, position } = event;
      current = { transaction: { id, committedAt, position }, changes: [], tables: new Map() };
    } else if (event.type === 'commit') tellCommit();
    else if (current && event.type === 'truncate') {
      for (const [index, table] of event.tables.entries())
        watchChange({ type: 'truncate', place: event.place + index, table });
    } else if (current && (event.type === 'insert' || event.type === 'update' || event.type === 'delete'))
      watchChange(event);
  }

  function watchChange(change: Change): void {
    current?.tables.set(change.table.id, change.table);
    if (current?.changes?.push(change) === maxWatchedChanges) current.changes = null;
  }

  function tellCommit(): void {
    if (!current) return;
    const { transaction, changes, tables: changed } = current;
    current = null;
    const position = positions.write({ commit: transaction.position, place: wholeTransaction });
    for (const watcher of watchers) {
      const own = [...changed.values()].filter(({ id }) => watcher.tableIds.has(id));
      if (own.length === 0) continue;
      watcher.committed({
        transactionId: transaction.id,
        committedAt: transaction.committedAt,
        position,
        tables: own,
        changes: changes?.filter(({ table }) => watcher.tableIds.has(table.id)) ?? null,
      });
    }
  }

  function take(events: readonly FeedEvent[]): void {
    // Before anybody is told that a table is no longer covered: who is woken for that is at the end of the log.
    dispatch.dispatch(log.append(events));
    for (const event of events) {
      if (event.type === 'alive') log.alive(event.position);
      else if (event.type === 'coverage') cover(event);
      else if (event.type === 'gap') miss(event);
      else if (event.type === 'begin') lagMs = Date.now() - event.committedAt.getTime();
      // What is told as a whole is in the log, or nobody's any more.
      if (!kept && (event.type === 'alive' || event.type === 'commit')) feed.confirm(event.position);
      if (watchers.size > 0) watchEvent(event);
    }
    // Another process has to be told again what this one could tell.
    if (kept && log.tail > confirmed) {
      confirmed = log.tail;
      feed.confirm(confirmed);
    }
    readers.look();
  }

  function cover({ tableId, coverage, reason }: Extract<FeedEvent, { type: 'coverage' }>): void {
    tables.cover(tableId, coverage, reason, log.end.position);
    dispatch.touch(tableId, log.end.ordinal);
    if (coverage === 'ALL') return;
    for (const watcher of [...watchers]) if (watcher.tableIds.has(tableId)) watcher.uncovered(tableId);
  }

  function miss({ tableId, reason }: Extract<FeedEvent, { type: 'gap' }>): void {
    tables.miss(tableId, reason, log.end.position);
    dispatch.touch(tableId, log.end.ordinal);
    for (const watcher of [...watchers]) if (watcher.tableIds.has(tableId)) watcher.missed(tableId);
  }

  async function pump(): Promise<void> {
    try {
      for await (const events of feed) {
        take(events);
        await readers.room(ended.signal);
        if (ended.signal.aborted) return;
      }
      end(new RunIdle());
    } catch (error) {
      logger.warn({ databaseId, error: String(error) }, 'realtime.feed_lost');
      const reason = kept && error instanceof AppError && error.code === 'UNSUPPORTED' ? error : lost(error);
      if (!ended.signal.aborted) onLost(reason);
      end(reason);
    }
  }
  const pumping = pump();

  return {
    positions,
    log,
    readers,
    groups,
    tables,
    rights,
    feed,
    kept,
    lagMs: () => lagMs,
    ended: ended.signal,
    end,

    watch(watcher) {
      watchers.add(watcher);
      const hurry = readers.hurry();
      return {
        [Symbol.dispose]() {
          watchers.delete(watcher);
          hurry[Symbol.dispose]();
        },
      };
    },

    async [Symbol.asyncDispose]() {
      end(new RunIdle());
      clearInterval(looking);
      tables[Symbol.dispose]();
      rights[Symbol.dispose]();
      await feed[Symbol.asyncDispose]();
      await pumping;
    },
  };
}

/** The words say what happened; the code what to do. */
function lost(cause: unknown): AppError {
  const why = cause instanceof AppError ? cause.message : 'the connection to the database was lost';
  return new AppError(
    'POSITION_LOST',
    `Changes may have been missed: ${why}. Read the rows again, then subscribe without \`after\``,
    { cause },
  );
}
