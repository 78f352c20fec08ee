/** The database of the system's that every signed-in user may read: made once, whoever starts, and made anew when lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connect } from '../db/connection.ts';
import { transaction } from '../db/metadata.ts';
import type { Playground } from '../db/playground.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Credentials } from './credentials.ts';
import type { Hosting } from './hosting.ts';
import type { Database, DatabaseStore } from './store.ts';

export const sampleName = 'MAKEYOURSPACE';

export interface SampleDeps {
  readonly pool: pg.Pool;
  readonly store: DatabaseStore;
  readonly hosting: Hosting;
  readonly credentials: Credentials;
  readonly playground: Playground | null;
  readonly log: Log;
}

/** In the metadata: one process at a time makes the sample. */
const sampleLock = 7_270_736_902;
const retryMs = 30_000;
/** Another process is at it. */
const busyMs = 1_000;
const sweepMs = 600_000;

/** Runs beside the server: nothing waits for it. */
export function startSample(deps: SampleDeps): Service {
  const { playground, hosting, log } = deps;
  if (!playground) {
    log.info({ reason: 'the playground is off' }, 'sample.skipped');
    return { stop: async () => {} };
  }
  const stopped = new AbortController();
  const { signal } = stopped;

  async function run(server: Playground): Promise<void> {
    for (;;) {
      const outcome = await ensureSample({ ...deps, playground: server }, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        log.error({ err: error, retryMs }, 'sample.failed');
        return 'failed' as const;
      });
      if (outcome === 'made' || outcome === 'there') {
        log.info({ outcome }, 'sample.ready');
        break;
      }
      await sleep(outcome === 'busy' ? busyMs : retryMs, undefined, { signal, ref: false });
    }
    for (;;) {
      await hosting.sweep().catch((error: unknown) => log.warn({ err: error }, 'database.sweep_failed'));
      await sleep(sweepMs, undefined, { signal, ref: false });
    }
  }

  const running = run(playground).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

/** Idempotent. @returns `busy` while another process makes it */
export async function ensureSample(
  deps: Omit<SampleDeps, 'playground'> & { playground: Playground },
  { signal }: { signal: AbortSignal },
): Promise<'made' | 'there' | 'busy'> {
  const { pool, store, hosting } = deps;
  return await transaction(pool, async (lock) => {
    const { rows } = await lock.query('SELECT pg_try_advisory_xact_lock($1) AS held', [sampleLock]);
    if (!rows[0].held) return 'busy';
    // Under the lock a read-only orphan is no sample in the making: its maker is dead.
    for (const orphan of await store.orphans(0)) if (orphan.readOnly) await hosting.discard(orphan);
    const known = await store.system(pool);
    if (known && !(await isLost(deps, known, signal))) return 'there';
    if (known) await store.remove(pool, known.id);
    await hosting.create(
      { name: sampleName, template: 'makeyourspace', readOnly: true, access: 'READER' },
      async (_client, made) => ({ ...made, system: true }),
      { signal },
    );
    return 'made';
  });
}

/** The playground is another one than it was, e.g. its directory was deleted: the database or the role is not there. */
async function isLost(
  { playground, credentials }: { playground: Playground; credentials: Credentials },
  sample: Database,
  signal: AbortSignal,
): Promise<boolean> {
  const login = { database: sample.database, user: sample.user, password: credentials.open(sample) };
  try {
    await using _connected = await connect({ ...playground.admin, ...login }, { signal });
    return false;
  } catch (error) {
    if (error instanceof pg.DatabaseError && ['3D000', '28P01'].includes(error.code ?? '')) return true;
    throw error;
  }
}
