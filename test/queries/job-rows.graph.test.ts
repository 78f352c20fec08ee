/** jobRows as a client meets it, over graphql-transport-ws and over SSE. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Analyst, createAnalyst } from '../acceptance/support.ts';
import { graphql } from '../generated/gql.ts';
import type { JobRowsSubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { CancelDocument, ConnectDocument, JobRowsDocument } from '../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { type Message, openSocket } from '../support/socket.ts';

type Batch = JobRowsSubscription['jobRows'];

const ExpiryDocument = graphql(`
  query Expiry($id: ID!) {
    job(id: $id) {
      finishedAt
      result(index: 0) {
        expiresAt
        rows {
          rows
        }
      }
    }
  }
`);

let quarry: Quarry;
let target: TestDatabase;
let account: Account;
let analyst: Analyst;
let databaseId: string;

beforeAll(async () => {
  [quarry, target] = await Promise.all([startQuarry(), createTestDatabase()]);
  account = await quarry.register();
  analyst = createAnalyst({ quarry, account });
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'Shop', connection } }, account);
  databaseId = connectDatabase.database.id;
});

afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

/** A thousand rows, and one more behind a lock that `open()` gives free. */
async function gated(): Promise<{ id: string; open(): Promise<unknown> }> {
  await target.client.query('SELECT pg_advisory_lock(1)');
  const open = () => target.client.query('SELECT pg_advisory_unlock_all()');
  onTestFinished(async () => void (await open()));
  const waiting = 'select 1001 from (select pg_advisory_xact_lock_shared(1)) gate';
  const id = await analyst.submit(databaseId, `select i from generate_series(1, 1000) i union all ${waiting}`);
  return { id, open };
}

const read = (id: string, variables: { batchSize?: number; after?: string } = {}) =>
  quarry.subscribe(JobRowsDocument, { id, ...variables }, account);

async function next(batches: AsyncGenerator<{ jobRows: Batch }>): Promise<Batch> {
  const { value, done } = await batches.next();
  if (done) throw new Error('the stream is at its end');
  return value.jobRows;
}

async function rest(batches: AsyncGenerator<{ jobRows: Batch }>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const { jobRows } of batches) all.push(jobRows);
  return all;
}

const query = 'subscription ($id: ID!) { jobRows(id: $id) { resultSet columns { name } rows } }';

/** The events of a stream over SSE, to its end. */
async function overSse(id: string): Promise<{ event: string; data: unknown }[]> {
  const response = await fetch(quarry.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${account.token}`,
    },
    body: JSON.stringify({ query, variables: { id } }),
  });
  const found = (await response.text()).matchAll(/^event: (\w+)\ndata:(.*)$/gm);
  return [...found].map(([, event = '', data = '']) => ({ event, data: data.trim() && JSON.parse(data) }));
}

test('rows come while the query that gives them still runs, by default 500 at a time', async () => {
  const { id, open } = await gated();
  const batches = read(id);
  const first = await next(batches);
  expect(first).toMatchObject({ resultSet: 0, columns: [{ name: 'i', dataType: 'integer' }] });
  expect(first.rows[0]).toEqual([1]);
  await open();
  const others = await rest(batches);
  expect(others.every(({ resultSet, columns }) => resultSet === 0 && columns === null)).toBe(true);
  const all = [first, ...others].flatMap(({ rows }) => rows);
  expect([all.length, all.at(-1)]).toEqual([1_001, [1_001]]);
  expect((await rest(read(id))).map(({ rows }) => rows.length)).toEqual([500, 500, 1]);
  const behind = (await rest(read(id, { after: first.cursor }))).flatMap(({ rows }) => rows);
  expect(behind).toEqual(all.slice(first.rows.length));
});

test('a client that stops reading holds nothing back, and has all of it when he reads again', async () => {
  // More than the buffers between the two processes take.
  const id = await analyst.submit(databaseId, `select i, repeat('x', 1000) from generate_series(1, 40000) i`, {
    maxRows: 40_000,
  });
  using socket = await openSocket(quarry.wsUrl);
  await socket.init(account.token);
  socket.subscribe('1', query, { variables: { id } });
  const rows: number[] = [];
  const take = ({ payload }: Message) => rows.push(...payload.data.jobRows.rows.map(([i]: [number]) => i));
  take(await socket.next());
  socket.pause();
  expect(await analyst.outcome(id)).toMatchObject({ status: 'SUCCEEDED' });
  socket.resume();
  for (let message = await socket.next(); message.type === 'next'; message = await socket.next()) take(message);
  expect(rows).toEqual(Array.from({ length: 40_000 }, (_, i) => i + 1));
});

test('over SSE the rows come, and the stream completes behind the last one', async () => {
  const { id } = await analyst.run(databaseId, 'select 1 as one; select 2 as two');
  expect(await overSse(id)).toEqual([
    { event: 'next', data: { data: { jobRows: { resultSet: 0, columns: [{ name: 'one' }], rows: [[1]] } } } },
    { event: 'next', data: { data: { jobRows: { resultSet: 1, columns: [{ name: 'two' }], rows: [[2]] } } } },
    { event: 'complete', data: '' },
  ]);
});

test('a job that failed ends the stream with its error, over SSE and over WebSocket alike', async () => {
  const { id } = await analyst.run(databaseId, 'select 1 as one; select * from missing');
  const error = {
    message: 'relation "missing" does not exist',
    extensions: { code: 'SQL_ERROR', details: { jobErrorCode: 'SQL_ERROR', sqlState: '42P01', statement: 1 } },
  };
  const events = await overSse(id);
  expect(events.map(({ event }) => event)).toEqual(['next', 'next', 'complete']);
  expect(events[1]).toMatchObject({ data: { errors: [error] } });
  using socket = await openSocket(quarry.wsUrl);
  await socket.init(account.token);
  socket.subscribe('1', query, { variables: { id } });
  expect(await socket.next()).toMatchObject({ type: 'next', payload: { data: { jobRows: { rows: [[1]] } } } });
  expect(await socket.next()).toMatchObject({ type: 'next', payload: { errors: [error] } });
  expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
});

test('a job that is cancelled while it is read ends the stream with CONFLICT', async () => {
  const { id } = await gated();
  const batches = read(id, { batchSize: 1_000 });
  await next(batches);
  await quarry.ask(CancelDocument, { input: { id } }, account);
  await expect(batches.next()).rejects.toThrow('CONFLICT');
});

test('what is asked wrongly is told with its code', async () => {
  const { id } = await analyst.run(databaseId, 'select 1');
  await expect(read(id, { batchSize: 1_001 }).next()).rejects.toThrow('BAD_USER_INPUT');
  await expect(read(id, { after: 'nonsense' }).next()).rejects.toThrow('BAD_USER_INPUT');
  await expect(read('nonsense').next()).rejects.toThrow('NOT_FOUND');
});

test('a result says until when its rows are kept', async () => {
  const { id } = await analyst.run(databaseId, 'select 1');
  const { job } = await quarry.ask(ExpiryDocument, { id }, account);
  const { expiresAt, rows } = job!.result!;
  expect(Date.parse(expiresAt!) - Date.parse(job!.finishedAt!)).toBe(7 * 24 * 3_600_000);
  expect(rows).toEqual({ rows: [[1]] });
});
