/**
 * What one operation reads of one catalogue: whatever a level of a query asks for is one read a kind, and nothing is
 * read twice. What a snapshot has of a table is given at once.
 */
import DataLoader from 'dataloader';
import type {
  Catalog,
  PageRequest,
  QualifiedName,
  ReadOptions,
  Relation,
  RelationFilter,
  RelationsWithin,
  Routine,
  RoutineFilter,
  RoutineName,
  Schema,
  Within,
} from '../engines/catalog.ts';
import { type FunctionNode, keyOf, type SchemaNode, type TableNode } from './nodes.ts';
import type { KnownLists } from './snapshots/snapshot-catalog.ts';

export type Reading = <Value>(work: (catalog: Catalog, options: ReadOptions) => Promise<Value>) => Promise<Value>;

export interface LoadersDeps {
  readonly databaseId: string;
  /** Runs one read on the open catalogue, with the options that it must take. */
  read: Reading;
  /** Null: everything is read. */
  readonly known: KnownLists | null;
}

export interface RelationPageArguments {
  readonly filter: RelationFilter;
  readonly page: PageRequest<QualifiedName>;
}

export interface RoutinePageArguments {
  readonly filter: RoutineFilter;
  readonly page: PageRequest<RoutineName>;
}

export type CatalogLoaders = ReturnType<typeof createLoaders>;

type ReadOf<Key, Value> = (catalog: Catalog, keys: readonly Key[], options: ReadOptions) => Promise<Value[]>;

