/** The rows of buckets and files in the metadata. What has to be one transaction takes the transaction's client. */
import { type ProjectRole, projectRoles } from '../../accounts/policy.ts';
import type { Executor, Prisma } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';

export interface Bucket {
  readonly id: string;
  readonly name: string;
  /** Who made it; null when the account is gone. */
  readonly ownerId: string | null;
  readonly projectId: string | null;
  readonly public: boolean;
  readonly maxFileSizeBytes: number | null;
  /** Null: any. */
  readonly allowedMimeTypes: readonly string[] | null;
  readonly createdAt: Date;
}

/** A bucket, and what the user who asked for it is in its project. */
export interface VisibleBucket extends Bucket {
  readonly role: ProjectRole | null;
}

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

export type NewFile = Pick<
  StoredFile,
  'id' | 'bucketId' | 'path' | 'sizeBytes' | 'mimeType' | 'blob' | 'ownerId' | 'overwrite' | 'publicKey' | 'byLink'
>;

export interface Usage {
  /** Of ready files. */
  readonly usedBytes: number;
  /** Kept free for those that are pending. */
  readonly reservedBytes: number;
  /** Both kinds. */
  readonly files: number;
}

/** What Pothos wants to have with a row. */
export type PrismaQuery = { include?: object; select?: object };
export type ProjectRow = Awaited<ReturnType<Prisma['project']['findFirstOrThrow']>>;

const bucketColumns = `b.id, b.name, b.owner_id AS "ownerId", b.project_id AS "projectId", b.public,
  b.max_file_size_bytes::float8 AS "maxFileSizeBytes", b.allowed_mime_types AS "allowedMimeTypes", b.created_at AS "createdAt"`;

const withRole = `SELECT ${bucketColumns}, m.role FROM buckets b
  LEFT JOIN project_members m ON m.project_id = b.project_id AND m.user_id = $1`;

/** bucket:see of policy.ts, for many rows at once; $2 is a project, where an administrator sees all. */
const listed = `CASE WHEN $2::uuid IS NULL THEN m.role IS NOT NULL OR b.project_id IS NULL AND b.owner_id = $1
  ELSE b.project_id = $2 AND (m.role IS NOT NULL OR $3) END`;

const fileColumns = `id, bucket_id AS "bucketId", path, status, size_bytes::float8 AS "sizeBytes", mime_type AS "mimeType",
  sha256, blob, owner_id AS "ownerId", overwrite, public_key AS "publicKey", by_link AS "byLink",
  expires_at AS "expiresAt", missing_at AS "missingAt", created_at AS "createdAt", updated_at AS "updatedAt"`;

/** A job that runs writes it. */
const exported = `EXISTS (SELECT FROM jobs WHERE jobs.status = 'running' AND jobs.exported->'files' ? files.id::text)`;

type BucketRow = Omit<VisibleBucket, 'role'> & { role: string | null };

const bucketOf = (row: BucketRow): VisibleBucket => ({
  ...row,
  role: projectRoles.find((role) => role === row.role) ?? null,
});

export interface BucketFilter {
  readonly projectId: string | null;
  /** Administrators see the buckets of any project that they name. */
  readonly everything: boolean;
}

/** Which kinds of things are there. */
export interface BucketContent {
  readonly files: boolean;
  /** Of running jobs. */
  readonly exports: boolean;
  readonly uploads: boolean;
}

export type FileStore = ReturnType<typeof createFileStore>;

