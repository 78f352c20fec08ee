/**
 * The language that chooses rows, checked against a table's columns. What is left of it is a tree in which every column is
 * there and every value is one of its column's.
 */
import { AppError, badInput, type FieldFault } from '../lib/errors.ts';
import { type Rank, type RankedColumn, type Ranking, rankingOf } from './ranks.ts';

/** Any JSON value but null. */
type Given = NonNullable<unknown>;

export interface RowFilterInput {
  readonly and?: readonly RowFilterInput[] | null | undefined;
  readonly or?: readonly RowFilterInput[] | null | undefined;
  readonly not?: RowFilterInput | null | undefined;
  readonly column?: string | null | undefined;
  readonly eq?: Given | null | undefined;
  readonly ne?: Given | null | undefined;
  readonly lt?: Given | null | undefined;
  readonly lte?: Given | null | undefined;
  readonly gt?: Given | null | undefined;
  readonly gte?: Given | null | undefined;
  readonly in?: readonly Given[] | null | undefined;
  readonly like?: string | null | undefined;
  readonly ilike?: string | null | undefined;
  readonly isNull?: boolean | null | undefined;
}

export const orders = ['lt', 'lte', 'gt', 'gte'] as const;
export type Order = (typeof orders)[number];

/** Three-valued as SQL: a comparison with null is neither true nor false. */
export type RowFilter =
  | { readonly kind: 'and' | 'or'; readonly of: readonly RowFilter[] }
  | { readonly kind: 'not'; readonly of: RowFilter }
  | { readonly kind: 'isNull'; readonly column: string; readonly isNull: boolean }
  /** Equal to one of them. */
  | { readonly kind: 'in'; readonly column: string; readonly ranks: readonly Rank[] }
  | { readonly kind: Order; readonly column: string; readonly rank: Rank }
  /** `pattern` as in SQL's LIKE. */
  | { readonly kind: 'like'; readonly column: string; readonly pattern: string; readonly ignoreCase: boolean };

export interface FilteredColumn extends RankedColumn {
  readonly name: string;
  /** The credentials may read it: else its values could be found out by asking for them. */
  readonly readable: boolean;
}

export const rowFilterLimits = {
  /** `and`, `or` and `not` within each other. */
  depth: 16,
  /** Operators and combinations of them. */
  parts: 200,
  /** Of one `in`. */
  values: 1_000,
  /** Characters of a pattern. */
  pattern: 1_000,
} as const;

const values = ['eq', 'ne', ...orders] as const;
/** Of each line at most one: two of them say the same twice, or that nothing matches. */
const exclusive = [
  ['eq', 'ne', 'in', 'isNull'],
  ['eq', 'in', 'isNull', 'lt', 'lte'],
  ['eq', 'in', 'isNull', 'gt', 'gte'],
  ['eq', 'in', 'isNull', 'like', 'ilike'],
] as const;
const operators = [...values, 'in', 'like', 'ilike', 'isNull'] as const;
type Operator = (typeof operators)[number];

/**
 * @param path of the filter in the input, e.g. `tables[0].where`
 * @throws AppError BAD_USER_INPUT with the path of each fault; FORBIDDEN for a column that the credentials may not read;
 * LIMIT_EXCEEDED
 */
