import { once } from 'node:events';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type ProjectRole, projectRoles } from '../../src/accounts/policy.ts';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { UpdateDatabase, VisibleDatabase } from '../../src/databases/databases.ts';
import { databaseLimits } from '../../src/databases/input.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { asked, createWorld, failure, pathsOf, testConnection, type World } from './world.ts';

let world: World;
const disconnected: string[] = [];
beforeAll(async () => {
  world = await createWorld({ onDisconnect: [async (id) => void disconnected.push(id)] });
});
afterAll(() => world[Symbol.asyncDispose]());

async function connect(viewer: Viewer, { projectId = null as string | null, name = 'shop' } = {}) {
  const input = { name, connection: testConnection(), projectId, readOnly: false };
  return (await world.databases.connect(viewer, input, asked())).database;
}

/** The owner of a database, the members of its project and a stranger. */
async function team() {
  const people = {
    connector: await world.person(),
    owner: await world.person(),
    editor: await world.person(),
    viewer: await world.person(),
    stranger: await world.person(),
  };
  const { owner, editor, viewer, connector } = people;
  const projectId = await world.project({ owner, editor, viewer });
  const mine = await connect(connector);
  await world.pool.query('UPDATE databases SET project_id = $1 WHERE id = $2', [projectId, mine.id]);
  return { ...people, projectId, id: mine.id };
}

const signal = AbortSignal.timeout(60_000);

type Person = 'connector' | 'owner' | 'editor' | 'viewer' | 'stranger';
type Outcome = 'ok' | ErrorCode;
const editing: Record<Person, Outcome> = {
  connector: 'ok',
  owner: 'ok',
  editor: 'FORBIDDEN',
  viewer: 'FORBIDDEN',
  stranger: 'NOT_FOUND',
};
const matrix: Record<string, [(viewer: Viewer, id: string) => Promise<unknown>, Record<Person, Outcome>]> = {
  'read it': [
    (viewer, id) => world.databases.requireDatabase(viewer, 'database:see', id),
    { connector: 'ok', owner: 'ok', editor: 'ok', viewer: 'ok', stranger: 'NOT_FOUND' },
  ],
  'run SQL that reads': [
    (viewer, id) => world.databases.requireDatabase(viewer, 'database:query', id),
    { connector: 'ok', owner: 'ok', editor: 'ok', viewer: 'ok', stranger: 'NOT_FOUND' },
  ],
  'run SQL that writes': [
    (viewer, id) => world.databases.requireDatabase(viewer, 'database:write', id),
    { connector: 'ok', owner: 'ok', editor: 'ok', viewer: 'FORBIDDEN', stranger: 'NOT_FOUND' },
  ],
  'rename it': [(viewer, id) => world.databases.update(viewer, { id, name: 'other' }, asked()), editing],
  'make it read-only': [(viewer, id) => world.databases.update(viewer, { id, readOnly: true }, asked()), editing],
  'change the password': [
    (viewer, id) => {
      const { password } = testConnection();
      return world.databases.update(viewer, { id, connection: { password } }, asked());
    },
    editing,
  ],
  'take it out of the project': [
    (viewer, id) => world.databases.update(viewer, { id, projectId: null }, asked()),
    editing,
  ],
  'disconnect it': [(viewer, id) => world.databases.disconnect(viewer, { id, drop: false }, asked()), editing],
};

test.for(Object.keys(matrix))('who may %s', async (what) => {
  const [act, expected] = matrix[what]!;
  const outcomes: Record<string, Outcome> = {};
  for (const person of Object.keys(expected) as Person[]) {
    const people = await team();
    outcomes[person] = await act(people[person], people.id).then(
      () => 'ok' as const,
      (error) => error.code,
    );
  }
  expect(outcomes).toEqual(expected);
});

