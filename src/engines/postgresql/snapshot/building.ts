/** Relations while the rows of what hangs off them come in: in no order, one kind after the other. */
import type { QualifiedName } from '../../catalog.ts';
import type { SnapshotColumn, SnapshotConstraint, SnapshotForeignKey, SnapshotIndex } from '../../snapshot.ts';
import { byName } from '../catalog/rows.ts';

/** What later rows say more of. */
export type Building<Item> = { -readonly [Key in keyof Item]: Item[Key] };

export interface BuildingRelation {
  readonly name: QualifiedName;
  /** As SQL has to write it, with its schema. */
  readonly quoted: string;
  /** By number, with holes. */
  readonly columns: Building<SnapshotColumn>[];
  readonly indexes: Building<SnapshotIndex>[];
  readonly constraints: SnapshotConstraint[];
  readonly foreignKeys: SnapshotForeignKey[];
}

/** By oid. */
export type BuildingRelations = ReadonlyMap<string, BuildingRelation>;

/** Finds them one after the other: rows of one relation mostly stand together. */
export function findInTurn(relations: BuildingRelations): (oid: string) => BuildingRelation | undefined {
  let last = '';
  let found: BuildingRelation | undefined;
  return (oid) => {
    if (oid !== last) found = relations.get(oid);
    last = oid;
    return found;
  };
}

export const building = (name: QualifiedName, quoted: string): BuildingRelation => ({
  name,
  quoted,
  columns: [],
  indexes: [],
  constraints: [],
  foreignKeys: [],
});

/** In their order. A server that means ill could number one so high that nobody would get to the end by counting. */
export const columnsOf = ({ columns }: BuildingRelation): Building<SnapshotColumn>[] => Object.values(columns);

/** In the orders that a snapshot has. */
export const built = (relation: BuildingRelation) => ({
  columns: columnsOf(relation),
  indexes: relation.indexes.sort(byName),
  constraints: relation.constraints.sort(byName),
  foreignKeys: relation.foreignKeys.sort(byName),
});
