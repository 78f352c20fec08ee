/** Schemas of a database, and what is in each. */
import { DatabaseType } from '../databases/databases.graph.ts';
import { builder } from '../graph/builder.ts';
import { registerNode } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { readSchemaId, schemaId } from './ids.ts';
import {
  EnumTypeType,
  FunctionConnection,
  FunctionEdge,
  FunctionType,
  SchemaType,
  SequenceType,
  TableConnection,
  TableEdge,
  TableKindEnum,
  TableType,
} from './types.graph.ts';

SchemaType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: ({ databaseId, name }) => schemaId(databaseId, name) }),
    name: t.exposeString('name'),
    owner: t.string({
      nullable: true,
      resolve: async (schema, _args, context) => (await context.services.catalog.schemaDetails(context, schema)).owner,
    }),
    comment: t.string({
      nullable: true,
      resolve: async (schema, _args, context) =>
        (await context.services.catalog.schemaDetails(context, schema)).comment,
    }),
    database: t.field({
      type: DatabaseType,
      resolve: async ({ databaseId }, _args, context) => {
        const database = await context.services.databases.load(context, context.viewer, databaseId);
        if (!database) throw notFound('Database');
        return database;
      },
    }),
    tables: t.connection(
      {
        type: TableType,
        description: 'In the order of their names.',
        args: {
          search: t.arg.string({ description: 'A part of the name, in whatever case.' }),
          kinds: t.arg({ type: [TableKindEnum] }),
        },
        resolve: (schema, args, context) => context.services.catalog.tablesOfSchema(context, schema, args),
      },
      TableConnection,
      TableEdge,
    ),
    functions: t.connection(
      {
        type: FunctionType,
        resolve: (schema, args, context) => context.services.catalog.functionsOfSchema(context, schema, args),
      },
      FunctionConnection,
      FunctionEdge,
    ),
    enums: t.field({
      type: [EnumTypeType],
      resolve: (schema, _args, context) => context.services.catalog.enumsOfSchema(context, schema),
    }),
    sequences: t.field({
      type: [SequenceType],
      resolve: (schema, _args, context) => context.services.catalog.sequences(context, schema),
    }),
  }),
});

registerNode('Schema', async (context, parts) => {
  const { catalog } = context.services;
  const id = readSchemaId(parts);
  return id && catalog.visible(() => catalog.schema(context, id.databaseId, id.name));
});
