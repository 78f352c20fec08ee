/** Whatever is done to tables, and in whatever order: in the end every reader has what a SELECT gives. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createLiveWorld, LiveReader, type LiveWorld } from './live-world.ts';
import { random } from './random.ts';

let world: LiveWorld;
let owner: Viewer;
let databaseId: string;

beforeAll(async () => {
  world = await createLiveWorld({
    sql: `
      CREATE TABLE room (id int PRIMARY KEY, name text);
      CREATE TABLE msg (id int PRIMARY KEY, room_id int, body text, place int);
      CREATE TABLE whole (id int, room_id int, n int);
      ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE part (id int, k int, n int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
      CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
      CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
      CREATE VIEW shown AS SELECT m.id, m.body, m.room_id, r.name FROM msg m LEFT JOIN room r ON r.id = m.room_id;
      INSERT INTO room SELECT i, 'room ' || i FROM generate_series(0, 4) i;
      INSERT INTO msg SELECT i, i % 6, 'body ' || i % 7, i % 5 FROM generate_series(1, 40) i;
      INSERT INTO whole SELECT i, i % 5, i FROM generate_series(1, 20) i;
      INSERT INTO part SELECT i, i % 2, i FROM generate_series(1, 20) i;`,
    limits: { windowMs: 1 },
  });
  owner = await world.person();
  databaseId = await world.connect(owner);
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const queries: readonly (readonly [sql: string, parameters?: readonly unknown[]])[] = [
  ['SELECT * FROM msg ORDER BY place, id'],
  ['SELECT id, body FROM msg WHERE room_id = $1 ORDER BY body DESC, id', [3]],
  ['SELECT * FROM shown WHERE room_id = 2 ORDER BY id'],
  [`SELECT * FROM shown WHERE name = 'room 1' AND body = 'body 3' ORDER BY id`],
  ['SELECT body FROM msg WHERE id = 7'],
  ['SELECT room_id, count(*), max(body) FROM msg GROUP BY room_id ORDER BY room_id NULLS FIRST'],
  ['SELECT id FROM msg ORDER BY place DESC NULLS LAST, id LIMIT 5'],
  ['SELECT DISTINCT body FROM msg WHERE room_id = 1 ORDER BY body'],
  ['SELECT id, row_number() OVER (ORDER BY place, id) FROM msg WHERE room_id = 4 ORDER BY id'],
  ['SELECT n FROM whole WHERE room_id = 2 ORDER BY n, id'],
  ['SELECT w.id, m.id FROM whole w JOIN msg m ON m.room_id = w.room_id WHERE w.room_id = 3 ORDER BY 1, 2'],
  ['SELECT r.id, m.id FROM room r LEFT JOIN msg m ON m.room_id = r.id AND m.place = 1 WHERE r.id = 2 ORDER BY 2'],
  ['SELECT * FROM part WHERE id = 5 ORDER BY k'],
  ['SELECT * FROM part_1 ORDER BY id'],
  ['SELECT id FROM msg WHERE room_id = 0 UNION ALL SELECT id FROM whole WHERE room_id = 0 ORDER BY 1'],
  ['SELECT count(*) FROM msg m WHERE m.room_id = 1 AND EXISTS (SELECT FROM msg x WHERE x.room_id = m.place)'],
];

/** One statement, or a few in a transaction. */
function change(next: () => number): string {
  const upTo = (max: number) => Math.floor(next() * max);
  const room = () => (next() < 0.1 ? 'NULL' : upTo(6));
  const id = () => 1 + upTo(60);
  const one: readonly (() => string)[] = [
    () => `INSERT INTO msg VALUES (${id()}, ${room()}, 'body ${upTo(7)}', ${upTo(5)}) ON CONFLICT DO NOTHING`,
    () => `UPDATE msg SET body = 'body ${upTo(7)}' WHERE id = ${id()}`,
    () => `UPDATE msg SET room_id = ${room()} WHERE id = ${id()}`,
    () => `UPDATE msg SET place = ${upTo(5)} WHERE room_id = ${upTo(6)}`,
    () => `UPDATE msg SET id = id + 100 WHERE id = ${id()} AND id < 100`,
    () => `UPDATE msg SET id = id - 100 WHERE id > 100 AND NOT EXISTS (SELECT FROM msg x WHERE x.id = msg.id - 100)`,
    () => `DELETE FROM msg WHERE id = ${id()}`,
    () => `UPDATE room SET name = 'room ${upTo(5)}' WHERE id = ${upTo(5)}`,
    () => `DELETE FROM room WHERE id = ${upTo(5)}`,
    () => `INSERT INTO room VALUES (${upTo(5)}, 'room ${upTo(5)}') ON CONFLICT DO NOTHING`,
    () => `INSERT INTO whole VALUES (${id()}, ${room()}, ${upTo(9)})`,
    () => `UPDATE whole SET room_id = ${room()} WHERE id = ${id()}`,
    () => `UPDATE whole SET n = n + 1 WHERE room_id = ${upTo(6)}`,
    () => `DELETE FROM whole WHERE id = ${id()}`,
    () => `INSERT INTO part VALUES (${id()}, ${upTo(2)}, 1) ON CONFLICT DO NOTHING`,
    () => `UPDATE part SET n = n + 1 WHERE id = ${id()}`,
    () =>
      `UPDATE part SET k = 1 WHERE k = 0 AND id = ${id()} AND NOT EXISTS (SELECT FROM part x WHERE x.id = part.id AND x.k = 1)`,
    () => `DELETE FROM part WHERE id = ${id()}`,
  ];
  const any = () => one[upTo(one.length)]!();
  const dice = next();
  if (dice < 0.02) return 'TRUNCATE whole';
  if (dice < 0.2) return `BEGIN; ${any()}; ${any()}; ${any()}; ${next() < 0.3 ? 'ROLLBACK' : 'COMMIT'}`;
  return any();
}

test('every reader has in the end what a SELECT gives', async () => {
  const readers = queries.map(([sql, parameters = []]) => ({
    sql,
    parameters,
    reader: new LiveReader(world, owner, databaseId, { sql, parameters }),
  }));
  await Promise.all(readers.map(({ reader }) => reader.next()));
  const next = random(18);
  for (let round = 0; round < 150; round++) {
    const script = Array.from({ length: 1 + Math.floor(next() * 4) }, () => change(next));
    for (const sql of script) await world.sql(sql);
    for (const { sql, parameters, reader } of readers) {
      const { rows } = await world.target.client.query({ text: sql, values: [...parameters], rowMode: 'array' });
      const wanted = JSON.stringify(rows);
      await reader.until((values) => JSON.stringify(values) === wanted);
      expect(reader.rows.map(({ key }) => key)).toHaveLength(new Set(reader.rows.map(({ key }) => key)).size);
    }
  }
  await Promise.all(readers.map(({ reader }) => reader.leave()));
});
