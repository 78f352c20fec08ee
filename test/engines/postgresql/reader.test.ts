/** The connections on which a catalogue is read: few, shared, and none for ever. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConsistently } from '../../../src/engines/postgresql/consistent.ts';
import { createReader, type Reader } from '../../../src/engines/postgresql/reader.ts';
import { createEgress } from '../../../src/lib/egress.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { targetOf } from './support.ts';

const dial = createEgress({ allowPrivateHosts: ['127.0.0.1/32'], denied: () => [] });

let database: TestDatabase;
let reader: Reader;
const options = { signal: new AbortController().signal };

beforeAll(async () => {
  database = await createTestDatabase();
  reader = createReader({ dial }, targetOf(database));
});
afterAll(async () => {
  await reader?.close();
  await database?.[Symbol.asyncDispose]();
});

async function backends(): Promise<number[]> {
  const { rows } = await database.client.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quarry catalogue'`,
  );
  return rows.map(({ pid }) => pid);
}

async function codeOf(reading: Promise<unknown>): Promise<string> {
  const error = await reading.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(error instanceof AppError)) throw new Error(`no AppError but ${String(error)}`);
  return error.code;
}

test('answers many reads at once over a few connections, each with its own answer', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => reader.query('SELECT $1::bigint, $2::text[]', [i, ['a', 'b']], options)),
  );
  expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => [[String(i), '{a,b}']]));
  expect((await backends()).length).toBeLessThanOrEqual(2);
});

test('goes on when the server ended all of its connections while they lay idle', async () => {
  await Promise.all([reader.query('SELECT 1', [], options), reader.query('SELECT 2', [], options)]);
  for (const pid of await backends()) await database.client.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
  const answers = await Promise.all(['3', '4', '5'].map((n) => reader.query(`SELECT ${n}`, [], options)));
  expect(answers).toEqual([[['3']], [['4']], [['5']]]);
});

test('a transaction sees one moment, whatever is committed meanwhile, and leaves nothing behind', async () => {
  await database.client.query('CREATE TABLE moments (at integer)');
  const seen = await reader.transaction(async (ask) => {
    await ask(`SET LOCAL search_path = pg_catalog`, []);
    const before = await ask('SELECT count(*) FROM public.moments', []);
    await database.client.query('INSERT INTO moments VALUES (1)');
    return [before, await ask('SELECT count(*) FROM public.moments', [])];
  }, options);
  expect(seen).toEqual([[['0']], [['0']]]);
  expect(await reader.query('SELECT count(*) FROM public.moments', [], options)).toEqual([['1']]);
  expect(await reader.query(`SELECT current_setting('search_path')`, [], options)).toEqual([['']]);
});

test('of statements under way the first that fails is told, however far from it one waits', async () => {
  const reading = readConsistently(
    reader.transaction,
    (ask) => Promise.all([Promise.all([Promise.all([ask('SELECT 1 / 0', [])])]), ask('SELECT 1', [])]),
    options,
  );
  await expect(reading).rejects.toThrow('division by zero');
});

test('a transaction answers what is asked at once in its order, and hands rows over one by one', async () => {
  const order: string[] = [];
  const answers = await reader.transaction(
    (ask) =>
      Promise.all([
        ask(`SELECT n FROM generate_series(1, 3) n WHERE pg_sleep(0.01) IS NOT NULL`, [], {
          take: ([n]) => order.push(`row ${n}`),
        }),
        ask('SELECT $1::text', ['behind']).then((rows) => {
          order.push('behind');
          return rows;
        }),
      ]),
    options,
  );
  expect(answers).toEqual([[], [['behind']]]);
  expect(order).toEqual(['row 1', 'row 2', 'row 3', 'behind']);
});

test('a transaction fails with the first statement that fails, and with what takes a row', async () => {
  const failing = reader.transaction(
    (ask) => Promise.all([ask('SELECT 1', []), ask('SELECT 1 / 0', []), ask('SELECT 2', [])]),
    options,
  );
  await expect(failing).rejects.toMatchObject({ details: { sqlState: '22012' } });
  const taking = reader.transaction(
    (ask) =>
      ask('SELECT generate_series(1, 10)', [], {
        take() {
          throw new TypeError('not this one');
        },
      }),
    options,
  );
  await expect(taking).rejects.toThrow('not this one');
  expect(await reader.query('SELECT 1', [], options)).toEqual([['1']]);
});

test('a statement is planned once a connection, and asked as before where a pooler has lost it', async () => {
  const other = createReader({ dial }, targetOf(database));
  const prepared = 'SELECT count(*) FROM pg_prepared_statements WHERE statement ~ $1';
  expect(await other.query('SELECT $1::int + 1', [1], options)).toEqual([['2']]);
  expect(await other.query('SELECT $1::int + 1', [2], options)).toEqual([['3']]);
  expect(await other.query(prepared, ['int . 1'], options)).toEqual([['1']]);
  expect(
    await other.query('SELECT cardinality($1::int[])', [Array.from({ length: 500 }, (_, n) => n)], options),
  ).toEqual([['500']]);
  expect(await other.query(prepared, ['cardinality'], options)).toEqual([['0']]);
  await other.query('DEALLOCATE ALL', [], options);
  const again = [3, 4].map((n) => other.query('SELECT $1::int + 1', [n], options));
  expect(await Promise.all(again)).toEqual([[['4']], [['5']]]);
  expect(await other.query(prepared, ['int . 1'], options)).toEqual([['0']]);
  await other.close();
});

test('a transaction writes nothing, and one that failed spoils no read behind it', async () => {
  const writing = reader.transaction((ask) => ask('CREATE TABLE written (id integer)', []), options);
  expect(await codeOf(writing)).toBe('SQL_ERROR');
  const own = new TypeError('mine');
  await expect(reader.transaction(() => Promise.reject(own), options)).rejects.toBe(own);
  expect(await Promise.all(['1', '2', '3'].map((n) => reader.query(`SELECT ${n}`, [], options)))).toHaveLength(3);
});

test('a transaction begins on a connection that is alive, and ends with its signal', async () => {
  await Promise.all([reader.query('SELECT 1', [], options), reader.query('SELECT 2', [], options)]);
  for (const pid of await backends()) await database.client.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
  expect(await reader.transaction((ask) => ask('SELECT 1', []), options)).toEqual([['1']]);
  const controller = new AbortController();
  const sleeping = reader.transaction(
    async (ask) => {
      await ask('SELECT 1', []);
      controller.abort(new Error('enough'));
      return ask('SELECT pg_sleep(600)', []);
    },
    { signal: controller.signal },
  );
  await expect(sleeping).rejects.toThrow('enough');
});

test('prints names and literals alike, whatever the database is set to', async () => {
  await using odd = await createTestDatabase();
  for (const setting of ['quote_all_identifiers = on', 'standard_conforming_strings = off']) {
    await odd.client.query(`ALTER DATABASE ${odd.database} SET ${setting}`);
  }
  const own = createReader({ dial }, targetOf(odd));
  const printed = await own.query(
    String.raw`SELECT 'pg_catalog.pg_class'::regclass, quote_ident('a'), '\d'`,
    [],
    options,
  );
  expect(printed).toEqual([['pg_class', 'a', String.raw`\d`]]);
  await own.close();
});

test('says what the server said of a read that fails, and reads on', async () => {
  expect(await codeOf(reader.query('SELECT nothing_of_that_name', [], options))).toBe('SQL_ERROR');
  expect(await reader.query('SELECT 1', [], options)).toEqual([['1']]);
});

test('ends a read whose signal aborts, also one that still waits for a connection', async () => {
  const controller = new AbortController();
  const reading = Array.from({ length: 4 }, () =>
    reader.query('SELECT pg_sleep(600)', [], { signal: controller.signal }).catch((error: unknown) => error),
  );
  controller.abort(new Error('enough'));
  expect(await Promise.all(reading)).toEqual(Array.from({ length: 4 }, () => new Error('enough')));
  expect(await reader.query('SELECT 1', [], options)).toEqual([['1']]);
});

test('a target that cannot be reached fails every read and blocks none', async () => {
  const nowhere = createReader({ dial }, targetOf(database, { port: 1 }));
  const codes = await Promise.all(Array.from({ length: 5 }, () => codeOf(nowhere.query('SELECT 1', [], options))));
  expect(codes).toEqual(Array.from({ length: 5 }, () => 'CONNECTION_FAILED'));
  await nowhere.close();
});

test('a closed reader leaves no connection and answers nobody', async () => {
  const other = createReader({ dial }, targetOf(database));
  await other.query('SELECT 1', [], options);
  const before = await backends();
  const running = codeOf(other.query('SELECT pg_sleep(600)', [], options));
  await other.close();
  expect(await running).toBe('CONNECTION_FAILED');
  expect(await codeOf(other.query('SELECT 1', [], options))).toBe('CONNECTION_FAILED');
  await expect.poll(async () => (await backends()).length, { timeout: 10_000 }).toBeLessThan(before.length);
});
