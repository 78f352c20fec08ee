/** What jobs have written into files, and the results of a job in another format. */
import { SettingsType } from '../accounts/users.graph.ts';
import { builder } from '../graph/builder.ts';
import type { Exported, Job, JobExport } from '../jobs/job.ts';
import { JobType } from '../jobs/jobs.graph.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { BucketType } from '../storage/files/buckets.graph.ts';
import { StoredFileType } from '../storage/files/files.graph.ts';
import type { compressionNames } from './destination.ts';
import { CompressionEnum, ExportFormatEnum, ExportInputType, exportOf } from './enums.graph.ts';
import type { FormatName } from './registry.ts';

interface ExportOfJob {
  readonly request: JobExport;
  /** Null until all of it is there. */
  readonly done: Exported | null;
  /** Of what runs, so far; of what has failed nothing. */
  readonly rows: number;
  readonly bytes: number;
}

const ExportType = builder.objectRef<ExportOfJob>('Export').implement({
  rights: 'parent',
  description:
    'The files that a job writes instead of keeping its rows. They are there when it has SUCCEEDED, all of them.',
  fields: (t) => ({
    format: t.field({ type: ExportFormatEnum, resolve: ({ request }) => request.format as FormatName }),
    safe: t.boolean({ description: 'As it was asked for.', resolve: ({ request }) => request.safe === true }),
    compression: t.field({
      type: CompressionEnum,
      resolve: ({ request }) => request.compression as (typeof compressionNames)[number],
    }),
    path: t.string({ description: 'Of the first file.', resolve: ({ request }) => request.path }),
    rows: t.field({
      type: 'BigInt',
      description: 'Of all files; so far, while it runs.',
      resolve: ({ rows }) => rows,
    }),
    sizeBytes: t.field({
      type: 'BigInt',
      description: 'Of all files; so far, while it runs.',
      resolve: ({ bytes }) => bytes,
    }),
    truncated: t.boolean({
      description: 'True when it holds less than the query returned.',
      resolve: ({ done }) => done?.truncated ?? false,
    }),
    file: t.field({
      type: StoredFileType,
      nullable: true,
      description: 'The first one. Null until it is there, once it is deleted, and where nothing was returned.',
      resolve: ({ done }, _args, context) => context.services.exports.file(context, context.viewer, done, 0),
    }),
    files: t.field({
      type: [StoredFileType],
      description: 'Those that are there, in the order of the result sets.',
      resolve: ({ done }, _args, context) => context.services.exports.files(context, context.viewer, done),
    }),
  }),
});

function exportOfJob(request: JobExport, { status, exported, progressRows }: Omit<Job, 'export'>): ExportOfJob {
  if (status === 'running') return { request, done: null, rows: progressRows, bytes: exported?.writtenBytes ?? 0 };
  const done = status === 'succeeded' ? exported : null;
  return { request, done, rows: done?.rows ?? 0, bytes: done?.bytes ?? 0 };
}

builder.objectFields(JobType, (t) => ({
  export: t.field({
    type: ExportType,
    nullable: true,
    description: 'Null for a job that keeps its rows as results.',
    resolve: ({ export: request, ...job }: Job) => request && exportOfJob(request, job),
  }),
}));

builder.objectFields(SettingsType, (t) => ({
  defaultExportBucket: t.field({
    type: BucketType,
    nullable: true,
    description: 'Null: the viewer’s own bucket `exports`, made with his first export.',
    resolve: ({ defaultExportBucketId: id }, _args, context) =>
      id === null ? null : context.services.buckets.loadBucket(context, context.viewer, id),
  }),
}));

const ExportJobInput = builder.inputType('ExportJobInput', {
  fields: (t) => ({ id: t.id({ required: true }), export: t.field({ type: ExportInputType, required: true }) }),
});

const ExportJobPayload = builder.objectRef<{ job: Job }>('ExportJobPayload').implement({
  rights: 'parent',
  fields: (t) => ({ job: t.expose('job', { type: JobType }) }),
});

builder.mutationField('exportJob', (t) =>
  t.field({
    type: ExportJobPayload,
    description:
      'A new job of kind EXPORT that writes the rows which a job has kept, without running its SQL; its `source` is that job. CONFLICT where that has not ended, keeps no rows, or they have been thrown away.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: ExportJobInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => {
      const id = uuidOf('Job', input.id);
      if (!id) throw notFound('Job');
      return { job: await services.exports.exportJob(viewer, id, exportOf(input.export), caller) };
    },
  }),
);
