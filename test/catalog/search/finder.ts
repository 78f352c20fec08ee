/** A search over catalogues that are told, for somebody who sees all of them; index, thread and ranking are the real ones. */
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createIndexes, type IndexLimits } from '../../../src/catalog/search/indexes.ts';
import { createSearch, type SearchArguments, type SearchHit } from '../../../src/catalog/search/search.ts';
import { packSnapshot } from '../../../src/catalog/snapshots/content.ts';
import type { CatalogSnapshot } from '../../../src/engines/snapshot.ts';
import { uuidv7 } from '../../../src/lib/ids.ts';
import type { Connection } from '../../../src/lib/pages.ts';
import { silent } from '../../support/metadata.ts';
import { type CatalogueToldOf, catalogue } from './catalogue.ts';

const viewer: Viewer = { userId: uuidv7(), role: 'member', sessionId: uuidv7(), expiresAt: new Date() };

export type Found = Connection<SearchHit> & { readonly total: number };

export interface Finder extends AsyncDisposable {
  /** Null: never read. Answers its id. */
  put(name: string, told: CatalogueToldOf | CatalogSnapshot | null): Promise<string>;
  drop(name: string): void;
  search(args: string | SearchArguments, signal?: AbortSignal): Promise<Found>;
  /** Kind and path of the hits, in their order. */
  find(args: string | SearchArguments): Promise<string[]>;
  /** All pages of so many hits, one behind the other. */
  pages(text: string, first: number): Promise<SearchHit[]>;
  bytes(): number;
}

export function createFinder(limits: Partial<IndexLimits> = {}): Finder {
  const kept = new Map<string, { id: string; version: string | null; content: Buffer }>();
  const byId = (id: string) => [...kept.values()].find((one) => one.id === id);
  const indexes = createIndexes({
    snapshots: {
      content: async (id, version) => {
        const found = byId(id);
        return found?.version === version ? found.content : null;
      },
    },
    log: silent,
    limits: { firstWaitMs: 60_000, newerWaitMs: 60_000, ...limits },
  });
  const service = createSearch({
    databases: {
      seen: async (_viewer, { ids }) =>
        [...kept].map(([name, { id }]) => ({ id, name })).filter(({ id }) => !ids || ids.includes(id)),
    },
    snapshots: {
      states: async (ids) =>
        ids.map((id) => {
          const version = byId(id)?.version;
          return version == null ? null : { version };
        }),
    },
    indexes,
    readLater: () => undefined,
  });
  const search = async (args: string | SearchArguments, signal = new AbortController().signal): Promise<Found> => {
    const found = await service.search({ viewer, signal }, typeof args === 'string' ? { text: args } : args);
    return { ...found, total: await found.totalCount() };
  };

  return {
    search,
    bytes: indexes.bytes,
    async put(name, told) {
      const id = kept.get(name)?.id ?? uuidv7();
      const packed = told && (await packSnapshot('relations' in told ? told : catalogue(told)));
      kept.set(name, { id, version: packed?.version ?? null, content: packed?.content ?? Buffer.alloc(0) });
      return id;
    },
    drop: (name) => void kept.delete(name),
    async find(args) {
      return (await search(args)).edges.map(({ node }) => `${node.kind} ${node.path}`);
    },
    async pages(text, first) {
      const all: SearchHit[] = [];
      for (let after: string | null = null; ; ) {
        const page: Found = await search({ text, first, after });
        all.push(...page.edges.map(({ node }) => node));
        if (!page.pageInfo.hasNextPage) return all;
        after = page.pageInfo.endCursor;
      }
    },
    [Symbol.asyncDispose]: () => indexes.stop(),
  };
}
