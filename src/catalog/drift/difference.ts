/**
 * What changed between two snapshots of one database: one change an object, and none for what follows from another
 * object's change. A renamed schema is one change, whatever is in it; a new table is one, with all that it was made with.
 *
 * An object is the same one while the engine's id says so, whatever it is called; one that was dropped and made again
 * under its name is the same one, too, and is told by what differs. Objects that the graph has no kind for are told with
 * what they are in: domains with their schema, rules with their table, publications with the database.
 */
import { setImmediate } from 'node:timers/promises';
import type { QualifiedName } from '../../engines/catalog.ts';
import type {
  CatalogSnapshot,
  Identified,
  SnapshotEnum,
  SnapshotRelation,
  SnapshotRoutine,
  SnapshotSequence,
} from '../../engines/snapshot.ts';
import type { CatalogKind } from '../search/kinds.ts';
import { changedFields, type FieldChanges, wholeOf, withoutFields } from './compare.ts';
import {
  databaseLists,
  enumFields,
  extensionFields,
  type Fields,
  relationFields,
  routineFields,
  schemaFields,
  schemaLists,
  sequenceFields,
} from './fields.ts';
import { changedLists, memberLists, toldLists } from './lists.ts';
import { type Matched, matched, matchedByName } from './members.ts';
import { matchParts, type PartChange, type RelationPair, wholeRelation } from './parts.ts';
import { createRenames, type Renames } from './renames.ts';

export const catalogChangeKinds = ['ADDED', 'REMOVED', 'ALTERED'] as const;
export type CatalogChangeKind = (typeof catalogChangeKinds)[number];

export interface Difference {
  readonly kind: CatalogChangeKind;
  readonly object: CatalogKind;
  /** That lead to it, its own last, as they are now; those of before for what is gone. None: the database itself. */
  readonly names: readonly string[];
  /** Of a function: the types of its arguments, as in its id. */
  readonly identity: string | null;
  /** Only what differs; null for what was added. */
  readonly before: Fields | null;
  readonly after: Fields | null;
}

/** Objects between two turns of others. */
const objectsAtOnce = 50;

/** Parents come before what is in them, and kinds in this order; within one kind by their names. */
const order: readonly CatalogKind[] = [
  'DATABASE',
  'EXTENSION',
  'SCHEMA',
  'ENUM',
  'SEQUENCE',
  'FUNCTION',
  'TABLE',
  'COLUMN',
  'CONSTRAINT',
  'FOREIGN_KEY',
  'INDEX',
  'TRIGGER',
  'POLICY',
];

