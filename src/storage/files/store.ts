/** The rows of buckets and files in the metadata. What has to be one transaction takes the transaction's client. */
import type { Executor, Prisma } from '../../db/metadata.ts';
import { createBucketRows } from './bucket-rows.ts';
import { createFileRows } from './file-rows.ts';
import { createSweepRows } from './sweep-rows.ts';
import { createUploadRows } from './upload-rows.ts';
import { createUsageRows } from './usage-rows.ts';

export type { Bucket, BucketContent, VisibleBucket } from './bucket-rows.ts';
export { fileStatuses, type StoredFile } from './file-rows.ts';
export type { Usage } from './usage-rows.ts';

/** What Pothos wants to have with a row. */
export type PrismaQuery = { include?: object; select?: object };
export type ProjectRow = Awaited<ReturnType<Prisma['project']['findFirstOrThrow']>>;

export type FileStore = ReturnType<typeof createFileStore>;

export function createFileStore({ db, prisma }: { db: Executor; prisma: Prisma }) {
  return {
    ...createBucketRows(db),
    ...createFileRows(db),
    ...createUploadRows(db),
    ...createUsageRows(db),
    ...createSweepRows(db),

    /** Prisma's way, for what Pothos asks of these types; null when it is gone. */
    project: (query: PrismaQuery, projectId: string): Promise<ProjectRow | null> =>
      prisma.project.findUnique({ ...query, where: { id: projectId } }),
  };
}
