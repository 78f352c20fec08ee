/**
 * Whichever way a question comes, its answer is the same: past yoga or through it, by the executor, by a plan or kept,
 * over SSE and over WebSocket. Each is asked often enough to go every way that there is.
 */
import { type DocumentNode, Kind, print, type TypeNode } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSchema } from '../../src/graph/schema.ts';
import { fixture } from '../catalog/target.ts';
import * as generated from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { randomDocument, randomOf, randomVariables } from './random-documents.ts';

const schema = createSchema();
let quarry: Quarry;
let target: TestDatabase;
let account: Account;
let id: string;
let socket: Awaited<ReturnType<typeof openSocket>>;
let operations = 0;

interface Question {
  readonly query: string;
  readonly variables?: Record<string, unknown> | null | undefined;
  readonly operationName?: string | null | undefined;
}

async function done<Data>(query: string, variables: object): Promise<Data> {
  const { data, errors } = await quarry.execute<Data, object>(query, variables, account);
  if (!data || errors) throw new Error(JSON.stringify(errors));
  return data;
}

beforeAll(async () => {
  [quarry, target] = await Promise.all([startQuarry(), createTestDatabase(fixture)]);
  account = await quarry.register();
  const { host, port, user, password, database } = target;
  const { connectDatabase } = await done<{ connectDatabase: { database: { id: string } } }>(
    'mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }',
    { input: { name: 'shop', connection: { engine: 'POSTGRESQL', host, port, user, password, database } } },
  );
  id = connectDatabase.database.id;
  await done('mutation ($input: RefreshCatalogInput!) { refreshCatalog(input: $input) { database { id } } }', {
    input: { databaseId: id },
  });
  socket = await openSocket(quarry.wsUrl);
  await socket.init(account.token);
});

