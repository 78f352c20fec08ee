/** How jobs end, in SQL. */
import type { Prepared, Value } from '../db/round.ts';
import { changed } from './row.ts';
import type { JobError, JobStatus } from './states.ts';

/** A worker's hold on a job; a write with an old fence is lost, and says so. */
export interface Hold {
  readonly id: string;
  readonly fence: number;
}

export interface JobEnd {
  readonly status: Extract<JobStatus, 'succeeded' | 'failed' | 'cancelled'>;
  readonly error: JobError | null;
  readonly rows: number;
  readonly bytes: number;
  /** Absent: as last reported. */
  readonly estimatedRows?: number | null;
  readonly percent?: number | null;
}

export interface Ended {
  readonly hold: Hold;
  readonly end: JobEnd;
}

/**
 * $1 how long rows are kept in milliseconds, then the ends, a list for each column. In the order of their ids, which is the
 * order in which a disconnect takes them: neither waits crosswise.
 */
export const finishJobs: Prepared = {
  name: 'finish_jobs',
  text: `
    WITH ended AS MATERIALIZED (
      SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::jsonb[], $6::bigint[], $7::bigint[], $8::bigint[], $9::real[])
        AS given (id, fence, status, error, rows, bytes, estimated_rows, percent)
      -- All of them: the planner expects few of an unknown number, and then looks each up, also where few jobs were when it planned.
      LIMIT cardinality($2::uuid[])
    )
    UPDATE jobs SET status = ended.status, error = ended.error, progress_rows = ended.rows, progress_bytes = ended.bytes,
           estimated_rows = coalesce(ended.estimated_rows, jobs.estimated_rows),
           percent = CASE WHEN ended.status = 'succeeded' THEN 100 ELSE coalesce(ended.percent, jobs.percent) END,
           finished_at = now(), results_expire_at = now() + $1::bigint * interval '1 millisecond',
           lease_until = NULL, worker_id = NULL, sealed_connection = NULL, ${changed}
    -- They run: by their lease, since the status would have the planner read all that run.
    FROM ended WHERE jobs.id = ended.id AND jobs.fence = ended.fence AND jobs.lease_until IS NOT NULL
    RETURNING jobs.id, jobs.fence, jobs.owner_id`,
};

/** As the statement reads them. */
export function endedValues(ended: readonly Ended[]): Value[][] {
  const inputs = ended.toSorted((a, b) => (a.hold.id < b.hold.id ? -1 : 1));
  return [
    inputs.map(({ hold }) => hold.id),
    inputs.map(({ hold }) => hold.fence),
    inputs.map(({ end }) => end.status),
    inputs.map(({ end }) => end.error && JSON.stringify(end.error)),
    inputs.map(({ end }) => end.rows),
    inputs.map(({ end }) => end.bytes),
    inputs.map(({ end }) => end.estimatedRows ?? null),
    inputs.map(({ end }) => end.percent ?? null),
  ];
}
