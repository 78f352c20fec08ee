/** Gives the rows of an answer keys by which they are known again, and keeps those that are the same as before. */
import { createHash } from 'node:crypto';
import type { Cell, ResultColumn } from '../../engines/engine.ts';
import type { LiveAnswer } from '../../engines/live.ts';

export interface LiveRow {
  /** The only one in its list. */
  readonly key: string;
  /** As the engine prints them. */
  readonly texts: readonly (string | null)[];
  readonly values: readonly Cell[];
}

/** An answer as it was at one time. Nothing of it changes any more: readers keep what they were last told. */
export interface LiveState {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly LiveRow[];
}

/** A key is told with each change of its row: what is longer is told by its digest. */
const maxKeyCharacters = 200;

/**
 * @param places of the columns that identify a row; null: all of it does. Rows that are alike get keys of their own, in
 * the order in which they come
 * @returns `before` itself where nothing has changed; rows of it where these have not
 */
export function stateOf(answer: LiveAnswer, places: readonly number[] | null, before: LiveState | null): LiveState {
  const sameColumns = before !== null && areSame(before.columns, answer.columns);
  const columns = sameColumns ? before.columns : answer.columns;
  const known = new Map(sameColumns ? before.rows.map((row) => [row.key, row]) : []);
  const seen = new Map<string, number>();
  const rows = answer.rows.map((texts) => {
    const base = places === null ? digestOf(texts) : keyOf(places.map((place) => texts[place] ?? null));
    const times = seen.get(base) ?? 0;
    seen.set(base, times + 1);
    const key = times === 0 ? base : `${base}#${times}`;
    const same = known.get(key);
    return same && areEqual(same.texts, texts) ? same : { key, texts, values: answer.decode(texts) };
  });
  if (sameColumns && areEqual(before.rows, rows)) return before;
  return { columns, rows };
}

/** No text of JSON ends as a repeated key does. */
function keyOf(texts: readonly (string | null)[]): string {
  const key = JSON.stringify(texts);
  return key.length > maxKeyCharacters ? digestOf(texts) : key;
}

const digestOf = (texts: readonly (string | null)[]): string =>
  createHash('sha256').update(JSON.stringify(texts)).digest('base64url').slice(0, 27);

const areEqual = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);

const areSame = (a: readonly ResultColumn[], b: readonly ResultColumn[]): boolean =>
  a === b || JSON.stringify(a) === JSON.stringify(b);
