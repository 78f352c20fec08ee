/** What happens when rows are touched: rules, triggers, row security; and when objects are: event triggers. */
import { notTracking } from '../catalog/sql.ts';
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { schemaOf } from './sql.ts';

/** `ALTER … ENABLE` where it is not simply enabled. O, the usual: with the session's own role alone. */
const state = (column: string, prefix: string, suffix: string): string => `case ${column}
  when 'O' then '' else E'\\n' || ${prefix} || case ${column}
    when 'D' then 'DISABLE' when 'A' then 'ENABLE ALWAYS' when 'R' then 'ENABLE REPLICA' else 'ENABLE' end || ${suffix} || ';' end`;

const commands = `case o.polcmd when 'r' then ' FOR SELECT' when 'a' then ' FOR INSERT' when 'w' then ' FOR UPDATE'
  when 'd' then ' FOR DELETE' end`;

export const rules: readonly Kind[] = [
  {
    catalog: 'pg_rewrite',
    locks: true,
    rank: ranks.rule,
    sql: ({ asked }) => `select o.oid, n.nspname, o.rulename, pg_get_ruledef(o.oid) || ${state(
      'o.ev_enabled',
      `format('ALTER TABLE %s ', o.ev_class::regclass)`,
      `format(' RULE %I', o.rulename)`,
    )}
      from pg_rewrite o join pg_class c on c.oid = o.ev_class ${schemaOf('c', 'relnamespace')}
      where ${asked} and o.rulename <> '_RETURN'`,
  },
  {
    // Partitions have their parent's, made with it. Before 15 those were marked as internal.
    catalog: 'pg_trigger',
    rank: ranks.trigger,
    sql: ({ asked }) => `select o.oid, n.nspname, o.tgname, pg_get_triggerdef(o.oid) || ';' || ${state(
      'o.tgenabled',
      `format('ALTER TABLE %s ', o.tgrelid::regclass)`,
      `format(' TRIGGER %I', o.tgname)`,
    )}
      from pg_trigger o join pg_class c on c.oid = o.tgrelid ${schemaOf('c', 'relnamespace')}
      where ${asked} and not o.tgisinternal and o.tgparentid = 0 and ${notTracking('o.tgfoid')}`,
  },
  {
    catalog: 'pg_trigger',
    rank: ranks.policy,
    sql: ({ asked }) => `select o.oid, n.nspname, o.tgname, format('ALTER TABLE %s %s TRIGGER %I;', o.tgrelid::regclass,
        case o.tgenabled when 'D' then 'DISABLE' when 'A' then 'ENABLE ALWAYS' when 'R' then 'ENABLE REPLICA' else 'ENABLE' end,
        o.tgname), json_build_array(format('pg_trigger:%s', o.tgparentid))
      from pg_trigger o join pg_class c on c.oid = o.tgrelid ${schemaOf('c', 'relnamespace')}
      join pg_trigger p on p.oid = o.tgparentid
      where ${asked} and o.tgenabled <> p.tgenabled and ${notTracking('o.tgfoid')}`,
  },
  {
    // The roles stay, though they are the server's: without them the policy would be everybody's.
    catalog: 'pg_policy',
    rank: ranks.policy,
    sql: ({
      asked,
    }) => `select o.oid, n.nspname, o.polname, format('CREATE POLICY %I ON %s%s;', o.polname, o.polrelid::regclass, concat(
        case when not o.polpermissive then ' AS RESTRICTIVE' end, ${commands},
        case when o.polroles <> '{0}' then (
          select ' TO ' || string_agg(case r when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(r)) end, ', ' order by r)
          from unnest(o.polroles) r) end,
        ' USING (' || pg_get_expr(o.polqual, o.polrelid) || ')',
        ' WITH CHECK (' || pg_get_expr(o.polwithcheck, o.polrelid) || ')'))
      from pg_policy o join pg_class c on c.oid = o.polrelid ${schemaOf('c', 'relnamespace')} where ${asked}`,
  },
  {
    catalog: 'pg_event_trigger',
    rank: ranks.eventTrigger,
    sql: ({
      asked,
    }) => `select o.oid, null, o.evtname, format('CREATE EVENT TRIGGER %I ON %s%s EXECUTE FUNCTION %s();', o.evtname,
        o.evtevent, (select ' WHEN TAG IN (' || string_agg(quote_literal(t), ', ') || ')' from unnest(o.evttags) t),
        o.evtfoid::regproc) || ${state('o.evtenabled', `format('ALTER EVENT TRIGGER %I ', o.evtname)`, `''`)}
      from pg_event_trigger o where ${asked} and ${notTracking('o.evtfoid')}`,
  },
];
