/** How a live query is refused, and how it ends: with what went wrong, when the right goes, when nobody reads. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { LiveInput } from '../../src/realtime/live/input.ts';
import { asked, failure, pathsOf } from '../databases/world.ts';
import { createLiveWorld, LiveReader, type LiveWorld } from './live-world.ts';

let world: LiveWorld;
let owner: Viewer;
let databaseId: string;

beforeAll(async () => {
  world = await createLiveWorld({
    sql: `
      CREATE TABLE item (id int PRIMARY KEY, price int DEFAULT 1);
      INSERT INTO item VALUES (1), (2), (3);
      CREATE TABLE kept (id int)`,
    limits: { ofUser: 3 },
  });
  owner = await world.person();
  databaseId = await world.connect(owner);
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const read = (input: Partial<LiveInput>, viewer: Viewer | null = owner, id = databaseId) =>
  new LiveReader(world, viewer, id, input);

/** Reads on until the stream ends. */
async function rest(reader: LiveReader): Promise<never> {
  for (;;) await reader.next();
}

describe('what is asked for', () => {
  test('is checked whole, before anything is', async () => {
    const deep = JSON.parse(`${'['.repeat(150)}${']'.repeat(150)}`) as unknown;
    const cases: [Partial<LiveInput>, string[]][] = [
      [{ sql: ' ' }, ['sql']],
      [{ sql: `SELECT '${'x'.repeat(70_000)}'` }, ['sql']],
      [{ sql: 'SELECT 1\0' }, ['sql']],
      [{ maxRows: 0 }, ['maxRows']],
      [{ maxRows: 10_001 }, ['maxRows']],
      [{ key: [] }, ['key']],
      [{ parameters: [deep] }, ['parameters']],
      [{ parameters: ['x'.repeat(70_000)] }, ['parameters']],
      [{ parameters: [{ '\0': 1 }] }, ['parameters']],
      [{ sql: '', maxRows: -1, key: [] }, ['sql', 'maxRows', 'key']],
    ];
    for (const [input, paths] of cases) {
      expect(pathsOf(await failure(read(input).next(), 'BAD_USER_INPUT'))).toEqual(paths);
    }
  });

  test('is one query', async () => {
    for (const sql of ['SELECT 1; SELECT 2', '-- nothing', 'SHOW work_mem']) {
      expect(pathsOf(await failure(read({ sql }).next(), 'BAD_USER_INPUT'))).toEqual(['sql']);
    }
    await failure(read({ sql: 'INSERT INTO item VALUES (9) RETURNING id' }).next(), 'READ_ONLY');
    await failure(read({ sql: 'SELECT * FROM item FOR UPDATE' }).next(), 'READ_ONLY');
  });

  test('is refused as the database says it', async () => {
    const { details } = await failure(read({ sql: 'SELECT *\nFROM nothing' }).next(), 'SQL_ERROR');
    expect(details).toMatchObject({ sqlState: '42P01', line: 2, position: 15 });
    await failure(read({ sql: 'SELECT $1::int' }).next(), 'SQL_ERROR');
    await failure(read({ sql: 'SELECT 1 / 0' }).next(), 'SQL_ERROR');
    await failure(read({ sql: 'SELECT * FROM item', maxRows: 2 }).next(), 'LIMIT_EXCEEDED');
    await failure(read({ sql: `SELECT repeat('x', 1000000) FROM generate_series(1, 10)` }).next(), 'LIMIT_EXCEEDED');
  });

  test('is stopped when it takes longer than the user’s own limit', async () => {
    world.setStatementTimeoutMs(200);
    const { details } = await failure(read({ sql: 'SELECT pg_sleep(30)' }).next(), 'TIMEOUT');
    world.setStatementTimeoutMs(30_000);
    expect(details).toEqual({ timeoutMs: 200 });
  });

  test('is asked by who may query the database', async () => {
    await failure(read({}, null).next(), 'UNAUTHENTICATED');
    await failure(read({}, await world.person()).next(), 'NOT_FOUND');
    await failure(read({}, owner, 'nothing').next(), 'NOT_FOUND');
    const viewer = await world.person();
    const shared = await world.connect(owner, { projectId: await world.project({ owner, viewer }) });
    using reader = read({ sql: 'SELECT id FROM item ORDER BY id' }, viewer, shared);
    await reader.next();
    expect(reader.values).toEqual([[1], [2], [3]]);
  });

  test('is so much of one user at once', async () => {
    const readers = [1, 2, 3].map(() => read({ sql: 'SELECT 1' }));
    for (const reader of readers) await reader.next();
    const { details } = await failure(read({ sql: 'SELECT 1' }).next(), 'LIMIT_EXCEEDED');
    expect(details).toEqual({ limit: 3, actual: 3 });
    using other = read({ sql: 'SELECT 1' }, await world.person(), databaseId);
    await failure(other.next(), 'NOT_FOUND');
    for (const reader of readers) await reader.leave();
    using again = read({ sql: 'SELECT 1' });
    await again.next();
  });
});

