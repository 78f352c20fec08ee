/** Saved queries and their schedules as people see them. */

import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { UserType } from '../../accounts/users.graph.ts';
import { DatabaseType } from '../../databases/databases.graph.ts';
import type { ExportInput } from '../../exports/destination.ts';
import { CompressionEnum, ExportFormatEnum, ExportInputType, exportOf } from '../../exports/enums.graph.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { enumOf } from '../../graph/enums.ts';
import { registerRow } from '../../graph/nodes.ts';
import type { Job } from '../../jobs/job.ts';
import { JobType } from '../../jobs/jobs.graph.ts';
import { encodeId, uuidOf } from '../../lib/ids.ts';
import { BucketType } from '../../storage/files/buckets.graph.ts';
import { clientKey } from '../idempotency.ts';
import { savedQueryLimits } from './input.ts';
import { scheduleProblems, type VisibleSavedQuery } from './saved-query.ts';

const ScheduleProblemEnum = enumOf(
  'ScheduleProblem',
  scheduleProblems,
  'OWNER_GONE: the owner’s account is deleted or disabled. DATABASE_GONE: the database was disconnected. FORBIDDEN: the owner may no longer query the database, or is no longer in the project. KEY_ENDED: the API key with which what runs was decided is revoked or has expired; who may edit it resumes it as his own.',
);

// Batches and keeps nothing: the next mutation of the same document may run it again.
const lastJobs = createContextCache(
  ({ services, viewer }: Context) =>
    new DataLoader<string, Job | null>((ids) => services.savedQueries.lastJobs(viewer, ids), { cache: false }),
);

const SavedExportType = builder.objectRef<ExportInput>('SavedExport').implement({
  rights: 'parent',
  description: 'Where the runs write their rows. What is null comes from the settings of whoever runs it.',
  fields: (t) => ({
    format: t.expose('format', { type: ExportFormatEnum, nullable: true }),
    bucket: t.field({
      type: BucketType,
      nullable: true,
      description: 'Null also where it is gone, or not the viewer’s to see.',
      resolve: ({ bucketId }, _args, context) =>
        bucketId === null ? null : context.services.buckets.loadBucket(context, context.viewer, bucketId),
    }),
    path: t.exposeString('path', { nullable: true, description: 'As it was given, with {date} and its like.' }),
    safe: t.boolean({ resolve: ({ safe }) => safe === true }),
    compression: t.expose('compression', { type: CompressionEnum }),
    overwrite: t.exposeBoolean('overwrite'),
  }),
});

