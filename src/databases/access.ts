/** The one door to databases: whoever asks for one is asked what he may do there, before anything else is read. */
import DataLoader from 'dataloader';
import { type Action, can, requireCan } from '../accounts/policy.ts';
import type { Viewer } from '../accounts/viewer.ts';
import { notFound } from '../lib/errors.ts';
import { isUuid } from '../lib/ids.ts';
import type { DatabaseStore, SeenDatabase, VisibleDatabase } from './store.ts';

export type DatabaseAction = Extract<Action, `database:${string}`>;

export interface DatabaseAccess {
  /** Read anew each time. @throws AppError UNAUTHENTICATED, NOT_FOUND where the viewer does not see it, FORBIDDEN */
  requireDatabase(viewer: Viewer | null, action: DatabaseAction, id: string): Promise<VisibleDatabase>;
  /**
   * Null when it is absent or not the viewer's to see. What one `request` asks for in one tick is read together; nothing
   * is kept, as the next mutation of the same document may change it.
   */
  load(request: object, viewer: Viewer | null, id: string): Promise<VisibleDatabase | null>;
  /** Those that the viewer sees, or of these ids those; at most `limit`, in no order. Read anew each time. */
  seen(viewer: Viewer, options: { ids: readonly string[] | null; limit: number }): Promise<SeenDatabase[]>;
}

const maxBatch = 500;

export const resourceOf = ({ ownerId, role, system }: Pick<VisibleDatabase, 'ownerId' | 'role' | 'system'>) =>
  ({ kind: 'database', ownerId, role, system }) as const;

export function createDatabaseAccess({ store }: { store: Pick<DatabaseStore, 'find' | 'seen'> }): DatabaseAccess {
  const loaders = new WeakMap<object, { userId: string; loader: DataLoader<string, VisibleDatabase | null> }>();

  function loaderOf(request: object, viewer: Viewer): DataLoader<string, VisibleDatabase | null> {
    const known = loaders.get(request);
    if (known?.userId === viewer.userId) return known.loader;
    const loader = new DataLoader<string, VisibleDatabase | null>(
      async (ids) => {
        const found = new Map((await store.find(viewer.userId, ids)).map((database) => [database.id, database]));
        return ids.map((id) => {
          const database = found.get(id);
          return database && can(viewer, 'database:see', resourceOf(database)) ? database : null;
        });
      },
      { maxBatchSize: maxBatch, cache: false },
    );
    loaders.set(request, { userId: viewer.userId, loader });
    return loader;
  }

  return {
    async requireDatabase(viewer, action, id) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const [database] = isUuid(id) ? await store.find(viewer.userId, [id]) : [];
      if (!database) throw notFound('Database');
      requireCan(viewer, action, resourceOf(database));
      return database;
    },

    async load(request, viewer, id) {
      return viewer && isUuid(id) ? await loaderOf(request, viewer).load(id) : null;
    },

    async seen(viewer, options) {
      const found = await store.seen(viewer.userId, options);
      return found.filter((database) => can(viewer, 'database:see', resourceOf(database)));
    },
  };
}
