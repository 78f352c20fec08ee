/**
 * Where an export goes, decided when it is submitted: what is absent comes from the user's settings, the path is filled
 * in, and who may not write there, or would write over a file unasked, is refused before anything runs.
 */
import type { Settings } from '../accounts/settings.ts';
import type { Viewer } from '../accounts/viewer.ts';
import type { JobExport } from '../jobs/job.ts';
import { badInput } from '../lib/errors.ts';
import type { BucketAccess } from '../storage/files/access.ts';
import { parsePath } from '../storage/files/names.ts';
import { requireFit, requireFree } from '../storage/files/reservations.ts';
import type { FileStore } from '../storage/files/store.ts';
import { type CompressionName, compressions } from './compression.ts';
import { type FormatName, formats } from './registry.ts';
import type { ExportStore } from './store.ts';

export const compressionNames = ['none', ...(Object.keys(compressions) as CompressionName[])] as const;
export const formatNames = Object.keys(formats) as FormatName[];

export interface ExportInput {
  /** Null, like all that follow: as the settings of the user say. */
  readonly format: FormatName | null;
  /** Nothing in it is run by a spreadsheet as a formula; only of formats that have such a variant. */
  readonly safe: boolean;
  /** A UUID. */
  readonly bucketId: string | null;
  readonly path: string | null;
  readonly compression: (typeof compressionNames)[number];
  readonly overwrite: boolean;
  /** A schedule's: what stands against it is the failure of its job, for people to see. */
  readonly late?: boolean;
}

export type ExportSettings = Pick<Settings, 'defaultExportFormat' | 'defaultExportBucketId' | 'defaultExportPrefix'>;

/** The job that will write it. */
export interface Exporting {
  readonly id: string;
  readonly name: string | null;
  /** When it runs, as far as that is known. */
  readonly at: Date;
}

export interface Destinations {
  /** Asks of what is kept for later what can be asked now. @throws AppError BAD_USER_INPUT, NOT_FOUND, FORBIDDEN */
  check(viewer: Viewer, input: ExportInput): Promise<void>;
  /** @throws AppError BAD_USER_INPUT, NOT_FOUND and FORBIDDEN for the bucket, CONFLICT for a file that is there, or is exported there now */
  resolve(viewer: Viewer, input: ExportInput, settings: ExportSettings, job: Exporting): Promise<JobExport>;
}

export interface DestinationDeps {
  readonly access: Pick<BucketAccess, 'requireBucket'>;
  readonly files: Pick<FileStore, 'fileAt' | 'isExportedTo'>;
  readonly store: Pick<ExportStore, 'ownBucket'>;
}

export function createDestinations({ access, files, store }: DestinationDeps): Destinations {
  return {
    async check(viewer, { format, safe, path, bucketId, overwrite }) {
      // Named, so that no change of the settings stands against a later run.
      if (safe) requireSafe(format);
      if (path !== null) parsePath(fillIn(path, { id: 'id', name: null, at: new Date(0) }), pathField);
      if (bucketId !== null) await access.requireBucket(viewer, writing({ overwrite }), bucketId);
    },

    async resolve(viewer, input, settings, job) {
      const format = input.format ?? settings.defaultExportFormat;
      const { safe, compression, overwrite } = input;
      if (safe) requireSafe(format);
      const template = input.path ?? `${settings.defaultExportPrefix}${defaultName}${endingOf(format, compression)}`;
      const path = parsePath(fillIn(template, job), pathField);
      const wanted = input.bucketId ?? settings.defaultExportBucketId;
      const bucketId = wanted ?? (await store.ownBucket(viewer.userId));
      const request = { format, safe, compression, bucketId, path, template, overwrite };
      if (input.late) return request;
      const bucket = await access.requireBucket(viewer, writing(input), bucketId);
      const typeField = `input.export.${compression === 'none' ? 'format' : 'compression'}`;
      requireFit(bucket, { sizeBytes: 0, mimeType: mimeTypeOf(format, compression) }, typeField);
      if (!overwrite) await requireFree(files, null, request);
      return request;
    },
  };
}

/** A new file is less than one that is put in the place of another. */
const writing = ({ overwrite }: Pick<ExportInput, 'overwrite'>) => (overwrite ? 'bucket:write' : 'bucket:export');

/** @throws AppError BAD_USER_INPUT */
function requireSafe(format: FormatName | null): void {
  if (format !== null && formats[format].canBeSafe) return;
  const names = formatNames.filter((name) => formats[name].canBeSafe).map((name) => name.toUpperCase());
  throw badInput({ path: 'input.export.safe', message: `only with the format ${names.join(', ')}` });
}

const pathField = 'input.export.path';
/** No two jobs have one. */
const defaultName = '{date}/{name}-{job}';

/** `.csv.gz` */
function endingOf(format: FormatName, compression: ExportInput['compression']): string {
  const ending = `.${formats[format].extension}`;
  return compression === 'none' ? ending : `${ending}.${compressions[compression].extension}`;
}

export const mimeTypeOf = (format: FormatName, compression: ExportInput['compression']): string =>
  compression === 'none' ? formats[format].mimeType : compressions[compression].mimeType;

/** `reports/{date}.csv` → `reports/2026-06-01.csv`, in UTC. @throws AppError BAD_USER_INPUT */
export function fillIn(template: string, { id, name, at }: Exporting, field: string = pathField): string {
  const iso = at.toISOString();
  const values: Readonly<Record<string, string>> = {
    job: id,
    name: segmentOf(name ?? ''),
    date: iso.slice(0, 10),
    time: iso.slice(11, 19).replaceAll(':', '-'),
  };
  return template.replace(/\{([^{}]*)\}/g, (_, key: string) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value === undefined)
      throw badInput({ path: field, message: `knows no {${key}}, only {job}, {name}, {date} and {time}` });
    return value;
  });
}

/** @throws AppError BAD_USER_INPUT for what no path can begin with */
export function checkPrefix(prefix: string): void {
  const field = 'input.defaultExportPrefix';
  parsePath(`${fillIn(prefix, { id: 'id', name: null, at: new Date(0) }, field)}x`, field);
}

/** The name of a job as a part of a path. */
const segmentOf = (name: string): string =>
  name
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029/]+/gu, '-')
    .trim()
    .replace(/^[.\s]+/, '')
    .slice(0, 100)
    .toWellFormed() || 'query';

/** Of the n-th file of a job, from 1: `a/b.csv.gz` → `a/b-2.csv.gz`. */
export function numbered(path: string, n: number): string {
  if (n === 1) return path;
  const [, stem = path, ending = ''] = /^(.*?[^/])((?:\.[A-Za-z0-9]{1,8}){0,2})$/s.exec(path) ?? [];
  return `${stem}-${n}${ending}`;
}
