/** The states of a job and who moves it out of each: a table, and nothing moves a job that is not in it. */

export const jobStatuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof jobStatuses)[number];

export const jobKinds = ['query'] as const;
export type JobKind = (typeof jobKinds)[number];

export const transactionModes = ['per_statement', 'whole'] as const;
export type TransactionMode = (typeof transactionModes)[number];

export const jobErrorCodes = [
  'SQL_ERROR',
  'TIMEOUT',
  'CONNECTION_FAILED',
  'CONNECTION_LOST',
  'READ_ONLY',
  'LIMIT_EXCEEDED',
  'STORAGE_FAILED',
  'INTERRUPTED',
  'FORBIDDEN',
  'INTERNAL_SERVER_ERROR',
] as const;
export type JobErrorCode = (typeof jobErrorCodes)[number];

export interface JobError {
  code: JobErrorCode;
  message: string;
  sqlState?: string | undefined;
  engineCode?: string | undefined;
  /** 1-based character of the SQL text. */
  position?: number | undefined;
  line?: number | undefined;
  detail?: string | undefined;
  hint?: string | undefined;
  statement?: number | undefined;
}

/**
 * queued → running: a worker's claim. queued → cancelled: cancelJob. running → queued: a rescue, where no statement was
 * started. running → succeeded, failed, cancelled: the worker that holds the fence.
 */
export const moves: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  queued: ['running', 'cancelled'],
  running: ['queued', 'succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export const isFinal = (status: JobStatus): boolean => moves[status].length === 0;
