/** PARQUET: read back by DuckDB; types that are kept, values that have no place, and what is left when it breaks off. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExportColumn, ExportRow, ExportType, ScalarType } from '../../src/exports/format.ts';
import { parquet } from '../../src/exports/parquet.ts';
import { describeFormat } from './describe-format.ts';
import { queryParquet, readParquet } from './read-parquet.ts';
import { formatOptions, memorySink, textColumns, write } from './write.ts';

const run = promisify(execFile);

/** Values that end an export to Parquet: it has no infinite time, no time of 24 hours, and lists of one depth. */
const placeless = [
  'a timestamp may be infinite',
  'a timestamp may be infinitely old',
  'the last year of a timestamptz is kept',
  'a date may be infinite',
  'the last year is kept',
  'a time may end a day',
  'arrays nest, with quotes and nulls',
  'arrays have three dimensions',
  'an array that begins elsewhere is text',
  'an array may begin elsewhere in one of its dimensions',
  // Kept, and read with the wrong delimiter: no file of Parquet tells it.
  'boxes in an array stand between semicolons',
];

describeFormat('parquet', {
  load: async (client, table, file) => {
    for (const row of (await readParquet(file)).rows) {
      const values = row.map((value) => (value === null ? 'NULL' : client.escapeLiteral(value)));
      await client.query(`INSERT INTO ${table} VALUES (${values.join(', ')})`);
    }
  },
  loses: ({ title }) => placeless.includes(title),
});

const column = (type: ExportType): ExportColumn => ({ name: type.kind, type });
const decimal = (precision?: number, scale?: number): ScalarType => ({ kind: 'decimal', precision, scale });
const list = (of: ScalarType): ExportType => ({ kind: 'list', of });

/** The type of a lone column, and its values as text. */
async function kept(type: ExportType, ...values: (string | null)[]) {
  const { columns, rows } = await readParquet(
    await write(
      parquet,
      [column(type)],
      values.map((value) => [value]),
    ),
  );
  return { type: columns[0]?.[1], values: rows.map(([value]) => value) };
}

