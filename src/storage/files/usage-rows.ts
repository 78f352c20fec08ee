/** What files take up, of a user and of a bucket. */
import type { Executor } from '../../db/metadata.ts';

export interface Usage {
  /** Of ready files. */
  readonly usedBytes: number;
  /** Kept free for those that are pending. */
  readonly reservedBytes: number;
  /** Both kinds. */
  readonly files: number;
}

export const lockUser = (client: Executor, id: string) =>
  client.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);

export function createUsageRows(db: Executor) {
  return {
    /** Until the transaction ends nobody else counts what this user has. Before any bucket's row. */
    holdUser: async (client: Executor, ownerId: string): Promise<void> => void (await lockUser(client, ownerId)),

    /**
     * What a user has, with what is kept free for him; for whoever holds his row. Of a file that is to be replaced by
     * another one of his, and of that one, the larger counts; of several that are to take its place, a single one so.
     */
    async usageOf(client: Executor, ownerId: string): Promise<{ bytes: number; files: number }> {
      const { rows } = await client.query<{ bytes: number; files: number }>(
        `SELECT (coalesce(sum(size_bytes), 0) - (
             SELECT coalesce(sum(least(old.size_bytes, coming.size_bytes)), 0) FROM files old JOIN (
               SELECT bucket_id, path, max(size_bytes) AS size_bytes FROM files
               WHERE owner_id = $1 AND status = 'pending' AND overwrite GROUP BY bucket_id, path) coming USING (bucket_id, path)
             WHERE old.owner_id = $1 AND old.status = 'ready'))::float8 AS bytes, count(*)::int AS files
         FROM files WHERE owner_id = $1`,
        [ownerId],
      );
      return rows[0]!;
    },

    /** What is kept free for a pending one; false where there is none. */
    async setReserved(client: Executor, id: string, sizeBytes: number): Promise<boolean> {
      const { rowCount } = await client.query(`UPDATE files SET size_bytes = $2 WHERE id = $1 AND status = 'pending'`, [
        id,
        sizeBytes,
      ]);
      return rowCount === 1;
    },

    /** Users without any file are left out. */
    async usageOfUsers(userIds: readonly string[]): Promise<Map<string, Usage>> {
      const { rows } = await db.query<Usage & { id: string }>(
        `SELECT owner_id AS id, coalesce(sum(size_bytes) FILTER (WHERE status = 'ready'), 0)::float8 AS "usedBytes",
           coalesce(sum(size_bytes) FILTER (WHERE status = 'pending'), 0)::float8 AS "reservedBytes", count(*)::int AS files
         FROM files WHERE owner_id = ANY($1::uuid[]) GROUP BY 1`,
        [userIds],
      );
      return new Map(rows.map(({ id, ...usage }) => [id, usage]));
    },

    /** Of ready files; buckets without any are left out. */
    async usedBytes(bucketIds: readonly string[]): Promise<Map<string, number>> {
      const { rows } = await db.query<{ id: string; bytes: number }>(
        `SELECT bucket_id AS id, sum(size_bytes)::float8 AS bytes FROM files
         WHERE bucket_id = ANY($1::uuid[]) AND status = 'ready' GROUP BY 1`,
        [bucketIds],
      );
      return new Map(rows.map(({ id, bytes }) => [id, bytes]));
    },
  };
}
