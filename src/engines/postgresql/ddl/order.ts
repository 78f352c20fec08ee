/** Puts the objects of a script behind what they need, and takes circles apart. */
import type { Address, DdlObject, Edge } from './object.ts';
import { shellSuffix } from './types.ts';

/** What a script shows one after the other; a circle that is left is told apart, and its members stay together. */
export interface Ordered {
  readonly object: DdlObject;
  readonly sql: string;
  readonly circle: boolean;
}

/** Which object an address is written with: an index with its constraint, the type of rows with their table. */
export type Resolve = (address: Address) => DdlObject | null;

export interface Dependencies {
  readonly edges: ReadonlyMap<Address, readonly Edge[]>;
  /** Among all objects that were read, not those of one script alone: a key that is no part of it belongs to no table. */
  readonly ownerOf: Resolve;
}

/** By what an address belongs to another, the closest first: a part of it, a member of an extension, gone with it. */
const belonging = ['i', 'e', 'a'];
const maxDepth = 16;

export function dependencies(
  objects: readonly DdlObject[],
  edges: ReadonlyMap<Address, readonly Edge[]>,
): Dependencies {
  const known = new Map(objects.map((object) => [object.key, object]));
  const owner = (address: Address, depth: number): DdlObject | null => {
    const own = known.get(address);
    if (own || depth === maxDepth) return own ?? null;
    const outgoing = edges.get(address) ?? [];
    for (const type of belonging) {
      for (const edge of outgoing) {
        const found = edge.type === type ? owner(edge.to, depth + 1) : null;
        if (found) return found;
      }
    }
    return null;
  };
  return { edges, ownerOf: (address) => owner(address, 0) };
}

/** @param objects in any order; one whose `needs` are not among them is left out */
export function order(objects: readonly DdlObject[], { edges, ownerOf }: Dependencies): Ordered[] {
  const out = new Set<Address>();
  for (;;) {
    const { groups, resolve } = sorted(objects, { edges, ownerOf }, out);
    const circles = groups.filter((group) => group.length > 1);
    const before = out.size;
    for (const circle of circles) for (const part of closing(circle, edges, resolve)) out.add(part);
    if (out.size > before) continue;
    return groups.flatMap((group) =>
      [...group].sort(inOrder).map((object) => ({ object, sql: object.sql(out), circle: group.length > 1 })),
    );
  }
}

/** The parts of a circle's objects by which they need each other. */
function closing(
  circle: readonly DdlObject[],
  edges: ReadonlyMap<Address, readonly Edge[]>,
  resolve: Resolve,
): Address[] {
  const members = new Set(circle);
  return circle.flatMap((object) =>
    object.parts
      .filter(({ address }) =>
        (edges.get(address) ?? []).some(({ to }) => {
          const needed = resolve(to);
          return needed !== null && needed !== object && members.has(needed);
        }),
      )
      .map(({ address }) => address),
  );
}

function sorted(
  all: readonly DdlObject[],
  { edges, ownerOf }: Dependencies,
  out: ReadonlySet<Address>,
): { groups: DdlObject[][]; resolve: Resolve } {
  const objects = new Map(all.map((object) => [object.key, object]));
  for (const object of all) {
    for (const { address, rank, sql } of object.parts) {
      if (!out.has(address)) continue;
      const { schema, name, key } = object;
      objects.set(address, { key: address, rank, schema, name, sql: () => sql, parts: [], needs: [key] });
    }
  }
  const resolve: Resolve = (address) => objects.get(address) ?? objects.get(ownerOf(address)?.key ?? '') ?? null;
  for (const object of all) if (object.needs.some((need) => !resolve(need))) objects.delete(object.key);

  const needs = new Map<DdlObject, Set<DdlObject>>();
  for (const object of objects.values()) needs.set(object, new Set());
  for (const object of objects.values()) for (const need of object.needs) add(object, resolve(need));
  for (const [from, outgoing] of edges) {
    const object = resolve(from);
    if (!object) continue;
    for (const { to, type } of outgoing) {
      // A sequence is there before the column that owns it.
      if (from === object.key && type === 'a' && objects.has(`${from}/owner`)) continue;
      add(object, resolve(to));
    }
  }
  for (const [object, needed] of needs) {
    for (const type of needed) {
      const shell = objects.get(`${type.key}${shellSuffix}`);
      // A function that a type is made of.
      if (!shell || !needs.get(type)?.has(object)) continue;
      needed.delete(type);
      needed.add(shell);
    }
  }
  return { groups: components([...objects.values()].sort(inOrder), needs), resolve };

  function add(object: DdlObject, needed: DdlObject | null): void {
    if (needed && needed !== object) needs.get(object)?.add(needed);
  }
}

const inOrder = (a: DdlObject, b: DdlObject): number =>
  a.rank - b.rank || compare(a.schema ?? '', b.schema ?? '') || compare(a.name, b.name) || compare(a.key, b.key);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Strongly connected components by Tarjan's algorithm, which gives them with what they need first. Without recursion:
 * views on views are as deep as somebody likes.
 */
function components(
  objects: readonly DdlObject[],
  needs: ReadonlyMap<DdlObject, ReadonlySet<DdlObject>>,
): DdlObject[][] {
  const found = new Map<DdlObject, { index: number; low: number; open: boolean }>();
  const stack: DdlObject[] = [];
  const groups: DdlObject[][] = [];
  const enter = (object: DdlObject) => {
    const state = { index: found.size, low: found.size, open: true };
    found.set(object, state);
    stack.push(object);
    return { object, state, rest: [...(needs.get(object) ?? [])].sort(inOrder).values() };
  };
  for (const root of objects) {
    if (found.has(root)) continue;
    const path = [enter(root)];
    for (let here = path.at(-1); here; here = path.at(-1)) {
      const { value: next, done } = here.rest.next();
      if (!done) {
        const known = found.get(next);
        if (!known) path.push(enter(next));
        else if (known.open) here.state.low = Math.min(here.state.low, known.index);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above) above.state.low = Math.min(above.state.low, here.state.low);
      if (here.state.low === here.state.index) groups.push(close(here.object));
    }
  }
  return groups;

  function close(root: DdlObject): DdlObject[] {
    const group: DdlObject[] = [];
    for (;;) {
      const object = stack.pop();
      const state = object && found.get(object);
      if (!object || !state) return group;
      state.open = false;
      group.push(object);
      if (object === root) return group;
    }
  }
}
