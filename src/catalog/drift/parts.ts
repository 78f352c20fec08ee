/** What hangs off relations that were there before: columns, constraints, keys, indexes, triggers, policies. */
import { setImmediate } from 'node:timers/promises';
import type { QualifiedName } from '../../engines/catalog.ts';
import type {
  Identified,
  SnapshotColumn,
  SnapshotConstraint,
  SnapshotForeignKey,
  SnapshotIndex,
  SnapshotPolicy,
  SnapshotRelation,
  SnapshotTrigger,
} from '../../engines/snapshot.ts';
import type { CatalogKind } from '../search/kinds.ts';
import { changedFields, type FieldChanges, wholeOf, withoutFields } from './compare.ts';
import {
  columnFields,
  constraintFields,
  type Fields,
  foreignKeyFields,
  indexFields,
  policyFields,
  relationFields,
  relationLists,
  triggerFields,
} from './fields.ts';
import { changedLists, toldLists } from './lists.ts';
import { type Matched, matched, matchedByName } from './members.ts';
import type { Renames } from './renames.ts';

export interface RelationPair {
  readonly before: SnapshotRelation;
  readonly after: SnapshotRelation;
  /** The engine's ids say that it is the same one. */
  readonly byId: boolean;
}

export interface PartChange {
  readonly kind: 'ADDED' | 'REMOVED' | 'ALTERED';
  readonly object: CatalogKind;
  readonly name: string;
  readonly before: Fields | null;
  readonly after: Fields | null;
}

export interface PartDifferences {
  /** Of the relation itself: its rules, its statistics, the order of its columns; and of its parts. */
  ofRelation(pair: RelationPair): { relation: FieldChanges | null; parts: PartChange[] };
}

type Key = SnapshotForeignKey & { readonly constraint: SnapshotConstraint };

interface MatchedParts {
  readonly columns: Matched<SnapshotColumn>;
  readonly constraints: Matched<SnapshotConstraint>;
  readonly foreignKeys: Matched<Key>;
  readonly indexes: Matched<SnapshotIndex>;
  readonly triggers: Matched<SnapshotTrigger>;
  readonly policies: Matched<SnapshotPolicy>;
}

/** A relation with all that it has, as it is told when it is new or gone. */
export function wholeRelation(relation: SnapshotRelation): Fields {
  return {
    ...relationFields(relation),
    columns: relation.columns.map((column) => wholeOf(columnFields(column))),
    constraints: constraintsOf(relation)
      .filter(isTold)
      .map((constraint) => wholeOf(constraintFields(constraint))),
    foreignKeys: foreignKeysOf(relation).map((key) => wholeOf(foreignKeyFields(key, key.constraint))),
    indexes: relation.indexes
      .filter(({ constraint }) => constraint === null)
      .map((index) => wholeOf(indexFields(index))),
    triggers: relation.triggers.map((trigger) => wholeOf(triggerFields(trigger))),
    policies: relation.policies.map((policy) => wholeOf(policyFields(policy))),
    ...toldLists(relationLists, relation),
  };
}

/** Relations between two turns of others. */
const relationsAtOnce = 100;

