import { Writable } from 'node:stream';
import { type ExecutionResult, type GraphQLSchema, graphql } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createAuditLog } from '../../src/audit/audit-log.ts';
import type { Context } from '../../src/graph/context.ts';
import { createSchema } from '../../src/graph/schema.ts';
import { encodeId, uuidOf } from '../../src/lib/ids.ts';
import { createProjects } from '../../src/projects/projects.ts';
import type { Services } from '../../src/services.ts';
import { silent } from '../support/metadata.ts';
import { asked, createWorld, testConnection, type World } from './world.ts';

let world: World;
let schema: GraphQLSchema;
/** All that was logged, and all that was answered. */
const said: string[] = [];
const log = pino(
  { level: 'trace' },
  new Writable({
    write(line, _encoding, done) {
      said.push(String(line));
      done();
    },
  }),
);

beforeAll(async () => {
  world = await createWorld({ log });
  schema = createSchema();
});
afterAll(() => world[Symbol.asyncDispose]());

interface Data {
  connectDatabase: { database: { id: string }; report: unknown };
  updateDatabase: { database: unknown };
  disconnectDatabase: unknown;
  testConnection: unknown;
  database: { owner: { id: string } };
}

type Answer = { data: Data; code: string | undefined; errors: ExecutionResult['errors'] };

async function ask(
  viewer: Viewer | null,
  source: string,
  variableValues: Record<string, unknown> = {},
): Promise<Answer> {
  const { databases, engines, prisma, pool, projects: access } = world;
  const auditLog = createAuditLog({ ...world, log: silent });
  const settings = { requireVerifiedEmail: false };
  const projects = createProjects({ pool, prisma, access, onRightsLost: async () => undefined, settings });
  const contextValue = {
    viewer,
    services: { databases, engines, prisma, access, projects, auditLog } as unknown as Services,
    ...asked(),
    requestId: 'test',
    authorization: null,
    lifetime: null,
  } satisfies Context;
  const { data, errors } = await graphql({ schema, source, variableValues, contextValue });
  said.push(JSON.stringify({ data, errors }));
  const [first] = errors ?? [];
  const cause = first?.originalError as { code?: string; details?: unknown } | undefined;
  said.push(JSON.stringify(cause?.details ?? null));
  return { data: data as unknown as Data, code: cause?.code, errors };
}

const everything = `
  id name engine { name displayName } capabilities serverVersion viewerRole hosted readOnly createdAt
  connection { host port database user ssl } owner { id email } project { id name }
  health { ok checkedAt serverVersion latencyMs capabilities problems { code message hint } }`;

const connectDatabase = `mutation ($input: ConnectDatabaseInput!) {
  connectDatabase(input: $input) { database { ${everything} } report { ok problems { code message hint } } } }`;
const updateDatabase = `mutation ($input: UpdateDatabaseInput!) { updateDatabase(input: $input) { database { ${everything} } } }`;
const disconnectDatabase = `mutation ($input: DisconnectDatabaseInput!) {
  disconnectDatabase(input: $input) { deletedDatabaseId } }`;

test('a database is connected, found, listed, changed and let go through the graph', async () => {
  const viewer = await world.person();
  const projectId = await world.project({ owner: viewer });
  const project = encodeId('Project', projectId);
  const input = { name: 'shop', connection: testConnection(), projectId: project, readOnly: true };
  const { data, errors } = await ask(viewer, connectDatabase, { input });
  expect(errors).toBeUndefined();
  const { database, report } = data.connectDatabase;
  const { password: _, ...address } = testConnection();
  expect(report).toMatchObject({ ok: true });
  expect(database).toMatchObject({
    name: 'shop',
    engine: { name: 'POSTGRESQL', displayName: 'PostgreSQL' },
    connection: address,
    viewerRole: 'OWNER',
    hosted: false,
    readOnly: true,
    owner: { id: encodeId('User', viewer.userId) },
    project: { id: project },
    health: { ok: true },
  });
  const { id } = database;
  expect(uuidOf('Database', id)).not.toBeNull();

  const found = await ask(
    viewer,
    `query ($id: ID!, $project: ID!) {
      database(id: $id) { name }
      node(id: $id) { __typename ... on Database { name } }
      databases(projectId: $project, search: "SHO") { totalCount nodes { id } edges { cursor } pageInfo { hasNextPage } }
      project: node(id: $project) { ... on Project { databases(first: 1) { totalCount nodes { id } } } }
    }`,
    { id, project },
  );
  expect(found.errors).toBeUndefined();
  expect(found.data).toMatchObject({
    database: { name: 'shop' },
    node: { __typename: 'Database', name: 'shop' },
    databases: { totalCount: 1, nodes: [{ id }], pageInfo: { hasNextPage: false } },
    project: { databases: { totalCount: 1, nodes: [{ id }] } },
  });

  const renamed = await ask(viewer, updateDatabase, { input: { id, name: 'store', projectId: null } });
  expect(renamed.data.updateDatabase.database).toMatchObject({ name: 'store', project: null, readOnly: true });
  expect((await ask(viewer, disconnectDatabase, { input: { id } })).data.disconnectDatabase).toEqual({
    deletedDatabaseId: id,
  });
  const gone = await ask(viewer, 'query ($id: ID!) { database(id: $id) { id } node(id: $id) { id } }', { id });
  expect(gone).toMatchObject({ data: { database: null, node: null }, errors: undefined });
});

