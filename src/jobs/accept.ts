/**
 * How submissions become rows, in SQL. In a process that also runs jobs, what nobody waits before starts in the statement
 * that accepts it: under the lock of the claims, and within the same limits.
 */
import type { Prepared, Value } from '../db/round.ts';
import { countOf, counts, mayClaim, ready } from './claim.ts';
import { type Job, type NewJob, priorityLevelMs } from './job.ts';
import { changePosition, type JobRow, jobOf, leaseFromNow } from './row.ts';

export type Submission = NewJob & { readonly id: string };

/** What the database adds to a row. */
export type AcceptedRow = Pick<
  JobRow,
  'id' | 'status' | 'held_until' | 'submitted_at' | 'started_at' | 'attempt' | 'fence' | 'change_xid' | 'change_seq'
>;

/** What a submission says of itself. Arrays, a column each, cost the server half of what JSON does. */
const types = {
  id: 'uuid',
  kind: 'text',
  owner_id: 'uuid',
  database_id: 'uuid',
  target_key: 'uuid',
  target_label: 'text',
  sealed_connection: 'text',
  name: 'text',
  sql: 'text',
  parameters: 'jsonb',
  text_bytes: 'int',
  read_only: 'boolean',
  transaction: 'text',
  timeout_ms: 'int',
  max_rows: 'int',
  idempotency_key: 'text',
  key_id: 'uuid',
  priority: 'int',
  /** Any instant of JavaScript's: as text the server would not read the year 0. */
  run_at_ms: 'float8',
  max_attempts: 'int',
  source_id: 'uuid',
  saved_query_id: 'uuid',
  export: 'jsonb',
} as const;
type Column = keyof typeof types;
const names = Object.keys(types) as Column[];
const columns = names.join(', ').replace('run_at_ms', 'run_at');

/** In SQL: the submissions, from the parameters behind the first so many. */
const givenBehind = (parameters: number): string =>
  `unnest(${names.map((name, i) => `$${parameters + i + 1}::${types[name]}[]`).join(', ')}) AS given (${names.join(', ')})
   CROSS JOIN LATERAL to_timestamp(run_at_ms / 1000) AS run_at`;

const computed = `extract(epoch FROM greatest(run_at, now())) * 1000 - priority * ${priorityLevelMs},
  CASE WHEN run_at > now() THEN run_at END, ${changePosition}`;

const onceForAKey = `ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, status, held_until, submitted_at, started_at, attempt, fence, change_xid, change_seq`;

/** $1 and $2 the notification that tells the workers, then the rows. */
export const acceptJobs: Prepared = {
  name: 'accept_jobs',
  text: `
    WITH inserted AS (
      INSERT INTO jobs (${columns}, rank_ms, held_until, change_xid, change_seq, status)
      SELECT ${columns}, ${computed}, 'queued' FROM ${givenBehind(2)} ${onceForAKey}
    )
    SELECT inserted.*, (SELECT pg_notify($1, $2)) FROM inserted`,
};

/** $1 worker, $2 its jobs at once, $3 parallel jobs of a user without a ceiling of his own, $4 of a database, then the rows. */
export const acceptAndStart: Prepared = {
  name: 'accept_and_start',
  text: `
    WITH busy AS MATERIALIZED (
      SELECT owner_id, target_key, worker_id, 1 AS jobs FROM jobs WHERE status = 'running'
    ), ${counts}, nobody_waits AS MATERIALIZED (
      SELECT ${mayClaim} AND NOT EXISTS (SELECT FROM jobs WHERE ${ready}) AS so
    ), new AS (
      SELECT given.*, run_at, row_number() OVER () AS nth, row_number() OVER (PARTITION BY owner_id) AS nth_of_owner,
             row_number() OVER (PARTITION BY target_key) AS nth_of_target
      FROM ${givenBehind(4)}
    ), placed AS MATERIALIZED (
      SELECT new.*, users.id IS NOT NULL AND (SELECT so FROM nobody_waits) AND coalesce(run_at <= now(), true)
               AND nth <= $2::int - (SELECT count(*) FROM busy WHERE worker_id = $1::uuid)
               AND nth_of_owner <= least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $3::int))
                               - ${countOf('owner', 'new.owner_id')}
               AND nth_of_target <= $4::int - ${countOf('target', 'new.target_key')} AS starts
      -- An owner who is gone is the foreign key's to refuse.
      FROM new LEFT JOIN users ON users.id = new.owner_id
    )
    INSERT INTO jobs (${columns}, rank_ms, held_until, change_xid, change_seq,
                      status, started_at, attempt, fence, worker_id, lease_until)
    SELECT ${columns}, ${computed}, CASE WHEN starts THEN 'running' ELSE 'queued' END, CASE WHEN starts THEN clock_timestamp() END,
           starts::int, starts::int, CASE WHEN starts THEN $1::uuid END, CASE WHEN starts THEN ${leaseFromNow} END
    FROM placed ${onceForAKey}`,
};

/** Of the SQL and its parameters. */
export const textBytesOf = ({ sql, parameters }: Pick<Job, 'sql' | 'parameters'>): number =>
  Buffer.byteLength(sql) + (parameters === null ? 0 : Buffer.byteLength(JSON.stringify(parameters)));

/** As the statements read them: a list of values for each column. */
export function givenValues(submissions: readonly Submission[]): Value[][] {
  const rows = submissions.map((job): Record<Column, Value> => {
    const { parameters, run_at, export: exports, ...row } = rowOf(job);
    return {
      ...row,
      parameters: parameters && JSON.stringify(parameters),
      export: exports && JSON.stringify(exports),
      run_at_ms: run_at?.getTime() ?? null,
      text_bytes: textBytesOf(job),
      idempotency_key: job.idempotencyKey,
      key_id: job.caller?.keyId ?? null,
    };
  });
  return names.map((name) => rows.map((row) => row[name]));
}

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
  export: job.export ?? null,
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
  exported: null,
} as const;
