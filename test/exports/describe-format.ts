/** The contract of an export format as a suite: what every format must do, with PostgreSQL on both ends of the file. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExportColumn, ExportRow, Sink } from '../../src/exports/format.ts';
import { type FormatName, formats } from '../../src/exports/registry.ts';
import { typesOfValues, values } from '../engines/postgresql/values.ts';
import { copyOut } from '../support/copy.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { readRaw } from './columns.ts';
import { naughtyTexts } from './naughty.ts';
import { formatOptions, memorySink, textColumns, write, writeTo } from './write.ts';

export interface FormatUnderTest {
  /**
   * Reads the file into an empty table of that name by a reader that nobody here wrote. The columns of the table are
   * named as those of the file: a second one of a name is NAME_2.
   */
  readonly load: (client: pg.Client, table: string, file: Buffer) => Promise<void>;
  /** Of the values of every type, those that the format cannot give back; absent: none. */
  readonly loses?: (value: { title: string; dataType: string }) => boolean;
  /** Texts that the format cannot hold; absent: none. */
  readonly losesText?: (text: string) => boolean;
}

export function describeFormat(name: FormatName, { load, loses, losesText }: FormatUnderTest): void {
  const format = formats[name];

  describe(`the format ${name}`, () => {
    let database: TestDatabase;
    let client: pg.Client;

    beforeAll(async () => {
      database = await createTestDatabase(typesOfValues);
      client = database.client;
    });
    afterAll(async () => {
      await database?.[Symbol.asyncDispose]();
    });

    /** The rows of a table, by its first column, each as one digest. */
    async function digests(table: string): Promise<unknown[]> {
      const { rows } = await client.query(`SELECT md5(t::text) AS row FROM ${table} AS t ORDER BY t.n`);
      return rows;
    }

    /** Writes a table, reads it into another of the same columns and expects the same rows. */
    async function expectBack(table: string): Promise<void> {
      const { columns, rows } = await readRaw(client, `SELECT * FROM ${table} AS t ORDER BY t.n`);
      await client.query(`CREATE TABLE ${table}_back (LIKE ${table})`);
      await load(client, `${table}_back`, await write(format, columns, rows, { setName: `${table}_back` }));
      expect(await digests(`${table}_back`)).toEqual(await digests(table));
      expect(rows.length).toBeGreaterThan(0);
    }

    /** Where the format takes lines of COPY, alone and between rows, the file is the one that rows make. */
    async function expectCopied(table: string): Promise<void> {
      const { columns, rows } = await readRaw(client, `SELECT * FROM ${table} AS t ORDER BY t.n`);
      const sink = memorySink();
      await using writer = format.open(sink, formatOptions());
      if (!writer.copy) return;
      const options = { CSV: '(FORMAT csv)', TSV: '(FORMAT text)' }[writer.copy.format];
      const behind = `SELECT * FROM ${table} AS t ORDER BY t.n OFFSET 1`;
      await writer.begin({ name: `${table}_copied`, columns });
      await writer.rows(rows.slice(0, 1));
      await writer.copy.write(await copyOut(client, `COPY (${behind}) TO STDOUT ${options}`), rows.length - 1);
      await writer.end();
      await writer.close();
      await client.query(`CREATE TABLE ${table}_copied (LIKE ${table})`);
      await load(client, `${table}_copied`, sink.file());
      expect(await digests(`${table}_copied`)).toEqual(await digests(table));
    }

    test('is registered under its name', () => {
      expect(format.name).toBe(name);
      expect(format.extension).toMatch(/^[a-z]+$/);
      expect(format.mimeType).toMatch(/^[a-z]+\/[a-z0-9.+-]+(; charset=utf-8)?$/);
    });

    test('gives back a value of every type, and null of it', async () => {
      const kept = values.filter(
        // Pseudo-types are of no table.
        ([title, , dataType]) =>
          !['void', 'record', 'record[]'].includes(dataType) && !(loses?.({ title, dataType }) ?? false),
      );
      expect(kept.length).toBeGreaterThan(60);
      const list = kept.map(([, sql], i) => `${sql} AS c${i}`).join(', ');
      await client.query(`CREATE TABLE typed AS SELECT 1 AS n, ${list}`);
      await client.query('INSERT INTO typed (n) VALUES (2)');
      await client.query(`INSERT INTO typed SELECT 3, ${list}`);
      await expectBack('typed');
      await expectCopied('typed');
    });

    test('gives back texts whatever they hold', async () => {
      const texts = naughtyTexts.filter((text) => !losesText?.(text));
      await client.query('CREATE TABLE naughty (n int, t text, u varchar, list text[])');
      await client.query(
        `INSERT INTO naughty
         SELECT n, t, t, ARRAY[t, NULL, t] FROM unnest($1::text[]) WITH ORDINALITY AS given (t, n)`,
        [texts],
      );
      await expectBack('naughty');
    });

    test('gives back values where none is a list', async () => {
      const { rows } = await client.query(
        `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names FROM pg_attribute
          WHERE attrelid = 'typed'::regclass AND attnum > 0
            AND atttypid NOT IN (SELECT oid FROM pg_type WHERE typsubscript = 'array_subscript_handler'::regproc)`,
      );
      await client.query(`CREATE TABLE scalars AS SELECT ${rows[0].names} FROM typed`);
      await client.query('CREATE TABLE phrases AS SELECT n, t, u FROM naughty');
      await client.query(`INSERT INTO phrases VALUES (0, NULL, '')`);
      for (const table of ['scalars', 'phrases']) {
        await expectBack(table);
        await expectCopied(table);
      }
    });

    test('gives back texts in the only column', async () => {
      const texts = naughtyTexts.filter((text) => !losesText?.(text)).filter((text) => text.length < 1_000);
      await client.query('CREATE TABLE lone (n text)');
      await client.query('INSERT INTO lone SELECT unnest($1::text[])', [texts]);
      await expectBack('lone');
    });

    test('gives back 10,000 rows in their order', async () => {
      await client.query(
        `CREATE TABLE many AS
         SELECT n, n % 3 = 0 AS b, n * 1.25 AS d, 'text ' || n AS t, now() + n * interval '1 s' AS at,
                CASE WHEN n % 7 > 0 THEN n END AS sparse
           FROM generate_series(1, 10000) AS n`,
      );
      await expectBack('many');
    });

    test('of no rows is a file that holds none', async () => {
      await client.query('CREATE TABLE nobody (n int, t text)');
      const { columns } = await readRaw(client, 'SELECT * FROM nobody');
      await load(client, 'nobody', await write(format, columns, [], { setName: 'nobody' }));
      expect(await digests('nobody')).toEqual([]);
    });

    test('keeps columns of one name apart, and names that mean something to JavaScript', async () => {
      const names = [
        'n',
        'a',
        'a',
        'a_2',
        'a',
        '__proto__',
        'constructor',
        'A',
        'toString',
        '?column?',
        'with "quotes"',
      ];
      const written = names.map((_, i) => (i === 0 ? '1' : `value ${i}`));
      // The names that are there already stay as they are.
      const inFile = names.with(2, 'a_3').with(4, 'a_4');
      const definitions = inFile.map((column) => `"${column.replaceAll('"', '""')}" text`).join(', ');
      await client.query(`CREATE TABLE named (${definitions})`);
      await load(client, 'named', await write(format, textColumns(...names), [written], { setName: 'named' }));
      const { rows } = await client.query({ text: 'SELECT * FROM named', rowMode: 'array' });
      expect(rows).toEqual([written]);
    });

    test('holds 1,600 columns', async () => {
      const rest = Array.from({ length: 1_599 }, (_, i) => `${i} AS c${i}`).join(', ');
      await client.query(`CREATE TABLE wide AS SELECT n, ${rest} FROM generate_series(1, 3) AS n`);
      await expectBack('wide');
    });

    const columns: readonly ExportColumn[] = [
      { name: 'n', type: { kind: 'int32' } },
      { name: 't', type: { kind: 'text' } },
    ];
    // Not to be compressed away, for formats that do.
    const rowsOf = (count: number): ExportRow[] =>
      Array.from({ length: count }, (_, i) => [String(i), `${Math.sin(i)} ${Math.cos(i)} `.repeat(4)]);
    const set = { name: 'result', columns, rows: rowsOf(20_000) };

    test('waits for a slow sink, one write at a time', async () => {
      let writing = 0;
      let most = 0;
      const held = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const kept = memorySink();
      const slow: Sink = {
        async write(bytes) {
          most = Math.max(most, ++writing);
          await kept.write(bytes);
          held.resolve();
          await release.promise;
          writing--;
        },
      };
      let done = false;
      const written = writeTo(slow, format, [set]).then(() => {
        done = true;
      });
      await held.promise;
      await new Promise(setImmediate);
      expect({ done, writes: kept.writes.length }).toEqual({ done: false, writes: 1 });
      release.resolve();
      await written;
      expect(most).toBe(1);
      expect(kept.file().length).toBeGreaterThan(100_000);
    });

    test('breaks off with the reason of its signal, and leaves the sink alone from then on', async () => {
      const controller = new AbortController();
      const reason = new Error('stopped');
      const sink = memorySink();
      await using writer = format.open(sink, formatOptions({ signal: controller.signal }));
      await writer.begin(set);
      await writer.rows(set.rows);
      const { length } = sink.writes;
      controller.abort(reason);
      await expect(writer.rows(set.rows)).rejects.toBe(reason);
      await writer[Symbol.asyncDispose]();
      expect(sink.writes.length).toBe(length);
    });

    test('fails with what the sink fails with', async () => {
      const full = new Error('no space left');
      const sink: Sink = { write: () => Promise.reject(full) };
      await expect(writeTo(sink, format, [set])).rejects.toBe(full);
    });

    test.skipIf(format.sheets)('refuses a second result set', async () => {
      await expect(writeTo(memorySink(), format, [set, set])).rejects.toThrow('a second result set');
    });

    test('writes two files at once, each as it would alone', async () => {
      const [a, b] = [set, { ...set, rows: rowsOf(5_000) }];
      const sinks = [memorySink(), memorySink()] as const;
      await Promise.all([writeTo(sinks[0], format, [a]), writeTo(sinks[1], format, [b])]);
      expect(sinks[0].file().equals(await write(format, a.columns, a.rows))).toBe(true);
      expect(sinks[1].file().equals(await write(format, b.columns, b.rows))).toBe(true);
    });
  });
}