describe('a live query ends', () => {
  test('with the error when its table is dropped', async () => {
    await world.sql('CREATE TABLE doomed (id int PRIMARY KEY); INSERT INTO doomed VALUES (1)');
    using reader = read({ sql: 'SELECT * FROM doomed' });
    const { followed } = world;
    await reader.next();
    await world.untilFollowed(followed + 1);
    await world.sql('DELETE FROM doomed; DROP TABLE doomed');
    const { details } = await failure(rest(reader), 'SQL_ERROR');
    expect(details).toMatchObject({ sqlState: '42P01' });
  });

  test('with the error when its data make one, and others go on', async () => {
    using failing = read({ sql: 'SELECT 100 / price FROM item ORDER BY id' });
    using other = read({ sql: 'SELECT price FROM item ORDER BY id' });
    await Promise.all([failing.next(), other.next()]);
    await world.sql('UPDATE item SET price = 0 WHERE id = 1');
    expect((await failure(rest(failing), 'SQL_ERROR')).details).toMatchObject({ sqlState: '22012' });
    await other.until((rows) => rows[0]?.[0] === 0);
    await world.sql('UPDATE item SET price = 1 WHERE id = 1');
    await other.until((rows) => rows[0]?.[0] === 1);
    using again = read({ sql: 'SELECT 100 / price FROM item ORDER BY id' });
    await again.next();
    expect(again.values[0]).toEqual([100]);
  });

  test('when there are more rows than were wanted', async () => {
    using reader = read({ sql: 'SELECT * FROM kept', maxRows: 2 });
    await reader.next();
    await world.sql('INSERT INTO kept VALUES (1), (2), (3)');
    expect((await failure(rest(reader), 'LIMIT_EXCEEDED')).details).toEqual({ limit: 2 });
  });

  test('when its reader is no longer a member of the project', async () => {
    const viewer = await world.person();
    const projectId = await world.project({ owner, viewer });
    const shared = await world.connect(owner, { projectId });
    using reader = read({ sql: 'SELECT 1' }, viewer, shared);
    using stays = read({ sql: 'SELECT 1' }, owner, shared);
    await Promise.all([reader.next(), stays.next()]);
    await world.rows('DELETE FROM project_members WHERE user_id = $1', [viewer.userId]);
    await failure(rest(reader), 'NOT_FOUND');
    expect(world.live.counts().readers).toBe(1);
  });

  test('when the database is let go', async () => {
    const gone = await world.connect(owner);
    using reader = read({ sql: 'SELECT 1' }, owner, gone);
    await reader.next();
    await world.databases.disconnect(owner, { id: gone, drop: false }, asked());
    await failure(rest(reader), 'NOT_FOUND');
  });

  test('when the privilege is taken from its credentials', async () => {
    const name = `${world.target.database}_reader`;
    await world.sql(`CREATE ROLE ${name} LOGIN PASSWORD 'reads' REPLICATION; GRANT SELECT ON item TO ${name}`);
    const limited = await world.connect(owner, { user: name, password: 'reads' });
    using reader = read({ sql: 'SELECT id FROM item ORDER BY id' }, owner, limited);
    // Whoever is not the owner of a table cannot have its changes told, and asks for them.
    await reader.next();
    await world.sql(`REVOKE SELECT ON item FROM ${name}`);
    expect((await failure(rest(reader), 'SQL_ERROR')).details).toMatchObject({ sqlState: '42501' });
    await world.sql(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
  });

  test('for who leaves, at once and without a trace: also in the middle of a run', async () => {
    const reader = read({ sql: 'SELECT pg_sleep(30)' });
    const pending = reader.next().catch((error: Error) => error.message);
    while ((await world.sessions()) === 0) await sleep(5);
    await reader.leave();
    expect(await pending).toBe('the stream has ended');
    while ((await world.sessions()) > 0) await sleep(5);
    expect(world.live.counts()).toMatchObject({ readers: 0, queries: 0 });
  });
});
