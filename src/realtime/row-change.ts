/** What a reader is told of a change of the log: whether anything, as which event, and which values of the row. */
import type { ChangedColumn, ChangedRow, ChangedTable } from '../engines/changes.ts';
import type { Cell } from '../engines/engine.ts';
import type { RowAccess } from '../engines/row-access.ts';
import { AppError } from '../lib/errors.ts';
import type { FilteredColumn, RowFilter } from '../rows/row-filter.ts';
import { encodeRowKey } from '../rows/row-key.ts';
import { type Change, type RowEvent, valueBefore } from './change.ts';
import { requireTold } from './may-tell.ts';
import { compileRowFilter, filterOutdated, type RowPredicate } from './row-predicate.ts';

export const changeEvents = ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] as const;
export type ChangeEvent = (typeof changeEvents)[number];

/** What somebody wants to know of one table. */
export interface Source {
  /** The engine's own. */
  readonly tableId: string;
  readonly filter: RowFilter | null;
  /** Those that the filter names, as they were when it was checked. */
  readonly filtered: ReadonlyMap<string, FilteredColumn>;
  readonly events: ReadonlySet<ChangeEvent>;
  /** Null: all that the credentials may read. */
  readonly columns: readonly string[] | null;
}

export type Cells = Readonly<Record<string, Cell>>;

export interface Told {
  readonly event: ChangeEvent;
  readonly key: string | null;
  readonly old: Cells | null;
  readonly new: Cells | null;
  /** Of an UPDATE: those that are not known to be what they were. */
  readonly changedColumns: readonly string[];
  /** Large values that did not change and are not told. */
  readonly unchangedColumns: readonly string[];
}

/**
 * What row-level security makes of a change: TOLD: the row is as it says and may be seen. LEFT: a row that could be seen
 * before no longer can, or is gone. CAME: as TOLD, and nothing was said of the row before. HIDDEN: nothing may be said.
 */
export type Verdict = 'TOLD' | 'LEFT' | 'CAME' | 'HIDDEN';

export interface Teller {
  /**
   * Null where it is none of his. @param verdict null: no policies apply
   * @throws AppError CONFLICT where a column of the filter is another now, FORBIDDEN where it, or all of the table, may no
   * longer be read, UNSUPPORTED where policies decide now and rows cannot be checked against them
   */
  tell(change: Change, access: RowAccess, verdict: Verdict | null): Told | null;
}

interface TableView {
  readonly table: ChangedTable;
  readonly access: RowAccess;
  readonly predicate: RowPredicate | null;
  readonly columns: readonly (ChangedColumn & { readonly place: number })[];
  /** Null: there is no key, or a part of it may not be read. */
  readonly key: readonly number[] | null;
}

export function createTeller(source: Source): Teller {
  let view: TableView | null = null;

  function viewOf(table: ChangedTable, access: RowAccess): TableView {
    if (view?.table === table && view.access === access) return view;
    requireTold(access);
    const known = new Map(access.columns.map((column) => [column.name, column]));
    for (const [name, { type }] of source.filtered) {
      const column = known.get(name);
      if (!column || JSON.stringify(column.type) !== JSON.stringify(type)) throw filterOutdated(name);
      if (!column.readable) throw new AppError('FORBIDDEN', `The credentials may no longer read the column ${name}`);
    }
    const wanted = source.columns && new Set(source.columns);
    const placed = table.columns.map((column, place) => ({
      ...column,
      place,
      readable: known.get(column.name)?.readable ?? access.readable,
    }));
    const key = table.key.every((place) => placed[place]?.readable) && table.key.length > 0 ? table.key : null;
    view = {
      table,
      access,
      predicate: source.filter && compileRowFilter(source.filter, table, source.filtered),
      columns: placed.filter(({ name, readable }) => readable && (wanted?.has(name) ?? true)),
      key,
    };
    return view;
  }

  return {
    tell(change, access, verdict) {
      const seen = viewOf(change.table, access);
      if (verdict === 'HIDDEN') return null;
      if (change.type === 'truncate') return source.events.has('TRUNCATE') ? truncated : null;
      const now = change.type === 'delete' || verdict === 'LEFT' ? null : change.new;
      const whole = verdict === 'CAME' ? null : beforeOf(change);
      // Where policies apply, what a row was is not known to have been visible; only by its key it is known again.
      const before = verdict === null ? whole : keyAlone(seen, whole);
      const event = eventOf(seen.predicate, before, now);
      if (event === null || !source.events.has(event)) return null;
      if (event === 'DELETE' || now === null)
        return { ...bare, event: 'DELETE', key: keyOf(seen, before ?? []), old: cellsOf(seen.columns, before ?? []) };
      const updated = event === 'UPDATE' && change.type === 'update' ? change : null;
      return {
        event,
        key: keyOf(seen, now),
        old: updated?.old ? cellsOf(seen.columns, before ?? []) : null,
        new: cellsOf(seen.columns, now),
        changedColumns: updated ? namesOf(seen, (place) => isChanged(before ?? [], now, place)) : none,
        unchangedColumns: change.type === 'update' ? namesOf(seen, (place) => now[place] === undefined) : none,
      };
    },
  };
}

const none: readonly string[] = [];
const bare = { key: null, old: null, new: null, changedColumns: none, unchangedColumns: none } as const;
const truncated: Told = { ...bare, event: 'TRUNCATE' };

/** As far as it is told; null: there was none. */
function beforeOf(change: RowEvent): ChangedRow | null {
  if (change.type === 'insert') return null;
  if (change.type === 'delete' || change.old !== null) return change.old;
  return change.new.map((_, place) => valueBefore(change, place));
}

const keyAlone = ({ key }: TableView, row: ChangedRow | null): ChangedRow | null =>
  row?.map((text, place) => (key?.includes(place) ? text : undefined)) ?? null;

/** A row that may have been chosen before, and is not now, has left; one that was surely not, and may be now, has come. */
function eventOf(
  predicate: RowPredicate | null,
  before: ChangedRow | null,
  now: ChangedRow | null,
): ChangeEvent | null {
  const was = before !== null && (predicate?.(before) ?? 'YES') !== 'NO';
  const is = now !== null && (predicate?.(now) ?? 'YES') !== 'NO';
  if (is) return was ? 'UPDATE' : 'INSERT';
  return was ? 'DELETE' : null;
}

function keyOf({ key }: TableView, row: ChangedRow): string | null {
  const texts = key?.map((place) => row[place]) ?? [undefined];
  return texts.every((text) => typeof text === 'string') ? encodeRowKey(texts) : null;
}

/** By the names of the columns; without those that are not told. */
function cellsOf(columns: TableView['columns'], row: ChangedRow): Cells {
  const cells: Record<string, Cell> = {};
  for (const { name, place, decode } of columns) {
    const text = row[place];
    if (text === undefined) continue;
    const cell = text === null || decode === null ? text : decode(text);
    // Assigned, this one name would set what the object inherits from.
    if (name === '__proto__') Object.defineProperty(cells, name, { value: cell, enumerable: true });
    else cells[name] = cell;
  }
  return cells;
}

const namesOf = ({ columns }: TableView, wanted: (place: number) => boolean): readonly string[] =>
  columns.filter(({ place }) => wanted(place)).map(({ name }) => name);

/** A large value that is not told did not change. */
const isChanged = (before: ChangedRow, now: ChangedRow, place: number): boolean =>
  now[place] !== undefined && before[place] !== now[place];
