/** Who is told what: viewers who lose their right, privileges of the credentials, and row-level policies. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import type { GroupBatch } from '../../src/realtime/reader-group.ts';
import { failure } from '../databases/world.ts';
import { createTestDatabase } from '../support/databases.ts';
import { connectTo, createStage, type Stage, told } from './stage.ts';

const role = `quarry_feed_test_${process.pid}`;
let stage: Stage;
/** The same target, reached by a role that may read only some of it. */
let partly: string;

beforeAll(async () => {
  stage = await createStage(
    `
    CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret';
    CREATE TABLE open (id int PRIMARY KEY, name text, secret text);
    CREATE TABLE closed (id int PRIMARY KEY, name text);
    CREATE TABLE hidden_key (id int PRIMARY KEY, name text);
    CREATE TABLE posts (id int PRIMARY KEY, author text, body text);
    CREATE TABLE keyless (author text);
    CREATE TABLE secured (author text);
    CREATE TABLE whole (id int PRIMARY KEY, author text, body text);`,
    { hub: { rights: { refreshMs: 50 } }, rights: { recheckMs: 50, maxAgeMs: 100 } },
  );
  const { target, viewer, world } = stage;
  // Publications take tables from their owner alone, and the owner may still be held back by a policy, or by himself.
  await stage.sql(`
    GRANT CREATE ON DATABASE "${target.database}" TO ${role};
    ALTER TABLE open OWNER TO ${role}; ALTER TABLE closed OWNER TO ${role}; ALTER TABLE hidden_key OWNER TO ${role};
    ALTER TABLE posts OWNER TO ${role}; ALTER TABLE keyless OWNER TO ${role};
    REVOKE SELECT ON open, closed, hidden_key FROM ${role};
    GRANT SELECT (id, name) ON open TO ${role}; GRANT SELECT (name) ON hidden_key TO ${role};
    ALTER TABLE posts ENABLE ROW LEVEL SECURITY; ALTER TABLE posts FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON posts USING (author = 'me' OR current_user <> '${role}');
    ALTER TABLE keyless ENABLE ROW LEVEL SECURITY; ALTER TABLE keyless FORCE ROW LEVEL SECURITY;
    ALTER TABLE keyless REPLICA IDENTITY FULL;
    CREATE POLICY own ON keyless USING (author = 'me');
    ALTER TABLE secured OWNER TO ${role}; ALTER TABLE secured REPLICA IDENTITY FULL;
    ALTER TABLE whole OWNER TO ${role}; ALTER TABLE whole REPLICA IDENTITY FULL;
    ALTER TABLE whole ENABLE ROW LEVEL SECURITY; ALTER TABLE whole FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON whole USING (author = 'me')`);
  partly = (await connectTo(world, viewer, target, { user: role, password: 'secret' })).id;
});
afterAll(async () => {
  const { target } = stage;
  const { host, port, user, password } = target;
  await stage[Symbol.asyncDispose]();
  await using other = await createTestDatabase('', { host, port, user, password });
  await other.client.query(`DROP ROLE ${role}`);
});

const read = (table: string, more: object = {}) => stage.read([{ table, ...more }], { databaseId: partly });

describe('a viewer', () => {
  const member = async (): Promise<{ viewer: Viewer; project: string }> => {
    const viewer = await stage.world.person();
    const project = await stage.world.project({ viewer });
    await stage.world.rows('UPDATE databases SET project_id = $1 WHERE id = $2', [project, stage.database.id]);
    return { viewer, project };
  };

  test('who is removed from the project is told nothing more, and that there is no such database', async () => {
    const { viewer, project } = await member();
    const reader = await stage.read([{ table: 'posts' }], { viewer }).begun();
    await stage.sql(`INSERT INTO posts VALUES (900, 'x', 'before')`);
    expect((await reader.take(1))[0]!.new).toMatchObject({ body: 'before' });
    const ended = failure(reader.next(), 'NOT_FOUND');
    await stage.world.rows('DELETE FROM project_members WHERE project_id = $1', [project]);
    await ended;
  });

  test('is not told what is committed after he was removed, while others go on', async () => {
    const { viewer, project } = await member();
    const given: GroupBatch[] = [];
    const give = (batch: GroupBatch) => given.push(batch) > 0;
    const [removed, other] = [stage.read([{ table: 'posts' }], { viewer, give }), stage.read([{ table: 'posts' }])];
    await Promise.all([removed.begun(), other.begun()]);
    const since = performance.now();
    await stage.world.rows('DELETE FROM project_members WHERE project_id = $1', [project]);
    await failure(removed.take(Number.POSITIVE_INFINITY), 'NOT_FOUND');
    const seconds = (performance.now() - since) / 1_000;
    await stage.sql(`INSERT INTO posts VALUES (901, 'x', 'after')`);
    expect((await other.take(1))[0]!.new).toMatchObject({ body: 'after' });
    expect(given).toEqual([]);
    console.info(`AUTH-4 (c) seconds=${seconds.toFixed(2)} eventsAfter=${given.length}`);
  });

  test('of a database whose connection was changed begins anew', async () => {
    const database = await connectTo(stage.world, stage.viewer, stage.target, {});
    const reader = await stage.read([{ table: 'posts' }], { databaseId: database.id }).begun();
    await stage.world.rows(`UPDATE databases SET sealed_password = sealed_password || ' ' WHERE id = $1`, [
      database.id,
    ]);
    expect((await failure(reader.next(), 'POSITION_LOST')).message).toMatch(/connection of the database was changed/);
  });
});

