/** BullMQ on Redis. */
import { requirePeer } from '../support/peer.ts';
import type { QueueSystem } from './system.ts';

interface Bull {
  Queue: new (
    name: string,
    options: object,
  ) => {
    add(name: string, data: Data): Promise<unknown>;
    addBulk(jobs: { name: string; data: Data }[]): Promise<unknown>;
    getJobCountByTypes(...types: string[]): Promise<number>;
    obliterate(options: { force: boolean }): Promise<void>;
    waitUntilReady(): Promise<unknown>;
    close(): Promise<void>;
  };
  Worker: new (
    name: string,
    run: (job: { data: Data }) => Promise<void>,
    options: object,
  ) => {
    waitUntilReady(): Promise<unknown>;
    close(): Promise<void>;
    on(event: 'error', listener: () => void): void;
  };
}
interface Data {
  job: number;
}

const name = 'bench';

export const bullmq: QueueSystem = {
  name: 'BullMQ',
  async open({ redis }) {
    if (!redis) throw new Error('BullMQ needs a Redis');
    const { Queue, Worker } = requirePeer<Bull>('bullmq');
    const connection = { ...redis, maxRetriesPerRequest: null };
    const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
    await queue.waitUntilReady();
    return {
      clear: () => queue.obliterate({ force: true }),
      submit: async (job) => void (await queue.add('run', { job })),
      submitAll: async (jobs) =>
        void (await queue.addBulk(Array.from({ length: jobs }, (_, job) => ({ name: 'run', data: { job } })))),
      unfinished: () => queue.getJobCountByTypes('waiting', 'active', 'prioritized', 'delayed'),
      async work(run, concurrency) {
        const worker = new Worker(name, ({ data }) => run(data.job), { connection, concurrency });
        await worker.waitUntilReady();
        return { stop: () => worker.close() };
      },
      close: () => queue.close(),
    };
  },
};
