/** Buckets: made, changed, listed and deleted. What is in them is files.ts. */
import type pg from 'pg';
import { can, type ProjectRole, requireCan } from '../../accounts/policy.ts';
import type { Caller, Viewer } from '../../accounts/viewer.ts';
import { type AuditAction, record } from '../../audit/audit.ts';
import { transaction } from '../../db/metadata.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId, isUuid, uuidv7 } from '../../lib/ids.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import type { Access as ProjectAccess } from '../../projects/access.ts';
import type { BucketAccess } from './access.ts';
import { storageLimits } from './limits.ts';
import { parseAllowedTypes } from './media-types.ts';
import { parseBucketName } from './names.ts';
import type { BucketContent, FileStore, PrismaQuery, ProjectRow, VisibleBucket } from './store.ts';

export type { VisibleBucket };

export interface NewBucket {
  readonly name: string;
  /** A UUID. */
  readonly projectId: string | null;
  readonly public: boolean;
  readonly maxFileSizeBytes?: number | null | undefined;
  readonly allowedMimeTypes?: readonly string[] | null | undefined;
}

export interface BucketChange {
  readonly public?: boolean | null | undefined;
  /** Null clears it. */
  readonly maxFileSizeBytes?: number | null | undefined;
  readonly allowedMimeTypes?: readonly string[] | null | undefined;
}

/** All ids are UUIDs. Who does not see a bucket gets NOT_FOUND for it, whose role is too small FORBIDDEN. */
export interface Buckets extends Pick<BucketAccess, 'loadBucket'> {
  /** The viewer's own and those of his projects, the oldest first; of one project where it is named. */
  list(viewer: Viewer | null, list: PageArguments & { projectId: string | null }): Promise<Connection<VisibleBucket>>;
  /** @throws AppError BAD_USER_INPUT, CONFLICT for a name that is taken, LIMIT_EXCEEDED, NOT_FOUND and FORBIDDEN for the project */
  create(viewer: Viewer | null, bucket: NewBucket, caller: Caller): Promise<VisibleBucket>;
  /** Holds for what comes from now on; files that are there stay. @throws AppError BAD_USER_INPUT */
  update(viewer: Viewer | null, id: string, change: BucketChange, caller: Caller): Promise<VisibleBucket>;
  /** @throws AppError CONFLICT for one that is not empty, without `force` */
  delete(viewer: Viewer | null, id: string, options: { force: boolean }, caller: Caller): Promise<void>;
  /** What the viewer is to a bucket that he sees; an administrator has an owner's rights. */
  roleIn(viewer: Viewer | null, bucket: VisibleBucket): ProjectRole;
  /** Of ready files, in the order of the ids. */
  usedBytes(bucketIds: readonly string[]): Promise<number[]>;
  /** Null where the viewer is nobody in its project. */
  projectOf(bucket: VisibleBucket, query: PrismaQuery): Promise<ProjectRow | null>;
}

export interface BucketsDeps {
  readonly pool: pg.Pool;
  readonly store: FileStore;
  readonly access: BucketAccess;
  readonly projects: Pick<ProjectAccess, 'roleOf'>;
}

/** @throws AppError BAD_USER_INPUT */
function parseSize(size: number | null): number | null {
  if (size !== null && size < 1)
    throw badInput({ path: 'input.maxFileSizeBytes', message: '1 or more; null for none' });
  return size;
}

/** Why it is not deleted just so; null for an empty one. */
function notEmpty({ files, exports, uploads }: BucketContent): string | null {
  if (files) return 'The bucket is not empty: say force: true to delete its files with it';
  if (exports) return 'An export writes into the bucket: cancel it, or say force: true to end it with the bucket';
  return uploads ? 'An upload into the bucket is under way: say force: true to end it with the bucket' : null;
}

