/** What changed in the catalogues that a viewer sees: as pages, and as a stream from the place where he left off. */
import type { Viewer } from '../../accounts/viewer.ts';
import { createPatience } from '../../db/patience.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import { formatPosition, isPosition, parsePosition } from '../../lib/positions.ts';
import type { Topic } from '../../lib/topics.ts';
import type { CatalogDatabase, CatalogRequest } from '../reads/opening.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { CatalogChange, ChangeStore } from './store.ts';

export interface CatalogChangesDeps<Database extends CatalogDatabase> {
  readonly store: ChangeStore;
  readonly databases: {
    /** Null where the viewer does not see it; read anew each time. */
    load(request: object, viewer: Viewer | null, databaseId: string): Promise<Database | null>;
  };
  readonly catalog: {
    /** @throws AppError NOT_FOUND, and whatever the target says */
    refresh(request: CatalogRequest, databaseId: string): Promise<unknown>;
  };
  readonly snapshots: Pick<Snapshots<Database>, 'states' | 'open'>;
  readonly bus: Bus<Topic>;
  readonly limits?: Partial<ChangeLimits>;
}

export interface ChangeLimits {
  /** Between two looks whether the viewer may go on, and for changes whose ring was lost. */
  readonly pollMs: number;
  /** Who takes longer for one event is slow: he is let go when there are more changes behind it than are read at once. */
  readonly slowMs: number;
  /** Read at once. */
  readonly batch: number;
}

const defaultLimits: ChangeLimits = { pollMs: 3_000, slowMs: 10_000, batch: 500 };

/** That a refresh names; all of them are in the list. */
export const maxChangesOfRefresh = 1_000;

export type CatalogChanges = ReturnType<typeof createCatalogChanges>;

/** Every function throws AppError NOT_FOUND for a database that the viewer does not see. */
export function createCatalogChanges<Database extends CatalogDatabase>({
  store,
  databases,
  catalog,
  snapshots,
  bus,
  ...deps
}: CatalogChangesDeps<Database>) {
  const limits = { ...defaultLimits, ...deps.limits };

  async function visible(request: object, viewer: Viewer | null, databaseId: string): Promise<Database> {
    const database = await databases.load(request, viewer, databaseId);
    if (!database) throw notFound('Database');
    return database;
  }

  /** Nobody else may ask for this catalogue: then its followers are the ones for whom it is read. */
  async function keepFresh(database: Database): Promise<void> {
    const [state = null] = await snapshots.states([database.id]);
    if (!state?.fresh) await snapshots.open(database, state);
  }

  async function requireKept(databaseId: string, position: bigint): Promise<void> {
    if (position < (await store.horizon(databaseId)))
      throw new AppError(
        'POSITION_LOST',
        'Changes behind this position are kept no longer: begin anew, without `after`',
      );
  }

  return {
    /**
     * Oldest first, so that a cursor leads to what came later.
     * @throws AppError BAD_USER_INPUT; POSITION_LOST where something behind `after` is kept no longer
     */
    async list(request: CatalogRequest, databaseId: string, args: PageArguments): Promise<Connection<CatalogChange>> {
      await visible(request, request.viewer, databaseId);
      const page = pageOf(args, { isKey: isPosition });
      if (page.after !== null) await requireKept(databaseId, BigInt(page.after));
      return connectionOf(
        page,
        await store.page(databaseId, page),
        ({ position }) => String(position),
        () => store.count(databaseId),
      );
    },

    /** Reads the target, and tells what has changed since it was asked to. @throws AppError of the engine; TIMEOUT */
    async refresh(
      request: CatalogRequest,
      databaseId: string,
    ): Promise<{ databaseId: string; changes: CatalogChange[] }> {
      await visible(request, request.viewer, databaseId);
      const before = await store.last(databaseId);
      await catalog.refresh(request, databaseId);
      return { databaseId, changes: await store.after(databaseId, before, maxChangesOfRefresh) };
    },

    /**
     * Changes from now on, or behind `after`, while the viewer sees the database. While somebody follows it, a catalogue
     * that is no longer fresh is read anew.
     * @throws AppError UNAUTHENTICATED, NOT_FOUND also when the right or the database goes; BAD_USER_INPUT; POSITION_LOST;
     * SLOW_CONSUMER with the position behind which the reader goes on
     */
    async *follow(
      viewer: Viewer | null,
      databaseId: string,
      after: string | null,
      signal: AbortSignal,
    ): AsyncGenerator<CatalogChange, void> {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const patience = createPatience(signal);
      const request = {};
      const mayGoOn = () => patience(() => visible(request, viewer, databaseId));
      await mayGoOn();
      let position = after === null ? null : parsePosition(after);
      using bell = createDoorbell(bus, 'catalog.changed', databaseId);
      position ??= await patience(() => store.last(databaseId));
      while (!signal.aborted) {
        const from: bigint = position;
        await patience(() => requireKept(databaseId, from));
        const changes = await patience(() => store.after(databaseId, from, limits.batch));
        for (const [place, change] of changes.entries()) {
          await mayGoOn();
          if (signal.aborted) return;
          const since = performance.now();
          yield change;
          position = change.position;
          const full = changes.length === limits.batch && place < changes.length - 1;
          if (full && performance.now() - since >= limits.slowMs) throw tooSlow(position);
        }
        if (changes.length === limits.batch) continue;
        await patience(async () => keepFresh(await visible(request, viewer, databaseId)));
        await bell.wait(limits.pollMs, signal);
      }
    },
  };
}

const tooSlow = (position: bigint): AppError =>
  new AppError('SLOW_CONSUMER', 'More changes wait than are kept for a reader: subscribe again behind this position', {
    details: { position: formatPosition(position) },
  });
