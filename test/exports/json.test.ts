/** JSON and NDJSON: exact values, one object a row. */
import { describe, expect, test } from 'vitest';
import type { ExportColumn, ExportRow, ExportType } from '../../src/exports/format.ts';
import { json } from '../../src/exports/json.ts';
import { ndjson } from '../../src/exports/ndjson.ts';
import { describeFormat } from './describe-format.ts';
import { textColumns, write } from './write.ts';

/** A null of JSON is read as a null of SQL by PostgreSQL. */
const loses = ({ title }: { title: string }) => title === 'json null is not null' || title === 'jsonb null is not null';

describeFormat('json', {
  loses,
  load: async (client, table, file) => {
    await client.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
      file.toString(),
    ]);
  },
});

describeFormat('ndjson', {
  loses,
  load: async (client, table, file) => {
    const lines = file.toString().split('\n').slice(0, -1);
    await client.query(
      `INSERT INTO ${table} SELECT r.* FROM unnest($1::json[]) AS line, json_populate_record(NULL::${table}, line) AS r`,
      [lines],
    );
  },
});

const line = async (columns: readonly ExportColumn[], row: ExportRow) =>
  (await write(ndjson, columns, [row])).toString();

const cells: readonly [title: string, type: ExportType, text: string | null, expected: string][] = [
  ['null', { kind: 'text' }, null, 'null'],
  ['true', { kind: 'boolean' }, 't', 'true'],
  ['false', { kind: 'boolean' }, 'f', 'false'],
  ['an integer past what a double holds', { kind: 'int64' }, '-9223372036854775808', '-9223372036854775808'],
  [
    'a decimal of any length, with its scale',
    { kind: 'decimal' },
    '12345678901234567890.1234500',
    '12345678901234567890.1234500',
  ],
  ['NaN of a decimal', { kind: 'decimal' }, 'NaN', '"NaN"'],
  ['a float with an exponent', { kind: 'float64' }, '1.7976931348623157e+308', '1.7976931348623157e+308'],
  ['minus zero', { kind: 'float64' }, '-0', '-0'],
  ['an infinity', { kind: 'float64' }, '-Infinity', '"-Infinity"'],
  ['what only looks like a number', { kind: 'int32' }, '007', '"007"'],
  ['a number without its fraction', { kind: 'decimal' }, '1.', '"1."'],
  ['a number without its exponent', { kind: 'float64' }, '1e', '"1e"'],
  ['a sign without a number', { kind: 'int32' }, '-', '"-"'],
  ['no number at all', { kind: 'int32' }, '', '""'],
  ['what is no boolean', { kind: 'boolean' }, 'yes', '"yes"'],
  ['text that looks like a number', { kind: 'text' }, '1', '"1"'],
  ['text with quotes and controls', { kind: 'text' }, '"\\\n\u0001\u{1f427}', '"\\"\\\\\\n\\u0001\u{1f427}"'],
  ['binary', { kind: 'binary' }, '\\xdeadbeef', '"\\\\xdeadbeef"'],
  ['json, duplicate keys and all', { kind: 'json' }, '{"a":1e400,  "a":[1.10]}', '{"a":1e400,  "a":[1.10]}'],
  ['a time', { kind: 'timestamptz' }, '2024-06-01 12:34:56.123456+00', '"2024-06-01 12:34:56.123456+00"'],
  [
    'a list of integers',
    { kind: 'list', of: { kind: 'int64' } },
    '{1,NULL,9007199254740993}',
    '[1,null,9007199254740993]',
  ],
  ['an empty list', { kind: 'list', of: { kind: 'int64' } }, '{}', '[]'],
  [
    'a list of texts',
    { kind: 'list', of: { kind: 'text' } },
    '{a,"b,c","NULL",NULL,"","\\"\\\\",null}',
    '["a","b,c","NULL",null,"","\\"\\\\","null"]',
  ],
  ['a list of booleans', { kind: 'list', of: { kind: 'boolean' } }, '{t,f,NULL}', '[true,false,null]'],
  ['a list of lists', { kind: 'list', of: { kind: 'int32' } }, '{{{1},{2}},{{3},{4}}}', '[[[1],[2]],[[3],[4]]]'],
  ['a list that begins elsewhere', { kind: 'list', of: { kind: 'int32' } }, '[5:6]={1,2}', '"[5:6]={1,2}"'],
  ['a list of json', { kind: 'list', of: { kind: 'json' } }, '{"{\\"a\\": [1, \\"}\\"]}"}', '[{"a": [1, "}"]}]'],
  [
    'a list with a delimiter of its own',
    { kind: 'list', of: { kind: 'other' }, delimiter: ';' },
    '{(1,1),(0,0);(3,3),(2,2)}',
    '["(1,1),(0,0)","(3,3),(2,2)"]',
  ],
];

describe('in JSON', () => {
  test.each(cells)('%s keeps its value', async (_, type, text, expected) => {
    const written = await line([{ name: 'v', type }], [text]);
    expect(written).toBe(`{"v":${expected}}\n`);
    expect(() => JSON.parse(written)).not.toThrow();
  });

  test('a json value of many lines stays as it is in JSON, and is one line in NDJSON', async () => {
    const columns: ExportColumn[] = [{ name: 'v', type: { kind: 'json' } }];
    const value = '{\n  "a": "\\n",\r\n  "b": 1\n}';
    expect((await write(json, columns, [[value]])).toString()).toBe(`[\n{"v":${value}}\n]\n`);
    expect(await line(columns, [value])).toBe('{"v":{   "a": "\\n",    "b": 1 }}\n');
  });

  test('__proto__ is a key like any other', async () => {
    expect(await line(textColumns('__proto__', 'a', '__proto__'), ['1', '2', '3'])).toBe(
      '{"__proto__":"1","a":"2","__proto___2":"3"}\n',
    );
  });

  test.each([
    ['no rows', textColumns('a'), [], '[]\n', ''],
    ['no columns', [], [[], []], '[\n{},\n{}\n]\n', '{}\n{}\n'],
    ['rows', textColumns('a'), [['1'], [null]], '[\n{"a":"1"},\n{"a":null}\n]\n', '{"a":"1"}\n{"a":null}\n'],
  ] as [string, ExportColumn[], ExportRow[], string, string][])(
    'a file of %s is sound',
    async (_, columns, rows, whole, lines) => {
      expect((await write(json, columns, rows)).toString()).toBe(whole);
      expect((await write(ndjson, columns, rows)).toString()).toBe(lines);
    },
  );
});
