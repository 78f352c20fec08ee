/** Answers that are kept live: what changes in the database arrives, and only that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { LiveInput } from '../../src/realtime/live/input.ts';
import type { LiveResult } from '../../src/realtime/live/results.ts';
import { failure, pathsOf } from '../databases/world.ts';
import { createLiveWorld, LiveReader, type LiveWorld } from './live-world.ts';

let world: LiveWorld;
let owner: Viewer;
let databaseId: string;

beforeAll(async () => {
  world = await createLiveWorld({
    sql: `
      CREATE TABLE room (id int PRIMARY KEY, name text);
      CREATE TABLE msg (id serial PRIMARY KEY, room_id int, body text, place int DEFAULT 0);
      CREATE VIEW shown AS SELECT m.id, m.body, r.name, m.room_id FROM msg m JOIN room r ON r.id = m.room_id;
      CREATE TABLE part (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
      CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
      CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
      CREATE TABLE bare (n int);
      CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM room';
      CREATE FUNCTION hidden() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM room); END';`,
    limits: { windowMs: 1, pollMs: 300, checkMs: 1_000 },
  });
  owner = await world.person();
  databaseId = await world.connect(owner);
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await world.sql(`TRUNCATE room, msg, part, bare RESTART IDENTITY;
    INSERT INTO room VALUES (1, 'one'), (2, 'two');
    INSERT INTO msg (room_id, body) VALUES (1, 'a'), (1, 'b'), (2, 'c')`);
});

const read = (input: Partial<LiveInput> | string) =>
  new LiveReader(world, owner, databaseId, typeof input === 'string' ? { sql: input } : input);

/** Reads the first result, and waits until changes are told. */
async function begun(input: Partial<LiveInput> | string): Promise<LiveReader> {
  const { followed } = world;
  const reader = read(input);
  await reader.next();
  await world.untilFollowed(followed + 1);
  return reader;
}

async function add(reader: LiveReader, n: number): Promise<LiveResult> {
  await world.sql('INSERT INTO bare VALUES ($1)', [n]);
  return await reader.next();
}

describe('the first result', () => {
  test('is the whole answer', async () => {
    using reader = read('SELECT id, body FROM msg ORDER BY id');
    const first = await reader.next();
    expect(first).toMatchObject({ version: 1, upserted: [], removed: [], cause: [], polled: [] });
    expect(first.columns.map(({ name, dataType }) => [name, dataType])).toEqual([
      ['id', 'integer'],
      ['body', 'text'],
    ]);
    expect(first.rows!.map(({ index, row }) => [index, row.values])).toEqual([
      [0, [1, 'a']],
      [1, [2, 'b']],
      [2, [3, 'c']],
    ]);
  });

  test('may be empty, and have no columns', async () => {
    using none = read('SELECT * FROM bare');
    expect((await none.next()).rows).toEqual([]);
    using blank = read('SELECT FROM msg');
    await blank.next();
    expect(blank.values).toEqual([[], [], []]);
    expect(new Set(blank.rows.map(({ key }) => key)).size).toBe(3);
  });
});

