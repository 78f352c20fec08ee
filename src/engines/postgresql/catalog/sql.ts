/** Pieces that several catalogue statements share. They hold on PostgreSQL 13 to 18; what differs between versions is said here. */
import type { SqlValue } from './rows.ts';

/** Adds a value to a statement and gives the `$n` it goes by. */
export type Bind = (value: SqlValue) => string;

export function binder(): { values: SqlValue[]; bind: Bind } {
  const values: SqlValue[] = [];
  return { values, bind: (value) => `$${values.push(value)}` };
}

/**
 * That a name has a text in it, in whatever case. Names are of type name, whose lower() knows ASCII alone; the database's
 * own collation knows its letters.
 */
export const contains = (name: string, search: string, bind: Bind): string =>
  search.includes('\0')
    ? 'false'
    : `position(lower(${bind(search)}::text) in lower(${name}::text collate "default")) > 0`;

/** The names of Quarry's publications; the first group is the id of the feed. */
export const feedPublications = '^quarry_([0-9a-f]{32})(?:_inserts)?$';

/** Where Quarry puts what tells of DDL and of changed rows, and nothing else. */
export const trackingSchema = 'quarry_tracking';

/** Schemas that are not the user's. Names that begin with pg_ are the server's own. */
export const notSystem = (n: string): string =>
  `(${n}.nspname !~ '^pg_' and ${n}.nspname not in ('information_schema', '${trackingSchema}'))`;

/** Of a trigger that calls the function `oid`, e.g. `e.evtfoid`: it is none of Quarry's. */
export const notTracking = (oid: string): string => `not exists (
    select from pg_catalog.pg_proc f join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
    where f.oid = ${oid} and fn.nspname = '${trackingSchema}')`;

/** Of the pg_publication row `p`: it is none of those that tell Quarry of changed rows. */
export const notFeed = (p: string): string => `${p}.pubname !~ '${feedPublications}'`;

/** Options of foreign data that hold what nobody else is to know, by their names; a wrapper takes whatever it likes. */
export const secretOption = '(password|passwd|secret|token|credential|private_?key|api_?key|access_?key)';

/** Schemas of temporary tables are their session's alone. */
export const notTemporary = (n: string): string => `${n}.nspname !~ '^pg_(toast_)?temp_'`;

/**
 * `target (ordinal, oid)` of the names in $1 (schemas) and $2. The explicit collation is the one of catalogue names:
 * without it the two sides have a different one each, and PostgreSQL refuses to compare. Outer joins behind a fence
 * tell the planner how many there are; it took thousands for five otherwise, and looked each one up by itself.
 */
export const targets = (relkinds: readonly string[]): string => `target as materialized (
  select t.ordinal, c.oid, c.relkind
  from unnest($1::text[], $2::text[]) with ordinality t (schema, name, ordinal)
  left join pg_catalog.pg_namespace n on n.nspname = t.schema collate "C"
  left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.name collate "C"
    and c.relkind in (${relkinds.map((relkind) => `'${relkind}'`).join(', ')})
)`;

/** What can be asked for its columns: tables, partitioned tables, views, materialized views, foreign tables. */
export const anyRelation = ['r', 'p', 'v', 'm', 'f'] as const;

/**
 * Options of the pg_attribute row `a` that somebody set; null where there are none. PostgreSQL 15.20 keeps a version of each
 * column among them (`pg_attver`), which no copy shares: its pg_dump leaves it out too.
 */
export const columnOptions = (a: string): string =>
  `(select array_agg(o) from unnest(${a}.attoptions) o where not starts_with(o, 'pg_attver='))`;

/** That there are any, without looking at each. */
export const hasColumnOptions = (a: string): string =>
  `(cardinality(${a}.attoptions) > 1 or not starts_with(${a}.attoptions[1], 'pg_attver='))`;

/** The comment of an object. */
export const description = (alias: string, catalog: string, oid: string, part = '0'): string =>
  `left join pg_catalog.pg_description ${alias} on ${alias}.classoid = 'pg_catalog.${catalog}'::regclass
     and ${alias}.objoid = ${oid} and ${alias}.objsubid = ${part}`;

/**
 * Names of the columns whose numbers an int2[] holds, in its order: one alone as it is, several as JSON in the item
 * behind; rows.ts reads them with namesOf(). Looked up one by one, since a join would read all columns of the relation;
 * two are a case of their own, because they are common and an aggregate costs five times as much. The number 0, of a check
 * on the row as a whole, is no column.
 */
export const columnNames = (relation: string, numbers: string): string => `
      case cardinality(${numbers}) when 1 then (${columnName(relation, `${numbers}[1]`)}) end,
      case when cardinality(${numbers}) = 1 then null
        when cardinality(${numbers}) = 2 and 0 <> all(${numbers}) then json_build_array((${columnName(relation, `${numbers}[1]`)}), (${columnName(relation, `${numbers}[2]`)}))
        else (
          select json_agg((${columnName(relation, 'part.attnum')}) order by part.place) filter (where part.attnum <> 0)
          from unnest(${numbers}) with ordinality part (attnum, place)) end`;

export const columnName = (relation: string, number: string): string =>
  `select member.attname from pg_catalog.pg_attribute member where member.attrelid = ${relation} and member.attnum = ${number}`;

/** The type of an argument, whatever the search_path: what is built in as PostgreSQL prints it, the rest with its schema. */
const typeIdentity = `case when tn.nspname = 'pg_catalog' then format_type(ty.oid, null)
      else quote_ident(tn.nspname) || '.' || quote_ident(coalesce(el.typname, ty.typname)) || case when el.oid is null then '' else '[]' end end`;

/** `RoutineName.identity` of the pg_proc row `p`. An id is made of it, so it must not move with the search_path. */
export const routineIdentity = (p: string): string => `coalesce((
    select string_agg(${typeIdentity}, ', ' order by a.place)
    from unnest(${p}.proargtypes) with ordinality a (oid, place)
    join pg_catalog.pg_type ty on ty.oid = a.oid
    join pg_catalog.pg_namespace tn on tn.oid = ty.typnamespace
    left join pg_catalog.pg_type el on el.oid = ty.typelem and el.typarray = ty.oid), '')`;

/** Whether the planner's rows of a pg_class row were ever counted: since 14 they are -1 until then, before that 0. */
const counted = (c: string): string => `(${c}.reltuples > 0 or ${c}.relpages > 0
      or ${c}.reltuples = 0 and current_setting('server_version_num')::int >= 140000)`;

/** The planner's rows of the pg_class row `c`. Nobody counts those of a partitioned table but ANALYZE, so it is the sum of its partitions. */
export const estimatedRows = (c: string): string => `case
    when ${c}.relkind = 'p' then (
      select sum(leaf.reltuples::int8) filter (where ${counted('leaf')})
      from pg_partition_tree(${c}.oid) tree join pg_catalog.pg_class leaf on leaf.oid = tree.relid
      where tree.isleaf)
    when ${c}.relkind <> 'v' and ${counted(c)} then ${c}.reltuples::int8 end`;