const typed: readonly [type: ExportType, name: string, values: (string | null)[]][] = [
  [{ kind: 'boolean' }, 'BOOLEAN', ['true', 'false', null]],
  [{ kind: 'int16' }, 'SMALLINT', ['-32768', '32767', null]],
  [{ kind: 'int32' }, 'INTEGER', ['-2147483648', '2147483647', null]],
  [{ kind: 'int64' }, 'BIGINT', ['-9223372036854775808', '9223372036854775807', null]],
  [{ kind: 'float32' }, 'FLOAT', ['0.1', 'nan', 'inf', '-inf', null]],
  [{ kind: 'float64' }, 'DOUBLE', ['0.1', '1.7976931348623157e+308', '5e-324', 'nan', 'inf', '-inf', null]],
  [decimal(12, 2), 'DECIMAL(12,2)', ['-1234567890.12', '0.10', null]],
  [decimal(38, 0), 'DECIMAL(38,0)', ['9'.repeat(38), null]],
  [decimal(38, 38), 'DECIMAL(38,38)', [`.${'1'.repeat(38)}`, null]],
  [decimal(39, 2), 'VARCHAR', ['9'.repeat(37), 'NaN', null]],
  [decimal(3, -2), 'VARCHAR', ['12300', null]],
  [decimal(), 'VARCHAR', [`${'9'.repeat(60)}.${'1'.repeat(60)}`, 'NaN', 'Infinity', null]],
  [
    { kind: 'text' },
    'VARCHAR',
    ['', 'null', '\\N', '"', 'a\r\nb\rc\n', '\x1a\x1a0\x1f\x1an\x1az', '\x1a0', 'Ä\u{1f427}', null],
  ],
  [{ kind: 'other' }, 'VARCHAR', ['[1,2)', null]],
  [{ kind: 'binary' }, 'BLOB', ['\\x', '\\x00ff0a22', null]],
  [{ kind: 'json' }, 'JSON', ['{"a": 1, "a":  12345678901234567890123, "b": [1e400]}', '"x"', 'null', null]],
  [{ kind: 'uuid' }, 'UUID', ['00000000-0000-4000-8000-0000000000ff', null]],
  [{ kind: 'date' }, 'DATE', ['2024-02-29', '0044-03-15 BC', '5874897-12-31', null]],
  [{ kind: 'time' }, 'TIME', ['00:00:00', '23:59:59.999999', null]],
  [{ kind: 'timetz' }, 'VARCHAR', ['12:00:00+05:30', null]],
  [{ kind: 'interval' }, 'VARCHAR', ['P1Y2M3DT4H5M6.000007S', null]],
  [
    { kind: 'timestamp' },
    'TIMESTAMP',
    ['2024-02-29 12:00:00.000001', '4713-01-01 00:00:00 BC', '294246-12-31 23:59:59', null],
  ],
  [
    { kind: 'timestamptz' },
    'TIMESTAMP WITH TIME ZONE',
    ['2024-02-29 12:00:00.123456+00', '0044-03-15 00:00:00+00 BC', null],
  ],
  [list({ kind: 'int64' }), 'BIGINT[]', ['{"9223372036854775807",NULL,"-1"}', '{}', null]],
  [list({ kind: 'text' }), 'VARCHAR[]', ['{"a","",NULL,"NULL","\\"\\\\,{}","\n"}', null]],
  [list(decimal(5, 2)), 'DECIMAL(5,2)[]', ['{"1.50",NULL}', null]],
  [list(decimal()), 'VARCHAR[]', [`{"${'9'.repeat(50)}"}`, null]],
  [list({ kind: 'binary' }), 'BLOB[]', ['{"\\\\x00ff",NULL,"\\\\x"}', null]],
  [list({ kind: 'timestamptz' }), 'TIMESTAMP WITH TIME ZONE[]', ['{"2024-02-29 12:00:00+00"}', null]],
  [list({ kind: 'json' }), 'JSON[]', ['{"{\\"a\\": 1}",NULL,"null"}', null]],
];

/** What DuckDB prints otherwise than PostgreSQL. */
const printed: Record<string, string> = {
  [`.${'1'.repeat(38)}`]: `0.${'1'.repeat(38)}`,
  true: 't',
  false: 'f',
  nan: 'NaN',
  inf: 'Infinity',
  '-inf': '-Infinity',
};
const given = (text: string | null) => (text === null ? null : (printed[text] ?? text));