/** Lets others have their turn, as a large catalogue takes some tenths of a second. */
export async function differenceOf(before: CatalogSnapshot, after: CatalogSnapshot): Promise<Difference[]> {
  const same = matchAll(before, after);
  const { renames } = same;
  const parts = await matchParts(same.relationPairs, renames);
  const found: Difference[] = [];
  const altered = (object: CatalogKind, names: readonly string[], changes: FieldChanges | null, identity?: string) => {
    if (changes) found.push({ kind: 'ALTERED', object, names, identity: identity ?? null, ...changes });
  };
  const added = (object: CatalogKind, names: readonly string[], fields: Fields, identity?: string) =>
    found.push({ kind: 'ADDED', object, names, identity: identity ?? null, before: null, after: wholeOf(fields) });
  const removed = (object: CatalogKind, names: readonly string[], fields: Fields, identity?: string) =>
    found.push({ kind: 'REMOVED', object, names, identity: identity ?? null, before: wholeOf(fields), after: null });

  const others = before.others.map((other) => ({ ...other, schema: other.schema && same.schemaNow(other.schema) }));
  const whole = { byId: same.byId, renames: renames.everywhere };
  altered('DATABASE', [], changedLists(databaseLists, { ...before, others }, after, whole));

  for (const item of same.extensions.removed) removed('EXTENSION', [item.name], extensionFields(item));
  for (const item of same.extensions.added) added('EXTENSION', [item.name], extensionFields(item));
  for (const [old, now] of same.extensions.pairs) {
    const was = { ...extensionFields(old), schema: old.schema === null ? null : same.schemaNow(old.schema) };
    altered('EXTENSION', [now.name], changedFields(was, extensionFields(now), renames));
  }

  const membersOf = (snapshot: CatalogSnapshot, schema: string) => memberLists(schemaLists, snapshot, schema);
  for (const { name, ...schema } of same.schemas.removed) {
    removed('SCHEMA', [name], {
      ...schemaFields({ name, ...schema }),
      ...toldLists(schemaLists, membersOf(before, name)),
    });
  }
  for (const { name, ...schema } of same.schemas.added) {
    added('SCHEMA', [name], {
      ...schemaFields({ name, ...schema }),
      ...toldLists(schemaLists, membersOf(after, name)),
    });
  }
  for (const [old, now] of same.schemas.pairs) {
    const own = changedFields(schemaFields(old), schemaFields(now), renames);
    const lists = changedLists(schemaLists, membersOf(before, old.name), membersOf(after, now.name), same);
    altered('SCHEMA', [now.name], merged(own, lists));
  }

  /** The schema of before under its name of today, so that only a move differs. */
  const moved = (fields: Fields): Fields => ({ ...fields, schema: same.schemaNow(String(fields.schema)) });
  /** A schema that differs only in its name is told as it was. */
  const toldAsItWas = (changes: FieldChanges | null, was: string): FieldChanges | null =>
    changes && 'schema' in changes.before ? { ...changes, before: { ...changes.before, schema: was } } : changes;

  for (const item of same.enums.removed) removed('ENUM', namesOf(item), enumFields(item));
  for (const item of same.enums.added) added('ENUM', namesOf(item), enumFields(item));
  for (const [old, now] of same.enums.pairs) {
    const changes = changedFields(moved(enumFields(old)), enumFields(now), renames);
    altered('ENUM', namesOf(now), toldAsItWas(changes, old.schema));
  }

  for (const item of same.routines.removed) removed('FUNCTION', namesOf(item), routineFields(item), item.identity);
  for (const item of same.routines.added) added('FUNCTION', namesOf(item), routineFields(item), item.identity);
  for (const [place, [old, now]] of same.routines.pairs.entries()) {
    const changes = changedFields(moved(routineFields(old)), routineFields(now), renames);
    altered('FUNCTION', namesOf(now), toldAsItWas(changes, old.schema), now.identity);
    if (place % objectsAtOnce === 0) await setImmediate();
  }

  for (const item of same.relations.removed) removed('TABLE', namesOf(item), wholeRelation(item));
  for (const item of same.relations.added) added('TABLE', namesOf(item), wholeRelation(item));
  for (const [place, pair] of same.relationPairs.entries()) {
    const { before: old, after: now } = pair;
    const changes = changedFields(moved(relationFields(old)), relationFields(now), renames.within(pair));
    const more = parts.ofRelation(pair);
    altered('TABLE', namesOf(now), merged(toldAsItWas(changes, old.schema), more.relation));
    for (const part of more.parts) found.push(differenceOfPart(part, pair));
    if (place % objectsAtOnce === 0) await setImmediate();
  }

  const owners = ownersOf(same);
  for (const item of same.sequences.removed) {
    if (!owners.goesWith(item)) removed('SEQUENCE', namesOf(item), sequenceFields(item));
  }
  for (const item of same.sequences.added) {
    if (!owners.comesWith(item)) added('SEQUENCE', namesOf(item), sequenceFields(item));
  }
  for (const [old, now] of same.sequences.pairs) {
    const same = renames.within(owners.pairOf(now));
    const changes = changedFields(moved(sequenceFields(old)), sequenceFields(now), same);
    altered('SEQUENCE', namesOf(now), toldAsItWas(owners.without(changes, now, old), old.schema));
  }
  return found.sort(inOrder);
}

const namesOf = ({ schema, name }: QualifiedName): string[] => [schema, name];

function differenceOfPart({ kind, object, name, before, after }: PartChange, pair: RelationPair): Difference {
  return { kind, object, names: [...namesOf(pair.after), name], identity: null, before, after };
}

const merged = (one: FieldChanges | null, other: FieldChanges | null): FieldChanges | null =>
  one && other
    ? { before: { ...one.before, ...other.before }, after: { ...one.after, ...other.after } }
    : (one ?? other);

