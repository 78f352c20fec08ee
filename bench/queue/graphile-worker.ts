/** graphile-worker, as it comes and with its local queue, which takes jobs and completes them by the batch. */
import pg from 'pg';
import { requirePeer } from '../support/peer.ts';
import type { QueueSystem } from './system.ts';

interface Payload {
  job: number;
}
interface GraphileWorker {
  Logger: new (factory: () => () => void) => object;
  makeWorkerUtils(options: object): Promise<{
    migrate(): Promise<void>;
    addJob(task: string, payload: Payload): Promise<unknown>;
    addJobs(jobs: { identifier: string; payload: Payload }[]): Promise<unknown>;
    release(): Promise<void>;
  }>;
  run(options: object): Promise<{ stop(): Promise<void> }>;
}

/** More than its worker and the submitting clients use at once. */
const poolSize = 20;

function graphileWorker(name: string, batches: object): QueueSystem {
  return {
    name,
    async open({ postgres }) {
      const { Logger, makeWorkerUtils, run: runWorker } = requirePeer<GraphileWorker>('graphile-worker');
      const logger = new Logger(() => () => undefined);
      const pgPool = new pg.Pool({ ...postgres, max: poolSize });
      // Asked for by the library, of a pool that is not its own.
      pgPool.on('error', () => undefined);
      pgPool.on('connect', (client) => client.on('error', () => undefined));
      const utils = await makeWorkerUtils({ pgPool, logger });
      await utils.migrate();
      return {
        clear: async () => void (await pgPool.query('TRUNCATE graphile_worker._private_jobs')),
        submit: async (job) => void (await utils.addJob('run', { job })),
        submitAll: async (jobs) =>
          void (await utils.addJobs(
            Array.from({ length: jobs }, (_, job) => ({ identifier: 'run', payload: { job } })),
          )),
        async unfinished() {
          const { rows } = await pgPool.query<{ count: string }>('SELECT count(*) FROM graphile_worker._private_jobs');
          return Number(rows[0]?.count);
        },
        work: (run, concurrency) =>
          runWorker({
            preset: { worker: { concurrentJobs: concurrency, ...batches } },
            pgPool,
            logger,
            noHandleSignals: true,
            taskList: { run: ({ job }: Payload) => run(job) },
            crontab: '',
          }),
        async close() {
          await utils.release();
          await pgPool.end();
        },
      };
    },
  };
}

export const graphileDefault = graphileWorker('graphile-worker', {});
export const graphileLocalQueue = graphileWorker('graphile-worker localQueue', {
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
});
