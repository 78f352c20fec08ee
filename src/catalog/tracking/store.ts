/** Which databases are tracked, and which process listens to each: one at a time, for as long as it says so again. */
import type { Executor } from '../../db/metadata.ts';

export interface TrackingStore {
  /** Of these, those whose DDL is told. */
  tracked(databaseIds: readonly string[]): Promise<Set<string>>;
  /** Something may be in the target, whether it is whole or not. */
  has(databaseId: string): Promise<boolean>;
  /** Before anything is put into the target, so that a crash leaves no trace without a row; no-op when it is there. */
  begin(databaseId: string): Promise<void>;
  /** Everything is in the target; false when the database is gone. */
  installed(client: Executor, databaseId: string): Promise<boolean>;
  remove(client: Executor, databaseId: string): Promise<void>;
  /** Takes what nobody listens to, and keeps what this process does; all that it holds then. */
  hold(holderId: string, lease: { leaseMs: number; limit: number }): Promise<string[]>;
  /** Lets all go, for another process to take. */
  release(holderId: string): Promise<void>;
  /** Those that it holds whose catalogue a job may have changed since it was read. */
  changed(holderId: string): Promise<string[]>;
}

export function createTrackingStore({ db }: { db: Executor }): TrackingStore {
  return {
    async tracked(databaseIds) {
      const { rows } = await db.query<{ id: string }>(
        'SELECT database_id AS id FROM catalog_trackings WHERE database_id = ANY($1::uuid[]) AND installed_at IS NOT NULL',
        [databaseIds],
      );
      return new Set(rows.map(({ id }) => id));
    },

    async has(databaseId) {
      return (await db.query('SELECT FROM catalog_trackings WHERE database_id = $1', [databaseId])).rowCount === 1;
    },

    async begin(databaseId) {
      await db.query(
        `INSERT INTO catalog_trackings (database_id) SELECT id FROM databases WHERE id = $1 ON CONFLICT DO NOTHING`,
        [databaseId],
      );
    },

    async installed(client, databaseId) {
      const { rowCount } = await client.query(
        'UPDATE catalog_trackings SET installed_at = coalesce(installed_at, now()) WHERE database_id = $1',
        [databaseId],
      );
      return rowCount === 1;
    },

    async remove(client, databaseId) {
      await client.query('DELETE FROM catalog_trackings WHERE database_id = $1', [databaseId]);
    },

    async hold(holderId, { leaseMs, limit }) {
      const { rows } = await db.query<{ id: string }>(
        `UPDATE catalog_trackings AS t SET holder_id = $1, holder_until = clock_timestamp() + $2 * interval '1 millisecond'
          WHERE t.database_id IN (
            SELECT database_id FROM catalog_trackings
             WHERE installed_at IS NOT NULL
               AND (holder_id = $1 OR holder_until IS NULL OR holder_until <= clock_timestamp())
             ORDER BY holder_id = $1 DESC NULLS LAST, database_id LIMIT $3 FOR UPDATE SKIP LOCKED)
          RETURNING t.database_id AS id`,
        [holderId, leaseMs, limit],
      );
      return rows.map(({ id }) => id);
    },

    async release(holderId) {
      await db.query('UPDATE catalog_trackings SET holder_id = NULL, holder_until = NULL WHERE holder_id = $1', [
        holderId,
      ]);
    },

    async changed(holderId) {
      const { rows } = await db.query<{ id: string }>(
        `SELECT database_id AS id FROM catalog_trackings JOIN catalog_snapshots USING (database_id)
          WHERE holder_id = $1 AND changed_at >= read_at`,
        [holderId],
      );
      return rows.map(({ id }) => id);
    },
  };
}
