/** Columns, and what the planner knows of their values. */
import { builder } from '../graph/builder.ts';
import { registerNode } from '../graph/nodes.ts';
import { columnId, readPartId } from './ids.ts';
import { ColumnStatisticsType, ColumnType, TableType } from './types.graph.ts';

ColumnStatisticsType.implement({
  rights: 'parent',
  answers: 'live',
  fields: (t) => ({
    nullFraction: t.exposeFloat('nullFraction', { nullable: true }),
    distinctValues: t.exposeFloat('distinctValues', {
      nullable: true,
      description: 'How many; where negative, minus their share of the rows.',
    }),
    averageWidthBytes: t.exposeInt('averageWidthBytes', { nullable: true }),
    mostCommonValues: t.expose('mostCommonValues', { type: ['JSON'], description: 'The most common first.' }),
  }),
});

ColumnType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: (column) => columnId(column.databaseId, column) }),
    name: t.exposeString('name'),
    position: t.exposeInt('position', { description: 'Rising; a dropped column leaves a gap.' }),
    dataType: t.exposeString('dataType', { description: 'As the engine prints it, e.g. character varying(50).' }),
    nullable: t.exposeBoolean('nullable'),
    default: t.exposeString('default', { nullable: true }),
    generated: t.exposeString('generated', { nullable: true, description: 'The expression that makes its values.' }),
    identity: t.exposeString('identity', { nullable: true, description: 'ALWAYS or BY DEFAULT.' }),
    comment: t.exposeString('comment', { nullable: true }),
    primaryKey: t.boolean({ resolve: ({ primaryKeyPosition }) => primaryKeyPosition !== null }),
    unique: t.exposeBoolean('unique', { description: 'By itself, among all rows.' }),
    indexed: t.exposeBoolean('indexed', { description: 'A key column of at least one index.' }),
    enumValues: t.field({ type: ['String'], nullable: true, resolve: ({ enumValues }) => enumValues }),
    collation: t.exposeString('collation', { nullable: true, description: 'Where it is not the one of its type.' }),
    table: t.field({
      type: TableType,
      resolve: (column, _args, context) => context.services.catalog.tableOf(context, column),
    }),
    references: t.field({
      type: [ColumnType],
      description: 'The columns that its foreign keys point to.',
      resolve: (column, _args, context) => context.services.catalog.references(context, column),
    }),
    referencedBy: t.field({
      type: [ColumnType],
      description: 'The columns whose foreign keys point to it.',
      resolve: (column, _args, context) => context.services.catalog.referringColumns(context, column),
    }),
    origins: t.field({
      type: [ColumnType],
      description:
        'Of a view: the columns of what its query names that its values are made of, through joins, subqueries, WITH, UNION and expressions. What only decides which rows there are is none.',
      resolve: (column, _args, context) => context.services.catalog.origins(context, column),
    }),
    inherited: t.boolean({
      description: 'It comes from a parent: a partitioned table, or one that is inherited from.',
      resolve: async (column, _args, context) =>
        (await context.services.catalog.columnDetails(context, column)).inherited,
    }),
    storage: t.string({
      nullable: true,
      description: 'PLAIN, EXTERNAL, EXTENDED or MAIN, where it is not the one of its type.',
      resolve: async (column, _args, context) =>
        (await context.services.catalog.columnDetails(context, column)).storage,
    }),
    compression: t.string({
      nullable: true,
      description: 'pglz or lz4, where one is chosen.',
      resolve: async (column, _args, context) =>
        (await context.services.catalog.columnDetails(context, column)).compression,
    }),
    statisticsTarget: t.int({
      nullable: true,
      description: 'Null: the default.',
      resolve: async (column, _args, context) =>
        (await context.services.catalog.columnDetails(context, column)).statisticsTarget,
    }),
    options: t.stringList({
      description: '`name=value` each.',
      resolve: async (column, _args, context) => [
        ...(await context.services.catalog.columnDetails(context, column)).options,
      ],
    }),
    foreignOptions: t.stringList({
      description: 'Of a foreign table’s column, `name=value` each; those that are named as secrets are left out.',
      resolve: async (column, _args, context) => [
        ...(await context.services.catalog.columnDetails(context, column)).foreignOptions,
      ],
    }),
    statistics: t.field({
      answers: 'live',
      type: ColumnStatisticsType,
      nullable: true,
      description: 'Null where nothing was gathered, or the credentials may not read the column.',
      resolve: (column, _args, context) => context.services.catalog.statistics(context, column),
    }),
  }),
});

registerNode('Column', async (context, parts) => {
  const { catalog } = context.services;
  const id = readPartId(parts);
  return id && catalog.visible(() => catalog.column(context, id.databaseId, id.name));
});
