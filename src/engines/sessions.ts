/**
 * Open catalogues of databases, for Quarry's own reads and never for a user's SQL. How many connections one of them has,
 * and when it closes them, is its engine's; here they are kept as long as they are asked for, and few.
 */
import { AppError } from '../lib/errors.ts';
import type { Service } from '../lib/lifecycle.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Catalog } from './catalog.ts';
import type { Target } from './engine.ts';
import type { EngineKind, Engines } from './registry.ts';

export interface CatalogSource {
  readonly databaseId: string;
  /** Another text where the credentials are others: what was opened with the old ones is closed. */
  readonly revision: string;
  readonly engine: EngineKind;
  /** Asked for when the catalogue is opened. @throws AppError */
  target(options: { signal: AbortSignal }): Promise<Target>;
}

export interface CatalogPool extends Service {
  /**
   * Does reads on the catalogue of a database, several at once if need be; again when the target no longer takes the
   * credentials that it took before. @throws AppError CONNECTION_FAILED; whatever `work` throws; the signal's reason
   */
  read<T>(source: CatalogSource, work: (catalog: Catalog) => Promise<T>, options: { signal: AbortSignal }): Promise<T>;
  /** Closes what is open of a database, once nobody reads there any more. */
  drop(databaseId: string): void;
}

export interface CatalogPoolDeps {
  readonly engines: Engines;
  /** Catalogues open at once; an engine has at most two connections for each. */
  readonly maxOpen?: number;
  /** How long one that nobody reads stays open. */
  readonly idleMs?: number;
}

interface Entry {
  readonly source: CatalogSource;
  readonly opened: Promise<Catalog>;
  readers: number;
  /** Something was read with its credentials. */
  proven: boolean;
  /** It left the pool: whoever reads last closes it. */
  retired: boolean;
  timer: NodeJS.Timeout | undefined;
}

const defaultMaxOpen = 64;
const defaultIdleMs = 60_000;

export function createCatalogPool({
  engines,
  maxOpen = defaultMaxOpen,
  idleMs = defaultIdleMs,
}: CatalogPoolDeps): CatalogPool {
  /** By the database's id; the one that was used longest ago is first. */
  const entries = new Map<string, Entry>();
  const closing = new Set<Promise<void>>();
  const waiting = new Set<() => void>();
  const stopped = new AbortController();

  async function acquire(source: CatalogSource, signal: AbortSignal): Promise<Entry> {
    for (;;) {
      signal.throwIfAborted();
      const entry = take(source) ?? (makeRoom() ? open(source) : null);
      if (entry) return entry;
      await change(signal);
    }
  }

  function take(source: CatalogSource): Entry | null {
    const entry = entries.get(source.databaseId);
    if (!entry) return null;
    if (entry.source.revision !== source.revision) {
      retire(entry);
      return null;
    }
    clearTimeout(entry.timer);
    entry.readers += 1;
    entries.delete(source.databaseId);
    entries.set(source.databaseId, entry);
    return entry;
  }

  function open(source: CatalogSource): Entry {
    const opened = source.target({ signal: stopped.signal }).then((target) => engines[source.engine].catalog(target));
    opened.catch(() => undefined); // Its readers are told; nobody else waits for it.
    const entry: Entry = { source, opened, readers: 1, proven: false, retired: false, timer: undefined };
    entries.set(source.databaseId, entry);
    return entry;
  }

  function makeRoom(): boolean {
    if (entries.size < maxOpen) return true;
    const unused = entries.values().find(({ readers }) => readers === 0);
    if (unused) retire(unused);
    return unused !== undefined;
  }

  function change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => () => {
        waiting.delete(onChange);
        signal.removeEventListener('abort', onAbort);
        done();
      };
      const onChange = settle(resolve);
      const onAbort = settle(() => reject(signal.reason));
      waiting.add(onChange);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  function release(entry: Entry): void {
    entry.readers -= 1;
    if (entry.readers === 0) {
      if (entry.retired) close(entry);
      else entry.timer = setTimeout(() => retire(entry), idleMs).unref();
    }
    for (const onChange of [...waiting]) onChange();
  }

  function retire(entry: Entry): void {
    if (entry.retired) return;
    entry.retired = true;
    clearTimeout(entry.timer);
    entries.delete(entry.source.databaseId);
    if (entry.readers === 0) close(entry);
  }

  function close(entry: Entry): void {
    const closed = entry.opened
      .then((catalog) => catalog[Symbol.asyncDispose]())
      .catch(() => undefined) // It never opened, or its server is gone.
      .finally(() => closing.delete(closed));
    closing.add(closed);
  }

  return {
    async read(source, work, options) {
      const signal = AbortSignal.any([options.signal, stopped.signal]);
      for (;;) {
        const entry = await acquire(source, signal);
        try {
          const result = await work(await untilAborted(entry.opened, signal));
          entry.proven = true;
          return result;
        } catch (error) {
          const stage = failedAt(error);
          if (stage !== null) retire(entry);
          // The next one asks for its target anew: a user of a hosted database can change its role's password.
          if (stage !== 'AUTHENTICATION' || !entry.proven) throw error;
        } finally {
          release(entry);
        }
      }
    },

    drop(databaseId) {
      const entry = entries.get(databaseId);
      if (entry) retire(entry);
    },

    async stop() {
      stopped.abort(new AppError('CONNECTION_FAILED', 'The server is stopping'));
      for (const entry of [...entries.values()]) {
        retire(entry);
        if (entry.readers > 0) close(entry);
      }
      await Promise.all(closing);
    },
  };
}

/** The stage of a connection that failed; null for every other error. */
const failedAt = (error: unknown): string | null =>
  error instanceof AppError && error.code === 'CONNECTION_FAILED' ? String(error.details?.reason ?? '') : null;