function inOrder(a: Difference, b: Difference): number {
  const kinds = order.indexOf(a.object) - order.indexOf(b.object);
  return kinds || compareTexts(keyOf(a), keyOf(b)) || compareTexts(b.kind, a.kind);
}
const keyOf = ({ names, identity }: Difference): string => [...names, identity ?? ''].join('\0');
const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface Same {
  readonly byId: boolean;
  readonly renames: Renames;
  /** What a schema of before is called. */
  schemaNow(name: string): string;
  readonly schemas: Matched<CatalogSnapshot['schemas'][number]>;
  readonly relations: Matched<SnapshotRelation>;
  readonly relationPairs: readonly RelationPair[];
  readonly enums: Matched<SnapshotEnum>;
  readonly routines: Matched<SnapshotRoutine>;
  readonly sequences: Matched<SnapshotSequence>;
  readonly extensions: Matched<CatalogSnapshot['extensions'][number]>;
}

type InSchema = QualifiedName & Identified;

function matchAll(before: CatalogSnapshot, after: CatalogSnapshot): Same {
  const byId = !isCopy(before, after);
  const renames = createRenames();
  const schemas = matchedByName(before.schemas, after.schemas, { byId });
  const nowOf = new Map(schemas.pairs.map(([old, now]) => [old.name, now.name]));
  for (const [old, now] of nowOf) renames.add(old, now);
  const schemaNow = (name: string) => nowOf.get(name) ?? name;
  const inSchemas = <Item extends InSchema>(
    old: readonly Item[],
    now: readonly Item[],
    more: (item: Item) => string,
  ) => {
    const same = matched(old, now, {
      byId,
      before: (item) => JSON.stringify([schemaNow(item.schema), item.name, more(item)]),
      after: (item) => JSON.stringify([item.schema, item.name, more(item)]),
    });
    for (const [one, other] of same.pairs) {
      renames.add(one.name, other.name);
      renames.addMove(one, other);
    }
    return same;
  };
  const enums = inSchemas(before.enums, after.enums, () => '');
  for (const [old, now] of enums.pairs) addValues(old, now, renames);
  for (const list of schemaLists) inSchemas<InSchema>(before[list], after[list], () => '');
  for (const [old, now] of inSchemas(before.compositeTypes, after.compositeTypes, () => '').pairs) {
    for (const [one, other] of matchedByName(old.attributes, now.attributes, { byId }).pairs)
      renames.add(one.name, other.name);
  }
  for (const list of databaseLists) {
    const { pairs } = matchedByName<Identified & { name: string }>(before[list], after[list], { byId });
    for (const [old, now] of pairs) renames.add(old.name, now.name);
  }
  for (const [{ schema: was, ...old }, { schema: is, ...now }] of matchedByName(before.others, after.others, { byId })
    .pairs) {
    if (was !== null && is !== null) renames.addMove({ ...old, schema: was }, { ...now, schema: is });
  }
  const relations = inSchemas(before.relations, after.relations, ({ kind }) => kind);
  return {
    byId,
    renames,
    schemaNow,
    schemas,
    relations,
    relationPairs: relations.pairs.map(([old, now]) => ({ before: old, after: now, byId: byId && old.id === now.id })),
    enums,
    routines: inSchemas(before.routines, after.routines, ({ identity, kind }) => `${kind} ${identity}`),
    sequences: inSchemas(before.sequences, after.sequences, () => ''),
    extensions: matchedByName(before.extensions, after.extensions, { byId }),
  };
}

function addValues(old: SnapshotEnum, now: SnapshotEnum, renames: Renames): void {
  const values = new Map(now.valueIds.map((id, place) => [id, now.values[place]!]));
  for (const [place, id] of old.valueIds.entries()) {
    const value = values.get(id);
    if (value !== undefined) renames.addLiteral(old.values[place]!, value);
  }
}

/** So many objects may have taken names of others before their ids are taken for those of another server. */
const maxTaken = 3;

/**
 * Whether a database was restored from elsewhere: then an id may be that of anything. An object that has the id of one
 * and the name of another is either renamed, and then what it is made of came along with the id, or a copy.
 */
