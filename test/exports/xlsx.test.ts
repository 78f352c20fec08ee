/** XLSX: read back by a reader of another maker; limits of sheets; texts that must stay texts. */
import { describe, expect, test } from 'vitest';
import type { ExportColumn, ExportRow, ExportType } from '../../src/exports/format.ts';
import { xlsx } from '../../src/exports/xlsx.ts';
import { describeFormat } from './describe-format.ts';
import { readCells, readXlsx, sheetXml } from './read-xlsx.ts';
import { formatOptions, memorySink, textColumns, write, writeTo } from './write.ts';

describeFormat('xlsx', {
  load: async (client, table, file) => {
    const [header, ...rows] = readXlsx(file)[0]!.rows;
    for (const row of rows) {
      const values = header!.map((_, i) =>
        row[i] === null || row[i] === undefined ? 'NULL' : client.escapeLiteral(row[i]),
      );
      await client.query(`INSERT INTO ${table} VALUES (${values.join(', ')})`);
    }
  },
  // The reader makes CR LF an LF, though the file tells them apart: see below.
  losesText: (text) => text.length > 32_767 || text.includes('\r\n'),
});

const column = (kind: Exclude<ExportType['kind'], 'list'>): ExportColumn => ({ name: kind, type: { kind } });

/** Of one column, the cells below the header. */
async function cellsOf(kind: Exclude<ExportType['kind'], 'list'>, ...values: (string | null)[]) {
  const cells = readCells(
    await write(
      xlsx,
      [column(kind)],
      values.map((value) => [value]),
    ),
  );
  return cells.slice(1).map((row) => row[0]);
}

describe('a cell of XLSX', () => {
  test('is a number where a spreadsheet shows all of its digits, and else their text', async () => {
    expect(await cellsOf('int64', '-7', '999999999999999', '1000000000000001', '9223372036854775807')).toMatchObject([
      { t: 'n', v: -7 },
      { t: 'n', v: 999_999_999_999_999 },
      { t: 's', v: '1000000000000001' },
      { t: 's', v: '9223372036854775807' },
    ]);
    const decimals = [
      '1.50',
      '0.000000000000000000012',
      '2.5000000000000000',
      '1234567890.1234567',
      'NaN',
      '-Infinity',
    ];
    expect(await cellsOf('decimal', ...decimals)).toMatchObject([
      { t: 'n', v: 1.5 },
      { t: 'n', v: 1.2e-20 },
      { t: 'n', v: 2.5 },
      { t: 's', v: '1234567890.1234567' },
      { t: 's', v: 'NaN' },
      { t: 's', v: '-Infinity' },
    ]);
    expect(
      await cellsOf('float64', '0.1', '1e-05', '1.7976931348623157e+308', '5e-324', '-0', 'Infinity'),
    ).toMatchObject([
      { t: 'n', v: 0.1 },
      { t: 'n', v: 1e-5 },
      { t: 's', v: '1.7976931348623157e+308' },
      { t: 's', v: '5e-324' },
      { t: 's', v: '-0' },
      { t: 's', v: 'Infinity' },
    ]);
  });

  test('is a date where spreadsheets have it, and else the text of it', async () => {
    expect(
      await cellsOf('date', '2024-02-29', '1900-03-01', '1900-02-28', '10000-01-01', 'infinity', '0044-03-15 BC'),
    ).toMatchObject([
      { t: 'n', v: 45_351, z: 'yyyy\\-mm\\-dd' },
      { t: 'n', v: 61 },
      { t: 's', v: '1900-02-28' },
      { t: 's', v: '10000-01-01' },
      { t: 's', v: 'infinity' },
      { t: 's', v: '0044-03-15 BC' },
    ]);
    expect(await cellsOf('timestamp', '2024-02-29 12:00:00', '-infinity', '0044-03-15 12:00:00 BC')).toMatchObject([
      { t: 'n', v: 45_351.5, z: 'yyyy\\-mm\\-dd\\ hh:mm:ss.000' },
      { t: 's', v: '-infinity' },
      { t: 's', v: '0044-03-15 12:00:00 BC' },
    ]);
    expect(
      await cellsOf('timestamptz', '2024-02-29 12:00:00+00', '2024-02-29 17:30:00+05:30', '2024-02-28 18:00:00-18'),
    ).toMatchObject([
      { t: 'n', v: 45_351.5 },
      { t: 'n', v: 45_351.5 },
      { t: 'n', v: 45_351.5 },
    ]);
    expect(await cellsOf('time', '06:00:00', '24:00:00')).toMatchObject([
      { t: 'n', v: 0.25, z: 'hh:mm:ss.000' },
      { t: 's', v: '24:00:00' },
    ]);
  });

  test('is a boolean, an empty text or nothing', async () => {
    expect(await cellsOf('boolean', 't', 'f', null, 't')).toMatchObject([
      { t: 'b', v: true },
      { t: 'b', v: false },
      undefined,
      { t: 'b', v: true },
    ]);
    expect(await cellsOf('text', '', null, 'last')).toMatchObject([
      { t: 's', v: '' },
      undefined,
      { t: 's', v: 'last' },
    ]);
  });

  test('of a type that spreadsheets have not is its text', async () => {
    for (const kind of ['timetz', 'interval', 'binary', 'json', 'uuid', 'other'] as const) {
      expect(await cellsOf(kind, '12')).toMatchObject([{ t: 's', v: '12' }]);
    }
    const list = { name: 'list', type: { kind: 'list', of: { kind: 'int32' } } } as const;
    expect(readXlsx(await write(xlsx, [list], [['{1,NULL}']]))[0]?.rows[1]).toEqual(['{1,NULL}']);
  });

  test.each(["=cmd|' /C calc'!A0", '+1+1', '-1+1', '@SUM(1)', '\t=1', '\r=1', '=HYPERLINK("http://x")', '＝1+1'])(
    'is never a formula, also not as a name: %j',
    async (text) => {
      const cells = readCells(await write(xlsx, textColumns(text), [[text]]));
      for (const [cell] of cells) {
        expect(cell).toMatchObject({ t: 's', v: text });
        expect(cell).not.toHaveProperty('f');
      }
    },
  );

  test('holds what XML cannot, and texts that look like the escape of it', async () => {
    const texts = [
      '\u0000',
      '\u000b\u001f',
      '\r',
      '\ufffe\uffff',
      '_x0041_',
      '_x000D_x000D_',
      '_x_',
      'a\ud800b',
      '</t>&amp;',
    ];
    expect((await cellsOf('text', ...texts)).map((cell) => cell?.v)).toEqual(texts);
  });

  test('keeps CR LF, which a parser of XML would make LF', async () => {
    expect(sheetXml(await write(xlsx, textColumns('a'), [['a\r\nb']]))).toContain('>a_x000D_\nb<');
  });

  test('of 32,767 characters is whole; one more ends the export with its column and row', async () => {
    expect((await cellsOf('text', 'x'.repeat(32_767)))[0]?.v).toBe('x'.repeat(32_767));
    await expect(
      write(xlsx, textColumns('a', 'note'), [
        [null, 'short'],
        [null, 'x'.repeat(32_768)],
      ]),
    ).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: 'Column "note" of row 2 has 32768 characters; a cell of XLSX takes 32767. Other formats take it.',
      details: { column: 'note', row: 2, length: 32_768 },
    });
  });
});

