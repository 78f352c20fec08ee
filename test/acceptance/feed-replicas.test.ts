/** Two whole servers on one metadata database: kept changes go on when the one that listens is killed, or falls asleep. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeId, encodeId } from '../../src/lib/ids.ts';
import type { RowChangesSubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument, EnableChangeTrackingDocument, RowChangesDocument } from '../support/operations.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { masterKey, urlOf } from './support.ts';

let metadata: TestDatabase;
let target: TestDatabase;
let server: Awaited<ReturnType<typeof startPostgres>>;
let quarries: Quarry[] = [];
let account: Account;
let variables: { databaseId: string; tables: { tableId: string }[] };

beforeAll(async () => {
  // No database may be connected that is on the server of the metadata.
  server = await startPostgres();
  [metadata, target] = await Promise.all([
    createTestDatabase(),
    createTestDatabase('CREATE TABLE rows (id int PRIMARY KEY)', server),
  ]);
  const env = { DATABASE_URL: urlOf(metadata), MASTER_KEYS: masterKey(), PLAYGROUND_URL: 'off' };
  quarries = [await startQuarry({ env }), await startQuarry({ env })];
  const [first] = quarries as [Quarry, Quarry];
  account = await first.register();
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  const { connectDatabase } = await first.ask(ConnectDocument, { input: { name: 'Target', connection } }, account);
  const { id: databaseId } = connectDatabase.database;
  await first.ask(EnableChangeTrackingDocument, { input: { databaseId, what: ['ROWS'] } }, account);
  const [uuid = ''] = decodeId(databaseId)!.parts;
  variables = { databaseId, tables: [{ tableId: encodeId('Table', uuid, 'public', 'rows') }] };
});
afterAll(async () => {
  await Promise.all(quarries.map((quarry) => quarry[Symbol.asyncDispose]()));
  await Promise.all([target, metadata].map((database) => database?.[Symbol.asyncDispose]()));
  await server?.[Symbol.asyncDispose]();
});

type Change = RowChangesSubscription['rowChanges']['changes'][number];

/** From the first batch on, or from behind a position. */
async function follow(quarry: Quarry, after: string | null = null) {
  const batches = quarry.subscribe(RowChangesDocument, { ...variables, after }, account);
  const begun: Change[] = [...(await batches.next()).value!.rowChanges.changes];
  return async (count: number): Promise<Change[]> => {
    const taken = begun.splice(0);
    while (taken.length < count) taken.push(...(await batches.next()).value!.rowChanges.changes);
    return taken;
  };
}

const idsOf = (changes: readonly Change[]) => changes.map((change) => (change.new as { id: number }).id);
const positions = (changes: readonly Change[]) => changes.map(({ position }) => position);
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function insert(from: number, to: number): Promise<void> {
  for (const id of upTo(from, to)) await target.client.query('INSERT INTO rows VALUES ($1)', [id]);
}

/** The server that listens, and the other one. */
async function roles(): Promise<[holder: Quarry, other: Quarry]> {
  for (;;) {
    const { rows } = await metadata.client.query(
      'SELECT holder_id FROM change_feeds WHERE holder_until > clock_timestamp()',
    );
    const { rows: readers } = await metadata.client.query(
      'SELECT reader_id FROM change_feed_readers WHERE read_until > clock_timestamp()',
    );
    if (rows.length === 1 && readers.some(({ reader_id }) => reader_id !== rows[0].holder_id)) break;
    await sleep(50);
  }
  const last = quarries.map(({ log }) => log.findLast(({ msg }) => msg === 'relay.held')?.time);
  const [first, second] = quarries as [Quarry, Quarry];
  return String(last[1] ?? '') > String(last[0] ?? '') ? [second, first] : [first, second];
}

test('a server that is killed is followed by the other, which tells all that is committed, once and in order', async () => {
  const [one, two] = await Promise.all(quarries.map((quarry) => follow(quarry)));
  await insert(1, 10);
  const heard = await one!(10);
  expect(positions(await two!(10))).toEqual(positions(heard));
  const [holder, other] = await roles();
  const go = other === quarries[1] ? two! : one!;
  const killed = holder.kill();
  await insert(11, 60);
  await killed;
  const rest = await go(50);
  expect(idsOf(rest)).toEqual(upTo(11, 60));
  // What it was given by the one that died a client goes on with.
  const again = await follow(other, heard[4]!.position);
  expect(positions(await again(55))).toEqual(positions([...heard.slice(5), ...rest]));
  await holder.restart();
  const back = await follow(holder, heard[4]!.position);
  expect(positions(await back(55))).toEqual(positions([...heard.slice(5), ...rest]));
});

test('a server that sleeps for longer than its lease tells its readers what the other one does, when it wakes', async () => {
  const [one, two] = await Promise.all(quarries.map((quarry) => follow(quarry)));
  await insert(101, 110);
  await Promise.all([one!(10), two!(10)]);
  const [holder, other] = await roles();
  const [sleeps, wakes] = other === quarries[1] ? [one!, two!] : [two!, one!];
  process.kill(holder.pid, 'SIGSTOP');
  try {
    await insert(111, 160);
    const rest = await wakes(50);
    expect(idsOf(rest)).toEqual(upTo(111, 160));
    process.kill(holder.pid, 'SIGCONT');
    await insert(161, 170);
    const all = [...rest, ...(await wakes(10))];
    expect(positions(await sleeps(60))).toEqual(positions(all));
  } finally {
    process.kill(holder.pid, 'SIGCONT');
  }
});
