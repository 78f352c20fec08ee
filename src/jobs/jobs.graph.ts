/** Jobs as people see them: the queue, one job, and both followed live. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { UserType } from '../accounts/users.graph.ts';
import { DatabaseType } from '../databases/databases.graph.ts';
import { builder } from '../graph/builder.ts';
import type { Context } from '../graph/context.ts';
import { enumOf } from '../graph/enums.ts';
import { registerRow } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { encodeId, isUuid, uuidOf } from '../lib/ids.ts';
import { connectionOf, pageOf } from '../lib/pages.ts';
import { type Job, priorities, priorityLevelMs } from './job.ts';
import type { JobEvent, QueueInfo } from './jobs.ts';
import { type JobError, jobErrorCodes, jobKinds, jobStatuses } from './states.ts';

export const JobStatusEnum = enumOf('JobStatus', jobStatuses);
const JobKindEnum = enumOf(
  'JobKind',
  jobKinds,
  'QUERY: submitted SQL. EXPORT: writes the stored results of `source`, without running SQL.',
);
const JobErrorCodeEnum = enumOf(
  'JobErrorCode',
  jobErrorCodes,
  'INTERRUPTED: the worker was lost while the SQL may have run; it is not run again by itself unless the job allows it (maxAttempts) and is readOnly. FORBIDDEN: the right was gone when it started.',
);

const JobProgress = builder
  .objectRef<Pick<Job, 'progressRows' | 'progressBytes' | 'estimatedRows' | 'percent'>>('JobProgress')
  .implement({
    rights: 'parent',
    fields: (t) => ({
      rows: t.expose('progressRows', { type: 'BigInt' }),
      bytes: t.expose('progressBytes', { type: 'BigInt' }),
      estimatedRows: t.expose('estimatedRows', {
        type: 'BigInt',
        nullable: true,
        description: 'From the planner’s estimate; null where unknown.',
      }),
      percent: t.exposeFloat('percent', {
        nullable: true,
        description: 'Of all statements; at most 99 while they run, null where unknown.',
      }),
    }),
  });

const JobErrorType = builder.objectRef<JobError>('JobError').implement({
  rights: 'parent',
  description: 'Why a job failed.',
  fields: (t) => ({
    code: t.expose('code', { type: JobErrorCodeEnum }),
    message: t.exposeString('message'),
    sqlState: t.string({ nullable: true, resolve: ({ sqlState }) => sqlState }),
    engineCode: t.string({
      nullable: true,
      description: 'The engine’s own, where it has one beside SQLSTATE.',
      resolve: ({ engineCode }) => engineCode,
    }),
    position: t.int({
      nullable: true,
      description: '1-based character of the SQL text; where the target names none, the first of the statement.',
      resolve: ({ position }) => position,
    }),
    line: t.int({ nullable: true, resolve: ({ line }) => line }),
    detail: t.string({ nullable: true, resolve: ({ detail }) => detail }),
    hint: t.string({ nullable: true, resolve: ({ hint }) => hint }),
    statement: t.int({
      nullable: true,
      description: 'Index of the statement that failed, from 0.',
      resolve: ({ statement }) => statement,
    }),
  }),
});

// It only batches and keeps nothing: the next mutation of the same document may see another world.
const visibleJobs = createContextCache(
  ({ services, viewer }: Context) =>
    new DataLoader<string, Job | null>((ids) => services.jobs.findAll(viewer, ids), {
      cache: false,
      maxBatchSize: 500,
    }),
);

const notices = createContextCache(({ services, signal }: Context) => services.jobs.operationNotices(signal));

const JobRef = builder.objectRef<Job>('Job');
export const JobType = JobRef.implement({
  rights: 'job:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'SQL on its way through the queue, and what became of it.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('Job', id) }),
    kind: t.expose('kind', { type: JobKindEnum }),
    revision: t.exposeInt('revision', {
      description: 'Grows with every change; drop what is older than what you have.',
    }),
    name: t.exposeString('name', { nullable: true }),
    owner: t.field({
      type: UserType,
      nullable: true,
      description: 'Null when the account is gone.',
      resolve: ({ ownerId }, _args, { services }) => services.accounts.account(ownerId),
    }),
    database: t.field({
      type: DatabaseType,
      nullable: true,
      description: 'Null when it is gone, or no longer the viewer’s to see.',
      resolve: ({ databaseId }, _args, context) =>
        databaseId === null ? null : context.services.databases.load(context, context.viewer, databaseId),
    }),
    targetLabel: t.exposeString('targetLabel', {
      description: 'Engine, host and database it ran on, also after the database is gone.',
    }),
    source: t.field({
      type: JobRef,
      nullable: true,
      description: 'The job that this one exports or repeats; null when it is gone, too.',
      resolve: ({ sourceId }, _args, context) => (sourceId === null ? null : visibleJobs(context).load(sourceId)),
    }),
    sql: t.exposeString('sql'),
    parameters: t.field({
      type: ['JSON'],
      nullable: { list: true, items: true },
      resolve: ({ parameters }) => (parameters ? [...parameters] : null),
    }),
    readOnly: t.exposeBoolean('readOnly'),
    timeoutMs: t.exposeInt('timeoutMs', { nullable: true }),
    maxRows: t.exposeInt('maxRows', { nullable: true, description: 'Null: all, of an export.' }),
    runAt: t.expose('runAt', { type: 'DateTime', nullable: true, description: 'It does not start before.' }),
    cancelRequestedAt: t.expose('cancelRequestedAt', { type: 'DateTime', nullable: true }),
    status: t.expose('status', { type: JobStatusEnum }),
    priority: t.exposeInt('priority', { description: 'Higher first, among the jobs of its owner.' }),
    position: t.int({
      nullable: true,
      description: 'Jobs of this user that start before it, plus one; null unless queued.',
      resolve: async (job, _args, { services }) => (await services.jobs.place(job))?.position,
    }),
    etaMs: t.int({
      nullable: true,
      description: 'From recent jobs and the jobs ahead; null when there is nothing to go by.',
      resolve: async (job, _args, { services }) => (await services.jobs.place(job))?.etaMs,
    }),
    progress: t.field({ type: JobProgress, resolve: (job) => job }),
    submittedAt: t.expose('submittedAt', { type: 'DateTime' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
    durationMs: t.int({
      nullable: true,
      description: 'From start to end; null until it ended.',
      resolve: ({ startedAt, finishedAt }) =>
        startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null,
    }),
    attempt: t.exposeInt('attempt'),
    maxAttempts: t.exposeInt('maxAttempts'),
    error: t.expose('error', { type: JobErrorType, nullable: true }),
    notices: t.stringList({
      description:
        'The newest; at most 1,000 are kept. LIMIT_EXCEEDED where those of the operation’s jobs together are more than 4 MiB.',
      args: { last: t.arg.int({ defaultValue: 100 }) },
      complexity: (args) => 1 + Math.ceil((args.last ?? 100) / 10),
      resolve: (job, { last }, context) => notices(context).of(job, last ?? 100),
    }),
  }),
});

registerRow('Job', ({ viewer, services }, id) => services.jobs.find(viewer, id));

const JobEventType = builder.objectRef<JobEvent>('JobEvent').implement({
  rights: 'job:see',
  fields: (t) => ({
    position: t.exposeString('position', { description: 'Give it as `after` to go on behind this event.' }),
    job: t.field({ type: JobType, nullable: true, resolve: ({ job }) => job }),
    deletedJobId: t.id({
      nullable: true,
      resolve: ({ deletedJobId }) => (deletedJobId === null ? null : encodeId('Job', deletedJobId)),
    }),
  }),
});

const QueueInfoType = builder.objectRef<QueueInfo>('QueueInfo').implement({
  rights: 'parent',
  description: 'The viewer’s queue.',
  fields: (t) => ({
    queued: t.exposeInt('queued'),
    running: t.exposeInt('running'),
    maxParallelJobs: t.exposeInt('maxParallelJobs', { description: 'How many of them run at once; the rest wait.' }),
    oldestQueuedAt: t.expose('oldestQueuedAt', { type: 'DateTime', nullable: true }),
  }),
});

const JobEdge = builder.edgeObject({ type: JobType, name: 'JobEdge' });
const JobConnection = builder.connectionObject({ type: JobType, name: 'JobConnection' }, JobEdge);

/** An id that is not one of ours filters everything away, like one of a thing that is gone. */
const nowhere = '00000000-0000-0000-0000-000000000000';
const filterId = (kind: string, id: string | null | undefined) =>
  id == null ? undefined : (uuidOf(kind, id) ?? nowhere);

