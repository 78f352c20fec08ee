/** What a database has beside tables, functions, enums and sequences: types, event triggers, publications, foreign servers. */
import { DatabaseType } from '../databases/databases.graph.ts';
import {
  type CompositeType,
  type DomainConstraint,
  type ForeignDataWrapper,
  type ForeignServer,
  type OtherObject,
  otherKinds,
} from '../engines/snapshot.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { ConstraintKindEnum } from './keys.graph.ts';
import type { EventTriggerNode, PublishedTableNode } from './nodes.ts';
import {
  CompositeTypeType,
  DomainType,
  FiringEnum,
  FunctionType,
  PublicationType,
  RangeTypeType,
  SchemaType,
  TableType,
} from './types.graph.ts';

const schemaOf = ({ databaseId, schema }: { readonly databaseId: string; readonly schema: string }) => ({
  databaseId,
  name: schema,
});

const DomainConstraintType = builder.objectRef<DomainConstraint>('DomainConstraint').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    kind: t.expose('kind', { type: ConstraintKindEnum }),
    definition: t.exposeString('definition'),
    validated: t.exposeBoolean('validated'),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

DomainType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    schema: t.field({ type: SchemaType, resolve: schemaOf }),
    baseType: t.exposeString('baseType'),
    nullable: t.boolean({ resolve: ({ notNull }) => !notNull }),
    default: t.exposeString('default', { nullable: true }),
    collation: t.string({ nullable: true, resolve: ({ collation }) => collation?.name }),
    constraints: t.expose('constraints', { type: [DomainConstraintType] }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const CompositeAttributeType = builder.objectRef<CompositeType['attributes'][number]>('CompositeAttribute').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    dataType: t.exposeString('dataType'),
    collation: t.string({ nullable: true, resolve: ({ collation }) => collation?.name }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

CompositeTypeType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    schema: t.field({ type: SchemaType, resolve: schemaOf }),
    attributes: t.expose('attributes', { type: [CompositeAttributeType] }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

RangeTypeType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    schema: t.field({ type: SchemaType, resolve: schemaOf }),
    subtype: t.exposeString('subtype'),
    multirange: t.string({ nullable: true, resolve: ({ multirange }) => multirange?.name }),
    operatorClass: t.string({ resolve: ({ operatorClass }) => operatorClass.name }),
    collation: t.string({ nullable: true, resolve: ({ collation }) => collation?.name }),
    canonical: t.exposeString('canonical', {
      nullable: true,
      description: 'The function that makes equal ones alike.',
    }),
    difference: t.exposeString('difference', {
      nullable: true,
      description: 'The function of how far two values are apart.',
    }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const EventTriggerType = builder.objectRef<EventTriggerNode>('EventTrigger').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    event: t.exposeString('event', {
      description: 'ddl_command_start, ddl_command_end, sql_drop, table_rewrite or login.',
    }),
    tags: t.field({
      type: ['String'],
      description: 'Commands that it is for; all where there are none.',
      resolve: ({ tags }) => [...tags],
    }),
    fires: t.expose('fires', { type: FiringEnum }),
    function: t.field({
      type: FunctionType,
      nullable: true,
      resolve: ({ databaseId, function: name }, _args, context) =>
        context.services.catalog.functionNamed(context, databaseId, name),
    }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const PublishedTableType = builder.objectRef<PublishedTableNode>('PublishedTable').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    table: t.field({
      type: TableType,
      nullable: true,
      resolve: ({ databaseId, table }, _args, context) =>
        context.services.catalog.tableNamed(context, databaseId, table),
    }),
    columns: t.field({
      type: ['String'],
      nullable: true,
      description: 'Null: all.',
      resolve: ({ columns }) => columns && [...columns],
    }),
    where: t.exposeString('where', { nullable: true, description: 'Which rows; null: all.' }),
  }),
});

PublicationType.implement({
  rights: 'parent',
  answers: 'kept',
  description: 'Whose changes a subscriber of another server is told.',
  fields: (t) => ({
    name: t.exposeString('name'),
    allTables: t.exposeBoolean('allTables'),
    tables: t.field({
      type: [PublishedTableType],
      description: 'Those that it names.',
      resolve: ({ databaseId, tables }) => tables.map((table) => ({ databaseId, ...table })),
    }),
    schemas: t.field({
      type: ['String'],
      description: 'Those of which it has every table.',
      resolve: ({ schemas }) => [...schemas],
    }),
    operations: t.field({
      type: ['String'],
      description: 'INSERT, UPDATE, DELETE, TRUNCATE.',
      resolve: ({ operations }) => [...operations],
    }),
    viaPartitionRoot: t.exposeBoolean('viaPartitionRoot', {
      description: 'Rows of a partition are told as those of its topmost table.',
    }),
    generatedColumns: t.exposeString('generatedColumns', { description: 'NONE or STORED.' }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const ForeignDataWrapperType = builder.objectRef<ForeignDataWrapper>('ForeignDataWrapper').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    handler: t.exposeString('handler', { nullable: true }),
    validator: t.exposeString('validator', { nullable: true }),
    options: t.field({
      type: ['String'],
      description: '`name=value` each, without those that are named as secrets.',
      resolve: ({ options }) => [...options],
    }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const ForeignServerType = builder.objectRef<ForeignServer>('ForeignServer').implement({
  rights: 'parent',
  answers: 'kept',
  description: 'Without its user mappings, which hold passwords.',
  fields: (t) => ({
    name: t.exposeString('name'),
    wrapper: t.exposeString('wrapper'),
    type: t.exposeString('type', { nullable: true }),
    version: t.exposeString('version', { nullable: true }),
    options: t.field({
      type: ['String'],
      description: '`name=value` each, without those that are named as secrets.',
      resolve: ({ options }) => [...options],
    }),
    owner: t.exposeString('owner', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const OtherObjectType = builder.objectRef<OtherObject>('OtherObject').implement({
  rights: 'parent',
  answers: 'kept',
  description: 'What nobody browses, but without which a database is another one.',
  fields: (t) => ({
    kind: t.expose('kind', { type: enumOf('OtherObjectKind', otherKinds) }),
    schema: t.exposeString('schema', { nullable: true }),
    name: t.exposeString('name'),
    identity: t.exposeString('identity', { description: 'As statements call it: `app.=(integer,integer)`.' }),
    definition: t.exposeString('definition'),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const own = 'Without those of extensions.';

builder.objectFields(DatabaseType, (t) => ({
  domains: t.field({
    answers: 'kept',
    type: [DomainType],
    nullable: true,
    description: own,
    resolve: ({ id }, _args, context) => context.services.catalog.domains(context, id),
  }),
  compositeTypes: t.field({
    answers: 'kept',
    type: [CompositeTypeType],
    nullable: true,
    description: own,
    resolve: ({ id }, _args, context) => context.services.catalog.compositeTypes(context, id),
  }),
  rangeTypes: t.field({
    answers: 'kept',
    type: [RangeTypeType],
    nullable: true,
    description: own,
    resolve: ({ id }, _args, context) => context.services.catalog.rangeTypes(context, id),
  }),
  eventTriggers: t.field({
    answers: 'kept',
    type: [EventTriggerType],
    nullable: true,
    description: own,
    resolve: ({ id }, _args, context) => context.services.catalog.eventTriggers(context, id),
  }),
  publications: t.field({
    answers: 'kept',
    type: [PublicationType],
    nullable: true,
    resolve: ({ id }, _args, context) => context.services.catalog.publications(context, id),
  }),
  foreignDataWrappers: t.field({
    answers: 'kept',
    type: [ForeignDataWrapperType],
    nullable: true,
    description: own,
    resolve: async ({ id }, _args, context) => (await context.services.catalog.parts(context, id)).foreignDataWrappers,
  }),
  foreignServers: t.field({
    answers: 'kept',
    type: [ForeignServerType],
    nullable: true,
    description: own,
    resolve: async ({ id }, _args, context) => (await context.services.catalog.parts(context, id)).foreignServers,
  }),
  otherObjects: t.field({
    answers: 'kept',
    type: [OtherObjectType],
    nullable: true,
    description: own,
    resolve: async ({ id }, _args, context) => (await context.services.catalog.parts(context, id)).others,
  }),
}));

builder.objectFields(SchemaType, (t) => ({
  domains: t.field({
    answers: 'kept',
    type: [DomainType],
    description: own,
    resolve: (schema, _args, context) => context.services.catalog.domains(context, schema.databaseId, schema.name),
  }),
  compositeTypes: t.field({
    answers: 'kept',
    type: [CompositeTypeType],
    description: own,
    resolve: (schema, _args, context) =>
      context.services.catalog.compositeTypes(context, schema.databaseId, schema.name),
  }),
  rangeTypes: t.field({
    answers: 'kept',
    type: [RangeTypeType],
    description: own,
    resolve: (schema, _args, context) => context.services.catalog.rangeTypes(context, schema.databaseId, schema.name),
  }),
}));
