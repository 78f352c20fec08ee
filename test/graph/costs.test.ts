/** What an operation costs is the same however often it came before, and is charged once. */
import { type DocumentNode, parse } from 'graphql';
import { expect, test } from 'vitest';
import type { Context } from '../../src/graph/context.ts';
import { createCostOf } from '../../src/graph/costs.ts';
import { createLimits, documentLimits } from '../../src/graph/limits.ts';
import { createSchema } from '../../src/graph/schema.ts';

const schema = createSchema();
const deps = { limits: documentLimits, suggestions: true, charge: async () => undefined };
const two = parse(`
  query A($id: ID!, $first: Int = 7, $search: String) {
    database(id: $id) { tables(first: $first, search: $search) { nodes { columns { name } } } }
  }
  query B($ids: [ID!]!, $last: Int) { nodes(ids: $ids) { ... on Database { tables(last: $last) { nodes { name } } } } }`);

const asked: [document: DocumentNode, operationName: string | null, variables: Record<string, unknown>][] = [
  [two, 'A', { id: 'x' }],
  [two, 'A', { id: 'x', first: null }],
  [two, 'A', { id: 'y', first: 3 }],
  [two, 'A', { id: 'y', first: 500, search: 'x' }],
  [two, 'A', { id: 'y', first: '500' }],
  [two, 'A', { first: 3 }],
  [two, 'B', { ids: ['a'], last: 3 }],
  [two, 'B', { ids: ['a', 'b'], last: 3 }],
  [two, 'B', { ids: ['a'], last: null, first: 4 }],
  [two, 'C', {}],
];

test('it is as of a document that never came, whatever was asked with it before', () => {
  const costOf = createCostOf();
  for (let round = 0; round < 3; round += 1) {
    for (const [document, operationName, variableValues] of asked) {
      const operation = { schema, document, operationName, variableValues };
      // A number for a text is found when it is executed, and so is what is missing: that was never charged.
      const anew = createCostOf()(operation);
      if (anew !== null) expect(costOf(operation)).toBe(anew);
    }
  }
  expect(costOf({ schema, document: two, operationName: 'C', variableValues: {} })).toBeNull();
  const costs = asked.map(([document, operationName, variableValues]) =>
    createCostOf()({ schema, document, operationName, variableValues }),
  );
  expect(new Set(costs).size).toBeGreaterThan(5);
});

test('it is charged once in a context, and what refuses it refuses it again', async () => {
  const charged: number[] = [];
  const operation = { schema, document: two, operationName: 'A', variableValues: { id: 'x' } };
  const free = createLimits({
    ...deps,
    charge: async (_context, cost) => void charged.push(cost),
  });
  const contextValue = {} as Context;
  for (let times = 0; times < 3; times += 1) expect(await free.check({ ...operation, contextValue })).toBeNull();
  expect(charged).toHaveLength(1);
  expect(await free.check({ ...operation, contextValue: {} })).toBeNull();
  expect(charged).toEqual([charged[0], charged[0]]);
  const strict = createLimits({ ...deps, limits: { ...documentLimits, cost: 1 } });
  for (let times = 0; times < 2; times += 1)
    expect(await strict.check({ ...operation, contextValue })).toMatchObject({
      extensions: { code: 'LIMIT_EXCEEDED' },
    });
});