test('only who may edit a connection sees where it leads', async () => {
  const people = await team();
  const sees = async (viewer: Viewer) =>
    world.databases.connectionOf(viewer, await world.databases.requireDatabase(viewer, 'database:see', people.id));
  const { password: _, ...address } = testConnection();
  expect(await sees(people.connector)).toEqual(address);
  expect(await sees(people.owner)).toEqual(address);
  expect(await sees(people.editor)).toBeNull();
  expect(await sees(people.viewer)).toBeNull();
});

test('what a viewer is in a database is its owner, or his role in its project', async () => {
  const people = await team();
  const roleOf = async (viewer: Viewer) =>
    world.databases.roleIn(viewer, (await world.databases.load({}, viewer, people.id)) as VisibleDatabase);
  expect(await roleOf(people.connector)).toBe('owner');
  for (const role of projectRoles) expect(await roleOf(people[role])).toBe(role);
  expect(await world.databases.load({}, people.stranger, people.id)).toBeNull();
});

test('absent, foreign and malformed ids cannot be told apart', async () => {
  const { stranger, id } = await team();
  for (const each of [id, uuidv7(), 'x', '', "'; --"]) {
    const error = await failure(world.databases.requireDatabase(stranger, 'database:see', each), 'NOT_FOUND');
    expect(error.message).toBe('Database not found');
    expect(await world.databases.load({}, stranger, each)).toBeNull();
  }
});

test('databases that are asked for in one tick are read by one statement', async () => {
  const viewer = await world.person();
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push((await connect(viewer)).id);
  let statements = 0;
  const query = world.pool.query;
  world.pool.query = ((...args: Parameters<typeof query>) => {
    statements += 1;
    return query.apply(world.pool, args);
  }) as typeof query;
  onTestFinished(() => {
    world.pool.query = query;
  });
  const request = {};
  const found = await Promise.all(ids.map((id) => world.databases.load(request, viewer, id)));
  expect(found.map((database) => database?.id)).toEqual(ids);
  expect(statements).toBe(1);
  // Another caller in the same request object is somebody else.
  expect(await world.databases.load(request, await world.person(), ids[0]!)).toBeNull();
});

