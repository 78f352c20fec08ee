/** How stored databases are: the last look at each, kept in this process, and a new one for whoever finds it too old. */
import type { Log } from '../lib/log.ts';
import type { Credentials } from './credentials.ts';
import type { ConnectionReport, Prober } from './prober.ts';
import type { Database, DatabaseStore } from './store.ts';

export interface Health {
  /** The last report while it is younger than `maxAgeMs`, else a new one; who asks meanwhile gets the same. Never throws. */
  check(database: Database, maxAgeMs: number): Promise<ConnectionReport>;
  /** Keeps a report that was made for another reason. */
  keep(database: Pick<Database, 'id' | 'sealedPassword'>, report: ConnectionReport): void;
  forget(databaseId: string): void;
  stop(): Promise<void>;
}

export interface HealthDeps {
  readonly prober: Prober;
  readonly credentials: Credentials;
  readonly store: Pick<DatabaseStore, 'saw'>;
  readonly log: Log;
  readonly clock?: () => number;
}

interface Entry {
  /** Of the credentials that were tried. */
  readonly revision: string;
  readonly report: ConnectionReport | null;
  /** Under way. */
  readonly next: Promise<ConnectionReport> | null;
}

/** Reports kept; the one that was made longest ago goes first. */
const maxEntries = 10_000;

export function createHealth({ prober, credentials, store, log, clock = Date.now }: HealthDeps): Health {
  const entries = new Map<string, Entry>();
  const stopped = new AbortController();

  function set(id: string, entry: Entry): void {
    entries.delete(id);
    entries.set(id, entry);
    const [oldest] = entries.keys();
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
  }

  async function look(database: Database): Promise<ConnectionReport> {
    const { id, engine, sealedPassword } = database;
    const { signal } = stopped;
    const report = await prober
      .probe(engine, () => credentials.targetOf(database, 'catalogue', { signal }), { signal })
      .catch((error: unknown) => unexpected(database, error));
    // Only while it is still about what is stored.
    if (entries.get(id)?.revision === sealedPassword) set(id, { revision: sealedPassword, report, next: null });
    if (report.ok) {
      await store
        .saw(id, report)
        .catch((error: unknown) => log.warn({ databaseId: id, err: error }, 'database.not_kept'));
    }
    return report;
  }

  function unexpected({ id }: Database, error: unknown): ConnectionReport {
    if (!stopped.signal.aborted) log.error({ databaseId: id, err: error }, 'database.probe_failed');
    const message = stopped.signal.aborted ? 'The server is stopping' : 'The look at the database went wrong here';
    const problems = [{ code: 'INTERNAL', message, hint: null }];
    return {
      ok: false,
      serverVersion: null,
      latencyMs: null,
      capabilities: [],
      problems,
      checkedAt: new Date(clock()),
    };
  }

  return {
    check(database, maxAgeMs) {
      const { id, sealedPassword: revision } = database;
      const found = entries.get(id);
      const known = found?.revision === revision ? found : undefined;
      if (known?.next) return known.next;
      const report = known?.report ?? null;
      if (report && clock() - report.checkedAt.getTime() < maxAgeMs) return Promise.resolve(report);
      // A microtask later, so that the entry that it writes over is there.
      const next = Promise.resolve().then(() => look(database));
      set(id, { revision, report, next });
      return next;
    },

    keep({ id, sealedPassword: revision }, report) {
      set(id, { revision, report, next: null });
    },

    forget(databaseId) {
      entries.delete(databaseId);
    },

    async stop() {
      stopped.abort();
      await Promise.allSettled([...entries.values()].map(({ next }) => next));
    },
  };
}
