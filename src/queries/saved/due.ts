/** The scheduler's side of the table: what is due by the database's clock, taken by one scheduler at a time. */
import type { Executor } from '../../db/metadata.ts';
import type { ScheduleProblem, VisibleSavedQuery } from './saved-query.ts';
import { columns, type Row, visibleOf } from './store.ts';

/** `role` is that of its owner in its project. */
export interface DueQuery extends VisibleSavedQuery {
  readonly ownerId: string;
  readonly databaseId: string;
  readonly schedule: string;
  /** The time that it is due for. */
  readonly nextRunAt: Date;
  /** The database's clock when it was taken. */
  readonly now: Date;
  /** The API key with which it was decided opens nothing any more. */
  readonly keyEnded: boolean;
}

export interface DueStore {
  /** Nobody else takes them for `holdMs`, or until they are given back. Those whose last run has not ended stay. */
  take(options: { limit: number; holdMs: number }): Promise<DueQuery[]>;
  /** Its job is there; nothing else of a schedule that was changed meanwhile is touched. */
  ran(due: DueQuery, run: { jobId: string; nextRunAt: Date | null }): Promise<void>;
  /** Ends the schedule, unless it was changed meanwhile; false then. */
  stop(due: DueQuery, problem: ScheduleProblem): Promise<boolean>;
  /** Looked at again after so long. */
  putOff(due: DueQuery, forMs: number): Promise<void>;
  /**
   * How long until the next can be taken; one that waits for its last run is looked at again after `waitingMs`. Null
   * where none ever will be.
   */
  untilNextMs(options: { waitingMs: number }): Promise<number | null>;
}

const isDue = 's.schedule_enabled AND s.next_run_at <= now()';
const keyEnded = `s.schedule_key_id IS NOT NULL AND NOT EXISTS (SELECT FROM api_keys k
  WHERE k.id = s.schedule_key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))`;
const isRunning = `EXISTS (SELECT FROM jobs WHERE jobs.id = s.scheduled_job_id AND jobs.status IN ('queued', 'running'))`;

export function createDueStore(db: Executor): DueStore {
  return {
    async take({ limit, holdMs }) {
      const { rows } = await db.query<Row & Pick<DueQuery, 'now' | 'keyEnded'>>(
        `WITH taken AS (
           UPDATE saved_queries SET schedule_held_until = now() + $2 * interval '1 millisecond'
           WHERE id IN (
             SELECT s.id FROM saved_queries s
             WHERE ${isDue} AND (s.schedule_held_until IS NULL OR s.schedule_held_until <= now())
               AND NOT ${isRunning}
             ORDER BY s.next_run_at LIMIT $1 FOR NO KEY UPDATE OF s SKIP LOCKED)
           RETURNING *)
         SELECT ${columns}, m.role, now(), ${keyEnded} AS "keyEnded" FROM taken s
           LEFT JOIN project_members m ON m.project_id = s.project_id AND m.user_id = s.owner_id
          ORDER BY s.next_run_at`,
        [limit, holdMs],
      );
      // That these are there is a constraint of the table for whatever has a next run.
      return rows.map((row) => ({ ...visibleOf(row), now: row.now, keyEnded: row.keyEnded }) as DueQuery);
    },

    async ran({ id, nextRunAt: due }, { jobId, nextRunAt }) {
      await db.query(
        // Changed while it was in hand, it may have had its next run already: that one is waited for while it goes on.
        `UPDATE saved_queries s SET
           scheduled_job_id = CASE WHEN next_run_at = $2 OR NOT ${isRunning} THEN $3 ELSE scheduled_job_id END,
           next_run_at = CASE WHEN next_run_at = $2 THEN $4 ELSE next_run_at END,
           schedule_held_until = CASE WHEN next_run_at = $2 THEN NULL ELSE schedule_held_until END
         WHERE id = $1`,
        [id, due, jobId, nextRunAt],
      );
    },

    async stop({ id, ownerId, nextRunAt }, problem) {
      const { rowCount } = await db.query(
        `UPDATE saved_queries SET schedule_enabled = false, schedule_problem = $4, next_run_at = NULL, schedule_held_until = NULL
         WHERE id = $1 AND owner_id = $2 AND next_run_at = $3`,
        [id, ownerId, nextRunAt, problem],
      );
      return rowCount === 1;
    },

    async putOff({ id, nextRunAt }, forMs) {
      await db.query(
        `UPDATE saved_queries SET schedule_held_until = now() + $3 * interval '1 millisecond' WHERE id = $1 AND next_run_at = $2`,
        [id, nextRunAt, forMs],
      );
    },

    async untilNextMs({ waitingMs }) {
      // Those ahead by the first of the index alone; one by one only those that are due and yet were not taken.
      const { rows } = await db.query<{ ms: number | null }>(
        `SELECT greatest(0, extract(epoch FROM at - now()) * 1000)::float8 AS ms FROM (SELECT least(
           (SELECT s.next_run_at FROM saved_queries s
             WHERE s.schedule_enabled AND s.next_run_at > now() ORDER BY s.next_run_at LIMIT 1),
           (SELECT min(CASE WHEN ${isRunning} THEN now() + $1 * interval '1 millisecond'
                            ELSE greatest(s.next_run_at, s.schedule_held_until) END)
             FROM saved_queries s WHERE ${isDue})) AS at) next
         WHERE at IS NOT NULL`,
        [waitingMs],
      );
      return rows[0]?.ms ?? null;
    },
  };
}
