/** How a catalogue statement is asked and its rows are read: values stay the text that PostgreSQL sent until one of these reads them. */
import { compareBytes } from '../../../lib/byte-order.ts';
import type { QualifiedName, ReadOptions, RoutineName } from '../../catalog.ts';
import { secretOption } from './sql.ts';

export type TextRow = readonly (string | null)[];

export type SqlValue = string | number | readonly string[];

/**
 * Runs one statement and gives its rows in the order of the select list, each value as the text PostgreSQL sent.
 * A failure is an AppError of the engine.
 */
export type CatalogQuery = (sql: string, values: readonly SqlValue[], options: ReadOptions) => Promise<TextRow[]>;

export const boolean = (text: string | null): boolean => text === 't';

export const booleanOrNull = (text: string | null): boolean | null => (text === null ? null : text === 't');

/** Of an integer below 2^53 or a float. */
export const numberOrNull = (text: string | null): number | null => (text === null ? null : Number(text));

/** Of `to_json(…)`, whose text is the only form of an array that needs no parser of its own. */
export const strings = (json: string | null): string[] => (json === null ? [] : JSON.parse(json));

const secret = new RegExp(secretOption, 'i');

/** Of options of foreign data, `name=value` each: those that are named as secrets are nowhere shown, and nowhere kept. */
export const foreignOptions = (json: string | null): string[] => withoutSecrets(strings(json));

export const withoutSecrets = (options: readonly string[]): string[] =>
  options.filter((option) => !secret.test(option.slice(0, option.indexOf('='))));

/** Of a list that is sent as itself when it holds one name, and as JSON when it holds several. */
export const namesOf = (single: string | null, several: string | null): string[] =>
  single === null ? strings(several) : [single];

/** Of a schema and a name, sent as a JSON array. */
export const nameOrNull = (json: string | null): QualifiedName | null => {
  if (json === null) return null;
  const [schema, name] = JSON.parse(json) as [string, string];
  return { schema, name };
};

/** PostgreSQL takes no U+0000 in text, so nothing there is called so: an empty name is nobody's. */
export const sendable = (text: string): string => (text.includes('\0') ? '' : text);

export const schemasAndNames = (names: readonly QualifiedName[]): [string[], string[]] => [
  names.map(({ schema }) => sendable(schema)),
  names.map(({ name }) => sendable(name)),
];

/** Rows that begin with the 1-based ordinal of what they belong to, as one list for each of `count` things. */
export function grouped<Row extends TextRow, Item>(
  rows: readonly TextRow[],
  count: number,
  build: (row: Row) => Item,
): Item[][] {
  const groups: Item[][] = Array.from({ length: count }, () => []);
  for (const row of rows) groups[Number(row[0]) - 1]?.push(build(row as Row));
  return groups;
}

/** As `grouped`, where each has one row or none. */
export function aligned<Row extends TextRow, Item>(
  rows: readonly TextRow[],
  count: number,
  build: (row: Row) => Item,
): (Item | null)[] {
  const items: (Item | null)[] = Array.from({ length: count }, () => null);
  for (const row of rows) items[Number(row[0]) - 1] = build(row as Row);
  return items;
}

/** By code unit, whatever the locale: sorting here spares the target a sort of wide rows. */
export const byName = (a: { name: string | null }, b: { name: string | null }): number =>
  (a.name ?? '') < (b.name ?? '') ? -1 : 1;

export const bySchemaAndName = (a: QualifiedName, b: QualifiedName): number =>
  compareBytes(a.schema, b.schema) || compareBytes(a.name, b.name);

export const byRoutineName = (a: RoutineName, b: RoutineName): number =>
  bySchemaAndName(a, b) || compareBytes(a.identity, b.identity);
