/** Row changes as clients meet them: over WebSocket, of a database that Quarry hosts and of one that is somebody's own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tableId } from '../../src/catalog/ids.ts';
import { decodeId } from '../../src/lib/ids.ts';
import { createAnalyst } from '../acceptance/support.ts';
import type { RowChangesSubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument, RowChangesDocument } from '../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';

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

type Batches = AsyncGenerator<RowChangesSubscription>;

async function take(batches: Batches, count: number) {
  const taken: RowChangesSubscription['rowChanges']['changes'] = [];
  while (taken.length < count) taken.push(...(await batches.next()).value!.rowChanges.changes);
  return taken;
}

test('a change of a connected database comes with all that is known of it, and a reader goes on behind his position', async () => {
  const { host, port, user, password, database } = target;
  const input = { name: 'shop', connection: { host, port, user, password, database, ssl: 'DISABLE' as const } };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input }, account);
  const databaseId = connectDatabase.database.id;
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
