/** The rows of buckets, and who sees them. */
import { type ProjectRole, projectRoles } from '../../accounts/policy.ts';
import type { Executor } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';
import { exported } from './upload-rows.ts';
import { lockUser } from './usage-rows.ts';

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

const bucketColumns = `b.id, b.name, b.owner_id AS "ownerId", b.project_id AS "projectId", b.public,
  b.max_file_size_bytes::float8 AS "maxFileSizeBytes", b.allowed_mime_types AS "allowedMimeTypes", b.created_at AS "createdAt"`;

const withRole = `SELECT ${bucketColumns}, m.role FROM buckets b
  LEFT JOIN project_members m ON m.project_id = b.project_id AND m.user_id = $1`;

/** bucket:see of policy.ts, for many rows at once; $2 is a project, where an administrator sees all. */
const listed = `CASE WHEN $2::uuid IS NULL THEN m.role IS NOT NULL OR b.project_id IS NULL AND b.owner_id = $1
  ELSE b.project_id = $2 AND (m.role IS NOT NULL OR $3) END`;

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

export function createBucketRows(db: Executor) {
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
  };
}
