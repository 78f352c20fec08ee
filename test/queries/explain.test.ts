/** Explaining SQL through the graph: whose rights hold, what a failure is called, and how many run at once. */

import { graphql, print } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createAuditLog } from '../../src/audit/audit-log.ts';
import { createTypedConnections } from '../../src/databases/typed-connections.ts';
import type { Context } from '../../src/graph/context.ts';
import { createSchema } from '../../src/graph/schema.ts';
import type { AppError } from '../../src/lib/errors.ts';
import { encodeId } from '../../src/lib/ids.ts';
import { createExplain, explainLimits } from '../../src/queries/explain.ts';
import type { Services } from '../../src/services.ts';
import { asked, createWorld, startTestPlayground, type TestPlayground, type World } from '../databases/world.ts';
import type { ExplainMutation, ExplainQueryInput } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { silent } from '../support/metadata.ts';
import { ExplainDocument } from '../support/operations.ts';

const schema = createSchema();
let server: TestPlayground;
let world: World;
let target: TestDatabase;
let statementTimeoutMs = 50_000;
let explain: ReturnType<typeof createExplain>;

beforeAll(async () => {
  [server, target] = await Promise.all([
    startTestPlayground(),
    createTestDatabase(`
      CREATE TABLE item (id bigint PRIMARY KEY, name text);
      CREATE FUNCTION adds() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO item VALUES (1); RETURN 1; END'`),
  ]);
  world = await createWorld({ playground: server.playground });
  const connections = createTypedConnections(world);
  explain = createExplain({
    databases: world.databases,
    connections,
    settingsOf: async () => ({ statementTimeoutMs }),
  });
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

async function ask(viewer: Viewer | null, input: ExplainQueryInput, signal = AbortSignal.timeout(50_000)) {
  const { databases, engines, prisma } = world;
  const auditLog = createAuditLog({ ...world, log: silent });
  const contextValue = {
    viewer,
    services: { databases, engines, prisma, explain, auditLog } as unknown as Services,
    ...asked(signal),
    requestId: 'test',
    authorization: null,
    lifetime: null,
  } satisfies Context;
  const { data, errors } = await graphql({
    schema,
    source: print(ExplainDocument),
    variableValues: { input },
    contextValue,
  });
  const fault = errors?.[0]?.originalError as AppError | undefined;
  return { plan: (data as ExplainMutation | null | undefined)?.explainQuery.plan, fault };
}

const connection = () => {
  const { host, port, user, password, database } = target;
  return { host, port, user, password, database, ssl: 'DISABLE' } as const;
};

async function connected(viewer: Viewer, { projectId = null as string | null, readOnly = false } = {}) {
  const input = { name: 'shop', connection: connection(), projectId, readOnly };
  const { database } = await world.databases.connect(viewer, input, asked());
  return encodeId('Database', database.id);
}

const items = async () => (await target.client.query('SELECT FROM item')).rowCount;

describe('who may run SQL in a database', () => {
  test('may have it explained, parameters and all', async () => {
    const owner = await world.person();
    const input = {
      target: { databaseId: await connected(owner) },
      sql: 'SELECT name FROM item WHERE id = $1',
      parameters: ['9007199254740993'],
    };
    const { plan, fault } = await ask(owner, input);
    expect(fault).toBeUndefined();
    expect(plan).toMatchObject({
      estimatedCost: expect.any(Number),
      estimatedRows: 1,
      reads: ['public.item'],
      writes: [],
      warnings: [],
    });
    expect(plan!.text).toContain(`'9007199254740993'::bigint`);
    expect(plan!.plan).toMatchObject([{ Plan: { 'Relation Name': 'item' } }]);
  });

  test('may have it run and undone, where he may write', async () => {
    const owner = await world.person();
    const sql = 'INSERT INTO item SELECT i FROM generate_series(1, 5) i';
    const { plan } = await ask(owner, { target: { databaseId: await connected(owner) }, sql, analyze: true });
    expect(plan).toMatchObject({ writes: ['public.item'], plan: [{ 'Execution Time': expect.any(Number) }] });
    expect(await items()).toBe(0);
  });

  test('but only read is warned of a write, and may not have it run', async () => {
    const [owner, viewer] = [await world.person(), await world.person()];
    const shared = await connected(owner, { projectId: await world.project({ owner, viewer }) });
    const closed = await connected(owner, { readOnly: true });
    for (const [who, databaseId] of [
      [viewer, shared],
      [owner, closed],
    ] as const) {
      const input = { target: { databaseId }, sql: 'DELETE FROM item WHERE id = 1' };
      const { plan } = await ask(who, input);
      expect(plan).toMatchObject({ writes: ['public.item'], warnings: [expect.stringContaining('only be read')] });
      expect((await ask(who, { ...input, analyze: true })).fault).toMatchObject({ code: 'READ_ONLY' });
      const hidden = await ask(who, { target: { databaseId }, sql: 'SELECT adds()', analyze: true });
      expect(hidden.fault).toMatchObject({ code: 'READ_ONLY' });
    }
    expect(await items()).toBe(0);
  });

  test('is nobody else: to a stranger it is not there, and whoever is not signed in has to', async () => {
    const [owner, stranger] = [await world.person(), await world.person()];
    const input = { target: { databaseId: await connected(owner) }, sql: 'SELECT 1' };
    expect((await ask(stranger, input)).fault).toMatchObject({ code: 'NOT_FOUND' });
    expect((await ask(null, input)).fault).toMatchObject({ code: 'UNAUTHENTICATED' });
    const notOne = { target: { databaseId: encodeId('User', owner.userId) }, sql: 'SELECT 1' };
    expect((await ask(owner, notOne)).fault).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('may give credentials of its own', async () => {
    const somebody = await world.person();
    const { plan } = await ask(somebody, { target: { connection: connection() }, sql: 'TABLE item' });
    expect(plan).toMatchObject({ reads: ['public.item'] });
    const wrong = await ask(somebody, { target: { connection: { ...connection(), host: '' } }, sql: 'SELECT 1' });
    expect(wrong.fault).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.target.connection.host' }] },
    });
    const refused = await ask(somebody, {
      target: { connection: { ...connection(), password: 'wrong' } },
      sql: 'SELECT 1',
    });
    expect(refused.fault).toMatchObject({ code: 'CONNECTION_FAILED', details: { reason: 'AUTHENTICATION' } });
    expect(JSON.stringify(refused.fault?.details)).not.toContain('wrong');
  });
});

describe('a hosted database', () => {
  test('is explained as its owner', async () => {
    const owner = await world.person();
    const { id } = await world.databases.createHosted(
      owner,
      { name: 'mine', template: 'empty', projectId: null },
      asked(),
    );
    const databaseId = encodeId('Database', id);
    const sql = 'CREATE TABLE made AS SELECT count(*) FROM pg_catalog.pg_class';
    const { plan, fault } = await ask(owner, { target: { databaseId }, sql, analyze: true });
    expect(fault).toBeUndefined();
    expect(plan).toMatchObject({ writes: ['public.made'], reads: ['pg_catalog.pg_class'] });
  });

  test('that is the sample is only read by its guests', async () => {
    const guest = await world.person();
    world.databases.start();
    const find = async () => (await world.databases.list(guest, { search: 'makeyourspace' })).edges[0]?.node;
    await expect.poll(find, { timeout: 60_000 }).toBeDefined();
    const databaseId = encodeId('Database', (await find())!.id);
    const { plan, fault } = await ask(guest, {
      target: { databaseId },
      sql: 'TABLE pg_catalog.pg_class',
      analyze: true,
    });
    expect(fault).toBeUndefined();
    expect(plan?.text).toContain('actual time');
    const write = { target: { databaseId }, sql: 'CREATE TABLE made AS SELECT 1', analyze: true };
    expect((await ask(guest, write)).fault).toMatchObject({ code: 'READ_ONLY' });
  });
});

describe('what cannot be explained', () => {
  test.each<[string, Partial<ExplainQueryInput>, object]>([
    ['nothing', { sql: ' ' }, { code: 'BAD_USER_INPUT', details: { fields: [{ path: 'input.sql' }] } }],
    ['a comment', { sql: '-- 1' }, { code: 'BAD_USER_INPUT', details: { fields: [{ path: 'input.sql' }] } }],
    ['two statements', { sql: 'SELECT 1; SELECT 2' }, { code: 'BAD_USER_INPUT' }],
    ['a NUL character', { sql: 'SELECT \0' }, { code: 'BAD_USER_INPUT' }],
    ['too much', { sql: `SELECT '${'x'.repeat(65_536)}'` }, { code: 'BAD_USER_INPUT' }],
    ['a NUL in a parameter', { parameters: ['\0'] }, { code: 'BAD_USER_INPUT', details: { fields: [{ path: 'input.parameters' }] } }], // biome-ignore format: a row
    ['COMMIT', { sql: 'COMMIT' }, { code: 'SQL_ERROR', details: { hint: expect.stringContaining('SELECT') } }],
    ['what is no SQL', { sql: 'SELECT 1 +\n+' }, { code: 'SQL_ERROR', details: { sqlState: '42601', line: 2 } }],
    ['a table that is not there', { sql: 'SELECT 1\nFROM nowhere' }, { code: 'SQL_ERROR', details: { sqlState: '42P01', position: 15, line: 2 } }], // biome-ignore format: a row
    ['a parameter too few', { sql: 'SELECT $1::int' }, { code: 'SQL_ERROR', details: { sqlState: '08P01' } }],
    ['a parameter of another type', { sql: 'SELECT $1::int', parameters: ['x'] }, { code: 'SQL_ERROR', details: { sqlState: '22P02' } }], // biome-ignore format: a row
  ])('%s is refused with its reason', async (_, input, fault) => {
    const owner = await world.person();
    const given = { target: { databaseId: await connected(owner) }, sql: 'SELECT 1', ...input };
    expect((await ask(owner, given)).fault).toMatchObject(fault);
  });

  test('in a database that is not reached is CONNECTION_FAILED', async () => {
    const somebody = await world.person();
    const nowhere = { ...connection(), port: 1 };
    expect((await ask(somebody, { target: { connection: nowhere }, sql: 'SELECT 1' })).fault).toMatchObject({
      code: 'CONNECTION_FAILED',
      details: { port: 1, reason: 'TCP' },
    });
  });

  test('in the viewer’s time is TIMEOUT', async () => {
    const owner = await world.person();
    const databaseId = await connected(owner);
    statementTimeoutMs = 300;
    onTestFinished(() => {
      statementTimeoutMs = 50_000;
    });
    const { fault } = await ask(owner, { target: { databaseId }, sql: 'SELECT pg_sleep(600)', analyze: true });
    expect(fault).toMatchObject({ code: 'TIMEOUT', details: { timeoutMs: 300 } });
    await expect.poll(active, { timeout: 20_000 }).toBe(0);
  });

  test('because its session was ended is CONNECTION_FAILED', async () => {
    const owner = await world.person();
    const databaseId = await connected(owner);
    const asking = ask(owner, { target: { databaseId }, sql: 'SELECT pg_sleep(600)', analyze: true });
    await expect.poll(active, { timeout: 20_000 }).toBe(1);
    await target.client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quarry explain' AND datname = current_database()`,
    );
    expect((await asking).fault).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});

/** Explaining now in the target. */
const active = async () =>
  (
    await target.client.query(
      `SELECT FROM pg_stat_activity
        WHERE application_name = 'quarry explain' AND state = 'active' AND datname = current_database()`,
    )
  ).rowCount;

test('one user has so many at once, and keeps nobody else from his', async () => {
  const [busy, other] = [await world.person(), await world.person()];
  const [ofBusy, ofOther] = [await connected(busy), await connected(other)];
  const gone = new AbortController();
  const sleeping = Array.from({ length: explainLimits.parallelOfUser + 3 }, () =>
    ask(busy, { target: { databaseId: ofBusy }, sql: 'SELECT pg_sleep(600)', analyze: true }, gone.signal),
  );
  await expect.poll(active, { timeout: 20_000 }).toBe(explainLimits.parallelOfUser);
  expect((await ask(other, { target: { databaseId: ofOther }, sql: 'SELECT 1' })).plan).toBeDefined();
  expect(await active()).toBe(explainLimits.parallelOfUser);

  gone.abort(new Error('the client is gone'));
  for (const { fault } of await Promise.all(sleeping)) expect(fault?.message).toBe('the client is gone');
  await expect.poll(active, { timeout: 20_000 }).toBe(0);
  expect((await ask(busy, { target: { databaseId: ofBusy }, sql: 'SELECT 1' })).plan).toBeDefined();
});

describe('the time of a statement', () => {
  const impatient = (limits: { timeoutMs?: number; maxWaitMs?: number }) =>
    createExplain({
      databases: world.databases,
      connections: createTypedConnections(world),
      settingsOf: async () => ({ statementTimeoutMs: 86_400_000 }),
      limits,
    });
  const sleeping = (databaseId: string) => ({
    target: { databaseId },
    sql: 'SELECT pg_sleep(600)',
    parameters: null,
    analyze: true,
  });
  const owned = async () => {
    const owner = await world.person();
    const input = { name: 'shop', connection: connection(), projectId: null, readOnly: false };
    return { owner, databaseId: (await world.databases.connect(owner, input, asked())).database.id };
  };

  test('has a ceiling, however long the viewer’s jobs may run', async () => {
    const { owner, databaseId } = await owned();
    const asking = impatient({ timeoutMs: 300 }).explain(owner, sleeping(databaseId), asked());
    await expect(asking).rejects.toMatchObject({ code: 'TIMEOUT', details: { timeoutMs: 300 } });
  });

  test('begins when it does, not in the line', async () => {
    const { owner, databaseId } = await owned();
    let begun = 0;
    const patient = createExplain({
      databases: {
        requireDatabase: world.databases.requireDatabase,
        targetOf: (...given) => {
          begun += 1;
          return world.databases.targetOf(...given);
        },
      },
      connections: createTypedConnections(world),
      settingsOf: async () => ({ statementTimeoutMs: 300 }),
    });
    const all = Array.from({ length: explainLimits.parallelOfUser * 2 }, () =>
      patient.explain(owner, sleeping(databaseId), asked()),
    );
    for (const { status } of await Promise.allSettled(all)) expect(status).toBe('rejected');
    expect(begun).toBe(all.length);
  });

  test('is not that of the line, which has a limit of its own', async () => {
    const { owner, databaseId } = await owned();
    const gone = new AbortController();
    const patient = impatient({ maxWaitMs: 500 });
    const all = Promise.allSettled(
      Array.from({ length: explainLimits.parallelOfUser }, () =>
        patient.explain(owner, sleeping(databaseId), { signal: gone.signal }),
      ),
    );
    await expect.poll(active, { timeout: 20_000 }).toBe(explainLimits.parallelOfUser);
    const next = patient.explain(owner, { ...sleeping(databaseId), sql: 'SELECT 1' }, asked());
    await expect(next).rejects.toMatchObject({ code: 'TIMEOUT', details: { timeoutMs: 500 } });
    gone.abort();
    await all;
  });
});
