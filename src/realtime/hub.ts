/**
 * One feed a database, shared by all who read its changes (row-changes.ts) or watch its commits (watching.ts). It is opened
 * for the first of them, follows what they want, and is let go a while after the last; a kept one is there without anybody.
 */
import { hash } from 'node:crypto';
import type { Catalog, QualifiedName } from '../engines/catalog.ts';
import type { CommitPosition, FeedLimits, FeedStatus } from '../engines/changes.ts';
import type { Engine, Target } from '../engines/engine.ts';
import type { RowAccess, TablesAsked } from '../engines/row-access.ts';
import { AppError, notFound } from '../lib/errors.ts';
import { secretOf } from '../lib/keyring.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import { changeLogLimits } from './change-log.ts';
import { createFeedRun, type FeedRun, RunIdle } from './feed-run.ts';
import { openHeldFeed } from './feeds/held-feed.ts';
import { createLastingFeed, type LastingFeedLimits } from './feeds/lasting-feed.ts';
import type { FeedStore } from './feeds/store.ts';
import { inCodes } from './passing-failure.ts';
import { createPositions } from './positions.ts';
import type { RelayedFeed } from './relay/leader.ts';
import type { Relay } from './relay/relay.ts';
import { createRowRights, type RowRightsLimits } from './row-rights.ts';

export interface HubDatabase {
  readonly id: string;
  readonly hosted: boolean;
  /** Another text when it leads elsewhere, or with other credentials: its feed is another one then. */
  readonly sealedPassword: string;
}

export interface HubLimits {
  /** Of the changes of one database that are kept in memory. */
  readonly logBytes: number;
  /** Of those of all databases. */
  readonly allLogBytes: number;
  /** Databases that are listened to at once. */
  readonly feeds: number;
  /** How long what nobody wants any more is followed. */
  readonly lingerMs: number;
  /** A reader who takes nothing for so long is slow, where more than `slowBytes` wait for him. */
  readonly slowMs: number;
  readonly slowBytes: number;
  readonly rights: Partial<RowRightsLimits>;
  /** What opening a feed, or a question to its database, may take. */
  readonly timeoutMs: number;
  readonly feed: Partial<FeedLimits>;
  /** Of a kept feed that was lost. */
  readonly lasting: Partial<LastingFeedLimits>;
}

export const hubLimits: HubLimits = {
  logBytes: 64 * 2 ** 20,
  allLogBytes: 512 * 2 ** 20,
  feeds: 64,
  lingerMs: 30_000,
  slowMs: 10_000,
  slowBytes: 4 * 2 ** 20,
  rights: {},
  timeoutMs: 45_000,
  feed: {},
  lasting: {},
};

export interface HubDeps<Database extends HubDatabase> {
  readonly databases: {
    /** As they are now; those that are there. */
    findAll(ids: readonly string[]): Promise<Database[]>;
    /** @throws AppError CONNECTION_FAILED, NOT_CONFIGURED */
    targetOf(
      database: Database,
      principal: 'feed' | 'catalogue',
      options: { signal: AbortSignal },
    ): Promise<{ engine: Engine; target: Target }>;
    readCatalog<Value>(
      database: Database,
      work: (catalog: Catalog) => Promise<Value>,
      options: { signal: AbortSignal },
    ): Promise<Value>;
  };
  /** All processes share one feed of a database. */
  readonly relay: Pick<Relay, 'open' | 'end'>;
  readonly store: Pick<FeedStore, 'began' | 'tables' | 'note' | 'noteProblem'>;
  readonly log: Log;
  readonly limits?: Partial<HubLimits> | undefined;
}

export interface HubStatus {
  readonly kept: boolean;
  /** How old the newest change was when it came, by the clocks of both; null: none has come. */
  readonly lagMs: number | null;
  readonly tables: number;
  readonly readers: number;
  readonly logBytes: number;
  readonly feed: FeedStatus;
}

export interface Hub<Database extends HubDatabase> extends Service {
  /** What the credentials may read of tables; null: not there. @throws AppError CONNECTION_FAILED, TIMEOUT, SQL_ERROR */
  look(database: Database, names: readonly QualifiedName[], signal: AbortSignal): Promise<(RowAccess | null)[]>;
  /**
   * Works with what listens to the database now, and with the next one where that was being let go.
   * @throws AppError UNSUPPORTED, CONNECTION_FAILED, TIMEOUT, LIMIT_EXCEEDED; whatever `work` throws; the signal's reason
   */
  withRun<Value>(database: Database, work: (run: FeedRun) => Promise<Value>, signal: AbortSignal): Promise<Value>;
  /** Listens to a database whose changes are kept, whether anybody reads them or not; no-op while it does. @throws as withRun */
  keep(database: Database): Promise<void>;
  /** Null: nothing listens to it. */
  status(databaseId: string): HubStatus | null;
  /** Of all databases that are listened to here. */
  counts(): HubCounts;
  /** Ends what listens to a database, whichever process it is, and all who read it here, with this reason. */
  end(databaseId: string, reason: AppError): Promise<void>;
}

