/** Objects that are told with what they are in: of each list those that differ, as they were and as they are. */
import type { CatalogSnapshot, Identified } from '../../engines/snapshot.ts';
import { changedFields, type FieldChanges, wholeOf } from './compare.ts';
import type { Fields } from './fields.ts';
import { matched } from './members.ts';
import type { Same } from './renames.ts';

type Member = Identified & { readonly name: string; readonly kind?: string; readonly identity?: string };
type Lists<Key extends string> = Readonly<Record<Key, readonly Member[]>>;

/** Who owns and may use them, and their ids; names lead to the schema already. */
const leftOut: ReadonlySet<string> = new Set(['id', 'owner', 'privileges', 'schema']);

/** As it is told: parts of it without what is left out of it. */
function told(value: object): Fields {
  return Object.fromEntries(
    Object.entries(value)
      // Where a list is of all schemas, the schema is told.
      .filter(([key]) => !leftOut.has(key) || (key === 'schema' && 'identity' in value))
      .map(([key, part]) => [
        key,
        Array.isArray(part) && part.some((item) => item !== null && typeof item === 'object' && 'id' in item)
          ? part.map(told)
          : part,
      ]),
  );
}

/** Of some several have one name. */
const nameOf = ({ name, kind = '', identity = '' }: Member): string => JSON.stringify([kind, identity, name]);

export function changedLists<Key extends string>(
  keys: readonly Key[],
  before: Lists<Key>,
  after: Lists<Key>,
  { byId, renames }: { readonly byId: boolean; readonly renames: Same },
): FieldChanges | null {
  const changes: { before: Record<string, unknown>; after: Record<string, unknown> } = { before: {}, after: {} };
  for (const key of keys) {
    const same = matched<Member>(before[key], after[key], { byId, before: nameOf, after: nameOf });
    const old = same.removed.map((item) => wholeOf(told(item)));
    const now = same.added.map((item) => wholeOf(told(item)));
    for (const [one, other] of same.pairs) {
      const differing = changedFields(told(one), told(other), renames);
      if (!differing) continue;
      old.push({ name: one.name, ...differing.before });
      now.push({ name: other.name, ...differing.after });
    }
    if (old.length + now.length === 0) continue;
    changes.before[key] = old;
    changes.after[key] = now;
  }
  return Object.keys(changes.after).length === 0 ? null : changes;
}

/** Those of one schema. */
export const memberLists = <Key extends 'domains' | 'compositeTypes' | 'rangeTypes'>(
  keys: readonly Key[],
  snapshot: CatalogSnapshot,
  schema: string,
): Lists<Key> =>
  Object.fromEntries(
    keys.map((key) => [
      key,
      (snapshot[key] as readonly (Member & { schema: string })[]).filter((item) => item.schema === schema),
    ]),
  ) as unknown as Lists<Key>;

/** Whole, for an object that is new or gone. */
export const toldLists = <Key extends string>(keys: readonly Key[], lists: Lists<Key>): Fields =>
  Object.fromEntries(keys.map((key) => [key, lists[key].map((item) => wholeOf(told(item)))]));
