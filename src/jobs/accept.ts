/**
 * How submissions become rows, in SQL. In a process that also runs jobs, what nobody waits before starts in the statement
 * that accepts it: under the lock of the claims, and within the same limits.
 */
import type { Prepared } from '../db/round.ts';
import { mayClaim, ready } from './claim.ts';
import { type Job, type NewJob, priorityLevelMs } from './job.ts';
import { changePosition, type JobRow, jobOf, leaseFromNow } from './row.ts';

export type Submission = NewJob & { readonly id: string };

/** What the database adds to a row. */
export type AcceptedRow = Pick<
  JobRow,
  'id' | 'status' | 'held_until' | 'submitted_at' | 'started_at' | 'attempt' | 'fence' | 'change_xid' | 'change_seq'
>;

const given = `json_to_recordset($1::json) AS given (
  id uuid, kind text, owner_id uuid, database_id uuid, target_key uuid, target_label text, sealed_connection text, name text,
  sql text, parameters jsonb, text_bytes int, read_only boolean, transaction text, timeout_ms int, max_rows int, idempotency_key text,
  priority int, run_at_ms float8, max_attempts int, source_id uuid, saved_query_id uuid)
  CROSS JOIN LATERAL to_timestamp(run_at_ms / 1000) AS run_at`;

const columns = `id, kind, owner_id, database_id, target_key, target_label, sealed_connection, name, sql, parameters, text_bytes, read_only,
  transaction, timeout_ms, max_rows, idempotency_key, priority, run_at, max_attempts, source_id, saved_query_id`;

const computed = `extract(epoch FROM greatest(run_at, now())) * 1000 - priority * ${priorityLevelMs},
  CASE WHEN run_at > now() THEN run_at END, ${changePosition}`;

const onceForAKey = `ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, status, held_until, submitted_at, started_at, attempt, fence, change_xid, change_seq`;

/** $1 rows, $2 and $3 the notification that tells the workers. */
export const acceptJobs: Prepared = {
  name: 'accept_jobs',
  text: `
    WITH inserted AS (
      INSERT INTO jobs (${columns}, rank_ms, held_until, change_xid, change_seq, status)
      SELECT ${columns}, ${computed}, 'queued' FROM ${given} ${onceForAKey}
    )
    SELECT inserted.*, (SELECT pg_notify($2, $3)) FROM inserted`,
};

/** $1 rows, $2 worker, $3 its jobs at once, $4 parallel jobs of a user without a ceiling of his own, $5 of a database. */
export const acceptAndStart: Prepared = {
  name: 'accept_and_start',
  text: `
    WITH busy AS MATERIALIZED (
      SELECT owner_id, target_key, worker_id FROM jobs WHERE status = 'running'
    ), nobody_waits AS MATERIALIZED (
      SELECT ${mayClaim} AND NOT EXISTS (SELECT FROM jobs WHERE ${ready}) AS so
    ), new AS (
      SELECT given.*, run_at, row_number() OVER () AS of_all, row_number() OVER (PARTITION BY owner_id) AS of_owner,
             row_number() OVER (PARTITION BY target_key) AS of_target
      FROM ${given}
    ), placed AS MATERIALIZED (
      SELECT new.*, users.id IS NOT NULL AND (SELECT so FROM nobody_waits) AND coalesce(run_at <= now(), true)
               AND of_all <= $3::int - (SELECT count(*) FROM busy WHERE worker_id = $2::uuid)
               AND of_owner <= least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $4::int))
                               - (SELECT count(*) FROM busy WHERE busy.owner_id = new.owner_id)
               AND of_target <= $5::int - (SELECT count(*) FROM busy WHERE busy.target_key = new.target_key) AS starts
      -- An owner who is gone is the foreign key's to refuse.
      FROM new LEFT JOIN users ON users.id = new.owner_id
    )
    INSERT INTO jobs (${columns}, rank_ms, held_until, change_xid, change_seq,
                      status, started_at, attempt, fence, worker_id, lease_until)
    SELECT ${columns}, ${computed}, CASE WHEN starts THEN 'running' ELSE 'queued' END, CASE WHEN starts THEN clock_timestamp() END,
           starts::int, starts::int, CASE WHEN starts THEN $2::uuid END, CASE WHEN starts THEN ${leaseFromNow} END
    FROM placed ${onceForAKey}`,
};

/** Of the SQL and its parameters. */
export const textBytesOf = ({ sql, parameters }: Pick<Job, 'sql' | 'parameters'>): number =>
  Buffer.byteLength(sql) + (parameters === null ? 0 : Buffer.byteLength(JSON.stringify(parameters)));

/** As the statements read them. */
export const givenRows = (submissions: readonly Submission[]): string =>
  JSON.stringify(
    submissions.map((job) => ({
      ...rowOf(job),
      text_bytes: textBytesOf(job),
      run_at_ms: job.runAt?.getTime() ?? null,
      idempotency_key: job.idempotencyKey,
    })),
  );

export const acceptedJob = (submission: Submission, row: AcceptedRow): Job =>
  jobOf({ ...untouched, ...rowOf(submission), ...row });

const rowOf = (job: Submission) => ({
  id: job.id,
  kind: job.kind,
  owner_id: job.ownerId,
  database_id: job.databaseId,
  target_key: job.targetKey,
  target_label: job.targetLabel,
  sealed_connection: job.sealedConnection ?? null,
  name: job.name,
  sql: job.sql,
  parameters: job.parameters === null ? null : [...job.parameters],
  read_only: job.readOnly,
  transaction: job.transaction,
  timeout_ms: job.timeoutMs,
  max_rows: job.maxRows,
  priority: job.priority ?? 0,
  run_at: job.runAt ?? null,
  max_attempts: job.maxAttempts ?? 1,
  source_id: job.sourceId ?? null,
  saved_query_id: job.savedQueryId ?? null,
});

const untouched = {
  finished_at: null,
  cancel_requested_at: null,
  error: null,
  progress_rows: '0',
  progress_bytes: '0',
  estimated_rows: null,
  percent: null,
  revision: 1,
  backend_id: null,
  backend_started_at: null,
  results_expire_at: null,
  results_dropped: false,
} as const;
