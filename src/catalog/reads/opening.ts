/** Opens the catalogue of a database for one operation: its snapshot where that is fresh, its target otherwise. */

import type { Viewer } from '../../accounts/viewer.ts';
import type { Moments } from '../../db/moments.ts';
import { createRemembered } from '../../db/remembered.ts';
import type { Catalog, Reach, ReadOptions } from '../../engines/catalog.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { createGathered } from '../../lib/gathered.ts';
import { secretOf } from '../../lib/keyring.ts';
import { createJoinedReads, joinedCatalog } from '../joined-reads.ts';
import { type CatalogLoaders, createLoaders, type Reading } from '../loaders.ts';
import { createSnapshotCatalog, knownListsOf } from '../snapshots/snapshot-catalog.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { SnapshotSource, SnapshotState } from '../snapshots/store.ts';

/** One operation of one viewer: what it read is kept by its identity, and for it alone. */
export interface CatalogRequest {
  readonly viewer: Viewer | null;
  readonly signal: AbortSignal;
}

export interface CatalogDatabase extends SnapshotSource {
  /** On a server that it shares with databases of others. */
  readonly hosted: boolean;
}

export interface CatalogDeps<Database extends CatalogDatabase> {
  readonly databases: {
    /** Null where the viewer does not see it; asked once for each request and database. */
    load(request: object, viewer: Viewer | null, databaseId: string): Promise<Database | null>;
    /** @throws AppError CONNECTION_FAILED, TIMEOUT */
    readCatalog<Value>(
      database: Database,
      work: (catalog: Catalog) => Promise<Value>,
      options: ReadOptions,
    ): Promise<Value>;
  };
  /** Null: the target is asked for everything. */
  readonly snapshots: Pick<Snapshots<Database>, 'states' | 'open' | 'refresh'> | null;
  /** Of the metadata; absent: each look-up is a read. */
  readonly moments?: Moments | undefined;
  /** How long one read may take, with its wait for a connection and for locks that others hold in the target. */
  readonly readTimeoutMs?: number;
}

const defaultReadTimeoutMs = 15_000;

export interface Opened {
  readonly loaders: CatalogLoaders;
  readonly reach: Reach;
  readonly read: Reading;
}

export interface Opening {
  /** @throws AppError NOT_FOUND for a database that the viewer does not see */
  open(request: CatalogRequest, databaseId: string): Promise<Opened>;
  loadersOf(request: CatalogRequest, databaseId: string): Promise<CatalogLoaders>;
  /** What is found by its loaders: at once where the catalogue is open and it is known. @throws as open */
  find<Found>(
    request: CatalogRequest,
    databaseId: string,
    work: (loaders: CatalogLoaders) => Found | Promise<Found>,
  ): Found | Promise<Found>;
}

/** Of one request. */
interface Opens {
  readonly opened: Promise<Opened>;
  /** Null until it is. */
  now: Opened | null;
}

