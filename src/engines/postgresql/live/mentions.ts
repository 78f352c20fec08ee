/** What a query, a view, a policy or a function mentions: by its analysed tree, or by name where there is only its text. */

import { isNode, type Node, type NodeValue, nodesOf } from '../node-tree.ts';
import type { Tree } from '../parser.ts';
import type { FunctionName } from '../plan.ts';
import { type RelationName, referencesOf } from '../references.ts';
import { membersOf } from '../walk.ts';
import { currentTime, isTimeOp } from './functions.ts';

/** Oids, and what they do not say. */
export interface Mentions {
  /** How often each. */
  readonly relations: ReadonlyMap<string, number>;
  readonly functions: ReadonlySet<string>;
  readonly operators: ReadonlySet<string>;
  /** Why the answer may change by itself. */
  readonly unrest: readonly string[];
}

export interface NamedMentions {
  readonly relations: readonly RelationName[];
  readonly functions: readonly FunctionName[];
  readonly operators: readonly FunctionName[];
  readonly unrest: readonly string[];
}

const sampled = 'TABLESAMPLE takes other rows each time';

const functionFields = ['funcid', 'aggfnoid', 'winfnoid', 'opfuncid'] as const;

export function mentionsIn(trees: readonly NodeValue[]): Mentions {
  const relations = new Map<string, number>();
  const [functions, operators] = [new Set<string>(), new Set<string>()];
  const unrest = new Set<string>();
  const put = (set: Set<string>, value: NodeValue | undefined) => {
    if (typeof value === 'string' && value !== '0') set.add(value);
  };
  for (const node of nodesOf(trees)) {
    const oid = relationIn(node);
    if (oid !== null) relations.set(oid, (relations.get(oid) ?? 0) + 1);
    for (const field of functionFields) put(functions, node.fields.get(field));
    put(operators, node.fields.get('opno'));
    if (node.type === 'SQLVALUEFUNCTION' && isTimeOp(String(node.fields.get('op')))) unrest.add(currentTime);
    if (node.type === 'TABLESAMPLECLAUSE') unrest.add(sampled);
    if (node.type === 'NEXTVALUEEXPR') unrest.add('nextval() may give something else each time');
  }
  return { relations, functions, operators, unrest: [...unrest] };
}

/** Of an entry of a query's list of tables; a subquery, a join and the like are entries without one. */
export function relationIn({ type, fields }: Node): string | null {
  const oid = type === 'RANGETBLENTRY' || type === 'RTE' ? fields.get('relid') : null;
  return typeof oid === 'string' && oid !== '0' ? oid : null;
}

/** Read as a time, these are another one each day, or each moment. */
const words: ReadonlySet<string> = new Set(['now', 'today', 'tomorrow', 'yesterday']);

/** Of a text that the server takes anew each time. */
export function unrestInText(trees: readonly Tree[]): string[] {
  const unrest = new Set<string>();
  for (const tree of trees) {
    for (const [name, value] of membersOf(tree)) {
      if (name === 'SQLValueFunction' && isTimeOp(String((value as Tree).op))) unrest.add(currentTime);
      if (name === 'RangeTableSample') unrest.add(sampled);
      if (name !== 'A_Const') continue;
      const text = ((value as Tree).sval as { sval?: string } | undefined)?.sval?.trim() ?? '';
      if (words.has(text.toLowerCase())) unrest.add(`'${text}' may be a time that changes`);
    }
  }
  return [...unrest];
}

export function namesIn(trees: readonly Tree[]): NamedMentions {
  const { reads, functions, operators } = referencesOf(trees);
  return { relations: reads, functions, operators, unrest: unrestInText(trees) };
}

/** The query that a view shows, or that stands in another one's place. */
export const queryOf = (tree: NodeValue) => {
  const first = Array.isArray(tree) ? tree[0] : tree;
  return isNode(first) && first.type === 'QUERY' ? first : null;
};
