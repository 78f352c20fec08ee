/**
 * The log may tell of a commit that nobody sees yet. Here that lasts: the commit waits for a standby that never comes, so
 * that it is in the log, and under way all the same, until the waiting is ended.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { type Cluster, startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { silent } from '../support/metadata.ts';
import { createLiveWorld, LiveReader, type LiveWorld } from './live-world.ts';

let dataDir: string;
let cluster: Cluster<never>;
let world: LiveWorld;
let owner: Viewer;
let databaseId: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  // As root the server runs as another user, who has to get in.
  await chmod(dataDir, 0o711);
  cluster = await startCluster({
    name: 'playground',
    place: await findPlace({ dataDir, log: silent }),
    log: silent,
    secrets: [],
    settings: {
      wal_level: 'logical',
      max_slot_wal_keep_size: '1GB',
      synchronous_standby_names: 'nobody',
      // For all but who says otherwise.
      synchronous_commit: 'local',
    },
  });
  world = await createLiveWorld({
    server: cluster.superuser,
    sql: 'CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item VALUES (1, 0)',
  });
  owner = await world.person();
  databaseId = await world.connect(owner);
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await cluster?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const read = () => new LiveReader(world, owner, databaseId, { sql: 'SELECT n FROM item WHERE id = 1' });

/** Commits, and is not seen before it is let go. */
async function hiddenUpdate(n: number) {
  const client = new pg.Client({ ...cluster.superuser, database: world.target.database });
  await client.connect();
  await client.query('SET synchronous_commit = on');
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  const committed = client.query('UPDATE item SET n = $1 WHERE id = 1', [n]);
  const waits = `SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`;
  while ((await world.sql(waits, [rows[0].pid])).length === 0) await sleep(5);
  return {
    async show() {
      await world.sql('SELECT pg_cancel_backend($1)', [rows[0].pid]);
      await committed;
      await client.end();
    },
  };
}

async function ranAgain(times: number): Promise<void> {
  const { runs } = world.live.counts();
  while (world.live.counts().runs < runs + times) await sleep(5);
}

test('a change that is told before it is seen is asked for until it is', async () => {
  const { followed } = world;
  using reader = read();
  await reader.next();
  await world.untilFollowed(followed + 1);
  const hidden = await hiddenUpdate(1);
  let told = false;
  const next = reader.next().then((result) => {
    told = true;
    return result;
  });
  await ranAgain(3);
  expect(told).toBe(false);
  await hidden.show();
  expect(await next).toMatchObject({ upserted: [{ row: { values: [1] } }], cause: ['public.item'] });
});

test('a change that was told before a reader came, and is seen after, reaches him as well', async () => {
  const { followed } = world;
  using first = read();
  await first.next();
  await world.untilFollowed(followed + 1);
  const hidden = await hiddenUpdate(2);
  await ranAgain(2);
  // Another query: what the first one was told it never was.
  const other = new LiveReader(world, owner, databaseId, { sql: 'SELECT n + 0 FROM item' });
  await other.next();
  expect(other.values).toEqual([[1]]);
  await ranAgain(4);
  await hidden.show();
  await Promise.all([first.until(([row]) => row?.[0] === 2), other.until(([row]) => row?.[0] === 2)]);
  await other.leave();
});