const SavedQueryType = builder.objectRef<VisibleSavedQuery>('SavedQuery').implement({
  rights: 'saved-query:see',
  interfaces: [builder.nodeInterfaceRef()],
  description:
    'SQL kept under a name. In a project its members see and run it, each with his own rights, and OWNERs and EDITORs change it; elsewhere it is its owner’s alone.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('SavedQuery', id) }),
    name: t.exposeString('name'),
    sql: t.exposeString('sql'),
    database: t.field({
      type: DatabaseType,
      nullable: true,
      description: 'Null where it names none, and where the viewer does not see it.',
      resolve: ({ databaseId }, _args, context) =>
        databaseId === null ? null : context.services.databases.load(context, context.viewer, databaseId),
    }),
    project: t.prismaField({
      type: 'Project',
      nullable: true,
      resolve: (query, saved, _args, { viewer, services }) => services.savedQueries.projectOf(viewer, saved, query),
    }),
    owner: t.field({
      type: UserType,
      nullable: true,
      description:
        'Whose rights a scheduled run has: whoever last changed its SQL, database, project or schedule, or resumed it. Null when the account is gone; the schedule has stopped then.',
      resolve: ({ ownerId }, _args, { services }) => (ownerId === null ? null : services.accounts.account(ownerId)),
    }),
    schedule: t.exposeString('schedule', { nullable: true, description: 'Five-field cron, UTC.' }),
    scheduleEnabled: t.exposeBoolean('scheduleEnabled', { description: 'False: paused, or stopped by itself.' }),
    scheduleProblem: t.expose('scheduleProblem', {
      type: ScheduleProblemEnum,
      nullable: true,
      description: 'Why it stopped by itself; null otherwise. `scheduleEnabled: true` starts it again.',
    }),
    export: t.expose('export', {
      type: SavedExportType,
      nullable: true,
      description: 'Null: its rows are kept as results.',
    }),
    nextRunAt: t.expose('nextRunAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Null where it does not run by itself. In the past while it waits for its last run to end: one runs at a time, and what was missed is made up for once.',
    }),
    lastJob: t.field({
      type: JobType,
      nullable: true,
      description: 'The viewer’s own last run, by hand or by the schedule.',
      resolve: ({ id }, _args, context) => lastJobs(context).load(id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
});

registerRow('SavedQuery', (context, id) => context.services.savedQueries.load(context, context.viewer, id));

builder.objectFields(JobType, (t) => ({
  savedQuery: t.field({
    type: SavedQueryType,
    nullable: true,
    description: 'What it is a run of; null when that is gone, or no longer the viewer’s to see.',
    resolve: ({ savedQueryId }: Job, _args, context) =>
      savedQueryId === null ? null : context.services.savedQueries.load(context, context.viewer, savedQueryId),
  }),
}));

const SavedQueryEdge = builder.edgeObject({ type: SavedQueryType, name: 'SavedQueryEdge' });
const SavedQueryConnection = builder.connectionObject(
  { type: SavedQueryType, name: 'SavedQueryConnection' },
  SavedQueryEdge,
);

/** An id of something else names no row. */
const nowhere = '00000000-0000-0000-0000-000000000000';
const rowOf = (kind: string, id: string) => uuidOf(kind, id) ?? nowhere;
/** Absent stays absent, and null clears. */
const rowIn = <Id extends string | null | undefined>(kind: string, id: Id) =>
  typeof id === 'string' ? rowOf(kind, id) : (id as Exclude<Id, string>);

builder.queryField('savedQueries', (t) =>
  t.connection(
    {
      type: SavedQueryType,
      description: 'The viewer’s own and those of his projects, newest first.',
      authScopes: { signedIn: true },
      args: {
        projectId: t.arg.id(),
        search: t.arg.string({ description: 'A part of the name, in whatever case.' }),
      },
      resolve: (_root, { projectId, ...args }, { viewer, services }) =>
        services.savedQueries.list(viewer, { ...args, projectId: rowIn('Project', projectId) }),
    },
    SavedQueryConnection,
    SavedQueryEdge,
  ),
);

const scheduleRules =
  'Five fields of cron in UTC: minute, hour, day of the month, month, day of the week; numbers, names, *, lists, ranges and steps. Where neither day is *, either is enough. Needs a database.';
const exportRules =
  'Where its runs write their rows, with the rights of whoever runs it. With a schedule it needs `overwrite`, or {job}, {date} or {time} in its path.';
const nameRules = `1 to ${savedQueryLimits.nameLength} characters, on one line.`;

const CreateSavedQueryInput = builder.inputType('CreateSavedQueryInput', {
  fields: (t) => ({
    name: t.string({ required: true, description: nameRules }),
    sql: t.string({ required: true }),
    databaseId: t.id({ description: 'One that the viewer sees; other members of the project need not.' }),
    projectId: t.id(),
    schedule: t.string({ description: scheduleRules }),
    export: t.field({ type: ExportInputType, description: exportRules }),
  }),
});

const UpdateSavedQueryInput = builder.inputType('UpdateSavedQueryInput', {
  description:
    'What is absent stays; null clears the database, the project, the schedule or the export. Whoever changes the SQL, database, project, schedule or export, or resumes it, becomes the owner: scheduled runs have his rights from then on, never those of another. A new name and a pause change no owner.',
  fields: (t) => ({
    id: t.id({ required: true }),
    name: t.string({ description: nameRules }),
    sql: t.string(),
    databaseId: t.id(),
    projectId: t.id({ description: 'null takes it out of its project.' }),
    schedule: t.string({ description: scheduleRules }),
    scheduleEnabled: t.boolean({
      description: 'false pauses; true goes on from now, what was missed meanwhile is not run.',
    }),
    export: t.field({ type: ExportInputType, description: `${exportRules} null: its rows are kept as results.` }),
  }),
});

const DeleteSavedQueryInput = builder.inputType('DeleteSavedQueryInput', {
  fields: (t) => ({ id: t.id({ required: true }) }),
});

const RunSavedQueryInput = builder.inputType('RunSavedQueryInput', {
  fields: (t) => ({
    id: t.id({ required: true }),
    databaseId: t.id({ description: 'Needed where the saved query names none that the viewer sees.' }),
    parameters: t.field({
      type: ['JSON'],
      required: { list: false, items: false },
      description: '$1, $2 …; int8 and numeric as strings.',
    }),
    export: t.field({
      type: ExportInputType,
      description: 'In place of what is saved; null: its rows are kept as results.',
    }),
    idempotencyKey: t.string({ description: 'Two runs by one user with the same key are one job.' }),
  }),
});

const payloadOf = (name: string) =>
  builder.objectRef<{ savedQuery: VisibleSavedQuery }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ savedQuery: t.expose('savedQuery', { type: SavedQueryType }) }),
  });