describe('credentials', () => {
  test('are told of the columns that they may read, and of no others by any way', async () => {
    const reader = await read('open').begun();
    await stage.sql(`INSERT INTO open VALUES (1, 'a', 'secret'); UPDATE open SET secret = 'other' WHERE id = 1`);
    const changes = await reader.take(2);
    expect(changes.map(told)).toEqual([
      { event: 'INSERT', table: 'open', old: null, new: { id: 1, name: 'a' } },
      { event: 'UPDATE', table: 'open', old: null, new: { id: 1, name: 'a' } },
    ]);
    expect(JSON.stringify(changes)).not.toContain('secret');
    expect(changes[0]!.key).not.toBeNull();
    await failure(read('open', { columns: ['secret'] }).next(), 'FORBIDDEN');
    await failure(read('open', { where: { column: 'secret', like: 's%' } }).next(), 'FORBIDDEN');
    await failure(read('closed').next(), 'FORBIDDEN');
  });

  test('that may not read the key are told none', async () => {
    const reader = await read('hidden_key').begun();
    await stage.sql(`INSERT INTO hidden_key VALUES (1, 'a')`);
    expect((await reader.take(1))[0]).toMatchObject({ key: null, new: { name: 'a' } });
  });

  test('that are granted more, or less, are told so without subscribing anew', async () => {
    const reader = await read('open').begun();
    await stage.sql(`GRANT SELECT (secret) ON open TO ${role}`);
    for (let id = 100; ; id++) {
      await stage.sql(`INSERT INTO open VALUES (${id}, 'b', 'granted')`);
      if ((await reader.take(1))[0]!.new!.secret === 'granted') break;
    }
    await stage.sql(`REVOKE SELECT (secret) ON open FROM ${role}`);
    for (let id = 10_000; ; id++) {
      await stage.sql(`INSERT INTO open VALUES (${id}, 'c', 'revoked')`);
      if (!('secret' in (await reader.take(1))[0]!.new!)) break;
    }
  });

  test('that lose a column of a filter end what filters by it', async () => {
    const reader = await read('open', { where: { column: 'name', eq: 'x' } }).begun();
    await stage.sql(`REVOKE SELECT (name) ON open FROM ${role}`);
    let id = 20_000;
    await endsWith(reader, 'FORBIDDEN', () => stage.sql(`INSERT INTO open VALUES (${++id}, 'x', '')`));
    await stage.sql(`GRANT SELECT (name) ON open TO ${role}`);
  });

  test('that may read nothing of a table any more are told so, and nothing else', async () => {
    const reader = await read('open').begun();
    await stage.sql(`REVOKE SELECT (id, name) ON open FROM ${role}`);
    let id = 30_000;
    const { message } = await endsWith(reader, 'FORBIDDEN', () =>
      stage.sql(`INSERT INTO open VALUES (${++id}, 'x', '')`),
    );
    expect(message).toMatch(/nothing of it/);
    await failure(read('open').next(), 'FORBIDDEN');
    await stage.sql(`GRANT SELECT (id, name) ON open TO ${role}`);
  });
});

/** While this is done again and again. */
async function endsWith(reader: ReturnType<typeof read>, code: ErrorCode, work: () => Promise<unknown>) {
  let over = false;
  const ended = failure(reader.take(Number.POSITIVE_INFINITY), code).finally(() => {
    over = true;
  });
  while (!over) await work();
  return await ended;
}

