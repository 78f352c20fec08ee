/** SQL submitted as jobs, and their rows. */

import { createContextCache } from '@pothos/core';
import { ColumnType } from '../catalog/types.graph.ts';
import { ConnectionInputType } from '../databases/connection.graph.ts';
import type { ResultColumn } from '../engines/engine.ts';
import { ExportInputType, exportOf } from '../exports/enums.graph.ts';
import { builder } from '../graph/builder.ts';
import { atEnd, type Context } from '../graph/context.ts';
import { enumOf } from '../graph/enums.ts';
import { registerRow } from '../graph/nodes.ts';
import { type Job, priorities } from '../jobs/job.ts';
import { JobType } from '../jobs/jobs.graph.ts';
import { transactionModes } from '../jobs/states.ts';
import { notFound } from '../lib/errors.ts';
import { encodeId, uuidOf } from '../lib/ids.ts';
import { connectionOf, pageOf } from '../lib/pages.ts';
import { createOperationBudget } from './chunk-readers.ts';
import { clientKey } from './idempotency.ts';
import { queryLimits, rowCursor, type QueryTarget as Target } from './queries.ts';
import type { RowPage } from './results.ts';
import type { ResultSet } from './store.ts';

const ScriptTransactionEnum = enumOf(
  'ScriptTransaction',
  transactionModes,
  'PER_STATEMENT: one a statement unless the script holds its own. WHOLE: one for all.',
);

type ColumnOfResult = ResultColumn & Pick<ResultSet, 'databaseId'>;

export const ResultColumnType = builder.objectRef<ColumnOfResult>('ResultColumn').implement({
  rights: 'parent',
  fields: (t) => ({
    name: t.exposeString('name', { answers: 'told' }),
    dataType: t.exposeString('dataType', {
      answers: 'told',
      description: 'As the engine prints it, e.g. character varying(50).',
    }),
    column: t.field({
      type: ColumnType,
      nullable: true,
      description: 'The catalogue column it comes from, where the engine tells and it is still there.',
      resolve: ({ origin, databaseId }, _args, context) => {
        if (!origin || databaseId === null) return null;
        const { catalog } = context.services;
        const { schema, table, column } = origin;
        return catalog.visible(() =>
          catalog.column(context, databaseId, { table: { schema, name: table }, name: column }),
        );
      },
    }),
  }),
});

const RowPageType = builder.objectRef<RowPage>('RowPage').implement({
  rights: 'parent',
  fields: (t) => ({
    rows: t.field({ type: ['JSON'], resolve: ({ rows }) => rows as never[] }),
    endCursor: t.string({
      nullable: true,
      resolve: ({ endOffset }) => (endOffset === null ? null : rowCursor(endOffset)),
    }),
    hasNextPage: t.exposeBoolean('hasNextPage'),
  }),
});

const budgets = createContextCache((context: Context) => {
  const budget = createOperationBudget({ userId: context.viewer?.userId ?? '', signal: context.signal });
  atEnd(context, budget.end);
  return budget;
});

export const ResultSetType = builder.objectRef<ResultSet>('ResultSet').implement({
  rights: 'job:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'What one statement of a job returned.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('ResultSet', id) }),
    index: t.exposeInt('index'),
    statement: t.exposeString('statement'),
    command: t.exposeString('command', {
      description: 'The engine’s name of what was done, e.g. SELECT or CREATE TABLE; empty until it is.',
    }),
    rowCount: t.expose('rowCount', {
      type: 'BigInt',
      nullable: true,
      description:
        'Rows returned, also those beyond maxRows where the engine tells, or affected; null where neither applies.',
    }),
    durationMs: t.exposeInt('durationMs', { nullable: true }),
    truncated: t.exposeBoolean('truncated', {
      description:
        'True when maxRows cut it. A statement that may change something, also by a volatile function that it calls by name, ran to its end all the same.',
    }),
    columns: t.field({
      type: [ResultColumnType],
      resolve: ({ columns, databaseId }) => columns.map((column) => ({ ...column, databaseId })),
    }),
    rows: t.field({
      type: RowPageType,
      nullable: true,
      description:
        'One array per row, in the order of columns; null once they have been thrown away, and, with LIMIT_EXCEEDED, where the other pages of the operation were too large, or, with TIMEOUT, where too many read rows of more than 8 MiB at once.',
      args: { first: t.arg.int({ defaultValue: 100 }), after: t.arg.string(), offset: t.arg.int() },
      complexity: (args) => 1 + Math.ceil((args.first ?? 100) / 10),
      resolve: (set, { first, after, offset }, context) => {
        const page = { first: first ?? 100, after: after ?? null, offset: offset ?? null };
        return context.services.queries.rows(set, page, budgets(context));
      },
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the rows are thrown away; `rows` is null from then on. Null until the job has ended.',
    }),
  }),
});

registerRow('ResultSet', ({ viewer, services }, id) => services.queries.findResult(viewer, id));

const isIndex = (key: string) => /^\d{1,9}$/.test(key);

