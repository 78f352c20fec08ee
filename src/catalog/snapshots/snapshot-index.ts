/** A snapshot as it is looked into: what extensions made among the rest, as the engine lists it, and everything by name. */
import type { QualifiedName, RoutineName } from '../../engines/catalog.ts';
import type {
  CatalogSnapshot,
  SnapshotEnum,
  SnapshotForeignKey,
  SnapshotRelation,
  SnapshotRoutine,
  SnapshotSchema,
  SnapshotSequence,
} from '../../engines/snapshot.ts';
import { compareBytes } from '../../lib/byte-order.ts';
import { keyOf } from '../nodes.ts';

export interface SnapshotIndex {
  readonly snapshot: CatalogSnapshot;
  readonly schemas: readonly SnapshotSchema[];
  readonly schemaByName: ReadonlyMap<string, SnapshotSchema>;
  readonly relations: Objects<SnapshotRelation>;
  readonly routines: Objects<SnapshotRoutine>;
  readonly enums: Objects<SnapshotEnum>;
  readonly sequences: Objects<SnapshotSequence>;
  /** By the key of the partitioned table, in order. */
  readonly partitionsOf: ReadonlyMap<string, readonly SnapshotRelation[]>;
  /** By the key of the table that they inherit from, without being partitions, in order. */
  readonly childrenOf: ReadonlyMap<string, readonly SnapshotRelation[]>;
  /** By the key of the table they point to; what partitions inherit is left out. */
  readonly referencedBy: ReadonlyMap<string, readonly SnapshotForeignKey[]>;
}

/** In the order of their names. */
export interface Objects<Item> {
  readonly all: readonly Item[];
  readonly bySchema: ReadonlyMap<string, readonly Item[]>;
  readonly byName: ReadonlyMap<string, Item>;
}

export function createSnapshotIndex(snapshot: CatalogSnapshot): SnapshotIndex {
  const { extensionMembers: members } = snapshot;
  const schemas = [...snapshot.schemas, ...members.schemas].sort((a, b) => compareBytes(a.name, b.name));
  const relations = objectsOf(snapshot.relations, members.relations);
  const partitionsOf = new Map<string, SnapshotRelation[]>();
  const childrenOf = new Map<string, SnapshotRelation[]>();
  const referencedBy = new Map<string, SnapshotForeignKey[]>();
  for (const relation of relations.all) {
    const into = relation.partitionBound === null ? childrenOf : partitionsOf;
    for (const parent of relation.parents) add(into, keyOf(parent), relation);
    for (const key of relation.foreignKeys) if (!key.inherited) add(referencedBy, keyOf(key.referenced), key);
  }
  return {
    snapshot,
    schemas,
    schemaByName: new Map(schemas.map((schema) => [schema.name, schema])),
    relations,
    routines: objectsOf(snapshot.routines, members.routines),
    enums: objectsOf(snapshot.enums, members.enums),
    sequences: objectsOf(snapshot.sequences, members.sequences),
    partitionsOf,
    childrenOf,
    referencedBy,
  };
}

function objectsOf<Item extends QualifiedName>(own: readonly Item[], members: readonly Item[]): Objects<Item> {
  const all = members.length === 0 ? own : [...own, ...members].sort(compareNames);
  const bySchema = new Map<string, Item[]>();
  for (const item of all) add(bySchema, item.schema, item);
  return { all, bySchema, byName: new Map(all.map((item) => [keyOf(item), item])) };
}

function add<Item>(groups: Map<string, Item[]>, key: string, item: Item): void {
  const group = groups.get(key);
  if (group) group.push(item);
  else groups.set(key, [item]);
}

export const compareNames = (a: QualifiedName | RoutineName, b: QualifiedName | RoutineName): number =>
  compareBytes(a.schema, b.schema) ||
  compareBytes(a.name, b.name) ||
  compareBytes('identity' in a ? a.identity : '', 'identity' in b ? b.identity : '');
