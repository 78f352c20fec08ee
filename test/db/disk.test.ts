import { once } from 'node:events';
import { chmod, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { clusterLimits, startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { mountSmallDisk, noSmallDisk } from '../support/small-disk.ts';
import { ask, log } from './support.ts';

test('a server that a full disk ended comes back by itself when there is room again', async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-disk-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const disk = await mountSmallDisk(dataDir, '200m');
  if (!disk) return context.skip(noSmallDisk);
  onTestFinished(() => disk[Symbol.asyncDispose]());
  await chmod(dataDir, 0o711);
  const cluster = await startCluster({
    name: 'meta',
    place: await findPlace({ dataDir, log }),
    log,
    secrets: [],
    limits: {
      ...clusterLimits,
      restartLastMs: 200,
      disk: { ...clusterLimits.disk, lowMinBytes: 16 * 1024 ** 2, intervalMs: 20 },
    },
  });
  onTestFinished(() => cluster.stop());
  await ask(cluster.superuser, 'CREATE TABLE kept AS SELECT 1 AS n');
  expect(cluster.diskLow).toBe(false);

  const low = once(cluster.events, 'diskLow');
  const exited = once(cluster.events, 'exited');
  const ballast = join(dataDir, 'ballast');
  const { bavail, bsize } = await statfs(dataDir);
  await writeFile(ballast, Buffer.alloc(bavail * bsize - 1024 * 1024));
  expect(await low).toEqual([true]);
  // A megabyte is left, and the write-ahead log takes sixteen at once: PANIC.
  const writing = ask(
    cluster.superuser,
    `CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)`,
  );
  await expect(writing).rejects.toThrow();
  await expect(
    ask(
      cluster.superuser,
      `SELECT pg_switch_wal() FROM generate_series(1, 20) WHERE pg_logical_emit_message(true, 'a', 'b') IS NOT NULL`,
    ),
  ).rejects.toThrow();
  await exited;

  const restarted = once(cluster.events, 'restarted');
  await rm(ballast);
  await restarted;
  expect(await ask(cluster.superuser, 'SELECT n FROM kept')).toEqual([[1]]);
});
