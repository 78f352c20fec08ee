/** TSV: the bytes of COPY. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tsv } from '../../src/exports/tsv.ts';
import { typesOfValues, values } from '../engines/postgresql/values.ts';
import { copyIn, copyOut } from '../support/copy.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { readRaw } from './columns.ts';
import { describeFormat } from './describe-format.ts';
import { naughtyTexts } from './naughty.ts';
import { formatOptions, memorySink, textColumns, write } from './write.ts';

describeFormat('tsv', {
  load: (client, table, file) => copyIn(client, `COPY ${table} FROM STDIN (FORMAT text, HEADER)`, file),
});

describe('a TSV file', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase(typesOfValues);
    await database.client.query('CREATE TABLE naughty AS SELECT unnest($1::text[]) AS t', [naughtyTexts]);
  });
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
  });

  test.each([
    ['a value of every type', `SELECT ${values.map(([, sql], i) => `${sql} AS c${i}`).join(', ')}`],
    ['texts whatever they hold', 'SELECT t, 1, t AS u, NULL FROM naughty'],
    ['texts in a column alone', 'SELECT t FROM naughty'],
    ['no rows', 'SELECT 1 AS a, 2 AS b WHERE false'],
    ['no columns', 'SELECT FROM generate_series(1, 3)'],
    ['no columns and no rows', 'SELECT WHERE false'],
    ['names that need escapes', 'SELECT 1 AS "a\tb", 2 AS "a\nb", 3 AS "\\N", 4 AS "a""b", 5 AS a, 6 AS a'],
  ])('has the bytes of COPY for %s', async (_, query) => {
    const { columns, rows } = await readRaw(database.client, query);
    const copied = await copyOut(database.client, `COPY (${query}) TO STDOUT (FORMAT text, HEADER)`);
    expect((await write(tsv, columns, rows)).equals(copied)).toBe(true);
    expect(copied.length).toBeGreaterThan(0);
  });

  test('takes lines of COPY as they are, between rows of values', async () => {
    const sink = memorySink();
    await using writer = tsv.open(sink, formatOptions());
    expect(writer.copy?.format).toBe('TSV');
    await writer.begin({ name: 'result', columns: textColumns('a', 'b') });
    await writer.rows([['1', null]]);
    const lines = await copyOut(database.client, `COPY (SELECT 2, 'a,"b"' || E'\\t') TO STDOUT (FORMAT text)`);
    await writer.copy?.write(lines, 1);
    await writer.rows([['3', '']]);
    await writer.end();
    await writer.close();
    expect(sink.file().toString()).toBe(`a\tb\n1\t\\N\n${lines}3\t\n`);
    await expect(writer.copy?.write(lines, 1)).rejects.toThrow('no result set');
  });
});
