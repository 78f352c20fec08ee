/** Keys, foreign keys, checks that stand on their own, indexes and extended statistics. */
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { parameters, schemaOf } from './sql.ts';

/** What is said of an index `i` (pg_index) with the pg_class row `x` once it is there, each on a line of its own. */
const ofIndex = (i: string, x: string): string => `concat(
  case when ${i}.indisclustered then format(E'\\nALTER TABLE %s CLUSTER ON %I;', ${i}.indrelid::regclass, ${x}.relname) end,
  case when ${i}.indisreplident
    then format(E'\\nALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %I;', ${i}.indrelid::regclass, ${x}.relname) end,
  (select string_agg(format(E'\\nALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s;', ${x}.oid::regclass, a.attnum, a.attstattarget),
    '' order by a.attnum) from pg_attribute a where a.attrelid = ${x}.oid and a.attstattarget >= 0))`;

const invalid = `not i.indisvalid and x.relkind <> 'I'`;

/** As `ofIndex`, of the index of a constraint, whose definition does not tell its parameters. */
const ofKey = (i: string, x: string): string => `concat(
  case when ${x}.reloptions is not null
    then format(E'\\nALTER INDEX %s SET (%s);', ${x}.oid::regclass, ${parameters(`${x}.reloptions`)}) end, ${ofIndex(i, x)})`;

/** Gives a partition's copy `x` of the index `parent` its name: the server finds one by itself when it makes it. */
const renamed = (x: string, parent: string, table: string): string => `format('DO %L;', format(
'DECLARE made regclass;
BEGIN
  SELECT x.oid INTO made FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class x ON x.oid = h.inhrelid
    JOIN pg_catalog.pg_index i ON i.indexrelid = x.oid
    WHERE h.inhparent = %L::regclass AND i.indrelid = %L::regclass AND x.relname <> %L;
  IF FOUND THEN EXECUTE pg_catalog.format(''ALTER INDEX %%s RENAME TO %%I'', made, %L); END IF;
END', ${parent}::regclass, ${table}::regclass, ${x}.relname, ${x}.relname))`;

