/** A job as it is kept. */
import type { JobError, JobKind, JobStatus, TransactionMode } from './states.ts';

export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly status: JobStatus;
  readonly ownerId: string;
  readonly databaseId: string | null;
  /** Engine, host and database it runs on, also after the database is gone. */
  readonly targetLabel: string;
  readonly name: string | null;
  readonly sql: string;
  readonly parameters: readonly unknown[] | null;
  readonly readOnly: boolean;
  readonly transaction: TransactionMode;
  readonly timeoutMs: number;
  readonly maxRows: number;
  readonly submittedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly cancelRequestedAt: Date | null;
  readonly attempt: number;
  readonly error: JobError | null;
  readonly progressRows: number;
  readonly progressBytes: number;
  readonly revision: number;
  /** Of its last change, in the stream of the owner's jobs. */
  readonly position: Position;
  readonly fence: number;
  /** The target's session, once it is open. */
  readonly backend: { sessionId: string; startedAt: string } | null;
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

export type NewJob = Pick<
  Job,
  | 'kind'
  | 'ownerId'
  | 'databaseId'
  | 'targetLabel'
  | 'name'
  | 'sql'
  | 'parameters'
  | 'readOnly'
  | 'transaction'
  | 'timeoutMs'
  | 'maxRows'
> & { readonly idempotencyKey: string | null };
