/**
 * What a column of each type is in Parquet, and how its values travel there: as fields of COPY's text format, which
 * DuckDB reads as text and casts. A value that the type of its column cannot hold is found here, while its row is still
 * known, or by DuckDB, where lines of COPY pass by untouched.
 */
import type { ExportColumn, ExportType, ScalarType } from './format.ts';
import { parseList } from './list-text.ts';
import { uniqueNames } from './names.ts';
import { escaped } from './tsv.ts';

/** A value that Parquet has no place for; the message says why. */
export class Unwritable extends Error {}

/** The text of a value that is not null, as it travels. @throws Unwritable */
export type EncodeField = (text: string) => string;

interface Encoding {
  /** The text that `cast` takes. */
  readonly encode: EncodeField;
  /** SQL of DuckDB that makes the value of its text. */
  readonly cast: (text: string, column: number) => string;
  /** The text may hold what COPY escapes; SQL that undoes it. */
  readonly restore?: (field: string) => string;
  /** COPY prints it otherwise than `encode`. */
  readonly ownText?: true;
}

export const delimiter = '\t';
export const nullField = '\\N';

/** Behind an escape stands one of these letters and nothing else, so that undoing one makes no other. */
const letters = { b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 } as const;

/**
 * SQL of DuckDB for the text of a field that may hold whatever it likes. Escaped backslashes go first, from left to
 * right, as a pair that is no other escape, and become what they stand for last.
 */
function restored(field: string): string {
  const text = Object.entries(letters).reduce(
    (sql, [letter, code]) => `replace(${sql}, '\\${letter}', chr(${code}))`,
    `replace(${field}, '\\\\', '\\e')`,
  );
  return `CASE WHEN contains(${field}, '\\') THEN replace(${text}, '\\e', '\\') ELSE ${field} END`;
}

export const fieldEncoders = (columns: readonly ExportColumn[]): EncodeField[] =>
  columns.map(({ type }) => {
    const { encode, restore } = encodingOf(type);
    return restore ? (text) => escaped(encode(text)) : encode;
  });

/** Lines of COPY's text format are what `copyStatement` reads. A lone column has a second field, lest a line be empty. */
export const takesLines = (columns: readonly ExportColumn[]): boolean =>
  columns.length > 1 && columns.every(({ type }) => !encodingOf(type).ownText);

export interface CopyPaths {
  readonly input: string;
  readonly output: string;
}

export interface CopyLimits {
  /** Rows are held until there are so many, or so many bytes of them. */
  readonly rowGroupRows: number;
  readonly rowGroupBytes: number;
  readonly maxRowBytes: number;
}

/**
 * The statement that turns the rows into Parquet. A second column of a name is NAME_2; one without is column_N. Lines are
 * not quoted: each ends at its LF, and DuckDB lets go of what it has read; with quotes it would hold 2,048 rows, however
 * long they are.
 */
export function copyStatement(columns: readonly ExportColumn[], paths: CopyPaths, limits: CopyLimits): string {
  const names = uniqueNames(columns.map(({ name }, index) => name || `column_${index + 1}`));
  const values = columns.map(({ type }, index) => {
    const { cast, restore = asItIs } = encodingOf(type);
    return `${cast(restore(`c${index}`), index)} AS ${identifier(names[index]!)}`;
  });
  const fields = Array.from({ length: Math.max(2, columns.length) }, (_, index) => `c${index}: 'VARCHAR'`);
  const source = `read_csv(${literal(paths.input)}, columns = {${fields.join(', ')}}, auto_detect = false, header = false,
    delim = ${literal(delimiter)}, quote = '', escape = '', new_line = '\\n', nullstr = ${literal(nullField)},
    max_line_size = ${limits.maxRowBytes}, buffer_size = ${limits.maxRowBytes * 2})`;
  return `COPY (SELECT ${values.join(', ')} FROM ${source}) TO ${literal(paths.output)} (FORMAT parquet,
    COMPRESSION zstd, ROW_GROUP_SIZE ${limits.rowGroupRows}, ROW_GROUP_SIZE_BYTES ${limits.rowGroupBytes},
    USE_TMP_FILE false)`;
}

/** SQL that ends the statement for a value; `placelessOf` reads it again. */
const placeless = (text: string, column: number) => `error('column ${column} is ' || left(${text}, 100))`;

/** Of an error of DuckDB for a value that Parquet has no place for; null for any other. */
export function placelessOf(message: string): { column: number; what: string } | null {
  const [, column, what] = /^Invalid Input Error: column (\d+) (is [^\n]*)/.exec(message) ?? [];
  return column === undefined ? null : { column: Number(column), what: what! };
}

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

function encodingOf(type: ExportType): Encoding {
  if (type.kind === 'list') return list(type.of, type.delimiter);
  if (type.kind === 'decimal') return decimal(type);
  return scalars[type.kind];
}

