/** The file store without its HTTP: a metadata database and a disk of its own, people, and what they may. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProjectRole } from '../../../src/accounts/policy.ts';
import type { UserRole, Viewer } from '../../../src/accounts/viewer.ts';
import { createPrisma } from '../../../src/db/metadata.ts';
import { uuidv7 } from '../../../src/lib/ids.ts';
import type { BlobStore } from '../../../src/storage/blob-store.ts';
import { createDiskStore } from '../../../src/storage/disk.ts';
import { createBucketAccess } from '../../../src/storage/files/access.ts';
import { type StorageLimits, storageLimits } from '../../../src/storage/files/limits.ts';
import { createReservations } from '../../../src/storage/files/reservations.ts';
import { createFileStore } from '../../../src/storage/files/store.ts';
import { createTestMetadata } from '../../support/metadata.ts';

export const signal = new AbortController().signal;

export interface FileWorldOptions {
  limits?: Partial<StorageLimits>;
  /** Absent: on a disk. */
  blobs?: BlobStore;
}

export async function createFileWorld({ limits = {}, blobs: given }: FileWorldOptions = {}) {
  const metadata = await createTestMetadata();
  const directory = await mkdtemp(join(tmpdir(), 'quarry-files-'));
  const { pool } = metadata;
  const prisma = createPrisma(pool);
  const blobs = given ?? createDiskStore({ directory });
  const store = createFileStore({ db: pool, prisma });
  const access = createBucketAccess({ store });
  const reservations = createReservations({ pool, store, access, blobs, limits: { ...storageLimits, ...limits } });

  return {
    ...metadata,
    directory,
    prisma,
    blobs,
    store,
    access,
    reservations,
    async person(role: UserRole = 'member'): Promise<Viewer> {
      const userId = await metadata.addUser();
      await pool.query('UPDATE users SET role = $2 WHERE id = $1', [userId, role]);
      return { userId, role, sessionId: uuidv7(), expiresAt: new Date(Date.now() + 600_000) };
    },
    async project(members: readonly (readonly [Viewer, ProjectRole])[]): Promise<string> {
      const id = uuidv7();
      await pool.query('INSERT INTO projects (id, name, updated_at) VALUES ($1, $2, now())', [id, id]);
      for (const [{ userId }, role] of members) {
        await pool.query('INSERT INTO project_members (id, project_id, user_id, role) VALUES ($1, $2, $3, $4)', [
          uuidv7(),
          id,
          userId,
          role,
        ]);
      }
      return id;
    },
    /** Straight into the database, past every rule. */
    async bucket({
      owner,
      projectId = null,
      maxFileSizeBytes = null,
      allowedMimeTypes = null,
    }: {
      owner: Viewer;
      projectId?: string | null;
      maxFileSizeBytes?: number | null;
      allowedMimeTypes?: string[] | null;
    }): Promise<string> {
      const id = uuidv7();
      const ownerId = owner.userId;
      await store.insertBucket(pool, {
        id,
        name: randomBytes(8).toString('hex'),
        ownerId,
        projectId,
        public: false,
        maxFileSizeBytes,
        allowedMimeTypes,
      });
      return id;
    },
    /** A whole file, its bytes in the blob store. */
    async file(viewer: Viewer, bucketId: string, path: string, { text = path, overwrite = false } = {}) {
      const { fileId, blobKey } = await reservations.reserve(viewer, { bucketId, path, overwrite });
      await using upload = await blobs.upload(blobKey, signal);
      await upload.write(Buffer.from(text));
      return await reservations.commit(fileId, { ...(await upload.finish()), mimeType: 'text/plain' });
    },
    async trash(): Promise<string[]> {
      const { rows } = await pool.query<{ prefix: string }>('SELECT prefix FROM blob_trash ORDER BY prefix');
      return rows.map(({ prefix }) => prefix);
    },
    async [Symbol.asyncDispose]() {
      await prisma.$disconnect();
      await metadata[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export type FileWorld = Awaited<ReturnType<typeof createFileWorld>>;
