/** What is said of objects beside their own statements: comments, extensions that they go with, and what is left out. */
import { firstUserOid } from '../snapshot/oids.ts';
import type { Ask } from '../snapshot/source.ts';
import { addressesOf, type Scope } from './kind.ts';
import type { Address } from './object.ts';

export interface Remark {
  readonly of: Address;
  readonly sql: string;
}

const inSchema = (name: string, namespace: string): string =>
  `(select quote_ident(n.nspname) from pg_namespace n where n.oid = ${namespace}) || '.' || quote_ident(${name})`;
const byAccessMethod = (method: string): string =>
  `' USING ' || (select quote_ident(am.amname) from pg_am am where am.oid = ${method})`;

/**
 * How COMMENT ON and ALTER call an object `x` of a catalogue, or the column `part` of it. pg_identify_object tells most of
 * it, and may not be called in a hosted database, where it would tell names of others.
 */
const spoken: Record<string, string> = {
  pg_class: `case when part <> 0 then 'COLUMN ' || x.oid::regclass || '.' || (
      select quote_ident(a.attname) from pg_attribute a where a.attrelid = x.oid and a.attnum = part)
    else case x.relkind when 'v' then 'VIEW ' when 'm' then 'MATERIALIZED VIEW ' when 'S' then 'SEQUENCE '
      when 'f' then 'FOREIGN TABLE ' when 'i' then 'INDEX ' when 'I' then 'INDEX ' else 'TABLE ' end || x.oid::regclass end`,
  pg_proc: `case x.prokind when 'a' then 'AGGREGATE ' when 'p' then 'PROCEDURE ' else 'FUNCTION ' end
    || case when x.prokind = 'a' and x.pronargs = 0 then x.oid::regproc || '(*)' else x.oid::regprocedure::text end`,
  pg_type: `'TYPE ' || x.oid::regtype`,
  pg_constraint: `'CONSTRAINT ' || quote_ident(x.conname) || ' ON ' || case when x.contypid <> 0
    then 'DOMAIN ' || x.contypid::regtype else x.conrelid::regclass::text end`,
  pg_trigger: `'TRIGGER ' || quote_ident(x.tgname) || ' ON ' || x.tgrelid::regclass`,
  pg_rewrite: `'RULE ' || quote_ident(x.rulename) || ' ON ' || x.ev_class::regclass`,
  pg_policy: `'POLICY ' || quote_ident(x.polname) || ' ON ' || x.polrelid::regclass`,
  pg_namespace: `'SCHEMA ' || quote_ident(x.nspname)`,
  pg_extension: `'EXTENSION ' || quote_ident(x.extname)`,
  pg_language: `'LANGUAGE ' || quote_ident(x.lanname)`,
  pg_collation: `'COLLATION ' || x.oid::regcollation`,
  pg_conversion: `'CONVERSION ' || ${inSchema('x.conname', 'x.connamespace')}`,
  pg_am: `'ACCESS METHOD ' || quote_ident(x.amname)`,
  pg_cast: `'CAST (' || format_type(x.castsource, null) || ' AS ' || format_type(x.casttarget, null) || ')'`,
  pg_operator: `'OPERATOR ' || x.oid::regoperator`,
  pg_opfamily: `'OPERATOR FAMILY ' || ${inSchema('x.opfname', 'x.opfnamespace')} || ${byAccessMethod('x.opfmethod')}`,
  pg_opclass: `'OPERATOR CLASS ' || ${inSchema('x.opcname', 'x.opcnamespace')} || ${byAccessMethod('x.opcmethod')}`,
  pg_ts_parser: `'TEXT SEARCH PARSER ' || ${inSchema('x.prsname', 'x.prsnamespace')}`,
  pg_ts_template: `'TEXT SEARCH TEMPLATE ' || ${inSchema('x.tmplname', 'x.tmplnamespace')}`,
  pg_ts_dict: `'TEXT SEARCH DICTIONARY ' || x.oid::regdictionary`,
  pg_ts_config: `'TEXT SEARCH CONFIGURATION ' || x.oid::regconfig`,
  pg_foreign_data_wrapper: `'FOREIGN DATA WRAPPER ' || quote_ident(x.fdwname)`,
  pg_foreign_server: `'SERVER ' || quote_ident(x.srvname)`,
  pg_event_trigger: `'EVENT TRIGGER ' || quote_ident(x.evtname)`,
  pg_publication: `'PUBLICATION ' || quote_ident(x.pubname)`,
  pg_statistic_ext: `'STATISTICS ' || ${inSchema('x.stxname', 'x.stxnamespace')}`,
  pg_transform: `'TRANSFORM FOR ' || format_type(x.trftype, null) || ' LANGUAGE ' || (
    select quote_ident(l.lanname) from pg_language l where l.oid = x.trflang)`,
};

