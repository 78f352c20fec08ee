/**
 * The queue's table: what moves a job and is not on its hot path (pump.ts). Every change raises the revision, takes the
 * position of its transaction and rings when it is committed; every write of a worker names its fence and changes nothing
 * when that has moved on. All times are the database's.
 */
import type pg from 'pg';
import { type Executor, transaction } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';
import type { Step } from '../db/round.ts';
import type { Bus } from '../lib/bus.ts';
import type { Log } from '../lib/log.ts';
import type { Topic } from '../lib/topics.ts';
import type { Submission } from './accept.ts';
import { keyIsLive, lockOfKey } from './claim.ts';
import type { Hold } from './finish.ts';
import { createGiven } from './given.ts';
import { type Exported, type Job, priorityLevelMs } from './job.ts';
import { createPump, type Limits, type Pump } from './pump.ts';
import { createJobReads, type JobReads } from './reads.ts';
import { changed, type JobRow, jobOf, leaseFromNow } from './row.ts';
import type { JobError } from './states.ts';

export type { Hold } from './finish.ts';
export type { Limits } from './pump.ts';

export interface JobStoreDeps {
  pool: pg.Pool;
  bus: Bus<Topic>;
  log: Log;
  limits: Limits;
  /** How long the rows of a job are kept behind its end. */
  resultsRetentionMs: number;
  /** Writes into the audit what is submitted, in the round that inserts it. */
  noteStep?: (submissions: readonly Submission[]) => Step;
}

/** Writes into the audit what was done to a job, in the transaction that does it. */
export type Note = (client: Executor, jobId: string) => Promise<void>;

export interface TakeOver {
  workerId: string;
  /** Jobs at the most. */
  limit: number;
  /** Its own, which it did not lose. */
  except: readonly string[];
}

/** What was read so far. */
export interface Progress {
  readonly rows: number;
  readonly bytes: number;
  readonly estimatedRows?: number | null;
  readonly percent?: number | null;
  /** Into files so far, by an export. */
  readonly writtenBytes?: number | null;
}

/** Of one statement that makes many jobs ready. */
const promoteBatch = 1_000;

type Ring = readonly [Topic, string];
const ringsOf = (job: Pick<JobRow, 'id' | 'owner_id'>): Ring[] => [
  ['job.changed', job.id],
  ['jobs.of_user', job.owner_id],
];

/** A queued job ends here; a running one is asked to. */
const cancelled = `cancel_requested_at = coalesce(cancel_requested_at, now()), held_until = NULL,
  status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END,
  sealed_connection = CASE status WHEN 'running' THEN sealed_connection END,
  finished_at = CASE status WHEN 'queued' THEN now() ELSE finished_at END, ${changed}`;

const neverRan = `status = 'running' AND backend_id IS NULL`;
/** One that is to be cancelled is left to the rescue. */
const released = `UPDATE jobs
  SET status = 'queued', started_at = NULL, attempt = attempt - 1, lease_until = NULL, worker_id = NULL, ${changed}
  WHERE ${neverRan} AND cancel_requested_at IS NULL`;

/** $1 a job: those that have not yet written what it has kept. */
const exportsOf = `SELECT reader.id FROM jobs AS reader
  WHERE reader.source_id = $1 AND reader.kind = 'export' AND reader.status IN ('queued', 'running')`;

export type JobStore = JobReads & Pump & ReturnType<typeof createGiven> & ReturnType<typeof createMoves>;

export function createJobStore(deps: JobStoreDeps): JobStore {
  const reads = createJobReads(deps.pool);
  const pump = createPump({ ...deps, findByKey: reads.findByKey });
  return { ...reads, ...pump, ...createGiven(deps.pool), ...createMoves(deps) };
}

