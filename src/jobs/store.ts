/**
 * The queue's table. Every change raises the revision, takes the position of its transaction and rings in it; every write
 * of a worker names its fence and changes nothing when that has moved on. All times are the database's.
 */
import type pg from 'pg';
import { type Executor, transaction } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Page } from '../lib/pages.ts';
import type { Topic } from '../lib/topics.ts';
import { type Job, type NewJob, type Position, priorityLevelMs } from './job.ts';
import type { JobError, JobStatus } from './states.ts';

/** A worker is taken for lost when it has not renewed for so long. */
export const leaseSeconds = 15;

/** Behind every change of a transaction. */
const maxSeq = 2n ** 62n;

/** Holds off other claims for its transaction, so that the limits counted in it are exact. */
const claimLock = 4_707_691;

interface Row {
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
  max_rows: number;
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
}

const jobOf = (row: Row): Job => ({
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
});

/** What every change of a row does besides. */
const changed = `revision = jobs.revision + 1, change_xid = pg_current_xact_id()::text::bigint, change_seq = nextval('job_changes')`;

type Ring = readonly [Topic, string];
const ringsOf = (job: Pick<Row, 'id' | 'owner_id'>): Ring[] => [
  ['job.changed', job.id],
  ['jobs.of_user', job.owner_id],
];

export interface Claim {
  workerId: string;
  /** Jobs at the most. */
  limit: number;
  /** Parallel jobs of a user who has no limit of his own. */
  maxParallelJobs: number;
}

export interface JobFilter {
  ownerId: string;
  statuses?: readonly JobStatus[] | undefined;
  databaseId?: string | undefined;
}

/** A worker's hold on a job; a write with an old fence is lost, and says so. */
export interface Hold {
  readonly id: string;
  readonly fence: number;
}

export type JobStore = ReturnType<typeof createJobStore>;

export interface JobStoreOptions {
  /** From the end of a job until its rows are thrown away; absent: they are kept. */
  resultsRetentionMs?: number;
}

