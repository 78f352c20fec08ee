/** The change feed that reads an outbox, on a server that has no logical log; and how the outbox comes and goes. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Cluster, startCluster } from '../../../../src/db/cluster.ts';
import { findPlace } from '../../../../src/db/place.ts';
import type { Target } from '../../../../src/engines/engine.ts';
import { MalformedRecord, parseRecord } from '../../../../src/engines/postgresql/feed/outbox/record.ts';
import { log } from '../../../db/support.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/databases.ts';
import { postgresql, targetOf } from '../support.ts';
import { describeFeed } from './describe-feed.ts';
import { follow, never, openFeed, source, told, transactions } from './support.ts';

let dataDir: string;
let cluster: Cluster;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  await chmod(dataDir, 0o711);
  const place = await findPlace({ dataDir, log });
  cluster = await startCluster({
    name: 'meta',
    place,
    log,
    secrets: [],
    settings: { fsync: 'off', max_connections: 100 },
  });
});
afterAll(async () => {
  await cluster?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const server = () => cluster.superuser;

describeFeed('an outbox', {
  server,
  old: 'WHOLE',
  prepare: (target, feedId) => source.install(target, { feedId, signal: never }),
});

describe('an outbox', () => {
  let database: TestDatabase;
  let target: Target;
  const sql = (text: string, values: unknown[] = []) => database.client.query(text, values);

  beforeAll(async () => {
    database = await createTestDatabase('CREATE TABLE item (id int PRIMARY KEY)', server());
    target = targetOf(database);
  });
  afterAll(() => database?.[Symbol.asyncDispose]());

  async function installed(): Promise<string> {
    const feedId = randomUUID();
    await source.install(target, { feedId, signal: never });
    onTestFinished(() => source.remove(target, { feedId, signal: never }));
    return feedId;
  }

  const traces = async (): Promise<number> => {
    const { rows } = await sql(`
      SELECT (SELECT count(*) FROM pg_namespace WHERE nspname ~ 'quarry') + (SELECT count(*) FROM pg_trigger WHERE tgname ~ 'quarry')
           + (SELECT count(*) FROM pg_class WHERE relname ~ '_[0-9a-f]{32}') + (SELECT count(*) FROM pg_proc WHERE proname ~ '_[0-9a-f]{32}') AS n`);
    return Number(rows[0].n);
  };

  test('has to be installed; installing twice is once, and removing leaves no trace, also of what is followed', async () => {
    await expect(openFeed(target)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('wal_level'),
    });
    const before = await traces();
    const feedId = await installed();
    await source.install(target, { feedId, signal: never });
    const feed = await openFeed(target, { feedId, kept: true });
    await follow(feed, 'item');
    await sql('INSERT INTO item VALUES (1)');
    expect(await transactions(told(feed), 1)).toEqual(['[+item(1)]']);
    await source.uninstall(target, { feedId, signal: never });
    await source.uninstall(target, { feedId, signal: never });
    expect(await traces()).toBe(before);
    await sql('INSERT INTO item VALUES (2)');
  });

  test('that nobody reads any more costs the owner nothing: a temporary feed takes its triggers along', async () => {
    const feedId = await installed();
    const feed = await openFeed(target, { feedId });
    await follow(feed, 'item');
    expect((await sql(`SELECT FROM pg_trigger WHERE tgname ~ 'quarry'`)).rowCount).toBe(4);
    await feed[Symbol.asyncDispose]();
    expect((await sql(`SELECT FROM pg_trigger WHERE tgname ~ 'quarry'`)).rowCount).toBe(0);
  });

  test('keeps what is committed while a kept feed is away, and forgets what was confirmed', async () => {
    const feedId = await installed();
    await sql('CREATE TABLE kept (id int PRIMARY KEY)');
    const first = await openFeed(target, { feedId, kept: true });
    await follow(first, 'kept');
    for (const id of [1, 2, 3]) await sql('INSERT INTO kept VALUES ($1)', [id]);
    expect(await transactions(told(first), 3)).toHaveLength(3);
    const { confirmed } = first.status();
    await first[Symbol.asyncDispose]();
    await sql('INSERT INTO kept VALUES (4)');
    const second = await openFeed(target, { feedId, kept: true, after: confirmed });
    expect(second.resumed).toBe(true);
    expect(await transactions(told(second), 2)).toEqual(['[+kept(3)]', '[+kept(4)]']);
    await second[Symbol.asyncDispose]();
    await expect(openFeed(target, { feedId, kept: true, after: '0000000000000001' })).rejects.toMatchObject({
      code: 'POSITION_LOST',
    });
  });

  test('has one reader: who comes later ends who was there', async () => {
    const feedId = await installed();
    const first = await openFeed(target, { feedId, kept: true });
    const closed = new Promise((resolve) => first.closed.addEventListener('abort', resolve));
    const second = await openFeed(target, { feedId, kept: true });
    await closed;
    expect(first.closed.reason).toMatchObject({ code: 'CONNECTION_FAILED' });
    await follow(second, 'item');
    await sql('INSERT INTO item VALUES (10)');
    expect(await transactions(told(second), 1)).toEqual(['[+item(10)]']);
  });

  test('captures rows of partitions whichever way they are written, as rows of the whole', async () => {
    await sql(`
      CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10);
      CREATE TABLE high (v text, id int NOT NULL)`);
    const feedId = await installed();
    const feed = await openFeed(target, { feedId });
    await follow(feed, 'parted');
    await sql('ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM (10) TO (20)');
    await sql(`INSERT INTO parted VALUES (1, 'a'), (11, 'b')`);
    await sql(`INSERT INTO low VALUES (2, 'c')`);
    await sql(`UPDATE parted SET id = 12 WHERE id = 1`);
    expect(await transactions(told(feed), 3)).toEqual([
      '[+parted(1,a) +parted(b,11)]',
      '[+parted(2,c)]',
      '[-parted(1,a) +parted(a,12)]',
    ]);
  });

  test('says POSITION_LOST when it has become too large, and nobody who writes is held up', async () => {
    const feedId = await installed();
    await sql('CREATE TABLE heavy (id int, body text)');
    const feed = await openFeed(target, { feedId, kept: true, limits: { checkMs: 50, maxRetainedBytes: 2 ** 20 } });
    await follow(feed, 'heavy');
    const closed = new Promise((resolve) => feed.closed.addEventListener('abort', resolve));
    await sql(
      `INSERT INTO heavy SELECT g, string_agg(md5(random()::text), '') FROM generate_series(1, 100) g, generate_series(1, 1000) GROUP BY g`,
    );
    await closed;
    expect(feed.closed.reason).toMatchObject({ code: 'POSITION_LOST' });
    await sql('UPDATE heavy SET id = 0');
    await feed[Symbol.asyncDispose]();
    expect((await sql(`SELECT FROM pg_trigger WHERE tgname ~ 'quarry'`)).rowCount).toBe(0);
    // Begun anew it is small again.
    await openFeed(target, { feedId, kept: true });
    const { rows } = await sql('SELECT pg_total_relation_size($1::regclass) AS bytes', [
      `quarry_tracking.rows_${feedId.replaceAll('-', '')}`,
    ]);
    expect(Number(rows[0].bytes)).toBeLessThan(2 ** 20);
  });

  test.each([
    ['switches triggers off', 'ALTER TABLE switched DISABLE TRIGGER USER'],
    ['switches them off and on', 'ALTER TABLE switched DISABLE TRIGGER USER; ALTER TABLE switched ENABLE TRIGGER USER'],
    ['switches those of a partition off', 'ALTER TABLE switched_low DISABLE TRIGGER USER'],
    [
      'drops one',
      `DO $$ BEGIN EXECUTE (SELECT format('DROP TRIGGER %I ON switched', tgname) FROM pg_trigger
       WHERE tgrelid = 'switched'::regclass AND tgname ~ 'update'); END $$`,
    ],
  ])('says that a table is followed no longer when its owner %s; followed anew it is told of whole', async (_, off) => {
    await sql(`
      DROP TABLE IF EXISTS switched; CREATE TABLE switched (id int PRIMARY KEY) PARTITION BY RANGE (id);
      CREATE TABLE switched_low PARTITION OF switched FOR VALUES FROM (0) TO (10)`);
    const feedId = await installed();
    const feed = await openFeed(target, { feedId, limits: { checkMs: 50 } });
    await follow(feed, 'switched');
    const events = told(feed);
    await sql(off);
    expect((await events.next()).value).toMatchObject({ type: 'coverage', coverage: 'NOTHING' });
    await follow(feed, 'switched');
    await sql('INSERT INTO switched VALUES (1)');
    await sql('UPDATE switched SET id = 2');
    expect(await transactions(events, 2)).toEqual(['[+switched(1)]', '[~switched(1 → 2)]']);
  });

  test('says that a table is followed no longer also when it is followed anew before that was noticed', async () => {
    await sql('CREATE TABLE unnoticed (id int PRIMARY KEY)');
    const feedId = await installed();
    const feed = await openFeed(target, { feedId, limits: { checkMs: 3_600_000 } });
    await follow(feed, 'unnoticed');
    await sql('ALTER TABLE unnoticed DISABLE TRIGGER USER; INSERT INTO unnoticed VALUES (1)');
    await follow(feed, 'unnoticed');
    await sql('INSERT INTO unnoticed VALUES (2)');
    const events = told(feed);
    expect((await events.next()).value).toMatchObject({ type: 'coverage', coverage: 'NOTHING' });
    expect(await transactions(events, 1)).toEqual(['[+unnoticed(2)]']);
  });

  test('a kept feed does not go on with a table whose triggers were switched off while it was away', async () => {
    await sql('CREATE TABLE muted (id int PRIMARY KEY)');
    const feedId = await installed();
    const first = await openFeed(target, { feedId, kept: true });
    await follow(first, 'muted', 'item');
    await first[Symbol.asyncDispose]();
    await sql('ALTER TABLE muted DISABLE TRIGGER USER; INSERT INTO muted VALUES (1)');
    const second = await openFeed(target, { feedId, kept: true });
    expect(second.resumed).toBe(true);
    expect([...second.followed.values()]).toEqual(['ALL']);
  });

  describe('runs nothing that somebody else has made with the rights of its credentials', () => {
    const role = `owner_${randomUUID().slice(0, 8)}`;
    /** Writes down who called. */
    const spy = (name: string, argument: string, returns: string, result: string) => `
      CREATE FUNCTION ${name}(${argument}) RETURNS ${returns} LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.called VALUES (current_user); RETURN ${result}; END $$`;
    const callers = async () => (await sql('SELECT DISTINCT who FROM called')).rows.map(({ who }) => who);

    beforeAll(() =>
      sql(`CREATE ROLE ${role}; CREATE TABLE called (who text); GRANT INSERT ON called TO PUBLIC;
           CREATE SCHEMA theirs AUTHORIZATION ${role}`),
    );
    afterAll(() => sql(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`));

    test.each([
      ['table', ''],
      ['partitioned table', ' PARTITION BY RANGE (id); CREATE TABLE theirs.low PARTITION OF theirs.cast_away DEFAULT'],
    ])('a cast of the rows of a %s to text', async (_, parts) => {
      const feedId = await installed();
      await sql(`SET ROLE ${role}; CREATE TABLE theirs.cast_away (id int PRIMARY KEY, v text)${parts}`);
      onTestFinished(() => sql('RESET ROLE; DROP TABLE theirs.cast_away CASCADE').then(() => {}));
      await sql(`${spy('theirs.spy', 'theirs.cast_away', 'text', "'(9,stolen)'")};
        CREATE CAST (theirs.cast_away AS text) WITH FUNCTION theirs.spy AS ASSIGNMENT; RESET ROLE`);
      const feed = await openFeed(target, { feedId });
      await feed.follow([{ schema: 'theirs', name: 'cast_away' }], { signal: never });
      await sql(`SET ROLE ${role}`);
      await sql(`INSERT INTO theirs.cast_away VALUES (1, 'a')`);
      await sql(`UPDATE theirs.cast_away SET v = NULL`);
      await sql(`DELETE FROM theirs.cast_away`);
      await sql('RESET ROLE');
      expect(await transactions(told(feed), 3)).toEqual([
        '[+cast_away(1,a)]',
        '[~cast_away(1,a → 1,null)]',
        '[-cast_away(1,null)]',
      ]);
      expect(await callers()).toEqual([]);
    });

    test('a temporary view that is called as a part of the catalogue', async () => {
      const feedId = await installed();
      await sql(`CREATE TABLE plain (id int PRIMARY KEY); GRANT INSERT ON plain TO ${role}`);
      const feed = await openFeed(target, { feedId });
      await follow(feed, 'plain');
      const { host, port, user, password } = database;
      const writer = new pg.Client({ host, port, user, password, database: database.database });
      await writer.connect();
      onTestFinished(() => writer.end());
      await writer.query(`SET ROLE ${role}; ${spy('pg_temp.spy', '', 'bigint', '1')};
        CREATE TEMP VIEW pg_class AS SELECT * FROM pg_catalog.pg_class WHERE pg_temp.spy() = 1`);
      await writer.query('INSERT INTO plain VALUES (1)');
      expect(await transactions(told(feed), 1)).toEqual(['[+plain(1)]']);
      expect(await callers()).toEqual([]);
    });
  });

  test('says POSITION_LOST when the server has crashed, as an unlogged table is empty then', async () => {
    const feedId = await installed();
    const feed = await openFeed(target, { feedId, kept: true });
    await follow(feed, 'item');
    await feed[Symbol.asyncDispose]();
    // As after a crash.
    await sql(`TRUNCATE quarry_tracking.state_${feedId.replaceAll('-', '')}`);
    await expect(openFeed(target, { feedId, kept: true, after: feed.start })).rejects.toMatchObject({
      code: 'POSITION_LOST',
    });
    const again = await openFeed(target, { feedId, kept: true });
    expect(again.resumed).toBe(false);
  });

  test('is no part of the catalogue', async () => {
    const feedId = await installed();
    const feed = await openFeed(target, { feedId });
    await follow(feed, 'item');
    await using catalog = postgresql().catalog(target);
    const snapshot = await catalog.snapshot({ signal: never, reach: 'SERVER' });
    expect(JSON.stringify(snapshot)).not.toContain(feedId.replaceAll('-', ''));
    const [triggers] = await catalog.triggers([{ schema: 'public', name: 'item' }], { signal: never });
    expect(triggers).toEqual([]);
  });
});

describe('a row printed as one value', () => {
  test.each([
    ['()', [null]],
    ['(,)', [null, null]],
    ['(1,,"")', ['1', null, '']],
    ['("a,b","(c)","""q""","back\\\\slash"," x ")', ['a,b', '(c)', '"q"', 'back\\slash', ' x ']],
    ['("{""a"": [1,2]}","{NULL,""""}")', ['{"a": [1,2]}', '{NULL,""}']],
  ])('%s is taken apart', (record, expected) => {
    expect(parseRecord(record)).toEqual(expected);
  });

  test.each(['', '(', 'a', '("a)', '(a'])('%j is none', (record) => {
    expect(() => parseRecord(record)).toThrow(MalformedRecord);
  });
});
