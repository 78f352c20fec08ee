/** Rows as raw text: by COPY where the statement is one SELECT, by the portal where it is not, and the same by both. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunEvent, RunOptions, Session } from '../../../src/engines/engine.ts';
import { rawTextOf } from '../../../src/engines/raw-text.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, columnsOf, endsOf, faultOf, rowsOf, untilEvent } from '../../support/describe-engine.ts';
import { openSession, postgresql, targetOf } from './support.ts';
import { typesOfValues, values } from './values.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase(typesOfValues);
  session = await openSession(targetOf(database));
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

const linesOf = (events: readonly RunEvent[]) =>
  Buffer.concat(events.flatMap((event) => (event.type === 'lines' ? [event.lines] : []))).toString();
const rawOf = (events: readonly RunEvent[]) => events.flatMap((event) => (event.type === 'raw' ? event.rows : []));
const raw = (sql: string, options: Partial<RunOptions> = {}) =>
  collect(session, sql, { raw: 'ROWS', maxRows: Number.POSITIVE_INFINITY, ...options });
/** Not one SELECT without parameters, hence no COPY. */
const byPortal = (sql: string) => raw(sql, { parameters: [] });

const everything = `SELECT ${values.map(([, sql], i) => `${sql} AS c${i}`).join(', ')}`;

describe('raw text', () => {
  test('is the same by COPY and by the portal, over every type', async () => {
    const copied = await raw(everything);
    const fetched = await byPortal(everything);
    expect(rawOf(copied)).toEqual(rawOf(fetched));
    expect(rawOf(copied)[0]).toHaveLength(values.length);
    expect(columnsOf(copied)).toEqual(columnsOf(fetched));
  });

  test('comes back exactly from the cells that it is kept as, over every type', async () => {
    const events = await collect(session, everything);
    const [row] = rowsOf(events);
    expect([rawTextOf(columnsOf(events))(row ?? [])]).toEqual(rawOf(await raw(everything)));
  });

  test('of floats comes back exactly, wherever an exponent begins', async () => {
    const powers = `SELECT ('1.25e' || n)::float8, ('-1.25e' || n)::float4, array[('9e' || n)::float8]
      FROM generate_series(-37, 37) AS n UNION ALL SELECT ('1e' || n)::float8, 0, null FROM generate_series(-323, 308) AS n
      
      UNION ALL SELECT n, 0, null FROM unnest('{59075329400841936,9007199254740993,1e22,1e23,9.2233720368547758e18}'::float8[]) AS n
      UNION ALL SELECT (2 ^ n) * m, 0, null FROM generate_series(50, 70) AS n, generate_series(1, 99) AS m
      UNION ALL SELECT random() * 10 ^ (random() * 40 - 20), random() * 10 ^ (random() * 20 - 10), null FROM generate_series(1, 2000)`;
    await collect(session, `CREATE TEMP TABLE floats AS ${powers}`);
    const events = await collect(session, 'TABLE floats');
    const encode = rawTextOf(columnsOf(events));
    expect(rowsOf(events).map(encode)).toEqual(rawOf(await raw('TABLE floats')));
  });

  test('of lists comes back exactly, whatever stands in them', async () => {
    const odd = [
      '',
      ' ',
      'null',
      'NULL',
      'a,b',
      '{}',
      '"',
      '\\',
      'a\tb',
      'a\nb',
      'a\u00a0b',
      'é',
      ';',
      "'",
      '\v',
      '\f',
      '\r',
    ];
    await collect(session, 'CREATE TEMP TABLE lists (a text[], b bytea[], c text[][], d box[])');
    await collect(
      session,
      `INSERT INTO lists VALUES ($1, array['\\x00'::bytea, ''], array[$1::text[], $1], array['(1,1),(0,0)'::box, null]), ('{}', '{}', '{}', '{}')`,
      {
        parameters: [odd],
      },
    );
    const events = await collect(session, 'TABLE lists');
    const encode = rawTextOf(columnsOf(events));
    expect(rowsOf(events).map(encode)).toEqual(rawOf(await raw('TABLE lists')));
  });

  test('names each type in the words of no engine', async () => {
    const events =
      await raw(`SELECT 1::int2 a, 1::int8 b, 1.5::numeric(10,2) c, 1.5::numeric d, '{x}'::text[] e, 'ok'::mood f,
      array['(1,1),(0,0)'::box] g, array[1.5]::numeric(5,-2)[] h`);
    expect(columnsOf(events).map(({ type }) => type)).toEqual([
      { kind: 'int16' },
      { kind: 'int64' },
      { kind: 'decimal', precision: 10, scale: 2 },
      { kind: 'decimal' },
      { kind: 'list', of: { kind: 'text' } },
      { kind: 'other' },
      { kind: 'list', of: { kind: 'other' }, delimiter: ';' },
      { kind: 'list', of: { kind: 'decimal', precision: 5, scale: -2 } },
    ]);
  });
});