/** Names that have changed are in `renames` when it has ended. */
export async function matchParts(pairs: readonly RelationPair[], renames: Renames): Promise<PartDifferences> {
  const partsOf = new Map<RelationPair, MatchedParts>();
  const byName = new Map<string, RelationPair>();
  for (const [place, pair] of pairs.entries()) {
    const parts = matchedParts(pair);
    partsOf.set(pair, parts);
    byName.set(keyOf(pair.after), pair);
    const { indexes, ...ofItsOwn } = parts;
    for (const { pairs } of Object.values(ofItsOwn) as Matched<Identified & { name: string | null }>[]) {
      for (const [old, now] of pairs) renames.add(old.name ?? '', now.name ?? '', pair);
    }
    for (const [old, now] of indexes.pairs) {
      renames.add(old.name, now.name);
      renames.addMove({ ...old, schema: pair.before.schema }, { ...now, schema: pair.after.schema });
    }
    if (place % relationsAtOnce === 0) await setImmediate();
  }

  const columnChanges = ([old, now]: readonly [SnapshotColumn, SnapshotColumn], pair: RelationPair) => {
    const same = renames.within(pair);
    const changes = changedFields(columnFields(old), columnFields(now), same);
    const [was, is] = [collationOf(old), collationOf(now)];
    if (!changes || !was || !is || !same.sameObject(was, is)) return changes;
    return withoutFields(changes, new Set(['collation', 'collationSchema']));
  };
  const constraintChanges = ([old, now]: readonly [SnapshotConstraint, SnapshotConstraint], pair: RelationPair) =>
    changedFields(constraintFields(old), constraintFields(now), renames.within(pair));
  const keyChanges = ([old, now]: readonly [Key, Key], pair: RelationPair) => {
    const same = renames.within(pair, byName.get(keyOf(now.referenced)));
    const changes = changedFields(foreignKeyFields(old, old.constraint), foreignKeyFields(now, now.constraint), same);
    if (!changes || !same.sameObject(old.referenced, now.referenced)) return changes;
    return withoutFields(changes, new Set(['referencedSchema', 'referencedTableName']));
  };
  const triggerChanges = ([old, now]: readonly [SnapshotTrigger, SnapshotTrigger], pair: RelationPair) =>
    changedFields(triggerFields(old), triggerFields(now), renames.within(pair));

  /** Without what a parent's change of the same part has brought about. */
  function own<Item extends { name: string | null; inherited: boolean }>(
    pair: RelationPair,
    [old, now]: readonly [Item, Item],
    listOf: (parts: MatchedParts) => Matched<Item>,
    changesOf: (items: readonly [Item, Item], pair: RelationPair) => FieldChanges | null,
    isCopy: (one: Item, above: Item) => boolean = () => false,
  ): FieldChanges | null {
    const changes = changesOf([old, now], pair);
    if (!changes || !now.inherited || !old.inherited) return changes;
    const follows = new Set<string>();
    for (const parent of pair.after.parents) {
      const above = byName.get(keyOf(parent));
      const theirPairs = above ? listOf(partsOf.get(above)!).pairs : [];
      const same = theirPairs.find(([one]) => one.name === old.name) ?? theirPairs.find(([one]) => isCopy(old, one));
      const theirs = above && same && changesOf(same, above);
      if (!theirs) continue;
      for (const [field, value] of Object.entries(theirs.after)) {
        if (JSON.stringify(value) === JSON.stringify(changes.after[field])) follows.add(field);
        // The parent's definition names the parent.
        if (field === 'definition') follows.add(field);
      }
    }
    return withoutFields(changes, follows);
  }

  return {
    ofRelation(pair) {
      const { columns, constraints, foreignKeys, indexes, triggers, policies } = partsOf.get(pair)!;
      const changes = createPartList();

      changes.removed(
        'COLUMN',
        columns.removed.filter((column) => !comesFromParent(column)),
        columnFields,
      );
      changes.added(
        'COLUMN',
        columns.added.filter((column) => !comesFromParent(column)),
        columnFields,
      );
      for (const same of columns.pairs) {
        changes.altered(
          'COLUMN',
          same[1].name,
          own(pair, same, (parts) => parts.columns, columnChanges),
        );
      }

      const alteredConstraints = new Set<string | null>();
      changes.removed('CONSTRAINT', constraints.removed.filter(isTold), constraintFields);
      changes.added('CONSTRAINT', constraints.added.filter(isTold), constraintFields);
      for (const same of constraints.pairs) {
        const found = own(pair, same, (parts) => parts.constraints, constraintChanges);
        if (found && Object.keys(found.after).some((key) => key !== 'comment')) alteredConstraints.add(same[1].name);
        changes.altered('CONSTRAINT', same[1].name, found);
      }

      const keyFields = (key: Key) => foreignKeyFields(key, key.constraint);
      changes.removed('FOREIGN_KEY', foreignKeys.removed.filter(isOwn), keyFields);
      changes.added('FOREIGN_KEY', foreignKeys.added.filter(isOwn), keyFields);
      for (const same of foreignKeys.pairs) {
        changes.altered(
          'FOREIGN_KEY',
          same[1].name,
          own(pair, same, (parts) => parts.foreignKeys, keyChanges, isCopiedKey),
        );
      }

      changes.removed('INDEX', indexes.removed.filter(isOwnIndex), indexFields);
      changes.added('INDEX', indexes.added.filter(isOwnIndex), indexFields);
      const attached = (pair.before.partitionBound === null) !== (pair.after.partitionBound === null);
      for (const [old, now] of indexes.pairs) {
        const found = changedFields(indexFields(old), indexFields(now), renames.within(pair));
        const follows = new Set<string>(attached ? ['parent'] : []);
        if (now.constraint !== null) follows.add('name');
        if (now.constraint !== old.constraint || alteredConstraints.has(now.constraint)) {
          for (const field of ofConstraint) follows.add(field);
        }
        changes.altered('INDEX', now.name, found && withoutFields(found, follows));
      }

      changes.removed('TRIGGER', triggers.removed.filter(isOwn), triggerFields);
      changes.added('TRIGGER', triggers.added.filter(isOwn), triggerFields);
      for (const same of triggers.pairs) {
        changes.altered(
          'TRIGGER',
          same[1].name,
          own(pair, same, (parts) => parts.triggers, triggerChanges),
        );
      }

      changes.removed('POLICY', policies.removed, policyFields);
      changes.added('POLICY', policies.added, policyFields);
      for (const [old, now] of policies.pairs) {
        changes.altered('POLICY', now.name, changedFields(policyFields(old), policyFields(now), renames.within(pair)));
      }

      const lists = changedLists(relationLists, pair.before, pair.after, {
        byId: pair.byId,
        renames: renames.within(pair),
      });
      const order = columnOrder(columns);
      const relation =
        lists || order
          ? { before: { ...lists?.before, ...order?.before }, after: { ...lists?.after, ...order?.after } }
          : null;
      return { relation, parts: changes.all };
    },
  };
}

