/** A job as it is kept. */
import type { Caller } from '../accounts/viewer.ts';
import type { JobError, JobKind, JobStatus, TransactionMode } from './states.ts';

/** As the policy sees it. */
export const jobResource = ({ ownerId, databaseId }: Pick<Job, 'ownerId' | 'databaseId'>) =>
  ({ kind: 'job', ownerId, databaseId }) as const;

export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly status: JobStatus;
  readonly ownerId: string;
  readonly databaseId: string | null;
  /** A UUID: what the limit of parallel jobs on one database counts by. */
  readonly targetKey: string;
  /** Engine, host and database it runs on, also after the database is gone. */
  readonly targetLabel: string;
  /** Credentials of this job alone; null once it has ended. */
  readonly sealedConnection: string | null;
  readonly name: string | null;
  readonly sql: string;
  readonly parameters: readonly unknown[] | null;
  readonly readOnly: boolean;
  readonly transaction: TransactionMode;
  readonly timeoutMs: number;
  /** Null: all, of an export. */
  readonly maxRows: number | null;
  /** Higher first, among the jobs of its owner. */
  readonly priority: number;
  readonly runAt: Date | null;
  /** Not claimed before; null: ready. */
  readonly heldUntil: Date | null;
  readonly submittedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly cancelRequestedAt: Date | null;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly error: JobError | null;
  readonly progressRows: number;
  readonly progressBytes: number;
  /** By the target's planner, for all that was begun; null where it tells nothing. */
  readonly estimatedRows: number | null;
  readonly percent: number | null;
  readonly revision: number;
  /** Of its last change, in the stream of the owner's jobs. */
  readonly position: Position;
  readonly fence: number;
  /** The target's session, once it is open. */
  readonly backend: { sessionId: string; startedAt: string } | null;
  /** When its rows are thrown away; null until it ends. */
  readonly resultsExpireAt: Date | null;
  readonly resultsDropped: boolean;
  /** The job that this one repeats. */
  readonly sourceId: string | null;
  readonly savedQueryId: string | null;
  /** Where it writes its rows instead of keeping them; null where it keeps them. */
  readonly export: JobExport | null;
  /** What this attempt has written, or is about to; null before it begins. */
  readonly exported: Exported | null;
}

/** Decided when the job is submitted. */
export interface JobExport {
  /** The registry's key. */
  readonly format: string;
  /** No cell of it is a formula. */
  readonly safe: boolean;
  readonly compression: string;
  /** A UUID. */
  readonly bucketId: string;
  /** Of its first file; a job with several result sets numbers the others. */
  readonly path: string;
  /** What the path was made from, for a job that repeats this one. */
  readonly template: string;
  readonly overwrite: boolean;
}

export interface Exported {
  /** UUIDs, in the order of the result sets. */
  readonly files: readonly string[];
  /** Of all files, from here on, and 0 until they are there. */
  readonly rows: number;
  readonly bytes: number;
  /** The query returned more. */
  readonly truncated: boolean;
  /** So far, while it runs. */
  readonly writtenBytes?: number;
}

/** Transaction number and place inside it; both rise, the first over all processes. */
export interface Position {
  readonly xid: bigint;
  readonly seq: bigint;
}

export const formatPosition = ({ xid, seq }: Position): string => `${xid}.${seq}`;

const maxBigint = 2n ** 63n - 1n;

export const isBehind = (a: Position, b: Position): boolean => a.xid > b.xid || (a.xid === b.xid && a.seq > b.seq);

/** Null for what is not a position. */
export function parsePosition(text: string): Position | null {
  const [, xid, seq] = /^(\d{1,19})\.(\d{1,19})$/.exec(text) ?? [];
  if (xid === undefined || seq === undefined) return null;
  const position = { xid: BigInt(xid), seq: BigInt(seq) };
  return position.xid <= maxBigint && position.seq <= maxBigint ? position : null;
}

export interface NewJob
  extends Pick<
      Job,
      | 'kind'
      | 'ownerId'
      | 'databaseId'
      | 'targetKey'
      | 'targetLabel'
      | 'name'
      | 'sql'
      | 'parameters'
      | 'readOnly'
      | 'transaction'
      | 'timeoutMs'
      | 'maxRows'
    >,
    Partial<
      Pick<Job, 'priority' | 'runAt' | 'maxAttempts' | 'sealedConnection' | 'sourceId' | 'savedQueryId' | 'export'>
    > {
  /** Given where something is sealed to it. */
  readonly id?: string;
  /** From where it was asked for; absent for what asks by itself. */
  readonly caller?: Caller;
  readonly idempotencyKey: string | null;
}

export const priorities = { min: -10, max: 10 } as const;

/** So much longer a job may have waited and still come behind one that is a level above it: nothing waits for ever. */
export const priorityLevelMs = 30_000;