export function createOpening<Database extends CatalogDatabase>({
  databases,
  snapshots,
  moments,
  readTimeoutMs = defaultReadTimeoutMs,
}: CatalogDeps<Database>) {
  const opened = new WeakMap<CatalogRequest, Map<string, Opens>>();
  const states = new WeakMap<CatalogRequest, Map<string, Promise<SnapshotState | null>>>();
  const versions = new WeakMap<CatalogRequest, Map<string, string>>();
  const joined = createJoinedReads();
  /** Requests with an answer that is not of a snapshot alone. */
  const lively = new WeakSet<CatalogRequest>();
  const readState = createGathered<SnapshotState>({
    async read(ids) {
      const found = snapshots ? await snapshots.states(ids) : [];
      return new Map(found.flatMap((state) => (state ? [[state.databaseId, state] as const] : [])));
    },
  });
  const remembered = moments && createRemembered<SnapshotState>({ moments });
  const findState = (id: string) => (remembered ? remembered(id, readState) : readState(id));

  function open(request: CatalogRequest, databaseId: string): Promise<Opened> {
    const ofRequest = opened.get(request) ?? new Map<string, Opens>();
    opened.set(request, ofRequest);
    const known = ofRequest.get(databaseId);
    if (known) return known.opened;
    const opens: Opens = {
      opened: openAnew(request, databaseId).then((found) => {
        opens.now = found;
        return found;
      }),
      now: null,
    };
    ofRequest.set(databaseId, opens);
    return opens.opened;
  }

  async function openAnew(request: CatalogRequest, databaseId: string): Promise<Opened> {
    const { viewer, signal } = request;
    const [database, state] = await Promise.all([
      databases.load(request, viewer, databaseId),
      stateOf(request, databaseId),
    ]);
    if (!database) throw notFound('Database');
    const index = snapshots && (await snapshots.open(database, state));
    if (index && state) versions.set(request, (versions.get(request) ?? new Map()).set(databaseId, state.version));
    const target = joinedCatalog({
      source: `${databaseId} ${secretOf(database.sealedPassword)}`,
      read: (work, options) => databases.readCatalog(database, work, options),
      joined,
    });
    const live: Reading = async (work) => {
      lively.add(request);
      const deadline = AbortSignal.timeout(readTimeoutMs);
      const options = { signal: AbortSignal.any([signal, deadline]) };
      try {
        return await work(target, options);
      } catch (error) {
        if (!deadline.aborted || signal.aborted) throw error;
        throw new AppError('TIMEOUT', 'The catalogue did not answer in time; another session there may hold a lock', {
          cause: error,
          details: { timeoutMs: readTimeoutMs },
        });
      }
    };
    const kept = index && createSnapshotCatalog({ index, live });
    const read: Reading = kept ? (work) => work(kept, { signal }) : live;
    const known = index && knownListsOf(index);
    return { loaders: createLoaders({ databaseId, read, known }), reach: reachOf(database), read };
  }

  /** What is asked for at once, by whomever, is one look-up. */
  function stateOf(request: CatalogRequest, databaseId: string): Promise<SnapshotState | null> {
    const ofRequest = states.get(request) ?? new Map<string, Promise<SnapshotState | null>>();
    states.set(request, ofRequest);
    const known = ofRequest.get(databaseId) ?? findState(databaseId).then((state) => state ?? null);
    ofRequest.set(databaseId, known);
    return known;
  }

  const loadersOf = async (request: CatalogRequest, databaseId: string) => (await open(request, databaseId)).loaders;

  const find: Opening['find'] = (request, databaseId, work) => {
    const now = opened.get(request)?.get(databaseId)?.now;
    return now ? work(now.loaders) : loadersOf(request, databaseId).then(work);
  };

  return {
    open,
    loadersOf,
    find,

    /** The snapshots that all of a request's answers are of, by the database's id; null where a target was asked. */
    snapshotsOf(request: CatalogRequest): ReadonlyMap<string, string> | null {
      return lively.has(request) ? null : (versions.get(request) ?? new Map());
    },

    /** Whether these snapshots would be answered from again, read anew. */
    async stillAnswers(known: ReadonlyMap<string, string>): Promise<boolean> {
      const same = await Promise.all(
        [...known].map(async ([databaseId, version]) => {
          const state = await findState(databaseId);
          return state?.fresh === true && state.version === version;
        }),
      );
      return same.every(Boolean);
    },

    /** When the catalogue was last read as a whole, and its fingerprint; null where it never was. */
    async state(request: CatalogRequest, databaseId: string): Promise<{ readAt: Date; fingerprint: string } | null> {
      return stateOf(request, databaseId);
    },

    /** Reads the whole catalogue anew. @throws AppError NOT_FOUND, and whatever the target says; then the last one stays */
    async refresh(request: CatalogRequest, databaseId: string): Promise<{ databaseId: string }> {
      const database = await databases.load(request, request.viewer, databaseId);
      if (!database) throw notFound('Database');
      await snapshots?.refresh(database, request);
      opened.get(request)?.delete(databaseId);
      states.get(request)?.delete(databaseId);
      return { databaseId };
    },
  };
}

/** On a server that is shared nobody is told of the others there. */
export const reachOf = ({ hosted }: Pick<CatalogDatabase, 'hosted'>): Reach => (hosted ? 'OWN' : 'SERVER');

/** @throws AppError NOT_FOUND when it was dropped meanwhile */
export const present = <Found>(found: Found | null, what: string): Found => {
  if (found === null) throw notFound(what);
  return found;
};