const collationOf = ({ collation, collationSchema }: SnapshotColumn): QualifiedName | null =>
  collation === null || collationSchema === null ? null : { schema: collationSchema, name: collation };

const keyOf = ({ schema, name }: { readonly schema: string; readonly name: string }): string =>
  JSON.stringify([schema, name]);

function matchedParts({ before, after, byId }: RelationPair): MatchedParts {
  const byMeaning = { byId, before: meaningOf, after: meaningOf };
  return {
    columns: matchedByName(before.columns, after.columns, { byId }),
    constraints: matched(constraintsOf(before), constraintsOf(after), byMeaning),
    foreignKeys: matchedByName(foreignKeysOf(before), foreignKeysOf(after), { byId }),
    indexes: matchedByName(before.indexes, after.indexes, { byId }),
    triggers: matchedByName(before.triggers, after.triggers, { byId }),
    policies: matchedByName(before.policies, after.policies, { byId }),
  };
}

const nameOf = ({ name }: { readonly name: string | null }): string => name ?? '';

/** NOT NULL is known by its column: its name is nobody's concern until it changes. */
const meaningOf = ({ kind, name, columns }: SnapshotConstraint): string =>
  kind === 'NOT_NULL' ? `${kind} ${columns.join()}` : `${kind} ${name}`;

const constraintsOf = ({ constraints }: SnapshotRelation): SnapshotConstraint[] =>
  constraints.filter(({ kind }) => kind !== 'FOREIGN_KEY');

function foreignKeysOf({ foreignKeys, constraints }: SnapshotRelation): Key[] {
  const byId = new Map(constraints.map((constraint) => [constraint.id, constraint]));
  return foreignKeys.flatMap((key) => {
    const constraint = byId.get(key.id);
    return constraint ? [{ ...key, constraint }] : [];
  });
}

/** A partition's or a child's copy comes and goes with its parent's, which is told. */
const isOwn = ({ inherited }: { readonly inherited: boolean }): boolean => !inherited;
const comesFromParent = ({ inherited, local }: SnapshotColumn): boolean => inherited && !local;
/** A partition's copy keeps its name where its parent's is renamed, or where it was there before it was attached. */
const isCopiedKey = (one: Key, above: Key): boolean =>
  keyOf(one.referenced) === keyOf(above.referenced) &&
  JSON.stringify([one.columns, one.referencedColumns]) === JSON.stringify([above.columns, above.referencedColumns]);
/** NOT NULL comes and goes with its column's `nullable`. */
const isTold = ({ kind, inherited }: SnapshotConstraint): boolean => kind !== 'NOT_NULL' && !inherited;
/** The index of a constraint comes and goes with it. */
const isOwnIndex = ({ constraint, parent }: SnapshotIndex): boolean => constraint === null && parent === null;
const ofConstraint = ['columns', 'unique', 'method', 'predicate', 'definition'];

function createPartList() {
  const all: PartChange[] = [];
  return {
    all,
    added<Item extends { name: string | null }>(
      object: CatalogKind,
      items: readonly Item[],
      fields: (item: Item) => Fields,
    ) {
      for (const item of items) {
        all.push({ kind: 'ADDED', object, name: nameOf(item), before: null, after: wholeOf(fields(item)) });
      }
    },
    removed<Item extends { name: string | null }>(
      object: CatalogKind,
      items: readonly Item[],
      fields: (item: Item) => Fields,
    ) {
      for (const item of items) {
        all.push({ kind: 'REMOVED', object, name: nameOf(item), before: wholeOf(fields(item)), after: null });
      }
    },
    altered(object: CatalogKind, name: string | null, changes: FieldChanges | null) {
      if (changes) all.push({ kind: 'ALTERED', object, name: name ?? '', ...changes });
    },
  };
}

/** Columns that are there still may stand in another order where a table was made again. */
function columnOrder({ pairs }: Matched<SnapshotColumn>): FieldChanges | null {
  const before = pairs.toSorted(([a], [b]) => a.position - b.position);
  const after = pairs.toSorted(([, a], [, b]) => a.position - b.position);
  if (before.every((pair, place) => pair === after[place])) return null;
  return {
    before: { columns: before.map(([{ name }]) => name) },
    after: { columns: after.map(([, { name }]) => name) },
  };
}
