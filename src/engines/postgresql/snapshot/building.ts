/** Relations while the rows of what hangs off them come in: in no order, one kind after the other. */
import type { QualifiedName } from '../../catalog.ts';
import type { SnapshotColumn, SnapshotConstraint, SnapshotForeignKey, SnapshotIndex } from '../../snapshot.ts';
import { byName } from '../catalog/rows.ts';

/** What later rows say more of. */
export type Building<Item> = { -readonly [Key in keyof Item]: Item[Key] };

/** There is one of each name: what is made of a column's name is made once. */
export interface ColumnName {
  readonly text: string;
  readonly quoted: string;
  /** A list of it alone. */
  readonly alone: string[];
  /** Definitions of constraints that say nothing beside it, by their `contype`. */
  readonly said: Map<string, string>;
}

export interface BuildingRelation {
  readonly name: QualifiedName;
  /** As SQL has to write it, with its schema. */
  readonly quoted: string;
  /** By number, with holes. */
  readonly columns: Building<SnapshotColumn>[];
  /** As `columns`. */
  readonly columnNames: ColumnName[];
  readonly indexes: Building<SnapshotIndex>[];
  readonly constraints: SnapshotConstraint[];
  readonly foreignKeys: SnapshotForeignKey[];
}

/** By oid. */
export type BuildingRelations = ReadonlyMap<number, BuildingRelation>;

/** Finds them one after the other: rows of one relation mostly stand together. */
export function findInTurn(relations: BuildingRelations): (oid: number) => BuildingRelation | undefined {
  let last = 0;
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
  columnNames: [],
  indexes: [],
  constraints: [],
  foreignKeys: [],
});

/** In their order. A server that means ill could number one so high that nobody would get to the end by counting. */
const columnsOf = ({ columns }: BuildingRelation): Building<SnapshotColumn>[] => Object.values(columns);

/** In the orders that a snapshot has. */
export const built = (relation: BuildingRelation) => ({
  columns: columnsOf(relation),
  indexes: sortByName(relation.indexes),
  constraints: sortByName(relation.constraints),
  foreignKeys: sortByName(relation.foreignKeys),
});

/** What is sorted by insertion: for the few that most relations have, it takes a third of what a sort takes to begin. */
const few = 16;

function sortByName<Item extends { readonly name: string | null }>(items: Item[]): Item[] {
  if (items.length > few) return items.sort(byName);
  for (let end = 1; end < items.length; end += 1) {
    const item = items[end]!;
    let place = end;
    for (; place > 0 && byName(item, items[place - 1]!) < 0; place -= 1) items[place] = items[place - 1]!;
    items[place] = item;
  }
  return items;
}