describe('a column of Parquet', () => {
  test('has the type of what it holds, and gives back every value', async () => {
    const count = Math.max(...typed.map(([, , values]) => values.length));
    const rows = Array.from({ length: count }, (_, row) => typed.map(([, , values]) => given(values[row] ?? null)));
    const columns = typed.map(([type], i) => ({ name: `c${i}`, type }));
    const file = await readParquet(await write(parquet, columns, rows));
    const read = typed.map(([type, , values], i) => [
      type,
      file.columns[i]?.[1],
      values.map((_, row) => file.rows[row]?.[i]),
    ]);
    expect(read).toEqual(typed);
  });

  test('has a time in UTC whatever the offset', async () => {
    const { values } = await kept({ kind: 'timestamptz' }, '2024-02-29 17:30:00+05:30', '1890-01-01 00:00:00+00:53:28');
    expect(values).toEqual(['2024-02-29 12:00:00+00', '1889-12-31 23:06:32+00']);
  });

  test.each<[ExportType, string, string]>([
    [{ kind: 'timestamp' }, 'infinity', 'is infinity'],
    [{ kind: 'timestamptz' }, '-infinity', 'is -infinity'],
    [{ kind: 'timestamp' }, '294276-12-31 00:00:00', 'is 294276-12-31 00:00:00'],
    [{ kind: 'date' }, 'infinity', 'is infinity'],
    [{ kind: 'time' }, '24:00:00', 'is not a value of time below 24:00:00'],
    [decimal(5, 2), 'NaN', 'is not a value of decimal(5, 2)'],
    [decimal(5, 2), '1.234', 'is not a value of decimal(5, 2)'],
    [{ kind: 'int64' }, 'abc', 'is not a value of int64'],
    [{ kind: 'boolean' }, 'true', 'is not a value of boolean'],
    [{ kind: 'uuid' }, 'abc', 'is not a value of uuid'],
    [list({ kind: 'int32' }), '{{1,2},{3,4}}', 'is a list of lists'],
    [list({ kind: 'int32' }), '[5:6]={1,2}', 'is a list that does not begin at 1'],
    [list({ kind: 'date' }), '{infinity}', 'is infinity'],
  ])('of %j refuses %s, with its column and row', async (type, value, what) => {
    await expect(
      write(
        parquet,
        [column({ kind: 'int32' }), column(type)],
        [
          ['1', null],
          ['2', value],
        ],
      ),
    ).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: `Column "${type.kind}" of row 2 ${what}, which PARQUET cannot hold there. Cast the column to text.`,
      details: { column: type.kind, row: 2 },
    });
  });

  test.each<[ExportType, string, string]>([
    [{ kind: 'timestamptz' }, '-infinity', 'is -infinity'],
    [{ kind: 'date' }, 'infinity', 'is infinity'],
    [{ kind: 'time' }, '24:00:00', 'is 24:00:00'],
    [decimal(5, 2), 'NaN', 'is NaN'],
  ])('of %j refuses %s in lines of COPY, with its column', async (type, value, what) => {
    await using writer = parquet.open(memorySink(), formatOptions());
    await writer.begin({ name: 'lines', columns: [column({ kind: 'int32' }), column(type)] });
    const lines = async () => {
      await writer.copy?.write(Buffer.from(`1\t\\N\n2\t${value}\n`), 2);
      await writer.end();
      await writer.close();
    };
    await expect(lines()).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: `Column "${type.kind}" of a row ${what}, which PARQUET cannot hold there. Cast the column to text.`,
      details: { column: type.kind },
    });
  });

  test('refuses what only DuckDB finds out, in its words', async () => {
    await expect(kept({ kind: 'int16' }, '1', '40000')).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringMatching(/^PARQUET cannot hold the result: .*40000/),
    });
  });

  test.each(['rows', 'lines'])('begins with a byte order mark where its first value does, in %s', async (way) => {
    const sink = memorySink();
    await using writer = parquet.open(sink, formatOptions());
    await writer.begin({ name: 'marked', columns: textColumns('a', 'b') });
    const values = ['\ufeffabc', '\ufeff'];
    if (way === 'rows') await writer.rows([values, values]);
    else await writer.copy?.write(Buffer.from(`${values.join('\t')}\n`.repeat(2)), 2);
    await writer.end();
    await writer.close();
    const hex = values.map((value) => Buffer.from(value).toString('hex').toUpperCase());
    expect(await queryParquet(sink.file(), 'SELECT hex(a), hex(b) FROM read_parquet($file)')).toEqual([hex, hex]);
  });

  test('without a name has one', async () => {
    const { columns } = await readParquet(await write(parquet, textColumns('', 'a', ''), [['1', '2', '3']]));
    expect(columns.map(([name]) => name)).toEqual(['column_1', 'a', 'column_3']);
  });
});

