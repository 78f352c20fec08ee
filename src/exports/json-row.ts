/** A row as a JSON object, exact: numbers keep every digit, what JSON has no form for stays text. */
import type { ExportColumn, ExportRow, ExportType, ScalarType } from './format.ts';
import { type ListItems, parseList } from './list-text.ts';
import { uniqueNames } from './names.ts';
import { isNumberLiteral } from './number-text.ts';
import { isPlain } from './plain-kinds.ts';

/** The JSON of a value that is not null. */
type Encode = (text: string) => string;

/**
 * An object a row, keyed by the names of the columns (a second one of a name is NAME_2). Integers, decimals and floats
 * are number literals of their own digits, NaN and the infinities strings; json is embedded as it is; a list is an
 * array, unless it does not begin at 1: that one is a string, like all the rest. `line`: without line breaks.
 */
export function createJsonRow(columns: readonly ExportColumn[], layout: 'line' | 'any'): (row: ExportRow) => string {
  const keys = uniqueNames(columns.map(({ name }) => name)).map((name, i) => `${i > 0 ? ',' : '{'}${string(name)}:`);
  const json: Encode = layout === 'line' ? onOneLine : asItIs;
  const encoders = columns.map(({ type }) => encoderOf(type, json));
  return (row) => {
    if (row.length === 0) return '{}';
    let object = '';
    for (let i = 0; i < row.length; i++) {
      const value = row[i] as string | null;
      object += value === null ? `${keys[i]}null` : (keys[i] as string) + (encoders[i] as Encode)(value);
    }
    return `${object}}`;
  };
}

function encoderOf(type: ExportType, json: Encode): Encode {
  if (type.kind !== 'list') return scalarOf(type, json);
  const { delimiter } = type;
  const element = scalarOf(type.of, json);
  return (text) => {
    const items = parseList(text, delimiter);
    return items === null ? string(text) : array(items, element);
  };
}

function scalarOf(type: ScalarType, json: Encode): Encode {
  if (type.kind === 'json') return json;
  return encoders[type.kind] ?? (isPlain(type) ? plain : string);
}

const array = (items: ListItems, element: Encode): string =>
  `[${items
    .map((item) => (item === null ? 'null' : typeof item === 'string' ? element(item) : array(item, element)))
    .join(',')}]`;

/** Most texts hold nothing to escape, and finding that out is cheaper than JSON.stringify(). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON escapes
const escaped = /["\\\u0000-\u001f]/;
const string: Encode = (text) => (escaped.test(text) ? JSON.stringify(text) : `"${text}"`);
const plain: Encode = (text) => `"${text}"`;

const number: Encode = (text) => (isNumberLiteral(text) ? text : string(text));
const booleans: Readonly<Record<string, string>> = { t: 'true', f: 'false' };

const encoders: Partial<Readonly<Record<ScalarType['kind'], Encode>>> = {
  boolean: (text) => booleans[text] ?? string(text),
  int16: number,
  int32: number,
  int64: number,
  decimal: number,
  float32: number,
  float64: number,
};

const asItIs: Encode = (text) => text;
/** Between tokens only: inside a string of sound JSON a line break is escaped. */
const onOneLine: Encode = (text) => (/[\n\r]/.test(text) ? text.replace(/[\n\r]/g, ' ') : text);
