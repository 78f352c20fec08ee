/** Row changes as clients meet them: over WebSocket, of a database that Quarry hosts and of one that is somebody's own. */
import { print } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tableId } from '../../src/catalog/ids.ts';
import { decodeId } from '../../src/lib/ids.ts';
import { createAnalyst } from '../acceptance/support.ts';
import type { RowChangesSubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument, RowChangesDocument } from '../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

let quarry: Quarry;
let account: Account;
let target: TestDatabase;

beforeAll(async () => {
  [quarry, target] = await Promise.all([
    startQuarry(),
    createTestDatabase(`CREATE TABLE rooms (id int PRIMARY KEY, name text, price numeric(10, 2))`),
  ]);
  account = await quarry.register();
});
afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

const idOf = (databaseId: string, name: string) => tableId(decodeId(databaseId)!.parts[0]!, { schema: 'public', name });

async function connected(name: string): Promise<string> {
  const { host, port, user, password, database } = target;
  const input = { name, connection: { host, port, user, password, database, ssl: 'DISABLE' as const } };
  return (await quarry.ask(ConnectDocument, { input }, account)).connectDatabase.database.id;
}

type Batches = AsyncGenerator<RowChangesSubscription>;

async function take(batches: Batches, count: number) {
  const taken: RowChangesSubscription['rowChanges']['changes'] = [];
  while (taken.length < count) taken.push(...(await batches.next()).value!.rowChanges.changes);
  return taken;
}

test('a change of a connected database comes with all that is known of it, and a reader goes on behind his position', async () => {
  const databaseId = await connected('shop');
  const tables = [{ tableId: idOf(databaseId, 'rooms'), where: { column: 'price', gte: '10' } }];
  const batches: Batches = quarry.subscribe(RowChangesDocument, { databaseId, tables }, account);
  const first = (await batches.next()).value!.rowChanges;
  expect(first).toEqual({ position: expect.any(String), changes: [] });
  await target.client.query(`INSERT INTO rooms VALUES (1, 'red', 10.50), (2, 'blue', 9.99)`);
  const [change] = await take(batches, 1);
  expect(change).toEqual({
    event: 'INSERT',
    tableId: idOf(databaseId, 'rooms'),
    schema: 'public',
    table: 'rooms',
    key: expect.any(String),
    position: expect.any(String),
    committedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    transactionId: expect.stringMatching(/^\d+$/),
    old: null,
    new: { id: 1, name: 'red', price: '10.50' },
    changedColumns: [],
    unchangedColumns: [],
  });
  await batches.return(undefined as never);
  await target.client.query(`UPDATE rooms SET name = 'while away' WHERE id = 1`);
  const again: Batches = quarry.subscribe(RowChangesDocument, { databaseId, tables, after: change!.position }, account);
  expect((await take(again, 1))[0]).toMatchObject({ event: 'UPDATE', new: { name: 'while away' } });
  await again.return(undefined as never);
});

test('a hosted database tells what jobs change in it', async () => {
  const analyst = createAnalyst({ quarry, account });
  const databaseId = await analyst.host('mine');
  await analyst.rows(databaseId, 'CREATE TABLE notes (id int PRIMARY KEY, body text)');
  const tables = [{ tableId: idOf(databaseId, 'notes') }];
  const batches: Batches = quarry.subscribe(RowChangesDocument, { databaseId, tables }, account);
  await batches.next();
  await analyst.rows(databaseId, `INSERT INTO notes VALUES (1, 'hello')`);
  expect((await take(batches, 1))[0]).toMatchObject({ event: 'INSERT', new: { id: 1, body: 'hello' } });
  await batches.return(undefined as never);
});

test('what is wrong with a subscription is its error, with the place in its input', async () => {
  const analyst = createAnalyst({ quarry, account });
  const databaseId = await analyst.host('other');
  await analyst.rows(databaseId, 'CREATE TABLE notes (id int PRIMARY KEY, body text)');
  const ask = async (tables: object[]) => {
    const stream = quarry.subscribe(RowChangesDocument, { databaseId, tables: tables as never }, account);
    return await stream.next().then(
      () => null,
      (error: Error) => JSON.parse(error.message)[0].extensions,
    );
  };
  const table = idOf(databaseId, 'notes');
  expect(await ask([{ tableId: table, where: { column: 'id', eq: 'one' } }])).toMatchObject({
    code: 'BAD_USER_INPUT',
    details: { fields: [{ path: 'tables[0].where.eq', message: 'must be an integer' }] },
  });
  expect(await ask([{ tableId: table, where: { or: [{ column: 'id', eq: null }] } }])).toMatchObject({
    code: 'BAD_USER_INPUT',
    details: { fields: [{ path: 'tables[0].where.or[0].eq', message: 'null equals nothing: use isNull' }] },
  });
  expect(await ask([{ tableId: account.user.id }])).toMatchObject({ code: 'NOT_FOUND' });
});

