/** Rows are handed out while the statement still makes them, however slowly; fast ones cost no more rounds for it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Session } from '../../../src/engines/engine.ts';
import { createPace, inPortions } from '../../../src/engines/postgresql/pace.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, endsOf, faultOf, rowsOf, runOptions } from '../../support/describe-engine.ts';
import { openSession, targetOf } from './support.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(
    'CREATE TABLE go (n int); CREATE TABLE plain (n int); INSERT INTO plain VALUES (1)',
  );
  session = await openSession(targetOf(database));
  // Takes its time for each row, and then waits until somebody has allowed it.
  const body = `
    BEGIN
      PERFORM pg_sleep(0.25);
      WHILE NOT EXISTS (SELECT FROM go WHERE n >= row_number) LOOP PERFORM pg_sleep(0.01); END LOOP;
      RETURN row_number;
    END`;
  await database.client.query(`
    CREATE SEQUENCE pace;
    CREATE FUNCTION await(row_number int) RETURNS int LANGUAGE plpgsql VOLATILE AS '${body}';
    CREATE FUNCTION looks(row_number int) RETURNS int LANGUAGE plpgsql STABLE AS '${body}'`);
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

const allow = (upTo: number) => database.client.query('INSERT INTO go VALUES ($1)', [upTo]);

describe('a statement whose rows come slowly', () => {
  test.each([
    ['of no table', 'select await(n) from generate_series(1, 6) n'],
    ['of a table, whose columns have to be looked up', 'select await(i), plain.n from plain, generate_series(1, 6) i'],
    ['that may write', `select await(n), nextval('pace') from generate_series(1, 6) n`],
  ])('gives each before the next one is made: %s', async (_, sql) => {
    await database.client.query('TRUNCATE go');
    // Each comes alone, or the next one is never made.
    await allow(1);
    const seen: unknown[] = [];
    for await (const event of session.run(sql, runOptions())) {
      if (event.type !== 'rows') continue;
      seen.push(...event.rows.map(([n]) => n));
      await allow(seen.length + 1);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('that only begins fast gives what it has made before it has come to the end of what it was asked for', async () => {
    await database.client.query('TRUNCATE go');
    const script = 'select case when n > 800 then await(n) else n end from generate_series(1, 801) n';
    const seen: unknown[] = [];
    for await (const event of session.run(script, runOptions())) {
      if (event.type !== 'rows') continue;
      seen.push(...event.rows.map(([n]) => n));
      if (seen.length > 500) await allow(801);
    }
    expect(seen).toEqual(Array.from({ length: 801 }, (_n, i) => i + 1));
  });

  test('keeps to maxRows, and is cancelled as another', async () => {
    await database.client.query('TRUNCATE go');
    await allow(4);
    // The fifth is never made.
    const cut = await collect(session, 'select looks(n) from generate_series(1, 6) n', { maxRows: 3 });
    expect(rowsOf(cut)).toEqual([[1], [2], [3]]);
    expect(endsOf(cut)).toMatchObject([{ command: 'SELECT', truncated: true, rowCount: 3 }]);
    const seen: unknown[] = [];
    const running = (async () => {
      for await (const event of session.run('select await(n) from generate_series(1, 6) n', runOptions())) {
        if (event.type === 'rows') seen.push(...event.rows);
        if (seen.length === 1) void session.cancel();
      }
    })();
    expect((await faultOf(running)).code).toBe('CANCELLED');
    expect(seen.length).toBeLessThanOrEqual(4);
  });
});

describe('the pace', () => {
  const pace = () => createPace({ firstRows: 1, maxRows: 1_000, latencyMs: 1 });

  test('asks for a fifth of a second, and for one row at the least', () => {
    const slow = pace();
    slow.took(2, 2_001);
    expect(slow.rows).toBe(1);
    slow.took(10, 1_001);
    expect(slow.rows).toBe(2);
    slow.took(100, 201);
    expect(slow.rows).toBe(100);
  });

  test('asks in portions, of which none keeps back more rows than were given before it', () => {
    expect(inPortions(50, 1)).toEqual([1, 2, 4, 8, 16, 19]);
    expect(inPortions(1_000, 51)).toEqual([51, 102, 204, 250, 250, 143]);
    expect(inPortions(1_000, 5_000)).toEqual([250, 250, 250, 250]);
    expect([inPortions(1, 0), inPortions(2, 0), inPortions(0, 0)]).toEqual([[1], [1, 1], [0]]);
  });

  test('grows by no more than fifty times, and not beyond a batch', () => {
    const fast = pace();
    fast.took(2, 0.1);
    expect(fast.rows).toBe(100);
    fast.took(100, 0.1);
    expect(fast.rows).toBe(1_000);
  });
});
