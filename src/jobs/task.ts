/** What a kind of job does when a worker has claimed it. */
import type { Executor } from '../db/metadata.ts';
import type { Patience } from '../db/patience.ts';
import type { Log } from '../lib/log.ts';
import type { Job } from './job.ts';
import type { JobError, JobKind } from './states.ts';
import type { Progress } from './store.ts';

/** Why a running job is to stop. */
export type StopReason = 'cancel' | 'lost' | 'shutdown';

export interface TaskContext {
  readonly job: Job;
  /** Aborts with a StopReason. */
  readonly signal: AbortSignal;
  /** Does a write to the metadata, again while they are away, until the job is another worker's. */
  readonly patience: Patience;
  readonly log: Log;
  /** Counts what was read so far; shown in the job from time to time. */
  progress(done: Progress): void;
}

export type Outcome = { status: 'succeeded' } | { status: 'failed'; error: JobError } | { status: 'cancelled' };

export interface Task {
  readonly kind: JobKind;
  /** Never throws for what the target did; what it throws is our fault and ends the job with INTERNAL_SERVER_ERROR. */
  run(context: TaskContext): Promise<Outcome>;
  /**
   * Ends what a lost worker left running in the target, before the job is given up or taken on.
   * @returns what it had brought to its end and could not say any more; else null
   */
  rescue(job: Job): Promise<{ readonly rows: number } | null>;
  /** Throws away what the attempt has stored, in the transaction that puts the job back into the queue. */
  discard(client: Executor, job: Job): Promise<void>;
}
