/** Who asks the same shares one query, and nobody waits for another: bursts, slow readers, lost sessions. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { LiveInput } from '../../src/realtime/live/input.ts';
import { asked } from '../databases/world.ts';
import { createLiveWorld, LiveReader, type LiveWorld } from './live-world.ts';

let world: LiveWorld;
let owner: Viewer;
let databaseId: string;

beforeAll(async () => {
  world = await createLiveWorld({
    sql: `
      CREATE TABLE item (id int PRIMARY KEY, owner text, price int DEFAULT 1);
      CREATE TABLE other (id int PRIMARY KEY);`,
    limits: { ofUser: 300, lookMs: 200 },
  });
  owner = await world.person();
  databaseId = await world.connect(owner);
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});
beforeEach(() => world.sql('TRUNCATE item, other; INSERT INTO item VALUES (1), (2), (3)'));

const sql = 'SELECT id, price FROM item ORDER BY id';
const read = (input: Partial<LiveInput> = {}, viewer: Viewer = owner, id = databaseId) =>
  new LiveReader(world, viewer, id, { sql, ...input });

async function begun(input: Partial<LiveInput> = {}): Promise<LiveReader> {
  const { followed } = world;
  const reader = read(input);
  await reader.next();
  await world.untilFollowed(followed + 1);
  return reader;
}

async function allGone(): Promise<void> {
  while (world.live.counts().readers + world.live.counts().queries + (await world.sessions()) > 0) await sleep(5);
}

describe('one query', () => {
  test('is run once for 200 readers, and once more for one insert', async () => {
    using first = await begun();
    const { runs, early } = world.live.counts();
    const readers = Array.from({ length: 199 }, () => read());
    await Promise.all(readers.map((reader) => reader.next()));
    expect(world.live.counts()).toEqual({ readers: 200, queries: 1, runs, early });
    expect(await world.sessions()).toBe(1);
    const results = Promise.all([first, ...readers].map((reader) => reader.next()));
    await world.sql('INSERT INTO item VALUES (4)');
    const told = await results;
    const now = world.live.counts();
    expect(now.runs - now.early).toBe(runs - early + 1);
    // In step they are told the very same.
    expect(new Set(told).size).toBe(1);
    for (const reader of readers) expect(reader.values).toHaveLength(4);
    await Promise.all(readers.map((reader) => reader.leave()));
    await first.leave();
    await allGone();
  });

  test('is shared with the same SQL, parameters, key, limit and rights alone', async () => {
    const member = await world.person();
    const shared = await world.connect(owner, { projectId: await world.project({ owner, editor: member }) });
    const input = { sql: 'SELECT id FROM item WHERE id > $1', parameters: [1] };
    const readers = [
      read(input, owner, shared),
      read(input, member, shared),
      read({ ...input, parameters: [2] }, owner, shared),
      read({ ...input, maxRows: 5 }, owner, shared),
      read({ ...input, key: ['id'] }, owner, shared),
      read({ ...input, sql: `${input.sql} ` }, owner, shared),
      read(input, owner, databaseId),
    ];
    await Promise.all(readers.map((reader) => reader.next()));
    expect(world.live.counts()).toMatchObject({ readers: 7, queries: 6 });
    await Promise.all(readers.map((reader) => reader.leave()));
    await allGone();
  });

  test('goes on for others when the one who began it leaves', async () => {
    const member = await world.person();
    const shared = await world.connect(owner, { projectId: await world.project({ owner, viewer: member }) });
    const { followed } = world;
    const first = read({}, owner, shared);
    await first.next();
    await world.untilFollowed(followed + 1);
    using second = read({}, member, shared);
    await second.next();
    await first.leave();
    await world.sql('INSERT INTO item VALUES (4)');
    expect(await second.next()).toMatchObject({ version: 2, cause: ['public.item'] });
    await second.leave();
    await allGone();
  });

  test('of a burst is run for the first change at once, and for the others together', async () => {
    using reader = await begun();
    const { runs, early } = world.live.counts();
    const began = performance.now();
    for (let i = 10; i < 310; i++) await world.sql('INSERT INTO item VALUES ($1)', [i]);
    await reader.until((values) => values.length === 303);
    const windows = Math.ceil((performance.now() - began) / 50);
    const now = world.live.counts();
    expect(now.runs - now.early - (runs - early)).toBeLessThanOrEqual(windows + 1);
  });

  test('costs nothing when its last reader has left', async () => {
    const reader = await begun();
    await reader.leave();
    await allGone();
    using other = await begun({ sql: 'SELECT id FROM other' });
    const { runs, early } = world.live.counts();
    await world.sql('INSERT INTO item VALUES (4)');
    await world.sql('INSERT INTO other VALUES (1)');
    await other.next();
    const now = world.live.counts();
    expect(now.runs - now.early).toBe(runs - early + 1);
  });
});

describe('a reader', () => {
  test('who is slow gets what differs from what he was told last, and all that caused it', async () => {
    const joined = 'SELECT i.id, price, o.id IS NULL FROM item i LEFT JOIN other o ON o.id = i.id ORDER BY i.id';
    using slow = await begun({ sql: joined });
    using quick = read({ sql: joined });
    await quick.next();
    await world.sql('INSERT INTO item VALUES (4)');
    await quick.next();
    await world.sql('UPDATE item SET price = 5 WHERE id = 1');
    await quick.next();
    await world.sql('INSERT INTO other VALUES (2)');
    await quick.next();
    await world.sql('DELETE FROM item WHERE id = 4');
    await quick.next();
    const result = await slow.next();
    expect(result).toMatchObject({ version: 2, removed: [], cause: ['public.item', 'public.other'] });
    expect(result.upserted.map(({ index }) => index)).toEqual([0, 1]);
    expect(slow.values).toEqual(quick.values);
    expect(quick.version).toBe(5);
  });

  test('is told nothing where what he missed has come back', async () => {
    using slow = await begun();
    using quick = read();
    await quick.next();
    await world.sql('INSERT INTO item VALUES (4)');
    await quick.next();
    await world.sql('DELETE FROM item WHERE id = 4');
    await quick.next();
    await world.sql('INSERT INTO item VALUES (5)');
    expect(await slow.next()).toMatchObject({ version: 2, upserted: [{ index: 3, row: { values: [5, 1] } }] });
  });

  test('who comes later begins with the newest, as version 1', async () => {
    using first = await begun();
    await world.sql('INSERT INTO item VALUES (4)');
    await first.next();
    const { runs } = world.live.counts();
    using later = read();
    const result = await later.next();
    expect(result).toMatchObject({ version: 1, upserted: [], removed: [], cause: [] });
    expect(result.rows).toHaveLength(4);
    expect(world.live.counts().runs).toBe(runs);
  });
});

describe('a live query survives', () => {
  const endSessions = (label: string) =>
    world.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE $1`,
      [label],
    );

  test('that its session is ended', async () => {
    using reader = await begun();
    await endSessions('quarry live query');
    await world.sql('INSERT INTO item VALUES (4)');
    await reader.until((values) => values.length === 4);
    await endSessions('quarry live query');
    await world.sql('INSERT INTO item VALUES (5)');
    await reader.until((values) => values.length === 5);
  });

  test('that the feed of the database is lost, and misses nothing', async () => {
    using reader = await begun();
    await world.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()`,
    );
    await world.sql('INSERT INTO item VALUES (4)');
    await reader.until((values) => values.length === 4);
  });

  test('that the connection leads there with other credentials', async () => {
    const moved = await world.connect(owner);
    const { followed } = world;
    using reader = read({}, owner, moved);
    await reader.next();
    await world.untilFollowed(followed + 1);
    const name = `${world.target.database}_other`;
    await world.sql(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD 'other'`);
    await world.databases.update(owner, { id: moved, connection: { user: name, password: 'other' } }, asked());
    await world.sql('INSERT INTO item VALUES (4)');
    await reader.until((values) => values.length === 4);
    await reader.leave();
    await world.databases.disconnect(owner, { id: moved, drop: false }, asked());
  });
});

test('the policies of tables hold, and a change of what they read is a change', async () => {
  await world.sql(`
    CREATE TABLE note (id int PRIMARY KEY, owner text);
    CREATE TABLE may (who text, owner text);
    ALTER TABLE note ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON note USING (owner IN (SELECT m.owner FROM may m WHERE who = current_user));
    INSERT INTO note VALUES (1, 'anna'), (2, 'bert')`);
  const name = `${world.target.database}_anna`;
  await world.sql(`CREATE ROLE ${name} LOGIN PASSWORD 'anna' REPLICATION;
    GRANT SELECT ON note, may TO ${name}; INSERT INTO may VALUES ('${name}', 'anna')`);
  const asAnna = await world.connect(owner, { user: name, password: 'anna' });
  using anna = read({ sql: 'SELECT id FROM note ORDER BY id' }, owner, asAnna);
  using all = read({ sql: 'SELECT id FROM note ORDER BY id' });
  await Promise.all([anna.next(), all.next()]);
  expect([anna.values, all.values]).toEqual([[[1]], [[1], [2]]]);
  await world.sql(`INSERT INTO note VALUES (3, 'anna'), (4, 'bert')`);
  await Promise.all([anna.until((values) => values.length === 2), all.until((values) => values.length === 4)]);
  await world.sql(`INSERT INTO may VALUES ('${name}', 'bert')`);
  await anna.until((values) => values.length === 4);
  await anna.leave();
  await world.databases.disconnect(owner, { id: asAnna, drop: false }, asked());
  await world.sql(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
});
