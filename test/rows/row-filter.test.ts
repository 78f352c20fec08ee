/** The language that chooses rows: what PostgreSQL itself would choose, and what is wrong with a filter. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPostgresqlCatalog } from '../../src/engines/postgresql/catalog.ts';
import { sessionSettings } from '../../src/engines/postgresql/connect.ts';
import type { RowAccess } from '../../src/engines/row-access.ts';
import { compileRowFilter } from '../../src/realtime/row-predicate.ts';
import {
  type FilteredColumn,
  parseRowFilter,
  type RowFilterInput,
  rowFilterLimits,
} from '../../src/rows/row-filter.ts';
import { failure } from '../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';

/** Of each type values that lie close together, and what a client would give for them. */
const samples: Record<string, readonly (string | null)[]> = {
  boolean: ['t', 'f', null],
  smallint: ['-2', '0', '7', '10'],
  integer: ['-2147483648', '9', '10', null],
  bigint: ['9007199254740992', '9007199254740993', '-9007199254740993', '10'],
  numeric: [
    '1.10',
    '1.1',
    '11',
    '-0.001',
    '-0.0011',
    '0',
    '1e-20',
    '123456789012345678901234567890.5',
    'NaN',
    'Infinity',
  ],
  'numeric(6,2)': ['10.00', '9.99', '-10.00', '100.00'],
  real: ['0.1', '1e+20', '-0', '16777216', 'NaN'],
  'double precision': ['0.1', '0.30000000000000004', '5e-324', '-Infinity', 'Infinity', 'NaN'],
  text: ['', 'a', 'B', 'b', 'ab', 'é', 'a_b', 'a%b', 'a\\b', '𐐷', '\uffee', 'line\nbreak'],
  'character varying(5)': ['abc', 'ABC', null],
  'character(4)': ['a', 'a  ', 'ab', 'abcd'],
  uuid: ['0f8fad5b-d9cb-469f-a165-70867728950e', 'ffffffff-ffff-4fff-8fff-ffffffffffff'],
  date: ['2026-01-31', '2026-02-01', '0044-03-15 BC', '12026-01-01', 'infinity', '-infinity'],
  'timestamp(6) without time zone': [
    '2026-01-31 12:00:00',
    '2026-01-31 12:00:00.5',
    '2026-01-31 12:00:00.45',
    '0001-01-01 00:00:00 BC',
  ],
  'timestamp with time zone': [
    '2026-01-31 12:00:00+00',
    '2026-01-31 12:00:00.000001+00',
    '9999-12-31 23:59:59+00',
    'infinity',
  ],
  'time without time zone': ['12:00:00', '12:00:00.5', '24:00:00', '00:00:01'],
  bytea: ['\\x00ff', '\\x00', '\\x'],
  mood: ['calm', 'loud', 'even'],
  positive: ['1', '20', '3'],
};

let target: TestDatabase;
let access: RowAccess;
let columns: ReadonlyMap<string, FilteredColumn>;
let rows: (string | null)[][];

const name = (type: string) => `c_${type.replace(/\W+/g, '_')}`;
const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

