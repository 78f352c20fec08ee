/** What a table does on its own: triggers, and the policies that decide which rows a role sees. */
import type { Policy, QualifiedName, ReadOptions, Trigger } from '../../catalog.ts';
import { boolean, byName, type CatalogQuery, grouped, schemasAndNames, strings } from './rows.ts';
import { anyRelation, routineIdentity, targets } from './sql.ts';

type TriggerRow = [
  ordinal: string,
  name: string,
  tgtype: string,
  enabled: string,
  definition: string,
  functionSchema: string,
  functionName: string,
  functionIdentity: string,
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
    select t.ordinal, g.tgname, g.tgtype, g.tgenabled <> 'D', pg_get_triggerdef(g.oid), n.nspname, p.proname, ${routineIdentity('p')}
    from target t
    join pg_catalog.pg_trigger g on g.tgrelid = t.oid
    join pg_catalog.pg_proc p on p.oid = g.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where not g.tgisinternal
      or exists (select from pg_catalog.pg_trigger up where up.oid = g.tgparentid and not up.tgisinternal)`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, trigger).map((ofOne) => ofOne.sort(byName));
}

const trigger = ([, name, tgtype, enabled, definition, schema, functionName, identity]: TriggerRow): Trigger => ({
  name,
  ...firingOf(Number(tgtype)),
  enabled: boolean(enabled),
  definition,
  function: { schema, name: functionName, identity },
});

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
      pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
    from target t
    join pg_catalog.pg_policy p on p.polrelid = t.oid`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, policy).map((ofOne) => ofOne.sort(byName));
}

const policy = ([, name, polcmd, permissive, roles, using, check]: PolicyRow): Policy => ({
  name,
  command: commands[polcmd] ?? polcmd,
  permissive: boolean(permissive),
  roles: strings(roles),
  using,
  check,
});
