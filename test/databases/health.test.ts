import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { VisibleDatabase } from '../../src/databases/databases.ts';
import { asked, createWorld, failure, pathsOf, testConnection, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** The test server behind a port that counts who comes, and that can be closed. */
async function door() {
  const { host, port } = testConnection();
  let visits = 0;
  const server: Server = createServer((socket) => {
    visits += 1;
    const inner = connectSocket({ host, port });
    for (const one of [socket, inner]) one.on('error', () => {});
    socket.pipe(inner).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, server, visits: () => visits };
}

async function connected() {
  const entrance = await door();
  const viewer = await world.person();
  const connection = { ...testConnection(), port: entrance.port };
  const input = { name: 'x', connection, projectId: null, readOnly: false };
  const { database } = await world.databases.connect(viewer, input, asked());
  return { ...entrance, viewer, database };
}

test('the look at connecting is the health, until somebody wants a newer one', async () => {
  const { database, visits } = await connected();
  const before = visits();
  const kept = await world.databases.health(database, 60_000);
  expect(kept).toMatchObject({ ok: true, serverVersion: database.serverVersion });
  expect(visits()).toBe(before);
  const fresh = await world.databases.health(database, 0);
  expect(visits()).toBe(before + 1);
  expect(fresh.checkedAt.getTime()).toBeGreaterThanOrEqual(kept.checkedAt.getTime());
  expect(fresh.latencyMs).toEqual(expect.any(Number));
});

test('many who ask at once share one look', async () => {
  const { database, visits } = await connected();
  const before = visits();
  const reports = await Promise.all(Array.from({ length: 10 }, () => world.databases.health(database, 0)));
  expect(new Set(reports).size).toBe(1);
  expect(visits()).toBe(before + 1);
});

test('a database that went away is told with its stage, and comes back', async () => {
  const { database, server, port } = await connected();
  server.close();
  expect(await world.databases.health(database, 0)).toMatchObject({ ok: false, problems: [{ code: 'TCP' }] });
  const { host, port: inner } = testConnection();
  const again = createServer((socket) => {
    const target = connectSocket({ host, port: inner });
    for (const one of [socket, target]) one.on('error', () => {});
    socket.pipe(target).pipe(socket);
  }).listen(port, '127.0.0.1');
  await once(again, 'listening');
  onTestFinished(() => void again.close());
  expect(await world.databases.health(database, 0)).toMatchObject({ ok: true });
});

test('what a look finds is kept with the database', async () => {
  const { database, viewer } = await connected();
  await world.pool.query(`UPDATE databases SET server_version = '9', capabilities = '{CANCEL,GONE}' WHERE id = $1`, [
    database.id,
  ]);
  const old = (await world.databases.load({}, viewer, database.id)) as VisibleDatabase;
  expect(old).toMatchObject({ serverVersion: '9', capabilities: ['CANCEL'] });
  await world.databases.health(old, 0);
  expect(await world.databases.load({}, viewer, database.id)).toMatchObject({
    serverVersion: database.serverVersion,
    capabilities: database.capabilities,
  });
});

test('a report is of the credentials that are stored now', async () => {
  const { database, viewer, visits } = await connected();
  const { password } = testConnection();
  const changed = await world.databases.update(
    viewer,
    { id: database.id, connection: { port: testConnection().port, password } },
    asked(),
  );
  const before = visits();
  expect(await world.databases.health(changed, 60_000)).toMatchObject({ ok: true });
  expect(visits()).toBe(before);
  // Who still holds the old row asks the old place.
  expect(await world.databases.health(database, 60_000)).toMatchObject({ ok: true });
  expect(visits()).toBe(before + 1);
});

test('an age below nothing is no age', async () => {
  const { database } = await connected();
  expect(pathsOf(await failure(world.databases.health(database, -1), 'BAD_USER_INPUT'))).toEqual(['maxAgeMs']);
});