export interface HubCounts {
  readonly feeds: number;
  readonly keptFeeds: number;
  readonly tables: number;
  readonly readers: number;
  readonly logBytes: number;
  /** Of the database that keeps the most for us. */
  readonly mostRetainedBytes: number;
}

interface Entry {
  readonly revision: string;
  readonly opened: Promise<FeedRun>;
  run: FeedRun | null;
}

export function createHub<Database extends HubDatabase>({
  databases,
  relay,
  store,
  log,
  ...deps
}: HubDeps<Database>): Hub<Database> {
  const limits = { ...hubLimits, ...deps.limits };
  const entries = new Map<string, Entry>();
  const closing = new Set<Promise<void>>();
  const looking = new Map<string, Promise<(RowAccess | null)[]>>();
  const stopped = new AbortController();

  function deadline(): { signal: AbortSignal } {
    return { signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(limits.timeoutMs)]) };
  }

  const readAccess = (database: Database, asked: TablesAsked, options: { signal: AbortSignal }) =>
    inCodes(() => databases.readCatalog(database, (catalog) => catalog.rowAccess(asked, options), options));

  /** Who knows the database as it was would take its feed from those who know it as it is. @throws AppError NOT_FOUND, POSITION_LOST */
  async function requireCurrent({ id, sealedPassword }: Database): Promise<void> {
    const [now] = await databases.findAll([id]);
    if (!now) throw notFound('Database');
    if (secretOf(now.sealedPassword) !== secretOf(sealedPassword)) throw connectionChanged();
  }

  /** By whichever process holds it. */
  async function openShared(
    database: Database,
    after: CommitPosition | undefined,
    signal: AbortSignal,
  ): Promise<RelayedFeed & { engine: Engine }> {
    const { engine, target } = await databases.targetOf(database, 'feed', { signal });
    const { changes } = engine;
    if (!changes)
      throw new AppError('UNSUPPORTED', `${engine.displayName} does not tell of changed rows`, {
        details: { engine: engine.kind.toUpperCase(), capability: 'ROW_CHANGES' },
      });
    const opened = await relay.open({
      databaseId: database.id,
      revision: hash('sha256', secretOf(database.sealedPassword), 'hex'),
      after,
      requireCurrent: () => requireCurrent(database),
      open: (held, options) => openHeldFeed({ changes, target, held, store, limits: limits.feed, ...options }),
      decoderOf: changes.decoderOf,
      signal,
    });
    return { ...opened, engine };
  }

  async function open(database: Database): Promise<FeedRun> {
    const first = await openShared(database, undefined, deadline().signal);
    const { engine, generation, kept } = first;
    const feed = !kept
      ? first.feed
      : createLastingFeed({
          databaseId: database.id,
          first,
          open: (after, { signal }) =>
            inCodes(() => openShared(database, after, AbortSignal.any([signal, deadline().signal]))),
          log,
          limits: limits.lasting,
        });
    return createFeedRun({
      databaseId: database.id,
      feed,
      kept,
      positions: createPositions(database.id, generation),
      rights: createRowRights({
        read: (asked) => readAccess(database, asked, deadline()),
        rowsSeen: (asked) => {
          const within = deadline();
          return inCodes(() => databases.readCatalog(database, (catalog) => catalog.rowsSeen(asked, within), within));
        },
        limits: limits.rights,
      }),
      engine: engine.kind.toUpperCase(),
      logLimits: {
        ...changeLogLimits,
        maxBytes: () => Math.min(limits.logBytes, limits.allLogBytes / Math.max(1, entries.size)),
      },
      readerLimits: limits,
      lingerMs: limits.lingerMs,
      onLost({ message }) {
        // The log has it as well.
        if (kept) void store.noteProblem(database.id, message).catch(() => undefined);
      },
      log,
    });
  }

  /** Thousands may come for the same tables before anything listens to them. */
  function lookOnce(database: Database, names: readonly QualifiedName[]): Promise<(RowAccess | null)[]> {
    const key = JSON.stringify([database.id, secretOf(database.sealedPassword), names]);
    const look = looking.get(key) ?? readAccess(database, { names }, deadline()).finally(() => looking.delete(key));
    looking.set(key, look);
    return look;
  }

  function begin(database: Database): Entry {
    if (entries.size >= limits.feeds)
      throw new AppError('LIMIT_EXCEEDED', `At most ${limits.feeds} databases are listened to at once`, {
        details: { limit: limits.feeds, actual: entries.size + 1 },
      });
    const entry: Entry = {
      revision: secretOf(database.sealedPassword),
      opened: inCodes(() => open(database)),
      run: null,
    };
    entries.set(database.id, entry);
    const forget = () => {
      if (entries.get(database.id) === entry) entries.delete(database.id);
    };
    entry.opened.then((run) => {
      entry.run = run;
      log.info({ databaseId: database.id }, 'realtime.feed_opened');
      const onEnd = () => {
        forget();
        close(run);
      };
      run.ended.addEventListener('abort', onEnd, { once: true });
      if (run.ended.aborted) onEnd();
      else if (entries.get(database.id) !== entry || stopped.signal.aborted) run.end(stopping());
    }, forget);
    return entry;
  }

  function close(open: AsyncDisposable): void {
    const closed = Promise.resolve(open[Symbol.asyncDispose]())
      .catch((error: unknown) => log.debug({ error: String(error) }, 'realtime.feed_not_closed'))
      .finally(() => closing.delete(closed));
    closing.add(closed);
  }

  async function current(database: Database, signal: AbortSignal): Promise<FeedRun> {
    stopped.signal.throwIfAborted();
    let entry = entries.get(database.id);
    if (entry && entry.revision !== secretOf(database.sealedPassword)) {
      await inCodes(() => requireCurrent(database));
      await endHere(database.id, connectionChanged());
      entry = entries.get(database.id);
    }
    return await untilAborted((entry ?? begin(database)).opened, signal);
  }

  async function endHere(databaseId: string, reason: AppError): Promise<void> {
    const entry = entries.get(databaseId);
    if (!entry) return;
    entries.delete(databaseId);
    const run = await entry.opened.catch(() => null);
    run?.end(reason);
    await Promise.all(closing);
  }

  async function withRun<Value>(
    database: Database,
    work: (run: FeedRun) => Promise<Value>,
    signal: AbortSignal,
  ): Promise<Value> {
    for (;;) {
      const run = await current(database, signal);
      try {
        return await work(run);
      } catch (error) {
        // It was let go just then.
        if (!(run.ended.reason instanceof RunIdle) || signal.aborted || stopped.signal.aborted) throw error;
        await Promise.all(closing);
      }
    }
  }

  return {
    async look(database, names, signal) {
      const run = entries.get(database.id)?.run;
      if (run && !run.ended.aborted) return await untilAborted(run.rights.look(names), signal);
      return await untilAborted(lookOnce(database, names), signal);
    },

    withRun,

    async keep(database) {
      const run = await entries.get(database.id)?.opened.catch(() => null);
      if (run && !run.kept) await endHere(database.id, nowKept());
      await current(database, stopped.signal);
    },

    status(databaseId) {
      const run = entries.get(databaseId)?.run;
      if (!run) return null;
      return {
        kept: run.kept,
        lagMs: run.lagMs(),
        tables: run.tables.size,
        readers: run.readers.size,
        logBytes: run.log.bytes,
        feed: run.feed.status(),
      };
    },

    async end(databaseId, reason) {
      await endHere(databaseId, reason);
      await relay.end(databaseId);
    },

    counts() {
      const runs = [...entries.values()].flatMap(({ run }) => (run ? [run] : []));
      const sum = (of: (run: FeedRun) => number) => runs.reduce((total, run) => total + of(run), 0);
      return {
        feeds: runs.length,
        keptFeeds: sum(({ kept }) => (kept ? 1 : 0)),
        tables: sum(({ tables }) => tables.size),
        readers: sum((run) => run.readers.size),
        logBytes: sum((run) => run.log.bytes),
        mostRetainedBytes: Math.max(0, ...runs.map(({ feed }) => feed.status().retainedBytes ?? 0)),
      };
    },

    async stop() {
      stopped.abort(stopping());
      const runs = await Promise.all([...entries.values()].map(({ opened }) => opened.catch(() => null)));
      for (const run of runs) run?.end(stopping());
      await Promise.all(closing);
    },
  };
}

export const nowKept = (): AppError =>
  new AppError('POSITION_LOST', 'From now on changes are kept: read the rows again, then subscribe without `after`');

const stopping = (): AppError => new AppError('CONNECTION_FAILED', 'The server is stopping');

export const connectionChanged = (): AppError =>
  new AppError(
    'POSITION_LOST',
    'The connection of the database was changed: read the rows again, then subscribe without `after`',
  );
