/** Databases as people see them. What is in one is added to the type by src/catalog. */
import { builder } from '../graph/builder.ts';
import { CapabilityEnum, enumOf, ProjectRoleEnum } from '../graph/enums.ts';
import { registerRow } from '../graph/nodes.ts';
import { EngineType } from '../graph/server.graph.ts';
import { encodeId, uuidOf } from '../lib/ids.ts';
import {
  ConnectionDetailsType,
  ConnectionInputType,
  ConnectionReportType,
  UpdateConnectionInputType,
} from './connection.graph.ts';
import type { ConnectionReport, VisibleDatabase } from './databases.ts';
import { databaseTemplates } from './hosting.ts';

const defaultMaxAgeMs = 60_000;

export const DatabaseType = builder.objectRef<VisibleDatabase>('Database').implement({
  rights: 'database:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'A connection to a database.',
  fields: (t) => ({
    id: t.id({ answers: 'kept', resolve: ({ id }) => encodeId('Database', id) }),
    name: t.exposeString('name', { answers: 'kept' }),
    engine: t.field({
      type: EngineType,
      resolve: ({ engine }, _args, { services }) => services.engines[engine],
    }),
    capabilities: t.field({
      type: [CapabilityEnum],
      description: 'What this server and these credentials can do, as last seen; may be less than the engine can.',
      resolve: ({ capabilities }) => [...capabilities],
    }),
    serverVersion: t.exposeString('serverVersion', { nullable: true, description: 'As last seen.' }),
    connection: t.field({
      type: ConnectionDetailsType,
      nullable: true,
      description: 'Null for those who may not edit it.',
      resolve: (database, _args, { viewer, services }) => services.databases.connectionOf(viewer, database),
    }),
    owner: t.prismaField({
      type: 'User',
      nullable: true,
      description: 'Null for the sample, which is the system’s, and when the account is gone.',
      resolve: (query, database, _args, { services }) => services.databases.ownerOf(database, query),
    }),
    viewerRole: t.field({
      type: ProjectRoleEnum,
      resolve: (database, _args, { viewer, services }) => services.databases.roleIn(viewer, database),
    }),
    hosted: t.exposeBoolean('hosted', { description: 'Made by createHostedDatabase, or the sample.' }),
    readOnly: t.exposeBoolean('readOnly'),
    project: t.prismaField({
      type: 'Project',
      nullable: true,
      description: 'Null where the viewer is not in it, too.',
      resolve: (query, database, _args, { viewer, services }) => services.databases.projectOf(viewer, database, query),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    health: t.field({
      type: ConnectionReportType,
      description: 'The last probe while it is younger than `maxAgeMs`, else a new one; 0 probes now.',
      args: { maxAgeMs: t.arg.int({ defaultValue: defaultMaxAgeMs }) },
      resolve: async (database, { maxAgeMs }, { services }) => ({
        ...(await services.databases.health(database, maxAgeMs ?? defaultMaxAgeMs)),
        of: database,
      }),
    }),
  }),
});

registerRow('Database', (context, id) => context.services.databases.load(context, context.viewer, id));

const DatabaseEdge = builder.edgeObject({ type: DatabaseType, name: 'DatabaseEdge' });
export const DatabaseConnection = builder.connectionObject(
  { type: DatabaseType, name: 'DatabaseConnection' },
  DatabaseEdge,
);

/** An id of something else names no row. */
const nowhere = '00000000-0000-0000-0000-000000000000';
const rowOf = (kind: string, id: string) => uuidOf(kind, id) ?? nowhere;

builder.queryFields((t) => ({
  databases: t.connection(
    {
      type: DatabaseType,
      authScopes: { guest: true },
      description: 'Databases that the viewer owns or reaches through a project, and the sample; the oldest first.',
      args: {
        search: t.arg.string({ description: 'A part of the name, in whatever case.' }),
        projectId: t.arg.id(),
      },
      resolve: (_root, { projectId, ...args }, { viewer, services }) =>
        services.databases.list(viewer, { ...args, projectId: projectId == null ? null : rowOf('Project', projectId) }),
    },
    DatabaseConnection,
    DatabaseEdge,
  ),
  database: t.field({
    type: DatabaseType,
    nullable: true,
    authScopes: { guest: true },
    answers: 'kept',
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) =>
      context.services.databases.load(context, context.viewer, rowOf('Database', id)),
  }),
}));

builder.prismaObjectField('Project', 'databases', (t) =>
  t.connection(
    {
      type: DatabaseType,
      resolve: ({ id }, args, { viewer, services }) => services.databases.list(viewer, { ...args, projectId: id }),
    },
    DatabaseConnection,
    DatabaseEdge,
  ),
);

const TestConnectionInput = builder.inputType('TestConnectionInput', {
  fields: (t) => ({ connection: t.field({ type: ConnectionInputType, required: true }) }),
});

const TestConnectionPayload = builder.objectRef<{ report: ConnectionReport }>('TestConnectionPayload').implement({
  rights: 'parent',
  fields: (t) => ({ report: t.expose('report', { type: ConnectionReportType }) }),
});

const ConnectDatabaseInput = builder.inputType('ConnectDatabaseInput', {
  fields: (t) => ({
    name: t.string({ required: true, description: '1 to 200 characters.' }),
    connection: t.field({ type: ConnectionInputType, required: true }),
    projectId: t.id(),
    readOnly: t.boolean({ defaultValue: false, description: 'Nobody’s SQL may write there.' }),
  }),
});

const ConnectDatabasePayload = builder
  .objectRef<{ database: VisibleDatabase; report: ConnectionReport }>('ConnectDatabasePayload')
  .implement({
    rights: 'parent',
    fields: (t) => ({
      database: t.expose('database', { type: DatabaseType }),
      report: t.expose('report', { type: ConnectionReportType }),
    }),
  });

const CreateHostedDatabaseInput = builder.inputType('CreateHostedDatabaseInput', {
  fields: (t) => ({
    name: t.string({ required: true, description: '1 to 200 characters.' }),
    template: t.field({ type: enumOf('DatabaseTemplate', databaseTemplates), defaultValue: 'empty' }),
    projectId: t.id(),
  }),
});

const UpdateDatabaseInput = builder.inputType('UpdateDatabaseInput', {
  description: 'What is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true }),
    name: t.string(),
    connection: t.field({ type: UpdateConnectionInputType }),
    projectId: t.id({ description: 'null takes it out of its project.' }),
    readOnly: t.boolean(),
  }),
});