afterAll(async () => {
  socket?.[Symbol.dispose]();
  await quarry?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

async function posted(question: Question, headers: Record<string, string>) {
  const response = await fetch(quarry.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${account.token}`, accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify(question),
  });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

/** Only yoga knows this type of a body. */
const throughYoga = { 'content-type': 'application/json;charset=UTF-8' };
const pastYoga = { 'content-type': 'application/json' };

async function bySse(question: Question): Promise<string> {
  const { text } = await posted(question, { ...throughYoga, accept: 'text/event-stream' });
  return /^event: next\ndata: (.*)$/m.exec(text)?.[1] ?? text;
}

async function bySocket({ query, ...more }: Question): Promise<unknown> {
  operations += 1;
  socket.subscribe(`${operations}`, query, more);
  const { type, payload } = await socket.next();
  if (type === 'next') await socket.next();
  return type === 'error' ? { errors: payload } : payload;
}

async function expectAlike(question: Question): Promise<string> {
  const first = await posted(question, throughYoga);
  const told = JSON.stringify(question);
  for (let turn = 0; turn < 3; turn += 1) expect(await posted(question, pastYoga), told).toEqual(first);
  expect(await posted(question, throughYoga), told).toEqual(first);
  expect(await bySse(question), told).toBe(first.text);
  expect(JSON.stringify(await bySocket(question)), told).toBe(first.text);
  return first.text;
}

test('documents over the catalogue, as chance has them', async () => {
  const random = randomOf(7);
  let answered = 0;
  for (let turn = 0; turn < 60; turn += 1) {
    const query = randomDocument(schema, random);
    const question = { query, variables: { id, ...randomVariables(random) } };
    if (!(await expectAlike(question)).includes('"errors"')) answered += 1;
  }
  expect(answered).toBeGreaterThan(20);
});

const isDocument = (value: unknown): value is DocumentNode => (value as DocumentNode | null)?.kind === Kind.DOCUMENT;

/** Some value of a type; an id is the database's, whatever it is asked for. */
function someOf(type: TypeNode, name: string): unknown {
  if (type.kind === Kind.NON_NULL_TYPE) return someOf(type.type, name);
  if (type.kind === Kind.LIST_TYPE) return [someOf(type.type, name)];
  if (type.name.value === 'ID') return id;
  if (type.name.value === 'Int') return 2;
  if (type.name.value === 'Boolean') return true;
  return 'shop';
}

/** What is another one each time it is asked. */
const moves = /checkedAt|latencyMs|activity|serverTime|uptime/;

const queries = Object.entries(generated).flatMap(([name, document]): [string, DocumentNode][] => {
  if (!isDocument(document)) return [];
  const [operation] = document.definitions;
  const isQuery = operation?.kind === Kind.OPERATION_DEFINITION && operation.operation === 'query';
  return isQuery && !moves.test(print(document)) ? [[name, document]] : [];
});

test.each(queries)('the client’s own %s', async (_name, document) => {
  const [operation] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation');
  const variables = Object.fromEntries(
    (operation.variableDefinitions ?? []).map(({ variable, type }) => [
      variable.name.value,
      someOf(type, variable.name.value),
    ]),
  );
  await expectAlike({ query: print(document), variables });
});

const table = 'database(id: $id) { table(schema: "shop", name: "customers")';

describe('what a question can be beside that', () => {
  test.each<[string, Omit<Question, 'query'> & { query: string }]>([
    ['nothing but its type', { query: '{ __typename again: __typename }' }],
    ['all of it skipped', { query: 'query ($id: ID!) { database(id: $id) @skip(if: true) { name } }' }],
    ['an object of which all is skipped', { query: 'query ($id: ID!) { database(id: $id) { name @skip(if: true) } }' }],
    [
      'a list of objects of which all is skipped',
      { query: `query ($id: ID!) { ${table} { columns { name @include(if: false) } } } }` },
    ],
    [
      'fragments in fragments',
      {
        query: `query ($id: ID!) { ...Q } fragment Q on Query { ${table} { ...T ... on Node { id } } } } fragment T on Table { kind columns { ...C } } fragment C on Column { name ... { dataType } }`,
      },
    ],
    [
      'an interface',
      {
        query:
          'query ($id: ID!) { node(id: $id) { __typename id ... on Database { name tables(first: 1) { nodes { name } } } } }',
      },
    ],
    [
      'several of an interface',
      { query: 'query ($id: ID!) { nodes(ids: [$id, "x", $id]) { id ... on Database { name } } }' },
    ],
    [
      'a condition without a variable',
      { query: 'query ($id: ID!, $c: Boolean!) { database(id: $id) { name @include(if: $c) } }' },
    ],
    [
      'a condition of another type',
      {
        query: 'query ($id: ID!, $c: Boolean!) { database(id: $id) { name @include(if: $c) } }',
        variables: { c: 'yes' },
      },
    ],
    [
      'a condition by default',
      { query: 'query ($id: ID!, $c: Boolean = false) { database(id: $id) { id name @include(if: $c) } }' },
    ],
    [
      'a condition that is null against its default',
      {
        query: 'query ($id: ID!, $c: Boolean = false) { database(id: $id) { id name @include(if: $c) } }',
        variables: { c: null },
      },
    ],
    [
      'an argument that is null against its default',
      {
        query: 'query ($id: ID!, $n: String = "shop") { database(id: $id) { schema(name: $n) { name } } }',
        variables: { n: null },
      },
    ],
    [
      'a variable that is too many',
      { query: 'query ($id: ID!) { database(id: $id) { name } }', variables: { more: 1 } },
    ],
    ['a variable that is missing', { query: 'query ($x: ID!) { database(id: $x) { name } }' }],
    ['a variable that is null', { query: 'query ($x: ID!) { database(id: $x) { name } }', variables: { x: null } }],
    ['an id that is a number', { query: 'query ($x: ID!) { database(id: $x) { name } }', variables: { x: 7 } }],
    [
      'a number that is too large',
      {
        query: 'query ($id: ID!, $n: Int) { database(id: $id) { tables(first: $n) { totalCount } } }',
        variables: { n: 2 ** 40 },
      },
    ],
    [
      'an enum that is none',
      {
        query: 'query ($id: ID!, $k: [TableKind!]) { database(id: $id) { tables(kinds: $k) { totalCount } } }',
        variables: { k: ['NOPE'] },
      },
    ],
    [
      'a null in a list that has none',
      {
        query: 'query ($id: ID!, $k: [TableKind!]) { database(id: $id) { tables(kinds: $k) { totalCount } } }',
        variables: { k: [null] },
      },
    ],
    [
      'one value where there is a list',
      {
        query: 'query ($id: ID!, $k: [TableKind!]) { database(id: $id) { tables(kinds: $k) { totalCount } } }',
        variables: { k: 'VIEW' },
      },
    ],
    [
      'an error beside an answer',
      {
        query:
          'query ($id: ID!) { database(id: $id) { name a: tables(first: 1) { totalCount } b: tables(first: 9999) { totalCount } } }',
      },
    ],
    [
      'an error far inside',
      { query: 'query ($id: ID!) { database(id: $id) { schemas { name tables(after: "x") { nodes { name } } } } }' },
    ],
    ['an unknown field', { query: 'query ($id: ID!) { database(id: $id) { nmae } }' }],
    ['a document that does not parse', { query: 'query ($id: ID!) { database(id: $id) { name }' }],
    [
      'one of several operations',
      {
        query: 'query A($id: ID!) { database(id: $id) { name } } query B($id: ID!) { database(id: $id) { id } }',
        operationName: 'B',
      },
    ],
    [
      'none of several operations',
      { query: 'query A($id: ID!) { database(id: $id) { name } } query B($id: ID!) { database(id: $id) { id } }' },
    ],
    [
      'an operation that is not there',
      { query: 'query A($id: ID!) { database(id: $id) { name } }', operationName: 'C' },
    ],
    ['an operation without a name', { query: 'query ($id: ID!) { database(id: $id) { name } }', operationName: '' }],
    ['no variables', { query: '{ __typename }', variables: null, operationName: null }],
    [
      'too deep',
      {
        query: `query ($id: ID!) { database(id: $id) ${'{ table(name: "t") { database '.repeat(12)} { id } ${'} }'.repeat(12)} }`,
      },
    ],
    [
      'too dear',
      {
        query:
          'query ($id: ID!) { database(id: $id) { tables(first: 500) { nodes { partitions(first: 500) { nodes { columns { name } } } } } } }',
      },
    ],
    [
      'too many aliases',
      { query: `{ ${Array.from({ length: 60 }, (_, place) => `a${place}: __typename`).join(' ')} }` },
    ],
    ['names that objects know', { query: `query ($id: ID!) { constructor: ${table} { toJSON: name then: kind } } }` }],
    [
      'names of values that objects know',
      {
        query:
          'query ($id: ID!) { database(id: $id) { tables(search: "ta.ble") { nodes { columns { name default comment } } } } }',
      },
    ],
    ['introspection', { query: '{ __schema { queryType { name fields { name } } } }' }],
  ])('%s', async (_what, { query, variables, ...more }) => {
    await expectAlike({ query, ...more, variables: variables === null ? null : { id, ...variables } });
  });
});
