/** Committed changes of rows as a stream of one process: what is told, in which order, and from where. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GroupBatch, RowChange } from '../../src/realtime/reader-group.ts';
import type { RowFilterInput } from '../../src/rows/row-filter.ts';
import { failure } from '../databases/world.ts';
import { type Asking, createStage, type Stage, type Table, told } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await createStage(
    `
    CREATE TABLE rooms (id int PRIMARY KEY, name text, open boolean DEFAULT true);
    CREATE TABLE guests (id bigint PRIMARY KEY, room int, note text);
    CREATE TABLE whole (id int PRIMARY KEY, room int, note text);
    ALTER TABLE whole REPLICA IDENTITY FULL;
    CREATE TABLE names (id int PRIMARY KEY, name text, open boolean DEFAULT true);
    CREATE TABLE places (id int PRIMARY KEY, room int);
    CREATE TABLE gifts (id int PRIMARY KEY);
    CREATE TABLE logs (line text);
    CREATE VIEW open_rooms AS SELECT * FROM rooms WHERE open;
  `,
    { hub: { feed: { checkMs: 100 } } },
  );
});
afterAll(async () => stage?.[Symbol.asyncDispose]());

const begin = async (tables: readonly Table[], asking: Asking = {}) => stage.read(tables, asking).begun();

describe('what is told', () => {
  test('every committed change of a row comes with its values as cells, and nothing that was rolled back', async () => {
    const reader = await begin([{ table: 'rooms' }]);
    await stage.sql(`INSERT INTO rooms VALUES (1, 'red')`);
    await stage.sql(`BEGIN; INSERT INTO rooms VALUES (2, 'none'); ROLLBACK`);
    await stage.sql(`UPDATE rooms SET open = false WHERE id = 1`);
    await stage.sql(`UPDATE rooms SET id = 3 WHERE id = 1`);
    await stage.sql(`DELETE FROM rooms`);
    await stage.sql(`TRUNCATE rooms`);
    const changes = await reader.take(5);
    expect(changes.map(told)).toEqual([
      { event: 'INSERT', table: 'rooms', old: null, new: { id: 1, name: 'red', open: true } },
      { event: 'UPDATE', table: 'rooms', old: null, new: { id: 1, name: 'red', open: false } },
      { event: 'UPDATE', table: 'rooms', old: { id: 1 }, new: { id: 3, name: 'red', open: false } },
      { event: 'DELETE', table: 'rooms', old: { id: 3 }, new: null },
      { event: 'TRUNCATE', table: 'rooms', old: null, new: null },
    ]);
    const positions = changes.map(({ position }) => position);
    expect([...positions].sort()).toEqual(positions);
    expect(new Set(positions).size).toBe(5);
    expect(new Set(changes.map(({ transactionId }) => transactionId)).size).toBe(5);
  });

  test('tables come in one order of commits, and the changes of a transaction share its number and time', async () => {
    const reader = await begin([{ table: 'rooms' }, { table: 'guests' }]);
    await stage.sql(
      `BEGIN; INSERT INTO guests VALUES (9007199254740993, 1, 'a'); INSERT INTO rooms VALUES (7, 'blue'); COMMIT`,
    );
    await stage.sql('TRUNCATE rooms, guests');
    const changes = await reader.take(4);
    expect(changes.slice(0, 2).map(told)).toEqual([
      { event: 'INSERT', table: 'guests', old: null, new: { id: '9007199254740993', room: 1, note: 'a' } },
      { event: 'INSERT', table: 'rooms', old: null, new: { id: 7, name: 'blue', open: true } },
    ]);
    expect(changes[0]!.transactionId).toBe(changes[1]!.transactionId);
    expect(changes[0]!.committedAt).toEqual(changes[1]!.committedAt);
    expect(
      changes
        .slice(2)
        .map(({ event, table }) => `${event} ${table.name}`)
        .sort(),
    ).toEqual(['TRUNCATE guests', 'TRUNCATE rooms']);
    expect(new Set(changes.map(({ position }) => position)).size).toBe(4);
  });

  test('what changed and what is not repeated is named', async () => {
    const large = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i)`;
    await stage.sql(`INSERT INTO guests VALUES (1, 1, ${large}); INSERT INTO whole VALUES (1, 1, ${large})`);
    const reader = await begin([{ table: 'guests' }, { table: 'whole' }]);
    await stage.sql('UPDATE guests SET room = 2 WHERE id = 1; UPDATE whole SET room = 2 WHERE id = 1');
    const [partly, whole] = await reader.take(2);
    expect(partly).toMatchObject({
      changedColumns: ['room'],
      unchangedColumns: ['note'],
      old: null,
      new: { id: '1', room: 2 },
    });
    expect(partly!.new).not.toHaveProperty('note');
    expect(whole).toMatchObject({ changedColumns: ['room'], unchangedColumns: [], old: { room: 1 }, new: { room: 2 } });
    expect(whole!.new!.note).toBe(whole!.old!.note);
  });

  test('columns and events are those that were asked for', async () => {
    const reader = await begin([{ table: 'whole', columns: ['room'], events: ['UPDATE', 'TRUNCATE'] }]);
    await stage.sql(`INSERT INTO whole VALUES (5, 1, 'x'); UPDATE whole SET note = 'y', room = 2 WHERE id = 5`);
    await stage.sql('DELETE FROM whole WHERE id = 5; TRUNCATE whole');
    const changes = await reader.take(2);
    expect(changes.map(told)).toEqual([
      { event: 'UPDATE', table: 'whole', old: { room: 1 }, new: { room: 2 } },
      { event: 'TRUNCATE', table: 'whole', old: null, new: null },
    ]);
    expect(changes[0]!.changedColumns).toEqual(['room']);
    expect(changes[0]!.key).not.toBeNull();
  });

  test('a row has the same key in all of its changes, and one of a table without a key has none', async () => {
    const reader = await begin([{ table: 'guests' }, { table: 'logs', events: ['INSERT', 'TRUNCATE'] }]);
    await stage.sql(`INSERT INTO guests VALUES (77, 1, 'a'); UPDATE guests SET note = 'b' WHERE id = 77`);
    await stage.sql(`DELETE FROM guests WHERE id = 77; INSERT INTO logs VALUES ('x')`);
    const keys = (await reader.take(4)).map(({ key }) => key);
    expect(keys[0]).toEqual(expect.any(String));
    expect(keys).toEqual([keys[0], keys[0], keys[0], null]);
  });

  test('a batch has no more changes than were asked for, and a transaction goes on in the next', async () => {
    const reader = stage.read([{ table: 'whole' }]);
    const { position } = await reader.next();
    await stage.sql(`INSERT INTO whole SELECT i, i FROM generate_series(1000, 1024) i`);
    const changes = await reader.take(25);
    const again = stage.read([{ table: 'whole' }], { after: position, batchSize: 10 });
    const batches = [await again.next(), await again.next(), await again.next()];
    expect(batches.map((batch) => batch.changes.length)).toEqual([10, 10, 5]);
    expect(batches.flatMap((batch) => batch.changes.map((change) => change.position))).toEqual(
      changes.map((change) => change.position),
    );
  });

  test('a table that gets another column tells it from then on', async () => {
    await stage.sql('CREATE TABLE growing (id int PRIMARY KEY, a text)');
    const reader = await begin([{ table: 'growing' }]);
    await stage.sql(`INSERT INTO growing VALUES (1, 'x'); ALTER TABLE growing ADD COLUMN b numeric DEFAULT 1.50`);
    await stage.sql(`INSERT INTO growing VALUES (2, 'y'); ALTER TABLE growing DROP COLUMN a`);
    await stage.sql(`INSERT INTO growing VALUES (3, 2.0)`);
    expect((await reader.take(3)).map((change) => change.new)).toEqual([
      { id: 1, a: 'x' },
      { id: 2, a: 'y', b: '1.50' },
      { id: 3, b: '2.0' },
    ]);
  });
});

describe('a filter', () => {
  const filtered = (where: RowFilterInput, table = 'whole') => begin([{ table, where }]);

  test('is entered by an INSERT and left by a DELETE, and says nothing of rows outside', async () => {
    const reader = await filtered({ column: 'room', eq: 3 });
    await stage.sql(`INSERT INTO whole VALUES (21, 1, 'a'), (22, 3, 'b')`);
    await stage.sql(`UPDATE whole SET room = 3 WHERE id = 21`);
    await stage.sql(`UPDATE whole SET note = 'c' WHERE id = 21`);
    await stage.sql(`UPDATE whole SET room = 4 WHERE id = 22`);
    await stage.sql(`DELETE FROM whole WHERE id = 22`);
    await stage.sql(`DELETE FROM whole WHERE id = 21; TRUNCATE whole`);
    expect((await reader.take(6)).map(({ event, old, new: now }) => [event, old?.id ?? null, now?.id ?? null])).toEqual(
      [
        ['INSERT', null, 22],
        ['INSERT', null, 21],
        ['UPDATE', 21, 21],
        ['DELETE', 22, null],
        ['DELETE', 21, null],
        ['TRUNCATE', null, null],
      ],
    );
  });

  test('tells a DELETE where it is not known whether the row was inside, and an UPDATE where it is now', async () => {
    await stage.sql(`INSERT INTO names VALUES (30, 'inside'), (31, 'outside')`);
    const reader = await filtered({ column: 'name', like: 'in%' }, 'names');
    await stage.sql(`UPDATE names SET open = false WHERE id IN (30, 31)`);
    await stage.sql(`UPDATE names SET name = 'gone' WHERE id = 30; DELETE FROM names WHERE id = 31`);
    const changes = await reader.take(4);
    expect(changes.map(({ event }) => event)).toEqual(['UPDATE', 'DELETE', 'DELETE', 'DELETE']);
    expect(changes[2]).toMatchObject({ old: { id: 30 }, new: null });
  });

  test('two readers with different filters are told each their own, and those with the same one are given the same', async () => {
    const [one, two, alike] = await Promise.all([
      filtered({ column: 'room', in: [1, 2] }),
      filtered({ and: [{ column: 'room', gte: 2 }, { not: { column: 'note', isNull: true } }] }),
      filtered({ column: 'room', in: [1, 2] }),
    ]);
    await stage.sql(`BEGIN; INSERT INTO whole VALUES (41, 1, 'a'), (42, 2, NULL), (43, 3, 'c'); COMMIT`);
    expect((await one.take(2)).map(({ new: now }) => now!.id)).toEqual([41, 42]);
    expect((await two.take(1)).map(({ new: now }) => now!.id)).toEqual([43]);
    const [first] = await alike.take(2);
    expect(first!.new).toMatchObject({ id: 41 });
    await stage.sql('DELETE FROM whole');
  });
});

describe('a position', () => {
  test('resumes right behind it, also inside of a transaction', async () => {
    const reader = await begin([{ table: 'places' }]);
    await stage.sql(`INSERT INTO places SELECT i, i FROM generate_series(61, 65) i`);
    await stage.sql(`INSERT INTO places VALUES (66, 66)`);
    const changes = await reader.take(6);
    for (const [place, { position }] of changes.entries()) {
      const again = stage.read([{ table: 'places' }], { after: position });
      expect((await again.take(5 - place)).map((change) => change.new!.id)).toEqual(
        changes.slice(place + 1).map((change) => change.new!.id),
      );
      await again.stop();
    }
  });

  test('from before rows came or went with a partition is lost, and whoever reads is told so', async () => {
    await stage.sql(`CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
                     CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (0) TO (10)`);
    const reader = stage.read([{ table: 'parted' }]);
    const other = await begin([{ table: 'rooms' }]);
    const { position } = await reader.next();
    await stage.sql('TRUNCATE parted_0');
    await failure(reader.next(), 'POSITION_LOST');
    await failure(stage.read([{ table: 'parted' }], { after: position }).next(), 'POSITION_LOST');
    const again = await begin([{ table: 'parted' }]);
    await stage.sql('INSERT INTO parted VALUES (1); INSERT INTO rooms VALUES (90)');
    expect(await again.take(1)).toMatchObject([{ event: 'INSERT', new: { id: 1 } }]);
    expect(await other.take(1)).toMatchObject([{ event: 'INSERT', new: { id: 90 } }]);
  });

  test('of a first batch has everything behind it that is committed from then on', async () => {
    const first = await stage.read([{ table: 'guests' }]).next();
    expect(first.changes).toEqual([]);
    await stage.sql(`INSERT INTO guests VALUES (101, 1, 'later')`);
    const again = stage.read([{ table: 'guests' }], { after: first.position });
    expect((await again.take(1))[0]!.new).toMatchObject({ id: '101' });
  });

  test.each([
    ['of nothing', 'x'],
    ['of another database', 'f'.repeat(8)],
  ])('%s is refused', async (_what, begin) => {
    const { position } = await stage.read([{ table: 'guests' }]).next();
    const error = await failure(
      stage.read([{ table: 'guests' }], { after: begin + position.slice(begin.length) }).next(),
      'BAD_USER_INPUT',
    );
    expect(error.details).toEqual({ fields: [{ path: 'after', message: 'not a position of this stream' }] });
  });

  test('of another feed, or from before a table was followed, is lost', async () => {
    const { position } = await stage.read([{ table: 'guests' }]).next();
    const other = position.slice(0, 8) + '0'.repeat(16) + position.slice(24);
    await failure(stage.read([{ table: 'guests' }], { after: other }).next(), 'POSITION_LOST');
    await stage.sql('CREATE TABLE late (id int PRIMARY KEY)');
    await stage.sql(`INSERT INTO guests VALUES (201, 1, 'x')`);
    await failure(stage.read([{ table: 'late' }], { after: position }).next(), 'POSITION_LOST');
  });
});

describe('a reader who can be given what comes', () => {
  test('has each change once and in order, whether he is given it or comes for it', async () => {
    const given: RowChange[] = [];
    let takes = false;
    let wake = () => {};
    const give = ({ changes }: GroupBatch) => {
      if (takes) given.push(...changes);
      wake();
      return takes;
    };
    const heard = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    const reader = await begin([{ table: 'gifts' }], { give });
    const insert = async (id: number) => {
      const asked = heard();
      await stage.sql('INSERT INTO gifts VALUES ($1)', [id]);
      await asked;
    };
    await stage.sql('INSERT INTO gifts VALUES (0)');
    await reader.take(1);
    takes = true;
    const coming = reader.next();
    await insert(1);
    await insert(2);
    takes = false;
    await insert(3);
    const came = (await coming).changes;
    await stage.sql('INSERT INTO gifts VALUES (4)');
    const later = await reader.take(1);
    takes = true;
    void reader.next().catch(() => undefined);
    await insert(5);
    expect(given.map((change) => change.new)).toEqual([{ id: 1 }, { id: 2 }, { id: 5 }]);
    expect([...came, ...later].map((change) => change.new)).toEqual([{ id: 3 }, { id: 4 }]);
    const again = stage.read([{ table: 'gifts' }], { after: given[1]!.position });
    expect((await again.take(3)).map((change) => change.new)).toEqual([{ id: 3 }, { id: 4 }, { id: 5 }]);
  });
});

describe('what cannot be followed is said:', () => {
  test.each<[string, readonly Table[], Asking, string, string?]>([
    ['no tables', [], {}, 'BAD_USER_INPUT', 'tables'],
    ['a table twice', [{ table: 'rooms' }, { table: 'rooms' }], {}, 'BAD_USER_INPUT', 'tables[1].tableId'],
    ['no events', [{ table: 'rooms', events: [] }], {}, 'BAD_USER_INPUT', 'tables[0].events'],
    ['an unknown column', [{ table: 'rooms', columns: ['id', 'size'] }], {}, 'BAD_USER_INPUT', 'tables[0].columns[1]'],
    [
      'a filter on it',
      [{ table: 'rooms', where: { column: 'size', eq: 1 } }],
      {},
      'BAD_USER_INPUT',
      'tables[0].where.column',
    ],
    ['a batch of nothing', [{ table: 'rooms' }], { batchSize: 0 }, 'BAD_USER_INPUT', 'batchSize'],
    ['a table that is not there', [{ table: 'nowhere' }], {}, 'NOT_FOUND'],
    ['a view', [{ table: 'open_rooms' }], {}, 'UNSUPPORTED'],
    ['updates of a table without a key', [{ table: 'logs' }], {}, 'UNSUPPORTED'],
    ['anything for nobody', [{ table: 'rooms' }], { viewer: null }, 'UNAUTHENTICATED'],
    [
      'a database that is not there',
      [{ table: 'rooms' }],
      { databaseId: '00000000-0000-7000-8000-000000000000' },
      'NOT_FOUND',
    ],
  ])('%s', async (_what, tables, asking, code, path) => {
    const error = await failure(stage.read(tables, asking).next(), code as 'NOT_FOUND');
    if (path !== undefined) expect(error.details).toMatchObject({ fields: [{ path }] });
  });

  test('somebody else’s database', async () => {
    const stranger = await stage.world.person();
    await failure(stage.read([{ table: 'rooms' }], { viewer: stranger }).next(), 'NOT_FOUND');
  });
});
