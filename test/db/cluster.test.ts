import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { clusterLimits } from '../../src/db/cluster.ts';
import { processStart, sendSignal, serversIn } from '../../src/db/processes.ts';
import { ask, ended, isRoot, kill, makeDataDir, startOne, startPair, startProcess } from './support.ts';

test('a new cluster speaks SCRAM on loopback only, and nobody but us reads its password', async () => {
  const dataDir = await makeDataDir();
  const cluster = await startOne(dataDir);
  const settings = `SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'unix_socket_directories',
    'server_encoding', 'password_encryption', 'wal_level', 'data_directory_mode') ORDER BY name`;
  expect(await ask(cluster.superuser, settings)).toEqual([
    ['data_directory_mode', '0700'],
    ['listen_addresses', '127.0.0.1'],
    ['password_encryption', 'scram-sha-256'],
    ['server_encoding', 'UTF8'],
    ['unix_socket_directories', ''],
    ['wal_level', 'replica'],
  ]);
  expect(await ask(cluster.superuser, 'SELECT DISTINCT auth_method FROM pg_hba_file_rules')).toEqual([
    ['scram-sha-256'],
  ]);
  await expect(ask({ ...cluster.superuser, password: 'wrong' }, 'SELECT')).rejects.toThrow(/password authentication/);
  await expect(ask({ ...cluster.superuser, password: '' }, 'SELECT')).rejects.toThrow(/password/);
  expect((await stat(join(dataDir, 'postgres', 'meta.secrets.json'))).mode & 0o777).toBe(0o600);
  expect(await readdir(join(dataDir, 'postgres'))).not.toContain('meta.new');
});

test('what is in it outlives a stop, on another port and with the same password', async () => {
  const dataDir = await makeDataDir();
  const first = await startOne(dataDir);
  await ask(first.superuser, 'CREATE TABLE kept AS SELECT 1 AS n');
  await first.stop();
  expect(await serversIn(join(dataDir, 'postgres', 'meta'))).toEqual([]);
  const second = await startOne(dataDir);
  expect(second.superuser.password).toBe(first.superuser.password);
  expect(await ask(second.superuser, 'SELECT n FROM kept')).toEqual([[1]]);
});

test('a cluster whose making was cut short is made anew', async () => {
  const dataDir = await makeDataDir();
  const half = join(dataDir, 'postgres', 'meta.new', 'data');
  await mkdir(half, { recursive: true });
  await writeFile(join(half, 'PG_VERSION'), '18\n');
  const cluster = await startOne(dataDir);
  expect(await ask(cluster.superuser, 'SELECT 1')).toEqual([[1]]);
});

test('a server that dies is started again on the same port', async () => {
  const cluster = await startOne(await makeDataDir());
  for (const restarts of [1, 2]) {
    const { pid } = cluster;
    const restarted = once(cluster.events, 'restarted');
    sendSignal(pid, 'SIGKILL');
    await restarted;
    expect(cluster.pid).not.toBe(pid);
    expect(cluster.restarts).toBe(restarts);
    expect(await ask(cluster.superuser, 'SELECT 1')).toEqual([[1]]);
  }
});

test('a server that cannot come back is tried until it can, and stops being tried when we stop', async () => {
  const dataDir = await makeDataDir();
  const cluster = await startOne(dataDir, { limits: { ...clusterLimits, restartFirstMs: 1, restartLastMs: 20 } });
  const control = join(dataDir, 'postgres', 'meta', 'global', 'pg_control');
  await rename(control, `${control}.away`);
  const exited = once(cluster.events, 'exited');
  sendSignal(cluster.pid, 'SIGQUIT');
  await exited;
  const restarted = once(cluster.events, 'restarted');
  await rename(`${control}.away`, control);
  await restarted;
  expect(await ask(cluster.superuser, 'SELECT 1')).toEqual([[1]]);
  await rename(control, `${control}.away`);
  const again = once(cluster.events, 'exited');
  sendSignal(cluster.pid, 'SIGQUIT');
  await again;
  await cluster.stop();
  expect(await serversIn(join(dataDir, 'postgres', 'meta'))).toEqual([]);
});

test('a start that is aborted leaves no process behind', async () => {
  const dataDir = await makeDataDir();
  await (await startOne(dataDir)).stop();
  const abort = new AbortController();
  const starting = startOne(dataDir, { signal: abort.signal });
  abort.abort(new Error('no longer wanted'));
  await expect(starting).rejects.toThrow('no longer wanted');
  expect(await serversIn(join(dataDir, 'postgres', 'meta'))).toEqual([]);
});

