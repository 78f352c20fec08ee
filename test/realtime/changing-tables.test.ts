/** Tables that become others while they are followed, quiet ones, and readers who come and go at the same time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure } from '../databases/world.ts';
import { createStage, type Stage } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await createStage(
    `CREATE TABLE places (id int, region text) PARTITION BY LIST (region);
     CREATE TABLE places_north PARTITION OF places FOR VALUES IN ('north')`,
    {
      hub: { rights: { refreshMs: 50 }, lingerMs: 300, feed: { checkMs: 100 } },
      changes: { quietMs: 50, readersOfViewer: 20 },
    },
  );
});
afterAll(async () => stage?.[Symbol.asyncDispose]());

const follow = (table: string, more: object = {}) => stage.read([{ table, ...more }]).begun();

describe('a table', () => {
  test('that is renamed is told of under its new name', async () => {
    await stage.sql('CREATE TABLE old_name (id int PRIMARY KEY)');
    const reader = await follow('old_name');
    await stage.sql('INSERT INTO old_name VALUES (1); ALTER TABLE old_name RENAME TO new_name');
    await stage.sql('INSERT INTO new_name VALUES (2)');
    const changes = await reader.take(2);
    expect(changes.map(({ table }) => table.name)).toEqual(['old_name', 'new_name']);
    expect(changes[0]!.tableId).not.toBe(changes[1]!.tableId);
  });

  test('that is dropped ends who follows it', async () => {
    await stage.sql('CREATE TABLE short_lived (id int PRIMARY KEY)');
    const reader = await follow('short_lived');
    const ended = reader.take(Number.POSITIVE_INFINITY).catch((error: { code: string }) => error.code);
    await stage.sql('DROP TABLE short_lived');
    expect(['NOT_FOUND', 'UNSUPPORTED']).toContain(await ended);
  });

  test('that loses its key tells of INSERTs alone, and ends who wants more, with the reason', async () => {
    await stage.sql('CREATE TABLE keyed (id int PRIMARY KEY)');
    const [all, inserts] = [await follow('keyed'), await follow('keyed', { events: ['INSERT'] })];
    await stage.sql('ALTER TABLE keyed DROP CONSTRAINT keyed_pkey');
    const error = await failure(all.take(Number.POSITIVE_INFINITY), 'UNSUPPORTED');
    expect(error.message).toMatch(/public\.keyed/);
    await stage.sql('UPDATE keyed SET id = 2; DELETE FROM keyed; INSERT INTO keyed VALUES (77)');
    expect((await inserts.take(1)).map((change) => change.new)).toEqual([{ id: 77 }]);
  });

  describe('of which not all was told for a while ends who took nothing meanwhile', () => {
    /** Not all is told of it from now on, and that is known. */
    async function untold(table: string, how: string): Promise<void> {
      const noticed = await follow(table);
      await stage.sql(how);
      await failure(noticed.take(Number.POSITIVE_INFINITY), 'UNSUPPORTED');
    }

    /** Comes as often as it takes. */
    async function toldAgain(table: string): Promise<void> {
      for (;;) {
        const error = await follow(table).catch((cause: { code: string }) => cause);
        if (!('code' in error)) return;
        expect(error.code).toBe('UNSUPPORTED');
        await sleep(20);
      }
    }

    test('where it lost its key and has one again; who wants INSERTs alone goes on', async () => {
      await stage.sql('CREATE TABLE rekeyed (id int PRIMARY KEY); INSERT INTO rekeyed VALUES (1)');
      const [all, inserts] = [await follow('rekeyed'), await follow('rekeyed', { events: ['INSERT'] })];
      await untold('rekeyed', 'ALTER TABLE rekeyed DROP CONSTRAINT rekeyed_pkey');
      await stage.sql('UPDATE rekeyed SET id = 2; ALTER TABLE rekeyed ADD PRIMARY KEY (id)');
      await toldAgain('rekeyed');
      const error = await failure(all.take(Number.POSITIVE_INFINITY), 'POSITION_LOST');
      expect(error.message).toMatch(/public\.rekeyed .* not all of it was told for a while/);
      await stage.sql('INSERT INTO rekeyed VALUES (3)');
      expect((await inserts.take(1)).map((change) => change.new)).toEqual([{ id: 3 }]);
    });

    test('where somebody stopped it, and somebody else began to follow it anew', async () => {
      await stage.sql('CREATE TABLE stopped (id int PRIMARY KEY)');
      const [all, inserts] = [await follow('stopped'), await follow('stopped', { events: ['INSERT'] })];
      const { rows } = await stage.sql(`SELECT pubname FROM pg_publication_tables WHERE tablename = 'stopped'`);
      await untold('stopped', `ALTER PUBLICATION "${rows[0].pubname}" DROP TABLE stopped`);
      await stage.sql('INSERT INTO stopped VALUES (1)');
      await toldAgain('stopped');
      for (const reader of [all, inserts]) {
        const error = await failure(reader.take(Number.POSITIVE_INFINITY), 'POSITION_LOST');
        expect(error.message).toMatch(/public\.stopped .* it was not followed all the time/);
      }
    });
  });

  test('whose filtered column becomes another ends who filters by it', async () => {
    await stage.sql('CREATE TABLE typed (id int PRIMARY KEY, size int)');
    const reader = await follow('typed', { where: { column: 'size', eq: 1 } });
    await stage.sql('ALTER TABLE typed ALTER size TYPE text');
    // Not by the next batch alone: that may be one of those that say where a quiet reader is.
    const error = failure(reader.take(1), 'CONFLICT');
    await stage.sql(`INSERT INTO typed VALUES (1, '1')`);
    expect((await error).message).toMatch(/size/);
  });

  test('that is partitioned is told of as a whole', async () => {
    const reader = await follow('places', { events: ['INSERT', 'TRUNCATE'], where: { column: 'region', eq: 'north' } });
    await stage.sql(`INSERT INTO places VALUES (1, 'north')`);
    expect((await reader.take(1))[0]).toMatchObject({ table: { name: 'places' }, new: { id: 1, region: 'north' } });
  });
});

