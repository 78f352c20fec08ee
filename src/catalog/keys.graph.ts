/** Indexes, constraints, and foreign keys with both of their ends. */
import { constraintKinds, referentialActions } from '../engines/catalog.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { registerNode } from '../graph/nodes.ts';
import { foreignKeyId, indexId, readPartId } from './ids.ts';
import { foreignKeyName } from './reads/keys.ts';
import { ColumnType, ConstraintType, ForeignKeyType, IndexType, TableType } from './types.graph.ts';

export const ConstraintKindEnum = enumOf('ConstraintKind', constraintKinds);
const ReferentialActionEnum = enumOf('ReferentialAction', referentialActions);

IndexType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: (index) => indexId(index.databaseId, index) }),
    name: t.exposeString('name'),
    table: t.field({
      type: TableType,
      resolve: (index, _args, context) => context.services.catalog.tableOf(context, index),
    }),
    columns: t.exposeStringList('columns', {
      description: 'The key in order, an expression as its text; columns that are only included are in `definition`.',
    }),
    unique: t.exposeBoolean('unique'),
    primary: t.exposeBoolean('primary'),
    valid: t.exposeBoolean('valid', { description: 'False while it is built, and where building it failed.' }),
    method: t.exposeString('method', { nullable: true }),
    predicate: t.exposeString('predicate', { nullable: true, description: 'Which rows it holds, where not all.' }),
    definition: t.exposeString('definition', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
    constraint: t.exposeString('constraint', { nullable: true, description: 'The name of the one that it keeps.' }),
    clustered: t.exposeBoolean('clustered', { description: 'CLUSTER puts the rows in its order.' }),
    replicaIdentity: t.exposeBoolean('replicaIdentity', {
      description: 'It tells a subscriber which row was changed.',
    }),
    tablespace: t.exposeString('tablespace', { nullable: true, description: 'Null: the database’s own.' }),
    sizeBytes: t.field({
      answers: 'live',
      type: 'BigInt',
      nullable: true,
      resolve: (index, _args, context) => context.services.catalog.indexSizeBytes(context, index),
    }),
    scans: t.field({
      answers: 'live',
      type: 'BigInt',
      nullable: true,
      description: 'How often it was used since the engine began to count.',
      resolve: (index, _args, context) => context.services.catalog.indexScans(context, index),
    }),
  }),
});

ConstraintType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name', { nullable: true }),
    kind: t.expose('kind', { type: ConstraintKindEnum }),
    columns: t.exposeStringList('columns'),
    definition: t.exposeString('definition'),
    deferrable: t.exposeBoolean('deferrable'),
    validated: t.exposeBoolean('validated', { description: 'False where rows from before it may break it.' }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

ForeignKeyType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({
      resolve: (key) => foreignKeyId(key.databaseId, { table: key.table, name: foreignKeyName(key) }),
    }),
    name: t.exposeString('name', { nullable: true }),
    table: t.field({
      type: TableType,
      resolve: (key, _args, context) => context.services.catalog.tableOf(context, key),
    }),
    columns: t.field({
      type: [ColumnType],
      resolve: ({ databaseId, table, columns }, _args, context) =>
        context.services.catalog.columnsNamed(context, databaseId, table, columns),
    }),
    referencedTable: t.field({
      type: TableType,
      nullable: true,
      description: 'Null where it is not there.',
      resolve: ({ databaseId, referenced }, _args, context) =>
        context.services.catalog.tableNamed(context, databaseId, referenced),
    }),
    referencedSchema: t.string({ nullable: true, resolve: ({ referenced }) => referenced.schema }),
    referencedTableName: t.string({ resolve: ({ referenced }) => referenced.name }),
    referencedColumns: t.exposeStringList('referencedColumns', { description: 'Pairs with `columns`.' }),
    onUpdate: t.expose('onUpdate', { type: ReferentialActionEnum }),
    onDelete: t.expose('onDelete', { type: ReferentialActionEnum }),
  }),
});

registerNode('Index', async (context, parts) => {
  const { catalog } = context.services;
  const id = readPartId(parts);
  return id && catalog.visible(() => catalog.index(context, id.databaseId, id.name));
});

registerNode('ForeignKey', async (context, parts) => {
  const { catalog } = context.services;
  const id = readPartId(parts);
  return id && catalog.visible(() => catalog.foreignKey(context, id.databaseId, id.name));
});
