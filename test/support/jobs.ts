/** A real queue with a real worker on the shared PostgreSQL, without the API in front of it. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noteJob } from '../../src/audit/jobs.ts';
import { createSnapshotStore } from '../../src/catalog/snapshots/store.ts';
import type { VisibleDatabase } from '../../src/databases/databases.ts';
import { createTypedConnections } from '../../src/databases/typed-connections.ts';
import { createPrisma } from '../../src/db/metadata.ts';
import { startNotify } from '../../src/db/notify.ts';
import type { Target } from '../../src/engines/engine.ts';
import { createEngines } from '../../src/engines/registry.ts';
import { createExportStore } from '../../src/exports/store.ts';
import type { Job, NewJob } from '../../src/jobs/job.ts';
import { createJobs } from '../../src/jobs/jobs.ts';
import { createPlaces } from '../../src/jobs/places.ts';
import { isFinal } from '../../src/jobs/states.ts';
import type { Limits } from '../../src/jobs/store.ts';
import { createTasks } from '../../src/jobs/tasks.ts';
import { startWorker, type WorkerTiming } from '../../src/jobs/worker.ts';
import { createBus } from '../../src/lib/bus.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createKeyring } from '../../src/lib/keyring.ts';
import type { Service } from '../../src/lib/lifecycle.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createExporters } from '../../src/queries/exporters.ts';
import { readRows } from '../../src/queries/results.ts';
import { createResultStore } from '../../src/queries/store.ts';
import { createDiskStore } from '../../src/storage/disk.ts';
import { createBucketAccess } from '../../src/storage/files/access.ts';
import { type StorageLimits, storageLimits } from '../../src/storage/files/limits.ts';
import { createReservations } from '../../src/storage/files/reservations.ts';
import { createFileStore } from '../../src/storage/files/store.ts';
import { createTestDatabase } from './databases.ts';
import { createTestJobStore } from './job-store.ts';
import { createTestMetadata, silent } from './metadata.ts';

export async function createTestQueue({ storage = {} }: { storage?: Partial<StorageLimits> } = {}) {
  const metadata = await createTestMetadata();
  const targetDatabase = await createTestDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'quarry-test-files-'));
  const { pool } = metadata;
  const bus = createBus<Topic>();
  const store = createTestJobStore(pool, { bus });
  const results = createResultStore(pool);
  const blobs = createDiskStore({ directory: folder });
  const files = createFileStore({ db: pool, prisma: createPrisma(pool) });
  const access = createBucketAccess({ store: files });
  const reservations = createReservations({
    pool,
    store: files,
    access,
    blobs,
    limits: { ...storageLimits, ...storage },
  });
  const engines = createEngines({ dial: createEgress({ allowPrivateHosts: true, denied: () => [] }) });
  const target: Target = { ...targetDatabase, ssl: 'DISABLE', allowInsecureAuthentication: false, hosted: true };
  const databaseId = uuidv7();
  await pool.query(
    `INSERT INTO databases (id, name, engine, host, port, database_name, username, ssl_mode, sealed_password, read_only, updated_at)
     VALUES ($1, 'target', 'postgresql', 'here', 0, 'target', 'tester', 'DISABLE', '', false, now())`,
    [databaseId],
  );
  const keyring = createKeyring([{ id: 'k1', key: new Secret(randomBytes(32)) }]);
  const connections = createTypedConnections({ keyring, engines });
  const started: Service[] = [];

  /** Another process, as far as the queue can tell: its own bus, its own identity. */
  async function worker(
    options: { concurrency?: number; limits?: Partial<Limits>; timing?: Partial<WorkerTiming> } = {},
  ) {
    const ownBus = createBus<Topic>();
    const notify = await startNotify({ connection: metadata.database, pool, bus: ownBus, log: silent });
    const storage = { kind: 'file', directory: folder } as const;
    const exporters = createExporters({ storage, allowPrivateHosts: true, denied: [] });
    const tasks = createTasks({
      jobStore: store,
      resultStore: results,
      snapshotStore: createSnapshotStore({ pool }),
      blobs,
      bus,
      log: silent,
      connections,
      reservations,
      exporters,
      exportFolder: join(folder, 'tmp'),
      databases: {
        // Rights and credentials have tests of their own; here every job runs on the one target.
        requireDatabase: async (viewer) =>
          ({
            ownerId: viewer?.userId,
            id: viewer?.userId,
            role: null,
            system: false,
            readOnly: false,
          }) as VisibleDatabase,
        targetOf: async () => ({ engine: engines.postgresql, target }),
        endSession: async (_database, _principal, identity, options) =>
          engines.postgresql.terminate(target, identity, options),
      },
    });
    const running = startWorker({
      store: createTestJobStore(pool, { bus: ownBus, ...options.limits }),
      bus: ownBus,
      log: silent,
      tasks,
      concurrency: options.concurrency ?? 8,
      mail: notify,
      ...(options.timing && { timing: options.timing }),
    });
    const service = {
      stop: async () => [await running.stop(), await exporters.stop(), await notify.stop()] as never,
    };
    started.push(service);
    return service;
  }

  started.push(await startNotify({ connection: metadata.database, pool, bus, log: silent }));
  const jobs = createJobs({
    store,
    places: createPlaces({ pool, maxParallelJobs: 4 }),
    bus,
    settingsOf: async () => ({ maxParallelJobs: 4 }),
    note: noteJob,
  });

  return {
    metadata,
    targetDatabase,
    pool,
    store,
    results,
    blobs,
    files,
    access,
    reservations,
    exportStore: createExportStore({ pool, files }),
    jobs,
    connections,
    bus,
    folder,
    worker,
    /** What a worker of that name would be given now; it holds them, and does nothing. */
    async claim(limit: number, limits: Partial<Limits> = {}, workerId: string = uuidv7()): Promise<Job[]> {
      const claimed: Job[] = [];
      const { rows } = await pool.query<{ held: number }>(
        `SELECT count(*)::int AS held FROM jobs WHERE status = 'running' AND worker_id = $1`,
        [workerId],
      );
      const { held } = rows[0]!;
      const handle = createTestJobStore(pool, limits).serve({
        workerId,
        concurrency: held + limit,
        busy: () => held + claimed.length,
        claiming: () => undefined,
        start: (jobs) => claimed.push(...jobs),
        failed: (error) => {
          throw error;
        },
      });
      await handle.wake();
      await handle.stop();
      return claimed;
    },

    viewerOf: (userId: string) =>
      ({ userId, role: 'member', sessionId: userId, expiresAt: new Date(8.64e15) }) as const,

    async submit(ownerId: string, sql: string, options: Partial<NewJob> = {}): Promise<Job> {
      const { job } = await store.insert({
        kind: 'query',
        ownerId,
        databaseId,
        targetKey: databaseId,
        targetLabel: 'postgresql test',
        name: null,
        sql,
        parameters: null,
        readOnly: false,
        transaction: 'per_statement',
        timeoutMs: 60_000,
        maxRows: 10_000,
        idempotencyKey: null,
        ...options,
      });
      return job;
    },

    /** Follows the job until it has the status, or any final one. */
    async until(job: Job, status?: Job['status']): Promise<Job> {
      const viewer = { userId: job.ownerId, role: 'member', sessionId: '', expiresAt: new Date(8.64e15) } as const;
      let last = job;
      for await (last of jobs.follow(viewer, job.id, AbortSignal.timeout(50_000))) {
        if (last.status === status || isFinal(last.status)) return last;
      }
      throw new Error(`job ${job.id} stayed ${last.status}`);
    },

    async rows(job: Job, index = 0): Promise<unknown[]> {
      const set = await results.at(job.id, index);
      return (set && (await readRows({ store: results, blobs }, set, 0, 100_000)))?.rows ?? [];
    },

    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((service) => service.stop()));
      await targetDatabase[Symbol.asyncDispose]();
      await metadata[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type TestQueue = Awaited<ReturnType<typeof createTestQueue>>;
