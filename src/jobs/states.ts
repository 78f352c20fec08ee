/** The states of a job and who moves it out of each: a table, and nothing moves a job that is not in it. */

export const jobStatuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof jobStatuses)[number];

export const jobKinds = ['query', 'export'] as const;
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

/** What moves a job, by the name of its function in the store: nothing else does. */
export type Mover =
  | 'insert'
  | 'claim'
  | 'release'
  | 'releaseUnknown'
  | 'requeue'
  | 'finish'
  | 'requestCancel'
  | 'cancelAllOf'
  | 'cancelAllOfOwner'
  | 'cancelAllOfKeys'
  | 'cancelWithoutRight'
  | 'promote'
  | 'remove';

/** Null: it is not there yet, or no longer. */
export interface Move {
  readonly from: JobStatus | null;
  readonly to: JobStatus | null;
  readonly by: readonly Mover[];
}

/** STATES.md is this table as a picture, and says who calls what. */
export const moves: readonly Move[] = [
  { from: null, to: 'queued', by: ['insert'] },
  { from: null, to: 'running', by: ['insert'] },
  { from: 'queued', to: 'running', by: ['claim'] },
  {
    from: 'queued',
    to: 'cancelled',
    by: ['requestCancel', 'cancelAllOf', 'cancelAllOfOwner', 'cancelAllOfKeys', 'cancelWithoutRight', 'promote'],
  },
  { from: 'queued', to: null, by: ['remove'] },
  { from: 'running', to: 'queued', by: ['release', 'releaseUnknown', 'requeue'] },
  { from: 'running', to: 'succeeded', by: ['finish'] },
  { from: 'running', to: 'failed', by: ['finish'] },
  { from: 'running', to: 'cancelled', by: ['finish', 'releaseUnknown'] },
  { from: 'succeeded', to: null, by: ['remove'] },
  { from: 'failed', to: null, by: ['remove'] },
  { from: 'cancelled', to: null, by: ['remove'] },
];

/** It stays as it is until it is deleted. */
export const isFinal = (status: JobStatus): boolean => !moves.some(({ from, to }) => from === status && to !== null);
