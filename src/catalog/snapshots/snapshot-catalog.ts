/**
 * The catalogue of a database as a snapshot has it, by the same contract as the live one and with the same answers. The
 * target is asked for what moves without DDL, for what is of the server and not of the database, and for everything that
 * the snapshot does not know: the system's own schemas, and what was made since.
 */
import type {
  Catalog,
  Column,
  ColumnDetails,
  Constraint,
  EnumType,
  ExtendedStatistics,
  Extension,
  ForeignKey,
  Index,
  PageRequest,
  Policy,
  QualifiedName,
  Relation,
  RelationDetails,
  RelationFilter,
  RelationsWithin,
  RewriteRule,
  Routine,
  RoutineName,
  Schema,
  Sequence,
  Trigger,
  Within,
} from '../../engines/catalog.ts';
import type { SnapshotColumn, SnapshotRelation } from '../../engines/snapshot.ts';
import type { Reading } from '../loaders.ts';
import { keyOf } from '../nodes.ts';
import { compareNames, type Objects, type SnapshotIndex } from './snapshot-index.ts';

export interface SnapshotCatalogDeps {
  readonly index: SnapshotIndex;
  /** Runs one read on the open catalogue of the target. */
  readonly live: Reading;
}

export function createSnapshotCatalog({ index, live }: SnapshotCatalogDeps): Catalog {
  const { snapshot, relations, routines, enums, sequences } = index;
  const own = listsOf(index);

  const schemaKnown = (name: string) => index.schemaByName.has(name);

  /** Of each relation what `own` gives; the target is asked about those that the snapshot does not know. */
  const ofRelations = <Value>(
    names: readonly QualifiedName[],
    own: (relation: SnapshotRelation) => Value,
    ask: (unknown: readonly QualifiedName[]) => Promise<Value[]>,
  ): Promise<Value[]> =>
    knownOrAsked(
      names,
      (name) => {
        const relation = relations.byName.get(keyOf(name));
        return relation && own(relation);
      },
      ask,
    );

  const byName = <Name extends QualifiedName, Item extends Name, Value>(
    objects: Objects<Item>,
    names: readonly Name[],
    own: (item: Item) => Value,
    ask: (unknown: readonly Name[]) => Promise<(Value | null)[]>,
  ): Promise<(Value | null)[]> =>
    knownOrAsked<Name, Value | null>(
      names,
      (name) => {
        const item = objects.byName.get(keyOf(name));
        return item && own(item);
      },
      ask,
    );

  /** One list for the database, or one for each schema asked. */
  const groups = <Item, Value>(
    objects: Objects<Item>,
    within: Within,
    own: (items: readonly Item[]) => Value,
    ask: (schemas: readonly string[]) => Promise<Value[]>,
  ): Promise<Value[]> =>
    'database' in within
      ? Promise.resolve([own(objects.all)])
      : knownOrAsked(
          within.schemas,
          (schema) => (schemaKnown(schema) ? own(objects.bySchema.get(schema) ?? []) : undefined),
          ask,
        );

  function relationGroups<Value>(
    within: RelationsWithin,
    own: (items: readonly SnapshotRelation[]) => Value,
    ask: (within: RelationsWithin) => Promise<Value[]>,
  ): Promise<Value[]> {
    if (!('partitionsOf' in within || 'childrenOf' in within)) {
      return groups(relations, within, own, (schemas) => ask({ schemas }));
    }
    const [parents, below] =
      'partitionsOf' in within ? [within.partitionsOf, index.partitionsOf] : [within.childrenOf, index.childrenOf];
    return knownOrAsked(
      parents,
      (name) => (relations.byName.has(keyOf(name)) ? own(below.get(keyOf(name)) ?? []) : undefined),
      (unknown) => ask('partitionsOf' in within ? { partitionsOf: unknown } : { childrenOf: unknown }),
    );
  }

  const relationFilter = ({ search, kinds }: RelationFilter) => {
    const matches = matching(search);
    return (relation: SnapshotRelation) => (kinds === undefined || kinds.includes(relation.kind)) && matches(relation);
  };

  return {
    snapshot: ({ reach }) => live((catalog, options) => catalog.snapshot({ ...options, reach })),
    serverVersion: async () => snapshot.serverVersion,
    defaultSchema: async () => snapshot.defaultSchema,
    databaseSizeBytes: () => live((catalog, options) => catalog.databaseSizeBytes(options)),
    serverDatabases: (reach) => live((catalog, options) => catalog.serverDatabases(reach, options)),
    roles: (reach) => live((catalog, options) => catalog.roles(reach, options)),
    extensions: async () => snapshot.extensions.map(extensionOf),
    parts: async () => snapshot,

    schemas: async ({ includeSystem }) =>
      includeSystem
        ? live((catalog, options) => catalog.schemas({ includeSystem }, options))
        : index.schemas.map(schemaOf),
    schemasByName: (names) =>
      knownOrAsked<string, Schema | null>(
        names,
        (name) => {
          const schema = index.schemaByName.get(name);
          return schema && schemaOf(schema);
        },
        (unknown) => live((catalog, options) => catalog.schemasByName(unknown, options)),
      ),

    async relationPages(within, filter, page) {
      if (!isSimple(filter.search))
        return await live((catalog, options) => catalog.relationPages(within, filter, page, options));
      const matches = relationFilter(filter);
      return await relationGroups(
        within,
        (items) => pageOf(items, matches, page).map(relationOf),
        (unknown) => live((catalog, options) => catalog.relationPages(unknown, filter, page, options)),
      );
    },
    async relationCounts(within, filter) {
      if (!isSimple(filter.search))
        return await live((catalog, options) => catalog.relationCounts(within, filter, options));
      const matches = relationFilter(filter);
      const all = filter.kinds === undefined && !filter.search;
      return await relationGroups(
        within,
        (items) => (all ? items.length : items.filter(matches).length),
        (unknown) => live((catalog, options) => catalog.relationCounts(unknown, filter, options)),
      );
    },
    relationsByName: (names) =>
      byName<QualifiedName, SnapshotRelation, Relation>(relations, names, relationOf, (unknown) =>
        live((catalog, options) => catalog.relationsByName(unknown, options)),
      ),

    columns: (names) =>
      ofRelations(names, own.columns, (unknown) => live((catalog, options) => catalog.columns(unknown, options))),
    columnDetails: (names) =>
      ofRelations(
        names,
        ({ columns }) => columnDetailsOf(columns),
        (unknown) => live((catalog, options) => catalog.columnDetails(unknown, options)),
      ),
    origins: (names) =>
      ofRelations(
        names,
        ({ origins }) => [...origins],
        (unknown) => live((catalog, options) => catalog.origins(unknown, options)),
      ),
    statistics: (names) => live((catalog, options) => catalog.statistics(names, options)),
    indexes: (names) =>
      ofRelations(names, own.indexes, (unknown) => live((catalog, options) => catalog.indexes(unknown, options))),
    constraints: (names) =>
      ofRelations(names, own.constraints, (unknown) =>
        live((catalog, options) => catalog.constraints(unknown, options)),
      ),
    foreignKeys: (names) =>
      ofRelations(names, own.foreignKeys, (unknown) =>
        live((catalog, options) => catalog.foreignKeys(unknown, options)),
      ),
    referencedBy: (names) =>
      ofRelations(names, own.referencedBy, (unknown) =>
        live((catalog, options) => catalog.referencedBy(unknown, options)),
      ),
    triggers: (names) =>
      ofRelations(names, own.triggers, (unknown) => live((catalog, options) => catalog.triggers(unknown, options))),
    policies: (names) =>
      ofRelations(names, own.policies, (unknown) => live((catalog, options) => catalog.policies(unknown, options))),
    rules: (names) =>
      ofRelations(names, own.rules, (unknown) => live((catalog, options) => catalog.rules(unknown, options))),
    details: (names) =>
      ofRelations<RelationDetails | null>(names, detailsOf, (unknown) =>
        live((catalog, options) => catalog.details(unknown, options)),
      ),
    definitions: (names) =>
      ofRelations(
        names,
        ({ definition }) => definition,
        (unknown) => live((catalog, options) => catalog.definitions(unknown, options)),
      ),
    estimatedRows: (names) => live((catalog, options) => catalog.estimatedRows(names, options)),
    sizesBytes: (names) => live((catalog, options) => catalog.sizesBytes(names, options)),
    indexSizesBytes: (names) => live((catalog, options) => catalog.indexSizesBytes(names, options)),
    indexScans: (names) => live((catalog, options) => catalog.indexScans(names, options)),

    // Of one moment of the target, with what the snapshot has not.
    ddl: () => live((catalog, options) => catalog.ddl(options)),
    ddlOf: (selections) => live((catalog, options) => catalog.ddlOf(selections, options)),

    enums: (within) =>
      groups(
        enums,
        within,
        (items) => items.map(enumOf),
        (schemas) => live((catalog, options) => catalog.enums({ schemas }, options)),
      ),
    enumsByName: (names) =>
      byName<QualifiedName, (typeof enums.all)[number], EnumType>(enums, names, enumOf, (unknown) =>
        live((catalog, options) => catalog.enumsByName(unknown, options)),
      ),
    sequences: (schemas) =>
      groups(
        sequences,
        { schemas },
        (items) => items.map(sequenceOf),
        (unknown) => live((catalog, options) => catalog.sequences(unknown, options)),
      ),
    lastValues: (names) => live((catalog, options) => catalog.lastValues(names, options)),
    rowAccess: (tables) => live((catalog, options) => catalog.rowAccess(tables, options)),
    rowsSeen: (asked) => live((catalog, options) => catalog.rowsSeen(asked, options)),

    async routinePages(within, filter, page) {
      if (!isSimple(filter.search))
        return await live((catalog, options) => catalog.routinePages(within, filter, page, options));
      const matches = matching(filter.search);
      return await groups(
        routines,
        within,
        (items) => pageOf(items, matches, page).map(routineOf),
        (schemas) => live((catalog, options) => catalog.routinePages({ schemas }, filter, page, options)),
      );
    },
    async routineCounts(within, filter) {
      if (!isSimple(filter.search))
        return await live((catalog, options) => catalog.routineCounts(within, filter, options));
      const matches = matching(filter.search);
      return await groups(
        routines,
        within,
        (items) => items.filter(matches).length,
        (schemas) => live((catalog, options) => catalog.routineCounts({ schemas }, filter, options)),
      );
    },
    routinesByName: (names) =>
      byName<RoutineName, (typeof routines.all)[number], Routine>(routines, names, routineOf, (unknown) =>
        live((catalog, options) => catalog.routinesByName(unknown, options)),
      ),

    // Connections are whoever's who reads the target.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** What hangs off a relation, each in a list. */
const listsOf = ({ referencedBy }: SnapshotIndex) => ({
  columns: ({ columns }: SnapshotRelation) => columnsOf(columns),
  indexes: ({ indexes }: SnapshotRelation) => indexesOf(indexes),
  constraints: ({ constraints }: SnapshotRelation) => constraintsOf(constraints),
  foreignKeys: ({ foreignKeys }: SnapshotRelation) => foreignKeysOf(foreignKeys),
  referencedBy: ({ schema, name }: SnapshotRelation) =>
    (referencedBy.get(keyOf({ schema, name })) ?? []).map(foreignKeyOf).sort(byOrigin),
  triggers: ({ triggers }: SnapshotRelation) => triggersOf(triggers),
  policies: ({ policies }: SnapshotRelation) => policiesOf(policies),
  rules: ({ rules }: SnapshotRelation) => rulesOf(rules),
});

/** What a catalogue of the snapshot would give for one relation, without a promise; undefined where it asks the target. */
export type KnownLists = {
  readonly [Kind in keyof ReturnType<typeof listsOf>]: (
    name: QualifiedName,
  ) => ReturnType<ReturnType<typeof listsOf>[Kind]> | undefined;
};

const known = new WeakMap<SnapshotIndex, KnownLists>();

/** The same for all who ask the same snapshot: a relation that was found once is found by its object. */
export function knownListsOf(index: SnapshotIndex): KnownLists {
  const lists = known.get(index) ?? newKnownLists(index);
  known.set(index, lists);
  return lists;
}

function newKnownLists(index: SnapshotIndex): KnownLists {
  const { relations } = index;
  const own = listsOf(index);
  function knownBy<List extends object>(of: (relation: SnapshotRelation) => List) {
    const found = new WeakMap<QualifiedName, List>();
    return (name: QualifiedName): List | undefined => {
      const before = found.get(name);
      if (before) return before;
      const relation = relations.byName.get(keyOf(name));
      if (!relation) return undefined;
      const list = of(relation);
      found.set(name, list);
      return list;
    };
  }
  return {
    columns: knownBy(own.columns),
    indexes: knownBy(own.indexes),
    constraints: knownBy(own.constraints),
    foreignKeys: knownBy(own.foreignKeys),
    referencedBy: knownBy(own.referencedBy),
    triggers: knownBy(own.triggers),
    policies: knownBy(own.policies),
    rules: knownBy(own.rules),
  };
}

/** In the order of the keys; those that are not known are asked for together. */
async function knownOrAsked<Key, Value>(
  keys: readonly Key[],
  known: (key: Key) => Value | undefined,
  ask: (unknown: readonly Key[]) => Promise<Value[]>,
): Promise<Value[]> {
  const values = keys.map(known);
  const unknown = keys.filter((_, place) => values[place] === undefined);
  const asked = unknown.length === 0 ? [] : await ask(unknown);
  let next = 0;
  return values.map((value) => (value === undefined ? asked[next++]! : value));
}

/** How letters beyond ASCII are lowered is the database's collation's affair: it is asked. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them
const isSimple = (search: string | undefined): boolean => search === undefined || /^[\x00-\x7f]*$/.test(search);

const lowered = (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

function matching(search: string | undefined): (name: QualifiedName) => boolean {
  if (search === undefined || search === '') return () => true;
  const part = lowered(search);
  return ({ name }) => lowered(name).includes(part);
}

function pageOf<Name extends QualifiedName, Item extends Name>(
  items: readonly Item[],
  matches: (item: Item) => boolean,
  { limit, after, before, backward }: PageRequest<Name>,
): Item[] {
  const from = after === undefined ? 0 : firstBehind(items, (item) => compareNames(item, after) > 0);
  const to = before === undefined ? items.length : firstBehind(items, (item) => compareNames(item, before) >= 0);
  const page: Item[] = [];
  const most = limit ?? Number.POSITIVE_INFINITY;
  for (let step = 0; step < to - from && page.length < most; step += 1) {
    const item = items[backward ? to - 1 - step : from + step]!;
    if (matches(item)) page.push(item);
  }
  return backward ? page.reverse() : page;
}

/** Where in a sorted list that begins which `isBehind` holds for, by halves. */
function firstBehind<Item>(items: readonly Item[], isBehind: (item: Item) => boolean): number {
  let [from, to] = [0, items.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isBehind(items[middle]!)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** Of an object of a snapshot what a read of it gives, and no more; made once, as a snapshot is read over and over. */
function parts<Item extends object>(...keys: readonly (keyof Item)[]): (item: Item) => Item {
  const copies = new WeakMap<Item, Item>();
  return (item) => {
    const known = copies.get(item);
    if (known) return known;
    const copy: Partial<Item> = {};
    for (const key of keys) copy[key] = item[key];
    copies.set(item, copy as Item);
    return copy as Item;
  };
}

/** The same list each time for the same one of the snapshot. */
function lists<Item extends object>(own: (item: Item) => Item): (items: readonly Item[]) => Item[] {
  const copies = new WeakMap<readonly Item[], Item[]>();
  return (items) => {
    const copy = copies.get(items) ?? items.map(own);
    copies.set(items, copy);
    return copy;
  };
}

const schemaOf = parts<Schema>('name', 'owner', 'comment');
const extensionOf = parts<Extension>('name', 'version', 'schema', 'comment');
const relationOf = parts<Relation>('schema', 'name', 'kind', 'owner', 'comment');
const columnOf = parts<Column>(
  'name',
  'position',
  'dataType',
  'nullable',
  'default',
  'generated',
  'identity',
  'comment',
  'primaryKeyPosition',
  'unique',
  'indexed',
  'enumValues',
  'collation',
);
const columnsOf = lists(columnOf);
const indexOf = parts<Index>(
  'name',
  'columns',
  'unique',
  'primary',
  'valid',
  'method',
  'predicate',
  'definition',
  'comment',
  'constraint',
  'clustered',
  'replicaIdentity',
  'tablespace',
);
const indexesOf = lists(indexOf);
const constraintOf = parts<Constraint>('name', 'kind', 'columns', 'definition', 'deferrable', 'validated', 'comment');
const constraintsOf = lists(constraintOf);
const foreignKeyOf = parts<ForeignKey>(
  'name',
  'table',
  'columns',
  'referenced',
  'referencedColumns',
  'onUpdate',
  'onDelete',
);
const foreignKeysOf = lists(foreignKeyOf);
const triggerOf = parts<Trigger>(
  'name',
  'timing',
  'events',
  'level',
  'enabled',
  'fires',
  'definition',
  'function',
  'comment',
);
const triggersOf = lists(triggerOf);
const policyOf = parts<Policy>('name', 'command', 'permissive', 'roles', 'using', 'check', 'comment');
const policiesOf = lists(policyOf);
const ruleOf = parts<RewriteRule>('name', 'fires', 'definition', 'comment');
const rulesOf = lists(ruleOf);
const enumOf = parts<EnumType>('schema', 'name', 'values', 'comment');
const sequenceOf = parts<Sequence>(
  'schema',
  'name',
  'dataType',
  'start',
  'increment',
  'minimum',
  'maximum',
  'cache',
  'cycle',
  'owner',
  'comment',
  'ownedBy',
);
const routineOf = parts<Routine>(
  'schema',
  'name',
  'identity',
  'kind',
  'arguments',
  'returns',
  'language',
  'volatility',
  'securityDefiner',
  'comment',
  'definition',
);

const detailsOf = ({ foreign, parents, ...relation }: SnapshotRelation): RelationDetails => ({
  partitionKey: relation.partitionKey,
  partitionBound: relation.partitionBound,
  parents: [...parents],
  rowSecurity: relation.rowSecurity,
  forceRowSecurity: relation.forceRowSecurity,
  foreignServer: foreign?.server ?? null,
  foreignOptions: foreign?.options ?? [],
  unlogged: relation.unlogged,
  accessMethod: relation.accessMethod,
  tablespace: relation.tablespace,
  options: relation.options,
  replicaIdentity: relation.replicaIdentity,
  ofType: relation.ofType,
  statistics: relation.statistics.map(statisticsOf),
});

const statisticsOf = parts<ExtendedStatistics>('schema', 'name', 'owner', 'definition', 'target', 'comment');

const columnDetailOf = parts<ColumnDetails>(
  'inherited',
  'storage',
  'compression',
  'statisticsTarget',
  'options',
  'foreignOptions',
);
const columnDetailsOf = (columns: readonly SnapshotColumn[]): Map<string, ColumnDetails> =>
  new Map(columns.map((column) => [column.name, columnDetailOf(column)]));

const byOrigin = (a: ForeignKey, b: ForeignKey): number => (originOf(a) < originOf(b) ? -1 : 1);
const originOf = ({ table, name }: ForeignKey): string => JSON.stringify([table.schema, table.name, name]);
