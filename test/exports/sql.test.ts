/** SQL: statements that PostgreSQL runs. */
import { describe, expect, test } from 'vitest';
import type { ExportColumn } from '../../src/exports/format.ts';
import { sql } from '../../src/exports/sql.ts';
import { createTestDatabase } from '../support/databases.ts';
import { describeFormat } from './describe-format.ts';
import { naughtyTexts } from './naughty.ts';
import { textColumns, write } from './write.ts';

describeFormat('sql', {
  load: async (client, _, file) => {
    await client.query(file.toString());
  },
});

const text = async (...given: Parameters<typeof write> extends [unknown, ...infer Rest] ? Rest : never) =>
  (await write(sql, ...given)).toString();

describe('a file of SQL', () => {
  test('has literals of their own for numbers and booleans, and strings for the rest', async () => {
    const columns: ExportColumn[] = [
      { name: 'i', type: { kind: 'int64' } },
      { name: 'd', type: { kind: 'decimal' } },
      { name: 'f', type: { kind: 'float64' } },
      { name: 'b', type: { kind: 'boolean' } },
      { name: 't', type: { kind: 'text' } },
      { name: 'x', type: { kind: 'binary' } },
      { name: 'l', type: { kind: 'list', of: { kind: 'int32' } } },
    ];
    const rows = [
      ['-5', '1.50', '1e+308', 't', `it's`, '\\x00', '{1,2}'],
      [null, 'NaN', '-0', 'f', '', null, '{}'],
    ];
    expect(await text(columns, rows, { setName: 'Some "table"' })).toBe(
      `INSERT INTO "Some ""table""" ("i", "d", "f", "b", "t", "x", "l") VALUES\n` +
        `(-5, 1.50, 1e+308, true, 'it''s', E'\\\\x00', '{1,2}'),\n` +
        `(NULL, 'NaN', '-0', false, '', NULL, '{}');\n`,
    );
  });

  test('is nothing without rows, and default values without columns', async () => {
    expect(await text(textColumns('a'), [])).toBe('');
    expect(await text([], [[], []])).toBe(
      'INSERT INTO "result" DEFAULT VALUES;\nINSERT INTO "result" DEFAULT VALUES;\n',
    );
  });

  test('has statements of many rows, none of which is too long to parse', async () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => [`${i} `.repeat(50)]);
    const statements = (await text(textColumns('a'), rows)).split(';\n').slice(0, -1);
    expect(statements.length).toBeGreaterThan(5);
    expect(statements.length).toBeLessThan(50);
    for (const statement of statements) expect(statement.length).toBeLessThan(140_000);
  });

  test('reads the same for a server that takes backslashes in strings', async () => {
    await using database = await createTestDatabase('CREATE TABLE result (a text)');
    const texts = naughtyTexts.filter((value) => value.length < 1_000);
    const { client } = database;
    await client.query('SET standard_conforming_strings = off; SET escape_string_warning = off');
    await client.query(
      await text(
        textColumns('a'),
        texts.map((value) => [value]),
      ),
    );
    const { rows } = await client.query<{ a: string }>('SELECT a FROM result');
    expect(rows.map(({ a }) => a)).toEqual(texts);
  });
});
