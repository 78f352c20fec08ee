/**
 * Finds those whom a change may concern without asking each: who wants rows of which one column has one of some values is
 * found by the value. Ten thousand of them, each with another value, cost one look-up for each row and column.
 */
import type { ChangedTable } from '../engines/changes.ts';
import type { Rank } from '../rows/ranks.ts';
import type { RowFilter } from '../rows/row-filter.ts';
import { type RowEvent, valueBefore } from './change.ts';

/** What every row that a filter chooses has: one of these in that column. */
export interface IndexKey {
  readonly column: string;
  readonly ranks: readonly Rank[];
}

/** Null where a filter has no such part. Of several the one with the fewest values. */
export function indexKeyOf(filter: RowFilter | null): IndexKey | null {
  if (filter?.kind === 'in') return filter;
  if (filter?.kind !== 'and') return null;
  const keys = filter.of.map(indexKeyOf).filter((key) => key !== null);
  return keys.reduce<IndexKey | null>(
    (best, key) => (best && best.ranks.length <= key.ranks.length ? best : key),
    null,
  );
}

/** The rank of a text of a column. */
export type RankOf = (text: string) => Rank;

/** Of a column and its type: one that has got another type has one for each, as long as anybody is in it. */
interface ColumnIndex<Subscriber> {
  readonly column: string;
  readonly rank: RankOf;
  readonly byRank: Map<Rank, Set<Subscriber>>;
  /** How many keys of a subscriber are in here. */
  readonly all: Map<Subscriber, number>;
}

/** Of one table. */
export interface FilterIndex<Subscriber> {
  add(subscriber: Subscriber, key: IndexKey, rank: RankOf): void;
  /** @param rank as it was added */
  remove(subscriber: Subscriber, key: IndexKey, rank: RankOf): void;
  /** Also of those whose value in the row, or in the row before, is not told; who is found twice is named twice. */
  forCandidates(change: RowEvent, found: (subscriber: Subscriber) => void): void;
  forAll(found: (subscriber: Subscriber) => void): void;
}

export function createFilterIndex<Subscriber>(): FilterIndex<Subscriber> {
  const indexes: ColumnIndex<Subscriber>[] = [];
  const placeIn = (column: string, rank: RankOf) =>
    indexes.findIndex((index) => index.column === column && index.rank === rank);

  function forValue(
    index: ColumnIndex<Subscriber>,
    text: string | null | undefined,
    found: (subscriber: Subscriber) => void,
  ): void {
    if (text === null) return; // Equal to nothing.
    if (text !== undefined) index.byRank.get(index.rank(text))?.forEach(found);
    else for (const subscriber of index.all.keys()) found(subscriber);
  }

  return {
    add(subscriber, { column, ranks }, rank) {
      const known = indexes[placeIn(column, rank)];
      const index = known ?? { column, rank, byRank: new Map(), all: new Map() };
      if (!known) indexes.push(index);
      index.all.set(subscriber, (index.all.get(subscriber) ?? 0) + 1);
      for (const one of ranks) {
        const same = index.byRank.get(one);
        if (same) same.add(subscriber);
        else index.byRank.set(one, new Set([subscriber]));
      }
    },

    remove(subscriber, { column, ranks }, rank) {
      const placed = placeIn(column, rank);
      const index = indexes[placed];
      if (!index) return;
      const left = (index.all.get(subscriber) ?? 1) - 1;
      if (left > 0) index.all.set(subscriber, left);
      else index.all.delete(subscriber);
      for (const one of ranks) {
        const known = index.byRank.get(one);
        known?.delete(subscriber);
        if (known?.size === 0) index.byRank.delete(one);
      }
      if (index.all.size === 0) indexes.splice(placed, 1);
    },

    forCandidates(change, found) {
      for (const index of indexes) {
        const place = placeOf(change.table, index.column);
        // The column has gone: whoever asks for it is told so when he comes.
        if (place < 0) for (const subscriber of index.all.keys()) found(subscriber);
        else if (change.type === 'insert') forValue(index, change.new[place], found);
        else if (change.type === 'delete') forValue(index, change.old[place], found);
        else {
          const [before, now] = [valueBefore(change, place), change.new[place]];
          forValue(index, now, found);
          // Untold before and now is a large value that did not change: all of them are found already.
          if (before !== now) forValue(index, before, found);
        }
      }
    },

    forAll(found) {
      for (const { all } of indexes) for (const subscriber of all.keys()) found(subscriber);
    },
  };
}

const places = new WeakMap<ChangedTable, Map<string, number>>();

/** -1 where the table has no such column (any more). */
function placeOf(table: ChangedTable, column: string): number {
  let known = places.get(table);
  if (!known) {
    known = new Map(table.columns.map(({ name }, place) => [name, place]));
    places.set(table, known);
  }
  return known.get(column) ?? -1;
}
