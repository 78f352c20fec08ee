/** Feeds of hosted databases, which the playground's own role reads, and of servers that were not made for feeds. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConnectionConfig } from '../../../../src/db/connection.ts';
import { type Embedded, startEmbedded } from '../../../../src/db/embedded.ts';
import { createPlayground, type HostedDatabase, type Playground } from '../../../../src/db/playground.ts';
import type { Target } from '../../../../src/engines/engine.ts';
import { ask, log } from '../../../db/support.ts';
import { createTestDatabase } from '../../../support/databases.ts';
import { hasPostgres15, startPostgres15 } from '../../../support/postgres-15.ts';
import { targetOf } from '../support.ts';
import { follow, never, openFeed, source, told, transactions } from './support.ts';

let dataDir: string;
let embedded: Embedded;
let playground: Playground;
let hosted: HostedDatabase;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  await chmod(dataDir, 0o711);
  embedded = await startEmbedded({ dataDir, log, clusters: { meta: true, playground: true } });
  playground = createPlayground({ ...embedded.playground!, log });
  hosted = await playground.createDatabase();
  await ask(hosted.owner, 'CREATE TABLE notes (id int PRIMARY KEY)');
});
afterAll(async () => {
  await embedded?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const target = ({ host, port, user, password, database }: ConnectionConfig): Target =>
  targetOf({ host, port, user, password, database }, { hosted: true });

test('a hosted database is followed by the role of the feeds, kept or not', async () => {
  const feedId = randomUUID();
  for (const kept of [true, false]) {
    const feed = await openFeed(target(hosted.feed!), { feedId, kept });
    await follow(feed, 'notes');
    await ask(hosted.owner, `INSERT INTO notes VALUES (${kept ? 1 : 2})`);
    expect(await transactions(told(feed), 1)).toEqual([`[+notes(${kept ? 1 : 2})]`]);
    // One that was left behind is ended.
    if (!kept) await openFeed(target(hosted.feed!), { feedId });
    await feed[Symbol.asyncDispose]();
  }
  await source.remove(target(hosted.feed!), { feedId, signal: never });
});

test('its owner has no right to a feed of his own', async () => {
  await expect(openFeed(target(hosted.owner))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('a hosted database goes with the feed that reads it', async () => {
  const made = await playground.createDatabase();
  const feed = await openFeed(target(made.feed!), { kept: true });
  const closed = new Promise((resolve) => feed.closed.addEventListener('abort', resolve));
  await playground.dropDatabase(made.name);
  await closed;
  expect(feed.closed.reason).toMatchObject({ code: 'CONNECTION_FAILED' });
});

test('a server without a logical log says which setting it needs', async () => {
  await expect(openFeed(target(embedded.meta!.cluster.superuser))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('wal_level = logical'),
  });
});

test.runIf(hasPostgres15)(
  'a server that keeps log without a limit has no kept feed, and says what to set',
  async () => {
    await using server = await startPostgres15();
    const old = targetOf({ ...server, database: 'postgres' });
    await expect(openFeed(old, { kept: true })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('max_slot_wal_keep_size'),
    });
    // While it is connected the server looks whether it still is.
    await (await openFeed(old))[Symbol.asyncDispose]();
    await using patient = await createTestDatabase('', server);
    await patient.client.query(`ALTER DATABASE "${patient.database}" SET wal_sender_timeout = 0`);
    await expect(openFeed(targetOf(patient))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      details: { setting: 'wal_sender_timeout' },
    });
  },
);
