/** What a table does on its own: triggers, rules, and the policies that decide which rows a role sees. */
import type { Enabled, Policy, QualifiedName, ReadOptions, RewriteRule, Trigger } from '../../catalog.ts';
import { boolean, byName, type CatalogQuery, grouped, schemasAndNames, strings } from './rows.ts';
import { anyRelation, description, notTracking, routineIdentity, targets } from './sql.ts';

type TriggerRow = [
  ordinal: string,
  name: string,
  tgtype: string,
  enabled: string,
  definition: string,
  functionSchema: string,
  functionName: string,
  functionIdentity: string,
  comment: string | null,
];

/** Bits of pg_trigger.tgtype, as in PostgreSQL's catalog/pg_trigger.h. */
const bits = { row: 1, before: 2, insert: 4, delete: 8, update: 16, truncate: 32, insteadOf: 64 };
const events = ['insert', 'update', 'delete', 'truncate'] as const;

export async function readTriggers(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Trigger[][]> {
  // Before 15 the copies that partitions have of their parent's triggers were marked internal.
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, g.tgname, g.tgtype, g.tgenabled, pg_get_triggerdef(g.oid), n.nspname, p.proname, ${routineIdentity('p')},
      d.description
    from target t
    join pg_catalog.pg_trigger g on g.tgrelid = t.oid
    join pg_catalog.pg_proc p on p.oid = g.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    ${description('d', 'pg_trigger', 'g.oid')}
    where (not g.tgisinternal
      or exists (select from pg_catalog.pg_trigger up where up.oid = g.tgparentid and not up.tgisinternal))
      and ${notTracking('g.tgfoid')}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, trigger).map((ofOne) => ofOne.sort(byName));
}

const trigger = ([
  ,
  name,
  tgtype,
  enabled,
  definition,
  schema,
  functionName,
  identity,
  comment,
]: TriggerRow): Trigger => ({
  name,
  ...firingOf(Number(tgtype)),
  enabled: enabled !== 'D',
  fires: firesOf(enabled),
  definition,
  function: { schema, name: functionName, identity },
  comment,
});

const firings: Record<string, Enabled> = { O: 'ORIGIN', A: 'ALWAYS', R: 'REPLICA', D: 'DISABLED' };
export const firesOf = (code: string): Enabled => firings[code] ?? 'ORIGIN';

/** When a trigger fires, of its tgtype. */
export function firingOf(type: number): Pick<Trigger, 'timing' | 'events' | 'level'> {
  const has = (bit: keyof typeof bits) => (type & bits[bit]) !== 0;
  return {
    timing: has('before') ? 'BEFORE' : has('insteadOf') ? 'INSTEAD OF' : 'AFTER',
    events: events.filter(has).map((event) => event.toUpperCase()),
    level: has('row') ? 'ROW' : 'STATEMENT',
  };
}

type PolicyRow = [
  ordinal: string,
  name: string,
  polcmd: string,
  permissive: string,
  roles: string | null,
  using: string | null,
  check: string | null,
  comment: string | null,
];

export const commands: Record<string, string> = { '*': 'ALL', r: 'SELECT', a: 'INSERT', w: 'UPDATE', d: 'DELETE' };

export async function readPolicies(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Policy[][]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, p.polname, p.polcmd, p.polpermissive,
      (select json_agg(case when r.oid = 0 then 'public' else pg_get_userbyid(r.oid) end order by r.place)
       from unnest(p.polroles) with ordinality r (oid, place)),
      pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), d.description
    from target t
    join pg_catalog.pg_policy p on p.polrelid = t.oid
    ${description('d', 'pg_policy', 'p.oid')}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, policy).map((ofOne) => ofOne.sort(byName));
}

const policy = ([, name, polcmd, permissive, roles, using, check, comment]: PolicyRow): Policy => ({
  name,
  command: commands[polcmd] ?? polcmd,
  permissive: boolean(permissive),
  roles: strings(roles),
  using,
  check,
  comment,
});

type RuleRow = [ordinal: string, name: string, enabled: string, definition: string, comment: string | null];

export async function readRules(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<RewriteRule[][]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, r.rulename, r.ev_enabled, pg_get_ruledef(r.oid), d.description
    from target t
    join pg_catalog.pg_rewrite r on r.ev_class = t.oid and r.rulename <> '_RETURN'
    ${description('d', 'pg_rewrite', 'r.oid')}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, rule).map((ofOne) => ofOne.sort(byName));
}

const rule = ([, name, enabled, definition, comment]: RuleRow): RewriteRule => ({
  name,
  fires: firesOf(enabled),
  definition,
  comment,
});
