/** Whether viewers may still read their databases: asked again and again while they do, once for all streams of the same. */
import { can } from '../accounts/policy.ts';
import type { Viewer } from '../accounts/viewer.ts';
import { createPatience } from '../db/patience.ts';
import { notFound } from '../lib/errors.ts';
import { secretOf } from '../lib/keyring.ts';
import { connectionChanged } from './hub.ts';

export interface ReadDatabase {
  readonly id: string;
  readonly ownerId: string | null;
  readonly role: 'owner' | 'editor' | 'viewer' | null;
  readonly system: boolean;
  /** Another text when it leads elsewhere, or with other credentials. */
  readonly sealedPassword: string;
}

export interface ViewerRightsLimits {
  readonly recheckMs: number;
  /** Nothing is told on an answer that is older: then it is waited for the next one. */
  readonly maxAgeMs: number;
}

const viewerRightsLimits: ViewerRightsLimits = { recheckMs: 2_000, maxAgeMs: 3_000 };

export interface ViewerRight<Database> extends Disposable {
  /** The database as it was seen last. */
  readonly database: Database;
  /** Aborts with the reason when the right is gone. */
  readonly lost: AbortSignal;
  /** Aborts with the reason when the connection is another than it was at first. */
  readonly moved: AbortSignal;
  /** Null: the last answer is young enough. Else resolves with the next one. @throws the reason of `lost` */
  fresh(): Promise<void> | null;
}

export interface ViewerRightsDeps<Database extends ReadDatabase> {
  /** Null where the viewer does not see it. What is asked for at once is read together. */
  readonly load: (request: object, viewer: Viewer, databaseId: string) => Promise<Database | null>;
  readonly limits?: Partial<ViewerRightsLimits> | undefined;
}

export interface ViewerRights<Database> {
  /** @throws AppError NOT_FOUND */
  watch(viewer: Viewer, databaseId: string): Promise<ViewerRight<Database>>;
}

export function createViewerRights<Database extends ReadDatabase>({
  load,
  ...deps
}: ViewerRightsDeps<Database>): ViewerRights<Database> {
  const limits = { ...viewerRightsLimits, ...deps.limits };

  interface Shared {
    readonly viewer: Viewer;
    readonly databaseId: string;
    readonly lost: AbortController;
    moved: AbortController;
    readonly over: AbortController;
    readonly timer: NodeJS.Timeout;
    database: Database | null;
    askedAt: number;
    asking: Promise<void> | null;
    holders: number;
  }
  const all = new Map<string, Shared>();

  /** One that fails is asked again until it is answered, or nobody is there any more. */
  function ask(shared: Shared): Promise<void> {
    shared.asking ??= (async () => {
      const since = performance.now();
      const { viewer, databaseId } = shared;
      const database = await createPatience(shared.over.signal)(() => load({}, viewer, databaseId));
      if (!database || !can(viewer, 'database:read', { kind: 'database', ...database })) throw notFound('Database');
      const moved = shared.database && secretOf(shared.database.sealedPassword) !== secretOf(database.sealedPassword);
      shared.database = database;
      shared.askedAt = since;
      if (!moved) return;
      shared.moved.abort(connectionChanged());
      shared.moved = new AbortController();
    })()
      .catch((error: unknown) => {
        shared.lost.abort(error);
        throw error;
      })
      .finally(() => {
        shared.asking = null;
      });
    return shared.asking;
  }

  function begin(key: string, viewer: Viewer, databaseId: string): Shared {
    const timer = setInterval(() => void ask(shared).catch(() => undefined), limits.recheckMs).unref();
    const shared: Shared = {
      viewer,
      databaseId,
      lost: new AbortController(),
      moved: new AbortController(),
      over: new AbortController(),
      timer,
      database: null,
      askedAt: Number.NEGATIVE_INFINITY,
      asking: null,
      holders: 0,
    };
    all.set(key, shared);
    return shared;
  }

  function leave(key: string, shared: Shared): void {
    shared.holders -= 1;
    if (shared.holders > 0) return;
    clearInterval(shared.timer);
    shared.over.abort();
    if (all.get(key) === shared) all.delete(key);
  }

  return {
    async watch(viewer, databaseId) {
      // The rights of a key are its own.
      const key = `${viewer.key?.id ?? viewer.userId} ${databaseId}`;
      const known = all.get(key);
      const shared = known && !known.lost.signal.aborted ? known : begin(key, viewer, databaseId);
      shared.holders += 1;
      const fresh = () => {
        if (shared.lost.signal.aborted) return Promise.reject(shared.lost.signal.reason);
        return performance.now() - shared.askedAt <= limits.maxAgeMs ? null : ask(shared);
      };
      try {
        await fresh();
      } catch (error) {
        leave(key, shared);
        throw error;
      }
      const moved = shared.moved.signal;
      let left = false;
      return {
        get database() {
          return shared.database!;
        },
        lost: shared.lost.signal,
        moved,
        fresh,
        [Symbol.dispose]() {
          if (left) return;
          left = true;
          leave(key, shared);
        },
      };
    },
  };
}
