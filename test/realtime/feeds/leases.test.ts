/** Which process holds a feed, and what is known of it, on a real metadata database. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { uuidv7 } from '../../../src/lib/ids.ts';
import { createLeases, type LeaseLimits } from '../../../src/realtime/feeds/leases.ts';
import { createFeedStore, type FeedStore } from '../../../src/realtime/feeds/store.ts';
import { asked, createWorld, testConnection, type World } from '../../databases/world.ts';
import { silent } from '../../support/metadata.ts';

let world: World;
let store: FeedStore;
let id: string;

beforeAll(async () => {
  world = await createWorld();
  store = createFeedStore({ pool: world.pool });
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(async () => {
  here = { holderId: uuidv7(), leaseMs: 60_000 };
  there = { holderId: uuidv7(), leaseMs: 60_000 };
  const input = { name: 'target', connection: testConnection(), projectId: null, readOnly: false };
  id = (await world.databases.connect(await world.person(), input, asked())).database.id;
});

let here: Holder;
let there: Holder;
interface Holder {
  readonly holderId: string;
  readonly leaseMs: number;
}
/** Its lease ends at once. */
const gone = ({ holderId }: Holder) => ({ holderId, leaseMs: 0 });

async function keepFeed(): Promise<void> {
  expect(await store.change(id, here)).toBe(true);
  expect(await store.keep(world.pool, id, here.holderId)).toBe(true);
}
const process = (limits: Partial<LeaseLimits> = {}) =>
  createLeases({ store, log: silent, limits: { renewMs: 20, ...limits } });
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

test('one holds a feed, and another only when it was let go or its lease has ended', async () => {
  expect(await store.take(id, here)).toEqual({ databaseId: id, lease: 1, kept: false, generation: null });
  expect(await store.take(id, there)).toBeNull();
  expect(await store.take(id, here)).toMatchObject({ lease: 1 });
  await store.release(id, there.holderId);
  expect(await store.take(id, there)).toBeNull();
  await store.release(id, here.holderId);
  expect(await store.take(id, gone(there))).toMatchObject({ lease: 1 });
  expect(await store.take(id, here)).toMatchObject({ lease: 2 });
});

test('of many who want a feed at once one gets it', async () => {
  const holders = Array.from({ length: 8 }, () => ({ holderId: uuidv7(), leaseMs: 60_000 }));
  const held = await Promise.all(holders.map((holder) => store.take(id, holder)));
  expect(held.filter((feed) => feed !== null)).toHaveLength(1);
});

test('a feed of a database that is gone cannot be had', async () => {
  expect(await store.take(uuidv7(), here)).toBeNull();
  expect(await store.change(uuidv7(), here)).toBe(false);
});

test('what is known of a kept feed stays with it over its holders', async () => {
  await keepFeed();
  const first = (await store.take(id, gone(here)))!;
  expect(first).toMatchObject({ kept: true, generation: null });
  expect(await store.began(first, 'a')).toBe(true);
  expect(
    await store.note(
      first,
      new Map([
        ['1', '05'],
        ['2', '06'],
      ]),
    ),
  ).toBe(true);
  const second = (await store.take(id, there))!;
  expect(second).toMatchObject({ kept: true, generation: 'a', lease: first.lease + 1 });
  expect(await store.tables(id)).toEqual(
    new Map([
      ['1', '05'],
      ['2', '06'],
    ]),
  );

  // Who has lost it changes nothing any more.
  expect(await store.note(first, new Map([['1', '09']]))).toBe(false);
  expect(await store.began(first, 'b')).toBe(false);
  expect(
    await store.note(
      second,
      new Map([
        ['1', '07'],
        ['2', null],
      ]),
    ),
  ).toBe(true);
  expect(await store.tables(id)).toEqual(new Map([['1', '07']]));
  expect(await store.began(second, 'c')).toBe(true);
  expect(await store.tables(id)).toEqual(new Map());
});

