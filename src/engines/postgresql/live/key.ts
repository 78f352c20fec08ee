/** Which columns of a result identify its rows: those it is grouped by, or the primary keys of the tables behind it. */

import { isNode, type Node, type NodeValue, nodesIn } from '../node-tree.ts';
import { queryOf } from './mentions.ts';
import type { Reads } from './reads.ts';

/** The column that a column of the result is, by pg_class.oid and pg_attribute.attnum; 0 for none. */
export interface Origin {
  readonly tableID: number;
  readonly columnID: number;
}

/**
 * Places in the result; none where there is one row. Null: nothing that is known identifies them. They need not be
 * unique: of a join without the key of one of its tables, and under an outer join, several rows may have the same.
 * @param query as the server has analysed it; null where it could not be had
 */
export function keyOf(
  query: Node | null,
  origins: readonly Origin[],
  { relations, views }: Pick<Reads, 'relations' | 'views'>,
): number[] | null {
  if (query !== null) {
    const groups = nodesIn(query.fields.get('groupClause'));
    if (query.fields.get('groupingSets')) return null;
    if (groups.length > 0) return placesOfGroups(query, groups);
    if (query.fields.get('hasAggs') === 'true') return [];
    if (query.fields.get('setOperations')) return null;
  }
  const keys = new Map<string, Map<number, number[]>>();
  for (const [place, origin] of origins.entries()) {
    const base = baseOf(origin, views);
    const relation = relations.get(String(base.tableID));
    if (!relation?.key.includes(base.columnID)) continue;
    const provided = keys.get(relation.oid) ?? new Map<number, number[]>();
    keys.set(relation.oid, provided.set(base.columnID, [...(provided.get(base.columnID) ?? []), place]));
  }
  const places = [...keys].flatMap(([oid, provided]) =>
    provided.size === relations.get(oid)!.key.length ? [...provided.values()].flat() : [],
  );
  return places.length === 0 ? null : places.sort((a, b) => a - b);
}

/** Null where it is grouped by something that it does not show. */
function placesOfGroups(query: Node, groups: readonly Node[]): number[] | null {
  const shown = new Map<string, number>();
  for (const { fields } of targetsOf(query)) {
    if (fields.get('resjunk') === 'false')
      shown.set(String(fields.get('ressortgroupref')), Number(fields.get('resno')) - 1);
  }
  const places = groups.map(({ fields }) => shown.get(String(fields.get('tleSortGroupRef'))));
  return places.every((place) => place !== undefined) ? places.sort((a, b) => a - b) : null;
}

const targetsOf = (query: Node): Node[] => nodesIn(query.fields.get('targetList'));

/** Through views, to a table. */
function baseOf(origin: Origin, views: ReadonlyMap<string, NodeValue>): Origin {
  let at = origin;
  // No view shows itself, but what the server prints is not ours to trust with a loop.
  for (let depth = 0; depth < views.size; depth++) {
    const tree = views.get(String(at.tableID));
    const query = tree === undefined ? null : queryOf(tree);
    if (!query) return at;
    const target = targetsOf(query).find(({ fields }) => Number(fields.get('resno')) === at.columnID);
    at = {
      tableID: Number(target?.fields.get('resorigtbl') ?? 0),
      columnID: Number(target?.fields.get('resorigcol') ?? 0),
    };
  }
  return at;
}

/** The query in parentheses of the rule of `SELECT … FROM (query)`; up to 15 the view itself stands before it, twice. */
export const innerQuery = (tree: NodeValue): Node | null =>
  nodesIn(queryOf(tree)?.fields.get('rtable'))
    .map(({ fields }) => fields.get('subquery'))
    .find(isNode) ?? null;