builder.queryFields((t) => ({
  job: t.field({
    type: JobType,
    nullable: true,
    authScopes: { signedIn: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { viewer, services }) => {
      const uuid = uuidOf('Job', id);
      return uuid ? services.jobs.find(viewer, uuid) : null;
    },
  }),
  jobs: t.connection(
    {
      type: JobType,
      description: 'The viewer’s jobs, newest first. A page of jobs with long texts may be shorter than asked.',
      authScopes: { signedIn: true },
      args: {
        ownerId: t.arg.id({ description: 'Absent: the viewer. Others: administrators only.' }),
        savedQueryId: t.arg.id(),
        status: t.arg({ type: [JobStatusEnum] }),
        databaseId: t.arg.id(),
        search: t.arg.string({ description: 'Part of the name or of the SQL, whatever its case.' }),
      },
      resolve: async (_root, { ownerId, savedQueryId, status, databaseId, search, ...rest }, { viewer, services }) => {
        const page = pageOf(rest, { isKey: isUuid });
        const filter = {
          ownerId: filterId('User', ownerId),
          savedQueryId: filterId('SavedQuery', savedQueryId),
          statuses: status ?? undefined,
          databaseId: filterId('Database', databaseId),
          search: search ?? undefined,
        };
        const { jobs, page: had, count } = await services.jobs.list(viewer, filter, page);
        return connectionOf(had, jobs, ({ id }) => id, count);
      },
    },
    JobConnection,
    JobEdge,
  ),
  queue: t.field({
    type: QueueInfoType,
    authScopes: { signedIn: true },
    resolve: (_root, _args, { viewer, services }) => services.jobs.queue(viewer),
  }),
}));

