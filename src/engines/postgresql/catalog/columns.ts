/** Columns with the keys they are part of, and what the planner knows of their values. */

import type { Column, ColumnStatistics, QualifiedName, ReadOptions } from '../../catalog.ts';
import { decoderOf } from '../types.ts';
import { boolean, type CatalogQuery, grouped, numberOrNull, schemasAndNames, strings } from './rows.ts';
import { anyRelation, description, targets } from './sql.ts';

type ColumnRow = [
  ordinal: string,
  name: string,
  position: string,
  dataType: string,
  nullable: string,
  expression: string | null,
  attgenerated: string,
  attidentity: string,
  comment: string | null,
  primaryKeyPosition: string | null,
  unique: string | null,
  indexed: string,
  enumValues: string | null,
  collation: string | null,
];

const identities: Record<string, Column['identity']> = { a: 'ALWAYS', d: 'BY DEFAULT' };

export async function readColumns(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Column[][]> {
  const rows = await query(
    `with ${targets(anyRelation)},
    key as (
      select i.indrelid, k.attnum,
        min(k.place) filter (where i.indisprimary) as primary_place,
        bool_or(i.indisunique and i.indnkeyatts = 1 and i.indpred is null and i.indisvalid) as is_unique
      from target t
      join pg_catalog.pg_index i on i.indrelid = t.oid
      cross join lateral unnest(i.indkey) with ordinality k (attnum, place)
      where k.place <= i.indnkeyatts and k.attnum <> 0
      group by i.indrelid, k.attnum
    )
    select t.ordinal, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),
      not (a.attnotnull or ty.typtype = 'd' and ty.typnotnull),
      case when a.atthasdef then (
        select pg_get_expr(e.adbin, e.adrelid) from pg_catalog.pg_attrdef e where e.adrelid = a.attrelid and e.adnum = a.attnum
      ) end, a.attgenerated, a.attidentity, d.description,
      key.primary_place, key.is_unique, key.attnum is not null,
      case when ty.typtype in ('e', 'd') then (
        with recursive base (oid, typtype, typbasetype) as (
          select ty.oid, ty.typtype, ty.typbasetype
          union all
          select b.oid, b.typtype, b.typbasetype
          from base join pg_catalog.pg_type b on base.typtype = 'd' and b.oid = base.typbasetype
        )
        select json_agg(v.enumlabel order by v.enumsortorder)
        from base join pg_catalog.pg_enum v on base.typtype = 'e' and v.enumtypid = base.oid
      ) end,
      case when a.attcollation <> ty.typcollation then (
        select co.collname from pg_catalog.pg_collation co where co.oid = a.attcollation
      ) end
    from target t
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type ty on ty.oid = a.atttypid
    left join key on key.indrelid = a.attrelid and key.attnum = a.attnum
    ${description('d', 'pg_class', 'a.attrelid', 'a.attnum')}`,
    schemasAndNames(relations),
    options,
  );
  const columns = grouped(rows, relations.length, column);
  for (const ofOne of columns) ofOne.sort((a, b) => a.position - b.position);
  return columns;
}

const column = ([
  ,
  name,
  position,
  dataType,
  nullable,
  expression,
  attgenerated,
  attidentity,
  comment,
  primaryKeyPosition,
  unique,
  indexed,
  enumValues,
  collation,
]: ColumnRow): Column => ({
  name,
  position: Number(position),
  dataType,
  nullable: boolean(nullable),
  default: attgenerated === '' ? expression : null,
  generated: attgenerated === '' ? null : expression,
  identity: identities[attidentity] ?? null,
  comment,
  primaryKeyPosition: numberOrNull(primaryKeyPosition),
  unique: boolean(unique),
  indexed: boolean(indexed),
  enumValues: enumValues === null ? null : strings(enumValues),
  collation,
});

type StatisticsRow = [
  ordinal: string,
  column: string,
  nullFraction: string | null,
  distinctValues: string | null,
  averageWidthBytes: string | null,
  mostCommonValues: string | null,
  type: string,
  element: string | null,
  delimiter: string | null,
];

/**
 * pg_stats itself leaves out what the credentials may not read. A table with children has two rows for a column, its own
 * and one with theirs: its own come last, and stay. Values of a domain are read as its type's.
 */
export async function readStatistics(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Map<string, ColumnStatistics>[]> {
  const rows = await query(
    `select t.ordinal, s.attname, s.null_frac, s.n_distinct, s.avg_width, to_json(s.most_common_vals::text::text[]),
      ty.oid, el.oid, el.typdelim
    from unnest($1::text[], $2::text[]) with ordinality t (schema, name, ordinal)
    join pg_catalog.pg_stats s on s.schemaname = t.schema collate "C" and s.tablename = t.name collate "C"
    join pg_catalog.pg_namespace n on n.nspname = s.schemaname
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = s.attname and a.attnum > 0
    join pg_catalog.pg_type declared on declared.oid = a.atttypid
    join pg_catalog.pg_type ty on ty.oid = case declared.typtype when 'd' then declared.typbasetype else declared.oid end
    left join pg_catalog.pg_type el on el.oid = ty.typelem and el.typarray = ty.oid
    -- The view lets conditions on constants through to its indexes, and only those.
    where s.schemaname = any($1::text[]::name[]) and s.tablename = any($2::text[]::name[])
    order by s.inherited desc`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, statistics).map((ofOne) => new Map(ofOne));
}

const statistics = ([, name, nullFraction, distinctValues, width, values, type, element, delimiter]: StatisticsRow): [
  string,
  ColumnStatistics,
] => {
  const array = element === null ? undefined : { element: Number(element), delimiter: delimiter ?? ',' };
  const decode = decoderOf({ oid: Number(type), array });
  return [
    name,
    {
      nullFraction: numberOrNull(nullFraction),
      distinctValues: numberOrNull(distinctValues),
      averageWidthBytes: numberOrNull(width),
      mostCommonValues: strings(values).map((text) => (decode ? decode(text) : text)),
    },
  ];
};
