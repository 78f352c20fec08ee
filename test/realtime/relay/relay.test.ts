/** Row changes of one database in several processes: one listens to it, and all are told the same. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RowChange } from '../../../src/realtime/reader-group.ts';
import { asked, failure } from '../../databases/world.ts';
import { hasRedis, startRedis, type TestRedis } from '../../support/redis.ts';
import { told } from '../stage.ts';
import { createRelayWorld, type RelayWorld, type ReplicaOptions } from './world.ts';

let world: RelayWorld;

beforeAll(async () => {
  world = await createRelayWorld(`
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN size AS integer;
    CREATE TABLE rooms (id int PRIMARY KEY, name text, open boolean, sizes size[], mood mood, note text);
    CREATE TABLE guests (id bigint PRIMARY KEY, room int);
    CREATE TABLE many (id serial PRIMARY KEY, body text);
  `);
});
afterAll(async () => world?.[Symbol.asyncDispose]());
beforeEach(async () => void (await world.sql('TRUNCATE rooms, guests, many')));
afterEach(async () => world.stopAll());

const shown = (changes: readonly RowChange[]) =>
  changes.map(({ position, transactionId }) => `${position} ${transactionId}`);

const ids = (changes: readonly RowChange[]) => changes.map((change) => Number((change.new ?? change.old)!.id));

const published = async (): Promise<string[]> =>
  (await world.sql(`SELECT tablename FROM pg_publication_tables WHERE schemaname = 'public' ORDER BY 1`)).rows.map(
    ({ tablename }) => tablename,
  );

const slots = async (): Promise<number> =>
  (await world.sql('SELECT count(*)::int AS count FROM pg_replication_slots WHERE database = current_database()'))
    .rows[0].count;

const chunks = async () =>
  (await world.rows('SELECT payload FROM change_feed_chunks')).map(({ payload }) => payload as Buffer);

/** Nothing says when: looks until it is so. */
async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await sleep(50);
}

