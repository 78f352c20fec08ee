/**
 * Evaluates a filter over a row of the log, whose values are raw texts and may be untold: each part gives all the outcomes
 * that SQL could have given, as far as is known. So "surely", "perhaps" and "surely not" follow by logic alone.
 */
import type { ChangedRow, ChangedTable } from '../engines/changes.ts';
import { AppError } from '../lib/errors.ts';
import { type Rank, rankingOf } from '../rows/ranks.ts';
import type { FilteredColumn, Order, RowFilter } from '../rows/row-filter.ts';
import { patternOf } from './like.ts';

/** Bits: true, false, null. */
type Outcomes = number;
const isTrue = 1;
const isFalse = 2;
const isNull = 4;
const untold: Outcomes = isTrue | isFalse | isNull;

type Evaluate = (row: ChangedRow) => Outcomes;

export type Answer = 'YES' | 'PERHAPS' | 'NO';

/** Whether the row is chosen. PERHAPS where that depends on values that are not told. */
export type RowPredicate = (row: ChangedRow) => Answer;

/** @param columns those that it names, as they were when it was checked @throws AppError CONFLICT where one of them has gone */
export function compileRowFilter(
  filter: RowFilter,
  table: Pick<ChangedTable, 'columns'>,
  columns: ReadonlyMap<string, FilteredColumn>,
): RowPredicate {
  const evaluate = compile(filter, table, columns);
  return (row) => {
    const outcomes = evaluate(row);
    if (outcomes === isTrue) return 'YES';
    return outcomes & isTrue ? 'PERHAPS' : 'NO';
  };
}

export const filterOutdated = (column: string): AppError =>
  new AppError('CONFLICT', `The column ${column}, which the filter names, is no longer what it was: subscribe anew`);

function compile(
  filter: RowFilter,
  table: Pick<ChangedTable, 'columns'>,
  columns: ReadonlyMap<string, FilteredColumn>,
): Evaluate {
  switch (filter.kind) {
    case 'and': {
      const parts = filter.of.map((part) => compile(part, table, columns));
      return (row) =>
        parts.reduce((outcomes, part) => (outcomes === isFalse ? isFalse : and(outcomes, part(row))), isTrue);
    }
    case 'or': {
      const parts = filter.of.map((part) => compile(part, table, columns));
      return (row) =>
        not(parts.reduce((outcomes, part) => (outcomes === isFalse ? isFalse : and(outcomes, not(part(row)))), isTrue));
    }
    case 'not': {
      const part = compile(filter.of, table, columns);
      return (row) => not(part(row));
    }
    default:
      return compileColumn(filter, table, columns);
  }
}

function compileColumn(
  filter: Extract<RowFilter, { column: string }>,
  table: Pick<ChangedTable, 'columns'>,
  columns: ReadonlyMap<string, FilteredColumn>,
): Evaluate {
  const place = table.columns.findIndex(({ name }) => name === filter.column);
  const column = columns.get(filter.column);
  if (place < 0 || !column) throw filterOutdated(filter.column);
  if (filter.kind === 'isNull') {
    const { isNull: wanted } = filter;
    return (row) => (row[place] === undefined ? isTrue | isFalse : ofBoolean((row[place] === null) === wanted));
  }
  const test = testOf(filter, column);
  return (row) => {
    const text = row[place];
    if (text === undefined) return untold;
    return text === null ? isNull : ofBoolean(test(text));
  };
}

function testOf(
  filter: Exclude<Extract<RowFilter, { column: string }>, { kind: 'isNull' }>,
  column: FilteredColumn,
): (text: string) => boolean {
  if (filter.kind === 'like') return patternOf(filter);
  const ranking = rankingOf(column);
  if (!ranking) throw filterOutdated(filter.column);
  if (filter.kind === 'in') {
    const ranks = new Set(filter.ranks);
    return (text) => ranks.has(ranking.rank(text));
  }
  const holds = comparisons[filter.kind];
  return (text) => holds(ranking.rank(text), filter.rank);
}

const comparisons: Readonly<Record<Order, (a: Rank, b: Rank) => boolean>> = {
  lt: (a, b) => a < b,
  lte: (a, b) => a <= b,
  gt: (a, b) => a > b,
  gte: (a, b) => a >= b,
};

const ofBoolean = (value: boolean): Outcomes => (value ? isTrue : isFalse);

const not = (outcomes: Outcomes): Outcomes =>
  (outcomes & isTrue ? isFalse : 0) | (outcomes & isFalse ? isTrue : 0) | (outcomes & isNull);

/** False where one can be false; true where both can be; null where one can be null and the other null or true. */
const and = (a: Outcomes, b: Outcomes): Outcomes =>
  (a & b & isTrue) |
  ((a | b) & isFalse) |
  ((a & isNull && b & (isNull | isTrue)) || (b & isNull && a & (isNull | isTrue)) ? isNull : 0);
