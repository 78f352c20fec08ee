/** What differs between two states of one object. */
import type { Fields } from './fields.ts';
import type { Renames } from './renames.ts';

export interface FieldChanges {
  readonly before: Fields;
  readonly after: Fields;
}

/** Their order says nothing. */
const unordered: ReadonlySet<string> = new Set(['options', 'foreignOptions', 'tables', 'schemas']);

/** These are texts of people or names of their own: nothing in them follows from a rename elsewhere. */
const verbatim: ReadonlySet<string> = new Set(['name', 'schema', 'comment', 'values']);

/** Null where nothing differs but names that others have given themselves. */
export function changedFields(before: Fields, after: Fields, renames: Renames): FieldChanges | null {
  const keys = Object.keys(after).filter((key) => !isSame(before[key] ?? null, after[key] ?? null, key, renames));
  if (keys.length === 0) return null;
  const only = (fields: Fields) => Object.fromEntries(keys.map((key) => [key, fields[key] ?? null]));
  return { before: only(before), after: only(after) };
}

function isSame(before: unknown, after: unknown, key: string, renames: Renames): boolean {
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
  // Inside of an object a name is a reference.
  return Object.keys(after).every((inner) =>
    isSame((before as Fields)[inner], (after as Fields)[inner], inner === 'comment' ? inner : '', renames),
  );
}

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