function describeRelay(name: string, options: () => ReplicaOptions): void {
  describe(`over ${name}`, () => {
    test('what is committed is told in all processes alike, in one order and with the same positions', async () => {
      const [one, two] = [await world.replica(options()), await world.replica(options())];
      const first = await one.read([{ table: 'rooms' }]).begun();
      const second = await two.read([{ table: 'rooms' }]).begun();
      expect(await slots()).toBe(1);
      const large = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i)`;
      await world.sql(`INSERT INTO rooms VALUES (1, 'rød', true, '{1,NULL,3}', 'glad', ${large})`);
      await world.sql(`UPDATE rooms SET open = false, name = NULL WHERE id = 1`);
      await world.sql(`BEGIN; UPDATE rooms SET id = 2, mood = 'sad'; INSERT INTO rooms VALUES (3); COMMIT`);
      await world.sql(`DELETE FROM rooms WHERE id = 2; TRUNCATE rooms`);
      const [here, there] = [await first.take(6), await second.take(6)];
      expect(there.map(told)).toEqual(here.map(told));
      expect(shown(there)).toEqual(shown(here));
      expect(there.map(({ committedAt }) => committedAt)).toEqual(here.map(({ committedAt }) => committedAt));
      expect(there.map(({ event }) => event)).toEqual(['INSERT', 'UPDATE', 'UPDATE', 'INSERT', 'DELETE', 'TRUNCATE']);
      expect(there[0]!.new).toMatchObject({ id: 1, name: 'rød', open: true, sizes: [1, null, 3], mood: 'glad' });
      expect(there[1]).toMatchObject({ unchangedColumns: ['note'] });
    });

    test('each follows its own tables, also ones that no other does, and all positions stay the same', async () => {
      const [one, two] = [await world.replica(options()), await world.replica(options())];
      const rooms = await one.read([{ table: 'rooms' }]).begun();
      const guests = await two.read([{ table: 'guests' }]).begun();
      const both = await one.read([{ table: 'guests' }, { table: 'rooms' }]).begun();
      await world.sql('BEGIN; INSERT INTO guests VALUES (1, 1); INSERT INTO rooms VALUES (1); COMMIT');
      const [, room] = await both.take(2);
      expect(shown(await rooms.take(1))).toEqual([`${room!.position} ${room!.transactionId}`]);
      expect((await guests.take(1)).map(told)).toEqual([
        { event: 'INSERT', table: 'guests', old: null, new: { id: '1', room: 1 } },
      ]);
    });

    test('who was given a position by one process goes on with it in another', async () => {
      const [one, two] = [await world.replica(options()), await world.replica(options())];
      const here = await one.read([{ table: 'rooms' }]).begun();
      await two.read([{ table: 'rooms' }]).begun();
      await world.sql('INSERT INTO rooms SELECT i FROM generate_series(1, 5) i');
      await world.sql('INSERT INTO rooms VALUES (6)');
      const changes = await here.take(6);
      const three = await world.replica(options());
      for (const [place, { position }] of changes.entries()) {
        for (const { read } of [two, three]) {
          const again = read([{ table: 'rooms' }], { after: position });
          expect(shown(await again.take(5 - place))).toEqual(shown(changes.slice(place + 1)));
        }
      }
    });

    test('ten thousand transactions at once, and one of a hundred thousand rows, come whole and in order', async () => {
      const [one, two] = [await world.replica(options()), await world.replica(options())];
      const here = await one.read([{ table: 'many' }]).begun();
      const there = await two.read([{ table: 'many' }]).begun();
      const writing = world.sql(
        `DO $$ BEGIN FOR i IN 1..10000 LOOP INSERT INTO many VALUES (i, repeat('x', i % 100)); COMMIT; END LOOP; END $$`,
      );
      const [first, second] = await Promise.all([here.take(10_000), there.take(10_000), writing]);
      expect(ids(second!)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
      expect(shown(second!)).toEqual(shown(first!));
      const large = world.sql(`INSERT INTO many SELECT i, md5(i::text) FROM generate_series(20001, 120000) i`);
      const [, rows] = await Promise.all([here.take(100_000), there.take(100_000), large]);
      expect(rows!.every((change, i) => change.new!.id === 20_001 + i)).toBe(true);
      expect(new Set(rows!.map(({ transactionId }) => transactionId)).size).toBe(1);
    });

    test('who listens goes on for the others when nobody reads in his own process', async () => {
      const [one, two] = [await world.replica({ ...options(), lingerMs: 0 }), await world.replica(options())];
      const here = await one.read([{ table: 'rooms' }]).begun();
      const there = await two.read([{ table: 'guests' }]).begun();
      await here.stop();
      await until(async () => (await published()).join() === 'guests');
      await world.sql('INSERT INTO guests VALUES (1, 1); INSERT INTO rooms VALUES (1)');
      expect(ids(await there.take(1))).toEqual([1]);
      const again = await one.read([{ table: 'rooms' }]).begun();
      await world.sql('BEGIN; INSERT INTO guests VALUES (2, 1); INSERT INTO rooms VALUES (2); COMMIT');
      const [room] = await again.take(1);
      const [guest] = await there.take(1);
      expect([room!.transactionId, room!.new!.id]).toEqual([guest!.transactionId, 2]);
      expect(await slots()).toBe(1);
    });

    test('when who listens stops the others are told so, and go on with a feed of their own', async () => {
      const [one, two] = [await world.replica(options()), await world.replica(options())];
      await one.read([{ table: 'rooms' }]).begun();
      const there = await two.read([{ table: 'rooms' }]).begun();
      const ended = failure(there.next(), 'POSITION_LOST');
      await one.stop();
      await ended;
      const again = await two.read([{ table: 'rooms' }]).begun();
      await world.sql('INSERT INTO rooms VALUES (1)');
      expect(ids(await again.take(1))).toEqual([1]);
    });
  });
}

describeRelay('NOTIFY', () => ({}));

describe.skipIf(!hasRedis)('with a Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await world.stopAll();
    await redis[Symbol.asyncDispose]();
  });
  describeRelay('Redis', () => ({ redis: redis.url }));
});

test('without a ring it takes a moment longer, and nothing is missed', async () => {
  const [one, two] = [await world.replica(), await world.replica()];
  for (const { bus } of [one, two]) bus.connect({ send: () => undefined });
  const here = await one.read([{ table: 'rooms' }]).begun();
  const there = await two.read([{ table: 'rooms' }]).begun();
  await world.sql('INSERT INTO rooms SELECT i FROM generate_series(1, 10) i');
  expect(shown(await there.take(10))).toEqual(shown(await here.take(10)));
});

test('what cannot be followed is refused in the words of who listens', async () => {
  await world.sql('CREATE TABLE IF NOT EXISTS logs (line text)');
  const [one, two] = [await world.replica(), await world.replica()];
  await one.read([{ table: 'rooms' }]).begun();
  const here = await failure(one.read([{ table: 'logs' }]).next(), 'UNSUPPORTED');
  const there = await failure(two.read([{ table: 'logs' }]).next(), 'UNSUPPORTED');
  expect(there.message).toBe(here.message);
});

test('a table that gets another column, and one that is dropped, are told in all processes', async () => {
  await world.sql('CREATE TABLE growing (id int PRIMARY KEY, a text); CREATE TABLE going (id int PRIMARY KEY)');
  const [one, two] = [await world.replica(), await world.replica()];
  const here = await one.read([{ table: 'growing' }]).begun();
  const there = await two.read([{ table: 'growing' }]).begun();
  const gone = await two.read([{ table: 'going' }]).begun();
  await world.sql(`INSERT INTO growing VALUES (1, 'x'); ALTER TABLE growing ADD COLUMN b numeric DEFAULT 1.50`);
  await world.sql(`INSERT INTO growing VALUES (2, 'y'); ALTER TABLE growing DROP COLUMN a`);
  await world.sql(`INSERT INTO growing VALUES (3, 2.0); DROP TABLE going`);
  const changes = await there.take(3);
  expect(changes.map((change) => change.new)).toEqual([
    { id: 1, a: 'x' },
    { id: 2, a: 'y', b: '1.50' },
    { id: 3, b: '2.0' },
  ]);
  expect(shown(await here.take(3))).toEqual(shown(changes));
  const error = await gone.next().then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(error).toMatchObject({ code: expect.stringMatching(/NOT_FOUND|UNSUPPORTED/) });
  await world.sql('DROP TABLE growing');
});

test('rows on their way are unreadable in the metadata, and gone when nobody reads or the database is let go', async () => {
  const limits = { relay: { keptMs: 100, readMs: 2_000 } };
  const [one, two] = [await world.replica(limits), await world.replica({ ...limits, lingerMs: 0 })];
  const here = await one.read([{ table: 'rooms' }]).begun();
  const there = await two.read([{ table: 'rooms' }]).begun();
  await world.sql(`INSERT INTO rooms VALUES (1, repeat('canary', 20))`);
  await there.take(1);
  const found = Buffer.concat(await chunks());
  expect(found.length).toBeGreaterThan(0);
  expect(found.includes('canary')).toBe(false);
  await there.stop();
  await until(async () => (await chunks()).length === 0);
  await here.take(1);
});

test('a process that vanishes is forgotten, with the tables that it alone has followed', async () => {
  const [one, two] = [await world.replica(), await world.replica({ relay: { readMs: 1_500 } })];
  const here = await one.read([{ table: 'rooms' }]).begun();
  await two.read([{ table: 'guests' }]).begun();
  expect(await published()).toEqual(['guests', 'rooms']);
  two.vanish();
  await until(async () => (await published()).join() === 'rooms');
  await world.sql('INSERT INTO rooms VALUES (1)');
  expect(ids(await here.take(1))).toEqual([1]);
});

test('who cannot reach the metadata any more is followed by another, and his readers are told so', async () => {
  const [one, two] = [await world.replica(), await world.replica()];
  const here = await one.read([{ table: 'rooms' }]).begun();
  const there = await two.read([{ table: 'rooms' }]).begun();
  const ended = [failure(here.next(), 'POSITION_LOST'), failure(there.next(), 'POSITION_LOST')];
  one.vanish();
  await ended[1];
  const again = await two.read([{ table: 'rooms' }]).begun();
  await ended[0];
  await world.sql('INSERT INTO rooms VALUES (1)');
  expect(ids(await again.take(1))).toEqual([1]);
  expect(await slots()).toBe(1);
});

test('who waits for a holder that has died, and is given its place while he waits, takes it', async () => {
  const dead = { id: world.database.id, holder: randomUUID() };
  await world.rows(
    `INSERT INTO change_feeds (database_id, state, holder_id, holder_until, lease)
     VALUES ($1, 'open', $2, now() + interval '1 minute', 1)`,
    [dead.id, dead.holder],
  );
  const one = await world.replica();
  const reading = one.read([{ table: 'rooms' }]).begun();
  await until(async () => (await world.rows('SELECT FROM change_feed_readers')).length > 0);
  // As the keeper of kept feeds takes one when its lease has ended.
  await world.rows('UPDATE change_feeds SET holder_id = $1, lease = lease + 1 WHERE holder_id = $2', [
    one.leases.holderId,
    dead.holder,
  ]);
  const here = await reading;
  await world.sql('INSERT INTO rooms VALUES (1)');
  expect(ids(await here.take(1))).toEqual([1]);
});

test('metadata that are away for a while lose nobody anything', async () => {
  const [one, two] = [await world.replica(), await world.replica()];
  const here = await one.read([{ table: 'many' }]).begun();
  const there = await two.read([{ table: 'many' }]).begun();
  for (let round = 0; round < 5; round += 1) {
    for (const { proxy } of [one, two]) proxy.cut();
    await world.sql('INSERT INTO many (body) SELECT i::text FROM generate_series(1, 20) i');
  }
  expect(shown(await there.take(100))).toEqual(shown(await here.take(100)));
});

test('slow metadata make the others late, and nothing else', async () => {
  const [one, two] = [await world.replica(), await world.replica()];
  for (const { proxy } of [one, two]) proxy.throttle(200);
  const here = await one.read([{ table: 'many' }]).begun();
  const there = await two.read([{ table: 'many' }]).begun();
  await world.sql('INSERT INTO many (body) SELECT md5(i::text) FROM generate_series(1, 2000) i');
  expect(shown(await there.take(2_000))).toEqual(shown(await here.take(2_000)));
});

test('a connection that is changed takes the feed from whoever listened by the old one', async () => {
  const [one, two] = [await world.replica(), await world.replica()];
  const here = await one.read([{ table: 'rooms' }]).begun();
  const there = await two.read([{ table: 'rooms' }]).begun();
  const { id } = world.database;
  const ended = Promise.all([failure(here.next(), 'POSITION_LOST'), failure(there.next(), 'POSITION_LOST')]);
  const { host, port, user, password, database } = world.target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  await world.world.databases.update(world.viewer, { id, connection }, asked());
  await ended;
  const first = await two.read([{ table: 'rooms' }]).begun();
  const second = await one.read([{ table: 'rooms' }]).begun();
  await world.sql('INSERT INTO rooms VALUES (2)');
  expect(shown(await first.take(1))).toEqual(shown(await second.take(1)));
});
