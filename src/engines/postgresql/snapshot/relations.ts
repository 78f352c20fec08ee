/** Relations with all that hangs off them. Which statement reads what is in the files beside; here it is put together. */
import type { ColumnOrigin, QualifiedName, RelationKind } from '../../catalog.ts';
import type { SnapshotRelation } from '../../snapshot.ts';
import { replicaIdentity } from '../catalog/details.ts';
import { readOriginsOf } from '../catalog/origins.ts';
import { boolean, bySchemaAndName, foreignOptions, nameOrNull, strings } from '../catalog/rows.ts';
import { type BuildingRelations, built } from './building.ts';
import type { Classes, RelationRow } from './classes.ts';
import { type Columns, readExpressions } from './columns.ts';
import { readKeys } from './keys.ts';
import { type RuleParts, readRuleParts } from './rules.ts';
import { askAbout, askPrinted, type Source } from './source.ts';

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

/** @param columns of the relations, asked for before */
export async function readRelations(source: Source, classes: Classes, columns: Promise<Columns>): Promise<Relations> {
  const { rows, relations } = classes;
  // Each is answered when those before it are: keys and expressions find their columns.
  const [rules, few, { complete }] = await Promise.all([
    readRuleParts(source),
    readFewParts(source, classes),
    columns,
    readKeys(source, relations),
    readExpressions(source, relations),
  ]);
  const [tablespaceName] = await Promise.all([readTablespaceNames(source, rows, relations), complete()]);

  const found: Relations = { relations: [], members: [] };
  for (const row of rows) {
    const [oid] = row;
    const parts = built(relations.get(oid)!);
    for (const index of parts.indexes) index.tablespace = tablespaceName(index.tablespace);
    const relation = relationOf(source, row, { few, rules, built: parts, tablespaceName });
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
  { rows, relations, hasToastOptions }: Classes,
): Promise<FewParts> {
  const ofKind = (...relkinds: string[]) =>
    rows.filter(([, , , kind]) => relkinds.includes(kind)).map(([oid]) => String(oid));
  const views = ofKind('v', 'm');
  const [toast, keys, inherits, foreign, definitions, origins] = await Promise.all([
    hasToastOptions
      ? ask(
          `select c.oid, to_json(t.reloptions) from pg_catalog.pg_class t
           join pg_catalog.pg_class c on c.reltoastrelid = t.oid
           where t.reloptions is not null and c.relnamespace = any($1::oid[])`,
          [schemaIds],
        )
      : [],
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
    const name = relations.get(Number(parent))?.name;
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
  relations: BuildingRelations,
): Promise<(oid: string | null) => string | null> {
  const oids = new Set(rows.flatMap(([, , , , , , , , tablespace]) => tablespace ?? []));
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

interface Parts {
  readonly few: FewParts;
  readonly rules: RuleParts;
  readonly built: ReturnType<typeof built>;
  readonly tablespaceName: (oid: string | null) => string | null;
}

function relationOf(source: Source, row: RelationRow, { few, rules, built, tablespaceName }: Parts): SnapshotRelation {
  const [oid, schema, name, relkind, owner, persistence, privileges, method, tablespace, options] = row;
  const [, , , , , , , , , , rowSecurity, forceRowSecurity, identity, partitionBound, ofType] = row;
  const { intern } = source;
  const id = String(oid);
  return {
    id,
    schema: source.schemaName(schema),
    name,
    kind: kinds[relkind] ?? 'TABLE',
    owner: intern(owner),
    comment: source.comment('pg_class', oid),
    privileges: intern(privileges),
    unlogged: persistence === 'u',
    accessMethod: intern(method),
    tablespace: tablespaceName(tablespace),
    options: [...strings(options), ...(few.toastOptions.get(id) ?? [])],
    rowSecurity: boolean(rowSecurity),
    forceRowSecurity: boolean(forceRowSecurity),
    replicaIdentity: replicaIdentity(identity),
    partitionKey: few.partitionKeys.get(id) ?? null,
    partitionBound,
    parents: few.parents.get(id) ?? [],
    ofType: nameOrNull(ofType),
    definition: few.definitions.get(id) ?? null,
    foreign: few.foreign.get(id) ?? null,
    columns: built.columns,
    indexes: built.indexes,
    constraints: built.constraints,
    foreignKeys: built.foreignKeys,
    triggers: rules.triggers(id),
    policies: rules.policies(id),
    rules: rules.rules(id),
    statistics: rules.statistics(id),
    origins: few.origins.get(id) ?? [],
  };
}
