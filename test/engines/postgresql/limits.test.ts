/** What a script may cost: rows, bytes, columns, values too large to hold, and readers that are slow or leave. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { RunEvent, Session, Target } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import {
  collect,
  columnsOf,
  endsOf,
  faultOf,
  rowsOf,
  runOptions,
  typesOf,
  untilEvent,
} from '../../support/describe-engine.ts';
import { openProxy } from '../../support/proxy.ts';
import { openSession, postgresql, targetOf } from './support.ts';

const mebibyte = 2 ** 20;

let database: TestDatabase;
let target: Target;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase('CREATE TABLE item (id int)');
  target = targetOf(database);
  session = await openSession(target);
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

async function open(maxMessageBytes?: number, to: Target = target): Promise<Session> {
  const limits = maxMessageBytes === undefined ? {} : { maxMessageBytes };
  const opened = await openSession(to, postgresql({ limits }));
  onTestFinished(() => opened[Symbol.asyncDispose]());
  return opened;
}

const batchesOf = (events: readonly RunEvent[]) => events.filter((event) => event.type === 'rows');

async function stateOf({ identity }: Session) {
  const { rows } = await database.client.query(
    'SELECT state, wait_event, backend_xid, backend_xmin FROM pg_stat_activity WHERE pid = $1',
    [identity.sessionId],
  );
  return rows[0];
}

describe('maxRows', () => {
  test.each([
    [0, 5, 0, true],
    [0, 0, 0, false],
    [1, 5, 1, true],
    [4, 5, 4, true],
    [5, 5, 5, false],
    [6, 5, 5, false],
    [999, 1_000, 999, true],
    [1_000, 1_000, 1_000, false],
    [1_000, 1_001, 1_000, true],
    [1_001, 1_001, 1_001, false],
    [Number.MAX_SAFE_INTEGER, 2_001, 2_001, false],
  ])('%i of %i rows', async (maxRows, rows, kept, truncated) => {
    const script = `select generate_series(1, ${rows}) n`;
    for (const transaction of ['PER_STATEMENT', 'WHOLE'] as const) {
      const events = await collect(session, script, { maxRows, transaction });
      expect(rowsOf(events).map(([n]) => n)).toEqual(Array.from({ length: kept }, (_, i) => i + 1));
      expect(endsOf(events)).toMatchObject([{ command: 'SELECT', rowCount: kept, truncated }]);
    }
  });

  test('counts for each statement anew', async () => {
    const events = await collect(session, 'select generate_series(1, 9); values (1); select generate_series(1, 9)', {
      maxRows: 2,
    });
    expect(endsOf(events).map(({ rowCount, truncated }) => [rowCount, truncated])).toEqual([
      [2, true],
      [1, false],
      [2, true],
    ]);
  });

  test('stops a statement that would never end, with columns and without', async () => {
    const endless = 'with recursive n (i) as (select 1 union all select i + 1 from n)';
    expect(rowsOf(await collect(session, `${endless} select i from n`, { maxRows: 3 }))).toEqual([[1], [2], [3]]);
    const bare = await collect(session, `${endless} select from n`, { maxRows: 3 });
    expect(endsOf(bare)).toMatchObject([{ rowCount: 3, truncated: true }]);
  });
});

describe('columns', () => {
  test('may have one name, or names that objects have already', async () => {
    const events = await collect(session, `select 1 as a, 2 as a, 3 as "__proto__", 4 as "constructor"`);
    expect(columnsOf(events).map(({ name }) => name)).toEqual(['a', 'a', '__proto__', 'constructor']);
    expect(rowsOf(events)).toEqual([[1, 2, 3, 4]]);
  });

  test('may be none at all', async () => {
    const events = await collect(session, 'select from generate_series(1, 3)');
    expect(columnsOf(events)).toEqual([]);
    expect(typesOf(events)).toEqual(['statement', 'estimate', 'columns', 'rows', 'end']);
    expect(rowsOf(events)).toEqual([[], [], []]);
  });

  test('may be 1,600, of a table with rows', async () => {
    const numbers = Array.from({ length: 1_600 }, (_, i) => i);
    await collect(
      session,
      `create table wide (${numbers.map((i) => `c${i} int default ${i}`)}); insert into wide default values`,
    );
    const events = await collect(session, 'select * from wide');
    expect(rowsOf(events)).toEqual([numbers]);
    expect(columnsOf(events).every(({ origin }, i) => origin?.column === `c${i}`)).toBe(true);
    await collect(session, 'drop table wide');
  });

  test('may be more than a server has: it says so itself', async () => {
    const script = `select ${Array.from({ length: 1_700 }, (_, i) => i)}`;
    expect(await faultOf(collect(session, script))).toMatchObject({ code: 'SQL_ERROR', sqlState: '54011' });
  });
});

describe('batches', () => {
  test('are bounded in rows, also where more are asked for', async () => {
    for (const [batchRows, most] of [
      [1, 1],
      [7, 7],
      [100_000, 1_000],
      [0, 1],
      [undefined, 1_000],
    ] as const) {
      // biome-ignore format: pairs
      const events = await collect(session, 'select generate_series(1, 2500)', { batchRows, maxRows: 2_100 });
      expect(Math.max(...batchesOf(events).map(({ rows }) => rows.length))).toBeLessThanOrEqual(most);
      expect(rowsOf(events)).toHaveLength(2_100);
    }
  });

  test('are bounded in bytes: a mebibyte, and the row that fills it', async () => {
    for (const kibibytes of [1, 100, 900, 3_000]) {
      const script = `select repeat('x', ${kibibytes * 1024}) from generate_series(1, ${Math.ceil(20_000 / kibibytes)})`;
      const events = await collect(session, script);
      const row = kibibytes * 1024 + 100;
      // What has come already in the same piece of the stream is part of it.
      expect(Math.max(...batchesOf(events).map(({ bytes }) => bytes))).toBeLessThanOrEqual(mebibyte + row + 65_536);
      expect(rowsOf(events)).toHaveLength(Math.ceil(20_000 / kibibytes));
      expect(rowsOf(events).every(([text]) => (text as string).length === kibibytes * 1024)).toBe(true);
    }
  });

  test('say what they took on the wire', async () => {
    const events = await collect(session, `select repeat('x', 1000) from generate_series(1, 10)`);
    const bytes = batchesOf(events).reduce((sum, batch) => sum + batch.bytes, 0);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(10_500);
  });
});

describe('a row that is too large', () => {
  test.each([
    ['200 MB', `select repeat(repeat('x', 1000000), 200)`],
    ['600 MB, that no string holds', `select repeat(repeat('x', 1000000), 600)`],
    ['120 MB in two cells', `select repeat(repeat('x', 1000000), 60), repeat(repeat('x', 1000000), 60)`],
    ['100 MB of bytea', `select convert_to(repeat(repeat('x', 1000000), 50), 'UTF8')`],
  ])('ends its session with LIMIT_EXCEEDED, and nobody else: %s', async (_, script) => {
    const opened = await open();
    const fault = await faultOf(collect(opened, `select 1; ${script}`));
    expect(fault).toMatchObject({ code: 'LIMIT_EXCEEDED', statement: 1, hint: expect.any(String) });
    expect(opened.closed.aborted).toBe(true);
    expect(rowsOf(await collect(await open(), 'select 1'))).toEqual([[1]]);
    expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
  });

  test('is one only behind the limit', async () => {
    // Length, number of columns and the length of the one are part of the message.
    const largest = 100_000 - 4 - 2 - 4;
    const opened = await open(100_000);
    const events = await collect(opened, `select repeat('x', ${largest})`);
    expect(String(rowsOf(events)[0]?.[0])).toHaveLength(largest);
    const fault = await faultOf(collect(opened, `select repeat('x', ${largest + 1})`));
    expect(fault).toMatchObject({ code: 'LIMIT_EXCEEDED', statement: 0 });
  });

  test('is one also where it is a message, a remark or an error', async () => {
    const long = `repeat('x', 200000)`;
    for (const script of [
      `do $$ begin raise notice '%', ${long}; end $$`,
      `do $$ begin raise exception '%', ${long}; end $$`,
      `select set_config('application_name', 'a', false); listen c; select pg_notify('c', repeat('x', 7000)); select ${long}`,
    ]) {
      expect((await faultOf(collect(await open(100_000), script))).code).toBe('LIMIT_EXCEEDED');
    }
  });

  test('gives the rows before it, where they came in a batch of their own', async () => {
    const opened = await open(100_000);
    const rows: unknown[] = [];
    const script = `select n, repeat('x', case when n = 50 then 200000 else 1 end) from generate_series(1, 100) n`;
    const running = (async () => {
      for await (const event of opened.run(script, runOptions({ batchRows: 10 }))) {
        if (event.type === 'rows') rows.push(...event.rows);
      }
    })();
    expect((await faultOf(running)).code).toBe('LIMIT_EXCEEDED');
    expect(rows.length).toBeGreaterThanOrEqual(40);
    expect(rows).toEqual(Array.from({ length: rows.length }, (_, i) => [i + 1, 'x']));
  });

  test('is found as well where messages come byte by byte', async () => {
    await using proxy = await openProxy(database);
    proxy.throttle(1);
    const opened = await open(2_000, { ...target, port: proxy.port });
    expect(rowsOf(await collect(opened, `select n, 'é' from generate_series(1, 20) n`))).toHaveLength(20);
    expect((await faultOf(collect(opened, `select repeat('x', 3000)`))).code).toBe('LIMIT_EXCEEDED');
  });
});

describe('a reader', () => {
  const many = `select n, repeat('x', 200) from generate_series(1, 20000) n`;

  test('that pauses after each batch loses nothing, whatever timeout the statement has', async () => {
    const numbers: unknown[] = [];
    const script = `set statement_timeout = '1s'; ${many}`;
    let pauses = 0;
    for await (const event of session.run(script, runOptions())) {
      if (event.type !== 'rows') continue;
      numbers.push(...event.rows.map(([n]) => n));
      // The server has then nothing to do, and no clock of its own runs.
      while (pauses < 3 && (await stateOf(session)).state !== 'idle in transaction');
      if (pauses++ < 3) await database.client.query('SELECT pg_sleep(0.5)');
    }
    expect(numbers).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
    await collect(session, 'reset statement_timeout');
  });

  test('that is slow holds the server back, and may still cancel', async () => {
    const script = `select repeat(repeat('x', 1000000), 10) from generate_series(1, 100)`;
    const { ended } = await untilEvent(session, script, 'rows');
    while ((await stateOf(session)).wait_event !== 'ClientWrite');
    await session.cancel();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
  });

  test.each(['statement', 'columns', 'rows', 'end'] as const)(
    'that leaves at the first event "%s" leaves no transaction open and no lock',
    async (type) => {
      const script = `insert into item select generate_series(1, 5000) returning id; select pg_sleep(600)`;
      for (const options of [{}, { transaction: 'WHOLE' }, { readOnly: true }] as const) {
        const run = 'readOnly' in options ? many : script;
        for await (const event of session.run(run, runOptions(options))) if (event.type === type) break;
        expect(await stateOf(session)).toMatchObject({ state: 'idle', backend_xid: null, backend_xmin: null });
        expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
      }
      const { rows } = await database.client.query('DELETE FROM item RETURNING id');
      expect(rows).toHaveLength(type === 'end' ? 5_000 : 0);
    },
  );

  test('that throws in the middle of its loop is told its own error, and leaves the session usable', async () => {
    const reading = (async () => {
      for await (const event of session.run(many, runOptions())) if (event.type === 'rows') throw new Error('mine');
    })();
    await expect(reading).rejects.toThrow('mine');
    expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
  });

  test('that never begins runs nothing', async () => {
    session.run('insert into item values (1)', runOptions());
    expect(rowsOf(await collect(session, 'select * from item'))).toEqual([]);
  });
});

test('a limit of the server is LIMIT_EXCEEDED as well', async () => {
  const script = `set temp_file_limit = '1MB'; set work_mem = '64kB'; select n from generate_series(1, 1000000) n order by -n`;
  const fault = await faultOf(collect(session, script));
  expect(fault).toMatchObject({ code: 'LIMIT_EXCEEDED', sqlState: '53400', statement: 2 });
});
