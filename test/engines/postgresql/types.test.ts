/** What becomes of the values of every type, and how their types are named. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cell, ResultColumn, Session } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, columnsOf, rowsOf } from '../../support/describe-engine.ts';
import { openSession, targetOf } from './support.ts';
import { typesOfValues, values } from './values.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(`
    ${typesOfValues}
    CREATE TABLE typed (
      id bigint PRIMARY KEY, name varchar(50), price numeric(10,2), seen timestamptz(3), code char(3),
      flags bit varying(8), names varchar(20)[], span interval day to second(2)
    );
    INSERT INTO typed VALUES (1, 'n', 1.5, '2024-01-01 00:00:00.1234+00', 'a', '101', '{x}', '1 day 00:00:01.239')`);
  session = await openSession(targetOf(database));
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

/** The one value of an expression, and its column. */
async function evaluate(expression: string): Promise<{ value: Cell | undefined; column: ResultColumn | undefined }> {
  const events = await collect(session, `select ${expression} as value`);
  return { value: rowsOf(events)[0]?.[0], column: columnsOf(events)[0] };
}

describe('a value', () => {
  test.each(values)('%s', async (_, sql, dataType, expected) => {
    const { value, column } = await evaluate(sql);
    expect(value).toEqual(expected);
    expect(column?.dataType).toBe(dataType);
  });

  test('is null in every type, and in an array of each', async () => {
    const types = [...new Set(values.map(([, , dataType]) => dataType))].filter(
      // Pseudo-types, that no value can be cast to.
      (type) => !['void', 'record', 'record[]'].includes(type),
    );
    expect(types.length).toBeGreaterThan(90);
    const lists = types.filter((type) => !type.endsWith('[]')).map((type) => `${type}[]`);
    for (const wanted of [types, lists]) {
      const events = await collect(session, `select ${wanted.map((type, i) => `null::${type} as c${i}`)}`);
      expect(rowsOf(events)).toEqual([wanted.map(() => null)]);
      expect(columnsOf(events).map(({ dataType }) => dataType)).toEqual(wanted);
    }
    const ofNulls = await collect(session, `select ${lists.map((type, i) => `array[null]::${type} as c${i}`)}`);
    expect(rowsOf(ofNulls)).toEqual([lists.map(() => [null])]);
  });

  test.each(['reset all', 'discard all', 'begin; reset all; commit'])('prints the same behind %s', async (script) => {
    await using other = await createTestDatabase();
    await other.client.query(`ALTER DATABASE ${other.database} SET datestyle = 'German'`);
    await using elsewhere = await openSession(targetOf(other));
    const events = await collect(
      elsewhere,
      `set timezone = 'Asia/Tokyo'; ${script}; select '2024-06-01 12:00:00+00'::timestamptz`,
    );
    expect(rowsOf(events, script.split(';').length + 1)).toEqual([['2024-06-01 12:00:00+00']]);
  });

  test.each(['hex', 'escape'])('of bytea is the same bytes in base64 whether it is printed in %s', async (output) => {
    const bytes = Buffer.from([...Array(256).keys(), 0x5c, 0x78, 0x34, 0x31]);
    const sql = `select b, array[b, null] from (select '\\x${bytes.toString('hex')}'::bytea as b) as one`;
    const events = await collect(session, `set bytea_output = '${output}'; ${sql}; reset bytea_output`);
    const base64 = bytes.toString('base64');
    expect(rowsOf(events, 1)).toEqual([[base64, [base64, null]]]);
    const backslashX = await collect(session, `set bytea_output = '${output}'; select '\\x5c783431'::bytea`);
    expect(rowsOf(backslashX, 1)).toEqual([['XHg0MQ==']]);
  });

  test('that was stored comes with its type as declared and the column that it is of', async () => {
    const events = await collect(session, 'select *, id + 1 as next from typed');
    expect(columnsOf(events).map(({ name, dataType }) => [name, dataType])).toEqual([
      ['id', 'bigint'],
      ['name', 'character varying(50)'],
      ['price', 'numeric(10,2)'],
      ['seen', 'timestamp(3) with time zone'],
      ['code', 'character(3)'],
      ['flags', 'bit varying(8)'],
      ['names', 'character varying(20)[]'],
      ['span', 'interval day to second(2)'],
      ['next', 'bigint'],
    ]);
    expect(rowsOf(events)).toEqual([
      ['1', 'n', '1.50', '2024-01-01 00:00:00.123+00', 'a  ', '101', ['x'], 'P1DT1.24S', '2'],
    ]);
    expect(columnsOf(events).map(({ origin }) => origin?.column ?? null)).toEqual([
      ...['id', 'name', 'price', 'seen', 'code', 'flags', 'names', 'span'],
      null,
    ]);
    expect(columnsOf(events)[0]?.origin).toEqual({ schema: 'public', table: 'typed', column: 'id' });
  });

  test('prints the same whatever the database and the role have set', async () => {
    await using other = await createTestDatabase();
    await other.client.query(`
      ALTER DATABASE ${other.database} SET datestyle = 'German';
      ALTER DATABASE ${other.database} SET intervalstyle = 'sql_standard';
      ALTER DATABASE ${other.database} SET bytea_output = 'escape';
      ALTER DATABASE ${other.database} SET extra_float_digits = -5;
      ALTER DATABASE ${other.database} SET timezone = 'Asia/Tokyo';
      ALTER DATABASE ${other.database} SET client_encoding = 'LATIN1'`);
    await using elsewhere = await openSession(targetOf(other));
    const row = `select '2024-06-01 12:00:00+00'::timestamptz, '2 days'::interval, '\\x00'::bytea, 0.1::float8 * 3, '€'`;
    expect(rowsOf(await collect(elsewhere, row))).toEqual([
      ['2024-06-01 12:00:00+00', 'P2D', 'AA==', 0.300_000_000_000_000_04, '€'],
    ]);
  });

  test('of a database in another encoding arrives as Unicode', async () => {
    const name = `${database.database}_latin1`;
    await database.client.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`);
    await using latin = await openSession(targetOf(database, { database: name }));
    expect(rowsOf(await collect(latin, `select 'é', getdatabaseencoding()`))).toEqual([['é', 'LATIN1']]);
    await latin[Symbol.asyncDispose]();
    await database.client.query(`DROP DATABASE ${name} WITH (FORCE)`);
  });

  test('of a type that was made again under the same name is read as the new one', async () => {
    await collect(session, `create type passing as enum ('a')`);
    expect(rowsOf(await collect(session, `select array['a']::passing[]`))).toEqual([[['a']]]);
    await collect(session, `drop type passing; create domain passing as boolean`);
    expect(rowsOf(await collect(session, `select array['t']::passing[]`))).toEqual([[[true]]]);
    await collect(session, 'drop domain passing');
  });

  test('of an extension that nobody told us about is its text', async () => {
    await collect(session, 'create type pair');
    await collect(
      session,
      `create function pair_in(cstring) returns pair language internal immutable strict as 'textin';
       create function pair_out(pair) returns cstring language internal immutable strict as 'textout';
       create type pair (input = pair_in, output = pair_out, like = text)`,
    );
    const events = await collect(session, `select '"k"=>"v"'::pair as one, array['"k"=>"v"']::pair[] as many`);
    expect(rowsOf(events)).toEqual([['"k"=>"v"', ['"k"=>"v"']]]);
    expect(columnsOf(events).map(({ dataType }) => dataType)).toEqual(['pair', 'pair[]']);
  });
});