test('a quiet reader is told where he is, further on each time, and can go on from there', async () => {
  await stage.sql('CREATE TABLE quiet (id int PRIMARY KEY); CREATE TABLE loud (id serial PRIMARY KEY)');
  const [reader, other] = [await follow('quiet'), await follow('loud')];
  const first = await reader.next();
  expect(first.changes).toEqual([]);
  await stage.sql('INSERT INTO loud SELECT FROM generate_series(1, 10)');
  await other.take(10);
  const later = await reader.next();
  expect(later.changes).toEqual([]);
  expect(later.position > first.position).toBe(true);
  await stage.sql('INSERT INTO quiet VALUES (1)');
  const again = stage.read([{ table: 'quiet' }], { after: later.position });
  expect((await again.take(1))[0]!.new).toEqual({ id: 1 });
});

test('readers who come at the same time share one feed, also when the first of them leaves while it opens', async () => {
  await stage.leave();
  while (stage.hub.status(stage.database.id) !== null) await new Promise((resolve) => setTimeout(resolve, 20));
  await stage.sql('CREATE TABLE busy (id serial PRIMARY KEY)');
  const first = stage.read([{ table: 'busy' }]);
  const begun = first.next().catch(() => undefined);
  const others = Array.from({ length: 8 }, () => stage.read([{ table: 'busy' }]));
  const all = others.map((reader) => reader.next());
  await first.stop();
  await Promise.all([begun, ...all]);
  await stage.sql('INSERT INTO busy DEFAULT VALUES');
  for (const reader of others) expect((await reader.take(1))[0]!.new).toEqual({ id: 1 });
  const { rows } = await stage.sql('SELECT count(*) FROM pg_replication_slots WHERE database = current_database()');
  expect(rows[0].count).toBe('1');
  expect(stage.hub.status(stage.database.id)).toMatchObject({ tables: 1, readers: 8 });
});

test('one user has only so many streams', async () => {
  await stage.leave();
  await stage.sql('CREATE TABLE popular (id int PRIMARY KEY)');
  await Promise.all(Array.from({ length: 20 }, () => follow('popular')));
  const { details } = await failure(follow('popular'), 'LIMIT_EXCEEDED');
  expect(details).toEqual({ limit: 20, actual: 21 });
  await stage.leave();
  await follow('popular');
});