test('operations of many sockets have each change in order, by their own ids and selections, until they are completed', async () => {
  const databaseId = await connected('many');
  await target.client.query('CREATE TABLE many (id int PRIMARY KEY, body text)');
  const variables = { databaseId, tables: [{ tableId: idOf(databaseId, 'many') }] };
  const select = (selection: string) =>
    `subscription ($databaseId: ID!, $tables: [RowChangeSource!]!) { rowChanges(databaseId: $databaseId, tables: $tables) ${selection} }`;
  const [short, long] = [select('{ changes { new } }'), select('{ changes { event new } position }')];
  using one = await openSocket(quarry.wsUrl);
  using other = await openSocket(quarry.wsUrl);
  for (const socket of [one, other]) await socket.init(account.token);
  for (const [socket, id, query] of [
    [one, '1', short],
    [one, 'ü"', long],
    [other, '1', long],
  ] as const) {
    socket.subscribe(id, query, { variables });
    expect(await socket.next()).toMatchObject({ id, type: 'next', payload: { data: { rowChanges: { changes: [] } } } });
  }
  const insert = (id: number) => target.client.query(`INSERT INTO many VALUES ($1, 'é🎈')`, [id]);
  /** What comes until each of the socket's operations has heard of this row, by their ids. */
  async function heard(socket: typeof one, row: number, ids: readonly string[]) {
    const told = new Map<string, object[]>(ids.map((id) => [id, []]));
    const missing = new Set(ids);
    while (missing.size > 0) {
      const { id = '', payload } = await socket.next();
      const { changes } = payload.data.rowChanges;
      told.get(id)!.push(...changes);
      if (changes.at(-1)?.new.id === row) missing.delete(id);
    }
    return Object.fromEntries(told);
  }
  for (const id of [1, 2, 3]) await insert(id);
  const rows = [1, 2, 3].map((id) => ({ new: { id, body: 'é🎈' } }));
  const whole = rows.map((row) => ({ event: 'INSERT', ...row }));
  expect(await heard(one, 3, ['1', 'ü"'])).toEqual({ 1: rows, 'ü"': whole });
  expect(await heard(other, 3, ['1'])).toEqual({ 1: whole });
  one.send({ type: 'complete', id: '1' });
  one.send({ type: 'ping' });
  expect((await one.next()).type).toBe('pong');
  await insert(4);
  expect(Object.keys(await heard(one, 4, ['ü"']))).toEqual(['ü"']);
  expect(await heard(other, 4, ['1'])).toMatchObject({ 1: [{ new: { id: 4 } }] });
});

test('a socket that reads nothing is told that it was too slow, and from where to go on; others miss nothing', async () => {
  const databaseId = await connected('slow');
  await target.client.query('CREATE TABLE large (id serial PRIMARY KEY, body text)');
  const tables = [{ tableId: idOf(databaseId, 'large') }];
  const document = print(RowChangesDocument);
  using slow = await openSocket(quarry.wsUrl);
  await slow.init(account.token);
  slow.subscribe('1', document, { variables: { databaseId, tables } });
  expect((await slow.next()).payload.data.rowChanges.changes).toEqual([]);
  slow.pause();
  const others: Batches = quarry.subscribe(RowChangesDocument, { databaseId, tables }, account);
  await others.next();
  const rows = 9_000;
  await target.client.query(`INSERT INTO large (body) SELECT repeat('x', 10000) FROM generate_series(1, ${rows})`);
  const ids = (await take(others, rows)).map((change) => (change.new as { id: number }).id);
  expect(ids).toEqual(Array.from({ length: rows }, (_, i) => i + 1));
  slow.resume();
  for (;;) {
    const { type, payload } = await slow.next();
    if (type === 'next' && !payload.errors) continue;
    const [error] = payload.errors ?? payload;
    expect(error.extensions).toMatchObject({ code: 'SLOW_CONSUMER', details: { position: expect.any(String) } });
    break;
  }
  await others.return(undefined as never);
});

test('a database that is disconnected ends who reads it, and keeps nothing of it', async () => {
  const databaseId = await connected('leaving');
  const tables = [{ tableId: idOf(databaseId, 'rooms') }];
  const batches: Batches = quarry.subscribe(RowChangesDocument, { databaseId, tables }, account);
  await batches.next();
  const ended = batches.next();
  ended.catch(() => undefined); // Looked at below.
  const { errors } = await quarry.execute(
    'mutation ($id: ID!) { disconnectDatabase(input: { id: $id }) { deletedDatabaseId } }',
    { id: databaseId },
    account,
  );
  expect(errors).toBeUndefined();
  await expect(ended).rejects.toThrow(/POSITION_LOST|NOT_FOUND/);
  const id = decodeId(databaseId)!.parts[0]!.replaceAll('-', '');
  const { rows } = await target.client.query(
    `SELECT slot_name AS name FROM pg_replication_slots WHERE slot_name LIKE $1 UNION SELECT pubname FROM pg_publication WHERE pubname LIKE $1`,
    [`%${id}%`],
  );
  expect(rows).toEqual([]);
  const again = quarry.subscribe(RowChangesDocument, { databaseId, tables }, account);
  await expect(again.next()).rejects.toThrow(/NOT_FOUND/);
});

test('a stream ends with the session that it was opened in', async () => {
  const databaseId = await connected('session');
  const { email } = account;
  const login = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const { data } = await quarry.execute<{ login: { accessToken: string } }, object>(login, {
    input: { email, password: 'correct horse battery' },
  });
  using socket = await openSocket(quarry.wsUrl);
  const token = data!.login.accessToken;
  await socket.init(token);
  const tables = [{ tableId: idOf(databaseId, 'rooms') }];
  socket.subscribe('1', print(RowChangesDocument), { variables: { databaseId, tables } });
  await socket.next();
  await quarry.execute('mutation { logout { ok } }', {}, { token });
  expect(await socket.closed).toBe(4403);
});
