/** Types: enums, domains, composite types, ranges, base types, and shells of those that are not there yet. */
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { functionOrNull, schemaOf, setting } from './sql.ts';

const collation = (own: string, ofType: string): string =>
  `case when ${own} <> 0 and ${own} <> coalesce(${ofType}, 0) then ' COLLATE ' || ${own}::regcollation else '' end`;

const enumType = `format('CREATE TYPE %I.%I AS ENUM (%s);', n.nspname, o.typname, (
  select string_agg(E'\\n    ' || quote_literal(e.enumlabel), ',' order by e.enumsortorder) || E'\\n'
  from pg_enum e where e.enumtypid = o.oid))`;

/** Since 17 a domain's NOT NULL has a name; it is written where it is not the one that it would be given. */
const domain = `format('CREATE DOMAIN %I.%I AS %s%s;', n.nspname, o.typname, format_type(o.typbasetype, o.typtypmod), concat(
  ${collation('o.typcollation', '(select b.typcollation from pg_type b where b.oid = o.typbasetype)')},
  ' DEFAULT ' || coalesce(pg_get_expr(o.typdefaultbin, 'pg_type'::regclass), quote_literal(o.typdefault)),
  coalesce((
    select case when k.conname = o.typname || '_not_null' then ' NOT NULL' else format(' CONSTRAINT %I NOT NULL', k.conname) end
    from pg_constraint k where k.contypid = o.oid and k.contype = 'n'),
    case when o.typnotnull then ' NOT NULL' end),
  (select string_agg(format(E'\\n    CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), '' order by k.conname)
   from pg_constraint k where k.contypid = o.oid and k.contype = 'c' and k.convalidated)))`;

const composite = `format('CREATE TYPE %I.%I AS (%s);', n.nspname, o.typname, (
  select string_agg(format(E'\\n    %I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    ${collation('a.attcollation', '(select b.typcollation from pg_type b where b.oid = a.atttypid)')}), ',' order by a.attnum) || E'\\n'
  from pg_attribute a where a.attrelid = o.typrelid and a.attnum > 0 and not a.attisdropped))`;

const range = (version: number): string => `(
  select format(E'CREATE TYPE %I.%I AS RANGE (\\n    %s\\n);', n.nspname, o.typname, concat_ws(E',\\n    ',
    ${setting('subtype', 'format_type(r.rngsubtype, null)')},
    ${version >= 140_000 ? `'multirange_type_name = ' || r.rngmultitypid::regtype` : 'null'},
    case when not opc.opcdefault then format('subtype_opclass = %I.%I', opcn.nspname, opc.opcname) end,
    case when r.rngcollation <> 0 and r.rngcollation <> st.typcollation then 'collation = ' || r.rngcollation::regcollation end,
    ${setting('canonical', functionOrNull('r.rngcanonical'))},
    ${setting('subtype_diff', functionOrNull('r.rngsubdiff'))}))
  from pg_range r join pg_type st on st.oid = r.rngsubtype
  join pg_opclass opc on opc.oid = r.rngsubopc join pg_namespace opcn on opcn.oid = opc.opcnamespace
  where r.rngtypid = o.oid)`;

const base = (
  version: number,
): string => `format(E'CREATE TYPE %I.%I (\\n    %s\\n);', n.nspname, o.typname, concat_ws(E',\\n    ',
  ${setting('INPUT', 'o.typinput')}, ${setting('OUTPUT', 'o.typoutput')},
  ${setting('RECEIVE', functionOrNull('o.typreceive'))}, ${setting('SEND', functionOrNull('o.typsend'))},
  ${setting('TYPMOD_IN', functionOrNull('o.typmodin'))}, ${setting('TYPMOD_OUT', functionOrNull('o.typmodout'))},
  ${setting('ANALYZE', functionOrNull('o.typanalyze'))},
  ${version >= 140_000 ? setting('SUBSCRIPT', functionOrNull('o.typsubscript')) : 'null'},
  'INTERNALLENGTH = ' || case o.typlen when -1 then 'VARIABLE' else o.typlen::text end,
  case when o.typbyval then 'PASSEDBYVALUE' end,
  'ALIGNMENT = ' || case o.typalign when 'c' then 'char' when 's' then 'int2' when 'i' then 'int4' else 'double' end,
  'STORAGE = ' || case o.typstorage when 'p' then 'plain' when 'e' then 'external' when 'x' then 'extended' else 'main' end,
  case when o.typcategory <> 'U' then 'CATEGORY = ' || quote_literal(o.typcategory::text) end,
  case when o.typispreferred then 'PREFERRED = true' end,
  'DEFAULT = ' || quote_literal(o.typdefault),
  case when o.typelem <> 0 then 'ELEMENT = ' || format_type(o.typelem, null) end,
  case when o.typdelim <> ',' then 'DELIMITER = ' || quote_literal(o.typdelim::text) end,
  case when o.typcollation <> 0 then 'COLLATABLE = true' end))`;

/** Not the types of rows and not those of arrays: they come with what they are of. */
const onItsOwn = `(o.typrelid = 0 or (select relkind from pg_class c where c.oid = o.typrelid) = 'c')
  and not exists (select from pg_type el where el.typarray = o.oid)`;

/** Functions that a type is made of take or give it: they are made between its shell and itself. */
const needsShell = `(o.typtype = 'b' and o.typisdefined
  or exists (select from pg_range r where r.rngtypid = o.oid and r.rngcanonical::oid <> 0))`;

export const shellSuffix = '/shell';

export const types: readonly Kind[] = [
  {
    catalog: 'pg_type',
    rank: ranks.shell,
    suffix: shellSuffix,
    sql: ({ asked }) => `select o.oid, n.nspname, o.typname, format('CREATE TYPE %I.%I;', n.nspname, o.typname)
      from pg_type o ${schemaOf('o', 'typnamespace')} where ${asked} and ${onItsOwn} and ${needsShell}`,
  },
  {
    catalog: 'pg_type',
    rank: ranks.type,
    sql: ({ asked, version }) => `select o.oid, n.nspname, o.typname, case
        when not o.typisdefined then format('CREATE TYPE %I.%I;', n.nspname, o.typname)
        when o.typtype = 'e' then ${enumType} when o.typtype = 'd' then ${domain} when o.typtype = 'c' then ${composite}
        when o.typtype = 'r' then ${range(version)} else ${base(version)} end,
        case when ${needsShell} then json_build_array(format('pg_type:%s${shellSuffix}', o.oid)) end
      from pg_type o ${schemaOf('o', 'typnamespace')}
      where ${asked} and o.typtype in ('b', 'c', 'd', 'e', 'p', 'r') and ${onItsOwn}`,
  },
  {
    // Written on its own, since a domain cannot be made with it.
    catalog: 'pg_constraint',
    rank: ranks.check,
    sql: ({ asked }) => `select o.oid, n.nspname, o.conname,
        format('ALTER DOMAIN %s ADD CONSTRAINT %I ', o.contypid::regtype, o.conname) || pg_get_constraintdef(o.oid) || ';'
      from pg_constraint o ${schemaOf('o', 'connamespace')}
      where ${asked} and o.contypid <> 0 and o.contype = 'c' and not o.convalidated`,
  },
];
