/** Files that are there: found, listed, moved, deleted, and where they are fetched. How they come is uploads.ts. */
import type pg from 'pg';
import { can } from '../../accounts/policy.ts';
import type { Caller, Viewer } from '../../accounts/viewer.ts';
import { type AuditAction, record } from '../../audit/audit.ts';
import { transaction } from '../../db/metadata.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId } from '../../lib/ids.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import { type BucketAccess, resourceOf } from './access.ts';
import type { Addresses } from './addresses.ts';
import { keyLinkTtlMs, linkTtlMs, type StorageLimits, storageLimits } from './limits.ts';
import { linkEnd } from './links.ts';
import { parsePath, parsePrefix } from './names.ts';
import { requireFit, requireFree } from './reservations.ts';
import { requireRoom } from './room.ts';
import type { Bucket, FileStore, StoredFile, Usage, VisibleBucket } from './store.ts';

export type { StoredFile };

export interface StorageUsage extends Usage {
  readonly limitBytes: number;
  readonly filesLimit: number;
}

export interface MoveFile {
  /** A UUID. */
  readonly id: string;
  readonly path: string;
  /** A UUID; null: where it is. */
  readonly bucketId: string | null;
}

/** All ids are UUIDs. Who does not see a file gets NOT_FOUND for it, whose role is too small FORBIDDEN. */
export interface Files extends Pick<BucketAccess, 'loadFile'> {
  /** Ready ones of a bucket that the viewer sees, by the bytes of their paths. @throws AppError BAD_USER_INPUT */
  list(
    bucket: Pick<Bucket, 'id'>,
    list: PageArguments & { prefix?: string | null | undefined },
  ): Promise<Connection<StoredFile>>;
  /**
   * What is not ready yet, the newest first, at most 100 of each bucket, in the order of the ids. Of one where the viewer
   * may not write: none.
   */
  pending(viewer: Viewer | null, buckets: readonly VisibleBucket[]): Promise<StoredFile[][]>;
  /** In the order of the ids. */
  usage(userIds: readonly string[]): Promise<StorageUsage[]>;
  /** The ready one at exactly this path of a bucket that the viewer sees; null for none. */
  at(bucket: Pick<Bucket, 'id'>, path: string): Promise<StoredFile | null>;
  /**
   * Its addresses stay. In another bucket it takes the room of that bucket's owner, in one of a project the mover's.
   * @throws AppError BAD_USER_INPUT, CONFLICT where one is already, LIMIT_EXCEEDED for the other bucket or its owner
   */
  move(viewer: Viewer | null, input: MoveFile, caller: Caller): Promise<StoredFile>;
  /** Of a pending one, ends the upload. @returns the bucket that it was in */
  delete(viewer: Viewer | null, id: string, caller: Caller): Promise<VisibleBucket>;
  /** Null for one that is not ready, or whose bytes are lost. @throws AppError BAD_USER_INPUT for its time */
  urlOf(viewer: Viewer | null, file: StoredFile, options: { expiresInMs: number; download: boolean }): string | null;
  /** Null unless the bucket is public. */
  publicUrlOf(bucket: Pick<Bucket, 'public'>, file: StoredFile): string | null;
}

export interface FilesDeps {
  readonly pool: pg.Pool;
  readonly store: FileStore;
  readonly access: BucketAccess;
  readonly addresses: Addresses;
  readonly limits?: StorageLimits;
}

const nothing: Usage = { usedBytes: 0, reservedBytes: 0, files: 0 };

