/** How relations and their columns are made and kept beside what they are read by: partitions, storage, row security. */
import type {
  ColumnDetails,
  ExtendedStatistics,
  QualifiedName,
  ReadOptions,
  RelationDetails,
  ReplicaIdentity,
} from '../../catalog.ts';
import {
  aligned,
  boolean,
  byName,
  type CatalogQuery,
  foreignOptions,
  grouped,
  nameOrNull,
  numberOrNull,
  schemasAndNames,
  strings,
} from './rows.ts';
import { anyRelation, columnOptions, targets } from './sql.ts';

type DetailsRow = [
  ordinal: string,
  partitionKey: string | null,
  partitionBound: string | null,
  rowSecurity: string,
  forceRowSecurity: string,
  parents: string | null,
  foreignServer: string | null,
  persistence: string,
  accessMethod: string | null,
  tablespace: string | null,
  options: string | null,
  replicaIdentity: string | null,
  ofType: string | null,
  foreignOptions: string | null,
  statistics: string | null,
];

/** What is not said of the pg_class row `c` by itself; null where it is as it mostly is. */
export const replicaIdentityOf = (c: string): string =>
  `nullif(${c}.relreplident, case when ${c}.relkind in ('r', 'p', 'm') then 'd' else 'n' end)`;

const replicaIdentities: Record<string, ReplicaIdentity> = { d: 'DEFAULT', n: 'NOTHING', f: 'FULL', i: 'INDEX' };

export const replicaIdentity = (code: string | null): ReplicaIdentity => replicaIdentities[code ?? 'd'] ?? 'DEFAULT';

export async function readDetails(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(RelationDetails | null)[]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end, pg_get_expr(c.relpartbound, c.oid),
      c.relrowsecurity, c.relforcerowsecurity,
      (select json_agg(json_build_array(n.nspname, p.relname) order by i.inhseqno) from pg_catalog.pg_inherits i
       join pg_catalog.pg_class p on p.oid = i.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
       where i.inhrelid = c.oid),
      case when c.relkind = 'f' then (
        select s.srvname from pg_catalog.pg_foreign_table f
        join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid) end,
      c.relpersistence, (select am.amname from pg_catalog.pg_am am where am.oid = c.relam),
      (select s.spcname from pg_catalog.pg_tablespace s where s.oid = c.reltablespace),
      to_json(coalesce(c.reloptions, '{}') || coalesce((
        select array_agg('toast.' || o.option order by o.place) from pg_catalog.pg_class tc
        cross join unnest(tc.reloptions) with ordinality o (option, place) where tc.oid = c.reltoastrelid), '{}')),
      ${replicaIdentityOf('c')},
      (select json_build_array(n.nspname, ty.typname) from pg_catalog.pg_type ty
       join pg_catalog.pg_namespace n on n.oid = ty.typnamespace where ty.oid = c.reloftype),
      case when c.relkind = 'f' then (
        select to_json(f.ftoptions) from pg_catalog.pg_foreign_table f where f.ftrelid = c.oid) end,
      (select json_agg(json_build_array(n.nspname, s.stxname, pg_get_userbyid(s.stxowner), pg_get_statisticsobjdef(s.oid),
          nullif(s.stxstattarget, -1), d.description))
       from pg_catalog.pg_statistic_ext s join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
       left join pg_catalog.pg_description d on d.classoid = 'pg_catalog.pg_statistic_ext'::regclass and d.objoid = s.oid
       where s.stxrelid = c.oid)
    from target t join pg_catalog.pg_class c on c.oid = t.oid`,
    schemasAndNames(relations),
    options,
  );
  return aligned(rows, relations.length, details);
}

const details = ([
  ,
  partitionKey,
  partitionBound,
  rowSecurity,
  forceRowSecurity,
  parents,
  foreignServer,
  persistence,
  accessMethod,
  tablespace,
  options,
  identity,
  ofType,
  foreign,
  statistics,
]: DetailsRow): RelationDetails => ({
  partitionKey,
  partitionBound,
  parents:
    parents === null ? [] : (JSON.parse(parents) as [string, string][]).map(([schema, name]) => ({ schema, name })),
  rowSecurity: boolean(rowSecurity),
  forceRowSecurity: boolean(forceRowSecurity),
  foreignServer,
  unlogged: persistence === 'u',
  accessMethod,
  tablespace,
  options: strings(options),
  replicaIdentity: replicaIdentity(identity),
  ofType: nameOrNull(ofType),
  foreignOptions: foreignOptions(foreign),
  statistics: statistics === null ? [] : (JSON.parse(statistics) as StatisticsRow[]).map(statisticsOf).sort(byName),
});

type StatisticsRow = [
  schema: string,
  name: string,
  owner: string | null,
  definition: string,
  target: number | null,
  comment: string | null,
];

const statisticsOf = ([schema, name, owner, definition, target, comment]: StatisticsRow): ExtendedStatistics => ({
  schema,
  name,
  owner,
  definition,
  target,
  comment,
});

type ColumnRow = [
  ordinal: string,
  name: string,
  inherited: string,
  storage: string | null,
  compression: string | null,
  statisticsTarget: string | null,
  options: string | null,
  foreignOptions: string | null,
];

const storages: Record<string, string> = { p: 'PLAIN', e: 'EXTERNAL', x: 'EXTENDED', m: 'MAIN' };
const compressions: Record<string, string> = { p: 'pglz', l: 'lz4' };

export const storageOf = (code: string | null): string | null => (code === null ? null : (storages[code] ?? code));
export const compressionOf = (code: string | null): string | null =>
  code === null ? null : (compressions[code] ?? code);

/** Compression is known since 14: a row that has it not has no such key as JSON. */
export async function readColumnDetails(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Map<string, ColumnDetails>[]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, a.attname, a.attinhcount <> 0, nullif(a.attstorage, ty.typstorage),
      nullif(to_jsonb(a) ->> 'attcompression', ''), nullif(a.attstattarget, -1), to_json(${columnOptions('a')}), to_json(a.attfdwoptions)
    from target t
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type ty on ty.oid = a.atttypid`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, columnDetails).map((ofOne) => new Map(ofOne));
}

const columnDetails = ([, name, inherited, storage, compression, statisticsTarget, options, foreign]: ColumnRow): [
  string,
  ColumnDetails,
] => [
  name,
  {
    inherited: boolean(inherited),
    storage: storageOf(storage),
    compression: compressionOf(compression),
    statisticsTarget: numberOrNull(statisticsTarget),
    options: strings(options),
    foreignOptions: foreignOptions(foreign),
  },
];