export function createJobStore(pool: pg.Pool, { resultsRetentionMs }: JobStoreOptions = {}) {
  async function one(client: Executor, text: string, values: unknown[]): Promise<Job | null> {
    const { rows } = await client.query<Row>(text, values);
    return rows[0] ? jobOf(rows[0]) : null;
  }

  /** Runs one UPDATE … RETURNING * and rings for what it changed, in one transaction. */
  async function change(text: string, values: unknown[], ...others: Ring[]): Promise<Job[]> {
    return transaction(pool, async (client) => {
      const { rows } = await client.query<Row>(text, values);
      if (rows.length > 0) await ringInTransaction(client, [...rows.flatMap(ringsOf), ...others]);
      return rows.map(jobOf);
    });
  }

  return {
    find: (id: string) => one(pool, 'SELECT * FROM jobs WHERE id = $1', [id]),

    /** Those that are there, in no order. */
    findAll: async (ids: readonly string[]): Promise<Job[]> =>
      (await pool.query<Row>('SELECT * FROM jobs WHERE id = ANY($1::uuid[])', [ids])).rows.map(jobOf),

    /** Null for an account that is gone or disabled. */
    async roleOfOwner(ownerId: string): Promise<'admin' | 'member' | null> {
      const { rows } = await pool.query<{ role: string }>(
        'SELECT role FROM users WHERE id = $1 AND disabled_at IS NULL',
        [ownerId],
      );
      return rows[0] ? (rows[0].role === 'admin' ? 'admin' : 'member') : null;
    },

    /** @returns the job of then, and `created: false`, where the owner has used the key before */
    insert: (job: NewJob): Promise<{ job: Job; created: boolean }> =>
      transaction(pool, async (client) => {
        const inserted = await one(
          client,
          `INSERT INTO jobs (id, kind, status, owner_id, database_id, target_key, target_label, sealed_connection, name, sql, parameters,
                             read_only, transaction, timeout_ms, max_rows, idempotency_key, priority, rank_ms, run_at, held_until,
                             max_attempts, source_id, saved_query_id, change_xid, change_seq)
           SELECT $1, $2, 'queued', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                  extract(epoch FROM greatest($17::timestamptz, now())) * 1000 - $16::int * ${priorityLevelMs}, $17,
                  CASE WHEN $17 > now() THEN $17 END, $18, $19, $20, pg_current_xact_id()::text::bigint, nextval('job_changes')
           ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING *`,
          [
            job.id ?? uuidv7(),
            job.kind,
            job.ownerId,
            job.databaseId,
            job.targetKey,
            job.targetLabel,
            job.sealedConnection ?? null,
            job.name,
            job.sql,
            job.parameters === null ? null : JSON.stringify(job.parameters),
            job.readOnly,
            job.transaction,
            job.timeoutMs,
            job.maxRows,
            job.idempotencyKey,
            job.priority ?? 0,
            job.runAt ?? null,
            job.maxAttempts ?? 1,
            job.sourceId ?? null,
            job.savedQueryId ?? null,
          ],
        );
        if (inserted) {
          await ringInTransaction(client, [
            ['jobs.queued', '*'],
            ['job.changed', inserted.id],
            ['jobs.of_user', inserted.ownerId],
          ]);
          return { job: inserted, created: true };
        }
        const known = await one(client, 'SELECT * FROM jobs WHERE owner_id = $1 AND idempotency_key = $2', [
          job.ownerId,
          job.idempotencyKey,
        ]);
        if (!known) throw new Error('a job with this key was there and is gone');
        return { job: known, created: false };
      }),

    /** The oldest of every user in turn, up to each one's limit. */
    claim: ({ workerId, limit, maxParallelJobs }: Claim): Promise<Job[]> =>
      transaction(pool, async (client) => {
        await client.query('SELECT pg_advisory_xact_lock($1)', [claimLock]);
        const { rows } = await client.query<Row>(
          `WITH RECURSIVE waiting (owner_id) AS (
             -- One index probe a user, however long the queues are.
             (SELECT owner_id FROM jobs WHERE status = 'queued' AND held_until IS NULL ORDER BY owner_id LIMIT 1)
             UNION ALL
             SELECT (SELECT owner_id FROM jobs WHERE status = 'queued' AND held_until IS NULL AND owner_id > waiting.owner_id ORDER BY owner_id LIMIT 1)
             FROM waiting WHERE waiting.owner_id IS NOT NULL
           ), busy AS (
             SELECT owner_id, count(*) AS running FROM jobs WHERE status = 'running' GROUP BY owner_id
           ), next AS (
             SELECT queued.id
             FROM waiting
             JOIN users ON users.id = waiting.owner_id
             LEFT JOIN busy ON busy.owner_id = waiting.owner_id
             CROSS JOIN LATERAL (
               SELECT id, row_number() OVER (ORDER BY id) + coalesce(busy.running, 0) AS turn
               FROM (SELECT id FROM jobs WHERE status = 'queued' AND held_until IS NULL AND owner_id = waiting.owner_id ORDER BY id
                     LIMIT greatest(0, least($2, least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $3)) - coalesce(busy.running, 0)))) oldest
             ) queued
             ORDER BY queued.turn, queued.id LIMIT $2
           )
           UPDATE jobs SET status = 'running', started_at = coalesce(jobs.started_at, now()), attempt = attempt + 1, fence = fence + 1,
                  worker_id = $1, lease_until = now() + make_interval(secs => ${leaseSeconds}), ${changed}
           FROM next WHERE jobs.id = next.id AND jobs.status = 'queued' RETURNING jobs.*`,
          [workerId, limit, maxParallelJobs],
        );
        await ringInTransaction(client, rows.flatMap(ringsOf));
        return rows.map(jobOf);
      }),

    /** Takes over what a lost worker held: the fence moves on, so that it can write nothing any more. */
    takeOver: ({ workerId, limit, except }: Pick<Claim, 'workerId' | 'limit'> & { except: readonly string[] }) =>
      change(
        `UPDATE jobs SET fence = fence + 1, worker_id = $1, lease_until = now() + make_interval(secs => ${leaseSeconds}), ${changed}
         WHERE id IN (
           SELECT id FROM jobs WHERE status = 'running' AND lease_until < now() AND id <> ALL($3::uuid[])
           ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [workerId, limit, except],
      ),

    /** @returns those that are still held, and which of them somebody wants to end */
    async renew(holds: readonly Hold[]): Promise<Map<string, { cancelRequested: boolean }>> {
      const { rows } = await pool.query<{ id: string; cancel: boolean }>(
        `UPDATE jobs SET lease_until = now() + make_interval(secs => ${leaseSeconds})
         FROM unnest($1::uuid[], $2::int[]) AS held (id, fence)
         WHERE jobs.id = held.id AND jobs.fence = held.fence AND jobs.status = 'running'
         RETURNING jobs.id, jobs.cancel_requested_at IS NOT NULL AS cancel`,
        [holds.map(({ id }) => id), holds.map(({ fence }) => fence)],
      );
      return new Map(rows.map(({ id, cancel }) => [id, { cancelRequested: cancel }]));
    },

    /** Before the first statement: a successor finds the session by this. */
    setBackend: async ({ id, fence }: Hold, backend: { sessionId: string; startedAt: string }): Promise<boolean> =>
      (
        await pool.query(
          `UPDATE jobs SET backend_id = $3, backend_started_at = $4 WHERE id = $1 AND fence = $2 AND status = 'running'`,
          [id, fence, backend.sessionId, backend.startedAt],
        )
      ).rowCount === 1,

    setProgress: async ({ id, fence }: Hold, { rows, bytes }: { rows: number; bytes: number }): Promise<boolean> =>
      (
        await change(
          `UPDATE jobs SET progress_rows = $3, progress_bytes = $4, ${changed} WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING *`,
          [id, fence, rows, bytes],
        )
      ).length === 1,

    finish: async (
      { id, fence }: Hold,
      end: { status: 'succeeded' | 'failed' | 'cancelled'; error: JobError | null; rows: number; bytes: number },
    ): Promise<Job | null> =>
      (
        await change(
          `UPDATE jobs SET status = $3, error = $4, progress_rows = $5, progress_bytes = $6, finished_at = now(), lease_until = NULL, worker_id = NULL, sealed_connection = NULL,
                  results_expire_at = now() + $7::bigint * interval '1 millisecond', ${changed}
           WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING *`,
          [
            id,
            fence,
            end.status,
            end.error === null ? null : JSON.stringify(end.error),
            end.rows,
            end.bytes,
            resultsRetentionMs ?? null,
          ],
          // A place is free: of this user here, of this worker elsewhere.
          ['jobs.queued', '*'],
        )
      )[0] ?? null,

    /** Back into the queue: only where no statement was started. */
    release: async ({ id, fence }: Hold): Promise<boolean> =>
      (
        await change(
          `UPDATE jobs SET status = 'queued', lease_until = NULL, worker_id = NULL, ${changed}
           WHERE id = $1 AND fence = $2 AND status = 'running' AND backend_id IS NULL RETURNING *`,
          [id, fence],
          ['jobs.queued', '*'],
        )
      ).length === 1,

    /** A queued job ends here; a running one is asked to. No-op for one that has ended. */
    requestCancel: async (id: string): Promise<Job | null> =>
      (
        await change(
          `UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()),
                  status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END, held_until = NULL,
                  sealed_connection = CASE status WHEN 'running' THEN sealed_connection END,
                  finished_at = CASE status WHEN 'queued' THEN now() ELSE finished_at END, ${changed}
           WHERE id = $1 AND status IN ('queued', 'running') RETURNING *`,
          [id],
          ['job.cancel', id],
        )
      )[0] ?? null,

    /** Ends all jobs on a database that is about to go, in the caller's transaction. */
    async cancelAllOf(client: Executor, databaseId: string): Promise<void> {
      const { rows } = await client.query<Row>(
        `UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()),
                status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END, held_until = NULL,
                  sealed_connection = CASE status WHEN 'running' THEN sealed_connection END,
                finished_at = CASE status WHEN 'queued' THEN now() ELSE finished_at END, ${changed}
         WHERE database_id = $1 AND status IN ('queued', 'running') RETURNING *`,
        [databaseId],
      );
      await ringInTransaction(
        client,
        rows.flatMap((row) => [...ringsOf(row), ['job.cancel', row.id] as Ring]),
      );
    },

    /**
     * Ends the jobs on these databases whose owners may not run them any more, in the transaction that took the right:
     * database:query of policy.ts, and database:write where a job runs that was started to write.
     */
    async cancelWithoutRight(client: Executor, databaseIds: readonly string[]): Promise<void> {
      const { rows } = await client.query<Row>(
        `UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()),
                status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END, held_until = NULL,
                finished_at = CASE status WHEN 'queued' THEN now() ELSE finished_at END, ${changed}
         WHERE database_id = ANY($1::uuid[]) AND status IN ('queued', 'running') AND NOT EXISTS (
           SELECT FROM databases d LEFT JOIN project_members m ON m.project_id = d.project_id AND m.user_id = jobs.owner_id
           WHERE d.id = jobs.database_id AND (d.owner_id = jobs.owner_id OR d.system OR m.role IN ('owner', 'editor')
             OR m.role = 'viewer' AND (jobs.read_only OR jobs.status = 'queued')))
         RETURNING *`,
        [databaseIds],
      );
      await ringInTransaction(
        client,
        rows.flatMap((row) => [...ringsOf(row), ['job.cancel', row.id] as Ring]),
      );
    },

    /** The job keeps its newest `keep`. */
    async addNotices(
      { id, fence }: Hold,
      notices: readonly { index: number; message: string }[],
      keep: number,
    ): Promise<boolean> {
      const { rowCount } = await pool.query(
        `WITH old AS (DELETE FROM job_notices WHERE job_id = $1 AND index <= $5::int - $6::int)
         INSERT INTO job_notices (job_id, index, message)
         SELECT $1, notice.index, notice.message FROM unnest($3::int[], $4::text[]) AS notice (index, message)
         WHERE EXISTS (SELECT FROM jobs WHERE id = $1 AND fence = $2 AND status = 'running') ON CONFLICT DO NOTHING`,
        [
          id,
          fence,
          notices.map(({ index }) => index),
          notices.map(({ message }) => message),
          notices.at(-1)?.index ?? 0,
          keep,
        ],
      );
      return rowCount === notices.length;
    },

    /** The newest, in the order in which they came. */
    notices: async (id: string, last: number): Promise<string[]> =>
      (
        await pool.query<{ message: string }>(
          'SELECT message FROM job_notices WHERE job_id = $1 ORDER BY index DESC LIMIT $2',
          [id, last],
        )
      ).rows
        .map(({ message }) => message)
        .reverse(),

    /** Newest first; the key of a page is a job's id, which rises with time. */
    async list({ ownerId, statuses, databaseId }: JobFilter, page: Page): Promise<Job[]> {
      const order = page.backward ? 'ASC' : 'DESC';
      const { rows } = await pool.query<Row>(
        `SELECT * FROM jobs WHERE owner_id = $1 AND ($2::text[] IS NULL OR status = ANY($2)) AND ($3::uuid IS NULL OR database_id = $3)
           AND ($4::uuid IS NULL OR id < $4) AND ($5::uuid IS NULL OR id > $5) ORDER BY id ${order} LIMIT $6`,
        [ownerId, statuses ?? null, databaseId ?? null, page.after, page.before, page.limit + 1],
      );
      return (page.backward ? rows.reverse() : rows).map(jobOf);
    },

    async count({ ownerId, statuses, databaseId }: JobFilter): Promise<number> {
      const { rows } = await pool.query<{ count: string }>(
        'SELECT count(*) FROM jobs WHERE owner_id = $1 AND ($2::text[] IS NULL OR status = ANY($2)) AND ($3::uuid IS NULL OR database_id = $3)',
        [ownerId, statuses ?? null, databaseId ?? null],
      );
      return Number(rows[0]?.count);
    },

    /** Those that have a session there now, the oldest first. */
    async runningOn(databaseId: string, limit: number): Promise<Job[]> {
      const { rows } = await pool.query<Row>(
        `SELECT * FROM jobs WHERE database_id = $1 AND status = 'running' AND backend_id IS NOT NULL ORDER BY id LIMIT $2`,
        [databaseId, limit],
      );
      return rows.map(jobOf);
    },

    /** From where on nothing is missed that happens from now on. */
    async horizon(): Promise<Position> {
      const { rows } = await pool.query<{ xid: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xid');
      return { xid: BigInt(rows[0]!.xid) - 1n, seq: maxSeq };
    },

    /** The unfinished jobs now, in the order of their ids, behind `after`. */
    async unfinished(ownerId: string, databaseId: string | null, after: string | null, limit: number): Promise<Job[]> {
      const { rows } = await pool.query<Row>(
        `SELECT * FROM jobs WHERE owner_id = $1 AND status IN ('queued', 'running') AND ($2::uuid IS NULL OR database_id = $2)
           AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4`,
        [ownerId, databaseId, after, limit],
      );
      return rows.map(jobOf);
    },

    /**
     * What changed behind a position, in order. Only below the oldest transaction that still runs: a later one may yet
     * commit a change with a smaller number, and would be passed over. `unsettled` says that there is more, soon.
     */
    async changesAfter(
      ownerId: string,
      databaseId: string | null,
      after: Position,
      limit: number,
    ): Promise<{ jobs: Job[]; unsettled: boolean }> {
      const { rows } = await pool.query<Row & { settled: boolean }>(
        `SELECT *, change_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS settled
         FROM jobs WHERE owner_id = $1 AND ($2::uuid IS NULL OR database_id = $2) AND (change_xid, change_seq) > ($3::bigint, $4::bigint)
         ORDER BY change_xid, change_seq LIMIT $5`,
        [ownerId, databaseId, after.xid.toString(), after.seq.toString(), limit],
      );
      const settled = rows.filter((row) => row.settled);
      return { jobs: settled.map(jobOf), unsettled: settled.length < rows.length };
    },
  };
}
