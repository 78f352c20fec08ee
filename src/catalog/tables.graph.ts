/** Tables, views and whatever else has rows; what hangs off one is described in the files beside. */
import { DatabaseType } from '../databases/databases.graph.ts';
import type { ExtendedStatistics } from '../engines/catalog.ts';
import { builder } from '../graph/builder.ts';
import { registerNode } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { readQualifiedId, tableId } from './ids.ts';
import {
  ColumnType,
  CompositeTypeType,
  ConstraintType,
  ForeignKeyType,
  IndexType,
  PolicyType,
  PublicationType,
  ReplicaIdentityEnum,
  RuleType,
  SchemaType,
  TableConnection,
  TableEdge,
  TableKindEnum,
  TableType,
  TriggerType,
} from './types.graph.ts';

const ExtendedStatisticsType = builder.objectRef<ExtendedStatistics>('ExtendedStatistics').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    schema: t.exposeString('schema'),
    definition: t.exposeString('definition'),
    target: t.exposeInt('target', { nullable: true, description: 'Null: the default.' }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

TableType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: (table) => tableId(table.databaseId, table) }),
    name: t.exposeString('name'),
    kind: t.expose('kind', { type: TableKindEnum }),
    schema: t.field({ type: SchemaType, resolve: ({ databaseId, schema }) => ({ databaseId, name: schema }) }),
    database: t.field({
      type: DatabaseType,
      resolve: async ({ databaseId }, _args, context) => {
        const database = await context.services.databases.load(context, context.viewer, databaseId);
        if (!database) throw notFound('Database');
        return database;
      },
    }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
    estimatedRows: t.field({
      answers: 'live',
      type: 'BigInt',
      nullable: true,
      description: 'The planner’s estimate; null while it has none.',
      resolve: (table, _args, context) => context.services.catalog.estimatedRows(context, table),
    }),
    sizeBytes: t.field({
      answers: 'live',
      type: 'BigInt',
      nullable: true,
      description: 'With its indexes, its large values and its partitions; null for what takes no room.',
      resolve: (table, _args, context) => context.services.catalog.sizeBytes(context, table),
    }),
    columns: t.field({
      type: [ColumnType],
      resolve: (table, _args, context) => context.services.catalog.columns(context, table.databaseId, table),
    }),
    column: t.field({
      type: ColumnType,
      nullable: true,
      args: { name: t.arg.string({ required: true }) },
      resolve: (table, { name }, context) =>
        context.services.catalog.column(context, table.databaseId, { table, name }),
    }),
    primaryKey: t.field({
      type: [ColumnType],
      description: 'In the order of the key.',
      resolve: (table, _args, context) => context.services.catalog.primaryKey(context, table),
    }),
    indexes: t.field({
      type: [IndexType],
      resolve: (table, _args, context) => context.services.catalog.indexes(context, table),
    }),
    constraints: t.field({
      type: [ConstraintType],
      resolve: (table, _args, context) => context.services.catalog.constraints(context, table),
    }),
    foreignKeys: t.field({
      type: [ForeignKeyType],
      resolve: (table, _args, context) => context.services.catalog.foreignKeys(context, table),
    }),
    referencedBy: t.field({
      type: [ForeignKeyType],
      description: 'Foreign keys that point here, the table’s own among them; what partitions inherit is left out.',
      resolve: (table, _args, context) => context.services.catalog.referencedBy(context, table),
    }),
    triggers: t.field({
      type: [TriggerType],
      resolve: (table, _args, context) => context.services.catalog.triggers(context, table),
    }),
    policies: t.field({
      type: [PolicyType],
      resolve: (table, _args, context) => context.services.catalog.policies(context, table),
    }),
    partitions: t.connection(
      {
        type: TableType,
        description: 'One level down.',
        resolve: (table, args, context) => context.services.catalog.partitions(context, table, args),
      },
      TableConnection,
      TableEdge,
    ),
    rules: t.field({
      type: [RuleType],
      resolve: (table, _args, context) => context.services.catalog.rules(context, table),
    }),
    parents: t.field({
      type: [TableType],
      description: 'What it inherits from; of a partition its partitioned table.',
      resolve: (table, _args, context) => context.services.catalog.parents(context, table),
    }),
    partitionKey: t.string({
      nullable: true,
      description: 'Of a partitioned table: `RANGE (day)`.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).partitionKey,
    }),
    partitionBound: t.string({
      nullable: true,
      description: 'Of a partition: `FOR VALUES …` or `DEFAULT`.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).partitionBound,
    }),
    rowSecurity: t.boolean({
      description: 'Policies decide which rows a role sees.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).rowSecurity,
    }),
    forceRowSecurity: t.boolean({
      description: 'They hold for its owner, too.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).forceRowSecurity,
    }),
    children: t.connection(
      {
        type: TableType,
        description: 'What inherits from it and is no partition, one level down.',
        resolve: (table, args, context) => context.services.catalog.children(context, table, args),
      },
      TableConnection,
      TableEdge,
    ),
    unlogged: t.boolean({
      description: 'It is empty after a crash.',
      resolve: async (table, _args, context) => (await context.services.catalog.tableDetails(context, table)).unlogged,
    }),
    accessMethod: t.string({
      nullable: true,
      description: 'How it is stored, e.g. heap.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).accessMethod,
    }),
    tablespace: t.string({
      nullable: true,
      description: 'Null: the database’s own.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).tablespace,
    }),
    options: t.stringList({
      description: 'Storage parameters, and options of a view, `name=value` each.',
      resolve: async (table, _args, context) => [
        ...(await context.services.catalog.tableDetails(context, table)).options,
      ],
    }),
    replicaIdentity: t.field({
      type: ReplicaIdentityEnum,
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).replicaIdentity,
    }),
    ofType: t.field({
      type: CompositeTypeType,
      nullable: true,
      description: 'What a table OF a type is of.',
      resolve: (table, _args, context) => context.services.catalog.typeOfTable(context, table),
    }),
    extendedStatistics: t.field({
      type: [ExtendedStatisticsType],
      description: 'What is gathered of several of its columns together.',
      resolve: async (table, _args, context) => [
        ...(await context.services.catalog.tableDetails(context, table)).statistics,
      ],
    }),
    publications: t.field({
      type: [PublicationType],
      description: 'Those that tell of its changes: which name it or its schema, or are of all tables.',
      resolve: (table, _args, context) => context.services.catalog.publicationsOfTable(context, table),
    }),
    foreignOptions: t.stringList({
      description: 'Of a foreign table, `name=value` each; those that are named as secrets are left out.',
      resolve: async (table, _args, context) => [
        ...(await context.services.catalog.tableDetails(context, table)).foreignOptions,
      ],
    }),
    foreignServer: t.string({
      nullable: true,
      description: 'Where the rows of a foreign table are.',
      resolve: async (table, _args, context) =>
        (await context.services.catalog.tableDetails(context, table)).foreignServer,
    }),
    definition: t.string({
      nullable: true,
      description: 'The query behind a view.',
      resolve: (table, _args, context) => context.services.catalog.definition(context, table),
    }),
    ddl: t.string({
      nullable: true,
      description:
        'CREATE statements that rebuild it, with what belongs to it and what it needs, in an order that runs on an empty database. Without rows, owners and privileges.',
      resolve: (table, _args, context) => context.services.catalog.tableDdl(context, table),
    }),
  }),
});

registerNode('Table', async (context, parts) => {
  const { catalog } = context.services;
  const id = readQualifiedId(parts);
  return id && catalog.visible(() => catalog.tableNamed(context, id.databaseId, id.name));
});
