/**
 * What a query reads, found by following what it mentions: views, the policies of tables, functions in SQL, the functions
 * behind operators and aggregates, to the tables at the end. What cannot be followed is said.
 */
import type { ReadTable } from '../../live.ts';
import { type NodeValue, parseNodeTree } from '../node-tree.ts';
import type { Parser } from '../parser.ts';
import type { Ask } from '../touched.ts';
import { firstNormalOid, isServersOwn, unrestOf } from './functions.ts';
import { type FoundFunction, type FoundRelation, find, functionsOf, relationsOf } from './lookup.ts';
import { type Mentions, mentionsIn, namesIn } from './mentions.ts';

export interface Reads {
  /** That are followed: roots of partitions, once each. */
  readonly tables: readonly ReadTable[];
  readonly polled: readonly string[];
  /** Of users, all that were met on the way. */
  readonly relations: ReadonlyMap<string, FoundRelation>;
  /** How often relations are mentioned, in all that the query means. */
  readonly times: ReadonlyMap<string, number>;
  readonly functions: readonly string[];
  /** Trees of views, by their oid. */
  readonly views: ReadonlyMap<string, NodeValue>;
}

export interface ReadsDeps {
  readonly ask: Ask;
  readonly parser: Parser;
}

/** A query that means more than this is run again from time to time instead. */
const maxObjects = 2_000;
/** Parsed, 30 ms in which this process does nothing else; one that is longer counts as unknown. */
const maxBodyBytes = 65_536;

/** @param mentions of the query itself */
export async function readsOf({ ask, parser }: ReadsDeps, mentions: Mentions): Promise<Reads> {
  const relations = new Map<string, FoundRelation>();
  const functions = new Map<string, FoundFunction>();
  const views = new Map<string, NodeValue>();
  const tables = new Map<string, ReadTable>();
  const polled = new Set<string>();
  const times = new Map<string, number>();
  /** Asked for already; what is not there stays so. */
  const asked = new Set<string>();
  let next: Mentions[] = [mentions];

  /** Of what is mentioned, what has not been asked for. */
  function newOf(
    kind: keyof Pick<Mentions, 'relations' | 'functions' | 'operators'>,
    from: readonly Mentions[],
  ): string[] {
    const fresh = new Set(from.flatMap((one) => [...one[kind].keys()]).filter((oid) => !asked.has(`${kind} ${oid}`)));
    for (const oid of fresh) asked.add(`${kind} ${oid}`);
    return [...fresh];
  }

  while (next.length > 0) {
    const now = next;
    next = [];
    for (const { unrest } of now) for (const reason of unrest) polled.add(reason);
    for (const { relations: met } of now) for (const [oid, count] of met) times.set(oid, (times.get(oid) ?? 0) + count);
    const wanted = newOf('relations', now);
    const called = newOf('functions', now);
    // Those behind the server's own operators look at no table.
    const used = newOf('operators', now).filter((oid) => Number(oid) >= firstNormalOid);
    if (asked.size > maxObjects) {
      polled.add('it reads more objects than are followed');
      break;
    }
    for (const relation of wanted.length > 0 ? await relationsOf(ask, wanted) : []) next.push(take(relation));
    for (const one of called.length + used.length > 0 ? await functionsOf(ask, called, used) : []) {
      next.push(await look(one));
    }
  }
  return {
    tables: [...tables.values()],
    polled: [...polled].sort(),
    relations,
    times,
    functions: [...functions.keys()],
    views,
  };

  function take(relation: FoundRelation): Mentions {
    const { oid, label, kind, logged, root, children, strangeParts } = relation;
    if (isServersOwn(relation)) {
      polled.add(`${label} is the server’s own, and its changes are not told`);
      return nothing;
    }
    relations.set(oid, relation);
    if (kind === 'v') {
      const tree = relation.trees[0] === undefined ? null : parseNodeTree(relation.trees[0]);
      views.set(oid, tree);
      return mentionsIn([tree]);
    }
    const unfit = unfitKinds[kind] ?? (logged ? null : 'is in no log');
    if (unfit !== null) polled.add(`${label} ${unfit}`);
    else if (kind === 'r' || kind === 'p') tables.set(root.oid, { id: root.oid, schema: root.schema, name: root.name });
    if (strangeParts) polled.add(`partitions of ${label} are in no log here`);
    if (children.length > 0) polled.add(`${label} has children, and may get others`);
    const policies = mentionsIn(relation.trees.map(parseNodeTree));
    const kin = root.oid === oid ? children : [root.oid];
    return { ...policies, relations: new Map([...policies.relations, ...everywhere(kin)]) };
  }

  async function look(one: FoundFunction): Promise<Mentions> {
    if (isServersOwn(one)) {
      const unrest = unrestOf(one);
      if (unrest !== null) polled.add(unrest);
      return nothing;
    }
    functions.set(one.oid, one);
    if (one.parts.length > 0) return { ...nothing, functions: new Set(one.parts) };
    // Whoever declares it so has promised that it looks at no table, in whatever language.
    if (one.volatility === 'i') return nothing;
    if (one.tree) return mentionsIn([parseNodeTree(one.tree)]);
    const trees =
      one.body === null || Buffer.byteLength(one.body) > maxBodyBytes
        ? null
        : await parser.parse(one.body).catch(() => null);
    if (trees === null) {
      polled.add(`what ${one.label}() reads is not known`);
      return nothing;
    }
    const names = namesIn(trees.map(({ tree }) => tree));
    const found = await find(ask, names, one.path === null ? null : schemasIn(one.path));
    return {
      relations: everywhere(found.relations),
      functions: new Set(found.functions),
      operators: new Set(found.operators),
      unrest: names.unrest,
    };
  }
}

/** How often is not known: more than once. */
export const everywhere = (oids: readonly string[]): Map<string, number> => new Map(oids.map((oid) => [oid, 2]));

const nothing: Mentions = { relations: new Map(), functions: new Set(), operators: new Set(), unrest: [] };

/** By pg_class.relkind; an ordinary table and a partitioned one are none. */
const unfitKinds: Readonly<Record<string, string>> = {
  m: 'changes when it is refreshed',
  f: 'is elsewhere, and its changes are not told',
  S: 'is a sequence, whose steps are not told',
  t: 'is the server’s own, and its changes are not told',
};

/** Of a setting that is a list: `public, "My Schema"`. */
const schemasIn = (setting: string): string[] => [
  'pg_catalog',
  ...[...setting.matchAll(/"((?:[^"]|"")*)"|[^\s,]+/g)].map(([name, quoted]) => quoted?.replaceAll('""', '"') ?? name),
];
