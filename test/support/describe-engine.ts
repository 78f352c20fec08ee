/** The contract of an engine as a suite: what every engine must do, in words that every engine has. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Engine,
  NotOneStatement,
  RunError,
  type RunEvent,
  type RunFault,
  type RunOptions,
  type Session,
  type Target,
} from '../../src/engines/engine.ts';
import { AppError } from '../../src/lib/errors.ts';

/** What a suite needs of an engine: a database of its own, and its dialect's words for a few things. */
export interface EngineUnderTest extends AsyncDisposable {
  readonly engine: Engine;
  readonly target: Target;
  /** Resolves when the target is seen to run the `sleep` of that session: it is then past its start. */
  readonly asleep: (session: Session) => Promise<void>;
  readonly sql: {
    /** Rows 1 to n of one integer column named n. */
    readonly series: (n: number) => string;
    readonly createTable: (name: string) => string;
    /** Runs for so long unless it is stopped. */
    readonly sleep: (seconds: number) => string;
    readonly echoParameter: string;
  };
}

export const runOptions = (options: Partial<RunOptions> = {}): RunOptions => ({
  readOnly: false,
  transaction: 'PER_STATEMENT',
  maxRows: 1_000_000,
  signal: new AbortController().signal,
  ...options,
});

export async function collect(
  session: Session,
  script: string,
  options: Partial<RunOptions> = {},
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of session.run(script, runOptions(options))) events.push(event);
  return events;
}

export async function faultOf(running: Promise<unknown>): Promise<RunFault> {
  const error = await running.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(error instanceof RunError)) throw new Error(`no RunError but ${String(error)}`, { cause: error });
  return error.fault;
}

export const rowsOf = (events: readonly RunEvent[], index = 0) =>
  events.flatMap((event) => (event.type === 'rows' && event.index === index ? event.rows : []));

export const columnsOf = (events: readonly RunEvent[], index = 0) =>
  events.flatMap((event) => (event.type === 'columns' && event.index === index ? event.columns : []));

/** Types in their order; rows that follow rows count once, since when they come is nobody's business. */
export const typesOf = (events: readonly RunEvent[]) =>
  events.map(({ type }) => type).filter((type, i, all) => type !== 'rows' || all[i - 1] !== 'rows');

export const endsOf = (events: readonly RunEvent[]) => events.filter((event) => event.type === 'end');

/** Starts a run and resolves at its first event of that type; the rest runs on in `ended`. */
export async function untilEvent(
  session: Session,
  script: string,
  type: RunEvent['type'],
  options: Partial<RunOptions> = {},
): Promise<{ ended: Promise<unknown> }> {
  const iterator = session.run(script, runOptions(options))[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await iterator.next();
    if (done) throw new Error(`ended without an event ${type}`);
    if (value.type === type) break;
  }
  const ended = (async () => {
    while (!(await iterator.next()).done);
  })();
  ended.catch(() => {}); // looked at later
  return { ended };
}

