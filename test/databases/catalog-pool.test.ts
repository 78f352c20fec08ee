import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, inject, onTestFinished, test } from 'vitest';
import type { Target } from '../../src/engines/engine.ts';
import { createEngines } from '../../src/engines/registry.ts';
import { type CatalogPoolDeps, type CatalogSource, createCatalogPool } from '../../src/engines/sessions.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { AppError } from '../../src/lib/errors.ts';
import { createTestDatabase } from '../support/databases.ts';
import { failure } from './world.ts';

const signal = AbortSignal.timeout(60_000);

/** A pool on the test server, and how many connections of it are open there. */
async function setUp(options: Partial<CatalogPoolDeps> = {}) {
  const sockets = new Set<Socket>();
  const egress = createEgress({ allowPrivateHosts: ['127.0.0.1/32'], denied: () => [] });
  const engines = createEngines({
    dial: async (target, waiting) => {
      const socket = await egress(target, waiting);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  });
  const pool = createCatalogPool({ engines, ...options });
  onTestFinished(() => pool.stop());
  const database = await createTestDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  const target: Target = {
    ...inject('postgres'),
    hosted: false,
    database: database.database,
    ssl: 'DISABLE',
    allowInsecureAuthentication: false,
  };
  let asked = 0;
  const source = (databaseId: string, { revision = '1', ...change }: Partial<Target & { revision: string }> = {}) =>
    ({
      databaseId,
      revision,
      engine: 'postgresql',
      target: async () => {
        asked += 1;
        return { ...target, ...change };
      },
    }) satisfies CatalogSource;
  const read = (from: CatalogSource) => pool.read(from, (catalog) => catalog.defaultSchema({ signal }), { signal });
  const closed = async () => {
    for (const socket of [...sockets]) if (!socket.destroyed) await once(socket, 'close');
  };
  return { pool, source, read, sockets, closed, target, asked: () => asked };
}

test('reads of one database share what is open, however many come at once', async () => {
  const { source, read, sockets, asked } = await setUp();
  const reads = await Promise.all(Array.from({ length: 20 }, () => read(source('a'))));
  expect(new Set(reads)).toEqual(new Set(['public']));
  expect(await read(source('a'))).toBe('public');
  expect(asked()).toBe(1);
  expect(sockets.size).toBeLessThanOrEqual(2);
});

test('a new revision, a drop and a stop close what was open', async () => {
  const { pool, source, read, sockets, closed } = await setUp();
  await read(source('a'));
  const [first] = sockets;
  await read(source('a', { revision: '2' }));
  if (!first?.destroyed) await once(first!, 'close');
  pool.drop('a');
  await closed();
  await read(source('b'));
  await pool.stop();
  await closed();
  await failure(read(source('b')), 'CONNECTION_FAILED');
});

test('what is dropped while somebody reads is closed behind him', async () => {
  const { pool, source, closed } = await setUp();
  const { promise: reading, resolve: isReading } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>();
  const work = pool.read(
    source('a'),
    async (catalog) => {
      isReading();
      await goOn;
      return catalog.defaultSchema({ signal });
    },
    { signal },
  );
  await reading;
  pool.drop('a');
  letGo();
  expect(await work).toBe('public');
  await closed();
});

test('so many are open and no more: unused ones make room, and who finds none waits', async () => {
  const { pool, source, read, asked } = await setUp({ maxOpen: 2 });
  for (const id of ['a', 'b', 'c', 'a']) await read(source(id));
  expect(asked()).toBe(4);

  const release = Promise.withResolvers<void>();
  const hold = (id: string) => pool.read(source(id), () => release.promise, { signal });
  const held = [hold('x'), hold('y')];
  const waiting = read(source('z'));
  const asking = new AbortController();
  const impatient = pool.read(source('w'), async () => 'never', { signal: asking.signal });
  asking.abort(new Error('gone'));
  await expect(impatient).rejects.toThrow('gone');
  expect(asked()).toBe(6);
  release.resolve();
  expect(await waiting).toBe('public');
  await Promise.all(held);
});

test('one that nobody reads is closed after a while', async () => {
  const { source, read, closed } = await setUp({ idleMs: 1 });
  await read(source('a'));
  await closed();
  expect(await read(source('a'))).toBe('public');
});

test('a target that cannot be reached is CONNECTION_FAILED, and asked for anew the next time', async () => {
  const { source, read, asked } = await setUp();
  const error = await failure(read(source('a', { password: 'wrong' })), 'CONNECTION_FAILED');
  expect(error.details).toMatchObject({ reason: 'AUTHENTICATION' });
  expect(asked()).toBe(1);
  expect(await read(source('a'))).toBe('public');

  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await failure(read(source('b', { port })), 'CONNECTION_FAILED');
  const broken = { ...source('c'), target: () => Promise.reject(new AppError('CONNECTION_FAILED', 'no secret')) };
  await failure(read(broken), 'CONNECTION_FAILED');
  expect(await read(source('c'))).toBe('public');
});

test('what a read throws for itself reaches its caller and closes nothing', async () => {
  const { pool, source, read, asked } = await setUp();
  const work = pool.read(source('a'), () => Promise.reject(new AppError('TIMEOUT', 'slow')), { signal });
  await failure(work, 'TIMEOUT');
  expect(await read(source('a'))).toBe('public');
  expect(asked()).toBe(1);
});
