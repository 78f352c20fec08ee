/** Functions, procedures and aggregates, and what is made of them: operators with their classes, casts. */
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { functionOrNull, schemaOf, setting } from './sql.ts';

const operator = (oid: string): string =>
  `(select format('OPERATOR(%I.%s)', rn.nspname, r.oprname) from pg_operator r join pg_namespace rn on rn.oid = r.oprnamespace where r.oid = ${oid})`;

const finalModify = (word: string, value: string): string =>
  `case when ${value} <> case a.aggkind when 'n' then 'r' else 'w' end
    then '${word} = ' || case ${value} when 'r' then 'READ_ONLY' when 's' then 'SHAREABLE' else 'READ_WRITE' end end`;

const aggregate = `format(E'CREATE AGGREGATE %I.%I(%s) (\\n    %s\\n);', n.nspname, o.proname,
  coalesce(nullif(pg_get_function_arguments(o.oid), ''), '*'), concat_ws(E',\\n    ',
  ${setting('SFUNC', 'a.aggtransfn')}, ${setting('STYPE', 'format_type(a.aggtranstype, null)')},
  case when a.aggtransspace <> 0 then 'SSPACE = ' || a.aggtransspace end,
  ${setting('FINALFUNC', functionOrNull('a.aggfinalfn'))}, case when a.aggfinalextra then 'FINALFUNC_EXTRA' end,
  ${finalModify('FINALFUNC_MODIFY', 'a.aggfinalmodify')},
  ${setting('COMBINEFUNC', functionOrNull('a.aggcombinefn'))}, ${setting('SERIALFUNC', functionOrNull('a.aggserialfn'))},
  ${setting('DESERIALFUNC', functionOrNull('a.aggdeserialfn'))}, 'INITCOND = ' || quote_literal(a.agginitval),
  ${setting('MSFUNC', functionOrNull('a.aggmtransfn'))}, ${setting('MINVFUNC', functionOrNull('a.aggminvtransfn'))},
  case when a.aggmtranstype <> 0 then 'MSTYPE = ' || format_type(a.aggmtranstype, null) end,
  case when a.aggmtransspace <> 0 then 'MSSPACE = ' || a.aggmtransspace end,
  ${setting('MFINALFUNC', functionOrNull('a.aggmfinalfn'))}, case when a.aggmfinalextra then 'MFINALFUNC_EXTRA' end,
  case when a.aggmtransfn::oid <> 0 then ${finalModify('MFINALFUNC_MODIFY', 'a.aggmfinalmodify')} end,
  'MINITCOND = ' || quote_literal(a.aggminitval),
  'SORTOP = ' || ${operator('a.aggsortop')},
  case o.proparallel when 's' then 'PARALLEL = SAFE' when 'r' then 'PARALLEL = RESTRICTED' end,
  case when a.aggkind = 'h' then 'HYPOTHETICAL' end))`;

/** The operators and functions of a class, or those that a family has beside its classes. */
const members = (owner: 'pg_opclass' | 'pg_opfamily'): string => {
  const belongs = (catalog: string, oid: string) => `exists (
    select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid}
      and d.refclassid = '${owner}'::regclass and d.refobjid = o.oid)`;
  const family = owner === 'pg_opclass' ? 'o.opcfamily' : 'o.oid';
  return `(
    select string_agg(E'\\n    ' || m.line, ',' order by m.line)
    from (
      select format('OPERATOR %s %s%s', x.amopstrategy, x.amopopr::regoperator,
        case when x.amopsortfamily <> 0 then (
          select format(' FOR ORDER BY %I.%I', sn.nspname, s.opfname)
          from pg_opfamily s join pg_namespace sn on sn.oid = s.opfnamespace where s.oid = x.amopsortfamily) end) as line
      from pg_amop x where x.amopfamily = ${family} and ${belongs('pg_amop', 'x.oid')}
      union all
      select format('FUNCTION %s (%s, %s) %s', x.amprocnum, format_type(x.amproclefttype, null),
        format_type(x.amprocrighttype, null), x.amproc::regprocedure)
      from pg_amproc x where x.amprocfamily = ${family} and ${belongs('pg_amproc', 'x.oid')}
    ) m)`;
};