export const keys: readonly Kind[] = [
  {
    // A partition's index that excludes cannot be attached: it is made with its parent's.
    catalog: 'pg_constraint',
    rank: ranks.key,
    sql: ({ asked }) => `select o.oid, n.nspname, o.conname,
        format('ALTER TABLE %s%s ADD CONSTRAINT %I %s;', case when not (i.indisexclusion and x.relkind = 'I') then 'ONLY ' end,
          o.conrelid::regclass, o.conname, v.definition) || ${ofKey('i', 'x')}
      from pg_constraint o ${schemaOf('o', 'connamespace')}
      join pg_index i on i.indexrelid = o.conindid join pg_class x on x.oid = i.indexrelid
      cross join lateral (select pg_get_constraintdef(o.oid) as definition) v
      where ${asked} and o.contype in ('p', 'u', 'x') and not (i.indisexclusion and o.conparentid <> 0)
        and v.definition is not null`,
  },
  {
    catalog: 'pg_constraint',
    rank: ranks.key,
    sql: ({ asked }) => `select o.oid, n.nspname, o.conname, ltrim(concat(
        case when o.conname <> concat(c.relname, '_', case o.contype when 'p' then 'pkey' else (
            select string_agg(a.attname, '_' order by k.place) || '_excl' from unnest(o.conkey) with ordinality k (number, place)
            join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.number) end)
          then ${renamed('x', 'above.conindid', 'o.conrelid')} end, ${ofKey('i', 'x')}), E'\\n'),
        json_build_array(format('pg_constraint:%s', above.oid), format('pg_class:%s/attach', o.conrelid))
      from pg_constraint o ${schemaOf('o', 'connamespace')} join pg_class c on c.oid = o.conrelid
      join pg_constraint above on above.oid = o.conparentid
      join pg_index i on i.indexrelid = o.conindid join pg_class x on x.oid = i.indexrelid
      where ${asked} and o.contype in ('p', 'u', 'x') and i.indisexclusion`,
  },
  {
    // Those of partitions come with their parent's. As they were made: one to a partitioned table is given another for each
    // partition, with names that a later one may have.
    catalog: 'pg_constraint',
    rank: ranks.foreignKey,
    sql: ({ asked }) => `select o.oid, null, lpad(o.oid::text, 10, '0'),
        format('ALTER TABLE %s%s ADD CONSTRAINT %I ', case when c.relkind <> 'p' then 'ONLY ' end, o.conrelid::regclass,
          o.conname) || pg_get_constraintdef(o.oid) || ';'
      from pg_constraint o ${schemaOf('o', 'connamespace')} join pg_class c on c.oid = o.conrelid
      where ${asked} and o.contype = 'f' and o.conparentid = 0`,
  },
  {
    // Made with its name; another one is left from before the parent's was renamed, or from before it was attached.
    catalog: 'pg_constraint',
    rank: ranks.foreignKey,
    sql: ({ asked }) => `with recursive below (root, name, oid, conrelid) as (
        select k.oid, k.conname, k.oid, k.conrelid from pg_constraint k where k.contype = 'f' and k.conparentid = 0
          and exists (select from pg_class p where p.oid = k.conrelid and p.relkind = 'p')
        union
        -- The others are of a partitioned table that is referred to.
        select b.root, b.name, k.oid, k.conrelid from below b
          join pg_constraint k on k.conparentid = b.oid and k.conrelid <> b.conrelid
      )
      select o.oid, n.nspname, lpad(o.oid::text, 10, '0'),
        format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I;', o.conrelid::regclass, b.name, o.conname),
        json_build_array(format('pg_constraint:%s', b.root), format('pg_class:%s/attach', o.conrelid))
      from below b join pg_constraint o on o.oid = b.oid ${schemaOf('o', 'connamespace')}
      where ${asked} and o.conname <> b.name`,
  },
  {
    // A table cannot be made with what it was not checked against.
    catalog: 'pg_constraint',
    rank: ranks.check,
    sql: ({ asked }) => `select o.oid, n.nspname, o.conname,
        format('ALTER TABLE %s ADD CONSTRAINT %I ', o.conrelid::regclass, o.conname) || pg_get_constraintdef(o.oid) || ';'
      from pg_constraint o ${schemaOf('o', 'connamespace')}
      where ${asked} and o.conrelid <> 0 and o.contype in ('c', 'n') and not o.convalidated and o.conislocal`,
  },
  {
    // Its copies below come with it, as unchecked as it is; what is said of one of them finds it there.
    catalog: 'pg_constraint',
    rank: ranks.check,
    sql: ({ asked }) => `with recursive below (root, conname, contype, conrelid) as (
        select k.oid, k.conname, k.contype, k.conrelid from pg_constraint k
        where k.contype in ('c', 'n') and k.conrelid <> 0 and not k.convalidated and k.conislocal
        union
        select b.root, b.conname, b.contype, h.inhrelid from below b join pg_inherits h on h.inhparent = b.conrelid
      )
      select o.oid, n.nspname, o.conname, case when o.convalidated
          then format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', o.conrelid::regclass, o.conname) else '' end,
        json_agg(format('pg_constraint:%s', b.root))
      from below b
      join pg_constraint o on o.conrelid = b.conrelid and o.conname = b.conname and o.contype = b.contype
      ${schemaOf('o', 'connamespace')} join pg_class c on c.oid = o.conrelid
      where ${asked} and not o.conislocal and not (o.convalidated and c.relispartition)
      group by o.oid, n.nspname, o.conname, o.convalidated, o.conrelid`,
  },
  {
    catalog: 'pg_class',
    rank: ranks.index,
    sql: ({ asked }) => `select o.oid, n.nspname, o.relname, pg_get_indexdef(o.oid) || ';' || ${ofIndex('i', 'x')}
      from pg_class o ${schemaOf('o', 'relnamespace')} join pg_index i on i.indexrelid = o.oid
      cross join lateral (select o.oid, o.relname, o.relkind) x
      where ${asked} and o.relpersistence <> 't' and not (${invalid}) and not exists (
        select from pg_constraint k where k.conindid = o.oid and k.contype in ('p', 'u', 'x'))`,
  },
  {
    catalog: 'pg_class',
    rank: ranks.attachIndex,
    suffix: '/attach',
    sql: ({ asked }) => `select o.oid, n.nspname, o.relname,
        format('ALTER INDEX %s ATTACH PARTITION %s;', h.inhparent::regclass, o.oid::regclass),
        json_build_array(format('pg_class:%s', o.oid), format('pg_class:%s', h.inhparent))
      from pg_class o ${schemaOf('o', 'relnamespace')} join pg_inherits h on h.inhrelid = o.oid
      join pg_index i on i.indexrelid = o.oid
      where ${asked} and not i.indisexclusion`,
  },
  {
    catalog: 'pg_statistic_ext',
    rank: ranks.statistics,
    sql: ({ asked }) => `select o.oid, n.nspname, o.stxname, pg_get_statisticsobjdef(o.oid) || ';' ||
        case when o.stxstattarget >= 0
          then format(E'\\nALTER STATISTICS %I.%I SET STATISTICS %s;', n.nspname, o.stxname, o.stxstattarget) else '' end
      from pg_statistic_ext o ${schemaOf('o', 'stxnamespace')} where ${asked}`,
  },
];
