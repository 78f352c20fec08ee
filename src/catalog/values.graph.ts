/** Where values come from: enums and sequences. */
import { builder } from '../graph/builder.ts';
import { registerNode } from '../graph/nodes.ts';
import { enumTypeId, readQualifiedId } from './ids.ts';
import { ColumnType, EnumTypeType, SchemaType, SequenceType } from './types.graph.ts';

EnumTypeType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: (type) => enumTypeId(type.databaseId, type) }),
    name: t.exposeString('name'),
    schema: t.field({ type: SchemaType, resolve: ({ databaseId, schema }) => ({ databaseId, name: schema }) }),
    values: t.exposeStringList('values', { description: 'In their order.' }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

SequenceType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    dataType: t.exposeString('dataType'),
    start: t.exposeString('start'),
    increment: t.exposeString('increment'),
    minimum: t.exposeString('minimum'),
    maximum: t.exposeString('maximum'),
    cache: t.exposeString('cache', { description: 'How many values a session takes at once.' }),
    cycle: t.exposeBoolean('cycle', { description: 'Begins anew behind its last value.' }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
    lastValue: t.string({
      answers: 'live',
      nullable: true,
      description: 'Null before its first use, and where the credentials may not read it.',
      resolve: (sequence, _args, context) => context.services.catalog.lastValue(context, sequence),
    }),
    ownedBy: t.field({
      type: ColumnType,
      nullable: true,
      resolve: ({ databaseId, ownedBy }, _args, context) =>
        ownedBy && context.services.catalog.column(context, databaseId, { table: ownedBy.table, name: ownedBy.column }),
    }),
  }),
});

registerNode('EnumType', async (context, parts) => {
  const { catalog } = context.services;
  const id = readQualifiedId(parts);
  return id && catalog.visible(() => catalog.enumNamed(context, id.databaseId, id.name));
});
