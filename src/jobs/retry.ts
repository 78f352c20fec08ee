/** Whether a failed attempt is followed by another, and after what pause. What may have been done is never done twice. */
import type { Job } from './job.ts';
import type { JobError, JobErrorCode } from './states.ts';

/** Nothing of the SQL had begun. */
const beforeTheSql: ReadonlySet<JobErrorCode> = new Set(['CONNECTION_FAILED']);

/** Passing faults of the way or of this server: what only reads can be read again. */
const passing: ReadonlySet<JobErrorCode> = new Set([
  'CONNECTION_LOST',
  'INTERRUPTED',
  'STORAGE_FAILED',
  'INTERNAL_SERVER_ERROR',
]);

/** SQLSTATEs of a server that is busy, or going: serialization failure, deadlock, no resources, shutting down. */
const passingStates = /^(40001|40P01|53\d{3}|57P0[1-3])$/;

/** The server has undone all that there was: a deadlock or a serialization failure, in a job of one transaction. */
const undoneStates = /^(40001|40P01)$/;

export function mayRunAgain(
  job: Pick<Job, 'attempt' | 'maxAttempts' | 'readOnly' | 'transaction' | 'cancelRequestedAt'>,
  error: JobError,
): boolean {
  if (job.attempt >= job.maxAttempts || job.cancelRequestedAt) return false;
  if (beforeTheSql.has(error.code)) return true;
  const state = error.code === 'SQL_ERROR' ? (error.sqlState ?? '') : '';
  if (job.readOnly) return passing.has(error.code) || passingStates.test(state);
  return job.transaction === 'whole' && undoneStates.test(state);
}

const firstPauseMs = 1_000;
const longestPauseMs = 5 * 60_000;

/** 1 s, 2 s, 4 s … 5 min, each up to half as long again, so that what failed together does not come back together. */
export function pauseMs(attempt: number, random: () => number = Math.random): number {
  const pause = Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs);
  return Math.round(pause * (1 + random() / 2));
}
