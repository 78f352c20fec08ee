/** What becomes of the values of every type, and how their types are named. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cell, ResultColumn, Session } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, columnsOf, rowsOf } from '../../support/describe-engine.ts';
import { openSession, targetOf } from './support.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TYPE mood AS ENUM ('ok', 'sad');
    CREATE TYPE address AS (street text, number int);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN larger AS positive CHECK (VALUE > 10);
    CREATE DOMAIN tags AS text[];
    CREATE SCHEMA "Other";
    CREATE TYPE "Other"."Odd type" AS ENUM ('a');
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

const values: readonly [title: string, sql: string, dataType: string, expected: Cell][] = [
  ['a boolean is one', `true`, 'boolean', true],
  ['false is not null', `false`, 'boolean', false],
  ['a smallint is a number', `(-32768)::int2`, 'smallint', -32_768],
  ['an integer is a number', `2147483647`, 'integer', 2_147_483_647],
  ['an oid is a number', `4294967295::oid`, 'oid', 4_294_967_295],
  ['a bigint keeps every digit', `9007199254740993::int8`, 'bigint', '9007199254740993'],
  ['a small bigint is text too', `1::int8`, 'bigint', '1'],
  [
    'a numeric keeps every digit',
    `12345678901234567890.123456789::numeric`,
    'numeric',
    '12345678901234567890.123456789',
  ],
  ['a numeric keeps its scale', `1.500::numeric(10,3)`, 'numeric(10,3)', '1.500'],
  ['numeric NaN is text', `'NaN'::numeric`, 'numeric', 'NaN'],
  ['numeric infinity is text', `'-Infinity'::numeric`, 'numeric', '-Infinity'],
  ['money is text', `12.34::money`, 'money', expect.stringContaining('12.34') as unknown as string],
  ['a real is the shortest number that gives it back', `0.1::float4`, 'real', 0.1],
  ['a double precision keeps every bit', `0.30000000000000004::float8`, 'double precision', 0.300_000_000_000_000_04],
  ['the largest double is a number', `1.7976931348623157e308::float8`, 'double precision', Number.MAX_VALUE],
  ['float NaN is text', `'NaN'::float8`, 'double precision', 'NaN'],
  ['float infinity is text', `'Infinity'::float4`, 'real', 'Infinity'],
  ['negative infinity is text', `'-Infinity'::float8`, 'double precision', '-Infinity'],
  ['minus zero is text, since JSON loses its sign', `'-0'::float8`, 'double precision', '-0'],
  ['minus zero of a real as well', `'-0'::float4`, 'real', '-0'],
  ['zero is a number', `'0'::float8`, 'double precision', 0],
  ['the smallest double is a number', `5e-324::float8`, 'double precision', Number.MIN_VALUE],
  ['NaN of a real is text', `'NaN'::float4`, 'real', 'NaN'],
  ['bytea is base64', `'\\xdeadbeef'::bytea`, 'bytea', '3q2+7w=='],
  ['empty bytea is empty', `''::bytea`, 'bytea', ''],
  ['text is itself', `E'tab\\t"quote" \\\\ \u{1f427}\\n'`, 'text', 'tab\t"quote" \\ \u{1f427}\n'],
  ['an empty text is not null', `''::text`, 'text', ''],
  ['the text NULL is not null', `'NULL'::text`, 'text', 'NULL'],
  ['the internal char is text', `'c'::"char"`, '"char"', 'c'],
  ['a name is text', `'n'::name`, 'name', 'n'],
  ['char(n) keeps its blanks', `'a'::char(3)`, 'character(3)', 'a  '],
  ['varchar names its length', `'a'::varchar(50)`, 'character varying(50)', 'a'],
  [
    'json keeps its exact text, duplicate keys and all',
    `'{"a":1e400, "b":12345678901234567890, "a":2}'::json`,
    'json',
    '{"a":1e400, "b":12345678901234567890, "a":2}',
  ],
  [
    'jsonb keeps scale and digits',
    `'{"a":1.10, "b":12345678901234567890}'::jsonb`,
    'jsonb',
    '{"a": 1.10, "b": 12345678901234567890}',
  ],
  ['jsonb keeps what no double holds', `'[1e400, -0.0]'::jsonb`, 'jsonb', `[1${'0'.repeat(400)}, 0.0]`],
  ['json null is not null', `'null'::json`, 'json', 'null'],
  ['a path of json is text', `'$.a[*] ? (@ > 1)'::jsonpath`, 'jsonpath', '$."a"[*]?(@ > 1)'],
  ['jsonb null is not null', `'null'::jsonb`, 'jsonb', 'null'],
  [
    'timestamptz keeps its microseconds, in UTC',
    `'2024-06-01 14:34:56.123456+02'::timestamptz`,
    'timestamp with time zone',
    '2024-06-01 12:34:56.123456+00',
  ],
  [
    'timestamp keeps its microseconds',
    `'2024-06-01 12:34:56.000001'::timestamp`,
    'timestamp without time zone',
    '2024-06-01 12:34:56.000001',
  ],
  [
    'timestamptz(3) names its precision',
    `'2024-06-01 12:34:56.1236+00'::timestamptz(3)`,
    'timestamp(3) with time zone',
    '2024-06-01 12:34:56.124+00',
  ],
  ['a timestamp may be infinite', `'infinity'::timestamptz`, 'timestamp with time zone', 'infinity'],
  ['a timestamp may be infinitely old', `'-infinity'::timestamp`, 'timestamp without time zone', '-infinity'],
  [
    'a timestamptz before Christ keeps its era',
    `'0044-03-15 12:00:00.000001+00 BC'::timestamptz`,
    'timestamp with time zone',
    '0044-03-15 12:00:00.000001+00 BC',
  ],
  [
    'the last year of a timestamptz is kept',
    `'294276-12-31 23:59:59.999999+00'::timestamptz`,
    'timestamp with time zone',
    '294276-12-31 23:59:59.999999+00',
  ],
  ['the last date is kept', `'5874897-12-31'::date`, 'date', '5874897-12-31'],
  ['a time keeps its microseconds', `'12:34:56.000001'::time`, 'time without time zone', '12:34:56.000001'],
  ['time(3) names its precision', `'12:34:56.1236'::time(3)`, 'time(3) without time zone', '12:34:56.124'],
  ['a date may be infinite', `'-infinity'::date`, 'date', '-infinity'],
  ['a date before Christ keeps its era', `'0044-03-15 BC'::date`, 'date', '0044-03-15 BC'],
  ['the last year is kept', `'294276-12-31'::timestamp`, 'timestamp without time zone', '294276-12-31 00:00:00'],
  ['a date has no time', `'2024-06-01'::date`, 'date', '2024-06-01'],
  ['a time may end a day', `'24:00:00'::time`, 'time without time zone', '24:00:00'],
  ['a time of a zone keeps the zone', `'12:00:00.5+05:30'::timetz`, 'time with time zone', '12:00:00.5+05:30'],
  ['an interval is ISO 8601', `'1 year 2 mons 3 days 04:05:06.789'::interval`, 'interval', 'P1Y2M3DT4H5M6.789S'],
  ['a negative interval is ISO 8601', `'-1 days -00:00:00.5'::interval`, 'interval', 'P-1DT-0.5S'],
  ['no time at all is an interval', `'0'::interval`, 'interval', 'PT0S'],
  ['an interval may be infinite', `'infinity'::interval`, 'interval', 'infinity'],
  ['a uuid is text', `'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid`, 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['an enum is text', `'ok'::mood`, 'mood', 'ok'],
  ['a name that needs quotes has them', `'a'::"Other"."Odd type"`, '"Other"."Odd type"', 'a'],
  ['a composite is text', `row('x "y", z', 2)::address`, 'address', '("x ""y"", z",2)'],
  ['a record is text', `row(1, 'a')`, 'record', '(1,a)'],
  ['a range is text', `'[1,5)'::int4range`, 'int4range', '[1,5)'],
  ['a range of bigints is text', `'(,9007199254740993)'::int8range`, 'int8range', '(,9007199254740993)'],
  ['a range of numerics is text', `'[1.10,2.20]'::numrange`, 'numrange', '[1.10,2.20]'],
  ['a range of dates is text', `'[2024-01-01,2024-01-31]'::daterange`, 'daterange', '[2024-01-01,2024-02-01)'],
  ['a range of timestamps is text', `'[2024-01-01,infinity]'::tsrange`, 'tsrange', '["2024-01-01 00:00:00",infinity]'],
  ['an empty range is text', `'empty'::int4range`, 'int4range', 'empty'],
  ['an open range is text', `'[2024-01-01,)'::tstzrange`, 'tstzrange', '["2024-01-01 00:00:00+00",)'],
  ['a multirange is text', `'{[1,3),[5,7)}'::int4multirange`, 'int4multirange', '{[1,3),[5,7)}'],
  ['an empty multirange is text', `'{}'::datemultirange`, 'datemultirange', '{}'],
  ['a multirange of numerics is text', `'{[1.5,2]}'::nummultirange`, 'nummultirange', '{[1.5,2]}'],
  ['a point is text', `'(1,2.5)'::point`, 'point', '(1,2.5)'],
  ['a line is text', `'{1,-1,0}'::line`, 'line', '{1,-1,0}'],
  ['a line segment is text', `'[(0,0),(1,1)]'::lseg`, 'lseg', '[(0,0),(1,1)]'],
  ['a box is text', `'(0,0),(1,1)'::box`, 'box', '(1,1),(0,0)'],
  ['a path is text', `'[(0,0),(1,1)]'::path`, 'path', '[(0,0),(1,1)]'],
  ['a polygon is text', `'((0,0),(1,1),(1,0))'::polygon`, 'polygon', '((0,0),(1,1),(1,0))'],
  ['a circle is text', `'<(0,0),1>'::circle`, 'circle', '<(0,0),1>'],
  ['a bit string is text', `'101'::bit(3)`, 'bit(3)', '101'],
  ['a varying bit string is text', `'10'::varbit(8)`, 'bit varying(8)', '10'],
  ['xml is text', `'<a/>'::xml`, 'xml', '<a/>'],
  ['a network is text', `'10.0.0.0/8'::cidr`, 'cidr', '10.0.0.0/8'],
  ['an address is text', `'10.1.2.3/32'::inet`, 'inet', '10.1.2.3'],
  ['a MAC address is text', `'08:00:2b:01:02:03'::macaddr`, 'macaddr', '08:00:2b:01:02:03'],
  ['an address with its network is text', `'10.1.2.3/8'::inet`, 'inet', '10.1.2.3/8'],
  ['an address of IPv6 is text', `'::ffff:1.2.3.4'::inet`, 'inet', '::ffff:1.2.3.4'],
  ['a long MAC address is text', `'08:00:2b:01:02:03:04:05'::macaddr8`, 'macaddr8', '08:00:2b:01:02:03:04:05'],
  ['a log position is text', `'16/B374D848'::pg_lsn`, 'pg_lsn', '16/B374D848'],
  ['a search vector is text', `'a fat cat'::tsvector`, 'tsvector', `'a' 'cat' 'fat'`],
  ['a search query is text', `'fat & cat'::tsquery`, 'tsquery', `'fat' & 'cat'`],
  ['a vector of the catalogue is text', `'1 2'::int2vector`, 'int2vector', '1 2'],
  ['a name of the catalogue is text', `'pg_class'::regclass`, 'regclass', 'pg_class'],
  ['a function of the catalogue is text', `'now'::regproc`, 'regproc', 'now'],
  ['a function with its arguments is text', `'abs(int)'::regprocedure`, 'regprocedure', 'abs(integer)'],
  ['an operator is text', `'||/'::regoper`, 'regoper', '||/'],
  ['an operator with its arguments is text', `'+(int,int)'::regoperator`, 'regoperator', '+(integer,integer)'],
  ['a type of the catalogue is text', `'int4'::regtype`, 'regtype', 'integer'],
  ['a role of the catalogue is text', `'pg_monitor'::regrole`, 'regrole', 'pg_monitor'],
  ['a schema of the catalogue is text', `'pg_catalog'::regnamespace`, 'regnamespace', 'pg_catalog'],
  ['a configuration of searches is text', `'simple'::regconfig`, 'regconfig', 'simple'],
  ['a dictionary of searches is text', `'simple'::regdictionary`, 'regdictionary', 'simple'],
  ['a collation of the catalogue is text', `'"C"'::regcollation`, 'regcollation', '"C"'],
  ['what the catalogue no longer names is its number', `4294967295::regclass`, 'regclass', '4294967295'],
  ['a place of a row is text', `'(7,3)'::tid`, 'tid', '(7,3)'],
  ['a short transaction id is text', `'7'::xid`, 'xid', '7'],
  ['a command id is text', `'7'::cid`, 'cid', '7'],
  ['a snapshot is text', `'10:20:10,14'::pg_snapshot`, 'pg_snapshot', '10:20:10,14'],
  ['a vector of oids is text', `'1 2'::oidvector`, 'oidvector', '1 2'],
  ['a cursor is text', `'c'::refcursor`, 'refcursor', 'c'],
  ['a transaction id is text', `'7'::xid8`, 'xid8', '7'],
  ['a function without a result is empty', `pg_sleep(0)`, 'void', ''],
  ['an empty record is text', `row()`, 'record', '()'],
  ['a record keeps nulls apart from empty texts', `row(null, '', 'NULL')`, 'record', '(,"",NULL)'],
  ['a composite of nothing is no null', `row(null, null)::address`, 'address', '(,)'],
  ['null is null', `null::int`, 'integer', null],
  ['null of text is null', `null`, 'text', null],
  ['null of an array is null', `null::int[]`, 'integer[]', null],
  ['a domain is read as what it is made of', `5::positive`, 'integer', 5],

  ['an array is one', `'{1,2,NULL}'::int[]`, 'integer[]', [1, 2, null]],
  ['an empty array is empty', `'{}'::int[]`, 'integer[]', []],
  [
    'arrays nest, with quotes and nulls',
    `array[['a', 'b,c', 'NULL'], [null, '{"}', E'\\\\']]`,
    'text[]',
    [
      ['a', 'b,c', 'NULL'],
      [null, '{"}', '\\'],
    ],
  ],
  [
    'arrays have three dimensions',
    `array[[[1],[2]],[[3],[4]]]`,
    'integer[]',
    [
      [[1], [2]],
      [[3], [4]],
    ],
  ],
  ['an empty text in an array is kept', `array['', ' ', 'null']`, 'text[]', ['', ' ', 'null']],
  ['an array that begins elsewhere is text', `'[5:6]={1,2}'::int[]`, 'integer[]', '[5:6]={1,2}'],
  ['bigints in an array keep every digit', `'{9007199254740993}'::int8[]`, 'bigint[]', ['9007199254740993']],
  [
    'an array may begin elsewhere in one of its dimensions',
    `'[1:1][0:1]={{1,2}}'::int[]`,
    'integer[]',
    '[1:1][0:1]={{1,2}}',
  ],
  ['numerics in an array keep every digit', `'{1.10,NaN}'::numeric[]`, 'numeric[]', ['1.10', 'NaN']],
  [
    'numbers in an array that JSON lacks are text',
    `'{1.5,NaN,-Infinity,-0}'::float8[]`,
    'double precision[]',
    [1.5, 'NaN', '-Infinity', '-0'],
  ],
  ['booleans in an array are booleans', `array[true, false, null]`, 'boolean[]', [true, false, null]],
  ['bytea in an array is base64', `array['\\xdeadbeef'::bytea]`, 'bytea[]', ['3q2+7w==']],
  [
    'times in an array are text',
    `'{2024-01-01 00:00:00.000001+00}'::timestamptz[]`,
    'timestamp with time zone[]',
    ['2024-01-01 00:00:00.000001+00'],
  ],
  ['enums in an array are text', `'{ok,sad}'::mood[]`, 'mood[]', ['ok', 'sad']],
  ['composites in an array are text', `array[row('a "b"', 1)::address, null]`, 'address[]', ['("a ""b""",1)', null]],
  ['json in an array is text', `array['{"a": [1, "}"]}'::json]`, 'json[]', ['{"a": [1, "}"]}']],
  ['ranges in an array are text', `array['[1,5)'::int4range]`, 'int4range[]', ['[1,5)']],
  [
    'boxes in an array stand between semicolons',
    `array['(1,1),(0,0)'::box, '(3,3),(2,2)']`,
    'box[]',
    ['(1,1),(0,0)', '(3,3),(2,2)'],
  ],
  ['multiranges in an array are text', `array['{[1,3)}'::int4multirange]`, 'int4multirange[]', ['{[1,3)}']],
  ['intervals in an array are ISO 8601', `array['1 day'::interval, null]`, 'interval[]', ['P1D', null]],
  ['jsonb in an array keeps its digits', `array['{"a": 1.10}'::jsonb]`, 'jsonb[]', ['{"a": 1.10}']],
  ['money in an array is text', `array[1::money]`, 'money[]', [expect.stringContaining('1.00') as unknown as string]],
  ['uuids in an array are text', `array[null::uuid]`, 'uuid[]', [null]],
  ['records in an array are text', `array[row(1, 'a,b')]`, 'record[]', ['(1,"a,b")']],
  ['names of the catalogue in an array are text', `'{pg_class}'::regclass[]`, 'regclass[]', ['pg_class']],
  ['points in an array are text', `array['(1,2)'::point]`, 'point[]', ['(1,2)']],
  ['domains in an array are read as what they are made of', `array[5]::positive[]`, 'positive[]', [5]],
  ['a domain over a domain as well', `array[11, null]::larger[]`, 'larger[]', [11, null]],
  ['a domain over an array is an array', `'{a,b}'::tags`, 'text[]', ['a', 'b']],
  ['lengths of an array are named', `array['a']::varchar(20)[]`, 'character varying(20)[]', ['a']],
];

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
