import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { encodeId } from '../../src/lib/ids.ts';
import { asked, createWorld, failure, pathsOf, testConnection, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** A port of this machine where every connection is given to `onSocket`. */
async function listen(onSocket: Parameters<typeof createServer>[1] & object): Promise<number> {
  const server = createServer(onSocket).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

const connect = async (connection: object, options: object = {}) => {
  const viewer = await world.person();
  const input = { name: 'shop', connection: { ...testConnection(), ...connection }, projectId: null, readOnly: false };
  return { viewer, ...(await world.databases.connect(viewer, { ...input, ...options }, asked())) };
};

test('a database that can be reached is connected, with what was found there', async () => {
  const { viewer, database, report } = await connect({}, { name: '  my shop ', readOnly: true });
  expect(report).toMatchObject({ ok: true, serverVersion: expect.stringMatching(/^18/) });
  expect(database).toMatchObject({
    name: 'my shop',
    ownerId: viewer.userId,
    engine: 'postgresql',
    readOnly: true,
    hosted: false,
    system: false,
    role: null,
    serverVersion: report.serverVersion,
    capabilities: report.capabilities,
  });
  expect(world.databases.roleIn(viewer, database)).toBe('owner');
  const { engine, target } = await world.databases.targetOf(
    database,
    { userId: viewer.userId },
    { signal: AbortSignal.timeout(10_000) },
  );
  expect(await engine.probe(target, { signal: AbortSignal.timeout(10_000) })).toMatchObject({ ok: true });
  const audit = await world.rows('SELECT actor_id, action FROM audit_entries WHERE subject = $1', [
    encodeId('Database', database.id),
  ]);
  expect(audit).toEqual([{ actor_id: viewer.userId, action: 'database.connected' }]);
});

test('a connection URL is taken apart and connects like its parts', async () => {
  const { host, port, user, password } = testConnection();
  const viewer = await world.person();
  const url = `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres?sslmode=disable`;
  const { database } = await world.databases.connect(
    viewer,
    { name: 'by URL', connection: { url, ssl: 'PREFER' }, projectId: null, readOnly: false },
    asked(),
  );
  expect(database).toMatchObject({ host, port, user, database: 'postgres', ssl: 'DISABLE' });
});

test.for([
  ['wrong password', { password: 'no' }, 'AUTHENTICATION'],
  ['unknown user', { user: 'nobody_of_that_name' }, 'AUTHENTICATION'],
  ['unknown database', { database: 'no_such_database' }, 'DATABASE'],
  ['unknown host', { host: 'no-such-host.invalid' }, 'DNS'],
  ['TLS refused', { ssl: 'REQUIRE' }, 'TLS'],
  ['TLS refused, to be verified', { ssl: 'VERIFY_FULL' }, 'TLS'],
  ['nobody listening', { port: 1 }, 'TCP'],
] as const)('%s fails with its stage and a hint, and nothing is kept', async ([, connection, reason]) => {
  const before = await world.rows('SELECT count(*)::int AS n FROM databases');
  const { host, port } = { ...testConnection(), ...connection };
  const error = await failure(connect(connection), 'CONNECTION_FAILED');
  expect(error.details).toMatchObject({ host, port, reason, hint: expect.any(String) });
  expect(await world.rows('SELECT count(*)::int AS n FROM databases')).toEqual(before);
  const report = await world.databases.test(await world.person(), { ...testConnection(), ...connection }, asked());
  expect(report).toMatchObject({ ok: false, problems: [{ code: reason, hint: expect.any(String) }] });
});

test('a server that accepts and never answers fails with its stage', async () => {
  const port = await listen(() => {});
  const { databases } = world.startReplica({ connectTimeoutMs: 500 });
  const connection = { ...testConnection(), port, ssl: 'PREFER' } as const;
  const input = { name: 'x', connection, projectId: null, readOnly: false };
  const error = await failure(databases.connect(await world.person(), input, asked()), 'CONNECTION_FAILED');
  expect(error.details).toMatchObject({ port, reason: 'TCP' });
});

test('a test of a connection ends when nobody waits for it any more', async () => {
  const asking = new AbortController();
  const port = await listen(() => asking.abort(new Error('gone')));
  const viewer = await world.person();
  await expect(world.databases.test(viewer, { ...testConnection(), port }, asked(asking.signal))).rejects.toThrow(
    'gone',
  );
});

test('a private host is refused unless the operator opened it, and the refusal says how', async () => {
  const { databases } = world.startReplica({ allowPrivateHosts: false });
  const report = await databases.test(await world.person(), testConnection(), asked());
  expect(report).toMatchObject({
    ok: false,
    problems: [{ code: 'DENIED', hint: expect.stringContaining('ALLOW_PRIVATE_HOSTS=127.0.0.1/32') }],
  });
});

test.for([
  ['/var/run', 'host'],
  ['/var/run/postgresql', 'host'],
  ['postgresql://user:canary@db.example.com/x', 'host'],
  ['https://db.example.com', 'host'],
  ['user@db.example.com', 'host'],
  ['db.example.com:5432', 'host'],
  ['db.example.com ', 'host'],
  ['@abstract', 'host'],
  ['', 'host'],
  ['a,b', 'host'],
  ['[::1]', 'host'],
  ['１２７.0.0.1', 'host'],
  ['127.0.0.1\0', 'host'],
] as const)('%j is no host', async ([host]) => {
  const error = await failure(connect({ host }), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(['input.connection.host']);
  expect(JSON.stringify([error.message, error.details])).not.toContain('canary');
});

test('every fault of an input is told at its field', async () => {
  const error = await failure(
    connect({
      host: 'a b',
      port: 65_536,
      database: '',
      user: 'a\0b',
      password: 'x'.repeat(5_000),
      sslRootCertificate: 'not PEM',
    }),
    'BAD_USER_INPUT',
  );
  expect(pathsOf(error)).toEqual(
    ['host', 'port', 'database', 'user', 'password', 'sslRootCertificate'].map((field) => `input.connection.${field}`),
  );
});

test.for([
  'postgresql://u:canary@h/d?host=169.254.169.254',
  'postgresql://u:canary@h/d?sslrootcert=/etc/hostname',
  'postgresql://u:canary@h/d?options=-c%20x=y',
  'postgresql://u:canary@h/d?sslmode=disable&sslmode=require',
  'postgresql://u:canary@h/d?sslmode=allow',
  'postgresql://u:canary@h/d/e',
  'postgresql://u:canary@h/d#canary',
  'postgresql://u:canary%@h/d',
  'mysql://u:canary@h/d',
  'canary',
  `postgresql://u:canary@h/${'d'.repeat(9_000)}`,
])('%s is no URL of a connection, and is not repeated', async (url) => {
  const input = { name: 'x', connection: { url }, projectId: null, readOnly: false };
  const error = await failure(world.databases.connect(await world.person(), input, asked()), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(['input.connection.url']);
  expect(JSON.stringify([error.message, error.details])).not.toContain('canary');
});

test.for(['postgresql://u:p@%2Fvar%2Frun/d', 'postgresql://u:p@a,b/d', 'postgresql:///d'])(
  '%s leads to no host',
  async (url) => {
    const input = { name: 'x', connection: { url }, projectId: null, readOnly: false };
    const error = await failure(world.databases.connect(await world.person(), input, asked()), 'BAD_USER_INPUT');
    expect(pathsOf(error)).toContain('input.connection.host');
  },
);

test('a URL beside separate parts is refused', async () => {
  const error = await failure(connect({ url: 'postgresql://u:p@h/d' }), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(['input.connection.url']);
});

test.for(['', '   ', 'x'.repeat(201), 'two\nlines', 'a\0b'])('%j is no name', async (name) => {
  const error = await failure(connect({}, { name }), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(['input.name']);
});

test('nothing of the environment reaches a target', async () => {
  const heard: Buffer[] = [];
  const port = await listen((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard.push(data);
      // AuthenticationCleartextPassword; what answers it is all that is wanted.
      if (data[0] === 0) socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
      else socket.end();
    });
  });
  const names = ['PGPASSWORD', 'PGUSER', 'PGOPTIONS', 'PGAPPNAME', 'PGDATABASE', 'PGSERVICEFILE'];
  for (const name of names) process.env[name] = `canary-${name}`;
  onTestFinished(() => {
    for (const name of names) delete process.env[name];
  });
  await failure(connect({ port, password: null, allowInsecureAuthentication: true }), 'CONNECTION_FAILED');
  await failure(connect({ port, password: 'canary-own' }), 'CONNECTION_FAILED');
  expect(heard.length).toBeGreaterThan(2);
  expect(Buffer.concat(heard).toString()).not.toContain('canary');
});

test('anonymous callers connect and see nothing', async () => {
  const input = { name: 'x', connection: testConnection(), projectId: null, readOnly: false };
  await failure(world.databases.connect(null, input, asked()), 'UNAUTHENTICATED');
  await failure(world.databases.test(null, testConnection(), asked()), 'UNAUTHENTICATED');
  await failure(world.databases.list(null, {}), 'UNAUTHENTICATED');
  const { database } = await connect({});
  expect(await world.databases.load({}, null, database.id)).toBeNull();
  await failure(world.databases.requireDatabase(null, 'database:see', database.id), 'UNAUTHENTICATED');
});
