/**
 * The catalogues of the databases that a viewer sees. Every function asks first whether he sees the database, and reads
 * through the loaders that his one operation has for it.
 */
import type { Viewer } from '../accounts/viewer.ts';
import type {
  Catalog,
  ColumnDetails,
  ColumnStatistics,
  Constraint,
  DdlSelection,
  Extension,
  Policy,
  QualifiedName,
  Reach,
  ReadOptions,
  RelationDetails,
  RelationKind,
  RewriteRule,
  Role,
  RoutineName,
  Schema,
} from '../engines/catalog.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { createGathered } from '../lib/gathered.ts';
import { decodeId } from '../lib/ids.ts';
import { secretOf } from '../lib/keyring.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../lib/pages.ts';
import { type DiagramFormat, diagramFormats } from './diagrams/formats.ts';
import { readDiagram } from './diagrams/read.ts';
import { type PartOfTable, readQualifiedId } from './ids.ts';
import { createJoinedReads, joinedCatalog } from './joined-reads.ts';
import { type CatalogLoaders, createLoaders, type Reading } from './loaders.ts';
import {
  type ColumnNode,
  type CompositeTypeNode,
  type DomainNode,
  type EnumTypeNode,
  type EventTriggerNode,
  type ForeignKeyNode,
  type FunctionNode,
  type IndexNode,
  keyOf,
  type PublicationNode,
  type RangeTypeNode,
  type SchemaNode,
  type SequenceNode,
  type TableNode,
  type TriggerNode,
} from './nodes.ts';
import { createSnapshotCatalog } from './snapshots/snapshot-catalog.ts';
import type { Snapshots } from './snapshots/snapshots.ts';
import type { SnapshotSource, SnapshotState } from './snapshots/store.ts';

/** One operation of one viewer: what it read is kept by its identity, and for it alone. */
export interface CatalogRequest {
  readonly viewer: Viewer | null;
  readonly signal: AbortSignal;
}

export interface CatalogDatabase extends SnapshotSource {
  /** On a server that it shares with databases of others. */
  readonly hosted: boolean;
}

export interface CatalogDeps<Database extends CatalogDatabase> {
  readonly databases: {
    /** Null where the viewer does not see it; asked once for each request and database. */
    load(request: object, viewer: Viewer | null, databaseId: string): Promise<Database | null>;
    /** @throws AppError CONNECTION_FAILED, TIMEOUT */
    readCatalog<Value>(
      database: Database,
      work: (catalog: Catalog) => Promise<Value>,
      options: ReadOptions,
    ): Promise<Value>;
  };
  /** Null: the target is asked for everything. */
  readonly snapshots: Pick<Snapshots<Database>, 'states' | 'open' | 'refresh'> | null;
  /** How long one read may take, with its wait for a connection and for locks that others hold in the target. */
  readonly readTimeoutMs?: number;
}

const defaultReadTimeoutMs = 15_000;

export interface TableArguments extends PageArguments {
  search?: string | null | undefined;
  kinds?: readonly RelationKind[] | null | undefined;
}

export interface FunctionArguments extends PageArguments {
  search?: string | null | undefined;
}

/** Parts of a database: the schemas and the tables that are named, both where both are; all of it where neither is. */
export interface ChosenParts {
  readonly schemas?: readonly string[] | null | undefined;
  readonly tableIds?: readonly (string | number)[] | null | undefined;
}

/** Schemas and tables that one read can be about. */
const maxChosen = 1_000;

export type CatalogService = ReturnType<typeof createCatalogService>;