describe('a workbook', () => {
  const one = (name: string) => ({ name, columns: textColumns('a'), rows: [[name]] });

  async function sheetsOf(...names: string[]) {
    const sink = memorySink();
    await writeTo(sink, xlsx, names.map(one));
    return readXlsx(sink.file());
  }

  test('has a sheet for each result set', async () => {
    const sheets = await sheetsOf('first', 'second');
    expect(sheets).toEqual([
      { name: 'first', rows: [['a'], ['first']] },
      { name: 'second', rows: [['a'], ['second']] },
    ]);
  });

  test('calls its sheets what spreadsheets accept, each by another name', async () => {
    const long = 'a name that is much longer than sheets may have';
    const names = [
      'a/b:c*d?e[f]g\\h',
      "'quoted'",
      '',
      '',
      'Same',
      'same',
      long,
      long,
      'History',
      '<&">',
      `${'x'.repeat(30)}\u{1f427}`,
    ];
    expect((await sheetsOf(...names)).map(({ name }) => name)).toEqual([
      'a_b_c_d_e_f_g_h',
      'quoted',
      'Sheet',
      'Sheet (2)',
      'Same',
      'same (2)',
      'a name that is much longer than',
      'a name that is much longer (2)',
      'Sheet History',
      '<&">',
      'x'.repeat(30),
    ]);
  });

  test('of no result set is still one', async () => {
    expect(await sheetsOf()).toMatchObject([{ name: 'Sheet' }]);
  });

  test('goes on in a next sheet past 1,048,576 rows', async () => {
    const columns: ExportColumn[] = [{ name: 'n', type: { kind: 'int32' } }];
    const sink = memorySink();
    await using writer = xlsx.open(sink, formatOptions());
    await writer.begin({ name: 'rows', columns });
    const batch: ExportRow[] = Array.from({ length: 10_000 }, () => ['1']);
    for (let rows = 0; rows < 1_040_000; rows += batch.length) await writer.rows(batch);
    await writer.rows(batch.slice(0, 8_574));
    await writer.rows([['2'], ['3']]);
    await writer.end();
    await writer.close();
    const [first, second] = readXlsx(sink.file());
    expect({ name: first?.name, rows: first?.rows.length, last: first?.rows.at(-1) }).toEqual({
      name: 'rows',
      rows: 1_048_576,
      last: ['2'],
    });
    expect(second).toEqual({ name: 'rows (2)', rows: [['n'], ['3']] });
  });

  test('takes 16,384 columns and refuses more', async () => {
    const names = Array.from({ length: 16_385 }, (_, i) => `c${i}`);
    const file = await write(xlsx, textColumns(...names.slice(1)), [names.slice(1)]);
    expect(readXlsx(file)[0]?.rows[1]?.at(-1)).toBe('c16384');
    await expect(write(xlsx, textColumns(...names), [])).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('refuses more sheets than 1,000', async () => {
    const names = Array.from({ length: 1_001 }, (_, i) => `s${i}`);
    await expect(sheetsOf(...names)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('lets go of what it holds when its sink breaks in the middle, while it waits for it', async () => {
    const gone = new Error('the connection is gone');
    let writes = 0;
    const sink = { write: () => (++writes < 3 ? Promise.resolve() : Promise.reject(gone)) };
    const columns: ExportColumn[] = [{ name: 'x', type: { kind: 'float64' } }];
    await using writer = xlsx.open(sink, formatOptions());
    await writer.begin({ name: 'rows', columns });
    const rowsUntilBroken = async () => {
      for (;;) await writer.rows(Array.from({ length: 1_000 }, () => [String(Math.random())]));
    };
    await expect(rowsUntilBroken()).rejects.toBe(gone);
    await expect(writer.close()).rejects.toBe(gone);
    expect(writes).toBe(3);
  });
});