function createMoves({ pool, bus }: JobStoreDeps) {
  function ring(rows: readonly Pick<JobRow, 'id' | 'owner_id'>[], ...others: Ring[]): void {
    if (rows.length > 0) for (const [topic, key] of [...rows.flatMap(ringsOf), ...others]) bus.ring(topic, key);
  }

  /** Runs one UPDATE … RETURNING *, and rings for what it changed. */
  async function change(text: string, values: unknown[], ...others: Ring[]): Promise<Job[]> {
    const { rows } = await pool.query<JobRow>(text, values);
    ring(rows, ...others);
    return rows.map(jobOf);
  }

  const changeOne = async (text: string, values: unknown[], ...others: Ring[]): Promise<Job | null> =>
    (await change(text, values, ...others))[0] ?? null;

  /** The same with what is noted of it. */
  async function changeNoted(
    note: Note | undefined,
    text: string,
    values: unknown[],
    ...others: Ring[]
  ): Promise<Job | null> {
    if (!note) return changeOne(text, values, ...others);
    const rows = await transaction(pool, async (client) => {
      const changedRows = (await client.query<JobRow>(text, values)).rows;
      for (const { id } of changedRows) await note(client, id);
      return changedRows;
    });
    ring(rows, ...others);
    return rows[0] ? jobOf(rows[0]) : null;
  }

  /** The same, where nobody needs the jobs: their texts may be long. @returns how many it changed */
  async function touch(text: string, values: unknown[], ...others: Ring[]): Promise<number> {
    const { rows } = await pool.query<Pick<JobRow, 'id' | 'owner_id'>>(`${text} RETURNING id, owner_id`, values);
    ring(rows, ...others);
    return rows.length;
  }

  return {
    /** Null for an account that is gone or disabled. */
    async roleOfOwner(ownerId: string): Promise<'admin' | 'member' | null> {
      const { rows } = await pool.query<{ role: string }>(
        'SELECT role FROM users WHERE id = $1 AND disabled_at IS NULL',
        [ownerId],
      );
      return rows[0] ? (rows[0].role === 'admin' ? 'admin' : 'member') : null;
    },

    /** Takes over what a lost worker held: the fence moves on, so that it can write nothing any more. */
    takeOver: ({ workerId, limit, except }: TakeOver): Promise<Job[]> =>
      change(
        `UPDATE jobs SET fence = fence + 1, worker_id = $1, lease_until = ${leaseFromNow}, ${changed}
         WHERE id IN (
           SELECT id FROM jobs WHERE status = 'running' AND lease_until < now() AND id <> ALL($3::uuid[])
           ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [workerId, limit, except],
      ),

    /** @returns those that are still held, and which of them somebody wants to end */
    async renew(holds: readonly Hold[]): Promise<Map<string, { cancelRequested: boolean }>> {
      const { rows } = await pool.query<{ id: string; cancel: boolean }>(
        // Whoever ends or cancels one of them at this moment is not waited for: the others' leases must not run out.
        `WITH held AS (
           SELECT jobs.id, jobs.cancel_requested_at IS NOT NULL AS cancel
           FROM jobs JOIN unnest($1::uuid[], $2::int[]) AS given (id, fence) ON jobs.id = given.id AND jobs.fence = given.fence
           WHERE jobs.status = 'running'
         ), free AS (
           SELECT id FROM jobs WHERE id IN (SELECT id FROM held) FOR UPDATE SKIP LOCKED
         ), renewed AS (
           UPDATE jobs SET lease_until = ${leaseFromNow} FROM free WHERE jobs.id = free.id AND jobs.status = 'running'
         )
         SELECT id, cancel FROM held`,
        [holds.map(({ id }) => id), holds.map(({ fence }) => fence)],
      );
      return new Map(rows.map(({ id, cancel }) => [id, { cancelRequested: cancel }]));
    },

    /** @returns those that somebody works on */
    async heldOf(holds: readonly Hold[]): Promise<Hold[]> {
      const { rows } = await pool.query<Hold>(
        `SELECT jobs.id, jobs.fence FROM jobs JOIN unnest($1::uuid[], $2::int[]) AS given (id, fence)
         ON jobs.id = given.id AND jobs.fence = given.fence WHERE jobs.status = 'running'`,
        [holds.map(({ id }) => id), holds.map(({ fence }) => fence)],
      );
      return rows;
    },

    /** Before the first statement: a successor finds the session by this. */
    setBackend: async ({ id, fence }: Hold, backend: { sessionId: string; startedAt: string }): Promise<boolean> =>
      (
        await pool.query(
          `UPDATE jobs SET backend_id = $3, backend_started_at = $4 WHERE id = $1 AND fence = $2 AND status = 'running'`,
          [id, fence, backend.sessionId, backend.startedAt],
        )
      ).rowCount === 1,

    /** What a lost worker has begun is found by this, and given up. */
    setExported: async ({ id, fence }: Hold, exported: Exported): Promise<boolean> =>
      (
        await pool.query(`UPDATE jobs SET exported = $3 WHERE id = $1 AND fence = $2 AND status = 'running'`, [
          id,
          fence,
          JSON.stringify(exported),
        ])
      ).rowCount === 1,

    setProgress: async (
      { id, fence }: Hold,
      { rows, bytes, estimatedRows, percent, writtenBytes }: Progress,
    ): Promise<boolean> =>
      (await touch(
        `UPDATE jobs SET progress_rows = $3, progress_bytes = $4, estimated_rows = $5, percent = $6,
                exported = CASE WHEN $7::bigint IS NULL THEN exported ELSE exported || jsonb_build_object('writtenBytes', $7::bigint) END,
                ${changed}
         WHERE id = $1 AND fence = $2 AND status = 'running'`,
        [id, fence, rows, bytes, estimatedRows ?? null, percent ?? null, writtenBytes ?? null],
      )) === 1,

    /** Back into the queue as if it had not been claimed: only where no statement was started. */
    release: async ({ id, fence }: Hold): Promise<boolean> =>
      (await touch(`${released} AND id = $1 AND fence = $2`, [id, fence], ['jobs.queued', '*'])) === 1,

    /** The same for all that a worker was given and does not know of; what is to be cancelled ends. */
    async releaseUnknown(workerId: string, known: readonly string[]): Promise<number> {
      const unknown = 'worker_id = $1 AND id <> ALL($2::uuid[])';
      const back = await touch(`${released} AND ${unknown}`, [workerId, known], ['jobs.queued', '*']);
      // In this order: whoever cancels between the two finds it queued.
      const ended = await touch(
        `UPDATE jobs SET status = 'cancelled', finished_at = now(), sealed_connection = NULL, lease_until = NULL, worker_id = NULL,
                ${changed}
         WHERE ${neverRan} AND ${unknown}`,
        [workerId, known],
      );
      return back + ended;
    },

    /**
     * Back into the queue for another attempt after a pause. What the last one left is thrown away by `discard`, in the
     * same transaction; its error stays to be seen until the next begins.
     */
    requeue: async (
      { id, fence }: Hold,
      { error, delayMs }: { error: JobError; delayMs: number },
      discard: (client: Executor) => Promise<void>,
    ): Promise<boolean> => {
      const rows = await transaction(pool, async (client) => {
        const moved = await client.query<Pick<JobRow, 'id' | 'owner_id'>>(
          `UPDATE jobs SET status = 'queued', held_until = now() + $3::bigint * interval '1 millisecond', error = $4, started_at = NULL,
                  progress_rows = 0, progress_bytes = 0, estimated_rows = NULL, percent = NULL, exported = NULL,
                  lease_until = NULL, worker_id = NULL, backend_id = NULL, backend_started_at = NULL, ${changed}
           WHERE id = $1 AND fence = $2 AND status = 'running' AND cancel_requested_at IS NULL RETURNING id, owner_id`,
          [id, fence, delayMs, JSON.stringify(error)],
        );
        if (moved.rows.length > 0) await discard(client);
        return moved.rows;
      });
      ring(rows);
      return rows.length > 0;
    },

    /**
     * Makes ready what was held until now, and ends it where the API key that it was submitted with has ended meanwhile.
     * @returns how long until the next one is due; null for none
     */
    async promote(): Promise<{ promoted: number; nextMs: number | null }> {
      await touch(
        `UPDATE jobs SET ${cancelled}
         WHERE id IN (
           SELECT id FROM jobs WHERE status = 'queued' AND held_until <= now() AND NOT ${keyIsLive}
           ORDER BY held_until LIMIT ${promoteBatch} FOR UPDATE SKIP LOCKED)`,
        [],
      );
      const promoted = await touch(
        `UPDATE jobs SET held_until = NULL, ${changed}
         WHERE id IN (
           SELECT id FROM jobs WHERE status = 'queued' AND held_until <= now() AND ${keyIsLive}
           ORDER BY held_until LIMIT ${promoteBatch} FOR UPDATE SKIP LOCKED)`,
        [],
      );
      const { rows } = await pool.query<{ next_ms: number | null }>(
        `SELECT extract(epoch FROM min(held_until) - now())::float8 * 1000 AS next_ms FROM jobs WHERE status = 'queued' AND held_until IS NOT NULL`,
      );
      return { promoted, nextMs: rows[0]?.next_ms ?? null };
    },

    /** A queued job ends here; a running one is asked to. No-op for one that has ended. */
    requestCancel: (id: string, note?: Note): Promise<Job | null> =>
      changeNoted(
        note,
        `UPDATE jobs SET ${cancelled} WHERE id = $1 AND status IN ('queued', 'running') RETURNING *`,
        [id],
        ['job.cancel', id],
      ),

    /** Null for one that is not queued. */
    reprioritize: (id: string, priority: number, note?: Note): Promise<Job | null> =>
      changeNoted(
        note,
        `UPDATE jobs SET priority = $2, rank_ms = rank_ms + (priority - $2::int) * ${priorityLevelMs}, ${changed}
         WHERE id = $1 AND status = 'queued' RETURNING *`,
        [id, priority],
      ),

    /**
     * False for one that runs, is gone, or has rows that an export is still to read. What follows from it is the table's
     * own trigger.
     */
    async remove(id: string, note?: Note): Promise<boolean> {
      const rows = await transaction(pool, async (client) => {
        // First: whoever is about to export it holds it, and what he has submitted the next statement sees.
        await client.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [id]);
        const removed = await client.query<Pick<JobRow, 'id' | 'owner_id'>>(
          `DELETE FROM jobs WHERE id = $1 AND status <> 'running' AND NOT EXISTS (${exportsOf}) RETURNING id, owner_id`,
          [id],
        );
        if (removed.rows.length > 0) await note?.(client, id);
        return removed.rows;
      });
      ring(rows);
      return rows.length > 0;
    },

    /** The oldest export that is still to read its rows; null for none. */
    async exportUnderWay(id: string): Promise<string | null> {
      const { rows } = await pool.query<{ id: string }>(`${exportsOf} ORDER BY reader.id LIMIT 1`, [id]);
      return rows[0]?.id ?? null;
    },

    /**
     * Ends all jobs on a database that is about to go, in the caller's transaction; not those that only read what another
     * has kept of it, as that stays.
     */
    async cancelAllOf(client: Executor, databaseId: string): Promise<void> {
      const { rows } = await client.query<Pick<JobRow, 'id' | 'owner_id'>>(
        `UPDATE jobs SET ${cancelled}
         WHERE id IN (SELECT id FROM jobs WHERE database_id = $1 AND kind <> 'export' AND status IN ('queued', 'running')
           ORDER BY id FOR UPDATE)
         RETURNING id, owner_id`,
        [databaseId],
      );
      await ringInTransaction(
        client,
        rows.flatMap((row) => [...ringsOf(row), ['job.cancel', row.id] as Ring]),
      );
    },

    /** Ends all jobs of a user who may do nothing any more, in the caller's transaction. */
    async cancelAllOfOwner(client: Executor, ownerId: string): Promise<void> {
      const { rows } = await client.query<Pick<JobRow, 'id' | 'owner_id'>>(
        `UPDATE jobs SET ${cancelled}
         WHERE id IN (SELECT id FROM jobs WHERE owner_id = $1 AND status IN ('queued', 'running') ORDER BY id FOR UPDATE)
         RETURNING id, owner_id`,
        [ownerId],
      );
      await ringInTransaction(
        client,
        rows.flatMap((row) => [...ringsOf(row), ['job.cancel', row.id] as Ring]),
      );
    },

    /** Ends all jobs that a user submitted with API keys which open nothing any more, in the caller's transaction. */
    async cancelAllOfKeys(client: Executor, ownerId: string, keyIds: readonly string[]): Promise<void> {
      // What is being accepted is found behind this, and nothing more is (accept.ts).
      await client.query(`SELECT pg_advisory_xact_lock(${lockOfKey('id')}) FROM unnest($1::uuid[]) AS id`, [
        keyIds.toSorted(),
      ]);
      const { rows } = await client.query<Pick<JobRow, 'id' | 'owner_id'>>(
        `UPDATE jobs SET ${cancelled}
         WHERE id IN (SELECT id FROM jobs WHERE owner_id = $1 AND key_id = ANY($2::uuid[]) AND status IN ('queued', 'running')
           ORDER BY id FOR UPDATE)
         RETURNING id, owner_id`,
        [ownerId, keyIds],
      );
      await ringInTransaction(
        client,
        rows.flatMap((row) => [...ringsOf(row), ['job.cancel', row.id] as Ring]),
      );
    },

    /**
     * Ends the jobs on these databases whose owners may not run them any more, in the transaction that took the right:
     * database:query of policy.ts, and database:write where a job runs that was started to write. What was kept stays its
     * owner's, and so does an export of it.
     */
    async cancelWithoutRight(client: Executor, databaseIds: readonly string[]): Promise<void> {
      const { rows } = await client.query<Pick<JobRow, 'id' | 'owner_id'>>(
        `UPDATE jobs SET ${cancelled}
         WHERE database_id = ANY($1::uuid[]) AND kind <> 'export' AND status IN ('queued', 'running') AND NOT EXISTS (
           SELECT FROM databases d LEFT JOIN project_members m ON m.project_id = d.project_id AND m.user_id = jobs.owner_id
           WHERE d.id = jobs.database_id AND (d.owner_id = jobs.owner_id OR d.system OR m.role IN ('owner', 'editor')
             OR m.role = 'viewer' AND (jobs.read_only OR jobs.status = 'queued')))
         RETURNING id, owner_id`,
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
  };
}
