/** Live queries as clients meet them: over WebSocket, in connected, hosted and the system's databases. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { decodeId } from '../../src/lib/ids.ts';
import { createAnalyst } from '../acceptance/support.ts';
import type { LiveQuerySubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument, LiveQueryDocument, LogoutDocument } from '../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

let quarry: Quarry;
let target: TestDatabase;
let account: Account;
let databaseId: string;

beforeAll(async () => {
  [quarry, target] = await Promise.all([
    startQuarry({ env: { LOG_LEVEL: 'debug' } }),
    createTestDatabase(`
      CREATE TABLE item (id bigint PRIMARY KEY, name text, tags text[]);
      INSERT INTO item VALUES (1, 'one', '{a,b}'), (9007199254740993, NULL, NULL)`),
  ]);
  account = await quarry.register();
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'shop', connection } }, account);
  databaseId = connectDatabase.database.id;
});
afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

type Result = LiveQuerySubscription['liveQuery'];

function live(variables: { sql: string; parameters?: unknown[]; databaseId?: string }, asker: Account = account) {
  const results = quarry.subscribe(LiveQueryDocument, { databaseId, ...variables }, asker);
  onTestFinished(async () => void (await results.return(undefined)));
  return async (): Promise<Result> => (await results.next()).value!.liveQuery as Result;
}

describe('a live query', () => {
  test('gives its rows with their columns, and then what changes', async () => {
    const next = live({ sql: 'SELECT * FROM item WHERE id > $1 ORDER BY id', parameters: ['0'] });
    const first = await next();
    expect(first).toMatchObject({ version: 1, upserted: [], removed: [], cause: [], polled: [] });
    expect(first.columns.map(({ name, dataType }) => [name, dataType])).toEqual([
      ['id', 'bigint'],
      ['name', 'text'],
      ['tags', 'text[]'],
    ]);
    expect(first.columns[0]!.column?.id).toEqual(expect.any(String));
    expect(first.rows).toEqual([
      { key: '["1"]', index: 0, values: ['1', 'one', ['a', 'b']] },
      { key: '["9007199254740993"]', index: 1, values: ['9007199254740993', null, null] },
    ]);
    await target.client.query(`UPDATE item SET name = 'uno' WHERE id = 1`);
    const second = await next();
    expect(second).toMatchObject({ version: 2, rows: null, removed: [] });
    expect(second.upserted).toEqual([{ key: '["1"]', index: 0, values: ['1', 'uno', ['a', 'b']] }]);
  });

  test('ends with what is wrong, and the socket goes on', async () => {
    await expect(live({ sql: 'SELECT nothing' })()).rejects.toThrow('"code":"SQL_ERROR"');
    await expect(live({ sql: 'DELETE FROM item' })()).rejects.toThrow('"code":"READ_ONLY"');
    await expect(live({ sql: 'SELECT 1', databaseId: 'nothing' })()).rejects.toThrow('"code":"NOT_FOUND"');
    const stranger = await quarry.register();
    await expect(live({ sql: 'SELECT 1' }, stranger)()).rejects.toThrow('"code":"NOT_FOUND"');
    expect((await live({ sql: 'SELECT 1' })()).rows).toHaveLength(1);
  });

  test('is for those who are signed in, for as long as they are', async () => {
    using anonymous = await openSocket(quarry.wsUrl);
    await anonymous.init();
    anonymous.subscribe('1', `subscription { liveQuery(databaseId: "${databaseId}", sql: "SELECT 1") { version } }`);
    expect((await anonymous.next()).payload).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    const leaving = await quarry.register();
    const sample = await hosted(leaving, 'CREATE TABLE t (id int PRIMARY KEY)');
    const next = live({ sql: 'TABLE t', databaseId: sample }, leaving);
    await next();
    await quarry.ask(LogoutDocument, { input: {} }, leaving);
    await expect(next()).rejects.toThrow();
  });

  test('is counted for those who look after the server', async () => {
    await live({ sql: 'SELECT 2' })();
    const metrics = await (await fetch(new URL('/metrics', quarry.url))).text();
    expect(metrics).toMatch(/^quarry_live_query_readers [1-9]/m);
    expect(metrics).toMatch(/^quarry_live_query_queries [1-9]/m);
    expect(metrics).toMatch(/^quarry_live_query_runs_total [1-9]/m);
  });
});

async function hosted(owner: Account, sql: string): Promise<string> {
  const analyst = createAnalyst({ quarry, account: owner });
  const id = await analyst.host('live');
  await analyst.rows(id, sql);
  return id;
}

describe('a live query in a hosted database', () => {
  test('follows what jobs write there', async () => {
    const id = await hosted(
      account,
      "CREATE TABLE score (name text PRIMARY KEY, points int); INSERT INTO score VALUES ('anna', 1)",
    );
    const next = live({ sql: 'SELECT name, points FROM score ORDER BY points DESC', databaseId: id });
    expect(await next()).toMatchObject({ rows: [{ values: ['anna', 1] }], polled: [] });
    await createAnalyst({ quarry, account }).run(id, `INSERT INTO score VALUES ('bert', 2)`);
    expect(await next()).toMatchObject({ upserted: [{ index: 0, values: ['bert', 2] }], removed: [], polled: [] });
  });
});

describe('a live query in the system’s database', () => {
  test('is for everybody, in a session of his own, and follows its tables as any other', async () => {
    const { data } = await quarry.execute('{ databases { nodes { id name } } }', {}, account);
    const { databases } = data as { databases: { nodes: { id: string; name: string }[] } };
    const sample = databases.nodes.find(({ name }) => name === 'MAKEYOURSPACE')!;
    const next = live({ sql: 'SELECT count(*) FROM currencies', databaseId: sample.id });
    expect(await next()).toMatchObject({
      rows: [{ key: expect.any(String), values: [expect.stringMatching(/^\d+$/)] }],
    });
    const uuid = decodeId(sample.id)!.parts[0];
    await quarry.until('live_query.followed', { of: (entry) => entry.databaseId === uuid });
  });
});
