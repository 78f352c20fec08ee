/** The tables that a feed follows, for as long as somebody wants them and a little longer. */
import type { QualifiedName } from '../engines/catalog.ts';
import type { ChangeFeed, Coverage, FollowOutcome } from '../engines/changes.ts';
import { AppError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import { type Position, wholeTransaction } from './positions.ts';

export interface FollowedTable {
  readonly id: string;
  readonly name: QualifiedName;
  /** Behind it nothing of the table is missed. */
  readonly since: Position;
  readonly coverage: Coverage;
  /** Why not all is told. */
  readonly reason: string | null;
  /** The last time that some of what is wanted of it may have been untold: each time another object. */
  readonly gaps: Readonly<Record<WantedCoverage, Gap>>;
}

export type WantedCoverage = Exclude<Coverage, 'NOTHING'>;

export interface Gap {
  /** Goes on behind "as". */
  readonly reason: string;
}

export interface FollowedTables extends Disposable {
  /**
   * Several at once. @returns what holds them
   * @throws AppError UNSUPPORTED with the reason; whatever ChangeFeed.follow throws; the signal's reason
   */
  hold(tables: readonly NamedTable[], signal: AbortSignal): Promise<Disposable>;
  /** @throws AppError UNSUPPORTED with the reason where it is not followed (any more), or not all that is wanted is told */
  require(table: NamedTable, wanted: WantedCoverage): FollowedTable;
  /** What is told of it is another from here on. */
  cover(id: string, coverage: Coverage, reason: string | null, at: Position): void;
  /** What it holds changed untold: nothing is missed only from here on. */
  miss(id: string, reason: string, at: Position): void;
  /** Another one whenever `require` may answer otherwise. */
  readonly revision: number;
  readonly size: number;
}

export interface NamedTable extends QualifiedName {
  /** The engine's own. */
  readonly id: string;
}

export interface FollowedTablesDeps {
  readonly feed: Pick<ChangeFeed, 'follow' | 'unfollow' | 'closed'>;
  /** For what is no longer told, in the words of the engine. */
  readonly engine: string;
  /** How long a table that nobody wants is followed: who comes back goes on where he was. Null: for as long as the feed. */
  readonly lingerMs: number | null;
  /** Nothing is followed any more. */
  readonly onIdle: () => void;
  readonly log: Log;
}

interface Entry {
  table: FollowedTable;
  holders: number;
  timer: NodeJS.Timeout | undefined;
}

export function createFollowedTables({ feed, engine, lingerMs, onIdle, log }: FollowedTablesDeps): FollowedTables {
  const entries = new Map<string, Entry>();
  /** All is told again of these, which were not known yet, from there on: said while it was waited for an answer about them. */
  const risen = new Map<string, Position>();
  let asking = false;
  let revision = 0;
  /** Changes of what is followed go one after the other. */
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = last.then(work);
    last = done.catch(() => undefined); // Whoever asked is told.
    return done;
  }

  function keep({ id, table: name, coverage, reason, after }: Followed): Entry {
    const known = entries.get(id);
    if (known) return keepKnown(known, coverage, reason);
    const since = { commit: after, place: wholeTransaction };
    const gaps = gapOfBoth('it was not followed all the time');
    const answered: FollowedTable = { id, name, since, coverage, reason, gaps };
    const from = risen.get(id);
    const table: FollowedTable = from ? { ...answered, coverage: 'ALL', reason: null, since: from } : answered;
    const entry: Entry = { table, holders: 0, timer: undefined };
    revision += 1;
    entries.set(id, entry);
    return entry;
  }

  /** That more of it is told is said by the feed, in the order of what it tells: up to there it was not told. */
  function keepKnown(known: Entry, coverage: Coverage, reason: string | null): Entry {
    if (coverage === 'ALL') return known;
    known.table = { ...known.table, coverage, reason, gaps: gapsOf(known.table, coverage, reason) };
    revision += 1;
    return known;
  }

  function answerAbout(tables: readonly NamedTable[]): Promise<readonly FollowOutcome[]> {
    risen.clear();
    asking = true;
    return feed.follow(tables, { signal: feed.closed }).finally(() => {
      asking = false;
    });
  }

  function take(found: readonly Entry[]): Disposable {
    for (const entry of found) {
      clearTimeout(entry.timer);
      entry.holders += 1;
    }
    let released = false;
    return {
      [Symbol.dispose]() {
        if (released) return;
        released = true;
        for (const entry of found) {
          entry.holders -= 1;
          if (entry.holders === 0 && lingerMs !== null) entry.timer = setTimeout(() => letGo(entry), lingerMs).unref();
        }
      },
    };
  }

  /** Null where one of them is not followed. */
  function takeKnown(tables: readonly NamedTable[]): Disposable | null {
    const found = tables.map(({ id }) => entries.get(id));
    return found.every((entry) => entry !== undefined) ? take(found) : null;
  }

  function letGo(entry: Entry): void {
    void inTurn(async () => {
      const { id } = entry.table;
      if (entry.holders > 0 || entries.get(id) !== entry || feed.closed.aborted) return;
      forget(entry);
      if (entries.size === 0) return onIdle();
      await feed.unfollow([id], { signal: feed.closed });
    }).catch((error: unknown) => log.debug({ error: String(error) }, 'realtime.not_unfollowed'));
  }

  function forget(entry: Entry): void {
    clearTimeout(entry.timer);
    entries.delete(entry.table.id);
    revision += 1;
  }

  return {
    async hold(tables, signal) {
      signal.throwIfAborted();
      const known = takeKnown(tables);
      if (known) return known;
      const holding = inTurn(async () => {
        // Somebody before may have wanted the same.
        const meanwhile = takeKnown(tables);
        if (meanwhile) return meanwhile;
        const outcomes = await answerAbout(tables);
        const held = take(outcomes.filter(isFollowed).map(keep));
        const refused = outcomes.find((outcome) => !isFollowed(outcome));
        if (!refused) return held;
        held[Symbol.dispose]();
        if (entries.size === 0 && lingerMs !== null) onIdle();
        throw unsupported(engine, refused.table, refused.reason);
      });
      try {
        return await untilAborted(holding, signal);
      } catch (error) {
        // Nobody waits for it any more.
        if (signal.aborted) void holding.then((held) => held[Symbol.dispose]()).catch(() => undefined);
        throw error;
      }
    },

    require(table, wanted) {
      const followed = entries.get(table.id)?.table;
      if (followed && (followed.coverage === 'ALL' || followed.coverage === wanted)) return followed;
      throw unsupported(engine, table, followed?.reason ?? null);
    },

    cover(id, coverage, reason, since) {
      const entry = entries.get(id);
      if (!entry) {
        if (coverage !== 'ALL') risen.delete(id);
        else if (asking) risen.set(id, since);
        return;
      }
      const gaps = gapsOf(entry.table, coverage, reason);
      entry.table = { ...entry.table, coverage, reason, since, gaps };
      revision += 1;
      if (coverage === 'NOTHING') forget(entry);
    },

    miss(id, reason, since) {
      const entry = entries.get(id);
      if (!entry) return;
      entry.table = { ...entry.table, since, gaps: gapOfBoth(reason) };
      revision += 1;
    },

    get revision() {
      return revision;
    },

    get size() {
      return entries.size;
    },

    [Symbol.dispose]() {
      for (const { timer } of entries.values()) clearTimeout(timer);
      entries.clear();
      revision += 1;
    },
  };
}

type Followed = Extract<FollowOutcome, { id: string }>;
const isFollowed = (outcome: FollowOutcome): outcome is Followed => outcome.id !== null;

const gapOfBoth = (reason: string): FollowedTable['gaps'] => ({ ALL: { reason }, INSERTS: { reason } });

/** Less than all is told: who wants all has missed some of it, also when all is told again before he looks. */
const gapsOf = (
  { coverage: before, gaps }: FollowedTable,
  now: Coverage,
  reason: string | null,
): FollowedTable['gaps'] =>
  before === 'ALL' && now !== 'ALL'
    ? { ...gaps, ALL: { reason: `not all of it was told for a while${reason ? ` (${reason})` : ''}` } }
    : gaps;

const unsupported = (engine: string, { schema, name }: QualifiedName, reason: string | null): AppError =>
  new AppError(
    'UNSUPPORTED',
    `Not all changes of ${schema}.${name} are told: ${reason ?? 'it is followed no longer'}`,
    {
      details: { engine, capability: 'ROW_CHANGES' },
    },
  );