export function parseRowFilter(
  input: RowFilterInput,
  columns: ReadonlyMap<string, FilteredColumn>,
  path: string,
): RowFilter {
  const faults: FieldFault[] = [];
  let parts = 0;

  function count(added: number): void {
    parts += added;
    exceeds('parts', parts);
  }

  function parse(part: RowFilterInput, at: string, depth: number): RowFilter[] {
    exceeds('depth', depth);
    const { and, or, not } = part;
    const found = parseColumn(part, at);
    const lists = [and, or].filter((list) => list != null).length;
    count(lists + (not == null ? 0 : 1));
    if (and != null)
      found.push({
        kind: 'and',
        of: and.flatMap((one, place) => parse(one, `${at}.and[${place}]`, depth + 1)),
      });
    if (or != null)
      found.push({
        kind: 'or',
        of: or.map((one, place) => all(parse(one, `${at}.or[${place}]`, depth + 1))),
      });
    if (not != null) found.push({ kind: 'not', of: all(parse(not, `${at}.not`, depth + 1)) });
    if (found.length === 0 && faults.length === 0) faults.push({ path: at, message: 'says nothing' });
    return found;
  }

  function parseColumn(part: RowFilterInput, at: string): RowFilter[] {
    const given = operators.filter((operator) => isGiven(part, operator));
    if (part.column == null) {
      if (given.length > 0) faults.push({ path: `${at}.column`, message: `${given[0]} needs a column` });
      return [];
    }
    const column = columns.get(part.column);
    if (!column) {
      faults.push({ path: `${at}.column`, message: `there is no column ${part.column}` });
      return [];
    }
    if (!column.readable)
      throw new AppError('FORBIDDEN', `The database's credentials may not read the column ${column.name}`);
    if (given.length === 0) {
      faults.push({ path: `${at}.column`, message: `needs an operator: ${operators.join(', ')}` });
      return [];
    }
    for (const set of exclusive) {
      const [first, second] = set.filter((operator) => (given as readonly string[]).includes(operator));
      if (second === undefined) continue;
      faults.push({ path: `${at}.${second}`, message: `has no meaning beside ${first}` });
      return [];
    }
    count(given.length);
    const ranking = rankingOf(column);
    return given.flatMap((operator) => {
      const made = parseOperator(part, operator, column.name, ranking);
      if (typeof made !== 'string') return [made];
      faults.push({ path: `${at}.${operator}`, message: made });
      return [];
    });
  }

  const filter = all(parse(input, path, 1));
  const [first, ...more] = faults;
  if (first) throw badInput(first, ...more);
  return filter;
}

const all = (of: readonly RowFilter[]): RowFilter => (of.length === 1 ? of[0]! : { kind: 'and', of });

/** Null is a value, and the wrong one, where a value is compared; elsewhere it is the same as nothing. */
const isGiven = (part: RowFilterInput, operator: Operator): boolean =>
  (values as readonly string[]).includes(operator) ? part[operator] !== undefined : part[operator] != null;

/** What is wrong, in words, where it is. */
function parseOperator(
  part: RowFilterInput,
  operator: Operator,
  column: string,
  ranking: Ranking | null,
): RowFilter | string {
  if (operator === 'isNull') return { kind: 'isNull', column, isNull: part.isNull === true };
  if (!ranking) return 'values of this column cannot be compared; isNull can be asked';
  if (operator === 'like' || operator === 'ilike') {
    const pattern = part[operator] ?? '';
    if (!ranking.text) return 'only text has patterns';
    exceeds('pattern', pattern.length);
    if (/(^|[^\\])(\\\\)*\\$/.test(pattern)) return 'ends with a backslash, which escapes what follows';
    return { kind: 'like', column, pattern, ignoreCase: operator === 'ilike' };
  }
  if (operator === 'in') {
    const given = part.in ?? [];
    exceeds('values', given.length);
    const ranks = given.map((value) => ranking.literal(value));
    const wrong = ranks.indexOf(undefined);
    return wrong >= 0
      ? `the value at ${wrong} must be ${ranking.takes}`
      : { kind: 'in', column, ranks: ranks as Rank[] };
  }
  const value = part[operator];
  if (value === null) return 'null equals nothing: use isNull';
  const rank = ranking.literal(value);
  if (rank === undefined) return `must be ${ranking.takes}`;
  if (operator === 'eq') return { kind: 'in', column, ranks: [rank] };
  if (operator === 'ne') return { kind: 'not', of: { kind: 'in', column, ranks: [rank] } };
  return ranking.ordered
    ? { kind: operator, column, rank }
    : 'values of this column are equal or not; their order is the database’s alone';
}

function exceeds(limit: keyof typeof rowFilterLimits, actual: number): void {
  const most = rowFilterLimits[limit];
  if (actual <= most) return;
  throw new AppError('LIMIT_EXCEEDED', `A filter has at most ${most} ${limitWords[limit]}`, {
    details: { limit: most, actual },
  });
}

const limitWords: Readonly<Record<keyof typeof rowFilterLimits, string>> = {
  depth: 'levels',
  parts: 'parts',
  values: 'values in one list',
  pattern: 'characters in a pattern',
};