export function createLoaders({ databaseId, read, known }: LoadersDeps) {
  const byText = <Value>(work: ReadOf<string, Value>) =>
    new DataLoader<string, Value>((keys) => read((catalog, options) => work(catalog, keys, options)));
  const byName = <Name extends QualifiedName, Value>(work: ReadOf<Name, Value>) =>
    new DataLoader<Name, Value, string>((keys) => read((catalog, options) => work(catalog, keys, options)), {
      cacheKeyFn: keyOf,
    });

  const node = <Item extends object>(item: Item) => madeOnce(item, () => ({ ...item, databaseId }));
  const nodeOrNull = <Item extends object>(item: Item | null) => item && node(item);
  const nodes = <Item extends object>(items: Item[]) => madeOnce(items, () => items.map(node));
  /** One of their lists of each table, made from what was read of it. */
  function ofTables<Item extends object, Made>(
    knownOf: ((table: QualifiedName) => Item[] | undefined) | undefined,
    work: ReadOf<QualifiedName, Item[]>,
    made: (items: Item[], table: QualifiedName) => Made,
  ) {
    const loader = byName<QualifiedName, Made>(async (catalog, tables, options) =>
      (await work(catalog, tables, options)).map((items, place) => made(items, tables[place]!)),
    );
    return {
      load(table: QualifiedName): Made | Promise<Made> {
        const items = knownOf?.(table);
        return items ? made(items, table) : loader.load(table);
      },
    };
  }
  const inTable = <Item extends object>(items: Item[], table: QualifiedName): (Item & OfTable)[] =>
    madeOnce(items, () => items.map((item) => ({ ...item, databaseId, table })));
  const asTheyAre = <Item>(items: Item[]) => items;

  const schema = byText<Schema | null>((catalog, names, options) => catalog.schemasByName(names, options));
  const table = byName<QualifiedName, TableNode | null>(async (catalog, names, options) =>
    (await catalog.relationsByName(names, options)).map(nodeOrNull),
  );
  const fn = byName<RoutineName, FunctionNode | null>(async (catalog, names, options) =>
    (await catalog.routinesByName(names, options)).map(nodeOrNull),
  );

  const tablePages = (within: RelationsWithin, { filter, page }: RelationPageArguments) =>
    read(async (catalog, options) =>
      (await catalog.relationPages(within, filter, page, options)).map((found: Relation[]) =>
        primed(table, nodes(found)),
      ),
    );
  const functionPages = (within: Within, { filter, page }: RoutinePageArguments) =>
    read(async (catalog, options) =>
      (await catalog.routinePages(within, filter, page, options)).map((found: Routine[]) => primed(fn, nodes(found))),
    );

  return {
    schema,
    table,
    function: fn,
    enumType: byName(async (catalog, names, options) => (await catalog.enumsByName(names, options)).map(nodeOrNull)),

    columns: ofTables(known?.columns, (catalog, tables, options) => catalog.columns(tables, options), inTable),
    columnDetails: byName((catalog, tables: readonly QualifiedName[], options) =>
      catalog.columnDetails(tables, options),
    ),
    origins: byName((catalog, tables: readonly QualifiedName[], options) => catalog.origins(tables, options)),
    statistics: byName((catalog, tables: readonly QualifiedName[], options) => catalog.statistics(tables, options)),
    indexes: ofTables(known?.indexes, (catalog, tables, options) => catalog.indexes(tables, options), inTable),
    constraints: ofTables(
      known?.constraints,
      (catalog, tables, options) => catalog.constraints(tables, options),
      asTheyAre,
    ),
    foreignKeys: ofTables(
      known?.foreignKeys,
      (catalog, tables, options) => catalog.foreignKeys(tables, options),
      nodes,
    ),
    referencedBy: ofTables(
      known?.referencedBy,
      (catalog, tables, options) => catalog.referencedBy(tables, options),
      nodes,
    ),
    triggers: ofTables(known?.triggers, (catalog, tables, options) => catalog.triggers(tables, options), nodes),
    policies: ofTables(known?.policies, (catalog, tables, options) => catalog.policies(tables, options), asTheyAre),
    rules: ofTables(known?.rules, (catalog, tables, options) => catalog.rules(tables, options), asTheyAre),
    details: byName((catalog, tables: readonly QualifiedName[], options) => catalog.details(tables, options)),
    definition: byName((catalog, tables: readonly QualifiedName[], options) => catalog.definitions(tables, options)),
    estimatedRows: byName((catalog, tables: readonly QualifiedName[], options) =>
      catalog.estimatedRows(tables, options),
    ),
    ddl: byName((catalog, tables: readonly QualifiedName[], options) =>
      catalog.ddlOf(
        tables.map((one) => ({ schemas: [], tables: [one] })),
        options,
      ),
    ),
    sizeBytes: byName((catalog, tables: readonly QualifiedName[], options) => catalog.sizesBytes(tables, options)),
    indexSizesBytes: byName((catalog, tables: readonly QualifiedName[], options) =>
      catalog.indexSizesBytes(tables, options),
    ),
    indexScans: byName((catalog, tables: readonly QualifiedName[], options) => catalog.indexScans(tables, options)),
    lastValue: byName((catalog, sequences: readonly QualifiedName[], options) =>
      catalog.lastValues(sequences, options),
    ),

    defaultSchema: once(() => read((catalog, options) => catalog.defaultSchema(options))),
    databaseSizeBytes: once(() => read((catalog, options) => catalog.databaseSizeBytes(options))),
    extensions: once(() => read((catalog, options) => catalog.extensions(options))),
    schemas: memoized(async (filter: { includeSystem: boolean }): Promise<SchemaNode[]> => {
      const schemas = await read((catalog, options) => catalog.schemas(filter, options));
      for (const found of schemas) schema.prime(found.name, found);
      return schemas.map(({ name }) => ({ databaseId, name }));
    }),

    tables: memoized((args: RelationPageArguments) => tablePages({ database: true }, args).then(first)),
    tableCount: memoized((filter: RelationFilter) =>
      read((catalog, options) => catalog.relationCounts({ database: true }, filter, options)).then(first),
    ),
    // A loader for each set of arguments: schemas that are asked the same are one read.
    tablesOf: memoized((args: RelationPageArguments) =>
      batched<string, TableNode[]>((schemas) => tablePages({ schemas }, args)),
    ),
    tableCountOf: memoized((filter: RelationFilter) =>
      byText((catalog, schemas, options) => catalog.relationCounts({ schemas }, filter, options)),
    ),
    partitionsOf: memoized((args: RelationPageArguments) =>
      batched<QualifiedName, TableNode[]>((partitionsOf) => tablePages({ partitionsOf }, args), keyOf),
    ),
    childrenOf: memoized((args: RelationPageArguments) =>
      batched<QualifiedName, TableNode[]>((childrenOf) => tablePages({ childrenOf }, args), keyOf),
    ),
    childCountOf: byName((catalog, childrenOf: readonly QualifiedName[], options) =>
      catalog.relationCounts({ childrenOf }, {}, options),
    ),
    partitionCountOf: byName((catalog, partitionsOf: readonly QualifiedName[], options) =>
      catalog.relationCounts({ partitionsOf }, {}, options),
    ),

    functions: memoized((args: RoutinePageArguments) => functionPages({ database: true }, args).then(first)),
    functionCount: memoized((filter: RoutineFilter) =>
      read((catalog, options) => catalog.routineCounts({ database: true }, filter, options)).then(first),
    ),
    functionsOf: memoized((args: RoutinePageArguments) =>
      batched<string, FunctionNode[]>((schemas) => functionPages({ schemas }, args)),
    ),
    functionCountOf: byText((catalog, schemas, options) => catalog.routineCounts({ schemas }, {}, options)),

    parts: once(() =>
      read((catalog, options) => catalog.parts(options)).then((parts) =>
        madeOnce(parts, () => ({
          ...parts,
          domains: parts.domains.map(node),
          compositeTypes: parts.compositeTypes.map(node),
          rangeTypes: parts.rangeTypes.map(node),
          eventTriggers: parts.eventTriggers.map(node),
          publications: parts.publications.map(node),
        })),
      ),
    ),

    enums: once(() =>
      read((catalog, options) => catalog.enums({ database: true }, options))
        .then(first)
        .then(nodes),
    ),
    enumsOf: byText(async (catalog, schemas, options) => (await catalog.enums({ schemas }, options)).map(nodes)),
    sequencesOf: byText(async (catalog, schemas, options) => (await catalog.sequences(schemas, options)).map(nodes)),
  };
}

