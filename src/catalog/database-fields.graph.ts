/** What a database holds, as fields of its type. Each asks the target, so each is null where that is down. */
import { DatabaseType } from '../databases/databases.graph.ts';
import type { Extension, Membership, Role } from '../engines/catalog.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { type DiagramFormat, diagramFormats } from './diagrams/formats.ts';
import {
  EnumTypeType,
  FunctionConnection,
  FunctionEdge,
  FunctionType,
  SchemaType,
  TableConnection,
  TableEdge,
  TableKindEnum,
  TableType,
} from './types.graph.ts';

const RoleMembershipType = builder.objectRef<Membership>('RoleMembership').implement({
  rights: 'parent',
  fields: (t) => ({
    role: t.exposeString('role', { description: 'That it is a member of.' }),
    grantor: t.exposeString('grantor', { nullable: true }),
    admin: t.exposeBoolean('admin', { description: 'May make others members.' }),
    inherit: t.exposeBoolean('inherit', {
      nullable: true,
      description: 'Has its rights without asking for them; null where the server tells it of the member alone.',
    }),
    set: t.exposeBoolean('set', { nullable: true, description: 'May act as it.' }),
  }),
});

const DatabaseRoleType = builder.objectRef<Role>('DatabaseRole').implement({
  rights: 'parent',
  fields: (t) => ({
    name: t.exposeString('name'),
    canLogin: t.exposeBoolean('canLogin', { nullable: true }),
    superuser: t.exposeBoolean('superuser', { nullable: true }),
    createDatabase: t.exposeBoolean('createDatabase', { nullable: true }),
    createRole: t.exposeBoolean('createRole', { nullable: true }),
    inherit: t.exposeBoolean('inherit', {
      nullable: true,
      description: 'Has the rights of the roles it is a member of without asking for them.',
    }),
    replication: t.exposeBoolean('replication', { nullable: true }),
    bypassRowSecurity: t.exposeBoolean('bypassRowSecurity', { nullable: true }),
    connectionLimit: t.exposeInt('connectionLimit', {
      nullable: true,
      description: 'Null: as many as the server takes.',
    }),
    memberOf: t.exposeStringList('memberOf'),
    memberships: t.expose('memberships', {
      type: [RoleMembershipType],
      nullable: true,
      description: 'Null where the credentials may not read them, as in a hosted database.',
    }),
  }),
});

const ExtensionType = builder.objectRef<Extension>('Extension').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    version: t.exposeString('version'),
    schema: t.exposeString('schema', { nullable: true }),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

const DiagramFormatEnum = enumOf('DiagramFormat', Object.keys(diagramFormats) as DiagramFormat[]);

const chosen = 'Of the schemas and the tables named, of both where both are; of the whole database where neither is.';

const search = 'A part of the name, in whatever case.';

builder.objectFields(DatabaseType, (t) => ({
  defaultSchema: t.string({
    answers: 'kept',
    nullable: true,
    description: 'What an absent `schema` means: public, or the user’s own; null where there is none.',
    resolve: ({ id }, _args, context) => context.services.catalog.defaultSchema(context, id),
  }),
  sizeBytes: t.field({
    answers: 'live',
    type: 'BigInt',
    nullable: true,
    resolve: ({ id }, _args, context) => context.services.catalog.databaseSizeBytes(context, id),
  }),
  schemas: t.field({
    answers: 'kept',
    type: [SchemaType],
    nullable: true,
    args: { includeSystem: t.arg.boolean({ defaultValue: false }) },
    resolve: ({ id }, { includeSystem }, context) =>
      context.services.catalog.schemas(context, id, { includeSystem: includeSystem ?? false }),
  }),
  schema: t.field({
    answers: 'kept',
    type: SchemaType,
    nullable: true,
    args: { name: t.arg.string({ required: true }) },
    resolve: ({ id }, { name }, context) => context.services.catalog.schema(context, id, name),
  }),
  tables: t.connection(
    {
      answers: 'kept',
      type: TableType,
      nullable: true,
      description: 'Those of all schemas but the system’s, in the order of schema and name.',
      args: { search: t.arg.string({ description: search }), kinds: t.arg({ type: [TableKindEnum] }) },
      resolve: ({ id }, args, context) => context.services.catalog.tables(context, id, args),
    },
    TableConnection,
    TableEdge,
  ),
  table: t.field({
    answers: 'kept',
    type: TableType,
    nullable: true,
    args: {
      schema: t.arg.string({ description: 'The default schema when absent.' }),
      name: t.arg.string({ required: true }),
    },
    resolve: ({ id }, args, context) => context.services.catalog.table(context, id, args),
  }),
  functions: t.connection(
    {
      answers: 'kept',
      type: FunctionType,
      nullable: true,
      description: 'Those of all schemas but the system’s, in the order of schema, name and arguments.',
      args: { search: t.arg.string({ description: search }) },
      resolve: ({ id }, args, context) => context.services.catalog.functions(context, id, args),
    },
    FunctionConnection,
    FunctionEdge,
  ),
  enums: t.field({
    answers: 'kept',
    type: [EnumTypeType],
    nullable: true,
    resolve: ({ id }, _args, context) => context.services.catalog.enums(context, id),
  }),
  roles: t.field({
    type: [DatabaseRoleType],
    nullable: true,
    description: 'Without the server’s own; of a hosted database those alone that its credentials have.',
    resolve: ({ id }, _args, context) => context.services.catalog.roles(context, id),
  }),
  extensions: t.field({
    answers: 'kept',
    type: [ExtensionType],
    nullable: true,
    resolve: ({ id }, _args, context) => context.services.catalog.extensions(context, id),
  }),
  serverDatabases: t.stringList({
    nullable: true,
    description: 'Siblings on the same server that the credentials can enter; of a hosted one itself alone.',
    resolve: ({ id }, _args, context) => context.services.catalog.serverDatabases(context, id),
  }),
  diagram: t.string({
    nullable: true,
    description: `The entity-relationship diagram as text. ${chosen} With many tables it has the columns of keys alone; what a selection refers to is drawn as a name.`,
    args: {
      format: t.arg({ type: DiagramFormatEnum, defaultValue: 'MERMAID' }),
      schemas: t.arg.stringList(),
      tableIds: t.arg.idList(),
    },
    resolve: ({ id }, { format, schemas, tableIds }, context) =>
      context.services.catalog.diagram(context, id, { format: format ?? 'MERMAID', schemas, tableIds }),
  }),
  ddl: t.string({
    nullable: true,
    description: `Statements that rebuild it, in an order that runs on an empty database. ${chosen} Without rows, owners and privileges; what cannot be rebuilt is a comment.`,
    args: { schemas: t.arg.stringList(), tableIds: t.arg.idList() },
    resolve: ({ id }, args, context) => context.services.catalog.ddl(context, id, args),
  }),
}));