const CreateSavedQueryPayload = payloadOf('CreateSavedQueryPayload');
const UpdateSavedQueryPayload = payloadOf('UpdateSavedQueryPayload');

const DeleteSavedQueryPayload = builder.objectRef<{ id: string }>('DeleteSavedQueryPayload').implement({
  rights: 'parent',
  fields: (t) => ({ deletedSavedQueryId: t.exposeID('id') }),
});

const RunSavedQueryPayload = builder.objectRef<{ job: Job }>('RunSavedQueryPayload').implement({
  rights: 'parent',
  fields: (t) => ({ job: t.expose('job', { type: JobType }) }),
});

builder.mutationFields((t) => ({
  createSavedQuery: t.field({
    type: CreateSavedQueryPayload,
    description: 'The viewer is its owner.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: CreateSavedQueryInput, required: true }) },
    resolve: async (
      _root,
      { input: { databaseId, projectId, schedule, export: exports, ...rest } },
      { viewer, services, caller },
    ) => ({
      savedQuery: await services.savedQueries.create(
        viewer,
        {
          ...rest,
          databaseId: rowIn('Database', databaseId) ?? null,
          projectId: rowIn('Project', projectId) ?? null,
          schedule: schedule ?? null,
          export: exports ? exportOf(exports) : null,
        },
        caller,
      ),
    }),
  }),
  updateSavedQuery: t.field({
    type: UpdateSavedQueryPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateSavedQueryInput, required: true }) },
    resolve: async (
      _root,
      { input: { id, databaseId, projectId, export: exports, ...rest } },
      { viewer, services, caller },
    ) => ({
      savedQuery: await services.savedQueries.update(
        viewer,
        {
          ...rest,
          id: rowOf('SavedQuery', id),
          databaseId: rowIn('Database', databaseId),
          projectId: rowIn('Project', projectId),
          export: exports && exportOf(exports),
        },
        caller,
      ),
    }),
  }),
  deleteSavedQuery: t.field({
    type: DeleteSavedQueryPayload,
    description: 'Its jobs stay.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: DeleteSavedQueryInput, required: true }) },
    resolve: async (_root, { input: { id } }, { viewer, services, caller }) => {
      await services.savedQueries.delete(viewer, rowOf('SavedQuery', id), caller);
      return { id };
    },
  }),
  runSavedQuery: t.field({
    type: RunSavedQueryPayload,
    description: 'Queues it as a job of the viewer, with his rights; follow it with `jobUpdated`.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: RunSavedQueryInput, required: true }) },
    resolve: async (
      _root,
      { input: { id, databaseId, parameters, idempotencyKey, export: exports } },
      { viewer, services, caller },
    ) => ({
      job: await services.savedQueries.run(
        viewer,
        {
          id: rowOf('SavedQuery', id),
          databaseId: rowIn('Database', databaseId) ?? null,
          parameters: parameters ?? null,
          idempotencyKey: clientKey(idempotencyKey),
          export: exports && exportOf(exports),
        },
        caller,
      ),
    }),
  }),
}));
