import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { Databases, VisibleDatabase } from '../../src/databases/databases.ts';
import { connect } from '../../src/db/connection.ts';
import { hostedNames } from '../../src/db/playground.ts';
import { RunError, type Target } from '../../src/engines/engine.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import {
  asked,
  createWorld,
  failure,
  startTestPlayground,
  type TestPlayground,
  testConnection,
  type World,
} from './world.ts';

let server: TestPlayground;
let world: World;
beforeAll(async () => {
  server = await startTestPlayground();
  world = await createWorld({ playground: server.playground });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const signal = AbortSignal.timeout(120_000);

/** Starts the making and waits until the sample is there. */
async function startAndFind(databases: Databases, viewer: Viewer): Promise<VisibleDatabase> {
  databases.start();
  for (;;) {
    const { edges } = await databases.list(viewer, { search: 'MAKEYOURSPACE' });
    if (edges[0]) return edges[0].node;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const sampleOf = async (viewer: Viewer) => (await world.databases.list(viewer, {})).edges[0]!.node;

async function rows(target: Target, sql: string, { readOnly = true } = {}): Promise<unknown[][]> {
  await using session = await world.engines.postgresql.open(target, { signal, label: 'test' });
  const all: unknown[][] = [];
  for await (const event of session.run(sql, { readOnly, transaction: 'PER_STATEMENT', maxRows: 100, signal })) {
    if (event.type === 'rows') all.push(...event.rows);
  }
  return all;
}

const hosted = async () => {
  await using connected = await connect(server.playground.admin);
  const sql = `SELECT datname FROM pg_database WHERE datname ~ '^q_'`;
  return (await connected.client.query(sql)).rows.map(({ datname }) => datname as string);
};

test('processes that start together make one sample, behind what a killed one left half made', async () => {
  const names = hostedNames();
  await server.playground.createDatabase({ names });
  await world.pool.query(
    `INSERT INTO databases (id, name, engine, host, port, database_name, username, ssl_mode, sealed_password, read_only,
       hosted, updated_at)
     VALUES ($1, 'MAKEYOURSPACE', 'postgresql', 'playground', 0, $2, $3, 'DISABLE', '', true, true, now())`,
    [uuidv7(), names.database, names.owner],
  );
  const viewer = await world.person();
  const replicas = [world.databases, world.startReplica().databases, world.startReplica().databases];
  const [sample, ...others] = await Promise.all(replicas.map((databases) => startAndFind(databases, viewer)));
  await Promise.all(replicas.slice(1).map((databases) => databases.stop()));
  expect(others.map(({ id }) => id)).toEqual([sample!.id, sample!.id]);
  expect(sample).toMatchObject({
    name: 'MAKEYOURSPACE',
    system: true,
    hosted: true,
    readOnly: true,
    ownerId: null,
    serverVersion: expect.stringMatching(/^18/),
  });
  expect(await world.rows('SELECT count(*)::int AS n FROM databases')).toEqual([{ n: 1 }]);
  expect(await hosted()).toEqual([sample!.database]);
});

test('everybody who is signed in reads the sample, and nobody changes it', async () => {
  const viewer = await world.person();
  const { id } = await sampleOf(viewer);
  expect(await world.databases.requireDatabase(viewer, 'database:query', id)).toMatchObject({ id });
  const sample = await sampleOf(viewer);
  expect(world.databases.roleIn(viewer, sample)).toBe('viewer');
  expect(world.databases.connectionOf(viewer, sample)).toBeNull();
  await failure(world.databases.requireDatabase(viewer, 'database:write', id), 'FORBIDDEN');
  await failure(world.databases.update(viewer, { id, name: 'mine' }, asked()), 'FORBIDDEN');
  await failure(world.databases.disconnect(viewer, { id, drop: true }, asked()), 'FORBIDDEN');
  const connection = { ...testConnection(), host: 'elsewhere.example' };
  await failure(world.databases.update(viewer, { id, connection }, asked()), 'FORBIDDEN');
  await failure(world.databases.requireDatabase(null, 'database:see', id), 'UNAUTHENTICATED');
  expect(await world.databases.health(sample, 0)).toMatchObject({ ok: true });
});

test('each user runs under a role of his own, one also when his first two jobs start together', async () => {
  const people = [await world.person(), await world.person()];
  const sample = await sampleOf(people[0]!);
  const roles = await Promise.all(
    people.map(async (viewer) => {
      const targets = await Promise.all([1, 2, 3].map(() => world.databases.targetOf(sample, viewer, { signal })));
      const users = new Set(targets.map(({ target }) => target.user));
      expect(users.size).toBe(1);
      const [user] = users;
      const { target } = targets[0]!;
      expect(await rows(target, 'SELECT current_user::text, count(*) > 1000 FROM posts')).toEqual([[user, true]]);
      return user;
    }),
  );
  expect(new Set(roles).size).toBe(2);
  const catalogue = (await world.databases.targetOf(sample, 'catalogue', { signal })).target.user;
  expect(roles).not.toContain(catalogue);
  await using connected = await connect(server.playground.admin);
  const readers = await connected.client.query('SELECT rolname FROM pg_roles WHERE rolname = ANY($1)', [
    [...roles, catalogue],
  ]);
  expect(readers.rowCount).toBe(3);
});

test('a user of the sample writes nothing, and neither sees nor ends the session of another', async () => {
  const [viewer, other] = [await world.person(), await world.person()];
  const sample = await sampleOf(viewer);
  const [mine, theirs] = [
    (await world.databases.targetOf(sample, viewer, { signal })).target,
    (await world.databases.targetOf(sample, other, { signal })).target,
  ];
  await using session = await world.engines.postgresql.open(theirs, { signal, label: 'test' });
  const pid = session.identity.sessionId;
  expect(await rows(mine, `SELECT pid::text FROM pg_stat_activity WHERE pid = ${pid}`)).toEqual([]);
  const refused = [
    `SELECT pg_terminate_backend(${pid})`,
    `SELECT pg_cancel_backend(${pid})`,
    'SELECT pg_advisory_lock(1)',
    'DELETE FROM posts',
    'CREATE TABLE t (n int)',
    `ALTER ROLE CURRENT_USER PASSWORD 'x'`,
  ];
  for (const sql of refused) await expect(rows(mine, sql), sql).rejects.toThrow(RunError);
  await expect(rows(mine, 'DELETE FROM posts', { readOnly: false })).rejects.toThrow(RunError);
  expect(session.closed.aborted).toBe(false);
});

test('the catalogue of the sample is read without a role of any user', async () => {
  const viewer = await world.person();
  const sample = await sampleOf(viewer);
  const before = await world.rows('SELECT user_id FROM database_roles');
  const tables = await world.databases.readCatalog(
    sample,
    (catalog) => catalog.relationsByName([{ schema: 'public', name: 'posts' }], { signal }),
    { signal },
  );
  expect(tables).toMatchObject([{ name: 'posts' }]);
  expect(await world.rows('SELECT user_id FROM database_roles')).toEqual(before);
});

test('who is deleted takes his role on the sample along', async () => {
  const [gone, other] = [await world.person(), await world.person()];
  const sample = await sampleOf(gone);
  const [his, theirs] = await Promise.all(
    [gone, other].map(async (viewer) => (await world.databases.targetOf(sample, viewer, { signal })).target),
  );
  await world.databases.disconnectAllOf({ ...other, role: 'admin' }, gone.userId, asked());
  await expect(rows(his!, 'SELECT 1')).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  expect(await rows(theirs!, 'SELECT 1')).toEqual([[1]]);
  expect(await sampleOf(other)).toMatchObject({ id: sample.id });
});

test('a sample whose database was lost is made anew', async () => {
  const viewer = await world.person();
  const lost = await sampleOf(viewer);
  await server.playground.dropDatabase(lost.database);
  const { databases } = world.startReplica();
  databases.start();
  for (;;) {
    const { edges } = await databases.list(viewer, {});
    if (edges[0] && edges[0].node.id !== lost.id) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const found = await sampleOf(viewer);
  expect(await world.databases.health(found, 0)).toMatchObject({ ok: true });
  expect(await hosted()).toEqual([found.database]);
});

test('a start that is stopped at once leaves nothing half made behind', async () => {
  await using other = await createWorld({ playground: server.playground });
  const before = await hosted();
  other.databases.start();
  await other.databases.stop();
  expect(await other.rows('SELECT id FROM databases WHERE NOT system')).toEqual([]);
  const left = await other.rows('SELECT database_name FROM databases');
  expect((await hosted()).sort()).toEqual([...before, ...left.map(({ database_name }) => database_name)].sort());
});

test('without a playground there is no sample, and the start goes on', async () => {
  await using other = await createWorld();
  other.databases.start();
  expect((await other.databases.list(await other.person(), {})).edges).toEqual([]);
});
