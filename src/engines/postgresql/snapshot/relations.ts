/** Relations with all that hangs off them. Which statement reads what is in the files beside; here it is put together. */
import type { ColumnOrigin, QualifiedName, RelationKind } from '../../catalog.ts';
import type { SnapshotRelation } from '../../snapshot.ts';
import { replicaIdentity, replicaIdentityOf } from '../catalog/details.ts';
import { readOriginsOf } from '../catalog/origins.ts';
import { boolean, bySchemaAndName, foreignOptions, nameOrNull, strings } from '../catalog/rows.ts';
import { type BuildingRelation, building, built } from './building.ts';
import { readColumns } from './columns.ts';
import { readKeys } from './keys.ts';
import { readRuleParts } from './rules.ts';
import { askAbout, askPrinted, type Source } from './source.ts';

type RelationRow = [
  oid: string,
  schema: string,
  name: string,
  relkind: string,
  owner: string | null,
  persistence: string | null,
  method: string | null,
  tablespace: string | null,
  options: string | null,
  rowSecurity: string | null,
  forceRowSecurity: string | null,
  replicaIdentity: string | null,
  partitionBound: string | null,
  ofType: string | null,
  privileges: string | null,
];

const kinds: Record<string, RelationKind> = {
  r: 'TABLE',
  p: 'PARTITIONED_TABLE',
  v: 'VIEW',
  m: 'MATERIALIZED_VIEW',
  f: 'FOREIGN_TABLE',
};

export interface Relations {
  readonly relations: SnapshotRelation[];
  readonly members: SnapshotRelation[];
}

/** @param relations is given all of them, members too, by oid */
export async function readRelations(source: Source, relations: Map<string, BuildingRelation>): Promise<Relations> {
  const { ask, schemaIds } = source;
  const rows: RelationRow[] = [];
  const relationsRead = ask(
    `select c.oid, c.relnamespace, c.relname, c.relkind, pg_get_userbyid(c.relowner), nullif(c.relpersistence, 'p'), am.amname,
      nullif(c.reltablespace, 0), to_json(c.reloptions), nullif(c.relrowsecurity, false),
      nullif(c.relforcerowsecurity, false), ${replicaIdentityOf('c')},
      case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end,
      case when c.reloftype <> 0 then (
        select json_build_array(tn.nspname, ty.typname) from pg_catalog.pg_type ty
        join pg_catalog.pg_namespace tn on tn.oid = ty.typnamespace where ty.oid = c.reloftype) end,
      c.relacl::text
    from pg_catalog.pg_class c left join pg_catalog.pg_am am on am.oid = c.relam
    where c.relnamespace = any($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')`,
    [schemaIds],
    (row) => {
      const [oid, schema, name] = row as unknown as RelationRow;
      const schemaName = source.schemaName(schema);
      rows.push([...row] as unknown as RelationRow);
      relations.set(oid, building({ schema: schemaName, name }, `${source.quoted(schemaName)}.${source.quoted(name)}`));
    },
  );
  // Each is answered when those before it are: columns find their relations, keys their columns.
  const [rules, few] = await Promise.all([
    readRuleParts(source),
    relationsRead.then(() => readFewParts(source, rows, relations)),
    readColumns(source, relations),
    readKeys(source, relations),
  ]);
  const tablespaceName = await readTablespaceNames(source, rows, relations);

  const found: Relations = { relations: [], members: [] };
  for (const row of rows) {
    const [oid] = row;
    const parts = built(relations.get(oid)!);
    for (const index of parts.indexes) index.tablespace = tablespaceName(index.tablespace);
    const relation: SnapshotRelation = {
      ...relationOf(source, row, few, tablespaceName),
      ...parts,
      triggers: rules.triggers(oid),
      policies: rules.policies(oid),
      rules: rules.rules(oid),
      statistics: rules.statistics(oid),
      origins: few.origins.get(oid) ?? [],
    };
    found[source.isMember('pg_class', oid) ? 'members' : 'relations'].push(relation);
  }
  found.relations.sort(bySchemaAndName);
  found.members.sort(bySchemaAndName);
  return found;
}

/** What few relations have, by oid. */
interface FewParts {
  readonly toastOptions: ReadonlyMap<string, readonly string[]>;
  readonly partitionKeys: ReadonlyMap<string, string>;
  readonly parents: ReadonlyMap<string, readonly QualifiedName[]>;
  readonly definitions: ReadonlyMap<string, string>;
  readonly foreign: ReadonlyMap<string, SnapshotRelation['foreign']>;
  readonly origins: ReadonlyMap<string, readonly ColumnOrigin[]>;
}