test('a cluster of another version, or without its passwords, is refused with the way out', async () => {
  const dataDir = await makeDataDir();
  await (await startOne(dataDir)).stop();
  const version = join(dataDir, 'postgres', 'meta', 'PG_VERSION');
  await writeFile(version, '17\n');
  await expect(startOne(dataDir)).rejects.toThrow(/made by PostgreSQL 17, and this Quarry brings 18/);
  await writeFile(version, '18\n');
  const secrets = join(dataDir, 'postgres', 'meta.secrets.json');
  await writeFile(secrets, '{"superuser":');
  await expect(startOne(dataDir)).rejects.toThrow(/meta.secrets.json is damaged/);
  await rm(secrets);
  await expect(startOne(dataDir)).rejects.toThrow(/meta.secrets.json is missing/);
});

test('a server that does not start says why', async () => {
  const dataDir = await makeDataDir();
  await expect(startOne(dataDir, { settings: { shared_buffers: 'nonsense' } })).rejects.toThrow(
    /did not start.*shared_buffers/s,
  );
});

test('a pid file whose number now belongs to another program neither stops the start nor that program', async () => {
  const dataDir = await makeDataDir();
  const first = await startOne(dataDir);
  await first.stop();
  const other = spawn('sleep', ['600']);
  onTestFinished(() => {
    other.kill();
  });
  const directory = join(dataDir, 'postgres', 'meta');
  await writeFile(join(directory, 'postmaster.pid'), `${other.pid}\n${directory}\n1\n1\n\n127.0.0.1\n\nready   \n`);
  const second = await startOne(dataDir);
  expect(await ask(second.superuser, 'SELECT 1')).toEqual([[1]]);
  expect(await processStart(other.pid ?? 0)).toBeDefined();
});

test('a disk that is nearly full is told, and also when it is no longer', async () => {
  const dataDir = await makeDataDir();
  const disk = { lowFraction: 1, lowMaxBytes: Number.POSITIVE_INFINITY, lowMinBytes: 0, intervalMs: 20 };
  const full = await startOne(dataDir, { limits: { ...clusterLimits, disk } });
  expect(full.diskLow).toBe(true);
  await full.stop();
  const changing = { ...disk };
  const cluster = await startOne(dataDir, { limits: { ...clusterLimits, disk: changing } });
  changing.lowFraction = 0;
  expect(await once(cluster.events, 'diskLow')).toEqual([false]);
  expect(cluster.diskLow).toBe(false);
});

test('a start after kill -9 of Quarry stops what was left and goes on with the same data', async () => {
  const dataDir = await makeDataDir();
  const { child, answer } = await startProcess(dataDir);
  await kill(child, 'SIGKILL');
  for (const pid of answer.pids) expect(await processStart(pid)).toBeDefined();
  const { meta } = await startPair(dataDir);
  await ended(answer.pids);
  expect(meta?.app.password).toBe(answer.app.password);
  expect(await ask(meta!.app, 'SELECT current_user')).toEqual([['quarry_app']]);
});

test('a start after kill -9 of Quarry and of a postmaster ends the sessions that outlived it', async () => {
  const dataDir = await makeDataDir();
  const { child, answer } = await startProcess(dataDir);
  await kill(child, 'SIGKILL');
  for (const pid of answer.pids) sendSignal(pid, 'SIGKILL');
  const { meta } = await startPair(dataDir);
  expect(await ask(meta!.app, 'SELECT 1')).toEqual([[1]]);
});

test('a second Quarry on the same DATA_DIR is refused by name, and accepted when the first was killed', async () => {
  const dataDir = await makeDataDir();
  const { child, answer } = await startProcess(dataDir);
  await expect(startPair(dataDir)).rejects.toThrow(new RegExp(`pid ${child.pid}\\) uses DATA_DIR ${dataDir}`));
  expect(await ask(answer.app, 'SELECT 1')).toEqual([[1]]);
  await kill(child, 'SIGKILL');
  const { meta } = await startPair(dataDir);
  expect(await ask(meta!.app, 'SELECT 1')).toEqual([[1]]);
});

test('of five that start at once on one DATA_DIR exactly one runs', async () => {
  const dataDir = await makeDataDir();
  const all = await Promise.allSettled([1, 2, 3, 4, 5].map(() => startProcess(dataDir)));
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const one of all) if (one.status === 'rejected') expect(one.reason.message).toMatch(/uses DATA_DIR/);
});

test.each(['SIGTERM', 'exit'])('a Quarry that ends by %s leaves no process behind', async (how) => {
  const dataDir = await makeDataDir();
  const { child, answer } = await startProcess(dataDir, { more: how === 'exit' ? ['exit'] : [] });
  if (how === 'SIGTERM') await kill(child, 'SIGTERM');
  await ended(answer.pids);
  expect(await readdir(join(dataDir, 'postgres', 'meta'))).not.toContain('postmaster.pid');
});

test.runIf(isRoot)('as root the servers run as somebody else', async () => {
  const cluster = await startOne(await makeDataDir());
  const { uid } = await stat(`/proc/${cluster.pid}`);
  expect(uid).not.toBe(0);
});
