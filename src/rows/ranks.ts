/**
 * How the values of a column compare, without asking the target: each text is turned into a rank, and ranks compare as
 * JavaScript compares numbers or texts.
 */
import type { ExportType, ScalarType } from '../engines/export-type.ts';
import { withoutTrailing } from '../lib/trim.ts';
import { decimalRank } from './decimals.ts';
import { instantRank, timeRank } from './instants.ts';

export type Rank = number | string;

export interface Ranking {
  /** What a client may give, in words: `a number`. */
  readonly takes: string;
  /** The rank of a JSON value that a client gave; undefined for what the column cannot hold. */
  literal(value: unknown): Rank | undefined;
  /** The rank of a value as the engine prints it. */
  rank(text: string): Rank;
  /** There is a less and a more; else equal or not is all that can be said. */
  readonly ordered: boolean;
  readonly text: boolean;
}

export interface RankedColumn {
  readonly type: ExportType;
  /** Blanks at the end do not count: character(n). */
  readonly blankPadded: boolean;
}

/** Null where two values cannot be compared here: json, lists, intervals, times with a zone. */
export function rankingOf({ type, blankPadded }: RankedColumn): Ranking | null {
  if (type.kind === 'text') return blankPadded ? paddedText : text;
  return rankings[type.kind];
}

const rankings: Readonly<Record<Exclude<ScalarType['kind'], 'text'> | 'list', Ranking | null>> = {
  boolean: {
    takes: 'true or false',
    literal: (value) => (typeof value === 'boolean' ? (value ? 't' : 'f') : undefined),
    rank: (value) => value,
    ordered: true,
    text: false,
  },
  int16: integer(),
  int32: integer(),
  int64: number((value) => (/^-?\d+$/.test(value) ? decimalRank(value) : undefined), 'an integer, best as a string'),
  decimal: number(decimalRank, 'a number, best as a string'),
  float32: number((value) => floatRank(value, shortestFloat32), 'a number, or "NaN", "Infinity", "-Infinity"'),
  float64: number((value) => floatRank(value, String), 'a number, or "NaN", "Infinity", "-Infinity"'),
  uuid: string('a UUID', (value) =>
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? value.toLowerCase() : undefined,
  ),
  binary: {
    takes: 'bytes in base64',
    literal: (value) =>
      typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
        ? `\\x${Buffer.from(value, 'base64').toString('hex')}`
        : undefined,
    rank: (value) => value,
    ordered: true,
    text: false,
  },
  date: string('a date such as 2026-01-31', (value) => instantRank(value, { time: false, zone: false })),
  timestamp: string('a time such as 2026-01-31 12:00:00.5, without a zone', (value) =>
    instantRank(value, { time: true, zone: false }),
  ),
  timestamptz: string('a time such as 2026-01-31T12:00:00.5Z', (value) =>
    instantRank(value, { time: true, zone: true }),
  ),
  time: string('a time such as 12:00:00.5', timeRank),
  // Enums, addresses, ranges: equal where they are printed alike; their order is the target's alone.
  other: { ...string('the text that the database prints', (value) => value), ordered: false },
  json: null,
  list: null,
  interval: null,
  timetz: null,
};

function number(rankOf: (text: string) => Rank | undefined, takes: string): Ranking {
  return {
    takes,
    literal: (value) => (typeof value === 'number' || typeof value === 'string' ? rankOf(String(value)) : undefined),
    rank: (value) => decimalRank(value) ?? value,
    ordered: true,
    text: false,
  };
}

function integer(): Ranking {
  return {
    takes: 'an integer',
    literal: (value) => {
      const given = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
      return Number.isSafeInteger(given) ? (given as number) : undefined;
    },
    rank: Number,
    ordered: true,
    text: false,
  };
}

function string(takes: string, rankOf: (text: string) => string | undefined): Ranking {
  return {
    takes,
    literal: (value) => (typeof value === 'string' ? rankOf(value) : undefined),
    rank: (value) => rankOf(value) ?? value,
    ordered: true,
    text: false,
  };
}

const text: Ranking = { ...string('a string', codePointRank), text: true };
const paddedText: Ranking = {
  ...string('a string', (value) => codePointRank(withoutTrailing(value, ' '))),
  text: true,
};

/**
 * By code points, which is byte by byte in UTF-8: PostgreSQL's collation "C". JavaScript compares halves of them, and
 * those of the high ones are less than some of the low ones: each is moved to where it belongs.
 */
function codePointRank(value: string): string {
  return /[\ud800-\uffff]/.test(value)
    ? value.replace(/[\ud800-\uffff]/g, (unit) => {
        const code = unit.charCodeAt(0);
        return String.fromCharCode(code < 0xe000 ? code + 0x2000 : code - 0x800);
      })
    : value;
}

/** The column holds what is nearest to the number that is given. */
function floatRank(value: string, print: (value: number) => string): string | undefined {
  const rank = decimalRank(value);
  return rank === undefined || /^[zya]$/.test(rank) ? rank : decimalRank(print(Number(value)));
}

/** The fewest digits that lead to the same number in half the bits. */
function shortestFloat32(value: number): string {
  const nearest = Math.fround(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const short = nearest.toPrecision(digits);
    if (Math.fround(Number(short)) === nearest) return short;
  }
  return nearest.toPrecision(9);
}
