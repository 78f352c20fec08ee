/** The search as clients meet it: over HTTP, from a database that is made there to what it leads to. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAnalyst } from '../../acceptance/support.ts';
import { type Account, type Quarry, startQuarry } from '../../support/server.ts';

const fixture = `
  COMMENT ON SCHEMA public IS 'All about walruses';
  CREATE TYPE walrus_mood AS ENUM ('calm', 'loud');
  CREATE TABLE walrus_herds (id int PRIMARY KEY);
  CREATE TABLE walrus (walrus_id int PRIMARY KEY, herd int CONSTRAINT walrus_herd REFERENCES walrus_herds, weight_kg int);
  CREATE INDEX walrus_by_weight ON walrus (weight_kg);
  CREATE VIEW walruses AS SELECT * FROM walrus;
  COMMENT ON COLUMN walrus.weight_kg IS 'Before breakfast';
  CREATE SEQUENCE walrus_numbers;
  CREATE FUNCTION walrus_count(at_least int) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
`;

const search = `query ($text: String!, $kinds: [CatalogKind!], $databaseIds: [ID!], $first: Int, $after: String) {
  search(text: $text, kinds: $kinds, databaseIds: $databaseIds, first: $first, after: $after) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { cursor node { kind } }
    nodes { kind score name path comment database { id name } node {
      __typename id
      ... on Table { name columns { name } }
      ... on Column { name dataType table { name } }
      ... on Function { name arguments { name } }
      ... on Index { name } ... on ForeignKey { key: name } ... on EnumType { values } ... on Schema { name }
      ... on Database { name }
    } }
  }
}`;

interface Hit {
  kind: string;
  score: number;
  name: string;
  path: string;
  comment: string | null;
  database: { id: string };
  node: Record<string, unknown> | null;
}
interface Answer {
  search: {
    totalCount: number;
    pageInfo: { hasNextPage: boolean; endCursor: string };
    edges: { cursor: string }[];
    nodes: Hit[];
  };
}

let quarry: Quarry;
let account: Account;
let databaseId: string;
let analyst: ReturnType<typeof createAnalyst>;

const ask = (variables: Record<string, unknown>, who: object = account) =>
  quarry.execute<Answer, Record<string, unknown>>(search, variables, who);

async function hits(variables: Record<string, unknown>): Promise<Hit[]> {
  const { data, errors } = await ask(variables);
  expect(errors).toBeUndefined();
  return data!.search.nodes;
}

const refresh = () =>
  quarry.execute(
    'mutation ($id: ID!) { refreshCatalog(input: { databaseId: $id }) { database { id } } }',
    { id: databaseId },
    account,
  );

beforeAll(async () => {
  quarry = await startQuarry();
  account = await quarry.register();
  analyst = createAnalyst({ quarry, account });
  databaseId = await analyst.host('Ice shelf');
  await analyst.rows(databaseId, fixture);
  const { errors } = await refresh();
  expect(errors).toBeUndefined();
});
afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
});

describe('a hit', () => {
  test.each<[string, string, string, Record<string, unknown> | null]>([
    ['Ice shelf', 'DATABASE', 'Ice shelf', { __typename: 'Database', name: 'Ice shelf' }],
    ['public', 'SCHEMA', 'Ice shelf.public', { __typename: 'Schema', name: 'public' }],
    ['walrus', 'TABLE', 'Ice shelf.public.walrus', { __typename: 'Table', name: 'walrus' }],
    ['walruses', 'TABLE', 'Ice shelf.public.walruses', { __typename: 'Table', name: 'walruses' }],
    [
      'weight_kg',
      'COLUMN',
      'Ice shelf.public.walrus.weight_kg',
      { __typename: 'Column', name: 'weight_kg', table: { name: 'walrus' } },
    ],
    [
      'walrusCount',
      'FUNCTION',
      'Ice shelf.public.walrus_count',
      { __typename: 'Function', arguments: [{ name: 'at_least' }] },
    ],
    ['walrus mood', 'ENUM', 'Ice shelf.public.walrus_mood', { __typename: 'EnumType', values: ['calm', 'loud'] }],
    [
      'walrus by weight',
      'INDEX',
      'Ice shelf.public.walrus.walrus_by_weight',
      { __typename: 'Index', name: 'walrus_by_weight' },
    ],
    [
      'walrus herd',
      'FOREIGN_KEY',
      'Ice shelf.public.walrus.walrus_herd',
      { __typename: 'ForeignKey', key: 'walrus_herd' },
    ],
    ['walrus_numbers', 'SEQUENCE', 'Ice shelf.public.walrus_numbers', null],
  ])('%s leads to the %s', async (text, kind, path, node) => {
    const [first] = await hits({ text, databaseIds: [databaseId] });
    expect(first).toMatchObject({ kind, path, database: { id: databaseId }, node });
    expect(first!.score).toBeGreaterThanOrEqual(0.8);
  });

  test('is found by its comment, which it shows', async () => {
    const [first] = await hits({ text: 'breakfast' });
    expect(first).toMatchObject({ name: 'weight_kg', comment: 'Before breakfast' });
    expect(first!.score).toBeLessThan(0.2);
  });

  test('whose object is gone since has no node', async () => {
    await analyst.rows(databaseId, 'CREATE TABLE walrus_gone (id int)');
    await refresh();
    await analyst.rows(databaseId, 'DROP TABLE walrus_gone');
    const found = await hits({ text: 'walrus_gone', kinds: ['TABLE'] });
    expect(found).toMatchObject([{ name: 'walrus_gone', node: null }]);
    await refresh();
    expect(await hits({ text: 'walrus_gone', kinds: ['TABLE'] })).toEqual([]);
  });
});

test('pages come one behind the other', async () => {
  const whole = await hits({ text: 'walrus' });
  const { data } = await ask({ text: 'walrus', first: 2 });
  expect(data!.search).toMatchObject({ totalCount: whole.length, pageInfo: { hasNextPage: true } });
  const rest = await hits({ text: 'walrus', after: data!.search.pageInfo.endCursor });
  expect([...data!.search.nodes, ...rest]).toEqual(whole);
  expect(data!.search.edges).toHaveLength(2);
});

describe('what is wrong is said with its code', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['a blank text', { text: ' ' }, 'BAD_USER_INPUT'],
    ['a long text', { text: 'x'.repeat(201) }, 'BAD_USER_INPUT'],
    ['a page that is too long', { text: 'x', first: 501 }, 'BAD_USER_INPUT'],
    ['a cursor of another list', { text: 'x', after: 'eA' }, 'BAD_USER_INPUT'],
    ['an id that is none', { text: 'x', databaseIds: ['x'] }, 'NOT_FOUND'],
    ['an unknown kind', { text: 'x', kinds: ['VIEW'] }, 'BAD_USER_INPUT'],
  ])('%s: %j is %s', async (_what, variables, code) => {
    expect((await ask(variables)).code).toBe(code);
  });

  test('whoever is not signed in must sign in', async () => {
    expect((await ask({ text: 'walrus' }, {})).code).toBe('UNAUTHENTICATED');
  });
});