/** Every function throws AppError NOT_FOUND for a database that the viewer does not see, and whatever `read` throws. */
export function createCatalogService<Database extends CatalogDatabase>({
  databases,
  snapshots,
  readTimeoutMs = defaultReadTimeoutMs,
}: CatalogDeps<Database>) {
  const opened = new WeakMap<CatalogRequest, Map<string, Promise<Opened>>>();
  const states = new WeakMap<CatalogRequest, Map<string, Promise<SnapshotState | null>>>();
  const versions = new WeakMap<CatalogRequest, Map<string, string>>();
  const joined = createJoinedReads();
  /** Requests with an answer that is not of a snapshot alone. */
  const lively = new WeakSet<CatalogRequest>();
  const findState = createGathered<SnapshotState>({
    async read(ids) {
      const found = snapshots ? await snapshots.states(ids) : [];
      return new Map(found.flatMap((state) => (state ? [[state.databaseId, state] as const] : [])));
    },
  });

  interface Opened {
    readonly loaders: CatalogLoaders;
    readonly reach: Reach;
    readonly read: Reading;
  }

  function open(request: CatalogRequest, databaseId: string): Promise<Opened> {
    const ofRequest = opened.get(request) ?? new Map<string, Promise<Opened>>();
    opened.set(request, ofRequest);
    const known = ofRequest.get(databaseId) ?? openAnew(request, databaseId);
    ofRequest.set(databaseId, known);
    return known;
  }

  async function openAnew(request: CatalogRequest, databaseId: string): Promise<Opened> {
    const { viewer, signal } = request;
    const [database, state] = await Promise.all([
      databases.load(request, viewer, databaseId),
      stateOf(request, databaseId),
    ]);
    if (!database) throw notFound('Database');
    const index = snapshots && (await snapshots.open(database, state));
    if (index && state) versions.set(request, (versions.get(request) ?? new Map()).set(databaseId, state.version));
    const target = joinedCatalog({
      source: `${databaseId} ${secretOf(database.sealedPassword)}`,
      read: (work, options) => databases.readCatalog(database, work, options),
      joined,
    });
    const live: Reading = async (work) => {
      lively.add(request);
      const deadline = AbortSignal.timeout(readTimeoutMs);
      const options = { signal: AbortSignal.any([signal, deadline]) };
      try {
        return await work(target, options);
      } catch (error) {
        if (!deadline.aborted || signal.aborted) throw error;
        throw new AppError('TIMEOUT', 'The catalogue did not answer in time; another session there may hold a lock', {
          cause: error,
          details: { timeoutMs: readTimeoutMs },
        });
      }
    };
    const kept = index && createSnapshotCatalog({ index, live });
    const read: Reading = kept ? (work) => work(kept, { signal }) : live;
    return { loaders: createLoaders({ databaseId, read }), reach: reachOf(database), read };
  }

  /** What is asked for at once, by whomever, is one look-up. */
  function stateOf(request: CatalogRequest, databaseId: string): Promise<SnapshotState | null> {
    const ofRequest = states.get(request) ?? new Map<string, Promise<SnapshotState | null>>();
    states.set(request, ofRequest);
    const known = ofRequest.get(databaseId) ?? findState(databaseId).then((state) => state ?? null);
    ofRequest.set(databaseId, known);
    return known;
  }

  const loadersOf = async (request: CatalogRequest, databaseId: string) => (await open(request, databaseId)).loaders;

  /** For look-ups by id, which cannot tell absent from not visible. */
  async function visible<Found>(find: () => Promise<Found | null>): Promise<Found | null> {
    try {
      return await find();
    } catch (error) {
      if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
      throw error;
    }
  }

  /** What schemas and tables are meant; null where none were named. @throws AppError NOT_FOUND, LIMIT_EXCEEDED */
  async function selectionOf(
    request: CatalogRequest,
    databaseId: string,
    { schemas, tableIds }: ChosenParts,
  ): Promise<DdlSelection | null> {
    if (!schemas && !tableIds) return null;
    const count = (schemas?.length ?? 0) + (tableIds?.length ?? 0);
    if (count > maxChosen) {
      throw new AppError('LIMIT_EXCEEDED', `At most ${maxChosen} schemas and tables can be chosen`, {
        details: { limit: maxChosen, chosen: count },
      });
    }
    const loaders = await loadersOf(request, databaseId);
    const tables = (tableIds ?? []).map((id) => {
      const decoded = decodeId(String(id));
      const found = decoded?.kind === 'Table' ? readQualifiedId(decoded.parts) : null;
      if (found?.databaseId !== databaseId) throw notFound('Table');
      return found.name;
    });
    const there = await Promise.all([
      Promise.all((schemas ?? []).map((name) => loaders.schema.load(name))),
      Promise.all(tables.map((name) => loaders.table.load(name))),
    ]);
    if (there[0].includes(null)) throw notFound('Schema');
    if (there[1].includes(null)) throw notFound('Table');
    return { schemas: schemas ?? [], tables };
  }

  const service = {
    /** The snapshots that all of a request's answers are of, by the database's id; null where a target was asked. */
    snapshotsOf(request: CatalogRequest): ReadonlyMap<string, string> | null {
      return lively.has(request) ? null : (versions.get(request) ?? new Map());
    },

    /** Whether these snapshots would be answered from again, read anew. */
    async stillAnswers(known: ReadonlyMap<string, string>): Promise<boolean> {
      const same = await Promise.all(
        [...known].map(async ([databaseId, version]) => {
          const state = await findState(databaseId);
          return state?.fresh === true && state.version === version;
        }),
      );
      return same.every(Boolean);
    },

    /** When the catalogue was last read as a whole, and its fingerprint; null where it never was. */
    async state(request: CatalogRequest, databaseId: string): Promise<{ readAt: Date; fingerprint: string } | null> {
      return stateOf(request, databaseId);
    },

    /** Reads the whole catalogue anew. @throws AppError NOT_FOUND, and whatever the target says; then the last one stays */
    async refresh(request: CatalogRequest, databaseId: string): Promise<{ databaseId: string }> {
      const database = await databases.load(request, request.viewer, databaseId);
      if (!database) throw notFound('Database');
      await snapshots?.refresh(database, request);
      opened.get(request)?.delete(databaseId);
      states.get(request)?.delete(databaseId);
      return { databaseId };
    },

    async schemas(
      request: CatalogRequest,
      databaseId: string,
      filter: { includeSystem: boolean },
    ): Promise<SchemaNode[]> {
      return (await loadersOf(request, databaseId)).schemas(filter);
    },

    async schema(request: CatalogRequest, databaseId: string, name: string): Promise<SchemaNode | null> {
      const found = await (await loadersOf(request, databaseId)).schema.load(name);
      return found && { databaseId, name };
    },

    /** @throws AppError NOT_FOUND when it was dropped meanwhile */
    async schemaDetails(request: CatalogRequest, { databaseId, name }: SchemaNode): Promise<Schema> {
      return present(await (await loadersOf(request, databaseId)).schema.load(name), 'Schema');
    },

    async tables(request: CatalogRequest, databaseId: string, args: TableArguments): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, databaseId);
      const filter = filterOf(args);
      return tableConnection(
        args,
        (page) => loaders.tables({ filter, page }),
        () => loaders.tableCount(filter),
      );
    },

    async tablesOfSchema(
      request: CatalogRequest,
      schema: SchemaNode,
      args: TableArguments,
    ): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, schema.databaseId);
      const filter = filterOf(args);
      return tableConnection(
        args,
        (page) => loaders.tablesOf({ filter, page }).load(schema.name),
        () => loaders.tableCountOf(filter).load(schema.name),
      );
    },

    async partitions(request: CatalogRequest, table: TableNode, args: PageArguments): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, table.databaseId);
      return tableConnection(
        args,
        (page) => loaders.partitionsOf({ filter: {}, page }).load(table),
        () => loaders.partitionCountOf.load(table),
      );
    },

    /** Without a schema: in the default one. */
    async table(
      request: CatalogRequest,
      databaseId: string,
      { schema, name }: { schema?: string | null | undefined; name: string },
    ): Promise<TableNode | null> {
      const loaders = await loadersOf(request, databaseId);
      const inSchema = schema ?? (await loaders.defaultSchema());
      return inSchema === null ? null : loaders.table.load({ schema: inSchema, name });
    },

    async tableNamed(request: CatalogRequest, databaseId: string, name: QualifiedName): Promise<TableNode | null> {
      return (await loadersOf(request, databaseId)).table.load(name);
    },

    async children(request: CatalogRequest, table: TableNode, args: PageArguments): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, table.databaseId);
      return tableConnection(
        args,
        (page) => loaders.childrenOf({ filter: {}, page }).load(table),
        () => loaders.childCountOf.load(table),
      );
    },

    /** The table that something was read from. @throws AppError NOT_FOUND when it was dropped meanwhile */
    async tableOf(
      request: CatalogRequest,
      { databaseId, table }: { databaseId: string; table: QualifiedName },
    ): Promise<TableNode> {
      return present(await (await loadersOf(request, databaseId)).table.load(table), 'Table');
    },

    async columns(request: CatalogRequest, databaseId: string, table: QualifiedName): Promise<ColumnNode[]> {
      return (await loadersOf(request, databaseId)).columns.load(table);
    },

    async column(
      request: CatalogRequest,
      databaseId: string,
      { table, name }: PartOfTable,
    ): Promise<ColumnNode | null> {
      const columns = await service.columns(request, databaseId, table);
      return columns.find((column) => column.name === name) ?? null;
    },

    async primaryKey(request: CatalogRequest, table: TableNode): Promise<ColumnNode[]> {
      const columns = await service.columns(request, table.databaseId, table);
      return columns
        .filter(({ primaryKeyPosition }) => primaryKeyPosition !== null)
        .sort((a, b) => (a.primaryKeyPosition ?? 0) - (b.primaryKeyPosition ?? 0));
    },

    /** In the order of the names; one that was dropped meanwhile is left out. */
    async columnsNamed(
      request: CatalogRequest,
      databaseId: string,
      table: QualifiedName,
      names: readonly string[],
    ): Promise<ColumnNode[]> {
      const columns = new Map(
        (await service.columns(request, databaseId, table)).map((column) => [column.name, column]),
      );
      return names.flatMap((name) => columns.get(name) ?? []);
    },

    /** The columns that foreign keys of this one point to. */
    async references(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnNode[]> {
      const loaders = await loadersOf(request, databaseId);
      const pairs = (await loaders.foreignKeys.load(table)).flatMap(pairsOf).filter(({ from }) => from === name);
      return columnsAt(
        loaders,
        pairs.map(({ key, to }) => ({ table: key.referenced, name: to })),
      );
    },

    /** The columns whose foreign keys point to this one. */
    async referringColumns(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnNode[]> {
      const loaders = await loadersOf(request, databaseId);
      const pairs = (await loaders.referencedBy.load(table)).flatMap(pairsOf).filter(({ to }) => to === name);
      return columnsAt(
        loaders,
        pairs.map(({ key, from }) => ({ table: key.table, name: from })),
      );
    },

    /** @throws AppError NOT_FOUND when it was dropped meanwhile */
    async columnDetails(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnDetails> {
      const details = await (await loadersOf(request, databaseId)).columnDetails.load(table);
      return present(details.get(name) ?? null, 'Column');
    },

    /** The columns that a view's column is made of. */
    async origins(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnNode[]> {
      const loaders = await loadersOf(request, databaseId);
      const origins = (await loaders.origins.load(table)).filter((origin) => origin.name === name);
      return columnsAt(
        loaders,
        origins.map((origin) => ({ table: origin.table, name: origin.column })),
      );
    },

    /** Null where nothing was gathered, or the credentials may not read it. */
    async statistics(
      request: CatalogRequest,
      { databaseId, table, name }: ColumnNode,
    ): Promise<ColumnStatistics | null> {
      const statistics = await (await loadersOf(request, databaseId)).statistics.load(table);
      return statistics.get(name) ?? null;
    },

    async indexes(request: CatalogRequest, table: TableNode): Promise<IndexNode[]> {
      return (await loadersOf(request, table.databaseId)).indexes.load(table);
    },

    async index(request: CatalogRequest, databaseId: string, { table, name }: PartOfTable): Promise<IndexNode | null> {
      const indexes = await (await loadersOf(request, databaseId)).indexes.load(table);
      return indexes.find((index) => index.name === name) ?? null;
    },

    async constraints(request: CatalogRequest, table: TableNode): Promise<Constraint[]> {
      return (await loadersOf(request, table.databaseId)).constraints.load(table);
    },

    async foreignKeys(request: CatalogRequest, table: TableNode): Promise<ForeignKeyNode[]> {
      return (await loadersOf(request, table.databaseId)).foreignKeys.load(table);
    },

    async foreignKey(
      request: CatalogRequest,
      databaseId: string,
      { table, name }: PartOfTable,
    ): Promise<ForeignKeyNode | null> {
      const keys = await (await loadersOf(request, databaseId)).foreignKeys.load(table);
      return keys.find((key) => foreignKeyName(key) === name) ?? null;
    },

    async referencedBy(request: CatalogRequest, table: TableNode): Promise<ForeignKeyNode[]> {
      return (await loadersOf(request, table.databaseId)).referencedBy.load(table);
    },

    async triggers(request: CatalogRequest, table: TableNode): Promise<TriggerNode[]> {
      return (await loadersOf(request, table.databaseId)).triggers.load(table);
    },

    async policies(request: CatalogRequest, table: TableNode): Promise<Policy[]> {
      return (await loadersOf(request, table.databaseId)).policies.load(table);
    },

    async rules(request: CatalogRequest, table: TableNode): Promise<RewriteRule[]> {
      return (await loadersOf(request, table.databaseId)).rules.load(table);
    },

    /** @throws AppError NOT_FOUND when it was dropped meanwhile */
    async tableDetails(request: CatalogRequest, table: TableNode): Promise<RelationDetails> {
      const details = await (await loadersOf(request, table.databaseId)).details.load(table);
      if (!details) throw notFound('Table');
      return details;
    },

    /** What the table inherits from; a partition's is its partitioned table. */
    async parents(request: CatalogRequest, table: TableNode): Promise<TableNode[]> {
      const loaders = await loadersOf(request, table.databaseId);
      const { parents = [] } = (await loaders.details.load(table)) ?? {};
      return (await Promise.all(parents.map((parent) => loaders.table.load(parent)))).filter((found) => found !== null);
    },

    /** The composite type of a table OF it. */
    async typeOfTable(request: CatalogRequest, table: TableNode): Promise<CompositeTypeNode | null> {
      const { ofType } = await service.tableDetails(request, table);
      if (!ofType) return null;
      const types = await service.compositeTypes(request, table.databaseId, ofType.schema);
      return types.find(({ name }) => name === ofType.name) ?? null;
    },

    /** Those that tell of its changes. */
    async publicationsOfTable(request: CatalogRequest, table: TableNode): Promise<PublicationNode[]> {
      const all = await service.publications(request, table.databaseId);
      if (all.length === 0 || !publishable.includes(table.kind)) return [];
      const { unlogged } = await service.tableDetails(request, table);
      return all.filter(
        ({ allTables, schemas, tables }) =>
          (!unlogged && (allTables || schemas.includes(table.schema))) ||
          tables.some((one) => one.table.schema === table.schema && one.table.name === table.name),
      );
    },

    /** The query behind a view; null for everything else. */
    async definition(request: CatalogRequest, table: TableNode): Promise<string | null> {
      return (await loadersOf(request, table.databaseId)).definition.load(table);
    },

    /** The planner's; null while it knows nothing. */
    async estimatedRows(request: CatalogRequest, table: TableNode): Promise<number | null> {
      return (await loadersOf(request, table.databaseId)).estimatedRows.load(table);
    },

    /** Statements that make the table again, with what it needs; null when it was dropped meanwhile. */
    async tableDdl(request: CatalogRequest, table: TableNode): Promise<string | null> {
      return (await loadersOf(request, table.databaseId)).ddl.load(table);
    },

    /** Of the whole database where nothing is chosen. @throws AppError NOT_FOUND, LIMIT_EXCEEDED */
    async ddl(request: CatalogRequest, databaseId: string, chosen: ChosenParts): Promise<string | null> {
      const { read } = await open(request, databaseId);
      const selection = await selectionOf(request, databaseId, chosen);
      if (!selection) return read((catalog, options) => catalog.ddl(options));
      const [ddl = null] = await read((catalog, options) => catalog.ddlOf([selection], options));
      return ddl;
    },

    /** Of the whole database where nothing is chosen. @throws AppError NOT_FOUND, LIMIT_EXCEEDED */
    async diagram(
      request: CatalogRequest,
      databaseId: string,
      { format, ...chosen }: ChosenParts & { format: DiagramFormat },
    ): Promise<string> {
      const { read } = await open(request, databaseId);
      const selection = await selectionOf(request, databaseId, chosen);
      return diagramFormats[format](await read((catalog, options) => readDiagram(catalog, selection, options)));
    },

    /** Null for what takes no room. */
    async sizeBytes(request: CatalogRequest, table: TableNode): Promise<number | null> {
      return (await loadersOf(request, table.databaseId)).sizeBytes.load(table);
    },

    async indexSizeBytes(request: CatalogRequest, { databaseId, table, name }: IndexNode): Promise<number | null> {
      const sizes = await (await loadersOf(request, databaseId)).indexSizesBytes.load(table);
      return sizes.get(name) ?? null;
    },

    /** How often it was used, since the engine began to count. */
    async indexScans(request: CatalogRequest, { databaseId, table, name }: IndexNode): Promise<number | null> {
      const scans = await (await loadersOf(request, databaseId)).indexScans.load(table);
      return scans.get(name) ?? null;
    },

    async functions(
      request: CatalogRequest,
      databaseId: string,
      args: FunctionArguments,
    ): Promise<Connection<FunctionNode>> {
      const loaders = await loadersOf(request, databaseId);
      const filter = args.search ? { search: args.search } : {};
      return functionConnection(
        args,
        (page) => loaders.functions({ filter, page }),
        () => loaders.functionCount(filter),
      );
    },

    async functionsOfSchema(
      request: CatalogRequest,
      schema: SchemaNode,
      args: PageArguments,
    ): Promise<Connection<FunctionNode>> {
      const loaders = await loadersOf(request, schema.databaseId);
      return functionConnection(
        args,
        (page) => loaders.functionsOf({ filter: {}, page }).load(schema.name),
        () => loaders.functionCountOf.load(schema.name),
      );
    },

    async functionNamed(request: CatalogRequest, databaseId: string, name: RoutineName): Promise<FunctionNode | null> {
      return (await loadersOf(request, databaseId)).function.load(name);
    },

    async enums(request: CatalogRequest, databaseId: string): Promise<EnumTypeNode[]> {
      return (await loadersOf(request, databaseId)).enums();
    },

    async enumsOfSchema(request: CatalogRequest, { databaseId, name }: SchemaNode): Promise<EnumTypeNode[]> {
      return (await loadersOf(request, databaseId)).enumsOf.load(name);
    },

    async enumNamed(request: CatalogRequest, databaseId: string, name: QualifiedName): Promise<EnumTypeNode | null> {
      return (await loadersOf(request, databaseId)).enumType.load(name);
    },

    async sequences(request: CatalogRequest, { databaseId, name }: SchemaNode): Promise<SequenceNode[]> {
      return (await loadersOf(request, databaseId)).sequencesOf.load(name);
    },

    /** Null before its first use, and where the credentials may not read it. */
    async lastValue(request: CatalogRequest, sequence: SequenceNode): Promise<string | null> {
      return (await loadersOf(request, sequence.databaseId)).lastValue.load(sequence);
    },

    async defaultSchema(request: CatalogRequest, databaseId: string): Promise<string | null> {
      return (await loadersOf(request, databaseId)).defaultSchema();
    },

    async databaseSizeBytes(request: CatalogRequest, databaseId: string): Promise<number | null> {
      return (await loadersOf(request, databaseId)).databaseSizeBytes();
    },

    /** What the database has beside relations, routines, enums and sequences. */
    async parts(request: CatalogRequest, databaseId: string) {
      return (await loadersOf(request, databaseId)).parts();
    },

    /** Of one schema, or of all. */
    async domains(request: CatalogRequest, databaseId: string, schema?: string): Promise<DomainNode[]> {
      return inSchema((await service.parts(request, databaseId)).domains, schema);
    },

    async compositeTypes(request: CatalogRequest, databaseId: string, schema?: string): Promise<CompositeTypeNode[]> {
      return inSchema((await service.parts(request, databaseId)).compositeTypes, schema);
    },

    async rangeTypes(request: CatalogRequest, databaseId: string, schema?: string): Promise<RangeTypeNode[]> {
      return inSchema((await service.parts(request, databaseId)).rangeTypes, schema);
    },

    async eventTriggers(request: CatalogRequest, databaseId: string): Promise<EventTriggerNode[]> {
      return (await service.parts(request, databaseId)).eventTriggers;
    },

    async publications(request: CatalogRequest, databaseId: string): Promise<PublicationNode[]> {
      return (await service.parts(request, databaseId)).publications;
    },

    async extensions(request: CatalogRequest, databaseId: string): Promise<Extension[]> {
      return (await loadersOf(request, databaseId)).extensions();
    },

    /** On a shared server nobody is told of the others there. */
    async roles(request: CatalogRequest, databaseId: string): Promise<Role[]> {
      const { read, reach } = await open(request, databaseId);
      return read((catalog, options) => catalog.roles(reach, options));
    },

    /** On a shared server: itself alone. */
    async serverDatabases(request: CatalogRequest, databaseId: string): Promise<string[]> {
      const { read, reach } = await open(request, databaseId);
      return read((catalog, options) => catalog.serverDatabases(reach, options));
    },

    visible,
  };
  return service;
}

/** What a publication of all tables has. */
const publishable: readonly RelationKind[] = ['TABLE', 'PARTITIONED_TABLE'];

const inSchema = <Item extends QualifiedName>(items: Item[], schema: string | undefined): Item[] =>
  schema === undefined ? items : items.filter((item) => item.schema === schema);

/** On a server that is shared nobody is told of the others there. */
export const reachOf = ({ hosted }: Pick<CatalogDatabase, 'hosted'>): Reach => (hosted ? 'OWN' : 'SERVER');

/** What an id calls a foreign key; where an engine gives it no name, its columns tell it apart. */
export const foreignKeyName = ({ name, columns }: { name: string | null; columns: readonly string[] }): string =>
  name ?? JSON.stringify(columns);

const present = <Found>(found: Found | null, what: string): Found => {
  if (found === null) throw notFound(what);
  return found;
};

const pairsOf = (key: ForeignKeyNode) =>
  key.columns.map((from, place) => ({ key, from, to: key.referencedColumns[place] ?? null }));

/** The columns that are still there; each once. */
async function columnsAt(
  loaders: CatalogLoaders,
  places: readonly { table: QualifiedName; name: string | null }[],
): Promise<ColumnNode[]> {
  const found = await Promise.all(
    places.map(async ({ table, name }) => (await loaders.columns.load(table)).find((column) => column.name === name)),
  );
  return [...new Set(found)].filter((column) => column !== undefined);
}

const filterOf = ({ search, kinds }: TableArguments) => ({
  ...(search ? { search } : {}),
  ...(kinds ? { kinds } : {}),
});

/** @throws AppError BAD_USER_INPUT for a cursor that is not of this list */
function nameOf(cursor: string, parts: number, path: string): string[] {
  try {
    const value: unknown = JSON.parse(cursor);
    if (Array.isArray(value) && value.length === parts && value.every((part) => typeof part === 'string')) return value;
  } catch {
    // Any text may be given as a cursor; the refusal is below.
  }
  throw badInput({ path, message: 'not a cursor of this list' });
}

async function connection<Node extends Name, Name extends QualifiedName>(
  args: PageArguments,
  parse: (cursor: string, path: string) => Name,
  read: (page: {
    limit: number;
    backward: boolean;
    after: Name | undefined;
    before: Name | undefined;
  }) => Promise<Node[]>,
  totalCount: () => Promise<number>,
): Promise<Connection<Node>> {
  const page = pageOf(args);
  const after = page.after === null ? undefined : parse(page.after, 'after');
  const before = page.before === null ? undefined : parse(page.before, 'before');
  const found = await read({ limit: page.limit + 1, backward: page.backward, after, before });
  return connectionOf(page, found, cursorOf, totalCount);
}

const cursorOf = (node: QualifiedName | RoutineName): string => keyOf(node);

const tableConnection = (
  args: PageArguments,
  read: Parameters<typeof connection<TableNode, QualifiedName>>[2],
  totalCount: () => Promise<number>,
) =>
  connection<TableNode, QualifiedName>(
    args,
    (cursor, path) => {
      const [schema = '', name = ''] = nameOf(cursor, 2, path);
      return { schema, name };
    },
    read,
    totalCount,
  );

const functionConnection = (
  args: PageArguments,
  read: Parameters<typeof connection<FunctionNode, RoutineName>>[2],
  totalCount: () => Promise<number>,
) =>
  connection<FunctionNode, RoutineName>(
    args,
    (cursor, path) => {
      const [schema = '', name = '', identity = ''] = nameOf(cursor, 3, path);
      return { schema, name, identity };
    },
    read,
    totalCount,
  );