describe('a change is told', () => {
  test('as what is new, what is another, and what is gone', async () => {
    using reader = await begun('SELECT id, body FROM msg ORDER BY id');
    await world.sql(`INSERT INTO msg (room_id, body) VALUES (1, 'd')`);
    const added = await reader.next();
    expect(added).toMatchObject({ version: 2, rows: null, removed: [], cause: ['public.msg'] });
    expect(added.upserted.map(({ index, row }) => [index, row.values])).toEqual([[3, [4, 'd']]]);
    await world.sql(`UPDATE msg SET body = 'B' WHERE id = 2`);
    const changed = await reader.next();
    expect(changed.upserted.map(({ index, row }) => [index, row.key, row.values])).toEqual([[1, '["2"]', [2, 'B']]]);
    await world.sql('DELETE FROM msg WHERE id = 1');
    expect(await reader.next()).toMatchObject({ removed: ['["1"]'], upserted: [] });
    expect(reader.values).toEqual([
      [2, 'B'],
      [3, 'c'],
      [4, 'd'],
    ]);
  });

  test('in a view and through a join, by whichever table it came', async () => {
    using reader = await begun({ sql: 'SELECT * FROM shown WHERE room_id = $1 ORDER BY id', parameters: [1] });
    expect(reader.values.map(([, body, name]) => [body, name])).toEqual([
      ['a', 'one'],
      ['b', 'one'],
    ]);
    await world.sql(`UPDATE room SET name = 'uno' WHERE id = 1`);
    expect(await reader.next()).toMatchObject({ cause: ['public.room'], upserted: [{ index: 0 }, { index: 1 }] });
    await world.sql('UPDATE msg SET room_id = 1 WHERE id = 3');
    expect(await reader.next()).toMatchObject({ cause: ['public.msg'], upserted: [{ index: 2 }] });
    await world.sql('UPDATE msg SET room_id = 2 WHERE id = 1');
    expect(await reader.next()).toMatchObject({ removed: ['["1"]'], upserted: [] });
  });

  test('in an aggregate, whose one row stays the same one', async () => {
    using reader = await begun('SELECT count(*), max(body) FROM msg');
    const [{ key } = { key: '' }] = reader.rows;
    await world.sql(`INSERT INTO msg (body) VALUES ('z')`);
    expect(await reader.next()).toMatchObject({
      removed: [],
      upserted: [{ index: 0, row: { key, values: ['4', 'z'] } }],
    });
  });

  test('in a group, which stays the same one', async () => {
    using reader = await begun('SELECT room_id, count(*) FROM msg GROUP BY room_id ORDER BY room_id');
    await world.sql('INSERT INTO msg (room_id) VALUES (2), (3)');
    const { removed, upserted } = await reader.next();
    expect([removed, upserted.map(({ row }) => row.values)]).toEqual([
      [],
      [
        [2, '2'],
        [3, '1'],
      ],
    ]);
  });

  test('as one move where a row goes from one end to the other', async () => {
    using reader = await begun('SELECT id FROM msg ORDER BY place, id');
    await world.sql('UPDATE msg SET place = 9 WHERE id = 1');
    expect(await reader.next()).toMatchObject({ removed: [], upserted: [{ index: 2, row: { values: [1] } }] });
    await world.sql('UPDATE msg SET place = -9 WHERE id = 1');
    expect(await reader.next()).toMatchObject({ removed: [], upserted: [{ index: 0, row: { values: [1] } }] });
  });

  test('in a window of the first rows: one comes in, and one goes', async () => {
    using reader = await begun('SELECT id FROM msg ORDER BY id DESC LIMIT 2');
    await world.sql('INSERT INTO msg (body) VALUES (NULL)');
    expect(await reader.next()).toMatchObject({ removed: ['["2"]'], upserted: [{ index: 0, row: { values: [4] } }] });
    await world.sql('DELETE FROM msg WHERE id = 4');
    expect(await reader.next()).toMatchObject({ removed: ['["4"]'], upserted: [{ index: 1, row: { values: [2] } }] });
  });

  test('when a table is emptied', async () => {
    using reader = await begun('SELECT id FROM msg ORDER BY id');
    await world.sql('TRUNCATE msg');
    const { removed, cause } = await reader.next();
    expect([removed, cause]).toEqual([['["1"]', '["2"]', '["3"]'], ['public.msg']]);
    await world.sql('INSERT INTO msg (body) VALUES (NULL)');
    await reader.until((values) => values.length === 1);
  });

  test('in a partitioned table, and in one partition of it', async () => {
    using whole = await begun('SELECT * FROM part ORDER BY id');
    using one = await begun('SELECT * FROM part_1 ORDER BY id');
    await world.sql('INSERT INTO part VALUES (1, 1), (2, 2)');
    expect(await whole.next()).toMatchObject({ cause: ['public.part'] });
    await one.next();
    expect([whole.values, one.values]).toEqual([
      [
        [1, 1],
        [2, 2],
      ],
      [[1, 1]],
    ]);
    await world.sql('UPDATE part SET k = 1 WHERE id = 2');
    await Promise.all([whole.next(), one.next()]);
    expect([whole.values, one.values]).toEqual([
      [
        [1, 1],
        [2, 1],
      ],
      [
        [1, 1],
        [2, 1],
      ],
    ]);
  });

  test('inside a function in SQL', async () => {
    using reader = await begun('SELECT counted()');
    await world.sql(`INSERT INTO room VALUES (3, 'three')`);
    await reader.next();
    expect(reader.values).toEqual([['3']]);
  });

  test('once for all that one transaction did, and with all tables that it changed', async () => {
    using reader = await begun('SELECT (SELECT count(*) FROM room), (SELECT count(*) FROM msg)');
    await world.sql(`BEGIN; INSERT INTO room VALUES (3, 'three'); INSERT INTO msg (body) VALUES ('x'), ('y'); COMMIT`);
    expect(await reader.next()).toMatchObject({ cause: ['public.msg', 'public.room'] });
    expect(reader.values).toEqual([['3', '5']]);
  });

  test('at once where a row is added to a table without a key, and soon where one is gone', async () => {
    using reader = read('SELECT n FROM bare ORDER BY n');
    await reader.next();
    await world.sql('INSERT INTO bare VALUES (1), (2)');
    await reader.until((values) => values.length === 2);
    // It is asked for meanwhile, too: one of them is told before it is found.
    let told = await add(reader, 3);
    for (let n = 4; told.cause.length === 0; n++) told = await add(reader, n);
    expect(told).toMatchObject({
      cause: ['public.bare'],
      polled: [expect.stringMatching(/^Not all changes of public\.bare are told/)],
    });
    await world.sql('DELETE FROM bare WHERE n = 1');
    expect(await reader.next()).toMatchObject({ cause: [], removed: [expect.any(String)] });
  });

  test('only when it is one: not what is undone, and not what leaves the answer as it was', async () => {
    using reader = await begun('SELECT id FROM msg ORDER BY id');
    const { runs } = world.live.counts();
    await world.sql(`BEGIN; INSERT INTO msg (body) VALUES ('x'); ROLLBACK`);
    await world.sql(`UPDATE msg SET body = 'other' WHERE id = 1`);
    await world.sql('DELETE FROM msg WHERE id = 3');
    expect(await reader.next()).toMatchObject({ version: 2, removed: ['["3"]'] });
    expect(world.live.counts().runs).toBeGreaterThan(runs);
  });

  test('of rows that the query leaves out is not even looked at', async () => {
    using room = await begun({ sql: 'SELECT id FROM msg WHERE room_id = $1 ORDER BY id', parameters: ['1'] });
    using one = await begun('SELECT body FROM msg WHERE id = 1');
    const { runs, early } = world.live.counts();
    for (let i = 0; i < 20; i++) {
      await world.sql('INSERT INTO msg (room_id) VALUES (2)');
      await sleep(10);
    }
    await world.sql('INSERT INTO msg (room_id) VALUES (1)');
    await room.next();
    expect(room.values).toEqual([[1], [2], [24]]);
    // Only of its key is it known what it was before.
    await world.sql(`UPDATE msg SET body = 'other', room_id = 2 WHERE id = 2`);
    expect(await room.next()).toMatchObject({ removed: ['["2"]'] });
    await world.sql(`UPDATE msg SET body = 'mine' WHERE id = 1`);
    await one.next();
    expect(one.values).toEqual([['mine']]);
    await room.leave();
    const now = world.live.counts();
    // Three of the room, whose rows may all have been in it, and one of the row.
    expect(now.runs - now.early - (runs - early)).toBeLessThanOrEqual(4);
  });

  test('by its columns, when they are others', async () => {
    await world.sql(
      'DROP TABLE IF EXISTS shape; CREATE TABLE shape (id int PRIMARY KEY); INSERT INTO shape VALUES (1)',
    );
    using reader = await begun('SELECT * FROM shape');
    await world.sql(`ALTER TABLE shape ADD COLUMN note text DEFAULT 'x'; INSERT INTO shape VALUES (2)`);
    await reader.until((values) => values.length === 2);
    expect(reader.values).toEqual([
      [1, 'x'],
      [2, 'x'],
    ]);
  });

  test('also when a view begins to show something else', async () => {
    await world.sql('CREATE OR REPLACE VIEW swapped AS SELECT id FROM msg');
    using reader = await begun('SELECT count(*) FROM swapped');
    const { followed } = world;
    await world.sql('CREATE OR REPLACE VIEW swapped AS SELECT id FROM room');
    await reader.until((rows) => rows[0]?.[0] === '2');
    await world.untilFollowed(followed + 1);
    await world.sql(`INSERT INTO room VALUES (3, 'three')`);
    await reader.until((rows) => rows[0]?.[0] === '3');
  });
});

