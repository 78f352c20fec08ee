/** Rings between processes, as PostgreSQL carries them. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNotify } from '../../src/db/notify.ts';
import { createBus } from '../../src/lib/bus.ts';
import type { Service } from '../../src/lib/lifecycle.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createTestMetadata, silent, type TestMetadata } from '../support/metadata.ts';

let metadata: TestMetadata;
const services: Service[] = [];
beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(async () => {
  for (const service of services) await service.stop();
  await metadata[Symbol.asyncDispose]();
});

/** A process of its own, as far as the bus can tell. */
async function process() {
  const bus = createBus<Topic>();
  const service = await startNotify({ connection: metadata.database, pool: metadata.pool, bus, log: silent });
  services.push(service);
  const target = new EventTarget();
  bus.listen('job.cancel', null, (key) => void target.dispatchEvent(new Event(key)));
  return { bus, service, hears: (key: string) => once(target, key) };
}

const listeners = async (): Promise<number[]> => {
  const { rows } = await metadata.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quarry-bus'`,
  );
  return rows.map(({ pid }) => pid);
};

test('a ring reaches the other process, also when the ringing one has lost its listening connection', async () => {
  const near = await process();
  const [pid] = await listeners();
  const far = await process();
  const first = far.hears('one');
  near.bus.ring('job.cancel', 'one');
  await first;
  const second = far.hears('two');
  await metadata.pool.query('SELECT pg_terminate_backend($1)', [pid]);
  near.bus.ring('job.cancel', 'two');
  await second;
  // It listens again by itself.
  let back = false;
  void near.hears('three').then(() => {
    back = true;
  });
  while (!back) {
    far.bus.ring('job.cancel', 'three');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test('what was rung before a stop still goes out', async () => {
  const near = await process();
  const far = await process();
  const heard = Promise.all([far.hears('four'), far.hears('five')]);
  near.bus.ring('job.cancel', 'four');
  near.bus.ring('job.cancel', 'five');
  await near.service.stop();
  expect(await heard).toHaveLength(2);
});