test('what others may not see is null in a query, NOT_FOUND in a mutation and missing in lists', async () => {
  const [owner, stranger] = [await world.person(), await world.person()];
  const input = { name: 'secret', connection: testConnection() };
  const { id } = (await ask(owner, connectDatabase, { input })).data.connectDatabase.database;
  for (const each of [id, encodeId('Database', 'x'), encodeId('User', owner.userId), 'nonsense']) {
    const query = `query ($id: ID!) { database(id: $id) { id } databases(projectId: $id) { totalCount } }`;
    const { data, errors } = await ask(stranger, query, { id: each });
    expect(errors).toBeUndefined();
    expect(data).toEqual({ database: null, databases: { totalCount: 0 } });
    expect((await ask(stranger, updateDatabase, { input: { id: each, name: 'x' } })).code).toBe('NOT_FOUND');
    expect((await ask(stranger, disconnectDatabase, { input: { id: each } })).code).toBe('NOT_FOUND');
    expect((await ask(stranger, connectDatabase, { input: { ...input, projectId: each } })).code).toBe('NOT_FOUND');
  }
  for (const [source, variables] of [
    ['{ databases { totalCount } }', {}],
    ['query ($id: ID!) { database(id: $id) { id } }', { id }],
    [connectDatabase, { input }],
    [disconnectDatabase, { input: { id } }],
  ] as const) {
    expect((await ask(null, source, variables)).code).toBe('UNAUTHENTICATED');
  }
});

test('a member sees a shared database without where it leads', async () => {
  const [owner, viewer] = [await world.person(), await world.person()];
  const projectId = encodeId('Project', await world.project({ owner, viewer }));
  const input = { name: 'shared', connection: testConnection(), projectId };
  const { id } = (await ask(owner, connectDatabase, { input })).data.connectDatabase.database;
  const { data, errors } = await ask(viewer, `query ($id: ID!) { database(id: $id) { ${everything} } }`, { id });
  expect(errors).toBeUndefined();
  expect(data.database).toMatchObject({ viewerRole: 'VIEWER', connection: null, project: { id: projectId } });
  expect(data.database.owner.id).toBe(encodeId('User', owner.userId));
});

test('a failing connection says its stage in the error, and in the report where only a test was asked for', async () => {
  const viewer = await world.person();
  const connection = { ...testConnection(), database: 'no_such' };
  const { code, errors } = await ask(viewer, connectDatabase, { input: { name: 'x', connection } });
  expect(code).toBe('CONNECTION_FAILED');
  expect(errors?.[0]?.originalError).toMatchObject({ details: { reason: 'DATABASE', host: '127.0.0.1' } });
  const source = `mutation ($input: TestConnectionInput!) { testConnection(input: $input) { report { ok problems { code hint } } } }`;
  const { data } = await ask(viewer, source, { input: { connection } });
  expect(data.testConnection).toMatchObject({ report: { ok: false, problems: [{ code: 'DATABASE' }] } });
});

test('of 40 passwords none comes back, in no answer, no error, no log line and no row', async () => {
  const viewer = await world.person();
  const { host, port } = testConnection();
  const canaries = Array.from({ length: 40 }, (_, i) => `canary-${i}-secret`);
  const role = (i: number) => `canary_${world.metadata.database.database}_${i}`;
  const { client } = world.metadata.database;
  for (const [i, canary] of canaries.entries()) await client.query(`CREATE ROLE ${role(i)} LOGIN PASSWORD '${canary}'`);
  try {
    const ids: string[] = [];
    for (const [i, password] of canaries.entries()) {
      const parts = { host, port, user: role(i), password, database: 'template1', ssl: 'DISABLE' };
      const url = `postgresql://${role(i)}:${password}@${host}:${port}/template1?sslmode=disable`;
      const connection = i % 2 === 0 ? parts : { url };
      const { data, errors } = await ask(viewer, connectDatabase, { input: { name: `n${i}`, connection } });
      expect(errors).toBeUndefined();
      const { id } = data.connectDatabase.database;
      ids.push(id);
      await ask(viewer, updateDatabase, { input: { id, connection: { ssl: 'PREFER', password } } });
      for (const wrong of [{ database: 'no_such' }, { host: `https://u:${password}@h` }, { ssl: 'REQUIRE' }]) {
        await ask(viewer, updateDatabase, { input: { id, connection: { ...wrong, password } } });
      }
      await ask(viewer, connectDatabase, { input: { name: '', connection } });
      await ask(viewer, connectDatabase, { input: { name: 'x', connection: { url: `${url}&host=${password}` } } });
    }
    await world.pool.query(`UPDATE databases SET host = 'localhost' WHERE name = 'n1'`);
    await ask(viewer, `{ databases(first: 100) { nodes { ${everything} } } }`);
    await ask(viewer, `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Database { ${everything} } } }`, { ids });
    for (const id of ids) await ask(viewer, disconnectDatabase, { input: { id, drop: true } });
    const rows = await world.rows(
      'SELECT d::text AS text FROM databases d UNION ALL SELECT a::text FROM audit_entries a',
    );
    const all = [...said, JSON.stringify(rows)].join('\n');
    expect(rows.length).toBeGreaterThan(80);
    expect(canaries.filter((canary) => all.includes(canary))).toEqual([]);
    expect(all).not.toContain('sealed');
  } finally {
    for (const i of canaries.keys()) await client.query(`DROP ROLE ${role(i)}`);
  }
});
