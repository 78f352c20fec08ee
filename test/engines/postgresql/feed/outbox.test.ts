/** The change feed that reads an outbox, on a server that has no logical log; and how the outbox comes and goes. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
