/**
 * Searches the catalogues of the databases that a viewer sees. Which those are is what they are at each search, and nothing
 * of what is found is looked at in another one: a right that is taken away is gone with the next page.
 */
import { setImmediate } from 'node:timers/promises';
import { requireCan } from '../../accounts/policy.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import type { Moments } from '../../db/moments.ts';
import { createRemembered } from '../../db/remembered.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { type Connection, connectionOf, pageOf } from '../../lib/pages.ts';
import { commentAt, identityAt, kindAt, nameAt, namesTo } from './catalog-index.ts';
import { createHits } from './hits.ts';
import type { Indexes, Wanted } from './indexes.ts';
import { type CatalogKind, catalogKinds } from './kinds.ts';
import { createMatcher, kindBit } from './match.ts';
import { byDatabase, hitsWanted, pageOfHits, positionOf, type RankedHit, type Searched } from './page-of-hits.ts';
import { keyOfPosition, readPosition } from './position.ts';
import { scoreOf } from './score.ts';
import { parseSearchText } from './search-text.ts';

export const searchLimits = {
  /** That one search goes over. */
  databases: 2_000,
  /** After which others have their turn. */
  sliceMs: 10,
} as const;

/** Viewers with what they search, at once: of each as many databases as searchLimits has. */
const maxRemembered = 50;

export interface SearchArguments {
  text: string;
  /** Absent: all. */
  kinds?: readonly CatalogKind[] | null | undefined;
  /** Absent: all that the viewer sees. */
  databaseIds?: readonly string[] | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
}

export interface SearchHit {
  readonly kind: CatalogKind;
  /** Above 0, at most 1. */
  readonly score: number;
  readonly name: string;
  readonly path: string;
  readonly comment: string | null;
  readonly databaseId: string;
  /** The names that lead to it within the database; its own is the last one. */
  readonly names: readonly string[];
  /** Of a function: the types of its arguments. */
  readonly identity: string | null;
  /** Where it is among all hits. */
  readonly key: string;
}

export interface SeenDatabase {
  readonly id: string;
  readonly name: string;
}

export interface SearchDeps {
  readonly databases: {
    /** Those that the viewer sees, or of these ids; at most `limit`. */
    seen(viewer: Viewer, options: { ids: readonly string[] | null; limit: number }): Promise<SeenDatabase[]>;
  };
  readonly snapshots: {
    /** In the order of the ids; null for a database that was never read. */
    states(databaseIds: readonly string[]): Promise<({ readonly version: string } | null)[]>;
  };
  /** Of the metadata, where both of these are; absent: each search reads them. */
  readonly moments?: Moments;
  readonly indexes: Pick<Indexes, 'of'>;
  /** Reads what was never read, some time from now. */
  readLater(viewer: Viewer, databaseIds: readonly string[]): void;
}

export interface SearchRequest {
  readonly viewer: Viewer | null;
  readonly signal: AbortSignal;
}

export type SearchService = ReturnType<typeof createSearch>;

export function createSearch({ databases, snapshots, moments, indexes, readLater }: SearchDeps) {
  const { match } = createMatcher();
  const remembered = moments && createRemembered<readonly Wanted[]>({ moments, maxKeys: maxRemembered });

  /** @throws AppError NOT_FOUND for an id of a database that the viewer does not see, LIMIT_EXCEEDED */
  async function seenBy(viewer: Viewer, ids: readonly string[] | null): Promise<SeenDatabase[]> {
    const limit = searchLimits.databases;
    const distinct = ids && [...new Set(ids)];
    if (distinct && distinct.length > limit) throw tooMany(distinct.length);
    const seen = await databases.seen(viewer, { ids: distinct, limit: limit + 1 });
    if (distinct && seen.length < distinct.length) throw notFound('Database');
    if (seen.length > limit) throw tooMany(seen.length);
    return seen;
  }

  async function readWanted(viewer: Viewer, ids: readonly string[] | null): Promise<readonly Wanted[]> {
    const seen = await seenBy(viewer, ids);
    const states = await snapshots.states(seen.map(({ id }) => id));
    return seen
      .map(({ id, name }, place) => ({ databaseId: id, databaseName: name, version: states[place]?.version ?? null }))
      .sort(byDatabase);
  }

  /** By database. @throws as seenBy */
  async function wantedBy(viewer: Viewer, ids: readonly string[] | null): Promise<readonly Wanted[]> {
    const read = () => readWanted(viewer, ids);
    // All that decides what he sees.
    const { userId, role, key } = viewer;
    return (await remembered?.(JSON.stringify([userId, role, key, ids]), read)) ?? (await read());
  }

  async function open(
    viewer: Viewer,
    ids: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<Omit<Searched, 'endRun'>[]> {
    const wanted = await wantedBy(viewer, ids);
    const unread = wanted.filter(({ version }) => version === null);
    if (unread.length > 0)
      readLater(
        viewer,
        unread.map(({ databaseId }) => databaseId),
      );
    const opened = await indexes.of(wanted, signal);
    return wanted.map(({ databaseId, databaseName }, place) => ({ databaseId, databaseName, index: opened[place]! }));
  }

  return {
    /**
     * The best first; hits that are equally good by their path, then their kind.
     * @throws AppError UNAUTHENTICATED; BAD_USER_INPUT for a text that is blank or too long, a page that is none; NOT_FOUND
     * for a database that the viewer does not see; LIMIT_EXCEEDED; TIMEOUT while the first search waits for too much
     */
    async search(request: SearchRequest, args: SearchArguments): Promise<Connection<SearchHit>> {
      const { viewer, signal } = request;
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { text, kinds, databaseIds, first, after } = args;
      const asked = parseSearchText(text);
      const page = pageOf({ first, after }, { isKey: (key) => readPosition(key) !== null });
      const behind = page.after === null ? null : readPosition(page.after);
      const opened = await open(viewer, databaseIds ?? null, signal);

      const matching = {
        text: asked,
        kinds: (kinds ?? catalogKinds).reduce((bits, kind) => bits | kindBit(catalogKinds.indexOf(kind)), 0),
      };
      const hits = createHits(hitsWanted(page.limit + 1, behind));
      const searched: Searched[] = [];
      let sliceEndsAt = performance.now() + searchLimits.sliceMs;
      for (const one of opened) {
        match(one.index, matching, hits);
        hits.settle();
        searched.push({ ...one, endRun: hits.count() });
        if (performance.now() < sliceEndsAt) continue;
        await setImmediate();
        signal.throwIfAborted();
        sliceEndsAt = performance.now() + searchLimits.sliceMs;
      }
      const rows = pageOfHits(hits, searched, page.limit + 1, behind).map(hitOf);
      return connectionOf(page, rows, ({ key }) => key, hits.total);
    },
  };
}

const tooMany = (actual: number): AppError =>
  new AppError(
    'LIMIT_EXCEEDED',
    `At most ${searchLimits.databases} databases in one search: name some in databaseIds`,
    {
      details: { limit: searchLimits.databases, actual },
    },
  );

function hitOf(ranked: RankedHit): SearchHit {
  const { object, points, searched } = ranked;
  const { index, databaseId, databaseName } = searched;
  const names = namesTo(index, object);
  return {
    kind: kindAt(index, object),
    score: scoreOf(points),
    name: nameAt(index, index.names[object]!),
    path: [databaseName, ...names].join('.'),
    comment: commentAt(index, object),
    databaseId,
    names,
    identity: identityAt(index, object),
    key: keyOfPosition(positionOf(ranked)),
  };
}
