/**
 * What has to go, in SQL: rows that have expired, blobs without a row, deletions that nobody asks for any more. Each call
 * does a bounded piece; any worker may make it, two at once get different pieces. Who calls is janitor.ts.
 */
import type pg from 'pg';
import { transaction } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';

/** So long who follows jobs may be away and still hear of the deleted ones. */
const deletionDays = 7;

export type Leftovers = ReturnType<typeof createLeftovers>;

export function createLeftovers(pool: pg.Pool) {
  return {
    /** Their result sets stay, with columns and counts; their blobs go to the trash. @returns how many jobs */
    expire: (limit: number): Promise<number> =>
      transaction(pool, async (client) => {
        const { rows } = await client.query<{ id: string }>(
          `UPDATE jobs SET results_dropped = true WHERE id IN (
             SELECT id FROM jobs WHERE results_expire_at <= now() AND NOT results_dropped AND status IN ('succeeded', 'failed', 'cancelled')
             ORDER BY results_expire_at LIMIT $1 FOR UPDATE SKIP LOCKED)
           RETURNING id`,
          [limit],
        );
        const ids = rows.map(({ id }) => id);
        await client.query(
          'DELETE FROM result_chunks USING result_sets WHERE result_set_id = result_sets.id AND job_id = ANY($1::uuid[])',
          [ids],
        );
        await client.query(
          `INSERT INTO blob_trash (prefix) SELECT 'results/' || id FROM unnest($1::uuid[]) AS id ON CONFLICT DO NOTHING`,
          [ids],
        );
        await ringInTransaction(
          client,
          ids.map((id) => ['job.rows', id] as const),
        );
        return ids.length;
      }),

    /** Prefixes of blobs to delete, in their order, behind `after`. */
    async trash(after: string, limit: number): Promise<string[]> {
      const { rows } = await pool.query<{ prefix: string }>(
        'SELECT prefix FROM blob_trash WHERE prefix > $1 ORDER BY prefix LIMIT $2',
        [after, limit],
      );
      return rows.map(({ prefix }) => prefix);
    },

    /** Of prefixes below which nothing is left. */
    async forgetTrash(prefixes: readonly string[]): Promise<void> {
      await pool.query('DELETE FROM blob_trash WHERE prefix = ANY($1::text[])', [prefixes]);
    },

    /** The horizon goes to the last of them: who resumes before it is told that he may have missed one. @returns how many */
    async forgetDeletions(limit: number): Promise<number> {
      const { rows } = await pool.query<{ count: number }>(
        `WITH gone AS (
           DELETE FROM job_deletions WHERE job_id IN (
             SELECT job_id FROM job_deletions WHERE deleted_at < now() - make_interval(days => ${deletionDays})
             ORDER BY deleted_at LIMIT $1 FOR UPDATE SKIP LOCKED)
           RETURNING change_xid, change_seq
         ), moved AS (
           UPDATE job_deletion_horizon SET change_xid = last.change_xid, change_seq = last.change_seq
           FROM (SELECT change_xid, change_seq FROM gone ORDER BY change_xid DESC, change_seq DESC LIMIT 1) last
           WHERE id = 1 AND (last.change_xid, last.change_seq) > (job_deletion_horizon.change_xid, job_deletion_horizon.change_seq)
         )
         SELECT count(*)::int AS count FROM gone`,
        [limit],
      );
      return rows[0]?.count ?? 0;
    },
  };
}
