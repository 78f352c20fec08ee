/** Plans answer as the executor does, byte for byte, or leave the answer to it. */

import { execute, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createCatalogService } from '../../src/catalog/catalog.ts';
import type { Snapshots } from '../../src/catalog/snapshots/snapshots.ts';
import type { Database } from '../../src/databases/databases.ts';
import type { Context } from '../../src/graph/context.ts';
import { type Plan, planOf } from '../../src/graph/plan.ts';
import { createSchema } from '../../src/graph/schema.ts';
import { encodeId } from '../../src/lib/ids.ts';
import type { Services } from '../../src/services.ts';
import { fixture } from '../catalog/target.ts';
import { snapshotsIn } from '../catalog/ways.ts';
import { asked, createWorld, testConnection, type World } from '../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { randomDocument, randomOf, randomVariables } from './random-documents.ts';

const schema = createSchema();

let world: World;
let snapshots: Snapshots<Database>;
let services: Services;
let viewer: Viewer;
let shop: TestDatabase;
let id: string;

beforeAll(async () => {
  world = await createWorld();
  snapshots = snapshotsIn(world);
  const catalog = createCatalogService({ databases: world.databases, snapshots });
  services = { prisma: world.prisma, engines: world.engines, databases: world.databases, catalog } as Services;
  viewer = await world.person();
  shop = await createTestDatabase(fixture);
  const { database } = await world.databases.connect(
    viewer,
    {
      name: 'shop',
      connection: { ...testConnection(), database: shop.database },
      projectId: null,
      readOnly: false,
    },
    asked(),
  );
  await snapshots.refresh(database, { signal: new AbortController().signal });
  id = encodeId('Database', database.id);
});

afterAll(async () => {
  await snapshots.stop();
  await world[Symbol.asyncDispose]();
  await shop[Symbol.asyncDispose]();
});

const contextOf = (as: Viewer | null): Context => ({
  viewer: as,
  services,
  caller: { ipAddress: null, userAgent: null },
  requestId: 'test',
  signal: new AbortController().signal,
  authorization: null,
  lifetime: null,
});

function planned(source: string): Plan | null {
  const document = parse(source);
  expect(validate(schema, document)).toEqual([]);
  const [operation] = document.definitions;
  return operation?.kind === 'OperationDefinition' ? planOf({ schema, document, operation }) : null;
}

const text = (value: unknown) => JSON.stringify(value);

async function bothWays(source: string, variables: Record<string, unknown> = {}, as: Viewer | null = viewer) {
  const variableValues = { id, ...variables };
  const plan = planned(source);
  const byPlan = (await plan?.run({ contextValue: contextOf(as), variableValues })) ?? null;
  const byExecutor = await execute({ schema, document: parse(source), contextValue: contextOf(as), variableValues });
  return { plan, byPlan, byExecutor };
}

test('any document over the catalogue is answered as by the executor', async () => {
  const random = randomOf(1);
  const seen = { answered: 0, refused: 0 };
  for (let turn = 0; turn < 400; turn += 1) {
    const source = randomDocument(schema, random);
    const document = parse(source);
    const faults = validate(schema, document);
    // The same name may come with other conditions or nullability: then it is no document.
    if (faults.length > 0) continue;
    const [operation] = document.definitions;
    const plan = operation?.kind === 'OperationDefinition' ? planOf({ schema, document, operation }) : null;
    expect(plan, source).not.toBeNull();
    const variableValues = { id, ...randomVariables(random) };
    const byExecutor = await execute({ schema, document, contextValue: contextOf(viewer), variableValues });
    const byPlan = await plan!.run({ contextValue: contextOf(viewer), variableValues });
    if (byExecutor.errors) expect(byPlan, source).toBeNull();
    else expect(byPlan, source).toBe(text(byExecutor.data));
    seen[byPlan ? 'answered' : 'refused'] += 1;
  }
  expect(seen.answered).toBeGreaterThan(100);
  expect(seen.refused).toBeGreaterThan(10);
});

test('a fragment that is spread twice, and fields that are asked in pieces, come once and in the order of their first mention', async () => {
  const source = `query ($id: ID!) { database(id: $id) { table(schema: "shop", name: "customers") { ...T kind ...T columns { nullable } } } }
    fragment T on Table { columns { name } ...N } fragment N on Node { id }`;
  const { byPlan, byExecutor } = await bothWays(source);
  expect(byPlan).toBe(text(byExecutor.data));
  expect(byPlan).toContain('"columns":[{"name":"region","nullable":false}');
});

describe('what is not an answer without a fault is left to the executor', () => {
  test.each([
    [
      'a variable that is missing',
      'query ($id: ID!, $name: String!) { database(id: $id) { schema(name: $name) { name } } }',
      {},
    ],
    [
      'a variable of another type',
      'query ($id: ID!, $n: Int) { database(id: $id) { tables(first: $n) { totalCount } } }',
      { n: 'x' },
    ],
    ['a page that is too large', 'query ($id: ID!) { database(id: $id) { tables(first: 501) { totalCount } } }', {}],
    [
      'a cursor of nothing',
      'query ($id: ID!) { a: database(id: $id) { tables(after: "x") { nodes { name } } } database(id: $id) { name } }',
      {},
    ],
  ])('%s', async (_what, source, variables) => {
    const { plan, byPlan, byExecutor } = await bothWays(source, variables);
    expect(plan).not.toBeNull();
    expect(byPlan).toBeNull();
    expect(byExecutor.errors?.length).toBe(1);
  });

  test('a caller who is not signed in', async () => {
    const { byPlan, byExecutor } = await bothWays('query ($id: ID!) { database(id: $id) { name } }', {}, null);
    expect(byPlan).toBeNull();
    expect(byExecutor.errors?.[0]?.message).toBe('Sign in first');
  });

  test('and then whoever knows why may ask again in the same context without a second read', async () => {
    const source =
      'query ($id: ID!) { database(id: $id) { tables(first: 1) { nodes { name } } table(name: "x") { columns { name } } } }';
    const { byPlan, byExecutor } = await bothWays(source);
    expect(byPlan).toBe(text(byExecutor.data));
  });
});

test.each([
  ['a mutation', 'mutation { logout { ok } }'],
  ['a field that declares nothing', 'query ($id: ID!) { database(id: $id) { name viewerRole } }'],
  ['a field that leads to what declares nothing', 'query ($id: ID!) { database(id: $id) { owner { name } } }'],
  ['an interface', 'query ($id: ID!) { node(id: $id) { id } }'],
  ['introspection', '{ __schema { queryType { name } } }'],
  ['a name that objects know', 'query ($id: ID!) { database(id: $id) { __proto__: name } }'],
])('%s has no plan', (_what, source) => {
  expect(planned(source)).toBeNull();
});

test('what is read anew each time is no answer to keep', () => {
  const table = (fields: string) => `query ($id: ID!) { database(id: $id) { table(name: "t") { ${fields} } } }`;
  expect(planned(table('name columns { name }'))?.kept).toBe(true);
  expect(planned(table('name estimatedRows'))?.kept).toBe(false);
  expect(planned(table('columns { statistics { nullFraction } }'))?.kept).toBe(false);
  expect(planned(table('indexes { name scans }'))?.kept).toBe(false);
});