export const routines: readonly Kind[] = [
  {
    catalog: 'pg_proc',
    locks: true,
    rank: ranks.routine,
    sql: ({ asked }) => `select o.oid, n.nspname, o.proname,
        regexp_replace(rtrim(pg_get_functiondef(o.oid), E'\\n'), '^CREATE OR REPLACE', 'CREATE') || ';'
      from pg_proc o ${schemaOf('o', 'pronamespace')} 
      -- What constructs a range comes with its type.
      where ${asked} and o.prokind <> 'a' and not exists (
        select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = o.oid and d.deptype = 'i')`,
  },
  {
    catalog: 'pg_proc',
    rank: ranks.aggregate,
    sql: ({ asked }) => `select o.oid, n.nspname, o.proname, ${aggregate}
      from pg_proc o ${schemaOf('o', 'pronamespace')} join pg_aggregate a on a.aggfnoid = o.oid where ${asked}`,
  },
  {
    // One that is only promised, as somebody's commutator, comes with what promises it.
    catalog: 'pg_operator',
    rank: ranks.operator,
    sql: ({ asked }) => `select o.oid, n.nspname, o.oprname,
        format(E'CREATE OPERATOR %I.%s (\\n    %s\\n);', n.nspname, o.oprname, concat_ws(E',\\n    ',
          ${setting('FUNCTION', 'o.oprcode')},
          ${setting('LEFTARG', `nullif(o.oprleft, 0)::regtype`)}, ${setting('RIGHTARG', `nullif(o.oprright, 0)::regtype`)},
          ${setting('COMMUTATOR', operator('o.oprcom'))}, ${setting('NEGATOR', operator('o.oprnegate'))},
          ${setting('RESTRICT', functionOrNull('o.oprrest'))}, ${setting('JOIN', functionOrNull('o.oprjoin'))},
          case when o.oprcanhash then 'HASHES' end, case when o.oprcanmerge then 'MERGES' end))
      from pg_operator o ${schemaOf('o', 'oprnamespace')} where ${asked} and o.oprcode::oid <> 0`,
  },
  {
    catalog: 'pg_opfamily',
    rank: ranks.operatorFamily,
    sql: ({ asked }) => `select o.oid, n.nspname, o.opfname,
        format('CREATE OPERATOR FAMILY %I.%I USING %I;', n.nspname, o.opfname, am.amname)
      from pg_opfamily o ${schemaOf('o', 'opfnamespace')} join pg_am am on am.oid = o.opfmethod where ${asked}`,
  },
  {
    catalog: 'pg_opfamily',
    suffix: '/members',
    rank: ranks.operatorClass,
    sql: ({ asked }) => `select f.oid, f.nspname, f.opfname,
        format('ALTER OPERATOR FAMILY %I.%I USING %I ADD%s;', f.nspname, f.opfname, f.amname, f.members), f.needs
      from (
        select o.oid, n.nspname, o.opfname, am.amname, ${members('pg_opfamily')} as members,
          (select json_agg(format('%s:%s', d.refclassid::regclass, d.refobjid)) from pg_depend d
           where d.refobjid >= 16384 and (d.classid, d.objid) in (
             select l.classid, l.objid from pg_depend l
             where l.refclassid = 'pg_opfamily'::regclass and l.refobjid = o.oid
               and l.classid in ('pg_amop'::regclass, 'pg_amproc'::regclass))) as needs
        from pg_opfamily o ${schemaOf('o', 'opfnamespace')} join pg_am am on am.oid = o.opfmethod where ${asked}
      ) f where f.members is not null`,
  },
  {
    catalog: 'pg_opclass',
    rank: ranks.operatorClass,
    sql: ({ asked }) => `select o.oid, n.nspname, o.opcname,
        format('CREATE OPERATOR CLASS %I.%I%s FOR TYPE %s USING %I FAMILY %I.%I AS%s;', n.nspname, o.opcname,
          case when o.opcdefault then ' DEFAULT' end, o.opcintype::regtype, am.amname, fn.nspname, f.opfname,
          concat_ws(',',
            case when o.opckeytype <> 0 or m.members is null
              then E'\\n    STORAGE ' || coalesce(nullif(o.opckeytype, 0), o.opcintype)::regtype end, m.members))
      from pg_opclass o ${schemaOf('o', 'opcnamespace')} join pg_am am on am.oid = o.opcmethod
      join pg_opfamily f on f.oid = o.opcfamily join pg_namespace fn on fn.oid = f.opfnamespace
      cross join lateral (select ${members('pg_opclass')} as members) m where ${asked}`,
  },
  {
    catalog: 'pg_cast',
    rank: ranks.cast,
    sql: ({ asked }) => `select o.oid, null, format('%s %s', o.castsource::regtype, o.casttarget::regtype),
        format('CREATE CAST (%s AS %s) %s%s;', format_type(o.castsource, null), format_type(o.casttarget, null),
          case o.castmethod when 'f' then 'WITH FUNCTION ' || o.castfunc::regprocedure
            when 'i' then 'WITH INOUT' else 'WITHOUT FUNCTION' end,
          case o.castcontext when 'a' then ' AS ASSIGNMENT' when 'i' then ' AS IMPLICIT' end)
      from pg_cast o
      -- One from a range to its multirange comes with the types.
      where ${asked} and not exists (
        select from pg_depend d where d.classid = 'pg_cast'::regclass and d.objid = o.oid and d.deptype = 'i')`,
  },
];
