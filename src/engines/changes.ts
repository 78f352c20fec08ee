/** The contract of an engine that tells of changed rows: every committed one, in the order of the commits. */
import type { QualifiedName } from './catalog.ts';
import type { Cell, Target } from './engine.ts';

/**
 * A place in the log of one database: text of fixed width, so that two of them compare as the places do. It stands for
 * every commit up to and including the one that bears it. PostgreSQL: where the commit's record begins, 16 hexadecimal
 * digits; so a transaction bears it from its first event on.
 */
export type CommitPosition = string;

/** The shape of a table at one point of the log: the same object for all changes until the shape changes. */
export interface ChangedTable {
  /** The engine's own; stays over renames. Of a partition's rows: that of the table that was followed. */
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ChangedColumn[];
  /** Places in `columns` of the primary key, rising; empty where there is none. */
  readonly key: readonly number[];
  /** Places of the columns that an old row is known by: an update that tells nothing of them left them as they were. */
  readonly identity: readonly number[];
  /** What is told of an old row: the columns of its identity, all of it, or nothing. */
  readonly old: 'IDENTITY' | 'WHOLE' | 'NOTHING';
}

export interface ChangedColumn {
  readonly name: string;
  /** As the engine prints it, qualified unless built in. */
  readonly dataType: string;
  /** A text of it that is not null, as a cell of a result. Null: the text itself is the cell. */
  readonly decode: ((text: string) => Cell) | null;
  /** Of what ChangeSource.decoderOf makes `decode` again, in another process; null where that is null. */
  readonly coding: string | null;
}

/** A text for each column, as the engine prints it under our settings; null as in SQL; undefined: not told. */
export type ChangedRow = readonly (string | null | undefined)[];

/**
 * All of a transaction comes between its `begin` and its `commit`, and of one transaction only. The `place` of a change in
 * its transaction rises from 1, and is the same whenever the transaction is told again, also where more or fewer of its
 * tables are followed then.
 */
export type FeedEvent =
  | {
      readonly type: 'begin';
      /** PostgreSQL: the lower 32 bits of the xid, decimal. */
      readonly transactionId: string;
      readonly committedAt: Date;
      readonly position: CommitPosition;
    }
  | { readonly type: 'insert'; readonly place: number; readonly table: ChangedTable; readonly new: ChangedRow }
  /** `old`: null where nothing of it is told: its identity did not change. Undefined in `new`: a large value that did not change. */
  | {
      readonly type: 'update';
      readonly place: number;
      readonly table: ChangedTable;
      readonly old: ChangedRow | null;
      readonly new: ChangedRow;
    }
  | { readonly type: 'delete'; readonly place: number; readonly table: ChangedTable; readonly old: ChangedRow }
  /** `place`: of the first of the tables; each has one of its own. */
  | { readonly type: 'truncate'; readonly place: number; readonly tables: readonly ChangedTable[] }
  | { readonly type: 'commit'; readonly position: CommitPosition }
  /** Nothing is committed up to this place that has not been told; comes also while all is quiet, and never inside a transaction. */
  | { readonly type: 'alive'; readonly position: CommitPosition }
  /** What is told of a followed table is another from here on: its identity was taken away, or the table was. */
  | { readonly type: 'coverage'; readonly tableId: string; readonly coverage: Coverage; readonly reason: string | null }
  /**
   * What a followed table holds changed, and not all of that was told: who reads it has to read its rows again. Comes behind
   * what was committed before.
   */
  | { readonly type: 'gap'; readonly tableId: string; readonly reason: string }
  /** The catalogue may have changed, where DDL is tracked. A hint: not in the order of the log. */
  | { readonly type: 'schema' };

/** INSERTS: also TRUNCATE, but no UPDATE and no DELETE. */
export type Coverage = 'ALL' | 'INSERTS' | 'NOTHING';

export interface FeedLimits {
  /** How often the target is asked for a sign of life, and what is followed is looked at. */
  readonly checkMs: number;
  /** A target that says nothing for so long, while it is listened to, is gone. */
  readonly silentMs: number;
  /** Opening waits for the transactions that write just then, and following for those that write to the table. */
  readonly patienceMs: number;
  /**
   * Log that the target keeps for a feed; above it the feed is given up, however much the target would still bear. A kept
   * feed goes by the target's own limit, where it has one.
   */
  readonly maxRetainedBytes: number;
  /**
   * Log that the target keeps for a kept feed behind what was told; above it, and above a quarter of what the target would
   * bear, what was told is taken for confirmed.
   */
  readonly maxToldBytes: number;
}