beforeAll(async () => {
  target = await createTestDatabase();
  const { client } = target;
  await client.query(`${sessionSettings}; SET standard_conforming_strings = on;
    CREATE TYPE mood AS ENUM ('loud', 'even', 'calm'); CREATE DOMAIN positive AS numeric CHECK (value > 0);
    CREATE TABLE samples (id int PRIMARY KEY, many int[], body json, span interval,
      ${Object.keys(samples).map((type) => `${name(type)} ${type}${/^(text|char)/.test(type) ? ' COLLATE "C"' : ''}`)})`);
  const most = Math.max(...Object.values(samples).map((values) => values.length));
  for (let i = 0; i <= most; i++) {
    const values = Object.values(samples).map((list) => (list[i] == null ? 'NULL' : quoted(list[i] ?? '')));
    await client.query(`INSERT INTO samples VALUES (${i}, '{}', '{}', '1 day', ${values})`);
  }
  const text = {
    types: { getTypeParser: () => (value: string) => value },
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig;
  const query = async (sql: string, given: readonly unknown[]) =>
    (await client.query({ ...text, text: sql, values: [...given] })).rows as (string | null)[][];
  const catalog = createPostgresqlCatalog({
    query: (sql, given) => query(sql, given),
    transaction: (work) => work(query),
    close: async () => undefined,
  });
  const { signal } = new AbortController();
  access = (await catalog.rowAccess({ names: [{ schema: 'public', name: 'samples' }] }, { signal }))[0]!;
  columns = new Map(access.columns.map((column) => [column.name, column]));
  rows = await query('SELECT * FROM samples ORDER BY id', []);
});
afterAll(async () => target?.[Symbol.asyncDispose]());

const shape = () => ({ columns: access.columns.map((column) => ({ ...column, decode: null, coding: null })) });
const choose = (filter: RowFilterInput) => compileRowFilter(parseRowFilter(filter, columns, 'where'), shape(), columns);
const chosen = (filter: RowFilterInput) => {
  const predicate = choose(filter);
  return rows.filter((row) => predicate(row) === 'YES').map(([id]) => Number(id));
};

async function chosenBySql(condition: string): Promise<number[]> {
  const { rows: found } = await target.client.query(`SELECT id FROM samples WHERE ${condition} ORDER BY id`);
  return found.map(({ id }) => id);
}

/** As a client gives the value whose text this is. */
function given(type: string, text: string): unknown {
  if (type === 'boolean') return text === 't';
  if (type === 'bytea') return Buffer.from(text.slice(2), 'hex').toString('base64');
  return /^(small|integer|real|double)/.test(type) && Number.isFinite(Number(text)) ? Number(text) : text;
}

const compared = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

describe.each(Object.entries(samples))('values of %s', (type, list) => {
  const values = list.filter((value) => value !== null);
  const operators = type === 'mood' ? (['eq', 'ne'] as const) : (Object.keys(compared) as (keyof typeof compared)[]);

  test.each(operators)('compare by %s as in SQL', async (operator) => {
    for (const value of values) {
      const filter = { column: name(type), [operator]: given(type, value) };
      const condition = `${name(type)} ${compared[operator]} ${quoted(value)}::${type}`;
      expect([value, chosen(filter)]).toEqual([value, await chosenBySql(condition)]);
      expect([value, chosen({ not: filter })]).toEqual([value, await chosenBySql(`NOT (${condition})`)]);
    }
  });

  test('are in a list, or null, as in SQL', async () => {
    const some = values.slice(0, 2);
    const list = some.map((value) => `${quoted(value)}::${type}`).join();
    expect(chosen({ column: name(type), in: some.map((value) => given(type, value)!) })).toEqual(
      await chosenBySql(`${name(type)} IN (${list})`),
    );
    for (const isNull of [true, false])
      expect(chosen({ column: name(type), isNull })).toEqual(
        await chosenBySql(`${name(type)} IS ${isNull ? '' : 'NOT'} NULL`),
      );
  });
});

test.each(['a%', '%b', '_', '%', '', 'a\\%b', 'a\\_b', '%a%b%', 'A%', '__', '\\\\', 'a\\\\b', '%\n%', '%%b'])(
  'the pattern %j matches what it does in SQL',
  async (pattern) => {
    const column = name('text');
    expect(chosen({ column, like: pattern })).toEqual(await chosenBySql(`${column} LIKE ${quoted(pattern)}`));
    expect(chosen({ column, ilike: pattern })).toEqual(
      await chosenBySql(`${column} COLLATE pg_c_utf8 ILIKE ${quoted(pattern)}`),
    );
  },
);

test('and, or and not are three-valued as in SQL', async () => {
  const [a, b] = [name('integer'), name('boolean')];
  const [one, two] = [
    { column: a, gt: 9 },
    { column: b, eq: true },
  ];
  const [sqlOne, sqlTwo] = [`${a} > 9`, b];
  for (const [filter, condition] of [
    [{ and: [one, two] }, `${sqlOne} AND ${sqlTwo}`],
    [{ or: [one, two] }, `${sqlOne} OR ${sqlTwo}`],
    [{ not: { and: [one, two] } }, `NOT (${sqlOne} AND ${sqlTwo})`],
    [{ not: { or: [one, { not: two }] } }, `NOT (${sqlOne} OR NOT ${sqlTwo})`],
    [{ or: [] }, 'false'],
    [{ and: [] }, 'true'],
    [{ ...one, not: two }, `${sqlOne} AND NOT ${sqlTwo}`],
    [{ column: a, gte: 9, lt: 10 }, `${a} >= 9 AND ${a} < 10`],
    [{ column: a, in: [] }, 'false'],
  ] as const)
    expect([filter, chosen(filter)]).toEqual([filter, await chosenBySql(condition)]);
});

test('what is not told may be anything, but not both', () => {
  const row = rows[0]!.map((text, place) => (access.columns[place]!.name === name('text') ? undefined : text));
  const unknown = { column: name('text'), eq: 'a' };
  const known = { column: 'id', eq: 0 };
  expect(choose(unknown)(row)).toBe('PERHAPS');
  expect(choose({ not: unknown })(row)).toBe('PERHAPS');
  expect(choose({ and: [unknown, { not: known }] })(row)).toBe('NO');
  expect(choose({ or: [unknown, known] })(row)).toBe('YES');
  expect(choose({ column: name('text'), isNull: true })(row)).toBe('PERHAPS');
});

test('a time is taken with any zone', () => {
  const column = name('timestamp with time zone');
  for (const eq of ['2026-01-31T12:00:00Z', '2026-01-31T13:00+01:00', '2026-01-31 06:30:00-05:30'])
    expect(chosen({ column, eq })).toEqual([0]);
});

describe('what is wrong is said, with its place:', () => {
  const at = (filter: unknown) => () => parseRowFilter(filter as RowFilterInput, columns, 'where');
  test.each<[unknown, string, string]>([
    [{}, 'where', 'says nothing'],
    [{ and: [{}] }, 'where.and[0]', 'says nothing'],
    [{ eq: 1 }, 'where.column', 'eq needs a column'],
    [{ column: 'id' }, 'where.column', 'needs an operator: eq, ne, lt, lte, gt, gte, in, like, ilike, isNull'],
    [{ column: 'size', eq: 1 }, 'where.column', 'there is no column size'],
    [{ column: 'id', eq: 1, in: [1] }, 'where.in', 'has no meaning beside eq'],
    [{ column: 'id', lt: 1, lte: 1 }, 'where.lte', 'has no meaning beside lt'],
    [{ column: 'id', eq: null }, 'where.eq', 'null equals nothing: use isNull'],
    [{ column: 'id', eq: '1.5' }, 'where.eq', 'must be an integer'],
    [{ column: 'id', in: [1, true] }, 'where.in', 'the value at 1 must be an integer'],
    [{ column: 'id', like: '1%' }, 'where.like', 'only text has patterns'],
    [{ column: 'c_text', like: 'a\\' }, 'where.like', 'ends with a backslash, which escapes what follows'],
    [{ column: 'c_text', eq: 1 }, 'where.eq', 'must be a string'],
    [{ column: 'c_boolean', eq: 'true' }, 'where.eq', 'must be true or false'],
    [{ column: 'c_date', eq: '2026-02-30' }, 'where.eq', 'must be a date such as 2026-01-31'],
    [
      { column: 'c_mood', lt: 'calm' },
      'where.lt',
      'values of this column are equal or not; their order is the database’s alone',
    ],
    [{ column: 'many', eq: '{}' }, 'where.eq', 'values of this column cannot be compared; isNull can be asked'],
    [{ column: 'body', eq: '{}' }, 'where.eq', 'values of this column cannot be compared; isNull can be asked'],
    [{ or: [{ column: 'id', eq: 1 }, { not: { column: 'id', eq: [] } }] }, 'where.or[1].not.eq', 'must be an integer'],
  ])('%j', async (filter, path, message) => {
    const error = await failure(Promise.resolve().then(at(filter)), 'BAD_USER_INPUT');
    expect(error.details).toEqual({ fields: [{ path, message }] });
  });

  test('more than a filter may have', async () => {
    let deep: RowFilterInput = { column: 'id', eq: 1 };
    for (let i = 0; i < rowFilterLimits.depth; i++) deep = { not: deep };
    const wide = { or: Array.from({ length: rowFilterLimits.parts }, () => ({ column: 'id', eq: 1 })) };
    const long = { column: 'id', in: Array.from({ length: rowFilterLimits.values + 1 }, (_, i) => i) };
    for (const filter of [deep, wide, long, { column: 'c_text', like: 'a'.repeat(1001) }])
      await failure(Promise.resolve().then(at(filter)), 'LIMIT_EXCEEDED');
  });
});