/** The name of an object of one catalogue by its oid; null where it is gone. */
export const nameIn = (catalog: string, objid: string, part = '0'): string =>
  `(select ${spoken[catalog]} from ${catalog} x cross join (select ${part} as part) p where x.oid = ${objid})`;

/** By its address; null where it has none, too. */
const named = (classid: string, objid: string, part: string): string =>
  `case ${classid} ${Object.keys(spoken)
    .map((catalog) => `when '${catalog}'::regclass then ${nameIn(catalog, objid, part)}`)
    .join('\n      ')} end`;

/** Of what the script is about; members of extensions have theirs from them. */
export async function readRemarks({ ask, chosen }: Scope): Promise<Remark[]> {
  const which = (classid: string, objid: string) =>
    chosen
      ? `(${classid}, ${objid}) in (select * from unnest($1::regclass[], $2::oid[]))`
      : `${objid} >= ${firstUserOid}`;
  const rows = await ask(
    `select r.catalog, r.oid, format('COMMENT ON %s IS %L;', r.name, r.description)
    from (
      select d.classoid::regclass as catalog, d.objoid as oid, ${named('d.classoid', 'd.objoid', 'd.objsubid')} as name, d.description
      from pg_description d
      where ${which('d.classoid', 'd.objoid')} and not exists (
        select from pg_depend e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')
    ) r where r.name is not null and r.name <> 'SCHEMA public'
    union all
    select r.catalog, r.oid, format('ALTER %s DEPENDS ON EXTENSION %I;', r.name, r.extname)
    from (
      select y.classid::regclass as catalog, y.objid as oid, ${named('y.classid', 'y.objid', '0')} as name, e.extname
      from pg_depend y join pg_extension e on e.oid = y.refobjid
      where y.deptype = 'x' and y.refclassid = 'pg_extension'::regclass and ${which('y.classid', 'y.objid')}
    ) r where r.name is not null
    order by 3`,
    chosen ? addressesOf(chosen) : [],
  );
  return rows.flatMap(([catalog, oid, sql]) => (sql ? [{ of: `${catalog}:${oid}`, sql }] : []));
}

const subscriptions = 'its connection string may hold a password';
const mappings = 'its options may hold a password';

/** What a script cannot make again, with the reason: one line each. */
export async function readLeftOut(ask: Ask): Promise<string[]> {
  const rows = await ask(
    `select 'subscription', quote_ident(s.subname), '${subscriptions}' from pg_subscription s
      where s.subdbid = (select b.datid from pg_stat_database b where b.datname = current_database())
    union all
    select 'user mapping', format('for %I on server %I', u.usename, u.srvname), '${mappings}' from pg_user_mappings u
    union all
    select 'index', i.indexrelid::regclass::text, 'it is not valid: it was never finished' from pg_index i
      join pg_class c on c.oid = i.indexrelid where not i.indisvalid and c.relkind = 'i' and c.oid >= 16384
    union all
    select 'partition', h.inhrelid::regclass::text, 'it is being detached from ' || h.inhparent::regclass from (
      select inhrelid, inhparent, to_jsonb(h) ->> 'inhdetachpending' as pending from pg_inherits h) h where h.pending = 'true'
    union all
    select 'security label', l.objtype || ' ' || l.objname, 'of the provider ' || l.provider from pg_seclabels l
      where l.objtype not in ('role', 'database', 'tablespace', 'large object')
    order by 1, 2`,
  );
  // A name may hold a line break, behind which it would be SQL.
  return rows.map(([kind, name, why]) => `-- Left out: ${kind} ${name}: ${why}.`.replace(/[\r\n]+/g, ' '));
}