test.for([
  [{ host: 'localhost' }, ['host']],
  [{ port: 5433 }, ['port']],
  [{ database: 'other' }, ['database']],
  [{ user: 'other' }, ['user']],
  [{ ssl: 'PREFER' as const }, ['ssl']],
  [{ allowInsecureAuthentication: true }, ['allowInsecureAuthentication']],
  [{ host: 'localhost', user: 'other' }, ['host', 'user']],
] as const)('%j without the password is refused at the field', async ([connection, fields]) => {
  const viewer = await world.person();
  const { id } = await connect(viewer);
  const before = await world.rows('SELECT * FROM databases WHERE id = $1', [id]);
  const error = await failure(world.databases.update(viewer, { id, connection }, asked()), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(fields.map((field) => `input.connection.${field}`));
  expect(await world.rows('SELECT * FROM databases WHERE id = $1', [id])).toEqual(before);
});

/** A server that is whatever `serve` says when somebody connects. */
async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** Asks for the password in clear, and keeps what it hears. */
function createThief() {
  const heard: Buffer[] = [];
  return {
    heard,
    serve(socket: Socket) {
      socket.on('data', (data) => {
        heard.push(data);
        if (data[0] === 0) socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
        else socket.end();
      });
    },
  };
}

test('who changes where a database leads does not get its password', async () => {
  const { owner, editor, id } = await team();
  const thief = createThief();
  const port = await listen(thief.serve);
  const elsewhere = { port, ssl: 'DISABLE', allowInsecureAuthentication: true } as const;
  await failure(world.databases.update(editor, { id, connection: elsewhere }, asked()), 'FORBIDDEN');
  await failure(world.databases.update(owner, { id, connection: elsewhere }, asked()), 'BAD_USER_INPUT');
  expect(thief.heard).toEqual([]);
  // With a password of his own he reaches his server, and what he typed is what it hears.
  const typed = { ...elsewhere, password: 'typed-by-him' };
  await failure(world.databases.update(owner, { id, connection: typed }, asked()), 'CONNECTION_FAILED');
  const all = Buffer.concat(thief.heard).toString('latin1');
  expect(all).toContain('typed-by-him');
  expect(all).not.toContain(`${testConnection().password}\0`);
});

test('who puts a server in the place of a database hears of no change without the password', async () => {
  const { owner, editor, projectId } = await team();
  const { host, port, password } = testConnection();
  const thief = createThief();
  let stolen = false;
  const place = await listen((socket) => {
    if (stolen) return thief.serve(socket);
    const inner = connectSocket({ host, port });
    inner.on('error', () => {});
    socket.pipe(inner).pipe(socket);
  });
  const input = { name: 'shop', connection: { ...testConnection(), port: place }, projectId, readOnly: false };
  const { id } = (await world.databases.connect(editor, input, asked())).database;
  stolen = true;
  const other = await listen(thief.serve);
  const changes = [
    { host: 'localhost' },
    { port: other },
    { user: 'other' },
    { database: 'other' },
    { ssl: 'PREFER' },
    { allowInsecureAuthentication: true },
    { host: 'localhost', port: other, user: 'other', database: 'other', allowInsecureAuthentication: true },
  ] as const;
  for (const connection of changes) {
    // Who typed it once, and who never did.
    for (const viewer of [editor, owner])
      await failure(world.databases.update(viewer, { id, connection }, asked()), 'BAD_USER_INPUT');
  }
  expect(thief.heard).toEqual([]);
  // An empty one was typed: it is tried, and is all that is told.
  const empty = { port: other, allowInsecureAuthentication: true, password: '' };
  await failure(world.databases.update(owner, { id, connection: empty }, asked()), 'CONNECTION_FAILED');
  expect(Buffer.concat(thief.heard).toString('latin1')).not.toContain(password);
  const { target } = await world.databases.targetOf(
    await world.databases.requireDatabase(owner, 'database:manage', id),
    'catalogue',
    { signal },
  );
  expect(target).toMatchObject({ port: place, database: 'postgres', ssl: 'DISABLE', password });
});

test('a connection is changed with its password, and only to one that works', async () => {
  const viewer = await world.person();
  const { id, sealedPassword } = await connect(viewer);
  const { password } = testConnection();
  await failure(
    world.databases.update(viewer, { id, connection: { database: 'no_such', password } }, asked()),
    'CONNECTION_FAILED',
  );
  const connection = { database: 'template1', password };
  const changed = await world.databases.update(viewer, { id, name: 'moved', connection }, asked());
  expect(changed).toMatchObject({ name: 'moved', database: 'template1', host: '127.0.0.1' });
  const { target } = await world.databases.targetOf(changed, 'catalogue', { signal });
  expect(target).toMatchObject({ database: 'template1', password, hosted: false });
  const [row] = await world.rows('SELECT name, database_name, sealed_password FROM databases WHERE id = $1', [id]);
  expect(row).toMatchObject({ name: 'moved', database_name: 'template1' });
  expect(row?.sealed_password).not.toBe(sealedPassword);
});

test('of two who change a connection at once the second is told, and the first one stands', async () => {
  const viewer = await world.person();
  const { id } = await connect(viewer);
  const { host, port, password } = testConnection();
  let first: Promise<unknown> | undefined;
  // Whoever tries this way in makes the other change happen before his own is written.
  const server = createServer(async (socket) => {
    first ??= world.databases.update(viewer, { id, name: 'first', connection: { password } }, asked());
    await first;
    const inner = connectSocket({ host, port });
    for (const one of [socket, inner]) one.on('error', () => {});
    socket.pipe(inner).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const elsewhere = { port: (server.address() as { port: number }).port, password };
  await failure(world.databases.update(viewer, { id, name: 'second', connection: elsewhere }, asked()), 'CONFLICT');
  expect(await world.databases.load({}, viewer, id)).toMatchObject({ name: 'first', port });
});

test('what is absent in an update stays, and what cannot be cleared is not', async () => {
  const viewer = await world.person();
  const now = await connect(viewer);
  expect(await world.databases.update(viewer, { id: now.id }, asked())).toEqual(now);
  // The values it has are no change.
  const { host, port } = testConnection();
  await world.databases.update(viewer, { id: now.id, connection: { host, port } }, asked());
  const cleared: [Omit<UpdateDatabase, 'id'>, string][] = [
    [{ name: null }, 'input.name'],
    [{ readOnly: null }, 'input.readOnly'],
    [{ connection: { host: null } }, 'input.connection.host'],
    [{ connection: { password: null } }, 'input.connection.password'],
  ];
  for (const [change, path] of cleared) {
    const error = await failure(world.databases.update(viewer, { id: now.id, ...change }, asked()), 'BAD_USER_INPUT');
    expect(pathsOf(error)).toEqual([path]);
  }
});

test('a database moves only into a project that its mover may edit', async () => {
  const viewer = await world.person();
  const { id } = await connect(viewer);
  const expected: Record<ProjectRole, Outcome> = { owner: 'ok', editor: 'ok', viewer: 'FORBIDDEN' };
  for (const role of projectRoles) {
    const projectId = await world.project({ [role]: viewer });
    const outcome = await world.databases.update(viewer, { id, projectId }, asked()).then(
      (database) => (database.role === role ? 'ok' : 'lost'),
      (error) => error.code,
    );
    expect(outcome).toBe(expected[role]);
    const input = { name: 'x', connection: testConnection(), projectId, readOnly: false };
    const connected = await world.databases.connect(viewer, input, asked()).then(
      () => 'ok',
      (error) => error.code,
    );
    expect(connected).toBe(expected[role]);
  }
  const foreign = await world.project({ owner: await world.person() });
  for (const projectId of [foreign, uuidv7()]) {
    await failure(world.databases.update(viewer, { id, projectId }, asked()), 'NOT_FOUND');
  }
});

test('a list shows what is owned or shared, and nothing else, page by page', async () => {
  const { connector, viewer, stranger, id, projectId } = await team();
  const own = await connect(viewer, { name: 'Orders 100%' });
  const idsOf = async (who: Viewer, list: object = {}) =>
    (await world.databases.list(who, list)).edges.map(({ node }) => node.id);
  expect(await idsOf(viewer)).toEqual([id, own.id]);
  expect(await idsOf(connector)).toEqual([id]);
  expect(await idsOf(stranger)).toEqual([]);
  expect(await idsOf(viewer, { projectId })).toEqual([id]);
  expect(await idsOf(stranger, { projectId })).toEqual([]);
  expect(await idsOf(viewer, { search: 'orders 100%' })).toEqual([own.id]);
  expect(await idsOf(viewer, { search: '%' })).toEqual([own.id]);
  expect(await idsOf(viewer, { search: '_' })).toEqual([]);

  const first = await world.databases.list(viewer, { first: 1 });
  expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  expect(await first.totalCount()).toBe(2);
  expect(await idsOf(viewer, { first: 1, after: first.pageInfo.endCursor })).toEqual([own.id]);
  expect(await idsOf(viewer, { last: 1 })).toEqual([own.id]);
  for (const [list, path] of [
    [{ first: 501 }, 'first'],
    [{ after: 'nonsense' }, 'after'],
    [{ search: 'a\0' }, 'search'],
  ] as const) {
    expect(pathsOf(await failure(world.databases.list(viewer, list), 'BAD_USER_INPUT'))).toEqual([path]);
  }
});

test('a password that is moved to another row, or whose row was changed, does not open there, and others do', async () => {
  const viewer = await world.person();
  const [mine, other] = [await connect(viewer), await connect(viewer)];
  const opens = async (id: string) => {
    const database = await world.databases.requireDatabase(viewer, 'database:see', id);
    return (await world.databases.targetOf(database, 'catalogue', { signal })).target.password;
  };
  expect(await opens(mine.id)).toBe(testConnection().password);
  const changes = [
    'sealed_password = (SELECT sealed_password FROM databases WHERE id = $2)',
    "host = 'localhost'",
    'port = port + 1',
    "database_name = 'other'",
    "username = 'other'",
    "ssl_mode = 'PREFER'",
    "sealed_password = overlay(sealed_password placing 'AAAA' from 60)",
    "sealed_password = replace(sealed_password, '.k1.', '.k9.')",
  ];
  for (const change of changes) {
    const { id } = await connect(viewer);
    await world.pool.query(`UPDATE databases SET ${change} WHERE id = $1 AND $2::uuid IS NOT NULL`, [id, other.id]);
    const error = await failure(opens(id), 'CONNECTION_FAILED');
    expect(error.details).toMatchObject({ reason: 'CREDENTIALS', hint: expect.stringContaining('MASTER_KEYS') });
    const database = await world.databases.requireDatabase(viewer, 'database:see', id);
    expect(await world.databases.health(database, 0)).toMatchObject({ ok: false, problems: [{ code: 'CREDENTIALS' }] });
    expect(await opens(mine.id)).toBe(testConnection().password);
  }
});

test('disconnecting forgets the connection, tells who hangs on it, and keeps finished jobs without it', async () => {
  const viewer = await world.person();
  const { id } = await connect(viewer);
  const jobId = uuidv7();
  await world.pool.query(
    `INSERT INTO jobs (id, kind, status, owner_id, database_id, target_key, target_label, sql, read_only, transaction,
       timeout_ms, max_rows, rank_ms, change_xid, change_seq)
     VALUES ($1, 'query', 'succeeded', $2, $3, $3, '', '', true, 'whole', 1, 1, 1, 1, 1)`,
    [jobId, viewer.userId, id],
  );
  const error = await failure(world.databases.disconnect(viewer, { id, drop: true }, asked()), 'BAD_USER_INPUT');
  expect(pathsOf(error)).toEqual(['input.drop']);
  await world.databases.disconnect(viewer, { id, drop: false }, asked());
  expect(disconnected).toContain(id);
  expect(await world.rows('SELECT database_id FROM jobs WHERE id = $1', [jobId])).toEqual([{ database_id: null }]);
  expect(await world.databases.load({}, viewer, id)).toBeNull();
  await failure(world.databases.disconnect(viewer, { id, drop: false }, asked()), 'NOT_FOUND');
  const audit = await world.rows('SELECT action FROM audit_entries WHERE subject = $1 ORDER BY id', [
    encodeId('Database', id),
  ]);
  expect(audit.map(({ action }) => action)).toEqual(['database.connected', 'database.disconnected']);
});

test('a hook that fails leaves the database as it was', async () => {
  await using other = await createWorld({
    onDisconnect: [
      async () => {
        throw new Error('not now');
      },
    ],
  });
  const viewer = await other.person();
  const input = { name: 'x', connection: testConnection(), projectId: null, readOnly: false };
  const { database } = await other.databases.connect(viewer, input, asked());
  await expect(other.databases.disconnect(viewer, { id: database.id, drop: false }, asked())).rejects.toThrow(
    'not now',
  );
  expect(await other.databases.load({}, viewer, database.id)).toMatchObject({ id: database.id });
});

test('one user owns so many databases and no more, also when he asks for many at once', async () => {
  const viewer = await world.person();
  const { id } = await connect(viewer);
  await world.pool.query(
    `INSERT INTO databases (id, name, owner_id, engine, host, port, database_name, username, ssl_mode, sealed_password,
       read_only, updated_at)
     SELECT gen_random_uuid(), 'x', owner_id, engine, host, port, database_name, username, ssl_mode, '', read_only, now()
       FROM databases, generate_series(1, $2) WHERE id = $1`,
    [id, databaseLimits.owned - 3],
  );
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => connect(viewer)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  const error = await failure(connect(viewer), 'LIMIT_EXCEEDED');
  expect(error.details).toEqual({ limit: databaseLimits.owned, actual: databaseLimits.owned });
});
