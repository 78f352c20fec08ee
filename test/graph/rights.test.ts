/** Nothing is in the schema without a rule: a field or a type that has none stops the start. */
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { expect, test } from 'vitest';
import { assertRights } from '../../src/graph/rights.ts';
import { createSchema } from '../../src/graph/schema.ts';

const ruled = { pothosOptions: { authScopes: { public: true } } };

function schemaOf(field: Record<string, unknown>, type: Record<string, unknown>): GraphQLSchema {
  const thing = new GraphQLObjectType({ name: 'Thing', fields: { a: { type: GraphQLString } }, extensions: type });
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { thing: { type: thing, extensions: field } } }),
  });
}

test('the schema of Quarry is whole', () => {
  expect(() => createSchema()).not.toThrow();
});

test('a root field without a rule is named', () => {
  expect(() => assertRights(schemaOf({}, { pothosOptions: { rights: 'parent' } }))).toThrow('Query.thing');
});

test('a type that does not say whose right it inherits is named', () => {
  expect(() => assertRights(schemaOf(ruled, {}))).toThrow('Thing');
});

test('with both, nothing is open', () => {
  expect(() => assertRights(schemaOf(ruled, { pothosOptions: { rights: 'public' } }))).not.toThrow();
});
