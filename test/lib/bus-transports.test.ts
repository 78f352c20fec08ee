/** Rings between processes, as PostgreSQL carries them, and Redis: one contract. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ringInTransaction, startNotify } from '../../src/db/notify.ts';
import { createBus } from '../../src/lib/bus.ts';
import type { Service } from '../../src/lib/lifecycle.ts';
import { startRedisBus } from '../../src/lib/redis-bus.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createTestMetadata, silent, type TestMetadata } from '../support/metadata.ts';
import { hasRedis, startRedis, type TestRedis } from '../support/redis.ts';

let metadata: TestMetadata;
const services: Service[] = [];
beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(async () => {
  for (const service of services.reverse()) await service.stop();
  await metadata?.[Symbol.asyncDispose]();
});

interface Process {
  readonly bus: ReturnType<typeof createBus<Topic>>;
  stop(): Promise<void>;
  hears(key: string): Promise<unknown>;
}

/** A process of its own, as far as the bus can tell. */
async function processBy(carry: (bus: Process['bus']) => Promise<Service[]>): Promise<Process> {
  const bus = createBus<Topic>();
  const started = await carry(bus);
  services.push(...started);
  const target = new EventTarget();
  bus.listen('job.cancel', null, (key) => void target.dispatchEvent(new Event(key)));
  return {
    bus,
    async stop() {
      for (const service of [...started].reverse()) await service.stop();
    },
    hears: (key) => once(target, key),
  };
}

const notify = (bus: Process['bus']) =>
  startNotify({ connection: metadata.database, pool: metadata.pool, bus, log: silent });

/** Rings until it is heard: nothing says when somebody listens again. */
async function until(heard: Promise<unknown>, ring: () => void): Promise<void> {
  let done = false;
  void heard.then(() => {
    done = true;
  });
  while (!done) {
    ring();
    await sleep(20);
  }
}

function describeTransport(name: string, start: () => Promise<Process>): void {
  describe(`${name} carries a ring`, () => {
    test('to every other process, once, and not back', async () => {
      const [near, far, third] = [await start(), await start(), await start()];
      const heard: string[] = [];
      near.bus.listen('job.cancel', null, (key) => heard.push(key));
      const all = Promise.all([far.hears('one'), third.hears('one')]);
      near.bus.ring('job.cancel', 'one');
      await all;
      const back = near.hears('answer');
      far.bus.ring('job.cancel', 'answer');
      await back;
      expect(heard).toEqual(['one', 'answer']);
      for (const process of [near, far, third]) await process.stop();
    });

    test('with ten thousand others at once', async () => {
      const [near, far] = [await start(), await start()];
      const heard = new Set<string>();
      far.bus.listen('job.cancel', null, (key) => heard.add(key));
      const last = far.hears('last');
      for (let i = 0; i < 10_000; i++) near.bus.ring('job.cancel', `${i} ${'x'.repeat(i % 100)}`);
      near.bus.ring('job.cancel', 'last');
      await last;
      expect(heard.size).toBe(10_001);
      for (const process of [near, far]) await process.stop();
    });

    test('also where it was rung just before a stop', async () => {
      const [near, far] = [await start(), await start()];
      const heard = Promise.all([far.hears('four'), far.hears('five')]);
      near.bus.ring('job.cancel', 'four');
      near.bus.ring('job.cancel', 'five');
      await near.stop();
      expect(await heard).toHaveLength(2);
      await far.stop();
    });
  });
}

describeTransport('PostgreSQL', () => processBy(async (bus) => [await notify(bus)]));

const listeners = async (): Promise<number[]> => {
  const { rows } = await metadata.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quarry-bus'`,
  );
  return rows.map(({ pid }) => pid);
};

test('PostgreSQL carries a ring also when the ringing process has lost its listening connection', async () => {
  const near = await processBy(async (bus) => [await notify(bus)]);
  const [pid] = await listeners();
  const far = await processBy(async (bus) => [await notify(bus)]);
  const heard = far.hears('two');
  await metadata.pool.query('SELECT pg_terminate_backend($1)', [pid]);
  near.bus.ring('job.cancel', 'two');
  await heard;
  // It listens again by itself.
  await until(near.hears('three'), () => far.bus.ring('job.cancel', 'three'));
});

test('a mailbox that cannot be opened is opened as soon as it can be, and no attempt leaves a connection', async () => {
  const others = (await listeners()).length;
  const { pool } = metadata;
  await pool.query(
    `CREATE SEQUENCE attempts;
     -- The server takes it for the one of the name of a mailbox. What a sequence gave it does not take back.
     CREATE FUNCTION hashtextextended(text, int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
       PERFORM nextval('attempts'); RAISE 'not now'; END $$`,
  );
  const near = await notify(createBus<Topic>());
  services.push(near);
  const opened = Promise.withResolvers<string>();
  await near.receive({ opened: opened.resolve, received: () => undefined });
  while ((await pool.query('SELECT FROM attempts WHERE last_value > 3')).rowCount === 0) await sleep(20);
  await pool.query('DROP FUNCTION hashtextextended(text, int)');
  expect(await opened.promise).toEqual(expect.any(String));
  // The server takes a moment to let go of those that went.
  while ((await listeners()).length > others + 1) await sleep(20);
  await near.stop();
});

describe.skipIf(!hasRedis)('with a Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    // Whoever is connected to it goes first.
    for (const service of services.splice(0).reverse()) await service.stop();
    await redis[Symbol.asyncDispose]();
  });

  const start = (channel = 'quarry') =>
    processBy(async (bus) => {
      const listening = await notify(bus);
      const { transport: otherwise } = listening;
      return [listening, await startRedisBus({ url: redis.url, channel, bus, otherwise, log: silent })];
    });

  describeTransport('Redis', start);

  test('what is rung in a transaction is heard, too, by all processes', async () => {
    const [near, far] = [await start(), await start()];
    const heard = Promise.all([near.hears('committed'), far.hears('committed')]);
    await ringInTransaction(metadata.pool, [['job.cancel', 'committed']]);
    await heard;
  });

  test('another installation on it hears nothing', async () => {
    const [near, far, stranger] = [await start('ours'), await start('ours'), await start('theirs')];
    const heard: string[] = [];
    stranger.bus.listen('job.cancel', null, (key) => heard.push(key));
    const first = far.hears('ours');
    near.bus.ring('job.cancel', 'ours');
    await first;
    const second = stranger.hears('theirs');
    await until(second, () => void ringInTransaction(metadata.pool, [['job.cancel', 'theirs']]));
    expect(new Set(heard)).toEqual(new Set(['theirs']));
  });

  test('rings go the other way while it is away, also from the start, and come back to it', async () => {
    const near = await start();
    await redis.stop();
    const far = await start();
    const heard = far.hears('away');
    near.bus.ring('job.cancel', 'away');
    await heard;
    await redis.start();
    // PostgreSQL carries nothing now: whatever is heard came by Redis.
    const pids = await listeners();
    await until(far.hears('back'), () => {
      void metadata.pool.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
      near.bus.ring('job.cancel', 'back');
    });
  });
});
