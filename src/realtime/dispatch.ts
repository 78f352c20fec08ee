/** Finds the groups of readers that a growth of the log concerns, and wakes them. */
import type { ChangedTable } from '../engines/changes.ts';
import type { RowAccess } from '../engines/row-access.ts';
import { rankingOf } from '../rows/ranks.ts';
import type { Piece } from './change.ts';
import { createFilterIndex, type FilterIndex, type IndexKey, indexKeyOf } from './filter-index.ts';
import type { ReaderGroup } from './reader-group.ts';
import type { Source } from './row-change.ts';

type Woken = Pick<ReaderGroup, 'found' | 'wake'>;

interface TableReaders {
  readonly index: FilterIndex<Woken>;
  /** Those who look at every change themselves. */
  readonly others: Set<Woken>;
  groups: number;
  shape: ChangedTable | null;
}

export interface Dispatch {
  /** @param keys as indexKeysOf() gave them for the group's sources */
  add(
    group: Woken,
    sources: readonly Source[],
    keys: readonly IndexKey[] | null,
    accesses: ReadonlyMap<string, RowAccess>,
  ): Disposable;
  dispatch(pieces: readonly Piece[]): void;
  /** Wakes all who read a table: something of it is no longer what it was. */
  touch(tableId: string, ordinal: number): void;
}

/** Null where one of the sources has no such key: then all changes of its table have to be looked at. */
export function indexKeysOf(sources: readonly Source[]): readonly IndexKey[] | null {
  const keys = sources.map(({ filter }) => indexKeyOf(filter)).filter((key) => key !== null);
  return keys.length === sources.length ? keys : null;
}

export function createDispatch(): Dispatch {
  const tables = new Map<string, TableReaders>();

  return {
    add(group, sources, keys, accesses) {
      const ranks = sources.map(({ tableId }, place) => {
        const key = keys?.[place];
        const column = key && accesses.get(tableId)?.columns.find(({ name }) => name === key.column);
        return column && rankingOf(column)?.rank;
      });
      for (const [place, { tableId }] of sources.entries()) {
        const readers = tables.get(tableId) ?? {
          index: createFilterIndex(),
          others: new Set(),
          groups: 0,
          shape: null,
        };
        tables.set(tableId, readers);
        readers.groups += 1;
        const [key, rank] = [keys?.[place], ranks[place]];
        if (key && rank) readers.index.add(group, key, rank);
        else readers.others.add(group);
      }
      return {
        [Symbol.dispose]() {
          for (const [place, { tableId }] of sources.entries()) {
            const readers = tables.get(tableId);
            if (!readers) continue;
            const [key, rank] = [keys?.[place], ranks[place]];
            if (key && rank) readers.index.remove(group, key, rank);
            readers.others.delete(group);
            readers.groups -= 1;
            if (readers.groups === 0) tables.delete(tableId);
          }
        },
      };
    },

    dispatch(pieces) {
      /** By group the first change that concerns it. */
      const woken = new Map<Woken, number>();
      for (const piece of pieces) {
        for (const [place, change] of piece.changes.entries()) {
          const readers = tables.get(change.table.id);
          if (!readers) continue;
          const ordinal = piece.ordinal + place;
          const find = (group: Woken) => {
            group.found(ordinal);
            if (!woken.has(group)) woken.set(group, ordinal);
          };
          // Of another shape: whose filter no longer fits has to be told so.
          const reshaped = readers.shape !== null && readers.shape !== change.table;
          readers.shape = change.table;
          if (reshaped || change.type === 'truncate') readers.index.forAll(find);
          else readers.index.forCandidates(change, find);
          for (const group of readers.others) if (!woken.has(group)) woken.set(group, ordinal);
        }
      }
      for (const [group, ordinal] of woken) group.wake(ordinal);
    },

    touch(tableId, ordinal) {
      const readers = tables.get(tableId);
      readers?.index.forAll((group) => group.wake(ordinal));
      for (const group of readers?.others ?? []) group.wake(ordinal);
    },
  };
}
