/** A user's settings: what holds when nothing is set, and what may be set. */
import { type FormatName, formats } from '../exports/registry.ts';
import { priorities } from '../jobs/job.ts';

export const settingsBounds = {
  maxParallelJobs: { min: 1, max: 256 },
  /** 24 hours at the most. */
  statementTimeoutMs: { min: 100, max: 86_400_000 },
  maxRows: { min: 1, max: 10_000_000 },
  queuePriority: priorities,
} as const;

export const maxExportPrefixCharacters = 500;

const defaults = { statementTimeoutMs: 60_000, maxRows: 10_000, queuePriority: 0, exportFormat: 'csv' } as const;

/** As in the metadata: null where the default holds. */
export interface StoredSettings {
  readonly maxParallelJobs: number | null;
  readonly maxParallelJobsLimit: number | null;
  readonly statementTimeoutMs: number | null;
  readonly maxRows: number | null;
  readonly queuePriority: number | null;
  readonly defaultExportFormat: string | null;
  readonly defaultExportBucketId: string | null;
  readonly defaultExportPrefix: string | null;
}

export interface Settings {
  /** How many of the user's jobs run at once; never above the ceiling. */
  readonly maxParallelJobs: number;
  /** The ceiling, by an administrator or of this server. */
  readonly maxParallelJobsLimit: number;
  readonly statementTimeoutMs: number;
  readonly maxRows: number;
  /** Of a job that names none. */
  readonly queuePriority: number;
  readonly defaultExportFormat: FormatName;
  /** Null: the user's own bucket `exports`, made with his first export. */
  readonly defaultExportBucketId: string | null;
  /** What the paths of exports begin with that name none. */
  readonly defaultExportPrefix: string;
}

const formatNames = Object.keys(formats) as FormatName[];

/** What holds for a user. @param serverLimit the ceiling where an administrator set none for this user */
export function settingsOf(stored: StoredSettings, serverLimit: number): Settings {
  const maxParallelJobsLimit = stored.maxParallelJobsLimit ?? serverLimit;
  return {
    maxParallelJobs: Math.min(stored.maxParallelJobs ?? maxParallelJobsLimit, maxParallelJobsLimit),
    maxParallelJobsLimit,
    statementTimeoutMs: stored.statementTimeoutMs ?? defaults.statementTimeoutMs,
    maxRows: stored.maxRows ?? defaults.maxRows,
    queuePriority: stored.queuePriority ?? defaults.queuePriority,
    defaultExportFormat: formatNames.find((name) => name === stored.defaultExportFormat) ?? defaults.exportFormat,
    defaultExportBucketId: stored.defaultExportBucketId,
    defaultExportPrefix: stored.defaultExportPrefix ?? '',
  };
}
