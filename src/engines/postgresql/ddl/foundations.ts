/** What others stand on: schemas, extensions, languages, collations, access methods. */
import { notSystem } from '../catalog/sql.ts';
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { functionOrNull, schemaOf, setting } from './sql.ts';

/** The one that every new database has: only its comment can differ. */
const publicComment = 'standard public schema';

export const foundations: readonly Kind[] = [
  {
    catalog: 'pg_namespace',
    rank: ranks.schema,
    sql: ({ asked }) => `select o.oid, o.nspname, '', case
        when o.nspname <> 'public' then format('CREATE SCHEMA %I;', o.nspname)
        when obj_description(o.oid, 'pg_namespace') is null then 'COMMENT ON SCHEMA public IS NULL;'
        when obj_description(o.oid, 'pg_namespace') = '${publicComment}' then ''
        else format('COMMENT ON SCHEMA public IS %L;', obj_description(o.oid, 'pg_namespace')) end
      from pg_namespace o
      where (${asked} or o.nspname = 'public') and ${notSystem('o')}`,
  },
  {
    catalog: 'pg_extension',
    rank: ranks.extension,
    sql: ({ asked }) => `select o.oid, n.nspname, o.extname,
        format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I;', o.extname, n.nspname) ||
          -- It comes with one.
          case when obj_description(o.oid, 'pg_extension') is null
            then format(E'\\nCOMMENT ON EXTENSION %I IS NULL;', o.extname) else '' end
      from pg_extension o join pg_namespace n on n.oid = o.extnamespace where ${asked}`,
  },
  {
    catalog: 'pg_language',
    rank: ranks.language,
    sql: ({ asked }) => `select o.oid, null, o.lanname,
        format('CREATE %sLANGUAGE %I%s;', case when o.lanpltrusted then 'TRUSTED ' else '' end, o.lanname, concat(
          ' HANDLER ' || ${functionOrNull('o.lanplcallfoid')}, ' INLINE ' || ${functionOrNull('o.laninline')},
          ' VALIDATOR ' || ${functionOrNull('o.lanvalidator')}))
      from pg_language o where ${asked} and o.lanplcallfoid <> 0`,
  },
  {
    catalog: 'pg_collation',
    rank: ranks.collation,
    sql: ({ asked }) => `select o.oid, n.nspname, o.collname,
        format('CREATE COLLATION %I.%I (%s);', n.nspname, o.collname, concat_ws(', ',
          'provider = ' || case o.collprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end,
          case when not o.collisdeterministic then 'deterministic = false' end,
          case when j.locale is not null then 'locale = ' || quote_literal(j.locale)
            when o.collcollate = o.collctype then 'locale = ' || quote_literal(o.collcollate)
            else 'lc_collate = ' || quote_literal(o.collcollate) || ', lc_ctype = ' || quote_literal(o.collctype) end,
          'rules = ' || quote_literal(j.rules)))
      from pg_collation o ${schemaOf('o', 'collnamespace')}
      cross join lateral (
        -- ICU's locale moved twice; before 15 it was in collcollate.
        select coalesce(to_jsonb(o) ->> 'colllocale', to_jsonb(o) ->> 'colliculocale') as locale,
          to_jsonb(o) ->> 'collicurules' as rules
      ) j where ${asked}`,
  },
  {
    catalog: 'pg_am',
    rank: ranks.accessMethod,
    sql: ({ asked }) => `select o.oid, null, o.amname,
        format('CREATE ACCESS METHOD %I TYPE %s HANDLER %s;', o.amname,
          case o.amtype when 't' then 'TABLE' else 'INDEX' end, o.amhandler)
      from pg_am o where ${asked}`,
  },
  {
    catalog: 'pg_conversion',
    rank: ranks.conversion,
    sql: ({ asked }) => `select o.oid, n.nspname, o.conname,
        format('CREATE %sCONVERSION %I.%I FOR %L TO %L FROM %s;', case when o.condefault then 'DEFAULT ' else '' end,
          n.nspname, o.conname, pg_encoding_to_char(o.conforencoding), pg_encoding_to_char(o.contoencoding), o.conproc)
      from pg_conversion o ${schemaOf('o', 'connamespace')} where ${asked}`,
  },
  {
    catalog: 'pg_transform',
    rank: ranks.transform,
    sql: ({ asked }) => `select o.oid, null, l.lanname,
        format('CREATE TRANSFORM FOR %s LANGUAGE %I (%s);', format_type(o.trftype, null), l.lanname, concat_ws(', ',
          'FROM SQL WITH FUNCTION ' || nullif(o.trffromsql::oid, 0)::regprocedure,
          'TO SQL WITH FUNCTION ' || nullif(o.trftosql::oid, 0)::regprocedure))
      from pg_transform o join pg_language l on l.oid = o.trflang where ${asked}`,
  },
  {
    catalog: 'pg_ts_parser',
    rank: ranks.textSearch,
    sql: ({ asked }) => `select o.oid, n.nspname, o.prsname,
        format('CREATE TEXT SEARCH PARSER %I.%I (%s);', n.nspname, o.prsname, concat_ws(', ',
          ${setting('START', 'o.prsstart')}, ${setting('GETTOKEN', 'o.prstoken')}, ${setting('END', 'o.prsend')},
          ${setting('HEADLINE', functionOrNull('o.prsheadline'))}, ${setting('LEXTYPES', 'o.prslextype')}))
      from pg_ts_parser o ${schemaOf('o', 'prsnamespace')} where ${asked}`,
  },
  {
    catalog: 'pg_ts_template',
    rank: ranks.textSearch,
    sql: ({ asked }) => `select o.oid, n.nspname, o.tmplname,
        format('CREATE TEXT SEARCH TEMPLATE %I.%I (%s);', n.nspname, o.tmplname, concat_ws(', ',
          ${setting('INIT', functionOrNull('o.tmplinit'))}, ${setting('LEXIZE', 'o.tmpllexize')}))
      from pg_ts_template o ${schemaOf('o', 'tmplnamespace')} where ${asked}`,
  },
  {
    catalog: 'pg_ts_dict',
    rank: ranks.textSearch,
    sql: ({ asked }) => `select o.oid, n.nspname, o.dictname,
        format('CREATE TEXT SEARCH DICTIONARY %I.%I (%s);', n.nspname, o.dictname,
          concat_ws(', ', format('TEMPLATE = %I.%I', tn.nspname, t.tmplname), o.dictinitoption))
      from pg_ts_dict o ${schemaOf('o', 'dictnamespace')}
      join pg_ts_template t on t.oid = o.dicttemplate join pg_namespace tn on tn.oid = t.tmplnamespace where ${asked}`,
  },
  {
    catalog: 'pg_ts_config',
    rank: ranks.textSearch,
    sql: ({ asked }) => `select o.oid, n.nspname, o.cfgname, concat_ws(E'\\n',
        format('CREATE TEXT SEARCH CONFIGURATION %I.%I (PARSER = %I.%I);', n.nspname, o.cfgname, pn.nspname, p.prsname), (
          select string_agg(format('ALTER TEXT SEARCH CONFIGURATION %I.%I ADD MAPPING FOR %I WITH %s;',
            n.nspname, o.cfgname, m.alias, m.dictionaries), E'\\n' order by m.tokid)
          from (
            select t.alias, t.tokid, string_agg(m.mapdict::regdictionary::text, ', ' order by m.mapseqno) as dictionaries
            from pg_ts_config_map m join ts_token_type(o.cfgparser) t on t.tokid = m.maptokentype
            where m.mapcfg = o.oid group by t.alias, t.tokid) m))
      from pg_ts_config o ${schemaOf('o', 'cfgnamespace')}
      join pg_ts_parser p on p.oid = o.cfgparser join pg_namespace pn on pn.oid = p.prsnamespace where ${asked}`,
  },
];
