/** Relations by name or by page, how many they are, the queries behind views, and what they all take on disk. */
import type {
  PageRequest,
  QualifiedName,
  ReadOptions,
  Relation,
  RelationFilter,
  RelationKind,
  RelationsWithin,
} from '../../catalog.ts';
import { relationKinds } from '../../catalog.ts';
import {
  aligned,
  bySchemaAndName,
  type CatalogQuery,
  grouped,
  numberOrNull,
  schemasAndNames,
  sendable,
  type TextRow,
} from './rows.ts';
import { anyRelation, type Bind, binder, contains, description, estimatedRows, notSystem, targets } from './sql.ts';

const relkinds: Record<RelationKind, string> = {
  TABLE: 'r',
  PARTITIONED_TABLE: 'p',
  VIEW: 'v',
  MATERIALIZED_VIEW: 'm',
  FOREIGN_TABLE: 'f',
};
const kinds = new Map(relationKinds.map((kind) => [relkinds[kind], kind]));

type RelationRow = [
  ordinal: string,
  schema: string,
  name: string,
  relkind: string,
  owner: string | null,
  comment: string | null,
];

const relation = ([, schema, name, relkind, owner, comment]: RelationRow): Relation => ({
  schema,
  name,
  kind: kinds.get(relkind) ?? 'TABLE',
  owner,
  comment,
});

const details = 'pg_get_userbyid(c.relowner), d.description';
const anyKind = [...kinds.keys()].map((kind) => `'${kind}'`).join(', ');

