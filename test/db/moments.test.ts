/** Names of what is committed: another one as soon as anything is. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMoments } from '../../src/db/moments.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';

let target: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  target = await createTestDatabase('create table t (a int)');
  const { host, port, user, password, database } = target;
  pool = new pg.Pool({ host, port, user, password, database });
});

afterAll(async () => {
  await pool.end();
  await target[Symbol.asyncDispose]();
});

test('what was committed has another name at once, whoever did it', async () => {
  const { now } = createMoments({ pool });
  for (let times = 0; times < 50; times += 1) {
    const before = await now();
    await target.client.query('insert into t values (1)');
    expect(await now()).not.toBe(before);
  }
});

test('a transaction that was open is told when it commits', async () => {
  const { now } = createMoments({ pool });
  await target.client.query('begin; insert into t values (2)');
  const open = await now();
  await target.client.query('commit');
  expect(await now()).not.toBe(open);
});

test('where nothing was committed it stays, until the next second', async () => {
  const { now } = createMoments({ pool });
  const secondOf = async () =>
    (await pool.query(`SELECT date_trunc('second', clock_timestamp())::text AS second`)).rows[0].second;
  let moment = await now();
  let equal = 1;
  // Others write into this server as well.
  for (let times = 0; times < 5_000 && equal < 3; times += 1) {
    const next = await now();
    equal = next === moment ? equal + 1 : 1;
    moment = next;
  }
  expect(equal).toBe(3);
  const second = await secondOf();
  while ((await secondOf()) === second);
  expect(await now()).not.toBe(moment);
});

test('a database that does not answer is an error', async () => {
  const { host, user, password, database } = target;
  const elsewhere = new pg.Pool({ host, port: 1, user, password, database });
  await expect(createMoments({ pool: elsewhere }).now()).rejects.toThrow();
  await elsewhere.end();
});
