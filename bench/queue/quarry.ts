/**
 * Quarry's queue as a module: the store and a worker with limits, leases and fencing, a task that only runs what it is given.
 * One process submits and works, on one store, so that what starts at once starts where it is accepted, as in the libraries
 * beside it. Quarry as it is shipped submits in another process than it works in: of that are the figures of its own process.
 */
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { createPool } from '../../src/db/metadata.ts';
import { migrate } from '../../src/db/migrate.ts';
import { startNotify } from '../../src/db/notify.ts';
import type { NewJob } from '../../src/jobs/job.ts';
import { createJobStore, type JobStoreDeps } from '../../src/jobs/store.ts';
import type { Task } from '../../src/jobs/task.ts';
import { startWorker } from '../../src/jobs/worker.ts';
import { type Bus, createBus } from '../../src/lib/bus.ts';
import { createLog } from '../../src/lib/log.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { bounded } from './bounded.ts';
import type { QueueSystem } from './system.ts';

/** Whose limits are as high as they can be: the queue counts them all the same. */
const userCount = 64;
const maxParallelJobs = 256;
const poolSize = 20;
const submitters = 64;
const log = createLog({ level: 'silent', format: 'json' });

export const storeDeps = (pool: pg.Pool, bus: Bus<Topic>): JobStoreDeps => ({
  pool,
  bus,
  log,
  limits: { maxParallelJobs, maxParallelJobsPerDatabase: maxParallelJobs },
  resultsRetentionMs: 3_600_000,
});

/** @returns their ids; the same ones at the next call */
export async function addUsers(pool: pg.Pool, count: number): Promise<string[]> {
  await pool.query(
    `INSERT INTO users (id, email, email_key, role, password_hash, max_parallel_jobs, max_parallel_jobs_limit)
     SELECT md5('bench' || i)::uuid, 'bench' || i || '@example.com', 'bench' || i || '@example.com', 'member', '', $2, $2
     FROM generate_series(1, $1::int) AS i ON CONFLICT DO NOTHING`,
    [count, maxParallelJobs],
  );
  const { rows } = await pool.query<{ id: string }>(
    `SELECT md5('bench' || i)::uuid AS id FROM generate_series(1, $1::int) AS i`,
    [count],
  );
  return rows.map(({ id }) => id);
}

const jobOf = (job: number, ownerId: string): NewJob => ({
  kind: 'query',
  ownerId,
  databaseId: null,
  // Each user's own address: no limit of a database holds anything up here.
  targetKey: ownerId,
  targetLabel: 'bench',
  name: String(job),
  sql: 'select 1',
  parameters: null,
  readOnly: true,
  transaction: 'per_statement',
  timeoutMs: 60_000,
  maxRows: 1_000,
  idempotencyKey: null,
});

export const quarry: QueueSystem = {
  name: 'Quarry',
  async open({ postgres }) {
    await migrate({
      connection: postgres,
      directory: fileURLToPath(new URL('../../prisma/migrations', import.meta.url)),
    });
    const pool = createPool({ connection: postgres, log, max: poolSize });
    const bus = createBus<Topic>();
    const notify = await startNotify({ connection: postgres, pool, bus, log });
    const store = createJobStore(storeDeps(pool, bus));
    const users = await addUsers(pool, userCount);
    const submit = async (job: number) => void (await store.insert(jobOf(job, users[job % userCount]!)));

    return {
      clear: async () => void (await pool.query('TRUNCATE jobs, job_deletions CASCADE')),
      submit,
      submitAll: (jobs) => bounded(jobs, submitters, submit),
      async unfinished() {
        const { rows } = await pool.query<{ count: string }>(
          `SELECT count(*) FROM jobs WHERE status IN ('queued', 'running')`,
        );
        return Number(rows[0]?.count);
      },
      async work(run, concurrency) {
        const task: Task = {
          kind: 'query',
          async run({ job }) {
            await run(Number(job.name));
            return { status: 'succeeded' };
          },
          rescue: async () => null,
          discard: async () => undefined,
        };
        return startWorker({ store, bus, log, tasks: new Map([['query', task]]), concurrency, mail: notify });
      },
      async close() {
        await notify.stop();
        await pool.end();
      },
    };
  },
};
