/** What exports are called by in the graph: formats, compressions, and what is asked for with both. */
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { compressionNames, type ExportInput, formatNames } from './destination.ts';

export const ExportFormatEnum = enumOf('ExportFormat', formatNames);
export const CompressionEnum = enumOf('Compression', compressionNames);

export const ExportInputType = builder.inputType('ExportInput', {
  description:
    'What is absent comes from the settings. A file that is there is a CONFLICT at submission unless `overwrite`; what several statements return is several files, numbered before their ending, or sheets of one.',
  fields: (t) => ({
    format: t.field({ type: ExportFormatEnum }),
    safe: t.boolean({
      defaultValue: false,
      description:
        'Of CSV alone: cells and names that a spreadsheet would run as a formula get an apostrophe in front, plain numbers aside. The file is then no longer what the database holds.',
    }),
    bucketId: t.id({
      description: 'Absent, and without one in the settings: the viewer’s own bucket `exports`, which is then made.',
    }),
    path: t.string({
      description:
        'May hold {job}, {name}, {date} and {time}, which are those of the job, in UTC. Absent: the prefix of the settings, and then {date}/{name}-{job} with the ending of the format.',
    }),
    compression: t.field({ type: CompressionEnum, defaultValue: 'none' }),
    overwrite: t.boolean({ defaultValue: false }),
  }),
});

/** @throws AppError NOT_FOUND for what is not the id of a bucket */
export function exportOf(input: typeof ExportInputType.$inferInput): ExportInput {
  const { format, safe, bucketId, path, compression, overwrite } = input;
  return {
    format: format ?? null,
    safe: safe ?? false,
    bucketId: bucketId == null ? null : bucketUuid(bucketId),
    path: path ?? null,
    compression: compression ?? 'none',
    overwrite: overwrite ?? false,
  };
}

export function bucketUuid(id: string): string {
  const uuid = uuidOf('Bucket', id);
  if (!uuid) throw notFound('Bucket');
  return uuid;
}