const ResultSetEdge = builder.edgeObject({ type: ResultSetType, name: 'ResultSetEdge' });
const ResultSetConnection = builder.connectionObject(
  { type: ResultSetType, name: 'ResultSetConnection' },
  ResultSetEdge,
);

builder.objectFields(JobType, (t) => ({
  results: t.connection(
    {
      type: ResultSetType,
      description: 'One per statement, in their order.',
      resolve: async (job: Job, args, { services }) => {
        const page = pageOf(args, { isKey: isIndex });
        const { sets, count } = await services.queries.results(job, page);
        return connectionOf(page, sets, ({ index }) => String(index), count);
      },
    },
    ResultSetConnection,
    ResultSetEdge,
  ),
  result: t.field({
    type: ResultSetType,
    nullable: true,
    args: { index: t.arg.int({ required: true }) },
    resolve: (job, { index }, { services }) => services.queries.resultAt(job, index),
  }),
}));

export const QueryTarget = builder.inputType('QueryTarget', {
  isOneOf: true,
  description: 'Where the SQL runs.',
  fields: (t) => ({
    databaseId: t.id({ description: 'A stored database.' }),
    connection: t.field({
      type: ConnectionInputType,
      description:
        'Credentials for this job alone: sealed, never shown, and gone when it ends, so that it cannot be retried.',
    }),
  }),
});

const SubmitQueryInput = builder.inputType('SubmitQueryInput', {
  fields: (t) => ({
    target: t.field({ type: QueryTarget, required: true }),
    sql: t.string({ required: true }),
    parameters: t.field({
      type: ['JSON'],
      required: { list: false, items: false },
      description: '$1, $2 …; int8 and numeric as strings.',
    }),
    name: t.string(),
    priority: t.int({
      description: `From ${priorities.min} to ${priorities.max}, higher first. Absent: the viewer’s queuePriority.`,
    }),
    timeoutMs: t.int(),
    maxRows: t.int(),
    readOnly: t.boolean({ defaultValue: false }),
    transaction: t.field({
      type: ScriptTransactionEnum,
      defaultValue: 'per_statement',
      description: 'A script stops at its first error; WHOLE then undoes all of it.',
    }),
    export: t.field({
      type: ExportInputType,
      description:
        'Its rows go into files and are not kept as results; maxRows limits them only where it is given here, and timeoutMs is 24 hours where it is not.',
    }),
    maxAttempts: t.int({
      defaultValue: 1,
      description: `At most ${queryLimits.attempts}. It is tried again, after a pause, only where running again is safe.`,
    }),
    runAt: t.field({
      type: 'DateTime',
      description: `Not before; one that has passed is now. At most ${queryLimits.runAtDays} days ahead.`,
    }),
    idempotencyKey: t.string({ description: 'Two submissions by one user with the same key are one job.' }),
  }),
});

const SubmitQueryPayload = builder.objectRef<{ job: Job; created: boolean }>('SubmitQueryPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    job: t.expose('job', { type: JobType }),
    created: t.exposeBoolean('created', {
      description: 'False when the idempotency key was known and this is the job of then.',
    }),
  }),
});

/** Exactly one is given: the schema's @oneOf. @throws AppError NOT_FOUND for what is not the id of a database */
export function targetOf({ databaseId, connection }: typeof QueryTarget.$inferInput): Target {
  if (connection) return { connection };
  const uuid = uuidOf('Database', databaseId ?? '');
  if (!uuid) throw notFound('Database');
  return { databaseId: uuid };
}

const RetryJobInput = builder.inputType('RetryJobInput', { fields: (t) => ({ id: t.id({ required: true }) }) });

const RetryJobPayload = builder.objectRef<{ job: Job }>('RetryJobPayload').implement({
  rights: 'parent',
  fields: (t) => ({ job: t.expose('job', { type: JobType }) }),
});

builder.mutationField('retryJob', (t) =>
  t.field({
    type: RetryJobPayload,
    description:
      'A new job like one of the viewer’s that has ended, whose `source` that is; each call makes another one. CONFLICT where it has not ended, its database is gone, or it had credentials of its own.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: RetryJobInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => {
      const id = uuidOf('Job', input.id);
      if (!id) throw notFound('Job');
      return { job: await services.queries.retry(viewer, id, caller) };
    },
  }),
);

builder.mutationField('submitQuery', (t) =>
  t.field({
    type: SubmitQueryPayload,
    description: 'Queues SQL as a job; follow it with `jobUpdated`.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: SubmitQueryInput, required: true }) },
    resolve: (_root, { input }, { viewer, services, caller }) =>
      services.queries.submit(
        viewer,
        {
          target: targetOf(input.target),
          sql: input.sql,
          parameters: input.parameters ?? null,
          name: input.name ?? null,
          timeoutMs: input.timeoutMs ?? null,
          maxRows: input.maxRows ?? null,
          readOnly: input.readOnly ?? false,
          transaction: input.transaction ?? 'per_statement',
          priority: input.priority ?? null,
          maxAttempts: input.maxAttempts ?? 1,
          runAt: input.runAt ?? null,
          idempotencyKey: clientKey(input.idempotencyKey),
          export: input.export ? exportOf(input.export) : null,
        },
        caller,
      ),
  }),
);
