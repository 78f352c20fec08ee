/** SQL: INSERT statements that PostgreSQL runs as they are; the table is the reader's to create. */
import { AppError } from '../lib/errors.ts';
import type { ExportColumn, ExportRow, Format, ResultSet, ScalarType } from './format.ts';
import { type ListItems, parseList } from './list-text.ts';
import { uniqueNames } from './names.ts';
import { isNumberLiteral } from './number-text.ts';
import { createTextWriter, type TextSet } from './text-writer.ts';

/** Of one statement, in UTF-16 units: a server parses a statement whole. A longer row is a statement alone. */
const statementUnits = 131_072;

/**
 * Fills the table named as the result set is. Numbers and booleans are literals of their own, all other values strings
 * that the type of the column reads; each is read back as it was.
 */
export const sql: Format = {
  name: 'sql',
  extension: 'sql',
  mimeType: 'application/sql; charset=utf-8',
  canBeSafe: false,
  sheets: false,
  open: (sink, options) => createTextWriter(sink, options, statements),
};

function statements({ name, columns }: ResultSet): TextSet {
  const into = `INSERT INTO ${identifier(name)}`;
  // No list of values may be empty.
  if (columns.length === 0) return { head: '', row: () => `${into} DEFAULT VALUES;\n`, tail: () => '' };
  const names = uniqueNames(columns.map((column) => column.name)).map(identifier);
  const first = `${into} (${names.join(', ')}) VALUES\n`;
  const literals = columns.map(literalOf);
  let units = 0;
  return {
    head: '',
    row(row) {
      const tuple = `(${values(row, literals)})`;
      const begins = units === 0 || units + tuple.length > statementUnits;
      const before = !begins ? ',\n' : units === 0 ? first : `;\n${first}`;
      units = begins ? first.length + tuple.length : units + tuple.length;
      return before + tuple;
    },
    tail: () => (units === 0 ? '' : ';\n'),
  };
}

type Literal = (text: string) => string;

function values(row: ExportRow, literals: readonly Literal[]): string {
  let text = '';
  for (let i = 0; i < row.length; i++) {
    const value = row[i] as string | null;
    if (i > 0) text += ', ';
    text += value === null ? 'NULL' : (literals[i] as Literal)(value);
  }
  return text;
}

function literalOf({ name, type }: ExportColumn): Literal {
  const { kind } = type.kind === 'list' ? type.of : type;
  if (!moments.has(kind)) return type.kind === 'list' ? string : (scalars[type.kind] ?? string);
  const check = (items: ListItems) => {
    for (const item of items) {
      if (Array.isArray(item)) check(item);
      else if (item !== null && !isoMoment.test(item)) throw ambiguous(name, item);
    }
  };
  return (text) => {
    check(type.kind === 'list' ? (parseList(text, type.delimiter) ?? []) : [text]);
    return string(text);
  };
}

/** Kept rows may hold them as a script's own `datestyle` prints them, and `01/02/2026` is another day to other readers. */
const moments: ReadonlySet<ScalarType['kind']> = new Set(['date', 'timestamp', 'timestamptz']);
const isoMoment = /^(?:\d{4,}-\d\d-\d\d|-?infinity)/;

const ambiguous = (column: string, text: string) =>
  new AppError(
    'LIMIT_EXCEEDED',
    `Column "${column}" holds ${text}, which SQL would read by the settings of whoever runs it. Leave datestyle alone.`,
    { details: { column } },
  );

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** With a backslash it is E'…', which reads the same whatever `standard_conforming_strings` says. */
function string(text: string): string {
  const quoted = text.includes("'") ? text.replaceAll("'", "''") : text;
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** Bare, -0 would be an integer, which has no such value. */
const number: Literal = (text) => (isNumberLiteral(text) && text !== '-0' ? text : string(text));
const booleans: Readonly<Record<string, string>> = { t: 'true', f: 'false' };

const scalars: Partial<Readonly<Record<ScalarType['kind'], Literal>>> = {
  boolean: (text) => booleans[text] ?? string(text),
  int16: number,
  int32: number,
  int64: number,
  decimal: number,
  float32: number,
  float64: number,
};