describe('a file of Parquet', () => {
  const numbers: ExportColumn[] = [column({ kind: 'int64' }), { name: 't', type: { kind: 'text' } }];
  const rowsOf = (count: number): ExportRow[] => Array.from({ length: count }, (_, i) => [String(i), `row ${i}`]);

  test('has its rows in their order, in small groups', async () => {
    const file = await write(parquet, numbers, rowsOf(100_000));
    const query = `SELECT count(*), sum((int64 <> file_row_number)::int), sum(int64), count(DISTINCT t)
      FROM read_parquet($file, file_row_number = true)`;
    expect(await queryParquet(file, query)).toEqual([['100000', '0', '4999950000', '100000']]);
    expect(await queryParquet(file, 'SELECT num_row_groups FROM parquet_file_metadata($file)')).toEqual([['4']]);
    const metadata = 'SELECT DISTINCT compression FROM parquet_metadata($file)';
    expect(await queryParquet(file, metadata)).toEqual([['ZSTD']]);
  });

  test('holds rows that are wider than the memory of a group', async () => {
    const wide = Array.from({ length: 30 }, (_, i) => [`${i}`, String(i % 10).repeat(8_000_000)]);
    const sink = memorySink();
    await using writer = parquet.open(sink, formatOptions());
    await writer.begin({ name: 'wide', columns: numbers });
    for (const row of wide) await writer.rows([row]);
    await writer.end();
    await writer.close();
    const query = 'SELECT count(*), sum(length(t)) FROM read_parquet($file)';
    expect(await queryParquet(sink.file(), query)).toEqual([['30', '240000000']]);
  });

  test('takes a row of nearly 8 MiB and refuses a longer one, in bytes', async () => {
    const short = [['1', 'x'.repeat(8 * 2 ** 20 - 10)]];
    expect((await readParquet(await write(parquet, numbers, short))).rows[0]?.[1]?.length).toBe(8 * 2 ** 20 - 10);
    await expect(write(parquet, numbers, [['1', 'é'.repeat(4 * 2 ** 20)]])).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { row: 1 },
    });
  });

  test('has a column', async () => {
    await expect(write(parquet, [], [[]])).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

describe('what is left of an export to Parquet', () => {
  let temporaryFolder: string;
  beforeAll(async () => {
    temporaryFolder = await mkdtemp(join(tmpdir(), "it's parquet-"));
  });
  afterAll(async () => {
    await rm(temporaryFolder, { recursive: true });
  });
  const left = () => readdir(temporaryFolder);
  const columns: ExportColumn[] = [column({ kind: 'float64' })];
  const batch = () => Array.from({ length: 1_000 }, () => [String(Math.random())]);

  /** Writes until it breaks; only the sink, a signal or the process can end it. */
  async function writeForever(writer: ReturnType<typeof parquet.open>): Promise<never> {
    await writer.begin({ name: 'rows', columns });
    for (;;) await writer.rows(batch());
  }

  test('is nothing when it ends', async () => {
    await write(parquet, columns, batch(), { temporaryFolder });
    expect(await left()).toEqual([]);
  });

  test('is nothing when its sink breaks in the middle', async () => {
    const gone = new Error('the connection is gone');
    let writes = 0;
    const sink = { write: () => (++writes < 3 ? Promise.resolve() : Promise.reject(gone)) };
    await using writer = parquet.open(sink, formatOptions({ temporaryFolder }));
    await expect(writeForever(writer)).rejects.toBe(gone);
    await expect(writer.close()).rejects.toBe(gone);
    await writer[Symbol.asyncDispose]();
    expect({ left: await left(), writes }).toEqual({ left: [], writes: 3 });
  });

  test('is nothing when it is stopped while rows are written', async () => {
    const controller = new AbortController();
    const stopped = new Error('stopped');
    const first = Promise.withResolvers<void>();
    const sink = { write: async () => first.resolve() };
    await using writer = parquet.open(sink, formatOptions({ temporaryFolder, signal: controller.signal }));
    const written = writeForever(writer);
    await first.promise;
    controller.abort(stopped);
    await expect(written).rejects.toBe(stopped);
    await writer[Symbol.asyncDispose]();
    expect(await left()).toEqual([]);
  });

  test('is nothing when it is stopped before it has begun, and at each step of its beginning', async () => {
    const aborted = AbortSignal.abort(new Error('stopped'));
    await expect(write(parquet, columns, batch(), { temporaryFolder, signal: aborted })).rejects.toThrow('stopped');
    for (const delayMs of [0, 1, 5, 20, 60, 120]) {
      const signal = AbortSignal.timeout(delayMs);
      await using writer = parquet.open({ write: async () => {} }, formatOptions({ temporaryFolder, signal }));
      await expect(writeForever(writer)).rejects.toMatchObject({ name: 'TimeoutError' });
    }
    expect(await left()).toEqual([]);
  });

  test('is nothing when it is left without an end', async () => {
    const writer = parquet.open(memorySink(), formatOptions({ temporaryFolder }));
    await writer.begin({ name: 'rows', columns });
    await writer.rows(batch());
    await writer[Symbol.asyncDispose]();
    expect(await left()).toEqual([]);
  });

  test('is nothing when a value is refused by DuckDB while rows are still written', async () => {
    const set = { name: 'rows', columns: [column({ kind: 'int16' })] };
    await using writer = parquet.open(memorySink(), formatOptions({ temporaryFolder }));
    await writer.begin(set);
    await writer.rows([['40000']]);
    const rows = async () => {
      for (;;) await writer.rows(Array.from({ length: 10_000 }, () => ['1']));
    };
    await expect(rows()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await writer[Symbol.asyncDispose]();
    expect(await left()).toEqual([]);
  });

  test('is nothing when there is no room for temporary files, and says so', async () => {
    const options = { temporaryFolder: join(temporaryFolder, 'absent') };
    await expect(write(parquet, columns, batch(), options)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('without its native module PARQUET says so, and the other formats are there', async () => {
  // Where no node_modules are above it.
  const folder = await mkdtemp(join(tmpdir(), 'no-duckdb-'));
  try {
    const source = join(import.meta.dirname, '../../src');
    await cp(join(source, 'exports'), join(folder, 'exports'), { recursive: true });
    await cp(join(source, 'lib'), join(folder, 'lib'), { recursive: true });
    await cp(join(source, 'engines/copy-text.ts'), join(folder, 'engines/copy-text.ts'));
    await cp(join(source, '../package.json'), join(folder, 'package.json'));
    const program = `
      import { parquet } from './exports/parquet.ts';
      import { csv } from './exports/csv.ts';
      const options = { temporaryFolder: '.', signal: new AbortController().signal };
      const writer = parquet.open({ write: async () => {} }, options);
      await writer.begin({ name: 'rows', columns: [{ name: 'a', type: { kind: 'text' } }] });
      const error = await writer.rows([['x']]).then(() => writer.end()).catch((error) => error);
      await writer[Symbol.asyncDispose]();
      console.log(JSON.stringify({ csv: csv.name, code: error.code, message: error.message }));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
      cwd: folder,
    });
    expect(JSON.parse(stdout)).toEqual({
      csv: 'csv',
      code: 'NOT_CONFIGURED',
      message: expect.stringContaining("DuckDB's native module"),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a killed process of DuckDB ends its export with an error', async () => {
  const begun = Promise.withResolvers<void>();
  await using writer = parquet.open({ write: async () => begun.resolve() }, formatOptions());
  const batch = Array.from({ length: 1_000 }, (_, i) => [String(Math.sin(i))]);
  await writer.begin({ name: 'rows', columns: [column({ kind: 'float64' })] });
  const rows = async () => {
    for (;;) await writer.rows(batch);
  };
  const written = rows();
  await begun.promise;
  process.kill(await pidOfDuckDb(), 'SIGKILL');
  await expect(written).rejects.toThrow('the process that writes Parquet died: SIGKILL');
});

async function pidOfDuckDb(): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)]);
  return Number.parseInt(stdout.split('\n').find((line) => line.includes('parquet-process.ts')) ?? '', 10);
}