function isCopy(before: CatalogSnapshot, after: CatalogSnapshot): boolean {
  let [byId, byName] = [0, 0];
  for (const section of sections) {
    const contents = before[section].map((item): readonly [typeof item, string] => [item, contentOf(item)]);
    const ofId = new Map(contents.map(([{ id }, content]) => [id, content]));
    const ofName = new Map(contents.map(([item, content]) => [keyOfItem(item), { id: item.id, content }]));
    for (const item of after[section]) {
      const named = ofName.get(keyOfItem(item));
      if (named?.id === item.id) {
        byId += 1;
        continue;
      }
      const content = contentOf(item);
      const [likeId, likeName] = [ofId.get(item.id) === content, named?.content === content];
      if (likeId && !likeName) byId += 1;
      if (likeName && !likeId && ofId.has(item.id)) byName += 1;
    }
  }
  return byName > maxTaken && byName > byId;
}

const sections = ['relations', 'routines', 'sequences', 'enums'] as const;
type Section = CatalogSnapshot[(typeof sections)[number]][number];

const keyOfItem = (item: Section): string =>
  JSON.stringify([item.schema, item.name, 'identity' in item ? item.identity : '']);

/** What an object keeps when it is called otherwise, as far as it tells it from others. */
function contentOf(item: Section): string {
  if ('columns' in item) return JSON.stringify([item.kind, item.columns.map(({ name, dataType }) => [name, dataType])]);
  if ('arguments' in item) return JSON.stringify([item.kind, item.arguments, item.returns, item.language]);
  return JSON.stringify('values' in item ? item.values : [item.dataType, item.start, item.increment, item.maximum]);
}

/** Sequences that come, go and move with the column that they belong to. */
function ownersOf({ relations, relationPairs, renames }: Same) {
  const keyOfTable = ({ schema, name }: QualifiedName) => JSON.stringify([schema, name]);
  const came = new Set(relations.added.map(keyOfTable));
  const went = new Set(relations.removed.map(keyOfTable));
  const pairOf = new Map(relationPairs.map((pair) => [keyOfTable(pair.after), pair]));
  const pairBefore = new Map(relationPairs.map((pair) => [keyOfTable(pair.before), pair]));
  const hasColumn = (relation: SnapshotRelation, name: string) =>
    relation.columns.some((column) => column.name === name);

  const ownerOf = ({ ownedBy }: SnapshotSequence) => ownedBy && pairOf.get(keyOfTable(ownedBy.table));

  return {
    /** Of what it belongs to. */
    pairOf: ownerOf,
    comesWith({ ownedBy, identity }: SnapshotSequence): boolean {
      if (!ownedBy || identity) return identity;
      const pair = pairOf.get(keyOfTable(ownedBy.table));
      return came.has(keyOfTable(ownedBy.table)) || (pair !== undefined && !hasColumn(pair.before, ownedBy.column));
    },
    goesWith({ ownedBy, identity }: SnapshotSequence): boolean {
      if (!ownedBy || identity) return identity;
      const pair = pairBefore.get(keyOfTable(ownedBy.table));
      return went.has(keyOfTable(ownedBy.table)) || (pair !== undefined && !hasColumn(pair.after, ownedBy.column));
    },
    /** What the table's or the column's own change brings about is left out. */
    without(changes: FieldChanges | null, now: SnapshotSequence, old: SnapshotSequence): FieldChanges | null {
      const pair = ownerOf(now);
      if (!changes || !pair) return changes;
      const follows = new Set<string>();
      if (pair.before.schema === old.schema && pair.after.schema === now.schema) follows.add('schema');
      if (pair.before.unlogged === old.unlogged && pair.after.unlogged === now.unlogged) follows.add('unlogged');
      const typeIn = (relation: SnapshotRelation, column = '') =>
        relation.columns.find(({ name }) => name === column)?.dataType ?? '';
      if (
        now.identity &&
        !renames.same(typeIn(pair.before, old.ownedBy?.column), typeIn(pair.after, now.ownedBy?.column))
      ) {
        for (const field of ['dataType', 'minimum', 'maximum']) follows.add(field);
      }
      return withoutFields(changes, follows);
    },
  };
}