test('while something is put into a target nobody holds its feed, and whoever did has lost it', async () => {
  const held = (await store.take(id, here))!;
  expect(await store.change(id, there)).toBe(true);
  expect(await store.renew(here)).toEqual([]);
  expect(await store.take(id, here)).toBeNull();
  expect(await store.began(held, 'a')).toBe(false);
  expect(await store.change(id, here)).toBe(false);
  expect(await store.kept([id])).toEqual(new Set());
  expect(await store.keep(world.pool, id, here.holderId)).toBe(false);
  expect(await store.keep(world.pool, id, there.holderId)).toBe(true);
  expect(await store.kept([id])).toEqual(new Set([id]));
});

test('what is left behind is found again, but nothing that is kept or still held', async () => {
  const left = () => store.takeLeft({ ...there, leftMs: 0, limit: 100 });
  await store.take(id, here);
  expect(await left()).not.toContain(id);
  await store.take(id, gone(here));
  expect(await store.takeLeft({ ...there, leftMs: 60_000, limit: 100 })).not.toContain(id);
  expect(await left()).toContain(id);
  expect(await store.take(id, here)).toBeNull();
  await store.remove(world.pool, id);

  await store.change(id, gone(here));
  expect(await left()).toContain(id);
  await store.remove(world.pool, id);

  await keepFeed();
  await store.take(id, gone(here));
  expect(await left()).not.toContain(id);
});

test('kept feeds are taken by whoever has room, and no two have the same', async () => {
  await keepFeed();
  await using first = disposable(process());
  await using second = disposable(process());
  const taken = await Promise.all([first.leases.takeKept(100), second.leases.takeKept(100)]);
  expect(taken.flat().filter((one) => one === id)).toHaveLength(1);
  expect(await store.takeKept({ ...here, limit: 0 })).toEqual([]);
});

test('a process that says so again keeps its feed, and its stop lets it go at once', async () => {
  const leases = process({ leaseMs: 200 });
  const lease = (await leases.take(id))!;
  const until = async () =>
    (await world.rows('SELECT holder_until AS until FROM change_feeds WHERE database_id = $1', [id]))[0]?.until as Date;
  const first = await until();
  while ((await until()).getTime() <= first.getTime() + 400);
  expect(await store.take(id, there)).toBeNull();
  expect(lease.lost.aborted).toBe(false);
  await leases.stop();
  expect(await until()).toBeUndefined();
});

test('a process asks anew where the metadata have not answered, and keeps its feed', async () => {
  await using held = disposable(process({ askMs: 50 }));
  const lease = (await held.leases.take(id))!;
  const locker = await world.pool.connect();
  await locker.query('BEGIN; LOCK TABLE change_feeds');
  const waiting = `SELECT FROM pg_locks WHERE relation = 'change_feeds'::regclass AND NOT granted`;
  while ((await locker.query(waiting)).rows.length < 2);
  await locker.query('COMMIT');
  locker.release();
  expect(await store.take(id, there)).toBeNull();
  expect(lease.lost.aborted).toBe(false);
});

test('a process whose feed was taken, or is changed, or whose database is gone, is told', async () => {
  await using held = disposable(process({ leaseMs: 5 }));
  const lease = (await held.leases.take(id))!;
  const lost = aborted(lease.lost);
  while ((await store.take(id, there)) === null);
  await lost;
  expect(lease.lost.reason).toMatchObject({ code: 'CONNECTION_FAILED' });
  await lease[Symbol.asyncDispose]();
  expect(await store.renew(there)).toMatchObject([{ databaseId: id }]);

  await store.release(id, there.holderId);
  await using other = disposable(process());
  const again = (await other.leases.take(id))!;
  const ended = aborted(again.lost);
  await world.pool.query('DELETE FROM databases WHERE id = $1', [id]);
  await ended;
});

function disposable(leases: ReturnType<typeof createLeases>) {
  return { leases, [Symbol.asyncDispose]: () => leases.stop() };
}