const DisconnectDatabaseInput = builder.inputType('DisconnectDatabaseInput', {
  description: 'A hosted database is dropped with it: without `drop: true` that is a CONFLICT.',
  fields: (t) => ({ id: t.id({ required: true }), drop: t.boolean({ defaultValue: false }) }),
});

const payloadOf = (name: string) =>
  builder.objectRef<{ database: VisibleDatabase }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ database: t.expose('database', { type: DatabaseType }) }),
  });
const CreateHostedDatabasePayload = payloadOf('CreateHostedDatabasePayload');
const UpdateDatabasePayload = payloadOf('UpdateDatabasePayload');

const DisconnectDatabasePayload = builder.objectRef<{ id: string }>('DisconnectDatabasePayload').implement({
  rights: 'parent',
  fields: (t) => ({ deletedDatabaseId: t.id({ resolve: ({ id }) => id }) }),
});

builder.mutationFields((t) => ({
  testConnection: t.field({
    type: TestConnectionPayload,
    authScopes: { signedIn: true },
    description: 'Looks at a server; nothing of it is kept.',
    args: { input: t.arg({ type: TestConnectionInput, required: true }) },
    resolve: async (_root, { input }, context) => ({
      report: await context.services.databases.test(context.viewer, input.connection, context),
    }),
  }),
  connectDatabase: t.field({
    type: ConnectDatabasePayload,
    authScopes: { signedIn: true },
    description: 'Keeps a connection that works; one that does not is CONNECTION_FAILED.',
    args: { input: t.arg({ type: ConnectDatabaseInput, required: true }) },
    resolve: (_root, { input: { name, connection, projectId, readOnly } }, context) =>
      context.services.databases.connect(
        context.viewer,
        {
          name,
          connection,
          projectId: projectId == null ? null : rowOf('Project', projectId),
          readOnly: readOnly ?? false,
        },
        context,
      ),
  }),
  createHostedDatabase: t.field({
    type: CreateHostedDatabasePayload,
    authScopes: { signedIn: true },
    description: 'Makes an empty or a sample database on Quarry’s own playground server, and connects it.',
    args: { input: t.arg({ type: CreateHostedDatabaseInput, required: true }) },
    resolve: async (_root, { input: { name, template, projectId } }, context) => ({
      database: await context.services.databases.createHosted(
        context.viewer,
        {
          name,
          template: template ?? 'empty',
          projectId: projectId == null ? null : rowOf('Project', projectId),
        },
        context,
      ),
    }),
  }),
  updateDatabase: t.field({
    type: UpdateDatabasePayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateDatabaseInput, required: true }) },
    resolve: async (_root, { input: { id, projectId, ...rest } }, context) => ({
      database: await context.services.databases.update(
        context.viewer,
        {
          ...rest,
          id: rowOf('Database', id),
          projectId: typeof projectId === 'string' ? rowOf('Project', projectId) : projectId,
        },
        context,
      ),
    }),
  }),
  disconnectDatabase: t.field({
    type: DisconnectDatabasePayload,
    authScopes: { signedIn: true },
    description: 'Forgets a connection. Its jobs end; finished ones stay, without their database.',
    args: { input: t.arg({ type: DisconnectDatabaseInput, required: true }) },
    resolve: async (_root, { input: { id, drop } }, context) => {
      await context.services.databases.disconnect(
        context.viewer,
        { id: rowOf('Database', id), drop: drop ?? false },
        context,
      );
      return { id };
    },
  }),
}));
