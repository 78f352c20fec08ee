/** What the log of a database is made of. */
import type { ChangedTable, CommitPosition, FeedEvent } from '../engines/changes.ts';

export type RowEvent = Extract<FeedEvent, { type: 'insert' | 'update' | 'delete' }>;

/** A statement that empties several tables is a change of each. */
export type Change = RowEvent | { readonly type: 'truncate'; readonly place: number; readonly table: ChangedTable };

export interface Transaction {
  readonly id: string;
  readonly committedAt: Date;
  readonly position: CommitPosition;
}

/** Some changes of one transaction, as they came; none where it ends behind what was told before. */
export interface Piece {
  readonly transaction: Transaction;
  /** Of its first change: the changes of a log are numbered without gaps. */
  readonly ordinal: number;
  /** Of its first change in the transaction, from 1. */
  readonly place: number;
  readonly changes: readonly Change[];
  /** The transaction ends with it. */
  readonly last: boolean;
  /** About what it takes in memory. */
  readonly bytes: number;
  /** Of all that came before it. */
  readonly bytesBefore: number;
}

/** What a column held before an update; undefined: not told. */
export function valueBefore(
  { table, old, new: now }: Extract<Change, { type: 'update' }>,
  place: number,
): string | null | undefined {
  if (old !== null) return old[place];
  return table.identity.includes(place) ? now[place] : undefined;
}
