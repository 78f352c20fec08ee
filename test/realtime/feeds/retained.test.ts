/** RT-3: what a target keeps for a reader that stays away never fills its disk: on a server whose cap is small. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startCluster } from '../../../src/db/cluster.ts';
import { findPlace } from '../../../src/db/place.ts';
import { failure } from '../../databases/world.ts';
import type { TestServer } from '../../support/databases.ts';
import { silent } from '../../support/metadata.ts';
import { createKeptStage } from './kept-stage.ts';

const capBytes = 64 * 2 ** 20;
const segmentBytes = 16 * 2 ** 20;
/** Of ten megabytes; RETAINED_SCALE=full writes the two gigabytes of the requirement. */
const parts = process.env.RETAINED_SCALE === 'full' ? 200 : 30;

/** Of a server of its own. */
async function stageOf(keepSize: string, sql: string, walLevel = 'logical') {
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-pg-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  await chmod(dataDir, 0o711); // As root the server runs as another user, who has to get in.
  const cluster = await startCluster({
    name: 'playground',
    place: await findPlace({ dataDir, log: silent }),
    log: silent,
    secrets: [],
    settings: {
      wal_level: walLevel,
      fsync: 'off',
      max_slot_wal_keep_size: keepSize,
      max_wal_size: '64MB',
      min_wal_size: '32MB',
    },
  });
  onTestFinished(() => cluster.stop());
  const { host, port, user, password } = cluster.superuser;
  const stage = await createKeptStage(sql, { server: { host, port, user, password } as TestServer });
  onTestFinished(() => stage[Symbol.asyncDispose]());
  return stage;
}

test('hundreds of megabytes behind a reader that is dead keep no more than the cap; he is told, and nothing is left over', async () => {
  const stage = await stageOf(
    '64MB',
    'CREATE TABLE items (id int PRIMARY KEY, body text); ALTER TABLE items ALTER body SET STORAGE EXTERNAL',
  );
  const first = stage.start();
  await first.enable();
  const { position } = await first.read(['items']).next();
  await first.stop();
  const most = { slot: 0, disk: 0 };
  for (let part = 0; part < parts; part++) {
    await stage.sql(
      `INSERT INTO items SELECT $1::int * 1000 + g, repeat(md5(g::text), 320) FROM generate_series(1, 1000) g`,
      [part],
    );
    if (part % 5 === 4) await stage.sql('CHECKPOINT');
    const [row] = await stage.sql(
      `SELECT (SELECT sum(size)::int FROM pg_ls_waldir()) AS disk,
              (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::int
                 FROM pg_replication_slots WHERE database = current_database() AND wal_status <> 'lost') AS slot`,
    );
    if (part % 5 === 4) most.slot = Math.max(most.slot, Number(row!.slot));
    if (part > 20 && part % 5 === 4) most.disk = Math.max(most.disk, Number(row!.disk));
  }
  const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  console.log(`RT-3 written=${parts * 10}MB cap=64MiB slot=${mebibytes(most.slot)}MiB log=${mebibytes(most.disk)}MiB`);
  expect(most.slot).toBeLessThanOrEqual(capBytes + segmentBytes);
  // What is written between two checkpoints is there besides.
  expect(most.disk).toBeLessThanOrEqual(2 * capBytes + segmentBytes);
  expect(await stage.sql(`SELECT wal_status FROM pg_replication_slots WHERE database = current_database()`)).toEqual([
    { wal_status: 'lost' },
  ]);

  const second = stage.start();
  await failure(second.read(['items'], position).next(), 'POSITION_LOST');
  const reader = second.read(['items']);
  await reader.next();
  await stage.sql('INSERT INTO items VALUES (-1)');
  expect((await reader.take(1))[0]!.new).toMatchObject({ id: -1 });
  const slots = await stage.sql('SELECT wal_status, active FROM pg_replication_slots');
  expect(slots).toEqual([{ wal_status: 'reserved', active: true }]);
  await second.disable();
  expect(await stage.left()).toEqual([]);
});

test('rows are refused where nothing bounds what a slot keeps, by the name of the setting', async () => {
  const stage = await stageOf('-1', 'CREATE TABLE items (id int PRIMARY KEY)');
  const process = stage.start();
  const refused = await failure(process.enable(), 'UNSUPPORTED');
  expect(refused.message).toContain('max_slot_wal_keep_size');
  expect(await process.tracking.of([stage.database.id])).toEqual([[]]);
  expect(await stage.left()).toEqual([]);
  // Who reads without keeping anything may.
  await process.read(['items']).next();
});

test('where there is no logical log triggers keep the changes, and are gone with them', async () => {
  const stage = await stageOf('-1', 'CREATE TABLE items (id int PRIMARY KEY)', 'replica');
  const before = await stage.left();
  const first = stage.start();
  await first.enable();
  const reader = first.read(['items']);
  const { position } = await reader.next();
  await stage.sql('INSERT INTO items VALUES (1)');
  expect((await reader.take(1))[0]!.new).toMatchObject({ id: 1 });
  await first.stop();
  await stage.sql('INSERT INTO items VALUES (2)');
  const second = stage.start();
  const ids = (await second.read(['items'], position).take(2)).map(({ new: row }) => (row as { id: number }).id);
  expect(ids).toEqual([1, 2]);
  await second.disable();
  expect(await stage.left()).toEqual(before);
});