export function createFileStore({ db, prisma }: { db: Executor; prisma: Prisma }) {
  return {
    /** Those that are there, in no order. */
    async findBuckets(userId: string, ids: readonly string[]): Promise<VisibleBucket[]> {
      const { rows } = await db.query<BucketRow>(`${withRole} WHERE b.id = ANY($2::uuid[])`, [userId, ids]);
      return rows.map(bucketOf);
    },

    /** By age; one more than the page's limit tells of a next page. */
    async listBuckets(
      userId: string,
      { projectId, everything }: BucketFilter,
      { limit, backward, after, before }: Page,
    ): Promise<VisibleBucket[]> {
      const { rows } = await db.query<BucketRow>(
        `SELECT * FROM (
           ${withRole} WHERE ${listed} AND ($4::uuid IS NULL OR b.id > $4) AND ($5::uuid IS NULL OR b.id < $5)
           ORDER BY b.id ${backward ? 'DESC' : 'ASC'} LIMIT $6) page ORDER BY id`,
        [userId, projectId, everything, after, before, limit + 1],
      );
      return rows.map(bucketOf);
    },

    async countBuckets(userId: string, { projectId, everything }: BucketFilter): Promise<number> {
      const { rows } = await db.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM (${withRole} WHERE ${listed}) every`,
        [userId, projectId, everything],
      );
      return rows[0]!.count;
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

    /** Of one user. Holds his row, so that two transactions do not count past each other; before any bucket's row. */
    async countMade(client: Executor, ownerId: string): Promise<number> {
      await lockUser(client, ownerId);
      const { rows } = await client.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM buckets WHERE owner_id = $1',
        [ownerId],
      );
      return rows[0]!.count;
    },

    /** False when the name is taken. */
    async insertBucket(client: Executor, bucket: Omit<Bucket, 'createdAt'>): Promise<boolean> {
      const { rowCount } = await client.query(
        `INSERT INTO buckets (id, name, owner_id, project_id, public, max_file_size_bytes, allowed_mime_types, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, now()) ON CONFLICT DO NOTHING`,
        [
          bucket.id,
          bucket.name,
          bucket.ownerId,
          bucket.projectId,
          bucket.public,
          bucket.maxFileSizeBytes,
          bucket.allowedMimeTypes,
        ],
      );
      return rowCount === 1;
    },

    async updateBucket(
      client: Executor,
      { id, public: isPublic, maxFileSizeBytes, allowedMimeTypes }: Omit<Bucket, 'createdAt'>,
    ): Promise<void> {
      await client.query(
        `UPDATE buckets SET public = $2, max_file_size_bytes = $3, allowed_mime_types = $4, updated_at = now() WHERE id = $1`,
        [id, isPublic, maxFileSizeBytes, allowedMimeTypes],
      );
    },

    /** Until the transaction ends no other changes it or what is visible in it. Null when it is gone. */
    async lockBucket(client: Executor, id: string): Promise<Bucket | null> {
      const { rows } = await client.query<Bucket>(
        `SELECT ${bucketColumns} FROM buckets b WHERE id = $1 FOR NO KEY UPDATE`,
        [id],
      );
      return rows[0] ?? null;
    },

    /** With all its files. */
    async deleteBucket(client: Executor, id: string): Promise<void> {
      await client.query('DELETE FROM buckets WHERE id = $1', [id]);
    },

    /** What is in it, or on its way there. Holds it against new ones. */
    async contentOf(client: Executor, bucketId: string): Promise<BucketContent> {
      await client.query('SELECT FROM buckets WHERE id = $1 FOR UPDATE', [bucketId]);
      const { rows } = await client.query<BucketContent>(
        `SELECT EXISTS (SELECT FROM files WHERE bucket_id = $1 AND status = 'ready') AS files,
           EXISTS (SELECT FROM files WHERE bucket_id = $1 AND status = 'pending' AND ${exported}) AS exports,
           EXISTS (SELECT FROM files WHERE bucket_id = $1 AND status = 'pending' AND NOT ${exported}) AS uploads`,
        [bucketId],
      );
      return rows[0]!;
    },

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

    /** Holds the row until the transaction ends; null when it is gone. */
    async lockFile(client: Executor, id: string): Promise<StoredFile | null> {
      const { rows } = await client.query<StoredFile>(`SELECT ${fileColumns} FROM files WHERE id = $1 FOR UPDATE`, [
        id,
      ]);
      return rows[0] ?? null;
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

    /** Prisma's way, for what Pothos asks of these types; null when it is gone. */
    project: (query: PrismaQuery, projectId: string): Promise<ProjectRow | null> =>
      prisma.project.findUnique({ ...query, where: { id: projectId } }),
  };
}

export interface PublishedFile extends Pick<StoredFile, 'id' | 'sizeBytes' | 'mimeType' | 'publicKey'> {
  readonly sha256: string;
  /** Who holds the lease of its upload; null for what has none. */
  readonly writerId: string | null;
}

const lockUser = (client: Executor, id: string) =>
  client.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);