const CancelJobInput = builder.inputType('CancelJobInput', { fields: (t) => ({ id: t.id({ required: true }) }) });

const CancelJobPayload = builder.objectRef<{ job: Job }>('CancelJobPayload').implement({
  rights: 'parent',
  fields: (t) => ({ job: t.expose('job', { type: JobType }) }),
});

/** @throws AppError NOT_FOUND for what is not the id of such a thing */
function uuidOrNotFound(kind: 'Job' | 'Database', id: string): string {
  const uuid = uuidOf(kind, id);
  if (!uuid) throw notFound(kind);
  return uuid;
}
const jobId = (id: string) => uuidOrNotFound('Job', id);
const databaseUuid = (id: string) => uuidOrNotFound('Database', id);

builder.mutationField('cancelJob', (t) =>
  t.field({
    type: CancelJobPayload,
    description: 'A queued job ends at once, a running one within seconds; one that has ended stays as it is.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: CancelJobInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => ({
      job: await services.jobs.cancel(viewer, jobId(input.id), caller),
    }),
  }),
);

const ReprioritizeJobInput = builder.inputType('ReprioritizeJobInput', {
  fields: (t) => ({ id: t.id({ required: true }), priority: t.int({ required: true }) }),
});

const ReprioritizeJobPayload = builder.objectRef<{ job: Job }>('ReprioritizeJobPayload').implement({
  rights: 'parent',
  fields: (t) => ({ job: t.expose('job', { type: JobType }) }),
});

const DeleteJobInput = builder.inputType('DeleteJobInput', { fields: (t) => ({ id: t.id({ required: true }) }) });

const DeleteJobPayload = builder.objectRef<{ id: string }>('DeleteJobPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    deletedJobId: t.id({ resolve: ({ id }) => encodeId('Job', id) }),
    queue: t.field({
      type: QueueInfoType,
      resolve: (_payload, _args, { viewer, services }) => services.jobs.queue(viewer),
    }),
  }),
});

builder.mutationFields((t) => ({
  reprioritizeJob: t.field({
    type: ReprioritizeJobPayload,
    description: `Moves a queued job in its owner’s queue: from ${priorities.min} to ${priorities.max}, higher first. A level is worth ${priorityLevelMs / 1_000} s of waiting, so that a low one starts in the end.`,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: ReprioritizeJobInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => ({
      job: await services.jobs.reprioritize(viewer, jobId(input.id), input.priority, caller),
    }),
  }),
  deleteJob: t.field({
    type: DeleteJobPayload,
    description:
      'Deletes a job that has ended or not begun, with its rows. One that runs is a CONFLICT: cancel it first; so is one whose rows an export (`details.exportJobId`) has not written yet.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: DeleteJobInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => {
      const id = jobId(input.id);
      await services.jobs.remove(viewer, id, caller);
      return { id };
    },
  }),
}));

builder.subscriptionFields((t) => ({
  jobUpdated: t.field({
    type: JobType,
    description: 'The job now, then at every change, until it ends; then the stream completes.',
    authScopes: { signedIn: true },
    args: { id: t.arg.id({ required: true }) },
    subscribe: (_root, { id }, { viewer, services, signal }) => services.jobs.follow(viewer, jobId(id), signal),
    resolve: (job) => job,
  }),
  jobEvents: t.field({
    type: JobEventType,
    description: 'Every job of the viewer: without `after` the unfinished ones first, then every change.',
    authScopes: { signedIn: true },
    args: { databaseId: t.arg.id(), after: t.arg.string() },
    subscribe: (_root, { databaseId, after }, { viewer, services, signal }) =>
      services.jobs.events(
        viewer,
        { databaseId: databaseId == null ? null : databaseUuid(databaseId), after: after ?? null },
        signal,
      ),
    resolve: (event) => event,
  }),
}));