describe('rows are known', () => {
  test('by columns that are named', async () => {
    using reader = await begun({
      sql: 'SELECT body, count(*) AS times FROM shown GROUP BY body, name ORDER BY 1',
      key: ['body'],
    });
    expect(reader.rows.map(({ key }) => key)).toEqual(['["a"]', '["b"]', '["c"]']);
    await world.sql(`INSERT INTO msg (room_id, body) VALUES (1, 'a')`);
    expect(await reader.next()).toMatchObject({ removed: [], upserted: [{ index: 0, row: { key: '["a"]' } }] });
  });

  test('by all of them where nothing else is known; those that are alike are told apart', async () => {
    using reader = read('SELECT n FROM bare ORDER BY n');
    await reader.next();
    await world.sql('INSERT INTO bare VALUES (1), (1), (2)');
    await reader.until((values) => values.length === 3);
    expect(new Set(reader.rows.map(({ key }) => key)).size).toBe(3);
    await world.sql('DELETE FROM bare WHERE ctid = (SELECT min(ctid) FROM bare WHERE n = 1)');
    await reader.until((values) => values.length === 2);
    expect(reader.values).toEqual([[1], [2]]);
  });

  test('by no column that is not there, or twice', async () => {
    const faults = await Promise.all(
      ['nothing', 'id'].map((key) =>
        failure(read({ sql: 'SELECT id, id FROM msg', key: [key] }).next(), 'BAD_USER_INPUT'),
      ),
    );
    expect(faults.map(pathsOf)).toEqual([['key'], ['key']]);
  });
});

describe('what changes by itself', () => {
  test('is asked for again and again, and says why', async () => {
    using reader = read('SELECT now()');
    expect((await reader.next()).polled).toEqual(['now() changes with time']);
    expect(await reader.next()).toMatchObject({ cause: [], upserted: [{ index: 0 }] });
    await reader.next();
  });

  test('is told at once where it is a change of a table all the same', async () => {
    using reader = await begun('SELECT id FROM msg WHERE now() IS NOT NULL ORDER BY id');
    await world.sql('DELETE FROM msg WHERE id = 1');
    expect(await reader.next()).toMatchObject({ removed: ['["1"]'], polled: ['now() changes with time'] });
  });

  test('and what cannot be looked into, is found all the same', async () => {
    using reader = read('SELECT hidden()');
    expect((await reader.next()).polled).toEqual(['what public.hidden() reads is not known']);
    await world.sql(`INSERT INTO room VALUES (3, 'three')`);
    expect(await reader.next()).toMatchObject({ cause: [] });
    expect(reader.values).toEqual([['3']]);
  });
});
