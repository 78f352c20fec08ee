/** The rows of a job as a subscription. */
import { builder } from '../graph/builder.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import type { RowBatch } from './job-rows.ts';
import { ResultColumnType } from './queries.graph.ts';

const RowBatchType = builder.objectRef<RowBatch>('RowBatch').implement({
  rights: 'job:see',
  fields: (t) => ({
    resultSet: t.exposeInt('resultSet', { description: 'Index of the result set.' }),
    columns: t.field({
      type: [ResultColumnType],
      nullable: true,
      description: 'In the first batch of a result set only.',
      resolve: ({ columns, databaseId }) => columns?.map((column) => ({ ...column, databaseId })) ?? null,
    }),
    rows: t.field({
      type: ['JSON'],
      description: 'One array per row, in the order of columns; none where a result set has columns and no rows.',
      resolve: ({ rows }) => rows as never[],
    }),
    cursor: t.exposeString('cursor', { description: 'Give it as `after` to go on behind this batch.' }),
  }),
});

builder.subscriptionField('jobRows', (t) =>
  t.field({
    type: RowBatchType,
    description:
      'All rows of a job, from the first on, while it still runs. Completes behind the last row of one that succeeded; of one that failed it ends with the job’s error (`details.jobErrorCode`), of one that was cancelled with CONFLICT; POSITION_LOST when the rows are gone or the job is run again, TIMEOUT where too many read rows of more than 8 MiB at once.',
    authScopes: { signedIn: true },
    args: {
      id: t.arg.id({ required: true }),
      batchSize: t.arg.int({ defaultValue: 500, description: 'From 1 to 1,000; large rows make a batch smaller.' }),
      after: t.arg.string(),
    },
    subscribe: (_root, { id, batchSize, after }, { viewer, services, signal }) => {
      const jobId = uuidOf('Job', id);
      if (!jobId) throw notFound('Job');
      return services.jobRows.follow(viewer, jobId, { batchSize: batchSize ?? 500, after: after ?? null }, signal);
    },
    resolve: (batch) => batch,
  }),
);