export function createFiles({ pool, store, access, addresses, limits = storageLimits }: FilesDeps): Files {
  const note = (
    client: pg.PoolClient,
    viewer: Viewer | null,
    caller: Caller,
    action: Extract<AuditAction, `file.${string}`>,
    { id }: StoredFile,
    details: Record<string, unknown>,
  ) =>
    record(client, {
      actorId: viewer?.userId ?? null,
      action,
      subject: encodeId('StoredFile', id),
      outcome: 'success',
      caller,
      details,
    });

  /**
   * Whose room a file takes in another bucket: he who gave it away can neither see nor delete it there. In somebody's own
   * bucket it is his, in a project's the mover's.
   */
  const ownerIn = (viewer: Viewer | null, { projectId, ownerId }: Pick<Bucket, 'projectId' | 'ownerId'>) =>
    projectId === null ? ownerId : viewer!.userId;

  const isReady = ({ status, missingAt }: StoredFile) => status === 'ready' && missingAt === null;

  return {
    loadFile: access.loadFile,

    async list({ id }, { prefix: given, ...args }) {
      const prefix = parsePrefix(given);
      const page = pageOf(args, { isKey: (key) => !key.includes('\0') });
      return connectionOf(
        page,
        await store.listFiles(id, prefix, page),
        ({ path }) => path,
        () => store.countFiles(id, prefix),
      );
    },

    async pending(viewer, buckets) {
      const writable = buckets.filter((bucket) => can(viewer, 'bucket:write', resourceOf(bucket)));
      const found = await store.listPending([...new Set(writable.map(({ id }) => id))], storageLimits.pendingListed);
      return buckets.map(({ id }) => found.filter(({ bucketId }) => bucketId === id));
    },

    async usage(userIds) {
      const found = await store.usageOfUsers(userIds);
      const most = { limitBytes: limits.bytesOfUser, filesLimit: limits.filesOfUser };
      return userIds.map((id) => ({ ...(found.get(id) ?? nothing), ...most }));
    },

    at: (bucket, path) => store.fileAt(null, bucket.id, parsePath(path, 'path')),

    async move(viewer, { id, path: given, bucketId }, caller) {
      const path = parsePath(given);
      const { file: seen, bucket } = await access.requireFile(viewer, 'bucket:write', id);
      const into = bucketId ?? bucket.id;
      const seenTarget = into === bucket.id ? null : await access.requireBucket(viewer, 'bucket:write', into);
      const ownerId = seenTarget ? ownerIn(viewer, seenTarget) : seen.ownerId;
      return await transaction(pool, async (client) => {
        // Always in this order: the user, the buckets, the file.
        const takesRoom = ownerId !== null && ownerId !== seen.ownerId;
        if (takesRoom) await store.holdUser(client, ownerId);
        // Always in the order of their ids, so that two moves across do not wait for each other.
        const locked = new Map<string, Bucket | null>();
        for (const each of [...new Set([bucket.id, into])].sort())
          locked.set(each, await store.lockBucket(client, each));
        const target = locked.get(into);
        if (!target || (seenTarget && ownerIn(viewer, target) !== ownerId)) throw notFound('Bucket');
        const file = await store.lockFile(client, id);
        if (!file || file.bucketId !== seen.bucketId || file.ownerId !== seen.ownerId) throw notFound('File'); // Moved or deleted by somebody faster.
        if (file.status !== 'ready') throw new AppError('CONFLICT', 'The file is not uploaded yet');
        if (into !== bucket.id) requireFit(target, file, 'input.bucketId');
        if (into !== file.bucketId || path !== file.path) await requireFree(store, client, { bucketId: into, path });
        const moved = await store.moveFile(client, id, { bucketId: into, path, ownerId });
        if (takesRoom) requireRoom(limits, (await store.usageOf(client, ownerId)).bytes, file.sizeBytes);
        const details = { from: [encodeId('Bucket', bucket.id), file.path], to: [encodeId('Bucket', into), path] };
        await note(client, viewer, caller, 'file.moved', file, details);
        return moved;
      });
    },

    async delete(viewer, id, caller) {
      const { file, bucket } = await access.requireFile(viewer, 'bucket:write', id);
      await transaction(pool, async (client) => {
        if (!(await store.deleteFile(client, id))) throw notFound('File');
        await note(client, viewer, caller, 'file.deleted', file, {
          path: file.path,
          bucket: encodeId('Bucket', bucket.id),
        });
      });
      return bucket;
    },

    urlOf(viewer, file, { expiresInMs, download }) {
      const { min } = linkTtlMs;
      const max = viewer?.key ? keyLinkTtlMs : linkTtlMs.max;
      if (expiresInMs < min || expiresInMs > max)
        throw badInput({ path: 'expiresInMs', message: `from ${min} to ${max}` });
      if (!viewer || !isReady(file)) return null;
      const expiresAt = linkEnd(viewer, new Date(Date.now() + expiresInMs));
      return addresses.signed(viewer, file, download ? 'download' : 'show', expiresAt);
    },

    publicUrlOf: ({ public: isPublic }, file) => (isPublic && isReady(file) ? addresses.public(file) : null),
  };
}
