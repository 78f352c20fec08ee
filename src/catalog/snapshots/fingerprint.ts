/**
 * One text for equal catalogues. Two are equal when DDL that makes one in an empty database makes the other: the same
 * objects under the same names with the same definitions, whatever their ids, the order in which they were made, the gaps
 * that dropped columns left, what follows from the rest, and what is about the server: who owns and may use them, and on which disk they are.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { CatalogSnapshot } from '../../engines/snapshot.ts';

/** Grows when what is counted, or how, changes: then all fingerprints are others. */
const formatVersion = 2;

const sections = [
  'schemas',
  'relations',
  'enums',
  'domains',
  'compositeTypes',
  'rangeTypes',
  'sequences',
  'routines',
  'extensions',
  'eventTriggers',
  'publications',
  'foreignDataWrappers',
  'foreignServers',
  'others',
] as const satisfies readonly (keyof CatalogSnapshot)[];

/** `position` counts dropped columns, the place in the list does not; `local` is lost where parts are made one by one. */
const leftOut: ReadonlySet<string> = new Set([
  'id',
  'valueIds',
  'owner',
  'privileges',
  'tablespace',
  'origins',
  'position',
  'local',
]);

/** Their order says nothing. */
const unordered: ReadonlySet<string> = new Set(['options', 'foreignOptions']);

/** Objects between two turns of others. */
const objectsAtOnce = 100;

/** Lets others have their turn: for ten thousand tables it takes some tenths of a second. */
export async function fingerprintOf(snapshot: CatalogSnapshot): Promise<string> {
  const hash = createHash('sha256').update(`${formatVersion}`);
  const write = createWriter();
  for (const section of sections) {
    hash.update(`\n${section}`);
    const objects = snapshot[section];
    for (let from = 0; from < objects.length; from += objectsAtOnce) {
      for (const object of objects.slice(from, from + objectsAtOnce)) hash.update(write(object, section));
      await setImmediate();
    }
  }
  return hash.digest('hex');
}

/** Objects of one place have the same keys: they are sorted once. Lengths before texts, so that no text can be two. */
function createWriter(): (value: unknown, place: string) => string {
  const keysOf = new Map<string, { key: string; place: string }[]>();

  function keys(place: string, object: object): { key: string; place: string }[] {
    const known = keysOf.get(place);
    if (known) return known;
    const found = Object.keys(object)
      .filter((key) => !leftOut.has(key))
      .sort()
      .map((key) => ({ key, place: `${place}.${key}` }));
    keysOf.set(place, found);
    return found;
  }

  function write(value: unknown, place: string): string {
    if (value === null) return '-';
    if (typeof value === 'string') return `${value.length}:${value}`;
    if (typeof value !== 'object') return `${value};`;
    if (Array.isArray(value)) {
      const key = place.slice(place.lastIndexOf('.') + 1);
      let text = `[${value.length};`;
      for (const item of unordered.has(key) ? value.toSorted() : value) text += write(item, place);
      return text;
    }
    let text = '{';
    for (const { key, place: inner } of keys(place, value)) {
      text += write((value as Record<string, unknown>)[key], inner);
    }
    return text;
  }
  return write;
}
