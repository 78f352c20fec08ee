/** Commits as who keeps an answer live is told of them: once each, in order, over feeds that are lost. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Commit, createWatching } from '../../src/realtime/watching.ts';
import { failure } from '../databases/world.ts';
import { silent } from '../support/metadata.ts';
import { createStage, type Stage } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await createStage(
    `
    CREATE TABLE rooms (id int PRIMARY KEY, name text);
    CREATE TABLE guests (id int PRIMARY KEY, room int);
    CREATE TABLE others (id int PRIMARY KEY);
    CREATE TABLE logs (line text);
    CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (0) TO (10);
  `,
    { hub: { feed: { checkMs: 100 } } },
  );
});
afterAll(async () => stage?.[Symbol.asyncDispose]());

const named = (...names: string[]) => names.map((name) => ({ schema: 'public', name }));

/** What is told, one after the other. */
const watch = (...tables: string[]) => watchLeast('ALL', ...tables);

async function watchLeast(least: 'ALL' | 'INSERTS', ...tables: string[]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const events: (Commit | 'gap' | 'reshaped' | Error)[] = [];
  let wake = resolve;
  let waiting = promise;
  const tell = (event: Commit | 'gap' | 'reshaped' | Error) => {
    events.push(event);
    wake();
  };
  const stop = new AbortController();
  const watching = createWatching({ hub: stage.hub, log: silent, limits: { retryMs: 20 } });
  const watcher = {
    committed: tell,
    gap: () => tell('gap'),
    reshaped: () => tell('reshaped'),
    lost: (error: Error) => tell(error),
  };
  const reasons = await watching.watch(stage.database, named(...tables), watcher, { signal: stop.signal, least });
  return {
    reasons,
    stop: () => stop.abort(),
    async next() {
      while (events.length === 0) {
        await waiting;
        ({ promise: waiting, resolve: wake } = Promise.withResolvers<void>());
      }
      return events.shift()!;
    },
  };
}

test('that a partition was emptied by itself, which no commit tells, is a gap, and commits are told behind it', async () => {
  const watcher = await watch('parted');
  await stage.sql('TRUNCATE parted_0');
  expect(await watcher.next()).toBe('gap');
  await stage.sql('INSERT INTO parted VALUES (1)');
  expect(await watcher.next()).toMatchObject({ tables: [{ name: 'parted' }] });
  watcher.stop();
});

test('each commit is told once, with those of the watched tables that it changed', async () => {
  const watcher = await watch('rooms', 'guests');
  await stage.sql('INSERT INTO others VALUES (1)');
  await stage.sql(`BEGIN; INSERT INTO rooms VALUES (1, 'a'); INSERT INTO others VALUES (2); COMMIT`);
  const { rows } = await stage.sql(`
    WITH room AS (UPDATE rooms SET name = 'b' RETURNING 1) INSERT INTO guests SELECT 1, 1 RETURNING pg_current_xact_id()::text AS id`);
  const [one, two] = [(await watcher.next()) as Commit, (await watcher.next()) as Commit];
  expect(one.tables.map(({ name }) => name)).toEqual(['rooms']);
  expect(one.changes).toEqual([expect.objectContaining({ type: 'insert', new: ['1', 'a'] })]);
  expect(two.tables.map(({ name }) => name).sort()).toEqual(['guests', 'rooms']);
  expect(Number(two.transactionId)).toBe(Number(BigInt(rows[0].id) % 2n ** 32n));
  expect(two.position > one.position).toBe(true);
  watcher.stop();
});

test('a transaction of many changes is one commit, without them', async () => {
  const watcher = await watch('guests');
  await stage.sql('INSERT INTO guests SELECT i, i FROM generate_series(10, 5000) i');
  expect(await watcher.next()).toMatchObject({ changes: null });
  await stage.sql('DELETE FROM guests WHERE id = 10');
  expect(await watcher.next()).toMatchObject({ changes: [expect.objectContaining({ type: 'delete' })] });
  watcher.stop();
});

test('where the connection is lost a gap is told, and what is committed behind it', async () => {
  const watcher = await watch('rooms');
  const reader = await stage.read([{ table: 'rooms' }]).begun();
  const ended = failure(reader.next(), 'POSITION_LOST');
  await stage.sql(
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND database = current_database()',
  );
  expect(await watcher.next()).toBe('gap');
  expect((await ended).message).toMatch(/may have been missed/);
  await stage.sql(`INSERT INTO rooms VALUES (99, 'behind')`);
  expect(await watcher.next()).toMatchObject({ changes: [expect.objectContaining({ new: ['99', 'behind'] })] });
  watcher.stop();
});

test('a table of which not all is told cannot be watched, nor one that is not there', async () => {
  expect((await failure(watch('logs'), 'UNSUPPORTED')).message).toMatch(/public\.logs/);
  await failure(watch('nowhere'), 'NOT_FOUND');
});

test('of a table of which only inserts are told they are, to who is content with it', async () => {
  const watcher = await watchLeast('INSERTS', 'logs', 'rooms');
  expect(watcher.reasons).toEqual([expect.stringMatching(/^Not all changes of public\.logs are told: ./)]);
  await stage.sql(`INSERT INTO logs VALUES ('a')`);
  expect(await watcher.next()).toMatchObject({ changes: [{ type: 'insert', new: ['a'] }] });
  watcher.stop();
  expect((await watch('rooms')).reasons).toEqual([]);
});

test('where less is told of a table than before, a gap is, with the reason', async () => {
  const watcher = await watchLeast('INSERTS', 'others');
  expect(watcher.reasons).toEqual([]);
  await stage.sql('ALTER TABLE others DROP CONSTRAINT others_pkey');
  await stage.sql('INSERT INTO others VALUES (77)');
  for (let event = await watcher.next(); event !== 'gap'; event = await watcher.next());
  await stage.sql('INSERT INTO others VALUES (78)');
  expect(await watcher.next()).toMatchObject({ changes: [{ type: 'insert', new: ['78'] }] });
  watcher.stop();
});
