/** What runs in a database, as a real server tells it. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ActiveSession, ActivityOptions, Target } from '../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { untilEvent } from '../../support/describe-engine.ts';
import { openSession, postgresql, targetOf } from './support.ts';

let database: TestDatabase;
let other: TestDatabase;
const engine = postgresql();

beforeAll(async () => {
  [database, other] = await Promise.all([createTestDatabase('CREATE TABLE account (id int)'), createTestDatabase()]);
});
afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
});

const activity = (target: Target = targetOf(database), options: Partial<ActivityOptions> = {}) =>
  engine.activity(target, { signal: AbortSignal.timeout(20_000), limit: 500, ...options });

/** A client of somebody's own, gone at the end of the test. */
async function connect(application: string) {
  const { host, port, user, password, database: name } = database;
  const client = new pg.Client({ host, port, user, password, database: name, application_name: application });
  client.on('error', () => undefined); // a session that is ended at the end of the test
  await client.connect();
  onTestFinished(() => client.end());
  const { rows } = await client.query('SELECT pg_backend_pid()::text AS pid');
  return { client, pid: rows[0].pid as string };
}

const named = (sessions: ActiveSession[], application: string) =>
  sessions.find(({ applicationName }) => applicationName === application);

async function untilSession(application: string, is: (session: ActiveSession) => boolean): Promise<ActiveSession> {
  const seen = async () => {
    const session = named(await activity(), application);
    return session && is(session) ? session : null;
  };
  await expect.poll(seen, { timeout: 20_000 }).not.toBeNull();
  return (await seen())!;
}

test('a session is told with who it is of, what it ran last and since when', async () => {
  const { client, pid } = await connect('a client');
  const before = Date.now();
  await client.query(`SELECT 'something'`);
  const session = named(await activity(), 'a client')!;
  expect(session).toMatchObject({
    sessionId: pid,
    user: database.user,
    state: 'idle',
    query: `SELECT 'something'`,
    blockedBy: [],
  });
  expect(session.waitEvent).toMatch(/^Client: /);
  expect(Math.abs(session.since!.getTime() - before)).toBeLessThan(60_000);
});

test('who asks is left out, and so is every other database', async () => {
  const sessions = await activity();
  expect(sessions.some(({ query }) => query?.includes('pg_stat_activity'))).toBe(false);
  const pid = (await other.client.query('SELECT pg_backend_pid()::text AS pid')).rows[0].pid;
  expect(sessions.map(({ sessionId }) => sessionId)).not.toContain(pid);
});

test('a session that waits names those that hold it up', async () => {
  const [holder, waiter, second] = [await connect('holder'), await connect('waiter'), await connect('second')];
  await holder.client.query('BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE');
  const waiting = waiter.client.query('SELECT count(*) FROM account');
  await untilSession('waiter', ({ blockedBy }) => blockedBy.length > 0);
  const queued = second.client.query('TRUNCATE account');
  const last = await untilSession('second', ({ blockedBy }) => blockedBy.length > 1);
  expect([...last.blockedBy].sort()).toEqual([holder.pid, waiter.pid].sort());

  const sessions = await activity();
  expect(named(sessions, 'waiter')).toMatchObject({
    state: 'active',
    query: 'SELECT count(*) FROM account',
    waitEvent: 'Lock: relation',
    blockedBy: [holder.pid],
  });
  expect(named(sessions, 'holder')).toMatchObject({ state: 'idle in transaction', blockedBy: [] });
  await holder.client.query('COMMIT');
  await waiting;
  await queued;
});

test('a session of ours is found by its identity', async () => {
  await using session = await openSession(targetOf(database));
  const { ended } = await untilEvent(session, 'SELECT 1; SELECT pg_sleep(600)', 'end');
  const { sessionId, startedAt } = session.identity;
  expect(await activity(undefined, { only: [session.identity] })).toMatchObject([{ sessionId, startedAt }]);
  expect(await activity(undefined, { only: [{ sessionId, startedAt: '2001-01-01 00:00:00+00' }] })).toEqual([]);
  expect(await activity(undefined, { only: [] })).toEqual([]);
  await session.cancel();
  await ended.catch(() => undefined);
});

test('parallel workers are their leader', async () => {
  const { client, pid } = await connect('leader');
  await client.query(`SET debug_parallel_query = on; SET max_parallel_workers_per_gather = 2`);
  const counting = client.query('SELECT pg_sleep(600)').catch(() => undefined);
  await untilSession('leader', ({ state, query }) => state === 'active' && query === 'SELECT pg_sleep(600)');
  expect((await activity()).filter(({ query }) => query === 'SELECT pg_sleep(600)')).toMatchObject([
    { sessionId: pid },
  ]);
  await database.client.query('SELECT pg_terminate_backend($1)', [pid]);
  await counting;
});

test('of more sessions than may be told the busy ones are', async () => {
  const { client } = await connect('idle');
  await client.query('SELECT 1');
  const busy = await connect('busy');
  await busy.client.query('BEGIN');
  expect(await activity(undefined, { limit: 1 })).toMatchObject([{ applicationName: 'busy' }]);
});

test('secrets in a statement are hidden', async () => {
  const { client } = await connect('administrator');
  const role = `secretive_${database.database}`;
  await client.query(`CREATE ROLE ${role} PASSWORD 'hunter2'`);
  expect(named(await activity(), 'administrator')?.query).toBe(`CREATE ROLE ${role} PASSWORD '***'`);
  await client.query(`DROP ROLE ${role}`);
});

test('a long statement is cut, however much of it the server keeps', async () => {
  const { client } = await connect('talker');
  const { rows } = await client.query('SHOW track_activity_query_size');
  expect(rows).toEqual([{ track_activity_query_size: '16kB' }]);
  await client.query(`SELECT '${'x'.repeat(100_000)}'`);
  expect(named(await activity(), 'talker')!.query!.length).toBe(8_192);
});

describe('credentials that may not look', () => {
  test('are told that a session is there and whom it waits for, not what it does', async () => {
    const role = `curious_${database.database}`;
    await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const [holder, waiter] = [await connect('holder'), await connect('waiter')];
    await holder.client.query('BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE');
    const waiting = waiter.client.query(`SELECT 'a secret thing' FROM account`);
    await untilSession('waiter', ({ blockedBy }) => blockedBy.length > 0);
    const sessions = await activity(targetOf(database, { user: role, password: 'x' }));
    expect(sessions.find(({ sessionId }) => sessionId === waiter.pid)).toEqual({
      sessionId: waiter.pid,
      user: database.user,
      applicationName: 'waiter',
      state: null,
      query: null,
      waitEvent: null,
      blockedBy: [holder.pid],
      startedAt: null,
      since: null,
    });
    await holder.client.query('COMMIT');
    await waiting;
    await database.client.query(`DROP ROLE ${role}`);
  });
});

test('a server that is not there is CONNECTION_FAILED, and one that is not waited for the reason why', async () => {
  const nowhere = activity(targetOf(database, { port: 1 }));
  await expect(nowhere).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  const reason = new Error('nobody waits');
  await expect(activity(undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
