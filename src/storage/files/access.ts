/** The one door to buckets and what is in them: whoever asks is asked what he may do there, before anything else is read. */
import DataLoader from 'dataloader';
import { type Action, can, type Resource, requireCan } from '../../accounts/policy.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import { notFound } from '../../lib/errors.ts';
import { isUuid } from '../../lib/ids.ts';
import type { FileStore, StoredFile, VisibleBucket } from './store.ts';

export type BucketAction = Extract<Action, `bucket:${string}`>;

export interface BucketAccess {
  /** Read anew each time. @throws AppError UNAUTHENTICATED, NOT_FOUND where the viewer does not see it, FORBIDDEN */
  requireBucket(viewer: Viewer | null, action: BucketAction, id: string): Promise<VisibleBucket>;
  /** What the viewer sees as absent is. @throws AppError UNAUTHENTICATED, NOT_FOUND, FORBIDDEN */
  requireFile(
    viewer: Viewer | null,
    action: BucketAction,
    id: string,
  ): Promise<{ file: StoredFile; bucket: VisibleBucket }>;
  /**
   * Null when it is absent or not the viewer's to see. What one `request` asks for in one tick is read together; nothing
   * is kept, as the next mutation of the same document may change it.
   */
  loadBucket(request: object, viewer: Viewer | null, id: string): Promise<VisibleBucket | null>;
  loadFile(request: object, viewer: Viewer | null, id: string): Promise<StoredFile | null>;
}

const maxBatch = 500;

export const resourceOf = ({
  ownerId,
  projectId,
  role,
}: Pick<VisibleBucket, 'ownerId' | 'projectId' | 'role'>): Resource => ({
  kind: 'bucket',
  ownerId,
  shared: projectId !== null,
  role,
});

export function createBucketAccess({ store }: { store: Pick<FileStore, 'findBuckets' | 'findFiles'> }): BucketAccess {
  interface Loaders {
    readonly userId: string;
    readonly buckets: DataLoader<string, VisibleBucket | null>;
    readonly files: DataLoader<string, StoredFile | null>;
  }
  const known = new WeakMap<object, Loaders>();

  function loadersOf(request: object, viewer: Viewer): Loaders {
    const existing = known.get(request);
    if (existing?.userId === viewer.userId) return existing;
    const options = { maxBatchSize: maxBatch, cache: false };
    const loaders: Loaders = {
      userId: viewer.userId,
      buckets: new DataLoader(async (ids) => {
        const found = new Map((await store.findBuckets(viewer.userId, ids)).map((bucket) => [bucket.id, bucket]));
        return ids.map((id) => {
          const bucket = found.get(id);
          return bucket && can(viewer, 'bucket:see', resourceOf(bucket)) ? bucket : null;
        });
      }, options),
      files: new DataLoader(async (ids) => {
        const found = new Map((await store.findFiles(ids)).map((file) => [file.id, file]));
        return await Promise.all(
          ids.map(async (id) => {
            const file = found.get(id);
            return file && (await loaders.buckets.load(file.bucketId)) ? file : null;
          }),
        );
      }, options),
    };
    known.set(request, loaders);
    return loaders;
  }

  async function requireBucket(viewer: Viewer | null, action: BucketAction, id: string): Promise<VisibleBucket> {
    requireCan(viewer, 'server:use', { kind: 'server' });
    const [bucket] = isUuid(id) ? await store.findBuckets(viewer.userId, [id]) : [];
    if (!bucket) throw notFound('Bucket');
    requireCan(viewer, action, resourceOf(bucket));
    return bucket;
  }

  return {
    requireBucket,

    async requireFile(viewer, action, id) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const [file] = isUuid(id) ? await store.findFiles([id]) : [];
      const [bucket] = file ? await store.findBuckets(viewer.userId, [file.bucketId]) : [];
      if (!file || !bucket || !can(viewer, 'bucket:see', resourceOf(bucket))) throw notFound('File');
      requireCan(viewer, action, resourceOf(bucket));
      return { file, bucket };
    },

    loadBucket: async (request, viewer, id) =>
      viewer && isUuid(id) ? await loadersOf(request, viewer).buckets.load(id) : null,

    loadFile: async (request, viewer, id) =>
      viewer && isUuid(id) ? await loadersOf(request, viewer).files.load(id) : null,
  };
}