export async function readRelationsByName(
  query: CatalogQuery,
  names: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(Relation | null)[]> {
  const rows = await query(
    `select t.ordinal, n.nspname, c.relname, c.relkind, ${details}
    from unnest($1::text[], $2::text[]) with ordinality t (schema, name, ordinal)
    join pg_catalog.pg_namespace n on n.nspname = t.schema collate "C"
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.name collate "C"
    ${description('d', 'pg_class', 'c.oid')}
    where c.relkind in (${anyKind})`,
    schemasAndNames(names),
    options,
  );
  return aligned(rows, names.length, relation);
}

/**
 * The groups that are asked for, as FROM items: `one` gives a row with its ordinal for each, `members` the pg_class rows
 * `c` of that one, with their namespace `n` in scope.
 */
function groupsOf(
  within: RelationsWithin,
  bind: Bind,
): { count: number; one: string; members: string; order: string[] } {
  if ('partitionsOf' in within || 'childrenOf' in within) {
    const parents = 'partitionsOf' in within ? within.partitionsOf : within.childrenOf;
    const [schemas, names] = schemasAndNames(parents);
    return {
      count: parents.length,
      one: `unnest(${bind(schemas)}::text[], ${bind(names)}::text[]) with ordinality g (schema, name, ordinal)
      join pg_catalog.pg_namespace pn on pn.nspname = g.schema collate "C"
      join pg_catalog.pg_class parent on parent.relnamespace = pn.oid and parent.relname = g.name collate "C"`,
      members: `pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition = ${'partitionsOf' in within}
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where i.inhparent = parent.oid`,
      order: ['n.nspname', 'c.relname'],
    };
  }
  const members = 'pg_catalog.pg_class c where c.relnamespace = n.oid';
  if ('schemas' in within) {
    return {
      count: within.schemas.length,
      one: `unnest(${bind(within.schemas.map(sendable))}::text[]) with ordinality g (schema, ordinal)
      join pg_catalog.pg_namespace n on n.nspname = g.schema collate "C"`,
      members,
      order: ['c.relname'],
    };
  }
  return {
    count: 1,
    one: `(select 1 as ordinal) g join pg_catalog.pg_namespace n on ${notSystem('n')}`,
    members,
    order: ['c.relname'],
  };
}

/** The conditions of a filter on the pg_class row `c`. */
function matching({ search, kinds: wanted }: RelationFilter, bind: Bind): string {
  const ofKind = `c.relkind = any(${bind((wanted ?? relationKinds).map((kind) => relkinds[kind]))}::"char"[])`;
  if (search === undefined || search === '') return ofKind;
  return `${ofKind} and ${contains('c.relname', search, bind)}`;
}

/** The conditions of a keyset on `n` and `c`. Forwards the bound on the name alone lets the index begin there. */
function bounded({ after, before }: PageRequest<QualifiedName>, bind: Bind): string {
  const conditions: string[] = [];
  if (after) {
    const schema = `${bind(sendable(after.schema))}::text collate "C"`;
    conditions.push(
      `n.nspname >= ${schema}`,
      `c.relname > case when n.nspname = ${schema} then ${bind(sendable(after.name))}::text else '' end collate "C"`,
    );
  }
  if (before) {
    conditions.push(
      `(n.nspname, c.relname) < (${bind(sendable(before.schema))}::text collate "C", ${bind(sendable(before.name))}::text collate "C")`,
    );
  }
  return conditions.map((condition) => ` and ${condition}`).join('');
}

export async function readRelationPages(
  query: CatalogQuery,
  within: RelationsWithin,
  filter: RelationFilter,
  page: PageRequest<QualifiedName>,
  options: ReadOptions,
): Promise<Relation[][]> {
  const { values, bind } = binder();
  const { count, one, members, order } = groupsOf(within, bind);
  const conditions = `and ${matching(filter, bind)}${bounded(page, bind)}`;
  const direction = page.backward ? 'desc' : 'asc';
  const limit = page.limit === undefined ? null : `limit ${bind(page.limit)}::int8`;
  const ordered = (columns: readonly string[]) =>
    `order by ${columns.map((column) => `${column} ${direction}`).join(', ')} ${limit}`;
  const inDatabase = 'database' in within;
  let picked: string;
  if (limit === null || (inDatabase && isSelective(filter))) {
    picked = `select g.ordinal, c.oid from ${one} cross join lateral (select c.oid, c.relname from ${members} ${conditions}) c
      ${limit === null ? '' : ordered(['n.nspname', 'c.relname'])}`;
  } else if (inDatabase) {
    picked = walked(conditions, page, limit, bind);
  } else {
    picked = `select g.ordinal, c.oid from ${one} cross join lateral (
      select c.oid from ${members} ${conditions} ${ordered(order)}) c`;
  }
  const rows = await query(
    `select p.ordinal, n.nspname, c.relname, c.relkind, ${details}
    from (${picked}) p
    join pg_catalog.pg_class c on c.oid = p.oid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    ${description('d', 'pg_class', 'c.oid')}`,
    values,
    options,
  );
  return grouped(rows, count, relation).map((items) => {
    items.sort(bySchemaAndName);
    if (page.limit === undefined) return items;
    return page.backward ? items.slice(Math.max(0, items.length - page.limit)) : items.slice(0, page.limit);
  });
}

/** Few match, so that all have to be looked at in any case: one scan is cheaper than one for each schema. */
const isSelective = ({ search, kinds: wanted }: RelationFilter): boolean =>
  Boolean(search) || (wanted !== undefined && !wanted.includes('TABLE'));

/**
 * One page of a whole database: schema by schema in their order, each in the order of the name index, until there are
 * enough. So a page costs the same in a large database as in a small one; sorting would read every table first.
 */
function walked(conditions: string, page: PageRequest<QualifiedName>, limit: string, bind: Bind): string {
  const [next, direction] = page.backward ? ['<', 'desc'] : ['>', 'asc'];
  return `
    with recursive walk (nspname, oids, found) as (
      select null::name, '{}'::oid[], 0
      union all
      select n.nspname, m.oids, walk.found + cardinality(m.oids)
      from walk
      cross join lateral (
        select n.oid, n.nspname from pg_catalog.pg_namespace n
        where ${notSystem('n')} and (walk.nspname is null or n.nspname ${next} walk.nspname)
        -- A schema without anything in it would be looked for through the whole index.
        and exists (
          select from pg_catalog.pg_depend d where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = n.oid
            and d.classid = 'pg_catalog.pg_class'::regclass)
        order by n.nspname ${direction} limit 1
      ) n
      cross join lateral (
        select array(
          select c.oid from pg_catalog.pg_class c
          where c.relnamespace = n.oid ${conditions} order by c.relname ${direction} ${limit}) as oids
      ) m
      where walk.found < ${bind(page.limit ?? 0)}::int8
    )
    select 1 as ordinal, unnest(oids) as oid from walk`;
}

export async function readRelationCounts(
  query: CatalogQuery,
  within: RelationsWithin,
  filter: RelationFilter,
  options: ReadOptions,
): Promise<number[]> {
  const { values, bind } = binder();
  const { count, one, members } = groupsOf(within, bind);
  const rows = await query(
    `select g.ordinal, count(*) from ${one} cross join lateral (
      select from ${members} and ${matching(filter, bind)}) c
    group by 1`,
    values,
    options,
  );
  return aligned(rows, count, ([, total]: [string, string]) => Number(total)).map((total) => total ?? 0);
}

export async function readDefinitions(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(string | null)[]> {
  const rows = await query(
    `with ${targets(['v', 'm'])} select ordinal, pg_get_viewdef(oid, true) from target where oid is not null`,
    schemasAndNames(relations),
    options,
  );
  return aligned(rows, relations.length, ([, definition]: [string, string | null]) => definition);
}

export async function readEstimatedRows(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(number | null)[]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, ${estimatedRows('c')} from target t join pg_catalog.pg_class c on c.oid = t.oid`,
    schemasAndNames(relations),
    options,
  );
  return aligned(rows, relations.length, ([, estimate]: [string, string | null]) => numberOrNull(estimate));
}

/** A partitioned table or index takes no room but that of its partitions. */
const size = (oid: string, relkind: string): string => `case
      when ${relkind} in ('p', 'I') then (select sum(pg_total_relation_size(relid)) from pg_partition_tree(${oid}) where isleaf)
      else pg_total_relation_size(${oid}) end`;

export async function readSizes(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(number | null)[]> {
  const rows = await query(
    `with ${targets(['r', 'm', 'p'])} select ordinal, ${size('oid', 'relkind')} from target where oid is not null`,
    schemasAndNames(relations),
    options,
  );
  return aligned(rows, relations.length, ([, bytes]: [string, string | null]) => numberOrNull(bytes));
}

export async function readIndexScans(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Map<string, number>[]> {
  const rows = await query(
    `with ${targets(['r', 'm', 'p'])}
    select t.ordinal, c.relname, pg_stat_get_numscans(i.indexrelid)
    from target t
    join pg_catalog.pg_index i on i.indrelid = t.oid
    join pg_catalog.pg_class c on c.oid = i.indexrelid`,
    schemasAndNames(relations),
    options,
  );
  return numbersByName(rows, relations.length);
}

export async function readIndexSizes(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Map<string, number>[]> {
  const rows = await query(
    `with ${targets(['r', 'm', 'p'])}
    select t.ordinal, c.relname, ${size('c.oid', 'c.relkind')}
    from target t
    join pg_catalog.pg_index i on i.indrelid = t.oid
    join pg_catalog.pg_class c on c.oid = i.indexrelid`,
    schemasAndNames(relations),
    options,
  );
  return numbersByName(rows, relations.length);
}

const numbersByName = (rows: readonly TextRow[], count: number): Map<string, number>[] =>
  grouped(rows, count, ([, name, number]: [string, string, string | null]): [string, number] => [
    name,
    Number(number ?? 0),
  ]).map((ofOne) => new Map(ofOne));