export function createBuckets({ pool, store, access, projects }: BucketsDeps): Buckets {
  const note = (
    client: pg.PoolClient,
    viewer: Viewer | null,
    caller: Caller,
    action: Extract<AuditAction, `bucket.${string}`>,
    id: string,
    details: Record<string, unknown>,
  ) =>
    record(client, {
      actorId: viewer?.userId ?? null,
      action,
      subject: encodeId('Bucket', id),
      outcome: 'success',
      caller,
      details,
    });

  /** What the viewer is in the project that a bucket comes into. */
  async function requireProject(viewer: Viewer, projectId: string | null): Promise<ProjectRole | null> {
    if (projectId === null) return null;
    const role = isUuid(projectId) ? await projects.roleOf(viewer.userId, projectId) : null;
    requireCan(viewer, 'project:edit', { kind: 'project', role });
    return role;
  }

  return {
    loadBucket: access.loadBucket,

    async list(viewer, { projectId, ...args }) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const page = pageOf(args, { isKey: isUuid });
      // With a key that sees none.
      if (!can(viewer, 'bucket:see', { kind: 'bucket', ownerId: viewer.userId, shared: false, role: null }))
        return connectionOf<VisibleBucket>(
          page,
          [],
          ({ id }) => id,
          async () => 0,
        );
      const filter = { projectId, everything: viewer.role === 'admin' };
      return connectionOf(
        page,
        await store.listBuckets(viewer.userId, filter, page),
        ({ id }) => id,
        () => store.countBuckets(viewer.userId, filter),
      );
    },

    async create(viewer, { projectId, ...given }, caller) {
      requireCan(viewer, 'bucket:create', { kind: 'server' });
      const bucket = {
        id: uuidv7(),
        name: parseBucketName(given.name),
        ownerId: viewer.userId,
        projectId,
        public: given.public,
        maxFileSizeBytes: parseSize(given.maxFileSizeBytes ?? null),
        allowedMimeTypes: parseAllowedTypes(given.allowedMimeTypes ?? null),
      };
      const role = await requireProject(viewer, projectId);
      await transaction(pool, async (client) => {
        const actual = await store.countMade(client, viewer.userId);
        const limit = storageLimits.bucketsOfUser;
        if (actual >= limit) {
          throw new AppError('LIMIT_EXCEEDED', `At most ${limit} buckets of one user`, { details: { limit, actual } });
        }
        if (!(await store.insertBucket(client, bucket)))
          throw new AppError('CONFLICT', `There is a bucket of this name ${projectId ? 'in the project' : 'already'}`);
        const details = {
          name: bucket.name,
          public: bucket.public,
          projectId: projectId && encodeId('Project', projectId),
        };
        await note(client, viewer, caller, 'bucket.created', bucket.id, details);
      });
      const [made] = await store.findBuckets(viewer.userId, [bucket.id]);
      if (!made) throw notFound('Bucket'); // Somebody was faster to delete it.
      return { ...made, role: made.role ?? role };
    },

    async update(viewer, id, change, caller) {
      const seen = await access.requireBucket(viewer, 'bucket:manage', id);
      if (change.public === null) throw badInput({ path: 'input.public', message: 'cannot be cleared' });
      const size = change.maxFileSizeBytes === undefined ? undefined : parseSize(change.maxFileSizeBytes);
      const types = change.allowedMimeTypes === undefined ? undefined : parseAllowedTypes(change.allowedMimeTypes);
      const changed = await transaction(pool, async (client) => {
        const now = await store.lockBucket(client, id);
        if (!now) throw notFound('Bucket');
        const next = {
          ...now,
          public: change.public ?? now.public,
          maxFileSizeBytes: size === undefined ? now.maxFileSizeBytes : size,
          allowedMimeTypes: types === undefined ? now.allowedMimeTypes : types,
        };
        await store.updateBucket(client, next);
        const { public: isPublic, maxFileSizeBytes, allowedMimeTypes } = next;
        const details = { public: isPublic, maxFileSizeBytes, allowedMimeTypes };
        await note(client, viewer, caller, 'bucket.updated', id, details);
        return next;
      });
      return { ...changed, role: seen.role };
    },

    async delete(viewer, id, { force }, caller) {
      const { name } = await access.requireBucket(viewer, 'bucket:manage', id);
      await transaction(pool, async (client) => {
        const fault = notEmpty(await store.contentOf(client, id));
        if (fault !== null && !force) throw new AppError('CONFLICT', fault);
        await store.deleteBucket(client, id);
        await note(client, viewer, caller, 'bucket.deleted', id, { name, force });
      });
    },

    roleIn: (viewer, { ownerId, projectId, role }) =>
      viewer?.role === 'admin' || (projectId === null && viewer?.userId === ownerId) ? 'owner' : (role ?? 'viewer'),

    async usedBytes(bucketIds) {
      const used = await store.usedBytes(bucketIds);
      return bucketIds.map((id) => used.get(id) ?? 0);
    },

    projectOf: async ({ projectId, role }, query) =>
      projectId === null || role === null ? null : await store.project(query, projectId),
  };
}
