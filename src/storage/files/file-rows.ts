/** The rows of files, ready ones mostly; how they come to be is upload-rows.ts. */
import type { Executor } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';

export const fileStatuses = ['pending', 'ready'] as const;
export type FileStatus = (typeof fileStatuses)[number];

export interface StoredFile {
  readonly id: string;
  readonly bucketId: string;
  readonly path: string;
  readonly status: FileStatus;
  /** Of a pending one what is kept free for it. */
  readonly sizeBytes: number;
  readonly mimeType: string;
  /** Hex; null while it is pending. */
  readonly sha256: string | null;
  /** Its key in the blob store. */
  readonly blob: string;
  readonly ownerId: string | null;
  readonly overwrite: boolean;
  readonly publicKey: string;
  /** Its bytes come by a signed link, in as many pieces as it takes. */
  readonly byLink: boolean;
  /** Null for a ready one. */
  readonly expiresAt: Date | null;
  /** Since when its bytes are not there. */
  readonly missingAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const fileColumns = `id, bucket_id AS "bucketId", path, status, size_bytes::float8 AS "sizeBytes", mime_type AS "mimeType",
  sha256, blob, owner_id AS "ownerId", overwrite, public_key AS "publicKey", by_link AS "byLink",
  expires_at AS "expiresAt", missing_at AS "missingAt", created_at AS "createdAt", updated_at AS "updatedAt"`;

export function createFileRows(db: Executor) {
  return {
    async findFiles(ids: readonly string[]): Promise<StoredFile[]> {
      const { rows } = await db.query<StoredFile>(`SELECT ${fileColumns} FROM files WHERE id = ANY($1::uuid[])`, [ids]);
      return rows;
    },

    /** A ready one. */
    async fileAt(client: Executor | null, bucketId: string, path: string): Promise<StoredFile | null> {
      const { rows } = await (client ?? db).query<StoredFile>(
        `SELECT ${fileColumns} FROM files WHERE bucket_id = $1 AND path = $2 AND status = 'ready'`,
        [bucketId, path],
      );
      return rows[0] ?? null;
    },

    /** A ready one of a public bucket. */
    async publicFile(publicKey: string): Promise<StoredFile | null> {
      const { rows } = await db.query<StoredFile>(
        `SELECT ${fileColumns} FROM files WHERE public_key = $1 AND status = 'ready'
         AND EXISTS (SELECT FROM buckets WHERE buckets.id = bucket_id AND public)`,
        [publicKey],
      );
      return rows[0] ?? null;
    },

    /** Ready ones by path; one more than the page's limit tells of a next page. */
    async listFiles(bucketId: string, prefix: string, { limit, backward, after, before }: Page): Promise<StoredFile[]> {
      const { rows } = await db.query<StoredFile>(
        `SELECT * FROM (
           SELECT ${fileColumns} FROM files
           WHERE bucket_id = $1 AND status = 'ready' AND path >= $2 AND starts_with(path, $2)
             AND ($3::text IS NULL OR path > $3) AND ($4::text IS NULL OR path < $4)
           ORDER BY path ${backward ? 'DESC' : 'ASC'} LIMIT $5) page ORDER BY path`,
        [bucketId, prefix, after, before, limit + 1],
      );
      return rows;
    },

    async countFiles(bucketId: string, prefix: string): Promise<number> {
      const { rows } = await db.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM files
         WHERE bucket_id = $1 AND status = 'ready' AND path >= $2 AND starts_with(path, $2)`,
        [bucketId, prefix],
      );
      return rows[0]!.count;
    },

    /** Holds the row until the transaction ends; null when it is gone. */
    async lockFile(client: Executor, id: string): Promise<StoredFile | null> {
      const { rows } = await client.query<StoredFile>(`SELECT ${fileColumns} FROM files WHERE id = $1 FOR UPDATE`, [
        id,
      ]);
      return rows[0] ?? null;
    },

    async moveFile(
      client: Executor,
      id: string,
      to: Pick<StoredFile, 'bucketId' | 'path' | 'ownerId'>,
    ): Promise<StoredFile> {
      const { rows } = await client.query<StoredFile>(
        `UPDATE files SET bucket_id = $2, path = $3, owner_id = $4, updated_at = now() WHERE id = $1
         RETURNING ${fileColumns}`,
        [id, to.bucketId, to.path, to.ownerId],
      );
      return rows[0]!;
    },

    /** False when it was gone. */
    async deleteFile(client: Executor | null, id: string): Promise<boolean> {
      const { rowCount } = await (client ?? db).query('DELETE FROM files WHERE id = $1', [id]);
      return rowCount === 1;
    },
  };
}
