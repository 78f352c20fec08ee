/** Sequences that are not a column's identity, and the columns that own them. */
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { schemaOf, sequenceOptions } from './sql.ts';

export const sequences: readonly Kind[] = [
  {
    catalog: 'pg_class',
    rank: ranks.sequence,
    sql: ({ asked }) => `select o.oid, n.nspname, o.relname,
        format('CREATE %sSEQUENCE %I.%I%s%s;', case o.relpersistence when 'u' then 'UNLOGGED ' end, n.nspname, o.relname,
          case when s.seqtypid <> 'bigint'::regtype then ' AS ' || s.seqtypid::regtype end, ${sequenceOptions('s')})
      from pg_class o ${schemaOf('o', 'relnamespace')} join pg_sequence s on s.seqrelid = o.oid
      where ${asked} and o.relkind = 'S' and o.relpersistence <> 't' and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = o.oid
          and d.refclassid = 'pg_class'::regclass and d.deptype = 'i')`,
  },
  {
    catalog: 'pg_class',
    rank: ranks.ownedBy,
    suffix: '/owner',
    sql: ({ asked }) => `select o.oid, n.nspname, o.relname,
        format('ALTER SEQUENCE %s OWNED BY %s.%I;', o.oid::regclass, d.refobjid::regclass, a.attname),
        json_build_array(format('pg_class:%s', o.oid), format('pg_class:%s', d.refobjid))
      from pg_class o ${schemaOf('o', 'relnamespace')}
      join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = o.oid and d.objsubid = 0
        and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype = 'a'
      join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where ${asked} and o.relkind = 'S' and o.relpersistence <> 't'`,
  },
];