const made = new WeakMap<object, unknown>();

/** Snapshots give the same objects each time, and an object is of one database and of one table for good. */
function madeOnce<Node>(source: object, make: () => Node): Node {
  const known = made.get(source) as Node | undefined;
  if (known !== undefined) return known;
  const node = make();
  made.set(source, node);
  return node;
}

interface OfTable {
  readonly databaseId: string;
  readonly table: QualifiedName;
}

/** Keeps what a page gave for whoever asks for it by name. */
function primed<Name extends QualifiedName, Node extends Name>(
  loader: DataLoader<Name, Node | null, string>,
  found: Node[],
): Node[] {
  for (const one of found) loader.prime(one, one);
  return found;
}

const batched = <Key, Value>(work: (keys: readonly Key[]) => Promise<Value[]>, cacheKeyFn?: (key: Key) => string) =>
  new DataLoader<Key, Value, Key | string>(work, cacheKeyFn && { cacheKeyFn });

const first = <Value>([value]: readonly Value[]): Value => value!;

function once<Value>(work: () => Promise<Value>): () => Promise<Value> {
  let value: Promise<Value> | undefined;
  return () => {
    value ??= work();
    return value;
  };
}

/** One value for each set of arguments, for as long as the operation lasts. */
function memoized<Arguments, Value>(work: (args: Arguments) => Value): (args: Arguments) => Value {
  const values = new Map<string, Value>();
  return (args) => {
    const key = JSON.stringify(args);
    const known = values.get(key);
    if (known !== undefined) return known;
    const value = work(args);
    values.set(key, value);
    return value;
  };
}