async function readFewParts(
  { ask, askWhereAny, schemaIds }: Source,
  rows: readonly RelationRow[],
  relations: ReadonlyMap<string, BuildingRelation>,
): Promise<FewParts> {
  const ofKind = (...relkinds: string[]) => rows.filter(([, , , kind]) => relkinds.includes(kind)).map(([oid]) => oid);
  const views = ofKind('v', 'm');
  const [toast, keys, inherits, foreign, definitions, origins] = await Promise.all([
    askWhereAny(
      'TOAST_OPTIONS',
      `select c.oid, to_json(t.reloptions) from pg_catalog.pg_class t
       join pg_catalog.pg_class c on c.reltoastrelid = t.oid
       where t.reloptions is not null and c.relnamespace = any($1::oid[])`,
      [schemaIds],
    ),
    askAbout(ask, ofKind('p'), 'select oid, pg_get_partkeydef(oid) from unnest($1::oid[]) oid'),
    askWhereAny(
      'INHERITANCE',
      `select i.inhrelid, i.inhparent from pg_catalog.pg_inherits i
       join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relkind in ('r', 'p', 'f')
       where c.relnamespace = any($1::oid[]) order by i.inhrelid, i.inhseqno`,
      [schemaIds],
    ),
    askAbout(
      ask,
      ofKind('f'),
      `select f.ftrelid, s.srvname, to_json(f.ftoptions) from pg_catalog.pg_foreign_table f
       join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = any($1::oid[])`,
    ),
    askPrinted(ask, views, 'select oid, pg_get_viewdef(oid, true) from unnest($1::oid[]) oid'),
    readOriginsOf(ask, views),
  ]);
  const parents = new Map<string, QualifiedName[]>();
  for (const [oid = '', parent] of inherits) {
    const name = relations.get(parent ?? '')?.name;
    if (name) parents.set(oid ?? '', [...(parents.get(oid ?? '') ?? []), name]);
  }
  return {
    toastOptions: new Map(
      toast.map(([oid, options = null]) => [oid ?? '', strings(options).map((option) => `toast.${option}`)]),
    ),
    partitionKeys: new Map(keys.map(([oid, key]) => [oid ?? '', key ?? ''])),
    parents,
    definitions: new Map(definitions.map(([oid, definition]) => [oid ?? '', definition ?? ''])),
    foreign: new Map(
      foreign.map(([oid, server, options = null]) => [
        oid ?? '',
        { server: server ?? '', options: foreignOptions(options) },
      ]),
    ),
    origins,
  };
}

/** Asks only where one is used: whose database is one of many on a server may not read what they share. */
async function readTablespaceNames(
  { ask }: Source,
  rows: readonly RelationRow[],
  relations: ReadonlyMap<string, BuildingRelation>,
): Promise<(oid: string | null) => string | null> {
  const oids = new Set(rows.flatMap(([, , , , , , , tablespace]) => tablespace ?? []));
  for (const { indexes } of relations.values()) {
    for (const { tablespace } of indexes) if (tablespace !== null) oids.add(tablespace);
  }
  const found = await askAbout(
    ask,
    [...oids],
    'select oid, spcname from pg_catalog.pg_tablespace where oid = any($1::oid[])',
  );
  const names = new Map(found.map(([oid, name = null]) => [oid, name]));
  return (oid) => (oid === null ? null : (names.get(oid) ?? oid));
}

function relationOf(
  source: Source,
  row: RelationRow,
  few: FewParts,
  tablespaceName: (oid: string | null) => string | null,
) {
  const [oid, schema, name, relkind, owner, persistence, method, tablespace, options] = row;
  const [rowSecurity, forceRowSecurity, identity, partitionBound, ofType, privileges] = row.slice(9) as (
    | string
    | null
  )[];
  const { intern } = source;
  return {
    id: oid,
    schema: source.schemaName(schema),
    name,
    kind: kinds[relkind] ?? 'TABLE',
    owner: intern(owner),
    comment: source.comment('pg_class', oid),
    privileges: intern(privileges ?? null),
    unlogged: persistence === 'u',
    accessMethod: intern(method),
    tablespace: tablespaceName(tablespace),
    options: [...strings(options), ...(few.toastOptions.get(oid) ?? [])],
    rowSecurity: boolean(rowSecurity ?? null),
    forceRowSecurity: boolean(forceRowSecurity ?? null),
    replicaIdentity: replicaIdentity(identity ?? null),
    partitionKey: few.partitionKeys.get(oid) ?? null,
    partitionBound: partitionBound ?? null,
    parents: few.parents.get(oid) ?? [],
    ofType: nameOrNull(ofType ?? null),
    definition: few.definitions.get(oid) ?? null,
    foreign: few.foreign.get(oid) ?? null,
  };
}
