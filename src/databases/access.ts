/** The one door to databases: whoever asks for one is asked what he may do there, before anything else is read. */
import { hash } from 'node:crypto';
import { type Action, can, requireCan } from '../accounts/policy.ts';
import { databasesWithin, type Viewer } from '../accounts/viewer.ts';
import type { Moments } from '../db/moments.ts';
import { createRemembered } from '../db/remembered.ts';
import { notFound } from '../lib/errors.ts';
import { createGathered } from '../lib/gathered.ts';
import { isUuid } from '../lib/ids.ts';
import type { DatabaseStore, SeenDatabase, VisibleDatabase } from './store.ts';

export type DatabaseAction = Extract<Action, `database:${string}`>;

/** One operation: what it loads belongs to its identity. */
export interface LoadingRequest {
  /** It changes nothing. */
  readonly reads?: boolean;
}

export interface DatabaseAccess {
  /** Read anew each time. @throws AppError UNAUTHENTICATED, NOT_FOUND where the viewer does not see it, FORBIDDEN */
  requireDatabase(viewer: Viewer | null, action: DatabaseAction, id: string): Promise<VisibleDatabase>;
  /**
   * Null when it is absent or not the viewer's to see. What is asked for at once is read together; nothing is kept, as
   * the next mutation of the same document may change it, unless the request is a LoadingRequest that only reads.
   */
  load(request: object, viewer: Viewer | null, id: string): Promise<VisibleDatabase | null>;
  /** What `load` gave to this request, by the id: the same text for the same row and the same right to it. Null when one changed meanwhile. */
  loadedBy(request: object): ReadonlyMap<string, string> | null;
  /** Whether `load` would give all of it again, read anew. */
  stillLoads(viewer: Viewer, loaded: ReadonlyMap<string, string>): Promise<boolean>;
  /** Those that the viewer sees, or of these ids those; at most `limit`, in no order. Read anew each time. */
  seen(viewer: Viewer, options: { ids: readonly string[] | null; limit: number }): Promise<SeenDatabase[]>;
}

const nothing = 'null';

/** A digest of each row, sealed secrets and all; made once, as those who ask at once are given the same one. */
const texts = new WeakMap<VisibleDatabase, string>();

function textOf(database: VisibleDatabase | null | undefined): string {
  if (!database) return nothing;
  const text = texts.get(database) ?? hash('sha256', JSON.stringify(database), 'base64url');
  texts.set(database, text);
  return text;
}

export const resourceOf = ({
  id,
  ownerId,
  role,
  system,
}: Pick<VisibleDatabase, 'id' | 'ownerId' | 'role' | 'system'>) =>
  ({ kind: 'database', id, ownerId, role, system }) as const;

export interface DatabaseAccessDeps {
  readonly store: Pick<DatabaseStore, 'find' | 'seen'>;
  /** Absent: each look-up is a read. */
  readonly moments?: Moments | undefined;
}

export function createDatabaseAccess({ store, moments }: DatabaseAccessDeps): DatabaseAccess {
  const read = createGathered<VisibleDatabase>({
    async read(keys) {
      const idsOf = new Map<string, string[]>();
      for (const key of keys) {
        const [userId = '', id = ''] = key.split(' ');
        idsOf.set(userId, [...(idsOf.get(userId) ?? []), id]);
      }
      const found = new Map<string, VisibleDatabase>();
      for (const [userId, ids] of idsOf) {
        for (const database of await store.find(userId, ids)) found.set(`${userId} ${database.id}`, database);
      }
      return found;
    },
  });
  const remembered = moments && createRemembered<VisibleDatabase>({ moments });
  const find = (key: string) => (remembered ? remembered(key, read) : read(key));
  const loaded = new WeakMap<object, Map<string, string> | null>();
  const once = new WeakMap<object, Map<string, Promise<VisibleDatabase | null>>>();

  async function visible(viewer: Viewer, id: string): Promise<VisibleDatabase | null> {
    const database = await find(`${viewer.userId} ${id}`);
    return database && can(viewer, 'database:see', resourceOf(database)) ? database : null;
  }

  async function loadAnew(request: object, viewer: Viewer, id: string): Promise<VisibleDatabase | null> {
    const database = await visible(viewer, id);
    note(request, id, textOf(database));
    return database;
  }

  function note(request: object, id: string, text: string): void {
    const ofRequest = loaded.get(request);
    if (ofRequest === null) return;
    if (ofRequest && (ofRequest.get(id) ?? text) !== text) loaded.set(request, null);
    else loaded.set(request, (ofRequest ?? new Map()).set(id, text));
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
      if (!viewer || !isUuid(id)) return null;
      if (!(request as LoadingRequest).reads) return await loadAnew(request, viewer, id);
      const ofRequest = once.get(request) ?? new Map<string, Promise<VisibleDatabase | null>>();
      once.set(request, ofRequest);
      const database = ofRequest.get(id) ?? loadAnew(request, viewer, id);
      ofRequest.set(id, database);
      return await database;
    },

    loadedBy: (request) => (loaded.has(request) ? (loaded.get(request) ?? null) : new Map()),

    async stillLoads(viewer, known) {
      const texts = await Promise.all([...known].map(async ([id, text]) => textOf(await visible(viewer, id)) === text));
      return texts.every(Boolean);
    },

    async seen(viewer, options) {
      const ids = databasesWithin(viewer, options.ids);
      const found = await store.seen(viewer.userId, { ...options, ids });
      return found.filter((database) => can(viewer, 'database:see', resourceOf(database)));
    },
  };
}
