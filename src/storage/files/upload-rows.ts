/** The rows of files that are on their way: reserved, written by one at a time, kept from others, made visible. */
import type { Executor } from '../../db/metadata.ts';
import { fileColumns, type StoredFile } from './file-rows.ts';

export type NewFile = Pick<
  StoredFile,
  'id' | 'bucketId' | 'path' | 'sizeBytes' | 'mimeType' | 'blob' | 'ownerId' | 'overwrite' | 'publicKey' | 'byLink'
>;

/** A job that runs writes it. */
export const exported = `EXISTS (SELECT FROM jobs WHERE jobs.status = 'running' AND jobs.exported->'files' ? files.id::text)`;

export interface PublishedFile extends Pick<StoredFile, 'id' | 'sizeBytes' | 'mimeType' | 'publicKey'> {
  readonly sha256: string;
  /** Who holds the lease of its upload; null for what has none. */
  readonly writerId: string | null;
}

export function createUploadRows(db: Executor) {
  return {
    /** A pending one, without bytes. */
    async insertFile(client: Executor, file: NewFile, ttlMs: number): Promise<StoredFile> {
      const { rows } = await client.query<StoredFile>(
        `INSERT INTO files (id, bucket_id, path, status, size_bytes, mime_type, blob, owner_id, overwrite, public_key,
           by_link, expires_at, updated_at)
         VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, now() + $11 * interval '1 millisecond', now())
         RETURNING ${fileColumns}`,
        [
          file.id,
          file.bucketId,
          file.path,
          file.sizeBytes,
          file.mimeType,
          file.blob,
          file.ownerId,
          file.overwrite,
          file.publicKey,
          file.byLink,
          ttlMs,
        ],
      );
      return rows[0]!;
    },

    /** Pending ones, the newest first, at most `limit` of each bucket. */
    async listPending(bucketIds: readonly string[], limit: number): Promise<StoredFile[]> {
      const { rows } = await db.query<StoredFile>(
        `SELECT pending.* FROM unnest($1::uuid[]) AS given (id) CROSS JOIN LATERAL (
           SELECT ${fileColumns} FROM files WHERE bucket_id = given.id AND status = 'pending'
           ORDER BY created_at DESC, id DESC LIMIT $2) AS pending`,
        [bucketIds, limit],
      );
      return rows;
    },

    /** A running export writes a file that goes there. */
    async isExportedTo(client: Executor | null, bucketId: string, path: string): Promise<boolean> {
      const { rowCount } = await (client ?? db).query(
        `SELECT FROM files WHERE bucket_id = $1 AND path = $2 AND status = 'pending' AND ${exported} LIMIT 1`,
        [bucketId, path],
      );
      return rowCount === 1;
    },

    /** A running export that overwrites nothing has the path, and this file is not of an export itself. */
    async isKeptByExport(
      client: Executor,
      { id, bucketId, path }: Pick<StoredFile, 'id' | 'bucketId' | 'path'>,
    ): Promise<boolean> {
      const { rowCount } = await client.query(
        `SELECT FROM files WHERE bucket_id = $2 AND path = $3 AND status = 'pending' AND NOT overwrite AND ${exported}
           AND NOT EXISTS (SELECT FROM jobs WHERE jobs.status = 'running' AND jobs.exported->'files' ? $1::text)
         LIMIT 1`,
        [id, bucketId, path],
      );
      return rowCount === 1;
    },

    /** Pending becomes ready; null where another one writes, or this one does no more. */
    async publish(
      client: Executor,
      { id, sizeBytes, sha256, mimeType, publicKey, writerId }: PublishedFile,
    ): Promise<StoredFile | null> {
      const { rows } = await client.query<StoredFile>(
        `UPDATE files SET status = 'ready', size_bytes = $2, sha256 = $3, mime_type = $4, public_key = $5, expires_at = NULL,
           writer_id = NULL, writer_until = NULL, updated_at = now(), checked_at = now()
         WHERE id = $1 AND writer_id IS NOT DISTINCT FROM $6 AND (writer_id IS NULL OR writer_until > now())
         RETURNING ${fileColumns}`,
        [id, sizeBytes, sha256, mimeType, publicKey, writerId],
      );
      return rows[0] ?? null;
    },

    /** Only while no other writer receives its bytes and it is not ready. */
    async deletePending(client: Executor | null, id: string, writerId: string | null): Promise<void> {
      await (client ?? db).query(
        `DELETE FROM files WHERE id = $1 AND status = 'pending'
         AND writer_id IS NOT DISTINCT FROM $2 AND (writer_id IS NULL OR writer_until > now())`,
        [id, writerId],
      );
    },

    /** False while another one writes, and for what is ready, expired or gone. */
    async takeLease(id: string, writerId: string, leaseMs: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `UPDATE files SET writer_id = $2, writer_until = now() + $3 * interval '1 millisecond'
         WHERE id = $1 AND status = 'pending' AND expires_at > now() AND (writer_until IS NULL OR writer_until < now())`,
        [id, writerId, leaseMs],
      );
      return rowCount === 1;
    },

    /** False when it is no longer this writer's. */
    async renewLease(id: string, writerId: string, leaseMs: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `UPDATE files SET writer_until = now() + $3 * interval '1 millisecond'
         WHERE id = $1 AND writer_id = $2 AND status = 'pending'`,
        [id, writerId, leaseMs],
      );
      return rowCount === 1;
    },

    async endLease(id: string, writerId: string): Promise<void> {
      await db.query('UPDATE files SET writer_id = NULL, writer_until = NULL WHERE id = $1 AND writer_id = $2', [
        id,
        writerId,
      ]);
    },
  };
}