export function describeEngine(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(`the engine ${name}`, () => {
    let under: EngineUnderTest;
    let session: Session;
    const signal = () => new AbortController().signal;

    beforeAll(async () => {
      under = await open();
      session = await under.engine.open(under.target, { signal: signal(), label: 'quarry test' });
    });
    afterAll(async () => {
      await session?.[Symbol.asyncDispose]();
      await under?.[Symbol.asyncDispose]();
    });

    test('reports a statement, its columns, its rows and its end, in this order', async () => {
      const events = await collect(session, under.sql.series(3));
      const types = typesOf(events).filter((type) => type !== 'estimate');
      expect(types).toEqual(['statement', 'columns', 'rows', 'end']);
      expect(events[0]).toEqual({ type: 'statement', index: 0, count: 1, sql: under.sql.series(3), alters: false });
      expect(rowsOf(events)).toEqual([[1], [2], [3]]);
      expect(columnsOf(events)).toMatchObject([{ name: 'n' }]);
      expect(endsOf(events)).toMatchObject([{ index: 0, rowCount: 3, truncated: false }]);
    });

    test('gives rows in batches no longer than asked, none lost and none twice', async () => {
      const events = await collect(session, under.sql.series(2_500), { batchRows: 300 });
      const batches = events.filter((event) => event.type === 'rows');
      expect(batches.every(({ rows }) => rows.length <= 300)).toBe(true);
      expect(rowsOf(events).map(([n]) => n)).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
    });

    test('stops behind maxRows and says so', async () => {
      const cut = await collect(session, under.sql.series(5_000), { maxRows: 1_500 });
      expect(rowsOf(cut)).toHaveLength(1_500);
      expect(endsOf(cut)).toMatchObject([{ truncated: true, rowCount: 1_500 }]);
      const whole = await collect(session, under.sql.series(1_500), { maxRows: 1_500 });
      expect(endsOf(whole)).toMatchObject([{ truncated: false, rowCount: 1_500 }]);
      const none = await collect(session, under.sql.series(1), { maxRows: 0 });
      expect(rowsOf(none)).toEqual([]);
      expect(endsOf(none)).toMatchObject([{ truncated: true, rowCount: 0 }]);
    });

    test('gives each statement of a script a result of its own', async () => {
      const events = await collect(session, `${under.sql.series(1)}; ${under.sql.series(2)}`);
      expect(events.flatMap((event) => (event.type === 'statement' ? [event.index] : []))).toEqual([0, 1]);
      expect(rowsOf(events, 1)).toEqual([[1], [2]]);
    });

    test('binds parameters', async () => {
      const events = await collect(session, under.sql.echoParameter, { parameters: ["it's"] });
      expect(rowsOf(events)).toEqual([["it's"]]);
    });

    test('stops at the first failure and names the statement', async () => {
      const script = `${under.sql.series(1)}; select no_such_column_here; ${under.sql.series(1)}`;
      const fault = await faultOf(collect(session, script));
      expect(fault).toMatchObject({ code: 'SQL_ERROR', statement: 1 });
      expect(rowsOf(await collect(session, under.sql.series(1)))).toEqual([[1]]);
    });

    test.each(['', '  ', '-- nothing'])('refuses a script without a statement: %j', async (script) => {
      expect(await faultOf(collect(session, script))).toMatchObject({ code: 'SQL_ERROR' });
    });

    test('writes nothing where it is to read only', async () => {
      const fault = await faultOf(collect(session, under.sql.createTable('forbidden'), { readOnly: true }));
      expect(fault.code).toBe('READ_ONLY');
      expect((await faultOf(collect(session, 'select * from forbidden'))).code).toBe('SQL_ERROR');
    });

    test('ends a statement that is cancelled, and runs the next one', async () => {
      const { ended } = await untilEvent(session, `${under.sql.series(1)}; ${under.sql.sleep(600)}`, 'end');
      await under.asleep(session);
      await session.cancel();
      expect(await faultOf(ended)).toMatchObject({ code: 'CANCELLED' });
      expect(rowsOf(await collect(session, under.sql.series(1)))).toEqual([[1]]);
    });

    test('a cancel between two statements keeps the next one from starting', async () => {
      const { ended } = await untilEvent(session, `${under.sql.series(1)}; ${under.sql.sleep(600)}`, 'end');
      await session.cancel();
      expect(await faultOf(ended)).toMatchObject({ code: 'CANCELLED' });
      expect(rowsOf(await collect(session, under.sql.series(1)))).toEqual([[1]]);
    });

    test('a cancel when nothing runs harms nobody', async () => {
      await session.cancel();
      expect(rowsOf(await collect(session, under.sql.series(1)))).toEqual([[1]]);
    });

    test('ends a script whose signal aborts: CANCELLED, or TIMEOUT when its time is over', async () => {
      const controller = new AbortController();
      const { ended } = await untilEvent(session, under.sql.sleep(600), 'statement', { signal: controller.signal });
      await under.asleep(session);
      controller.abort();
      expect((await faultOf(ended)).code).toBe('CANCELLED');
      const late = collect(session, under.sql.sleep(600), { signal: AbortSignal.timeout(50) });
      expect((await faultOf(late)).code).toBe('TIMEOUT');
      const never = collect(session, under.sql.series(1), { signal: AbortSignal.abort() });
      expect((await faultOf(never)).code).toBe('CANCELLED');
    });

    test('a reader that leaves in the middle leaves the session usable', async () => {
      for await (const event of session.run(under.sql.series(100_000), runOptions())) {
        if (event.type === 'rows') break;
      }
      expect(rowsOf(await collect(session, under.sql.series(1)))).toEqual([[1]]);
    });

    test('takes a script apart without running it', async () => {
      const script = `${under.sql.series(1)};\n ${under.sql.createTable('never_made')}`;
      const statements = await under.engine.split(script);
      expect(statements.map(({ reads }) => reads)).toEqual([true, false]);
      for (const { sql, offset } of statements) expect(script.slice(offset, offset + sql.length)).toBe(sql);
      expect((await faultOf(under.engine.split('select ((('))).code).toBe('SQL_ERROR');
    });

    test('explains one statement, and runs it neither then nor when it is asked to undo it', async () => {
      const explain = (sql: string, { analyze = false, parameters = [] as unknown[] } = {}) => {
        const options = { analyze, parameters, readOnly: false, maxPlanBytes: 2 ** 20 };
        return under.engine.explain(under.target, sql, { ...options, label: 'quarry test', signal: signal() });
      };
      for (const analyze of [false, true]) {
        const found = await explain(under.sql.series(3), { analyze });
        expect(found).toMatchObject({ reads: [], writes: [] });
        expect(found.text).not.toBe('');
      }
      expect((await explain(under.sql.echoParameter, { parameters: ['a'] })).reads).toEqual([]);
      for (const script of ['', `${under.sql.series(1)}; ${under.sql.series(1)}`]) {
        await expect(explain(script)).rejects.toBeInstanceOf(NotOneStatement);
      }
      expect((await faultOf(explain('select ((('))).code).toBe('SQL_ERROR');
    });

    test('tells what runs in a session, by its identity', async () => {
      const busy = await under.engine.open(under.target, { signal: signal(), label: 'quarry test busy' });
      const { ended } = await untilEvent(busy, under.sql.sleep(600), 'statement');
      await under.asleep(busy);
      const told = await under.engine.activity(under.target, { signal: signal(), limit: 10, only: [busy.identity] });
      expect(told).toMatchObject([{ ...busy.identity, query: under.sql.sleep(600), blockedBy: [] }]);
      await busy.cancel();
      await ended.catch(() => undefined);
      await busy[Symbol.asyncDispose]();
    });

    test('terminates a session by its identity, and no other', async () => {
      const victim = await under.engine.open(under.target, { signal: signal(), label: 'quarry test victim' });
      const gone = new Promise((resolve) => victim.closed.addEventListener('abort', resolve));
      const { ended } = await untilEvent(victim, under.sql.sleep(600), 'statement');
      await under.asleep(victim);
      const { sessionId } = victim.identity;
      const reused = { sessionId, startedAt: session.identity.startedAt };
      await under.engine.terminate(under.target, reused, { signal: signal() });
      expect(victim.closed.aborted).toBe(false);
      await under.engine.terminate(under.target, victim.identity, { signal: signal() });
      await gone;
      expect((await faultOf(ended)).code).toBe('CONNECTION_LOST');
      await under.engine.terminate(under.target, victim.identity, { signal: signal() });
      await victim[Symbol.asyncDispose]();
    });

    test('says what a server can do, or why it cannot be used', async () => {
      const good = await under.engine.probe(under.target, { signal: signal() });
      expect(good).toMatchObject({ ok: true, serverVersion: session.serverVersion });
      expect(under.engine.capabilities).toEqual(expect.arrayContaining(good.capabilities));
      const bad = await under.engine.probe({ ...under.target, password: 'wrong' }, { signal: signal() });
      expect(bad).toMatchObject({ ok: false, problems: [{ code: 'AUTHENTICATION' }] });
      expect(bad.problems[0]?.hint).toBeTruthy();
    });

    test('a session that cannot be opened names the stage', async () => {
      const nobody = { ...under.target, port: 1 };
      const error = await under.engine
        .open(nobody, { signal: signal(), label: 'quarry test' })
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(AppError);
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', details: { reason: 'TCP' } });
    });
  });
}
