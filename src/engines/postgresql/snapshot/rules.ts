/** What relations do on their own: triggers, policies, rules; and the statistics that are gathered of them. */
import type { RoutineName } from '../../catalog.ts';
import type { Rule, SnapshotPolicy, SnapshotStatistics, SnapshotTrigger } from '../../snapshot.ts';
import { boolean, byName, strings } from '../catalog/rows.ts';
import { commands, firesOf, firingOf } from '../catalog/rules.ts';
import { notTracking, routineIdentity } from '../catalog/sql.ts';
import { askAbout, askPrinted, groupedBy, type Source } from './source.ts';

export interface RuleParts {
  triggers(relation: string): SnapshotTrigger[];
  policies(relation: string): SnapshotPolicy[];
  rules(relation: string): Rule[];
  statistics(relation: string): SnapshotStatistics[];
}

type TriggerRow = [
  relation: string,
  oid: string,
  name: string,
  tgtype: string,
  enabled: string,
  definition: string,
  fn: string,
  parent: string | null,
];

type PolicyRow = [
  relation: string,
  oid: string,
  name: string,
  polcmd: string,
  permissive: string,
  roles: string | null,
  using: string | null,
  check: string | null,
];

type RuleRow = [relation: string, oid: string, name: string, enabled: string];

type StatisticsRow = [
  relation: string,
  oid: string,
  schema: string,
  name: string,
  owner: string | null,
  definition: string,
  target: string | null,
];

export async function readRuleParts(source: Source): Promise<RuleParts> {
  const { ask, askWhereAny, schemaIds } = source;
  const inSchemas = (relation: string) =>
    `join pg_catalog.pg_class c on c.oid = ${relation} where c.relnamespace = any($1::oid[])`;
  const [triggers, policies, rules, statistics] = await Promise.all([
    // Before 15 the copies that partitions have of their parent's triggers were marked internal.
    askWhereAny(
      'TRIGGER',
      `select g.tgrelid, g.oid, g.tgname, g.tgtype, g.tgenabled, pg_get_triggerdef(g.oid), g.tgfoid, nullif(g.tgparentid, 0)
       from pg_catalog.pg_trigger g ${inSchemas('g.tgrelid')} and (not g.tgisinternal
         or exists (select from pg_catalog.pg_trigger up where up.oid = g.tgparentid and not up.tgisinternal))
         and ${notTracking('g.tgfoid')}`,
      [schemaIds],
    ),
    askWhereAny(
      'POLICY',
      `select p.polrelid, p.oid, p.polname, p.polcmd, p.polpermissive,
        (select json_agg(case when r.oid = 0 then 'public' else pg_get_userbyid(r.oid) end order by r.place)
         from unnest(p.polroles) with ordinality r (oid, place)),
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
       from pg_catalog.pg_policy p ${inSchemas('p.polrelid')}`,
      [schemaIds],
    ),
    askWhereAny(
      'RULE',
      `select r.ev_class, r.oid, r.rulename, r.ev_enabled from pg_catalog.pg_rewrite r ${inSchemas('r.ev_class')} and r.rulename <> '_RETURN'`,
      [schemaIds],
    ),
    askWhereAny(
      'STATISTICS',
      `select s.stxrelid, s.oid, s.stxnamespace, s.stxname, pg_get_userbyid(s.stxowner), pg_get_statisticsobjdef(s.oid), nullif(s.stxstattarget, -1)
       from pg_catalog.pg_statistic_ext s ${inSchemas('s.stxrelid')}`,
      [schemaIds],
    ),
  ]);
  const [functions, printed] = await Promise.all([
    readRoutineNames(source, [...new Set(triggers.map(([, , , , , , fn]) => fn ?? ''))]),
    askPrinted(
      ask,
      rules.map(([, oid]) => oid ?? ''),
      'select oid, pg_get_ruledef(oid) from unnest($1::oid[]) oid',
    ),
  ]);
  const definitions = new Map(printed.map(([oid, definition]) => [oid ?? '', definition ?? '']));
  const [triggersOf, policiesOf, rulesOf, statisticsOf] = [
    groupedBy<TriggerRow & readonly (string | null)[]>(triggers),
    groupedBy<PolicyRow & readonly (string | null)[]>(policies),
    groupedBy<RuleRow & readonly (string | null)[]>(rules),
    groupedBy<StatisticsRow & readonly (string | null)[]>(statistics),
  ];

  return {
    triggers: (relation) =>
      (triggersOf.get(relation) ?? [])
        .map(([, oid, name, tgtype, enabled, definition, fn, parent]) => ({
          id: oid,
          name,
          ...firingOf(Number(tgtype)),
          enabled: enabled !== 'D',
          definition,
          function: functions.get(fn) ?? null,
          comment: source.comment('pg_trigger', oid),
          fires: firesOf(enabled),
          inherited: parent !== null,
        }))
        .sort(byName),
    policies: (relation) =>
      (policiesOf.get(relation) ?? [])
        .map(([, oid, name, polcmd, permissive, roles, using, check]) => ({
          id: oid,
          name,
          command: commands[polcmd] ?? polcmd,
          permissive: boolean(permissive),
          roles: strings(roles),
          using,
          check,
          comment: source.comment('pg_policy', oid),
        }))
        .sort(byName),
    rules: (relation) =>
      (rulesOf.get(relation) ?? [])
        .map(([, oid, name, enabled]) => ({
          id: oid,
          name,
          fires: firesOf(enabled),
          definition: definitions.get(oid) ?? '',
          comment: source.comment('pg_rewrite', oid),
        }))
        .sort(byName),
    statistics: (relation) =>
      (statisticsOf.get(relation) ?? [])
        .map(([, oid, schema, name, owner, definition, target]) => ({
          id: oid,
          schema: source.schemaName(schema),
          name,
          owner,
          definition,
          target: target === null ? null : Number(target),
          comment: source.comment('pg_statistic_ext', oid),
        }))
        .sort(byName),
  };
}

/** Of functions wherever they are: the server has trigger functions of its own. */
export async function readRoutineNames({ ask }: Source, oids: readonly string[]): Promise<Map<string, RoutineName>> {
  const rows = await askAbout(
    ask,
    oids,
    `select p.oid, n.nspname, p.proname, ${routineIdentity('p')} from pg_catalog.pg_proc p
     join pg_catalog.pg_namespace n on n.oid = p.pronamespace where p.oid = any($1::oid[])`,
  );
  return new Map(
    rows.map(([oid, schema, name, identity]) => [
      oid ?? '',
      { schema: schema ?? '', name: name ?? '', identity: identity ?? '' },
    ]),
  );
}
