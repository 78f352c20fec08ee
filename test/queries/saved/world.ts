/** Saved queries and their scheduler without HTTP: real metadata, a real target, and whatever replicas a test starts. */

import { EventEmitter, once } from 'node:events';
import type pg from 'pg';
import { pino } from 'pino';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { noteJob } from '../../../src/audit/jobs.ts';
import { createTypedConnections } from '../../../src/databases/typed-connections.ts';
import { startNotify } from '../../../src/db/notify.ts';
import { createDestinations } from '../../../src/exports/destination.ts';
import { createExportStore } from '../../../src/exports/store.ts';
import { createJobs } from '../../../src/jobs/jobs.ts';
import { createPlaces } from '../../../src/jobs/places.ts';
import { createJobQuota } from '../../../src/jobs/quota.ts';
import { createBus } from '../../../src/lib/bus.ts';
import type { Topic } from '../../../src/lib/topics.ts';
import { createLongReads } from '../../../src/queries/long-reads.ts';
import { createQueries } from '../../../src/queries/queries.ts';
import { createDueStore } from '../../../src/queries/saved/due.ts';
import {
  type CreateSavedQuery,
  createSavedQueries,
  type UpdateSavedQuery,
} from '../../../src/queries/saved/saved-queries.ts';
import { runDue, type SchedulerDeps, startScheduler } from '../../../src/queries/saved/scheduler.ts';
import { createSavedQueryStore, letGoOf } from '../../../src/queries/saved/store.ts';
import { createResultStore } from '../../../src/queries/store.ts';
import { createDiskStore } from '../../../src/storage/disk.ts';
import { createBucketAccess } from '../../../src/storage/files/access.ts';
import { createFileStore } from '../../../src/storage/files/store.ts';
import { asked, createWorld, testConnection } from '../../databases/world.ts';
import { createTestJobStore } from '../../support/job-store.ts';
import { silent } from '../../support/metadata.ts';

interface Entry {
  msg: string;
  savedQueryId?: string;
  jobId?: string;
}

export const caller = asked().caller;

