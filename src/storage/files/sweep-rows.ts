/** What the sweeper looks for among the rows of files, and what it finds out about them. */
import type { Executor } from '../../db/metadata.ts';
import type { StoredFile } from './file-rows.ts';
import { exported } from './upload-rows.ts';

export function createSweepRows(db: Executor) {
  return {
    /** Uploads that nobody ended and nobody goes on with; what a job still writes is none. @returns how many */
    async deleteExpired(limit: number): Promise<number> {
      const { rowCount } = await db.query(
        `DELETE FROM files WHERE id IN (
           SELECT id FROM files WHERE status = 'pending' AND expires_at <= now() AND (writer_until IS NULL OR writer_until < now())
             AND NOT ${exported}
           ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`,
        [limit],
      );
      return rowCount ?? 0;
    },

    /** To the trash go those that no file has. @returns how many */
    async trashStray(blobs: readonly string[]): Promise<number> {
      const { rowCount } = await db.query(
        `INSERT INTO blob_trash (prefix) SELECT given.blob FROM unnest($1::text[]) AS given (blob)
         WHERE NOT EXISTS (SELECT FROM files WHERE files.blob = given.blob) ON CONFLICT DO NOTHING`,
        [[...new Set(blobs)]],
      );
      return rowCount ?? 0;
    },

    /** Those of them that a ready file has. */
    async readyAmong(blobs: readonly string[]): Promise<string[]> {
      const { rows } = await db.query<{ blob: string }>(
        `SELECT blob FROM files WHERE blob = ANY($1::text[]) AND status = 'ready'`,
        [blobs],
      );
      return rows.map(({ blob }) => blob);
    },

    /** Ready ones that were not looked for within a day, the longest first. */
    async dueForCheck(limit: number): Promise<Pick<StoredFile, 'id' | 'blob' | 'sizeBytes' | 'missingAt'>[]> {
      const { rows } = await db.query<Pick<StoredFile, 'id' | 'blob' | 'sizeBytes' | 'missingAt'>>(
        `SELECT id, blob, size_bytes::float8 AS "sizeBytes", missing_at AS "missingAt" FROM files
         WHERE status = 'ready' AND checked_at < now() - interval '1 day' ORDER BY checked_at LIMIT $1`,
        [limit],
      );
      return rows;
    },

    /** Ready ones whose bytes are where they should be. */
    async markSound(ids: readonly string[]): Promise<void> {
      await db.query('UPDATE files SET missing_at = NULL, checked_at = now() WHERE id = ANY($1::uuid[])', [ids]);
    },

    /** Ready ones whose bytes are not where they were. They are looked for again in an hour. */
    async markMissing(ids: readonly string[]): Promise<void> {
      await db.query(
        `UPDATE files SET missing_at = coalesce(missing_at, now()), checked_at = now() - interval '23 hours'
         WHERE id = ANY($1::uuid[])`,
        [ids],
      );
    },
  };
}
