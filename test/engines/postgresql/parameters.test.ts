/** Values of JSON as parameters: what arrives on the server, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cell, Session } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, faultOf, rowsOf } from '../../support/describe-engine.ts';
import { openSession, targetOf } from './support.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TYPE mood AS ENUM ('ok', 'sad');
    CREATE TYPE address AS (street text, number int);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN document AS jsonb;
    CREATE DOMAIN names AS text[];
    CREATE DOMAIN image AS bytea;
    CREATE TABLE item (id bigint, tags text[], data jsonb, image bytea, at timestamptz)`);
  session = await openSession(targetOf(database));
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

const echo = async (type: string, value: unknown) =>
  rowsOf(await collect(session, `select $1::${type}`, { parameters: [value] }))[0]?.[0];

const accepted: readonly [title: string, type: string, given: unknown, back: Cell][] = [
  ['text as it stands', 'text', `it's "$2" \\ \u{1f427}`, `it's "$2" \\ \u{1f427}`],
  ['an empty text', 'text', '', ''],
  ['null', 'integer', null, null],
  ['a missing value as null', 'text', undefined, null],
  ['a boolean', 'boolean', true, true],
  ['a boolean as text', 'boolean', 'no', false],
  ['an integer', 'integer', -7, -7],
  ['a number for text', 'text', 1.5, '1.5'],
  ['a large number for a double precision', 'double precision', 1e300, 1e300],
  ['a bigint as text', 'bigint', '9007199254740993', '9007199254740993'],
  ['the largest integer that a number holds', 'bigint', Number.MAX_SAFE_INTEGER, '9007199254740991'],
  ['a numeric as text', 'numeric', '12345678901234567890.10', '12345678901234567890.10'],
  ['infinity as text', 'double precision', '-Infinity', '-Infinity'],
  ['bytea as base64', 'bytea', '3q2+7w==', '3q2+7w=='],
  ['empty bytea', 'bytea', '', ''],
  ['an object as jsonb', 'jsonb', { a: [1, null, 'x"'], b: { c: true } }, '{"a": [1, null, "x\\""], "b": {"c": true}}'],
  ['an array as json', 'json', [1, 'a', [null]], '[1,"a",[null]]'],
  ['a number as json', 'jsonb', 5, '5'],
  ['false as json', 'jsonb', false, 'false'],
  ['a text as the json document', 'jsonb', '{"n": 12345678901234567890}', '{"n": 12345678901234567890}'],
  ['a date', 'date', '2024-02-29', '2024-02-29'],
  ['a time of another zone', 'timestamptz', '2024-06-01T14:00:00.000001+02:00', '2024-06-01 12:00:00.000001+00'],
  ['an interval', 'interval', 'P1DT2H', 'P1DT2H'],
  ['a uuid', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['an enum', 'mood', 'sad', 'sad'],
  ['a composite as its text', 'address', '("a b",1)', '("a b",1)'],
  ['a value of a domain', 'positive', 5, 5],
  ['an array of integers', 'integer[]', [1, null, 3], [1, null, 3]],
  ['an array as its text', 'integer[]', '{1,2}', [1, 2]],
  ['an empty array', 'text[]', [], []],
  [
    'an array of text that needs quotes',
    'text[]',
    ['a,b', '"', '\\', '{}', 'NULL', '', null],
    [...['a,b', '"', '\\', '{}', 'NULL', ''], null],
  ],
  ['an array of arrays', 'integer[]', [[1, 2], [3, 4]], [[1, 2], [3, 4]]], // biome-ignore format: a matrix
  ['an array of bigints', 'bigint[]', ['9007199254740993', 1], ['9007199254740993', '1']],
  ['an array of booleans', 'boolean[]', [true, false], [true, false]],
  ['an array of bytea', 'bytea[]', ['3q2+7w=='], ['3q2+7w==']],
  ['an array of jsonb', 'jsonb[]', [{ a: 1 }, [2, 3], null], ['{"a": 1}', '[2, 3]', null]],
  ['an array of times', 'timestamptz[]', ['2024-01-01 00:00:00Z'], ['2024-01-01 00:00:00+00']],
  ['an array of boxes', 'box[]', ['(1,1),(0,0)', '(3,3),(2,2)'], ['(1,1),(0,0)', '(3,3),(2,2)']],
  ['an array of enums', 'mood[]', ['ok', null], ['ok', null]],
];

describe('a parameter', () => {
  test.each(accepted)('may be %s', async (_, type, given, back) => {
    expect(await echo(type, given)).toEqual(back);
  });

  test('of a domain is given as what the domain is made of', async () => {
    expect(await echo('document', { a: 1 })).toBe('{"a": 1}');
    expect(await echo('names', ['a', 'b'])).toEqual(['a', 'b']);
    expect(await echo('image', 'AQI=')).toBe('AQI=');
    expect(await echo('document[]', [{ a: 1 }, null])).toEqual(['{"a": 1}', null]);
  });

  test('takes the type of the column that it is written to', async () => {
    const given = ['9007199254740993', ['a', 'b'], { deep: [1] }, 'AQI=', '2024-01-01'];
    const insert = 'insert into item values ($1, $2, $3, $4, $5) returning *';
    expect(rowsOf(await collect(session, insert, { parameters: given }))).toEqual([
      ['9007199254740993', ['a', 'b'], '{"deep": [1]}', 'AQI=', '2024-01-01 00:00:00+00'],
    ]);
  });

  test('may be used twice, and out of order', async () => {
    const events = await collect(session, 'select $2::int, $1::text, $2::int + 1', { parameters: ['a', 1] });
    expect(rowsOf(events)).toEqual([[1, 'a', 2]]);
  });

  test('is never SQL', async () => {
    const text = `'; drop table item; --`;
    expect(await echo('text', text)).toBe(text);
    expect(rowsOf(await collect(session, 'select count(*) >= 0 from item'))).toEqual([[true]]);
  });

  test('has a place where a statement only reads', async () => {
    const events = await collect(session, 'select n from generate_series(1, $1::int) n where n > $2', {
      parameters: [3, 1],
      readOnly: true,
    });
    expect(rowsOf(events)).toEqual([[2], [3]]);
  });

  test('may be one of a thousand', async () => {
    const parameters = Array.from({ length: 1_000 }, (_, i) => i);
    const script = `select ${parameters.map((i) => `$${i + 1}::int`).join(' + ')}`;
    expect(rowsOf(await collect(session, script, { parameters }))).toEqual([[499_500]]);
  });

  test.each<[string, string, unknown, object]>([
    ['text where a number is needed', 'integer', 'ten', { sqlState: '22P02' }],
    ['a number that is too large', 'smallint', 70_000, { sqlState: '22003' }],
    ['a number with a fraction for an integer', 'integer', 1.5, { sqlState: '22P02' }],
    ['a number that has lost digits', 'bigint', 2 ** 60, { sqlState: '22023', message: /lost digits/ }],
    ['what is no base64', 'bytea', 'not base64!', { sqlState: '22023', message: /base64/ }],
    ['base64 without its end', 'bytea', 'AQI', { sqlState: '22023' }],
    ['an object where no json is', 'text', { a: 1 }, { sqlState: '22023', message: /jsonb/ }],
    ['an array where none is', 'integer', [1], { sqlState: '22023', message: /integer\[\]/ }],
    ['an array inside of which an object is', 'text[]', [{ a: 1 }], { sqlState: '22023' }],
    ['arrays of different lengths', 'integer[]', [[1, 2], [3]], { sqlState: '22P02' }],
    ['no document', 'jsonb', '{"a":', { sqlState: '22P02' }],
    ['a day that is none', 'date', '2024-02-30', { sqlState: '22008' }],
    ['what the enum lacks', 'mood', 'angry', { sqlState: '22P02' }],
    ['what the domain forbids', 'positive', -1, { sqlState: '23514' }],
    ['a NUL character', 'text', 'a\0b', {}],
    ['half of a surrogate pair in json', 'jsonb', { a: '\ud800' }, {}],
  ])('may not be %s', async (_, type, given, { message, ...fault }: { message?: RegExp }) => {
    const found = await faultOf(collect(session, `select $1::${type}`, { parameters: [given] }));
    expect(found).toMatchObject({ code: 'SQL_ERROR', statement: 0, ...fault });
    if (message !== undefined) expect(found.message).toMatch(message);
    expect(await echo('integer', 1)).toBe(1);
  });

  test.each<[number, readonly unknown[] | undefined]>([
    [0, []],
    [0, undefined],
    [1, [1]],
    [3, [1, 2, 3]],
  ])('is missed or left over where 2 are needed and %i given', async (_, parameters) => {
    const fault = await faultOf(collect(session, 'select $1::int, $2::int', { parameters }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '08P01' });
    expect(await echo('integer', 1)).toBe(1);
  });

  test('that a statement has no place for is refused', async () => {
    const fault = await faultOf(collect(session, 'select 1', { parameters: [1] }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '08P01', message: expect.stringContaining('0') });
  });

  test('belongs to one statement: with two, nothing runs', async () => {
    const script = 'create table never (id int); select $1::int';
    const fault = await faultOf(collect(session, script, { parameters: [1] }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', message: expect.stringContaining('one statement') });
    expect(rowsOf(await collect(session, `select to_regclass('never') is null`))).toEqual([[true]]);
  });

  test('whose type nothing tells is text, and in a condition what stands beside it', async () => {
    expect(rowsOf(await collect(session, 'select $1', { parameters: ['a'] }))).toEqual([['a']]);
    expect(rowsOf(await collect(session, `select 2::bigint = $1`, { parameters: ['2'] }))).toEqual([[true]]);
  });

  test('whose type cannot be settled is refused at its place', async () => {
    const fault = await faultOf(collect(session, 'select $1 is null', { parameters: ['a'] }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '42P18' });
  });

  test('has no place in the definition of a view', async () => {
    const fault = await faultOf(collect(session, 'create view v as select $1::text as t', { parameters: ['a'] }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR' });
    expect(rowsOf(await collect(session, `select to_regclass('v') is null`))).toEqual([[true]]);
  });

  test('is passed to a procedure, which answers with what it puts out', async () => {
    await collect(
      session,
      'create procedure twice(inout n int) language plpgsql as $$ begin n := n * 2; commit; end $$',
    );
    expect(rowsOf(await collect(session, 'call twice($1)', { parameters: [21] }))).toEqual([[42]]);
  });
});