const asItIs = (text: string) => text;
const varchar: Encoding = { encode: asItIs, cast: asItIs, restore: restored };

function matching(shape: RegExp, kind: string, type: string): Encoding {
  return {
    encode: (text) => {
      if (shape.test(text)) return text;
      throw new Unwritable(`is not a value of ${kind}`);
    },
    cast: (text) => `${text}::${type}`,
  };
}

const integer = /^-?\d{1,19}$/;
const float = /^(?:-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity)|NaN)$/;

/** DECIMAL where its digits are known and at most 38, which is all that Parquet's readers take; else text, digit for digit. */
function decimal({ precision, scale }: Extract<ScalarType, { kind: 'decimal' }>): Encoding {
  const fits = precision !== undefined && scale !== undefined && precision <= 38 && scale >= 0 && scale <= precision;
  if (!fits) return varchar;
  // DuckDB would round what has more digits behind the point.
  const shape = new RegExp(`^-?\\d+(?:\\.\\d{1,${Math.max(1, scale)}})?$`);
  const type = `DECIMAL(${precision}, ${scale})`;
  return {
    ...matching(shape, type.toLowerCase(), type),
    cast: (text, column) => `CASE WHEN ${text} = 'NaN' THEN ${placeless(text, column)} ELSE ${text}::${type} END`,
  };
}

/** Years are at least four digits; ` BC` behind all is ` (BC)` behind the date in DuckDB. */
const commonMoment = /^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d(?::\d\d){0,2})?)?$/;
const anyMoment = /^(\d{4,7})-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d(?::\d\d){0,2})?)?(?: BC)?$/;

function moment(type: string, lastYear: number): Encoding {
  return {
    encode: (text) => {
      if (commonMoment.test(text)) return text;
      const [, year] = anyMoment.exec(text) ?? [];
      if (year === undefined || Number(year) > lastYear) throw new Unwritable(`is ${text}`);
      return text;
    },
    cast: (text, column) => `CASE WHEN suffix(${text}, 'y') THEN ${placeless(text, column)}
      WHEN suffix(${text}, 'C') THEN regexp_replace(${text}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2')::${type}
      ELSE ${text}::${type} END`,
  };
}

/** Microseconds of 64 bits, also where PostgreSQL has a few years more. */
const lastTimestampYear = 294_246;

const scalars: Readonly<Record<Exclude<ScalarType['kind'], 'decimal'>, Encoding>> = {
  boolean: matching(/^[tf]$/, 'boolean', 'BOOLEAN'),
  int16: matching(integer, 'int16', 'SMALLINT'),
  int32: matching(integer, 'int32', 'INTEGER'),
  int64: matching(integer, 'int64', 'BIGINT'),
  float32: matching(float, 'float32', 'FLOAT'),
  float64: matching(float, 'float64', 'DOUBLE'),
  uuid: matching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'uuid', 'UUID'),
  binary: {
    ...matching(/^\\x[0-9a-f]*$/, 'binary in hexadecimal', 'BLOB'),
    cast: (text) => `unhex(${text}[3:])`,
    // Its one backslash is the first character. A statement that sets `bytea_output` in its own course prints otherwise.
    restore: (field) =>
      `CASE WHEN NOT starts_with(${field}, '\\\\x') THEN error('binary not in hexadecimal') ELSE ${field}[2:] END`,
  },
  json: { encode: asItIs, cast: (text) => `(${text})::JSON`, restore: restored },
  date: moment('DATE', 5_874_897),
  timestamp: moment('TIMESTAMP', lastTimestampYear),
  timestamptz: moment('TIMESTAMPTZ', lastTimestampYear),
  // A time of Parquet is less than a day.
  time: {
    ...matching(/^(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?$/, 'time below 24:00:00', 'TIME'),
    cast: (text, column) =>
      `CASE WHEN starts_with(${text}, '24') THEN ${placeless(text, column)} ELSE ${text}::TIME END`,
  },
  // Parquet's time has no zone of its own, and its interval no microseconds.
  timetz: varchar,
  interval: varchar,
  text: varchar,
  other: varchar,
};

/** Elements travel as JSON, which escapes all that is special; a column has one depth: a list of lists has no place. */
function list(of: ScalarType, separator: string | undefined): Encoding {
  const element = encodingOf(of);
  const encode = (text: string) => {
    const items = parseList(text, separator);
    if (items === null) throw new Unwritable('is a list that does not begin at 1');
    const texts = items.map((item) => {
      if (Array.isArray(item)) throw new Unwritable('is a list of lists');
      return item === null ? null : element.encode(item);
    });
    return JSON.stringify(texts);
  };
  return {
    encode,
    cast: (text, column) => {
      const texts = `from_json(${text}, '["VARCHAR"]')`;
      const value = element.cast('x', column);
      return value === 'x' ? texts : `list_transform(${texts}, x -> ${value})`;
    },
    ownText: true,
  };
}