describe('where policies decide', () => {
  test('only rows that may be seen are told, and of what they were nothing', async () => {
    const reader = await read('posts').begun();
    await stage.sql(`INSERT INTO posts VALUES (1, 'me', 'mine'), (2, 'her', 'hers')`);
    const changes = await reader.take(1);
    await stage.sql(`UPDATE posts SET body = 'hers, too' WHERE id = 2`);
    await stage.sql(`UPDATE posts SET body = 'still mine' WHERE id = 1`);
    expect([...changes, ...(await reader.take(1))].map(told)).toEqual([
      { event: 'INSERT', table: 'posts', old: null, new: { id: 1, author: 'me', body: 'mine' } },
      { event: 'UPDATE', table: 'posts', old: null, new: { id: 1, author: 'me', body: 'still mine' } },
    ]);
  });

  test('a row is gone for those who saw it, and was never there for others', async () => {
    const reader = await read('posts').begun();
    await stage.sql(`INSERT INTO posts VALUES (11, 'me', 'a'), (12, 'her', 'b'), (13, 'me', 'c')`);
    const [first, second] = await reader.take(2);
    await stage.sql(`DELETE FROM posts WHERE id = 12; UPDATE posts SET author = 'her' WHERE id = 11`);
    await stage.sql('DELETE FROM posts WHERE id IN (11, 13)');
    const changes = await reader.take(2);
    expect(changes.map(told)).toEqual([
      { event: 'DELETE', table: 'posts', old: { id: 11 }, new: null },
      { event: 'DELETE', table: 'posts', old: { id: 13 }, new: null },
    ]);
    expect(changes.map(({ key }) => key)).toEqual([first!.key, second!.key]);
  });

  test('who reads INSERTs alone is told of each row that comes, also where it is changed at once', async () => {
    const reader = await read('posts', { events: ['INSERT'] }).begun();
    await stage.sql(
      `BEGIN; INSERT INTO posts VALUES (41, 'me', 'a'); UPDATE posts SET body = 'b' WHERE id = 41; COMMIT`,
    );
    await stage.sql(`INSERT INTO posts VALUES (42, 'her', 'a')`);
    await stage.sql(`UPDATE posts SET author = 'me' WHERE id = 42`);
    await stage.sql(`UPDATE posts SET body = 'b' WHERE id = 41; INSERT INTO posts VALUES (43, 'me', 'c')`);
    const changes = (await reader.take(3)).map(told);
    expect(changes.map(({ event, new: now, old }) => [event, now?.id, old])).toEqual([
      ['INSERT', 41, null],
      ['INSERT', 42, null],
      ['INSERT', 43, null],
    ]);
  });

  test('a row that gets another key is known by the one that it had', async () => {
    const reader = await read('posts').begun();
    await stage.sql(`INSERT INTO posts VALUES (31, 'me', 'a')`);
    await reader.take(1);
    await stage.sql('UPDATE posts SET id = 32 WHERE id = 31');
    expect((await reader.take(1)).map(told)).toEqual([
      { event: 'UPDATE', table: 'posts', old: { id: 31 }, new: { id: 32, author: 'me', body: 'a' } },
    ]);
  });

  test('what a row was before it could be seen is not told to who comes later', async () => {
    const first = await read('posts').next();
    await stage.sql(`INSERT INTO posts VALUES (21, 'her', 'before it was mine')`);
    await stage.sql(`UPDATE posts SET author = 'me', body = 'mine now' WHERE id = 21`);
    const late = stage.read([{ table: 'posts' }], { databaseId: partly, after: first.position });
    expect((await late.take(1))[0]!.new).toEqual({ id: 21, author: 'me', body: 'mine now' });
  });

  test('emptying the table is told to all, and a table without a key cannot be followed', async () => {
    const reader = await read('posts', { events: ['TRUNCATE'] }).begun();
    await stage.sql('TRUNCATE posts');
    expect((await reader.take(1)).map(told)).toEqual([{ event: 'TRUNCATE', table: 'posts', old: null, new: null }]);
    expect((await failure(read('keyless').next(), 'UNSUPPORTED')).message).toMatch(/no primary key/);
  });

  test('from now on of a table without a key, who follows it is told that he cannot any longer', async () => {
    const reader = await read('secured').begun();
    await stage.sql(`
      ALTER TABLE secured ENABLE ROW LEVEL SECURITY; ALTER TABLE secured FORCE ROW LEVEL SECURITY;
      CREATE POLICY own ON secured USING (author = 'me') WITH CHECK (true)`);
    const { message } = await endsWith(reader, 'UNSUPPORTED', () => stage.sql(`INSERT INTO secured VALUES ('her')`));
    expect(message).toMatch(/no primary key/);
  });

  test('no filter finds out what a row was before it could be seen', async () => {
    const guessing = (guess: string) =>
      read('whole', {
        where: {
          or: [
            { column: 'body', eq: 'public' },
            { column: 'body', lt: guess },
          ],
        },
      }).begun();
    const readers = await Promise.all([guessing('a'), guessing('z')]);
    await stage.sql(`INSERT INTO whole VALUES (1, 'her', 'hidden')`);
    await stage.sql(`UPDATE whole SET author = 'me', body = 'public' WHERE id = 1`);
    const [one, other] = await Promise.all(readers.map((reader) => reader.take(1)));
    expect(one![0]!.new).toEqual({ id: 1, author: 'me', body: 'public' });
    expect(other).toEqual(one);
    // All that is told of what it was is its key: so the rest may have changed.
    const next = await read('whole').begun();
    await stage.sql(`UPDATE whole SET body = 'still public' WHERE id = 1`);
    expect((await next.take(1))[0]!.changedColumns).toEqual(['author', 'body']);
  });

  test('hundreds of rows in one transaction are checked, each of them', async () => {
    const reader = await read('posts').begun();
    await stage.sql(
      `INSERT INTO posts SELECT i, CASE i % 2 WHEN 0 THEN 'me' ELSE 'her' END, 'many' FROM generate_series(1001, 2000) i`,
    );
    const ids = (await reader.take(500)).map((change) => change.new!.id as number);
    expect(ids).toEqual(Array.from({ length: 500 }, (_, i) => 1002 + i * 2));
  });
});
