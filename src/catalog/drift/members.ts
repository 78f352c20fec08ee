/** Which of two lists' objects are the same ones. */
import type { Identified } from '../../engines/snapshot.ts';

export interface Matched<Item> {
  readonly pairs: readonly (readonly [before: Item, after: Item])[];
  readonly removed: readonly Item[];
  readonly added: readonly Item[];
}

export interface Matching<Item> {
  /** False where the ids are a copy's, and say nothing. */
  readonly byId: boolean;
  /** Of one that was there before: its name as it would be now. */
  before(item: Item): string;
  after(item: Item): string;
}

/**
 * By id first, so that a rename is one; the rest by name: what was dropped and made again under its name is the same to
 * whoever uses it, and is told by what differs, which after a restore is nothing.
 */
export function matched<Item extends Identified>(
  before: readonly Item[],
  after: readonly Item[],
  keys: Matching<Item>,
): Matched<Item> {
  const pairs: [Item, Item][] = [];
  const old = new Map(keys.byId ? before.map((item) => [item.id, item]) : []);
  const unmatched = new Set(before);
  const rest: Item[] = [];
  for (const item of after) {
    const same = old.get(item.id);
    if (!same) rest.push(item);
    else {
      pairs.push([same, item]);
      unmatched.delete(same);
    }
  }
  const named = new Map(Array.from(unmatched, (item) => [keys.before(item), item]));
  const added: Item[] = [];
  for (const item of rest) {
    const key = keys.after(item);
    const same = named.get(key);
    if (!same) added.push(item);
    else {
      pairs.push([same, item]);
      unmatched.delete(same);
      named.delete(key);
    }
  }
  return { pairs, removed: [...unmatched], added };
}

export function matchedByName<Item extends Identified & { readonly name: string | null }>(
  before: readonly Item[],
  after: readonly Item[],
  { byId }: { readonly byId: boolean },
): Matched<Item> {
  const nameOf = ({ name }: Item) => name ?? '';
  return matched(before, after, { byId, before: nameOf, after: nameOf });
}
