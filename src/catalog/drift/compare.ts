/** What differs between two states of one object. */
import type { QualifiedName } from '../../engines/catalog.ts';
import type { Fields } from './fields.ts';
import type { Same } from './renames.ts';

export interface FieldChanges {
  readonly before: Fields;
  readonly after: Fields;
}

/** Their order says nothing. */
const unordered: ReadonlySet<string> = new Set(['options', 'foreignOptions', 'tables', 'schemas']);

/** These are texts of people or names of their own: nothing in them follows from a rename elsewhere. */
const verbatim: ReadonlySet<string> = new Set(['name', 'schema', 'comment', 'values']);

/** Of these the name is one that they have given themselves, though they are parts of something. */
const named: ReadonlySet<string> = new Set(['attributes', 'constraints', 'arguments']);

/** Null where nothing differs but names that others have given themselves. */
export function changedFields(before: Fields, after: Fields, renames: Same): FieldChanges | null {
  const keys = Object.keys(after).filter((key) => !isSame(before[key] ?? null, after[key] ?? null, key, renames));
  if (keys.length === 0) return null;
  const only = (fields: Fields) => Object.fromEntries(keys.map((key) => [key, fields[key] ?? null]));
  return { before: only(before), after: only(after) };
}

function isSame(before: unknown, after: unknown, key: string, renames: Same): boolean {
  if (before === after) return true;
  if (typeof before === 'string' && typeof after === 'string') {
    return !verbatim.has(key) && renames.same(before, after);
  }
  if (before === null || after === null || typeof before !== 'object' || typeof after !== 'object') return false;
  if (Array.isArray(before) && Array.isArray(after)) {
    if (before.length !== after.length) return false;
    if (!unordered.has(key)) return before.every((item, place) => isSame(item, after[place], key, renames));
    return before.every((item) => after.some((other) => isSame(item, other, key, renames)));
  }
  const [old, now] = [before as Fields, after as Fields];
  const isInner = (inner: string) =>
    isSame(old[inner], now[inner], inner === 'comment' || (inner === 'name' && named.has(key)) ? inner : '', renames);
  // Inside of an object names are references.
  if (!named.has(key) && isQualified(old) && isQualified(now)) {
    const rest = Object.keys(now).filter((inner) => inner !== 'schema' && inner !== 'name');
    return renames.sameObject(old, now) && rest.every(isInner);
  }
  return Object.keys(now).every(isInner);
}

const isQualified = (fields: Fields): fields is Fields & QualifiedName =>
  typeof fields.schema === 'string' && typeof fields.name === 'string';

/** Null where nothing is left. */
export function withoutFields(changes: FieldChanges, left: ReadonlySet<string>): FieldChanges | null {
  const rest = (fields: Fields) => Object.fromEntries(Object.entries(fields).filter(([key]) => !left.has(key)));
  const after = rest(changes.after);
  return Object.keys(after).length === 0 ? null : { before: rest(changes.before), after };
}

/** The whole of an object, without what it does not have. */
export function wholeOf(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0)),
  );
}
