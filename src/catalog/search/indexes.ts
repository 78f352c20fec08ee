/**
 * The indexes of the databases that are searched, made of what is kept of their snapshots when a search first needs them,
 * and again when a snapshot is another one. Each process has its own.
 */
import { AppError } from '../../lib/errors.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import { buildIndex } from './build-index.ts';
import type { CatalogIndex } from './catalog-index.ts';
import { createIndexBuilder } from './index-builder.ts';
import { type CachedIndex, createIndexCache } from './index-cache.ts';

export interface Wanted {
  readonly databaseId: string;
  readonly databaseName: string;
  /** Of its snapshot; null where it was never read, and is found by its name alone. */
  readonly version: string | null;
}

export interface IndexLimits {
  /** Of all indexes together. */
  readonly maxBytes: number;
  /** For an index of a catalogue that changed: then the search goes over what was there before. */
  readonly newerWaitMs: number;
  /** For indexes of catalogues that were never searched. */
  readonly firstWaitMs: number;
}

const defaultLimits: IndexLimits = { maxBytes: 512 * 2 ** 20, newerWaitMs: 1_000, firstWaitMs: 10_000 };

export interface IndexesDeps {
  readonly snapshots: {
    /** Null when it is gone, or another version by now. */
    content(databaseId: string, version: string): Promise<Uint8Array | null>;
  };
  readonly log: Log;
  readonly limits?: Partial<IndexLimits>;
}

export interface Indexes extends Service {
  /**
   * In the order of what is wanted.
   * @throws AppError TIMEOUT while too much is still to be made, LIMIT_EXCEEDED for more than there is room for; the signal's reason
   */
  of(wanted: readonly Wanted[], signal: AbortSignal): Promise<CatalogIndex[]>;
  /** What they take at the moment. */
  bytes(): number;
}

export function createIndexes({ snapshots, log, ...deps }: IndexesDeps): Indexes {
  const limits = { ...defaultLimits, ...deps.limits };
  const cache = createIndexCache({ maxBytes: limits.maxBytes });
  const builder = createIndexBuilder();
  const building = new Map<string, Promise<CachedIndex>>();

  function make(wanted: Wanted): Promise<CachedIndex> {
    const version = versionOf(wanted);
    const key = JSON.stringify([wanted.databaseId, version]);
    const known = building.get(key);
    if (known) return known;
    const made = build(wanted)
      .then((index) => cache.put(wanted.databaseId, version, index))
      .finally(() => building.delete(key));
    made.catch(() => undefined); // Whoever waits is told; nobody may.
    building.set(key, made);
    return made;
  }

  async function build({ databaseId, databaseName, version }: Wanted): Promise<CatalogIndex> {
    const nameAlone = () => buildIndex({ databaseName, snapshot: null });
    if (version === null) return nameAlone();
    let read = false;
    const load = async () => {
      const content = await snapshots.content(databaseId, version);
      read = true;
      return content;
    };
    try {
      // A snapshot that went meanwhile is found in its next version by the next search.
      return (await builder.build(databaseName, load)) ?? nameAlone();
    } catch (error) {
      if (!read) throw error;
      // One that cannot be read must not keep all others from being searched.
      log.error({ databaseId, error: String(error) }, 'search.not_indexed');
      return nameAlone();
    }
  }

  return {
    async of(wanted, signal) {
      const found = wanted.map(({ databaseId }) => cache.get(databaseId));
      const missing = wanted.filter((one, place) => found[place]?.version !== versionOf(one));
      if (missing.length > 0) {
        const first = wanted.some((_, place) => found[place] === null);
        const patience = AbortSignal.timeout(first ? limits.firstWaitMs : limits.newerWaitMs);
        const making = wanted.map(async (one, place) => {
          const known = found[place];
          if (known?.version === versionOf(one)) return;
          try {
            found[place] = await untilAborted(make(one), AbortSignal.any([signal, patience]));
          } catch (error) {
            if (signal.aborted || !patience.aborted) throw error;
          }
        });
        for (const { status, reason } of (await Promise.allSettled(making)) as { status: string; reason?: unknown }[]) {
          if (status === 'rejected') throw reason;
        }
      }
      return complete(found);
    },
    bytes: cache.bytes,
    stop: () => builder.stop(),
  };

  function complete(found: readonly (CachedIndex | null | undefined)[]): CatalogIndex[] {
    const made = found.filter((one) => one != null);
    if (made.length < found.length) {
      throw new AppError(
        'TIMEOUT',
        'The catalogues are still being prepared for their first search; try again shortly',
        {
          details: { ready: made.length, databases: found.length },
        },
      );
    }
    const actual = made.reduce((sum, { bytes }) => sum + bytes, 0);
    if (actual > limits.maxBytes) {
      throw new AppError(
        'LIMIT_EXCEEDED',
        'These catalogues are too large to be searched together; name fewer databases',
        {
          details: { limit: limits.maxBytes, actual },
        },
      );
    }
    return made.map(({ index }) => index);
  }
}

/** The name is a part of it: it is searched, too. */
const versionOf = ({ databaseName, version }: Wanted): string => JSON.stringify([version, databaseName]);
