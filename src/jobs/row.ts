/** A job as a row of the queue's table, and what every change of one does besides. */
import type { Job } from './job.ts';
import type { JobError, JobStatus } from './states.ts';

export interface JobRow {
  id: string;
  kind: Job['kind'];
  status: JobStatus;
  owner_id: string;
  database_id: string | null;
  target_key: string;
  target_label: string;
  sealed_connection: string | null;
  name: string | null;
  sql: string;
  parameters: unknown[] | null;
  read_only: boolean;
  transaction: Job['transaction'];
  timeout_ms: number;
  max_rows: number | null;
  priority: number;
  run_at: Date | null;
  held_until: Date | null;
  submitted_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  cancel_requested_at: Date | null;
  attempt: number;
  max_attempts: number;
  error: JobError | null;
  progress_rows: string;
  progress_bytes: string;
  estimated_rows: string | null;
  percent: number | null;
  revision: number;
  change_xid: string;
  change_seq: string;
  fence: number;
  backend_id: string | null;
  backend_started_at: string | null;
  results_expire_at: Date | null;
  results_dropped: boolean;
  source_id: string | null;
  saved_query_id: string | null;
  export: Job['export'];
  exported: Job['exported'];
}

export const jobOf = (row: JobRow): Job => ({
  id: row.id,
  kind: row.kind,
  status: row.status,
  ownerId: row.owner_id,
  databaseId: row.database_id,
  targetKey: row.target_key,
  targetLabel: row.target_label,
  sealedConnection: row.sealed_connection,
  name: row.name,
  sql: row.sql,
  parameters: row.parameters,
  readOnly: row.read_only,
  transaction: row.transaction,
  timeoutMs: row.timeout_ms,
  maxRows: row.max_rows,
  priority: row.priority,
  runAt: row.run_at,
  heldUntil: row.held_until,
  submittedAt: row.submitted_at,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  cancelRequestedAt: row.cancel_requested_at,
  attempt: row.attempt,
  maxAttempts: row.max_attempts,
  error: row.error,
  progressRows: Number(row.progress_rows),
  progressBytes: Number(row.progress_bytes),
  estimatedRows: row.estimated_rows === null ? null : Number(row.estimated_rows),
  percent: row.percent,
  revision: row.revision,
  position: { xid: BigInt(row.change_xid), seq: BigInt(row.change_seq) },
  fence: row.fence,
  backend:
    row.backend_id && row.backend_started_at ? { sessionId: row.backend_id, startedAt: row.backend_started_at } : null,
  resultsExpireAt: row.results_expire_at,
  resultsDropped: row.results_dropped,
  sourceId: row.source_id,
  savedQueryId: row.saved_query_id,
  export: row.export,
  exported: row.exported,
});

/** In SQL: the transaction's number and the place in it, by which followers of the owner's jobs find a change. */
export const changePosition = `pg_current_xact_id()::text::bigint, nextval('job_changes')`;

/** In SQL: what every UPDATE of a job sets besides. */
export const changed = `revision = jobs.revision + 1, (change_xid, change_seq) = ROW (${changePosition})`;

/** A worker is taken for lost when it has not renewed for so long. */
export const leaseSeconds = 15;
/** By the clock, and not by the start of a transaction that may have waited. */
export const leaseFromNow = `clock_timestamp() + make_interval(secs => ${leaseSeconds})`;
