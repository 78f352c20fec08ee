/** What runs in a database, as its people see it through the graph: whose sessions, and which jobs. */
import { createServer } from 'node:net';
import { complexityFromQuery as costOf } from '@pothos/plugin-complexity';
import { graphql, parse } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { activityLimits, createActivity } from '../../src/databases/activity.ts';
import type { VisibleDatabase } from '../../src/databases/databases.ts';
import type { Session } from '../../src/engines/engine.ts';
import type { Context } from '../../src/graph/context.ts';
import { documentLimits } from '../../src/graph/limits.ts';
import { createSchema } from '../../src/graph/schema.ts';
import type { JobStore } from '../../src/jobs/store.ts';
import { encodeId } from '../../src/lib/ids.ts';
import type { Services } from '../../src/services.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { untilEvent } from '../support/describe-engine.ts';
import { createTestJobStore } from '../support/job-store.ts';
import { asked, createWorld, startTestPlayground, type TestPlayground, type World } from './world.ts';

const schema = createSchema();
let server: TestPlayground;
let world: World;
let jobs: JobStore;
let target: TestDatabase;

beforeAll(async () => {
  [server, target] = await Promise.all([startTestPlayground(), createTestDatabase('CREATE TABLE account (id int)')]);
  world = await createWorld({ playground: server.playground });
  jobs = createTestJobStore(world.pool);
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

interface Told {
  sessionId: string;
  applicationName: string;
  query: string;
  blockedBy: string[];
  startedAt: string;
  job: { id: string } | null;
}

async function ask(viewer: Viewer, databaseId: string, { timeoutMs = 20_000 } = {}) {
  const { databases, engines, prisma } = world;
  const activity = createActivity({ databases, jobs, timeoutMs });
  const contextValue = {
    viewer,
    services: { databases, engines, prisma, activity } as unknown as Services,
    ...asked(),
    requestId: 'test',
    authorization: null,
    lifetime: null,
  } satisfies Context;
  const source = `query ($id: ID!) { database(id: $id) { name activity {
    sessionId user applicationName state query waitEvent blockedBy startedAt job { id } } } }`;
  const variableValues = { id: encodeId('Database', databaseId) };
  const { data, errors } = await graphql({ schema, source, variableValues, contextValue });
  return { database: data?.database as unknown as { name: string; activity: Told[] | null } | null, errors };
}

async function sessionsOf(viewer: Viewer, databaseId: string): Promise<Told[]> {
  const { database, errors } = await ask(viewer, databaseId);
  if (errors || !database?.activity) throw new Error(JSON.stringify(errors));
  return database.activity;
}

const connection = ({ host, port, user, password, database }: TestDatabase) =>
  ({ host, port, user, password, database, ssl: 'DISABLE' }) as const;

async function connected(viewer: Viewer, projectId: string | null = null): Promise<VisibleDatabase> {
  const input = { name: 'shop', connection: connection(target), projectId, readOnly: false };
  return (await world.databases.connect(viewer, input, asked())).database;
}

/** A job that runs `sql` in a session of its own, as a worker has it. */
async function running(viewer: Viewer, database: VisibleDatabase, sql: string): Promise<{ id: string; pid: string }> {
  const { job } = await jobs.insert({
    kind: 'query',
    ownerId: viewer.userId,
    databaseId: database.id,
    targetKey: database.id,
    targetLabel: 'test',
    name: null,
    sql,
    parameters: null,
    readOnly: false,
    transaction: 'per_statement',
    timeoutMs: 60_000,
    maxRows: 10,
    idempotencyKey: null,
  });
  const { engine, target: at } = await world.databases.targetOf(database, viewer, asked());
  const session: Session = await engine.open(at, { ...asked(), label: `quarry job:${job.id}` });
  onTestFinished(() => session[Symbol.asyncDispose]());
  const { sessionId, startedAt } = session.identity;
  await world.pool.query(
    `UPDATE jobs SET status = 'running', fence = 1, worker_id = gen_random_uuid(), lease_until = now() + '1 hour', backend_id = $2, backend_started_at = $3 WHERE id = $1`,
    [job.id, sessionId, startedAt],
  );
  const { ended } = await untilEvent(session, `SELECT 1; ${sql}`, 'end');
  onTestFinished(async () => {
    await session.cancel();
    await ended.catch(() => undefined);
  });
  return { id: encodeId('Job', job.id), pid: sessionId };
}

/** Resolves with the session once it is seen like this. */
async function untilSession(viewer: Viewer, databaseId: string, is: (session: Told) => boolean): Promise<Told> {
  const seen = async () => (await sessionsOf(viewer, databaseId)).find(is);
  await expect.poll(seen, { timeout: 20_000 }).toBeDefined();
  return (await seen())!;
}

async function team() {
  const [owner, editor, viewer] = [await world.person(), await world.person(), await world.person()];
  const projectId = await world.project({ owner, editor, viewer });
  return { owner, editor, viewer, database: await connected(owner, projectId) };
}

describe('the owner of a database', () => {
  test('sees who is connected, which job of his runs where, and who holds it up', async () => {
    const owner = await world.person();
    const database = await connected(owner);
    const holder = new pg.Client({ ...connection(target), ssl: false, application_name: 'psql' });
    await holder.connect();
    onTestFinished(() => holder.end());
    await holder.query('BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE');
    const { rows } = await holder.query('SELECT pg_backend_pid()::text AS pid');
    const job = await running(owner, database, 'SELECT count(*) FROM account');

    const waiting = await untilSession(owner, database.id, ({ blockedBy }) => blockedBy.length > 0);
    expect(waiting).toMatchObject({
      sessionId: job.pid,
      query: 'SELECT count(*) FROM account',
      waitEvent: 'Lock: relation',
      blockedBy: [rows[0].pid],
      job: { id: job.id },
    });
    expect(Date.parse(waiting.startedAt)).toBeGreaterThan(0);
    const others = await sessionsOf(owner, database.id);
    expect(others.find(({ applicationName }) => applicationName === 'psql')).toMatchObject({ job: null });
    await holder.query('COMMIT');
  });

  test('is told of no job where the session of one is gone and its pid has another', async () => {
    const owner = await world.person();
    const database = await connected(owner);
    const { pid } = await running(owner, database, 'SELECT pg_sleep(600)');
    await world.pool.query(`UPDATE jobs SET backend_started_at = '2001-01-01 00:00:00+00' WHERE backend_id = $1`, [
      pid,
    ]);
    expect((await sessionsOf(owner, database.id)).find(({ sessionId }) => sessionId === pid)).toMatchObject({
      job: null,
    });
  });
});

describe('in a project', () => {
  test('an editor sees the sessions of others and only his own jobs', async () => {
    const { owner, editor, database } = await team();
    const [theirs, own] = [
      await running(owner, database, 'SELECT pg_sleep(600)'),
      await running(editor, database, 'SELECT pg_sleep(601)'),
    ];
    const sessions = await sessionsOf(editor, database.id);
    expect(sessions.find(({ sessionId }) => sessionId === theirs.pid)).toMatchObject({ job: null });
    expect(sessions.find(({ sessionId }) => sessionId === own.pid)).toMatchObject({ job: { id: own.id } });
    const administrator = { ...editor, role: 'admin' } as const;
    const administered = await sessionsOf(administrator, database.id);
    expect(administered.find(({ sessionId }) => sessionId === theirs.pid)).toMatchObject({ job: { id: theirs.id } });
  });

  test('a viewer sees his own jobs alone, and not who else waits or holds them up', async () => {
    const { owner, viewer, database } = await team();
    expect(await sessionsOf(viewer, database.id)).toEqual([]);
    await target.client.query('BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE');
    onTestFinished(() => target.client.query('ROLLBACK').then(() => undefined));
    await running(owner, database, 'SELECT count(*) FROM account');
    const own = await running(viewer, database, 'SELECT count(*) FROM account');
    await untilSession(owner, database.id, ({ job, blockedBy }) => job === null && blockedBy.length > 0);
    const sessions = await sessionsOf(viewer, database.id);
    expect(sessions).toMatchObject([{ sessionId: own.pid, job: { id: own.id }, blockedBy: [] }]);
    await target.client.query('ROLLBACK');
  });

  test('a stranger sees no database to ask of', async () => {
    const { database } = await team();
    expect(await ask(await world.person(), database.id)).toMatchObject({ database: null, errors: undefined });
  });
});

describe('a hosted database', () => {
  test('shows its own sessions and none of its neighbours', async () => {
    const [owner, other] = [await world.person(), await world.person()];
    const host = (viewer: Viewer) =>
      world.databases.createHosted(viewer, { name: 'mine', template: 'empty', projectId: null }, asked());
    const [mine, theirs] = [await host(owner), await host(other)];
    const job = await running(owner, mine, 'SELECT pg_sleep(600)');
    const foreign = await running(other, theirs, 'SELECT pg_sleep(600)');
    const sessions = await sessionsOf(owner, mine.id);
    expect(sessions.find(({ sessionId }) => sessionId === job.pid)).toMatchObject({ job: { id: job.id } });
    expect(sessions.map(({ sessionId }) => sessionId)).not.toContain(foreign.pid);
  });

  test('that is the sample shows a guest his own jobs', async () => {
    const [guest, other] = [await world.person(), await world.person()];
    world.databases.start();
    const find = async () => (await world.databases.list(guest, {})).edges[0]?.node;
    await expect.poll(find, { timeout: 60_000 }).toBeDefined();
    const sample = (await find())!;
    const own = await running(guest, sample, 'SELECT pg_sleep(600)');
    await running(other, sample, 'SELECT pg_sleep(600)');
    expect(await sessionsOf(guest, sample.id)).toMatchObject([{ sessionId: own.pid, job: { id: own.id } }]);
  });
});

describe('a target', () => {
  test('whose password cannot be opened is null with the reason, and the rest of the answer stays', async () => {
    const owner = await world.person();
    const database = await connected(owner);
    await world.pool.query('UPDATE databases SET sealed_password = $2 WHERE id = $1', [database.id, 'broken']);
    const { database: told, errors } = await ask(owner, database.id);
    expect(told).toEqual({ name: 'shop', activity: null });
    expect(errors).toMatchObject([{ path: ['database', 'activity'], originalError: { code: 'CONNECTION_FAILED' } }]);
  });

  test('that is gone is null with the reason, too', async () => {
    const owner = await world.person();
    const short = await createTestDatabase();
    const input = { name: 'shop', connection: connection(short), projectId: null, readOnly: false };
    const { database } = await world.databases.connect(owner, input, asked());
    await short[Symbol.asyncDispose]();
    const { database: told, errors } = await ask(owner, database.id);
    expect(told).toEqual({ name: 'shop', activity: null });
    expect(errors).toMatchObject([{ originalError: { code: 'CONNECTION_FAILED', details: { reason: 'DATABASE' } } }]);
  });

  test('that says nothing is TIMEOUT', async () => {
    const owner = await world.person();
    const database = await connected(owner);
    const { activity } = await silentTarget({ timeoutMs: 100 });
    const request = { viewer: owner, signal: AbortSignal.timeout(20_000) };
    await expect(activity.of(request, database.id)).rejects.toMatchObject({
      code: 'TIMEOUT',
      details: { timeoutMs: 100 },
    });
  });

  test('that says nothing has so many looks of one user at once, and keeps nobody else from his', async () => {
    const [busy, other] = [await world.person(), await world.person()];
    const [silent, fine] = [await connected(busy), await connected(other)];
    const { activity, accepted } = await silentTarget({ timeoutMs: 60_000, only: silent.id });
    const gone = new AbortController();
    const count = activityLimits.parallel + 1;
    const looks = Array.from({ length: count }, () => activity.of({ viewer: busy, signal: gone.signal }, silent.id));
    const ended = Promise.allSettled(looks);
    await expect.poll(() => accepted.length, { timeout: 20_000 }).toBe(activityLimits.parallelOfUser);
    await activity.of({ viewer: other, signal: AbortSignal.timeout(20_000) }, fine.id);
    expect(accepted.length).toBe(activityLimits.parallelOfUser);
    const reason = new Error('the client is gone');
    gone.abort(reason);
    expect(await ended).toEqual(Array.from({ length: count }, () => ({ status: 'rejected', reason })));
  });

  test('that is slow for one look leaves the next in line its whole time', async () => {
    const owner = await world.person();
    const database = await connected(owner);
    const { activity, accepted } = await silentTarget({ timeoutMs: 300 });
    const signal = AbortSignal.timeout(20_000);
    const looks = Array.from({ length: activityLimits.parallelOfUser * 2 }, () =>
      activity.of({ viewer: owner, signal }, database.id),
    );
    for (const { status, ...rest } of await Promise.allSettled(looks)) {
      expect({ status, ...rest }).toMatchObject({ status: 'rejected', reason: { details: { timeoutMs: 300 } } });
    }
    expect(accepted.length).toBe(looks.length);
  });
});

describe('of many databases at once', () => {
  test('the jobs are read together, and each is told its own', async () => {
    const owner = await world.person();
    const databases = [await connected(owner), await connected(owner)];
    const own = [
      await running(owner, databases[0]!, 'SELECT pg_sleep(600)'),
      await running(owner, databases[1]!, 'SELECT pg_sleep(601)'),
    ];
    const asked: (readonly string[])[] = [];
    const runningOn: JobStore['runningOn'] = (ids, limit) => {
      asked.push(ids);
      return jobs.runningOn(ids, limit);
    };
    const activity = createActivity({ databases: world.databases, jobs: { runningOn } });
    const request = { viewer: owner, signal: AbortSignal.timeout(20_000) };
    const told = await Promise.all(databases.map(({ id }) => activity.of(request, id)));
    expect(asked.map((ids) => [...ids].sort())).toEqual([databases.map(({ id }) => id).sort()]);
    for (const [i, sessions] of told.entries()) {
      expect(sessions.flatMap(({ job }) => (job ? [encodeId('Job', job.id)] : []))).toEqual([own[i]!.id]);
    }
  });

  test('so many connections cost too much', async () => {
    const cost = (source: string) => costOf(parse(source), { schema, ctx: {}, variables: {} }).complexity;
    expect(cost('{ databases(first: 500) { nodes { activity { sessionId } } } }')).toBeGreaterThan(documentLimits.cost);
    expect(cost('{ databases(first: 100) { nodes { activity { sessionId } } } }')).toBeLessThan(documentLimits.cost);
  });
});

/** Targets that take a connection and say nothing: of all databases, or of that one alone. */
async function silentTarget({ timeoutMs, only }: { timeoutMs: number; only?: string }) {
  const server = createServer();
  const accepted: { destroy(): void }[] = [];
  server.on('connection', (socket) => accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const { databases } = world;
  const activity = createActivity({
    databases: {
      load: (request, viewer, id) => databases.load(request, viewer, id),
      targetOf: async (...given) => {
        const { engine, target: at } = await databases.targetOf(...given);
        if (only !== undefined && given[0].id !== only) return { engine, target: at };
        return { engine, target: { ...at, host: '127.0.0.1', port } };
      },
    },
    jobs,
    timeoutMs,
  });
  return { activity, accepted };
}
