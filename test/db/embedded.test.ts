import { expect, test } from 'vitest';
import { connect } from '../../src/db/connection.ts';
import { ask, makeDataDir, startPair } from './support.ts';

test('Quarry runs as two roles of the metadata database that are no superusers', async () => {
  const { meta } = await startPair(await makeDataDir(), { clusters: { meta: true, playground: false } });
  const { owner, app } = meta!;
  await ask(owner, 'CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, n serial)');
  await ask(app, 'INSERT INTO t DEFAULT VALUES');
  await ask(app, 'UPDATE t SET n = 7');
  expect(await ask(app, 'SELECT n FROM t')).toEqual([[7]]);
  await ask(app, 'DELETE FROM t');
  for (const statement of [
    'CREATE TABLE u ()',
    'DROP TABLE t',
    'ALTER TABLE t ADD x int',
    'TRUNCATE t',
    'SET ROLE quarry_owner',
  ]) {
    await expect(ask(app, statement)).rejects.toThrow(/permission denied|must be owner/);
  }
  const rights =
    'SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user';
  for (const role of [owner, app]) {
    expect(await ask(role, rights)).toEqual([[false, false, false, false, false]]);
    for (const database of ['postgres', 'template1']) {
      await expect(ask({ ...role, database }, 'SELECT')).rejects.toThrow(/permission denied for database/);
    }
  }
});

test('passwords that somebody changed in the cluster agree again after the next start', async () => {
  const dataDir = await makeDataDir();
  const first = await startPair(dataDir);
  await ask(first.meta!.app, `ALTER ROLE quarry_app PASSWORD 'changed'`);
  await ask(first.playground!.admin, `ALTER ROLE quarry_admin PASSWORD 'changed'`);
  await first.stop();
  const { meta, playground } = await startPair(dataDir);
  expect(await ask(meta!.app, 'SELECT current_user')).toEqual([['quarry_app']]);
  expect(await ask(playground!.admin, 'SELECT current_user')).toEqual([['quarry_admin']]);
});

test('the two clusters share no port, no password and no data, and the playground bounds its log', async () => {
  const { meta, playground } = await startPair(await makeDataDir());
  expect(meta!.cluster.port).not.toBe(playground!.cluster.port);
  const passwords = [meta!, playground!].flatMap(({ cluster }) => Object.values(cluster.secrets));
  expect(new Set(passwords).size).toBe(6);
  const { host, port } = meta!.app;
  for (const role of [playground!.admin, playground!.cluster.superuser]) {
    await expect(ask({ ...role, host, port }, 'SELECT')).rejects.toThrow(/password authentication failed/);
  }
  const settings = `SELECT name, setting FROM pg_settings
    WHERE name IN ('wal_level', 'max_slot_wal_keep_size', 'temp_file_limit') ORDER BY name`;
  expect(await ask(playground!.admin, settings)).toEqual([
    ['max_slot_wal_keep_size', '1024'],
    ['temp_file_limit', '2097152'],
    ['wal_level', 'logical'],
  ]);
});

test('variables PG* of the process reach no server', async () => {
  const { meta } = await startPair(await makeDataDir(), { clusters: { meta: true, playground: false } });
  const canaries = { PGPASSWORD: 'canary', PGUSER: 'canary', PGOPTIONS: '-c work_mem=65kB', PGSSLMODE: 'require' };
  Object.assign(process.env, canaries);
  try {
    expect(await ask(meta!.app, 'SHOW work_mem')).toEqual([['4MB']]);
    await expect(ask({ ...meta!.app, password: '' }, 'SELECT')).rejects.toThrow(/password/);
  } finally {
    for (const name of Object.keys(canaries)) delete process.env[name];
  }
});

test('aborting ends a connection and the statement that waits on it', async () => {
  const { meta } = await startPair(await makeDataDir(), { clusters: { meta: true, playground: false } });
  const abort = new AbortController();
  await using connected = await connect(meta!.app, { signal: abort.signal });
  const sleeping = connected.client.query('SELECT pg_sleep(600)');
  sleeping.catch(() => undefined);
  abort.abort(new Error('enough'));
  await expect(sleeping).rejects.toThrow();
  await expect(connect(meta!.app, { signal: abort.signal })).rejects.toThrow('enough');
});
