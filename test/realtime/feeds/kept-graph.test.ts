/** Kept changes as clients meet them: over a server that is killed, and who is told how the feed is doing. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tableId } from '../../../src/catalog/ids.ts';
import { decodeId } from '../../../src/lib/ids.ts';
import type { RowChangesSubscription } from '../../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import {
  AddMemberDocument,
  ChangeFeedHealthDocument,
  ConnectDocument,
  CreateProjectDocument,
  DisableChangeTrackingDocument,
  EnableChangeTrackingDocument,
  RowChangesDocument,
} from '../../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../../support/server.ts';

let quarry: Quarry;
let account: Account;
let target: TestDatabase;

beforeAll(async () => {
  [quarry, target] = await Promise.all([startQuarry(), createTestDatabase('CREATE TABLE rooms (id int PRIMARY KEY)')]);
  account = await quarry.register();
});
afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

test('a reader has every change over a server that is killed, and who manages the database sees how its feed is doing', async () => {
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  const guest = await quarry.register();
  const { createProject } = await quarry.ask(CreateProjectDocument, { input: { name: 'Shop' } }, account);
  const projectId = createProject.project.id;
  await quarry.ask(AddMemberDocument, { input: { projectId, email: guest.email, role: 'EDITOR' } }, account);
  const input = { name: 'shop', connection, projectId };
  const databaseId = (await quarry.ask(ConnectDocument, { input }, account)).connectDatabase.database.id;
  const health = async (who: Account) => (await quarry.ask(ChangeFeedHealthDocument, { databaseId }, who)).database!;
  expect((await health(account)).health.changeFeed).toBeNull();

  const what = { input: { databaseId, what: ['ROWS' as const] } };
  await quarry.ask(EnableChangeTrackingDocument, what, account);
  const tables = [{ tableId: tableId(decodeId(databaseId)!.parts[0]!, { schema: 'public', name: 'rooms' }) }];
  const read = (after: string | null): AsyncGenerator<RowChangesSubscription> =>
    quarry.subscribe(RowChangesDocument, { databaseId, tables, after }, account);
  const reading = read(null);
  const { position } = (await reading.next()).value!.rowChanges;
  await target.client.query('INSERT INTO rooms VALUES (1)');
  expect((await reading.next()).value!.rowChanges.changes).toMatchObject([{ new: { id: 1 } }]);
  expect((await health(account)).health.changeFeed).toEqual({
    kept: true,
    tables: 1,
    readers: 1,
    retainedBytes: expect.anything(),
    safeBytes: expect.anything(),
    lagMs: expect.any(Number),
    heardAt: expect.any(String),
  });
  expect(await health(guest)).toMatchObject({
    changeTracking: ['ROWS'],
    health: { ok: true, changeFeed: null, changeFeedProblem: null },
  });
  expect((await health(account)).health.changeFeedProblem).toBeNull();
  const metrics = await (await fetch(new URL('/metrics', quarry.url))).text();
  expect(metrics).toMatch(/^quarry_change_kept_feeds 1$/m);
  expect(metrics).toMatch(/^quarry_change_readers 1$/m);

  await reading.return(undefined as never).catch(() => undefined);
  await quarry.kill();
  await target.client.query('INSERT INTO rooms VALUES (2)');
  await quarry.restart();
  const ids: unknown[] = [];
  for await (const { rowChanges } of read(position)) {
    ids.push(...rowChanges.changes.map(({ new: row }) => (row as { id: number }).id));
    if (ids.length === 2) break;
  }
  expect(ids).toEqual([1, 2]);
  await quarry.ask(DisableChangeTrackingDocument, what, account);
  expect((await health(account)).changeTracking).toEqual([]);
  const left = await target.client.query(`SELECT FROM pg_replication_slots WHERE database = current_database()`);
  expect(left.rowCount).toBe(0);
});
