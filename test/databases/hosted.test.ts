import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { sealedPasswords } from '../../src/databases/credentials.ts';
import type { DatabaseTemplate } from '../../src/databases/databases.ts';
import { databaseLimits } from '../../src/databases/input.ts';
import { renewLostPasswords, startLostPasswords } from '../../src/databases/lost-passwords.ts';
import { connect } from '../../src/db/connection.ts';
import { hostedNames } from '../../src/db/playground.ts';
import type { Catalog } from '../../src/engines/catalog.ts';
import type { RunEvent, Target } from '../../src/engines/engine.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { createKeyring } from '../../src/lib/keyring.ts';
import type { Log } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { silent } from '../support/metadata.ts';
import {
  asked,
  createWorld,
  failure,
  pathsOf,
  startTestPlayground,
  type TestPlayground,
  testConnection,
  type World,
} from './world.ts';

let server: TestPlayground;
let world: World;
beforeAll(async () => {
  server = await startTestPlayground();
  world = await createWorld({ playground: server.playground, allowPrivateHosts: false });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const signal = AbortSignal.timeout(120_000);
const create = async (
  viewer: Viewer,
  { template = 'empty', projectId = null }: { template?: DatabaseTemplate; projectId?: string | null } = {},
) => world.databases.createHosted(viewer, { name: 'mine', template, projectId }, asked());

const targetOf = async (viewer: Viewer, id: string) => {
  const database = await world.databases.requireDatabase(viewer, 'database:query', id);
  return (await world.databases.targetOf(database, viewer, { signal })).target;
};

/** Rows of the last statement, or the failure. */
async function run(target: Target, sql: string): Promise<unknown[][]> {
  await using session = await world.engines.postgresql.open(target, { signal, label: 'test' });
  const options = { readOnly: false, transaction: 'PER_STATEMENT', maxRows: 100, signal } as const;
  let rows: unknown[][] = [];
  for await (const event of session.run(sql, options) as AsyncIterable<RunEvent>) {
    if (event.type === 'statement') rows = [];
    if (event.type === 'rows') rows.push(...event.rows);
  }
  return rows;
}

/** Databases and roles of the playground that are somebody's. */
async function made(): Promise<unknown[][]> {
  await using connected = await connect(server.playground.admin);
  const sql = `SELECT datname FROM pg_database WHERE datname ~ '^q_' UNION ALL SELECT rolname FROM pg_roles WHERE rolname ~ '^q_'`;
  return (await connected.client.query({ text: sql, rowMode: 'array' })).rows;
}

test('a hosted database has an owner role of its own that can do nothing beyond it', async () => {
  const [viewer, other] = [await world.person(), await world.person()];
  const [mine, foreign] = [await create(viewer), await create(other)];
  expect(mine).toMatchObject({ hosted: true, system: false, readOnly: false, ownerId: viewer.userId });
  expect(mine.serverVersion).toMatch(/^18/);
  const target = await targetOf(viewer, mine.id);
  expect(target).toMatchObject({
    hosted: true,
    host: server.playground.admin.host,
    port: server.playground.admin.port,
  });
  const rights = await run(
    target,
    'SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user',
  );
  expect(rights).toEqual([[false, false, false, false, false]]);
  expect(await run(target, 'CREATE TABLE t AS SELECT 1 AS n; SELECT n FROM t')).toEqual([[1]]);

  const theirs = await targetOf(other, foreign.id);
  await expect(run({ ...target, database: theirs.database }, 'SELECT 1')).rejects.toMatchObject({
    code: 'CONNECTION_FAILED',
  });
  await failure(world.databases.requireDatabase(viewer, 'database:see', foreign.id), 'NOT_FOUND');
});

test('what is made with the template is full of its rows', async () => {
  const viewer = await world.person();
  const { id } = await create(viewer, { template: 'makeyourspace' });
  const [[posts]] = (await run(await targetOf(viewer, id), 'SELECT count(*) > 1000 FROM posts')) as [[boolean]];
  expect(posts).toBe(true);
});

test('the catalogue of a hosted database is read whole, and shows nothing of the databases beside it', async () => {
  const viewer = await world.person();
  const database = await create(viewer, { template: 'makeyourspace' });
  await create(await world.person());
  const read = <T>(work: (catalog: Catalog) => Promise<T>) => world.databases.readCatalog(database, work, { signal });
  const options = { signal };
  const all = { database: true } as const;
  expect(await read((catalog) => catalog.serverDatabases('OWN', options))).toEqual([database.database]);
  const roles = await read((catalog) => catalog.roles('OWN', options));
  expect(roles).toMatchObject([{ name: database.user, superuser: false, createDatabase: false, createRole: false }]);

  expect(await read((catalog) => catalog.databaseSizeBytes(options))).toBeGreaterThan(0);
  expect(await read((catalog) => catalog.schemas({ includeSystem: false }, options))).toMatchObject([
    { name: 'public' },
  ]);
  expect(await read((catalog) => catalog.extensions(options))).not.toEqual([]);
  const [relations = []] = await read((catalog) => catalog.relationPages(all, {}, {}, options));
  expect(relations.map(({ name }) => name)).toContain('posts');
  const reads = ['columns', 'statistics', 'indexes', 'constraints', 'foreignKeys', 'referencedBy'] as const;
  const more = ['triggers', 'policies', 'definitions', 'sizesBytes'] as const;
  for (const kind of [...reads, ...more]) {
    expect(await read<unknown[]>((catalog) => catalog[kind](relations, options)), kind).toHaveLength(relations.length);
  }
  expect((await read((catalog) => catalog.enums(all, options))).flat()).not.toEqual([]);
  expect((await read((catalog) => catalog.sequences(['public'], options))).flat()).not.toEqual([]);
  expect((await read((catalog) => catalog.routinePages(all, {}, {}, options))).flat()).not.toEqual([]);
});

test('its owner sees where it is now, and cannot change that', async () => {
  const viewer = await world.person();
  const database = await create(viewer);
  const { host, port } = server.playground.admin;
  expect(world.databases.connectionOf(viewer, database)).toMatchObject({ host, port, user: database.user });
  const change = { id: database.id, connection: { host: 'example.com', password: 'x' } };
  const error = await failure(world.databases.update(viewer, change, asked()), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(['input.connection']);
  expect(await world.databases.update(viewer, { id: database.id, name: 'renamed' }, asked())).toMatchObject({
    name: 'renamed',
  });
});

test('a user who changes the password of his role has not locked himself or Quarry out', async () => {
  const viewer = await world.person();
  const database = await create(viewer);
  const read = () => world.databases.readCatalog(database, (catalog) => catalog.defaultSchema({ signal }), { signal });
  expect(await read()).toBe('public');
  const before = await targetOf(viewer, database.id);
  await run(before, `ALTER ROLE CURRENT_USER PASSWORD 'x'; ALTER ROLE CURRENT_USER SET search_path = nowhere`);
  expect(await read()).toBe('public');
  const sessions = await Promise.all(
    [1, 2, 3].map(async () => run(await targetOf(viewer, database.id), 'SHOW search_path')),
  );
  expect(sessions).toEqual([[['"$user", public']], [['"$user", public']], [['"$user", public']]]);
  expect(await world.databases.health(database, 0)).toMatchObject({ ok: true });
});

test('it is dropped with its role only when asked to, and leaves no row', async () => {
  const before = await made();
  const viewer = await world.person();
  const { id } = await create(viewer);
  const target = await targetOf(viewer, id);
  await using session = await world.engines.postgresql.open(target, { signal, label: 'test' });
  await failure(world.databases.disconnect(viewer, { id, drop: false }, asked()), 'CONFLICT');
  expect(await world.databases.load({}, viewer, id)).toMatchObject({ id });
  await world.databases.disconnect(viewer, { id, drop: true }, asked());
  expect(
    session.closed.aborted || (await new Promise((resolve) => session.closed.addEventListener('abort', resolve))),
  ).toBeTruthy();
  expect(await made()).toEqual(before);
  expect(await world.rows('SELECT id FROM databases WHERE id = $1', [id])).toEqual([]);
  const audit = await world.rows('SELECT action FROM audit_entries WHERE subject = $1 ORDER BY id', [
    encodeId('Database', id),
  ]);
  expect(audit.map(({ action }) => action)).toEqual(['database.created_hosted', 'database.disconnected']);
});

test('who is deleted takes his hosted databases along, but not those of a project', async () => {
  const [gone, other] = [await world.person(), await world.person()];
  const projectId = await world.project({ owner: other, editor: gone });
  const [own, shared] = [await create(gone), await create(gone, { projectId })];
  const names = async () => (await made()).flat();
  await failure(world.databases.disconnectAllOf(other, gone.userId, asked()), 'FORBIDDEN');
  await world.databases.disconnectAllOf({ ...other, role: 'admin' }, gone.userId, asked());
  expect(await names()).not.toContain(own.database);
  expect(await names()).not.toContain(own.user);
  expect(await names()).toContain(shared.database);
  expect(await world.rows('SELECT id FROM databases WHERE id = ANY($1) ORDER BY id', [[own.id, shared.id]])).toEqual([
    { id: shared.id },
  ]);
});

test('a making that fails or is given up leaves no database, no role and no row', async () => {
  const before = await made();
  const rows = () => world.rows('SELECT id FROM databases ORDER BY id');
  const rowsBefore = await rows();
  const viewer = await world.person();
  const asking = new AbortController();
  const creating = world.databases.createHosted(
    viewer,
    { name: 'x', template: 'makeyourspace', projectId: null },
    asked(asking.signal),
  );
  // As soon as it is on its way, seen by its row.
  while ((await rows()).length === rowsBefore.length) await new Promise(setImmediate);
  asking.abort(new Error('gone'));
  await expect(creating).rejects.toThrow();
  expect(await made()).toEqual(before);
  expect(await rows()).toEqual(rowsBefore);
});

test('one user has so many hosted databases and no more', async () => {
  const viewer = await world.person();
  const { id } = await create(viewer);
  await world.pool.query(
    `INSERT INTO databases (id, name, owner_id, engine, host, port, database_name, username, ssl_mode, sealed_password,
       read_only, hosted, updated_at)
     SELECT gen_random_uuid(), 'x', owner_id, engine, host, port, database_name, username, ssl_mode, '', false, true, now()
       FROM databases, generate_series(1, $2) WHERE id = $1`,
    [id, databaseLimits.ownedHosted - 1],
  );
  const error = await failure(create(viewer), 'LIMIT_EXCEEDED');
  expect(error.details).toEqual({ limit: databaseLimits.ownedHosted, actual: databaseLimits.ownedHosted });
  await world.pool.query('DELETE FROM databases WHERE owner_id = $1 AND id <> $2', [viewer.userId, id]);
});

test('what a killed process left is swept, and nobody saw it', async () => {
  const viewer = await world.person();
  const before = await made();
  const names = hostedNames();
  await server.playground.createDatabase({ names });
  const half = hostedNames();
  const rows = [names, half].map(({ database, owner }) => ({ id: uuidv7(), database, owner }));
  for (const { id, database, owner } of rows) {
    await world.pool.query(
      `INSERT INTO databases (id, name, engine, host, port, database_name, username, ssl_mode, sealed_password, read_only,
         hosted, updated_at)
       VALUES ($1, 'x', 'postgresql', 'playground', 0, $2, $3, 'DISABLE', '', true, true, now() - interval '1 hour')`,
      [id, database, owner],
    );
    expect(await world.databases.load({}, viewer, id)).toBeNull();
  }
  const left = () => world.rows('SELECT id FROM databases WHERE id = ANY($1)', [rows.map(({ id }) => id)]);
  expect(await left()).toHaveLength(2);
  const { databases } = world.startReplica();
  databases.start();
  while ((await left()).length > 0) await new Promise(setImmediate);
  await databases.stop();
  const now = (await made()).flat();
  expect(now).not.toContain(names.database);
  expect(now).not.toContain(names.owner);
  expect(now.length).toBeGreaterThanOrEqual(before.length);
});

test('without a playground nothing is hosted, and the answer says what to set', async () => {
  await using other = await createWorld();
  const viewer = await other.person();
  const input = { name: 'x', template: 'empty', projectId: null } as const;
  const error = await failure(other.databases.createHosted(viewer, input, asked()), 'NOT_CONFIGURED');
  expect(error.details).toEqual({ setting: 'PLAYGROUND_URL' });
});

test('a row that somebody names like the playground is not taken for it', async () => {
  const viewer = await world.person();
  const { host, port, user, password } = { ...testConnection(), ...inject('postgres') };
  const report = await world.databases.test(viewer, { host, port, user, password, database: 'postgres' }, asked());
  expect(report).toMatchObject({ ok: false, problems: [{ code: 'DENIED' }] });
  await failure(
    world.databases.connect(
      viewer,
      { name: 'x', connection: { ...testConnection(), host: 'playground' }, projectId: null, readOnly: false },
      asked(),
    ),
    'CONNECTION_FAILED',
  );
});

test('a hosted database whose master key is given up has a new password, once, and nobody else’s is touched', async () => {
  const viewer = await world.person();
  const [lost, kept] = [await create(viewer), await create(viewer)];
  await run(await targetOf(viewer, lost.id), 'CREATE TABLE t AS SELECT 1 AS n');
  const gone = createKeyring([{ id: 'gone', key: new Secret(randomBytes(32)) }]);
  await world.rows('UPDATE databases SET sealed_password = $2 WHERE id = $1', [lost.id, gone.seal('x', ['x'])]);
  await failure(targetOf(viewer, lost.id), 'CONNECTION_FAILED');
  const passwords = () => world.rows('SELECT id, sealed_password FROM databases WHERE id = $1', [kept.id]);
  const before = await passwords();
  const renew = (ids: string[]) =>
    renewLostPasswords({ ...world, playground: server.playground, lost: ids, log: silent }, signal);
  expect(await renew(['other'])).toEqual({ renewed: 0, left: 0 });
  // Two replicas that start at the same time.
  const renewed = await Promise.all([renew(['gone', 'k1']), renew(['gone', 'k1'])]);
  expect(renewed.map(({ renewed }) => renewed).sort()).toEqual([0, 1]);
  expect(await run(await targetOf(viewer, lost.id), 'SELECT n FROM t')).toEqual([[1]]);
  expect(await passwords()).toEqual(before);
  const [{ username }] = (await world.rows('SELECT username FROM databases WHERE id = $1', [lost.id])) as [
    { username: string },
  ];
  // One that cannot be reset is in the log, and another one is done all the same.
  await world.rows(`UPDATE databases SET sealed_password = $1, username = 'postgres' WHERE id = $2`, [
    gone.seal('x', ['x']),
    lost.id,
  ]);
  await world.rows('UPDATE databases SET sealed_password = $1 WHERE id = $2', [gone.seal('x', ['x']), kept.id]);
  expect(await renew(['gone'])).toEqual({ renewed: 1, left: 1 });
  expect(await run(await targetOf(viewer, kept.id), 'SELECT 1')).toEqual([[1]]);
  // A server tries it again, beside what it serves.
  const failed = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const events: Record<string, () => void> = {
    'hosting.password_not_renewed': failed.resolve,
    'hosting.passwords_renewed': done.resolve,
  };
  const log = { ...silent, warn: (_fields: object, event: string) => events[event]?.() } as unknown as Log;
  const again = startLostPasswords({ ...world, playground: server.playground, lost: ['gone'], log, againMs: 1 });
  await failed.promise;
  await world.rows('UPDATE databases SET username = $1 WHERE id = $2', [username, lost.id]);
  await done.promise;
  await again.stop();
  expect(await run(await targetOf(viewer, lost.id), 'SELECT n FROM t')).toEqual([[1]]);
});

test('so has a reader of a database of the system’s', async () => {
  const viewer = await world.person();
  const { id } = await create(viewer);
  const [{ name }] = (await world.rows('SELECT database_name AS name FROM databases WHERE id = $1', [id])) as [
    { name: string },
  ];
  const reader = await server.playground.grantReader({ database: name, signal });
  const gone = createKeyring([{ id: 'gone', key: new Secret(randomBytes(32)) }]);
  await world.rows(
    `INSERT INTO database_roles (database_id, user_id, role_name, sealed_password) VALUES ($1, $2, $3, $4)`,
    [id, viewer.userId, reader.user, gone.seal('x', ['x'])],
  );
  const deps = { ...world, playground: server.playground, lost: ['gone'], log: silent };
  expect((await renewLostPasswords(deps, signal)).renewed).toBeGreaterThanOrEqual(1);
  const [{ sealed }] = (await world.rows(
    'SELECT sealed_password AS sealed FROM database_roles WHERE database_id = $1',
    [id],
  )) as [{ sealed: string }];
  const [, roles] = sealedPasswords;
  const password = world.keyring.open(sealed, roles!.context(id, viewer.userId, reader.user));
  await using connected = await connect({ ...reader, password });
  expect((await connected.client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
});
