/** The change feed of a real server: what it tells of writes, in which order, and from where on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Target } from '../../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/databases.ts';
import { targetOf } from '../support.ts';
import { follow, openFeed, told, transactions } from './support.ts';

let database: TestDatabase;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE item (id int PRIMARY KEY, name text);
    CREATE TABLE other (id int PRIMARY KEY)`);
  target = targetOf(database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

const sql = (text: string) => database.client.query(text);

describe('a followed table', () => {
  test('tells of INSERT, UPDATE, DELETE and TRUNCATE, by transaction, in the order of the commits', async () => {
    const feed = await openFeed(target);
    await follow(feed, 'item');
    const events = told(feed);
    await sql(`INSERT INTO item VALUES (1, 'a'), (2, NULL)`);
    await sql(
      `BEGIN; UPDATE item SET name = 'b' WHERE id = 1; INSERT INTO other VALUES (1); DELETE FROM item WHERE id = 2; COMMIT`,
    );
    await sql(`UPDATE item SET id = 3`);
    await sql('TRUNCATE item');
    expect(await transactions(events, 4)).toEqual([
      '[+item(1,a) +item(2,null)]',
      '[~item(1,b) -item(2,?)]',
      '[~item(1,? → 3,b)]',
      '[0item]',
    ]);
  });
});