export interface FeedOptions {
  /** Ends the opening, not the feed. */
  readonly signal: AbortSignal;
  /**
   * A UUID; names what is made in the target (slot, publications): another feed does not touch it. The database's id.
   * One feed at a time: whoever holds it when another opens is ended.
   */
  readonly feedId: string;
  /** What is made stays in the target when the feed ends, so that nothing is missed until it is opened again. */
  readonly kept: boolean;
  /** A kept feed goes on behind this place; absent: where it was last confirmed. */
  readonly after?: CommitPosition | undefined;
  /** Awaited before a kept feed is made anew in the target: places of before are of no worth then. Its error ends the opening. */
  readonly beginsAnew?: (() => Promise<void>) | undefined;
  readonly limits?: Partial<FeedLimits> | undefined;
}

export type FollowOutcome =
  | {
      readonly table: QualifiedName;
      readonly id: string;
      /** Behind it nothing of the table is missed, and up to it nothing is told that was not told before. */
      readonly after: CommitPosition;
      readonly coverage: Exclude<Coverage, 'NOTHING'>;
      /** Why not all is told, and what would change it. */
      readonly reason: string | null;
    }
  | {
      readonly table: QualifiedName;
      readonly id: null;
      /** Why it cannot be followed, and what would change it. */
      readonly reason: string;
    };

export interface FeedStatus {
  /** Log that the target keeps for this feed; null: not known yet. */
  readonly retainedBytes: number | null;
  /** How much more it may become before the target gives the feed up; null: without a limit, or not known yet. */
  readonly safeBytes: number | null;
  /** Up to which all has been told. */
  readonly position: CommitPosition;
  readonly confirmed: CommitPosition;
  /** When the target was last heard. */
  readonly heardAt: Date;
}

/** One stream of changes of a database, with one reader. While it does not pull, the target waits. */
export interface ChangeFeed extends AsyncDisposable {
  /** What is committed behind it is told, of the tables that were followed then. */
  readonly start: CommitPosition;
  /** A kept feed was gone on with: what was followed is followed still. False: it begins anew. */
  readonly resumed: boolean;
  /** What was followed when it was opened, by the ids of the tables, and what is told of it. */
  readonly followed: ReadonlyMap<string, Coverage>;
  /**
   * Adds tables, all at once or as far as they can be; those followed already keep their place. What is followed stays
   * so without a gap. Others may write meanwhile, and are never made to wait.
   * @returns an outcome for each, in order
   * @throws AppError CONNECTION_FAILED, SQL_ERROR, TIMEOUT where transactions that write to a table do not end; the signal's reason
   */
  follow(
    tables: readonly QualifiedName[],
    options: { readonly signal: AbortSignal },
  ): Promise<readonly FollowOutcome[]>;
  /** Tells of them no longer, by their ids; no-op for others. @throws AppError CONNECTION_FAILED, SQL_ERROR; the signal's reason */
  unfollow(ids: readonly string[], options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Many at once, as they come. Ends when the feed is disposed.
   * @throws AppError CONNECTION_FAILED, POSITION_LOST, LIMIT_EXCEEDED, UNSUPPORTED: the reason of `closed`
   */
  [Symbol.asyncIterator](): AsyncIterator<readonly FeedEvent[]>;
  /** What is up to this place is needed no longer: the target may forget it. Sent at most once a second. */
  confirm(position: CommitPosition): void;
  status(): FeedStatus;
  /** Aborts when nothing will be told any more. */
  readonly closed: AbortSignal;
}

export interface ChangeSource {
  /** @param coding of a ChangedColumn @throws Error for another text */
  decoderOf(coding: string): (text: string) => Cell;
  /**
   * @throws AppError UNSUPPORTED with what the administrator would have to set, POSITION_LOST where a kept feed's place is
   * gone (opened again it begins anew), TIMEOUT where a transaction that writes does not end, CONNECTION_FAILED; the signal's reason
   */
  open(target: Target, options: FeedOptions): Promise<ChangeFeed>;
  /**
   * Installs what tells of rows where there is no log to follow: `open` then finds it. It does nothing to a table before
   * that is followed. Again is no change. @throws AppError UNSUPPORTED, CONNECTION_FAILED, SQL_ERROR
   */
  install(target: Target, options: { readonly feedId: string; readonly signal: AbortSignal }): Promise<void>;
  /** Leaves nothing of it; a feed that reads it ends. No-op where nothing is. @throws AppError CONNECTION_FAILED, SQL_ERROR */
  uninstall(target: Target, options: { readonly feedId: string; readonly signal: AbortSignal }): Promise<void>;
  /** The database itself, whatever name or address leads there. @throws AppError CONNECTION_FAILED, SQL_ERROR */
  identify(target: Target, options: { readonly signal: AbortSignal }): Promise<string>;
  /** Takes away what a feed left, also what is installed for it, and one that runs; no-op where nothing is. @throws AppError CONNECTION_FAILED, SQL_ERROR */
  remove(target: Target, options: { readonly feedId: string; readonly signal: AbortSignal }): Promise<void>;
}