export async function createSavedWorld() {
  const world = await createWorld({ onDisconnect: [(id, client) => letGoOf(client, id)] });
  const { pool, prisma, databases, engines, keyring, projects } = world;
  const jobs = createTestJobStore(pool);
  const files = createFileStore({ db: pool, prisma });
  const bucketAccess = createBucketAccess({ store: files });
  const exportStore = createExportStore({ pool, files });
  const destinations = createDestinations({ access: bucketAccess, files, store: exportStore });
  const queries = createQueries({
    destinations,
    jobs,
    quota: createJobQuota({ pool }),
    diskLow: () => false,
    results: createResultStore(pool),
    blobs: createDiskStore({ directory: '/nonexistent' }),
    longReads: createLongReads(),
    databases,
    connections: createTypedConnections({ keyring, engines }),
    settingsOf: async () => ({
      statementTimeoutMs: 60_000,
      maxRows: 100,
      queuePriority: 0,
      defaultExportFormat: 'csv' as const,
      defaultExportBucketId: null,
      defaultExportPrefix: '',
    }),
  });
  const store = createSavedQueryStore({ db: pool, prisma });
  const saved = createSavedQueries({
    pool,
    store,
    access: projects,
    databases,
    queries,
    destinations,
    jobs: createJobs({
      store: jobs,
      places: createPlaces({ pool, maxParallelJobs: 4 }),
      bus: createBus<Topic>(),
      settingsOf: async () => ({ maxParallelJobs: 4 }),
      note: noteJob,
    }),
  });
  const schedulerDeps: SchedulerDeps = {
    due: createDueStore(pool),
    queries,
    databases,
    roleOfOwner: jobs.roleOfOwner,
    log: silent,
  };

  return {
    ...world,
    jobs,
    queries,
    saved,
    schedulerDeps,

    async connect(viewer: Viewer, projectId: string | null = null): Promise<string> {
      const input = { name: 'shop', connection: testConnection(), projectId, readOnly: false };
      return (await databases.connect(viewer, input, asked())).database.id;
    },

    create: (viewer: Viewer | null, input: Partial<CreateSavedQuery> = {}) =>
      saved.create(
        viewer,
        { name: 'daily', sql: 'SELECT 1', databaseId: null, projectId: null, schedule: null, ...input },
        caller,
      ),
    update: (viewer: Viewer | null, input: UpdateSavedQuery) => saved.update(viewer, input, caller),

    /** As the store has it. */
    async row(id: string) {
      const [row] = await world.rows(
        `SELECT owner_id AS "ownerId", database_id AS "databaseId", schedule_enabled AS "scheduleEnabled",
                schedule_problem AS "scheduleProblem", next_run_at AS "nextRunAt" FROM saved_queries WHERE id = $1`,
        [id],
      );
      return row;
    },

    /** Time cannot be waited for: its next run is put back instead. @returns what it was put to */
    async makeDue(id: string, agoMs = 60_000): Promise<Date> {
      const rows = await world.rows(
        `UPDATE saved_queries SET next_run_at = now() - $2 * interval '1 millisecond', schedule_held_until = NULL
         WHERE id = $1 AND next_run_at IS NOT NULL RETURNING next_run_at`,
        [id, agoMs],
      );
      return rows[0]!.next_run_at as Date;
    },

    /** Does at once what a scheduler does when it wakes. */
    runDue: () => runDue(schedulerDeps, new AbortController().signal),

    /** One more process with a scheduler, until the test lets go of it. */
    async startScheduler() {
      const bus = createBus<Topic>();
      const notify = await startNotify({ connection: world.metadata.database, pool, bus, log: silent });
      const entries: Entry[] = [];
      const written = new EventEmitter();
      const write = (line: string) => {
        entries.push(JSON.parse(line));
        written.emit('entry');
      };
      const scheduler = startScheduler({ ...schedulerDeps, bus, log: pino({ level: 'info' }, { write }) });
      return {
        /** The first entry of this event about this saved query. */
        async until(msg: string, savedQueryId: string): Promise<Entry> {
          for (;;) {
            const found = entries.find((entry) => entry.msg === msg && entry.savedQueryId === savedQueryId);
            if (found) return found;
            await once(written, 'entry');
          }
        },
        async [Symbol.asyncDispose]() {
          await scheduler.stop();
          await notify.stop();
        },
      };
    },

    /**
     * What `hold` locks stays so until each of `works` waits behind it or has ended: that makes "at the same moment".
     * They are started one behind the other, and go on in that order.
     */
    async whileHeld<T>(
      hold: (client: pg.PoolClient) => Promise<unknown>,
      works: readonly (() => Promise<T>)[],
    ): Promise<T[]> {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await hold(client);
        const started: Promise<T>[] = [];
        let ended = 0;
        for (const work of works) {
          const one = work().finally(() => ended++);
          one.catch(() => undefined); // Heard where all are waited for.
          started.push(one);
          for (;;) {
            const blocked = await world.rows(
              `SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`,
            );
            if (blocked.length + ended >= started.length) break;
          }
        }
        await client.query('COMMIT');
        return await Promise.all(started);
      } finally {
        client.release();
      }
    },

    async jobsOf(savedQueryId: string) {
      return world.rows(
        `SELECT id, status, owner_id AS "ownerId", sql, name, idempotency_key AS key FROM jobs WHERE saved_query_id = $1 ORDER BY id`,
        [savedQueryId],
      );
    },

    endJob: (id: unknown) =>
      world.rows(
        `UPDATE jobs SET status = 'succeeded', finished_at = now(), lease_until = NULL, worker_id = NULL WHERE id = $1`,
        [id],
      ),
  };
}

export type SavedWorld = Awaited<ReturnType<typeof createSavedWorld>>;
