/** Stopping a script: before, in the middle and behind it, on a line that is dead, and by the session's identity. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RunError, type Session, type Target } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, faultOf, rowsOf, runOptions, untilEvent } from '../../support/describe-engine.ts';
import { openProxy } from '../../support/proxy.ts';
import { openSession, postgresql, targetOf } from './support.ts';

let database: TestDatabase;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase('CREATE TABLE item (id int)');
  target = targetOf(database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

async function open(to: Target = target): Promise<Session> {
  const session = await openSession(to);
  onTestFinished(() => session[Symbol.asyncDispose]());
  return session;
}

const works = async (session: Session) => expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);

const backend = async ({ identity }: Session) =>
  (await database.client.query('SELECT * FROM pg_stat_activity WHERE pid = $1', [identity.sessionId])).rows[0];

/** Asks until it is so; the test's own time ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

const gone = (session: Session) => until(async () => (await backend(session)) === undefined);
const waitsFor = (session: Session, event: string) => until(async () => (await backend(session))?.wait_event === event);

describe('a cancel', () => {
  test('before any script, or behind one, meets nothing', async () => {
    const session = await open();
    await session.cancel();
    await works(session);
    await session.cancel();
    await session.cancel();
    await works(session);
  });

  test.each([
    ['that sleeps', 'select pg_sleep(600)', 'PgSleep'],
    ['that waits for a lock', 'select * from item for update', 'relation'],
    ['in a transaction of its own', 'begin; insert into item values (1); select pg_sleep(600)', 'PgSleep'],
    ['without rows', `do $$ begin perform pg_sleep(600); end $$`, 'PgSleep'],
  ])('ends a statement %s, and keeps the session', async (_, script, event) => {
    const session = await open();
    if (event === 'relation') await database.client.query('BEGIN; LOCK TABLE item');
    const running = collect(session, script);
    running.catch(() => {}); // looked at below
    await waitsFor(session, event);
    await Promise.all([session.cancel(), session.cancel()]);
    expect(await faultOf(running)).toMatchObject({ code: 'CANCELLED' });
    await database.client.query('ROLLBACK');
    await works(session);
    expect(session.closed.aborted).toBe(false);
    expect((await database.client.query('SELECT count(*)::int AS n FROM item')).rows).toEqual([{ n: 0 }]);
  });

  test('in the middle of rows ends them, and gives none behind it', async () => {
    const session = await open();
    const seen: string[] = [];
    const running = (async () => {
      for await (const event of session.run('select generate_series(1, 10000000)', runOptions())) {
        seen.push(event.type);
        if (event.type === 'rows') await session.cancel();
      }
    })();
    expect((await faultOf(running)).code).toBe('CANCELLED');
    expect(seen).toEqual(['statement', 'columns', 'rows']);
    await works(session);
  });

  test('between two statements keeps the second from running', async () => {
    const session = await open();
    const script = 'insert into item values (1); insert into item values (2)';
    const running = (async () => {
      for await (const event of session.run(script, runOptions())) if (event.type === 'end') await session.cancel();
    })();
    expect((await faultOf(running)).code).toBe('CANCELLED');
    expect((await database.client.query('DELETE FROM item RETURNING id')).rows).toEqual([{ id: 1 }]);
  });

  test('that comes when the statement is done undoes nothing, and is told where something is left', async () => {
    const session = await open();
    const caught = (n: number) =>
      `do $$ begin perform pg_sleep(600); exception when query_canceled then insert into item values (${n}); end $$`;
    for (const [script, code] of [
      [caught(1), null],
      [`${caught(2)}; select 1`, 'CANCELLED'],
    ] as const) {
      const { ended } = await untilEvent(session, script, 'statement');
      await waitsFor(session, 'PgSleep');
      await session.cancel();
      if (code === null) await ended;
      else expect((await faultOf(ended)).code).toBe(code);
      await works(session);
    }
    expect((await database.client.query('DELETE FROM item RETURNING id')).rows).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('undoes a script that is one transaction', async () => {
    const session = await open();
    const script = 'insert into item values (1); select pg_sleep(600)';
    const { ended } = await untilEvent(session, script, 'end', { transaction: 'WHOLE' });
    await session.cancel();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    expect((await database.client.query('SELECT * FROM item')).rows).toEqual([]);
  });

  test('that races with the end of its statement never meets the next one', async () => {
    const session = await open();
    const outcomes = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const running = collect(session, `select count(*) from generate_series(1, ${round * 400})`).then(
        () => 'ended',
        (error: unknown) => (error instanceof RunError ? error.fault.code : String(error)),
      );
      // A few turns of the loop more each time, so that the cancel meets every moment of the statement.
      for (let turn = 0; turn < round % 20; turn++) await new Promise(setImmediate);
      await session.cancel();
      outcomes.add(await running);
      expect(rowsOf(await collect(session, `select ${round}`))).toEqual([[round]]);
    }
    expect([...outcomes].filter((outcome) => outcome !== 'ended' && outcome !== 'CANCELLED')).toEqual([]);
    expect(session.closed.aborted).toBe(false);
  });

  test('that a statement swallows ends the session and its backend', async () => {
    const session = await open();
    const deaf = `do $$ begin loop
      begin perform pg_sleep(600); exception when query_canceled then raise notice 'no'; end;
    end loop; end $$`;
    const { ended } = await untilEvent(session, deaf, 'statement');
    await waitsFor(session, 'PgSleep');
    await session.cancel();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    expect(session.closed.aborted).toBe(true);
    await gone(session);
    expect((await faultOf(collect(session, 'select 1'))).code).toBe('CONNECTION_LOST');
  });

  test('of one session leaves another of the same user alone', async () => {
    const [one, other] = await Promise.all([open(), open()]);
    const sleeping = collect(other, 'select pg_sleep(0.2), 7');
    const { ended } = await untilEvent(one, 'select pg_sleep(600)', 'statement');
    await waitsFor(one, 'PgSleep');
    await one.cancel();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    expect(rowsOf(await sleeping)).toEqual([['', 7]]);
  });
});

describe('a signal', () => {
  test('that is aborted already keeps everything from running', async () => {
    const session = await open();
    const running = collect(session, 'insert into item values (1)', { signal: AbortSignal.abort() });
    expect((await faultOf(running)).code).toBe('CANCELLED');
    expect((await database.client.query('SELECT * FROM item')).rows).toEqual([]);
    await works(session);
  });

  test.each([
    ['CANCELLED', new Error('somebody left')],
    ['TIMEOUT', new DOMException('its time is over', 'TimeoutError')],
  ])('ends what runs as %s, by its reason', async (code, reason) => {
    const session = await open();
    const controller = new AbortController();
    const { ended } = await untilEvent(session, 'select pg_sleep(600)', 'statement', { signal: controller.signal });
    await waitsFor(session, 'PgSleep');
    controller.abort(reason);
    expect((await faultOf(ended)).code).toBe(code);
    await works(session);
  });

  test('ends also what has switched the timeouts of the server off', async () => {
    const session = await open();
    const controller = new AbortController();
    const script = `set statement_timeout = 0; set transaction_timeout = 0; select pg_sleep(600)`;
    const running = collect(session, script, { signal: controller.signal });
    running.catch(() => {}); // looked at below
    await waitsFor(session, 'PgSleep');
    controller.abort(new DOMException('its time is over', 'TimeoutError'));
    expect((await faultOf(running)).code).toBe('TIMEOUT');
    await works(session);
  });

  test('that aborts behind the end of its script means nothing any more', async () => {
    const session = await open();
    const controller = new AbortController();
    await collect(session, 'select 1', { signal: controller.signal });
    controller.abort();
    await works(session);
  });
});

describe('on a line that is dead', () => {
  const signal = () => new AbortController();

  async function openBehindProxy() {
    const proxy = await openProxy(database);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    return { proxy, session: await open({ ...target, port: proxy.port }) };
  }

  test('a statement is given up, and so is the session', async () => {
    const { proxy, session } = await openBehindProxy();
    const controller = signal();
    const { ended } = await untilEvent(session, 'select pg_sleep(600)', 'statement', { signal: controller.signal });
    await waitsFor(session, 'PgSleep');
    proxy.blackhole();
    controller.abort();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    expect(session.closed.aborted).toBe(true);
  });

  test('so is a question of ours about the columns', async () => {
    const { proxy, session } = await openBehindProxy();
    const controller = signal();
    const silent = proxy.blackholeAt('pg_attribute');
    const running = collect(session, 'select * from item', { signal: controller.signal });
    running.catch(() => {}); // looked at below
    await silent;
    controller.abort();
    expect((await faultOf(running)).code).toBe('CANCELLED');
    expect(session.closed.aborted).toBe(true);
  });

  test('so is the transaction that a reader leaves behind', async () => {
    const { proxy, session } = await openBehindProxy();
    const script = 'begin; select generate_series(1, 5000)';
    for await (const event of session.run(script, runOptions())) {
      if (event.type !== 'rows') continue;
      proxy.blackhole();
      break;
    }
    expect(session.closed.aborted).toBe(true);
  });

  test('a session says goodbye to nobody, and is closed', async () => {
    const { proxy, session } = await openBehindProxy();
    proxy.blackhole();
    await session[Symbol.asyncDispose]();
    expect(session.closed.aborted).toBe(true);
  });
});

describe('an identity', () => {
  test('is what the server shows of the session', async () => {
    const session = await open();
    const { rows } = await database.client.query(
      `SELECT backend_start = $2::timestamptz AS same FROM pg_stat_activity WHERE pid = $1`,
      [session.identity.sessionId, session.identity.startedAt],
    );
    expect(rows).toEqual([{ same: true }]);
  });

  test('ends its session, running or not', async () => {
    for (const script of ['select pg_sleep(600)', null]) {
      const session = await open();
      const closed = once(session.closed, 'abort');
      const running = script === null ? null : await untilEvent(session, script, 'statement');
      await postgresql().terminate(target, session.identity, { signal: signalOf() });
      await closed;
      if (running !== null) expect((await faultOf(running.ended)).code).toBe('CONNECTION_LOST');
      await gone(session);
    }
  });

  test('of another start of the same pid ends nobody, nor does one that is gone', async () => {
    const session = await open();
    for (const startedAt of [
      '2001-01-01 00:00:00+00',
      session.identity.startedAt.replace(/\.(\d)/, (_, d) => `.${(Number(d) + 1) % 10}`),
    ]) {
      const { sessionId } = session.identity;
      await postgresql().terminate(target, { sessionId, startedAt }, { signal: signalOf() });
    }
    await postgresql().terminate(target, { ...session.identity, sessionId: '2147483647' }, { signal: signalOf() });
    await works(session);
    expect(session.closed.aborted).toBe(false);
  });

  test('is not ended by a role that may see it and no more', async () => {
    const session = await open();
    const role = `watcher_${database.database}`;
    await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret' IN ROLE pg_read_all_stats`);
    const watcher = { ...target, user: role, password: 'secret' };
    const ending = postgresql().terminate(watcher, session.identity, { signal: signalOf() });
    await expect(ending).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      details: { reason: 'DATABASE', sqlState: '42501', hint: expect.stringContaining('pg_signal_backend') },
    });
    await works(session);
    await database.client.query(`DROP ROLE ${role}`);
  });

  test('cannot be ended where the server cannot be reached', async () => {
    const session = await open();
    const ending = postgresql().terminate({ ...target, password: 'wrong' }, session.identity, { signal: signalOf() });
    await expect(ending).rejects.toMatchObject({ code: 'CONNECTION_FAILED', details: { reason: 'AUTHENTICATION' } });
    await works(session);
  });
});

describe('a session', () => {
  test('runs one script at a time', async () => {
    const session = await open();
    const { ended } = await untilEvent(session, 'select pg_sleep(600)', 'statement');
    await expect(collect(session, 'select 1')).rejects.toBeInstanceOf(TypeError);
    // A cancel that comes before the statement is lost on the server, and ends the session after a second.
    await waitsFor(session, 'PgSleep');
    await session.cancel();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    await works(session);
  });

  test('that is disposed in the middle of a script ends it, and its backend', async () => {
    const session = await open();
    const { ended } = await untilEvent(session, 'select pg_sleep(600)', 'statement');
    await waitsFor(session, 'PgSleep');
    await session[Symbol.asyncDispose]();
    expect((await faultOf(ended)).code).toBe('CANCELLED');
    expect(session.closed.aborted).toBe(true);
    await gone(session);
  });

  test('may be disposed twice, and runs nothing any more', async () => {
    const session = await open();
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await session.cancel();
    await expect(collect(session, 'select 1')).rejects.toBeInstanceOf(TypeError);
  });
});

const signalOf = () => new AbortController().signal;
