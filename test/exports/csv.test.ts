/** CSV: the bytes of COPY, and a variant that spreadsheets do not run. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csv } from '../../src/exports/csv.ts';
import { typesOfValues, values } from '../engines/postgresql/values.ts';
import { copyIn, copyOut } from '../support/copy.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { readRaw } from './columns.ts';
import { describeFormat } from './describe-format.ts';
import { naughtyTexts } from './naughty.ts';
import { formatOptions, memorySink, textColumns, write } from './write.ts';

describeFormat('csv', {
  load: (client, table, file) => copyIn(client, `COPY ${table} FROM STDIN (FORMAT csv, HEADER)`, file),
});

describe('a CSV file', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase(typesOfValues);
  });
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
  });

  async function expectBytesOfCopy(query: string): Promise<void> {
    const { columns, rows } = await readRaw(database.client, query);
    const copied = await copyOut(database.client, `COPY (${query}) TO STDOUT (FORMAT csv, HEADER)`);
    expect((await write(csv, columns, rows)).equals(copied)).toBe(true);
    expect(copied.length).toBeGreaterThan(0);
  }

  test('has the bytes of COPY for a value of every type', async () => {
    await expectBytesOfCopy(`SELECT ${values.map(([, sql], i) => `${sql} AS c${i}`).join(', ')}`);
  });

  test('has the bytes of COPY for a value of every type in a column alone', async () => {
    for (const [, sql] of values) await expectBytesOfCopy(`SELECT ${sql} AS "value"`);
  });

  test('has the bytes of COPY for texts whatever they hold', async () => {
    await database.client.query('CREATE TABLE naughty AS SELECT unnest($1::text[]) AS t', [naughtyTexts]);
    await expectBytesOfCopy('SELECT t, 1, t AS u, NULL FROM naughty');
    await expectBytesOfCopy('SELECT t FROM naughty');
  });

  test.each([
    ['no rows', 'SELECT 1 AS a, 2 AS b WHERE false'],
    ['no columns', 'SELECT FROM generate_series(1, 3)'],
    ['no columns and no rows', 'SELECT WHERE false'],
    ['a lone null', 'SELECT NULL FROM generate_series(1, 2)'],
    ['names that need quotes', 'SELECT 1 AS "a,b", 2 AS "a""b", 3 AS "a\nb", 4 AS " "'],
    ['names twice', 'SELECT 1 AS a, 2 AS a'],
    ['a name that ends the data', 'SELECT 1 AS "\\."'],
    ['a name that is a formula', 'SELECT 1 AS "=1+1"'],
  ])('has the bytes of COPY for %s', async (_, query) => {
    await expectBytesOfCopy(query);
  });

  test('is inert in a spreadsheet when it is written so: formulas get an apostrophe, numbers stay', async () => {
    const cells = [
      '=1+1',
      '+1+1',
      '-1+1',
      '@A1',
      '\t=1',
      '\r=1',
      '\n=1',
      '＝1+1',
      'a;=1+1;b',
      'a\t=1+1',
      'a|@A1',
      'a;-1',
      'SEP=;',
      '-',
      '-infinity',
      'a=1',
      "'=1",
      '',
      null,
    ];
    const numbers = ['-1', '+1', '-1.50', '-1e-05', '1', '-12345678901234567890.123'];
    const file = await write(
      csv,
      textColumns('=name'),
      [...cells, ...numbers].map((cell) => [cell]),
      { safe: true },
    );
    expect(file.toString()).toBe(
      [
        `'=name`,
        `'=1+1`,
        `'+1+1`,
        `'-1+1`,
        `'@A1`,
        `'\t'=1`,
        `"'\r'=1"`,
        `"'\n'=1"`,
        `'＝1+1`,
        `a;'=1+1;b`,
        `a\t'=1+1`,
        `a|'@A1`,
        `a;'-1`,
        `'SEP=;`,
        `'-`,
        `'-infinity`,
        'a=1',
        `'=1`,
        '""',
        '',
        ...numbers,
        '',
      ].join('\n'),
    );
  });

  test('takes no lines of COPY when it is to be inert, since they are not', async () => {
    await using writer = csv.open(memorySink(), formatOptions({ safe: true }));
    expect(writer.copy).toBeUndefined();
  });

  test('holds formulas as they are when it is not', async () => {
    expect((await write(csv, textColumns('a'), [['=1+1']])).toString()).toBe('a\n=1+1\n');
  });

  test('takes lines of COPY as they are, between rows of values', async () => {
    const sink = memorySink();
    await using writer = csv.open(sink, formatOptions());
    expect(writer.copy?.format).toBe('CSV');
    await writer.begin({ name: 'result', columns: textColumns('a', 'b') });
    await writer.rows([['1', null]]);
    const lines = await copyOut(database.client, `COPY (SELECT 2, 'a,"b"' || E'\\t') TO STDOUT (FORMAT csv)`);
    await writer.copy?.write(lines, 1);
    await writer.rows([['3', '']]);
    await writer.end();
    await writer.close();
    expect(sink.file().toString()).toBe(`a,b\n1,\n${lines}3,""\n`);
    await expect(writer.copy?.write(lines, 1)).rejects.toThrow('no result set');
  });
});
