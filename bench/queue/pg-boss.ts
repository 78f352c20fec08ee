/** pg-boss, woken by NOTIFY, fetching batches and one after the other while they are full. */
import pg from 'pg';
import { requirePeer } from '../support/peer.ts';
import type { QueueSystem } from './system.ts';

interface Data {
  job: number;
}
interface Boss {
  PgBoss: new (
    options: object,
  ) => {
    start(): Promise<unknown>;
    stop(options: object): Promise<void>;
    on(event: 'error' | 'warning', listener: () => void): void;
    createQueue(name: string, options: object): Promise<void>;
    send(name: string, data: Data): Promise<unknown>;
    insert(name: string, jobs: { data: Data }[]): Promise<unknown>;
    work(name: string, options: object, run: (jobs: { data: Data }[]) => Promise<unknown>): Promise<string>;
    offWork(name: string): Promise<void>;
  };
}

const name = 'bench';
const poolSize = 20;

export const pgBoss: QueueSystem = {
  name: 'pg-boss',
  async open({ postgres }) {
    const { PgBoss } = requirePeer<Boss>('pg-boss');
    const boss = new PgBoss({ ...postgres, max: poolSize, useListenNotify: true, schedule: false });
    boss.on('error', () => undefined);
    boss.on('warning', () => undefined);
    await boss.start();
    await boss.createQueue(name, { notify: true });
    const client = new pg.Pool({ ...postgres, max: 1 });
    return {
      clear: async () => void (await client.query('DELETE FROM pgboss.job')),
      submit: async (job) => void (await boss.send(name, { job })),
      submitAll: async (jobs) =>
        void (await boss.insert(
          name,
          Array.from({ length: jobs }, (_, job) => ({ data: { job } })),
        )),
      async unfinished() {
        const { rows } = await client.query<{ count: string }>(
          `SELECT count(*) FROM pgboss.job WHERE state < 'completed'`,
        );
        return Number(rows[0]?.count);
      },
      async work(run, concurrency) {
        const options = {
          batchSize: concurrency,
          burstWhenBatchFull: true,
          pollingIntervalSeconds: 0.5,
          notifyPollingIntervalSeconds: 0.5,
        };
        await boss.work(name, options, (jobs) => Promise.all(jobs.map(({ data }) => run(data.job))));
        return { stop: () => boss.offWork(name) };
      },
      async close() {
        await boss.stop({ graceful: false });
        await client.end();
      },
    };
  },
};