describe('a SELECT by COPY', () => {
  test('gives its lines in whole rows, all of them, once and in order', async () => {
    const events = await raw(`SELECT n, repeat('x', n % 300) FROM generate_series(1, 20000) AS n`, { raw: 'CSV' });
    const batches = events.filter((event) => event.type === 'lines');
    expect(batches.length).toBeGreaterThan(5);
    for (const { lines, rows } of batches) {
      expect(lines.toString().split('\n')).toHaveLength(rows + 1);
      expect(lines.at(-1)).toBe(10);
    }
    const wanted = Array.from({ length: 20_000 }, (_, i) => `${i + 1},${'x'.repeat((i + 1) % 300) || '""'}\n`).join('');
    expect(linesOf(events) === wanted).toBe(true);
    expect(endsOf(events)).toMatchObject([{ command: 'SELECT', rowCount: 20_000, truncated: false }]);
  });

  test('tells its columns and its estimate before its first row', async () => {
    const types = (await raw('SELECT * FROM generate_series(1, 7) AS n', { raw: 'TSV' })).map(({ type }) => type);
    expect(types).toEqual(['statement', 'columns', 'estimate', 'lines', 'end']);
  });

  test.each(['CSV', 'TSV', 'ROWS'] as const)('keeps maxRows as %s, and says that there were more', async (as) => {
    const count = async (maxRows: number) => {
      const events = await raw('SELECT * FROM generate_series(1, 1000) AS n', { raw: as, maxRows });
      const lines = linesOf(events).split('\n').length - 1;
      return [
        as === 'ROWS' ? rawOf(events).length : lines,
        ...endsOf(events).map((end) => [end.rowCount, end.truncated]),
      ];
    };
    expect(await count(999)).toEqual([999, [999, true]]);
    expect(await count(1_000)).toEqual([1_000, [1_000, false]]);
    expect(await count(0)).toEqual([0, [0, true]]);
  });

  test('takes what a subquery might not: names twice, none at all, an order, a comment at its end', async () => {
    expect(rawOf(await raw('SELECT 1 AS a, 2 AS a', { maxRows: 5 }))).toEqual([['1', '2']]);
    expect(rawOf(await raw('SELECT FROM generate_series(1, 2)', { maxRows: 5 }))).toEqual([[], []]);
    expect(rawOf(await raw('SELECT n FROM generate_series(1, 9) n ORDER BY n DESC -- all', { maxRows: 2 }))).toEqual([
      ['9'],
      ['8'],
    ]);
    expect(rawOf(await raw(`VALUES (1, 'x'), (2, null)`))).toEqual([
      ['1', 'x'],
      ['2', null],
    ]);
  });

  test('keeps texts apart that look like what the format has of its own', async () => {
    const texts = ['\\N', '\\.', '', 'a\tb', 'a\nb\r\n', '\\', '\\\\N', 'b\b\f\v', '\u2028', '😀'];
    expect(rawOf(await raw('SELECT unnest($1::text[])', { parameters: [texts] }))).toEqual(texts.map((text) => [text]));
    await collect(session, 'CREATE TEMP TABLE texts AS SELECT unnest($1::text[]) AS t, null AS n', {
      parameters: [texts],
    });
    expect(rawOf(await raw('TABLE texts'))).toEqual(texts.map((text) => [text, null]));
  });

  test('cannot leave its COPY, nor with it a read-only transaction', async () => {
    await database.client.query('CREATE TABLE untouched (n int)');
    for (const text of [
      'SELECT 1) TO STDOUT; INSERT INTO untouched VALUES (1); --',
      'SELECT 1; COMMIT; INSERT INTO untouched VALUES (1)',
      `SELECT 1 /* ) TO STDOUT; */; INSERT INTO untouched VALUES (1)`,
    ]) {
      await expect(raw(text, { raw: 'CSV', readOnly: true })).rejects.toThrow();
    }
    expect((await database.client.query('TABLE untouched')).rows).toEqual([]);
  });

  test('is none where the server takes strings apart in another way than we do', async () => {
    await using other = await openSession(targetOf(database));
    const hidden = `SET standard_conforming_strings = off; SELECT 'a\\', ') TO PROGRAM ''true'' --'`;
    const run = collect(other, hidden, { raw: 'CSV', maxRows: Number.POSITIVE_INFINITY });
    // By the portal the text is one statement that does not end its string.
    await expect(run).rejects.toThrow(/unterminated quoted string|syntax error/);
  });

  test('tells where an error stands in the script', async () => {
    const fault = await faultOf(raw('SELECT 1;\nSELECT nowhere FROM generate_series(1, 2)', { raw: 'CSV' }));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', sqlState: '42703', line: 2, position: 18, statement: 1 });
    const late = await faultOf(raw('SELECT 1 / (n - 5000) FROM generate_series(1, 9000) AS n', { raw: 'CSV' }));
    expect(late).toMatchObject({ code: 'SQL_ERROR', sqlState: '22012', position: 1 });
  });

  test('goes on in its script, and leaves a session that runs the next', async () => {
    const events = await raw(
      `CREATE TEMP TABLE made AS SELECT 1 AS n; SELECT * FROM made; INSERT INTO made VALUES (2) RETURNING n; TABLE made`,
      {
        raw: 'CSV',
      },
    );
    expect(linesOf(events)).toBe('1\n1\n2\n');
    expect(rawOf(events)).toEqual([['2']]);
    expect(rowsOf(await collect(session, 'TABLE made'))).toEqual([[1], [2]]);
  });

  test('works in a transaction of the script, and undoes nothing of it where maxRows cuts', async () => {
    await database.client.query('CREATE TABLE kept (n int)');
    await raw('BEGIN; INSERT INTO kept VALUES (1), (2); SELECT * FROM kept; COMMIT', { raw: 'CSV', maxRows: 1 });
    expect((await database.client.query('TABLE kept')).rows).toHaveLength(2);
  });

  test('stops when it is cancelled in the middle of its rows, and the session goes on', async () => {
    const abort = new AbortController();
    const endless = 'SELECT generate_series(1, 1000000000)';
    const { ended } = await untilEvent(session, endless, 'lines', {
      raw: 'CSV',
      maxRows: Number.POSITIVE_INFINITY,
      signal: abort.signal,
    });
    abort.abort();
    expect(await faultOf(ended)).toMatchObject({ code: 'CANCELLED' });
    expect(rowsOf(await collect(session, 'SELECT 1'))).toEqual([[1]]);
  });

  test('stops when nobody takes its rows any more', async () => {
    for await (const event of session.run('SELECT generate_series(1, 1000000000)', {
      raw: 'CSV',
      readOnly: true,
      transaction: 'PER_STATEMENT',
      maxRows: Number.POSITIVE_INFINITY,
      signal: new AbortController().signal,
    })) {
      if (event.type === 'lines') break;
    }
    expect(rowsOf(await collect(session, 'SELECT 2'))).toEqual([[2]]);
  });

  test('ends with LIMIT_EXCEEDED at a row that is longer than a session takes', async () => {
    const engine = postgresql({ limits: { maxMessageBytes: 1_000_000 } });
    await using small = await openSession(targetOf(database), engine);
    const run = collect(small, `SELECT 1 AS n UNION ALL SELECT length(repeat('x', 2)) UNION ALL SELECT 3`, {
      raw: 'CSV',
    });
    expect(linesOf(await run)).toBe('1\n2\n3\n');
    const fault = await faultOf(collect(small, `SELECT repeat('x', 2000000)`, { raw: 'CSV' }));
    expect(fault).toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('is not left half done where it calls what does something, however few of its rows are kept', async () => {
    await database.client.query(`CREATE TABLE done (n int);
      CREATE FUNCTION noted(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO done VALUES (n) RETURNING n'`);
    const events = await raw('SELECT noted(n) FROM generate_series(1, 5000) AS n', { maxRows: 2 });
    expect(rawOf(events)).toEqual([['1'], ['2']]);
    expect(endsOf(events)).toMatchObject([{ rowCount: 5_000, truncated: true }]);
    expect((await database.client.query('SELECT count(*)::int AS n FROM done')).rows).toEqual([{ n: 5_000 }]);
  });

  test('takes rows that are longer than a batch', async () => {
    const events = await raw(`SELECT n, repeat(n::text, 400000) FROM generate_series(1, 3) AS n`, { raw: 'TSV' });
    expect(linesOf(events).length).toBe(3 * (400_000 + 3));
  });

  test('of slow rows does not wait for a full batch', async () => {
    const slow = `SELECT n FROM generate_series(1, 1000) AS n WHERE n < 900 OR pg_sleep(0.01) IS NOT NULL`;
    const events = await raw(slow, { raw: 'CSV' });
    expect(events.filter(({ type }) => type === 'lines').length).toBeGreaterThan(1);
    expect(linesOf(events).split('\n')).toHaveLength(1_001);
  });
});
