/** No list that may be given as a variable has no end, wherever in the graph it is. */
import {
  type GraphQLInputType,
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { createSchema } from '../../src/graph/schema.ts';
import { createVariablesFault, variableLimits } from '../../src/graph/variables.ts';

const schema = createSchema();
const faultOf = createVariablesFault({ suggestions: true });

const isList = (type: GraphQLInputType): boolean => isListType(type) || (isNonNullType(type) && isList(type.ofType));

/** A variable of the type with so many items in it, and how it is written. */
interface Given {
  readonly where: string;
  readonly type: string;
  of(items: unknown[]): unknown;
  readonly item: GraphQLInputType;
}

const lists: Given[] = Object.values(schema.getTypeMap()).flatMap((type): Given[] => {
  if (type.name.startsWith('__')) return [];
  if (isInputObjectType(type))
    return Object.values(type.getFields())
      .filter((field) => isList(field.type))
      .map(({ name, type: item }) => ({
        where: `${type.name}.${name}`,
        type: type.name,
        of: (items: unknown[]) => ({ [name]: items }),
        item,
      }));
  if (!isObjectType(type)) return [];
  return Object.values(type.getFields()).flatMap((field) =>
    field.args
      .filter((arg) => isList(arg.type))
      .map((arg) => ({
        where: `${type.name}.${field.name}(${arg.name})`,
        type: String(arg.type),
        of: (items: unknown[]) => items,
        item: arg.type,
      })),
  );
});

const faultIn = (type: string, x: unknown) =>
  faultOf({ schema, document: parse(`query ($x: ${type}) { __typename }`), variableValues: { x } });

describe('a list beyond its limit is refused before its items are looked at:', () => {
  test.each(lists)('$where', ({ type, of, item }) => {
    const limit = getNamedType(item).name === 'JSON' ? variableLimits.values : variableLimits.items;
    const extensions = { code: 'LIMIT_EXCEEDED', details: { limit, actual: limit + 1 } };
    expect(faultIn(type, of(Array(limit + 1).fill(0)))).toMatchObject({ extensions });
    expect(faultIn(type, of(Array(limit).fill(0)))?.extensions.code).not.toBe('LIMIT_EXCEEDED');
  });

  test('there are some', () => expect(lists.length).toBeGreaterThan(20));
});

test('objects within each other have an end, and so has JSON', () => {
  let filter: object = { isNull: true };
  for (let level = 0; level < variableLimits.depth + 1; level += 1) filter = { not: filter };
  expect(faultIn('RowFilter', filter)).toMatchObject({ extensions: { code: 'LIMIT_EXCEEDED' } });
  let json: unknown = [];
  for (let level = 0; level < 100; level += 1) json = [json];
  expect(faultIn('JSON', json)).toMatchObject({
    message: 'Variable "$x" got an invalid value; JSON is at most 100 levels deep',
    extensions: { code: 'BAD_USER_INPUT' },
  });
  expect(faultIn('JSON', (json as unknown[])[0])).toBeNull();
});

test('what fits, and what is missing or null, is no fault here', () => {
  const document = parse('query ($a: [ID!]!, $b: RowFilter, $c: Int!) { __typename }');
  const variableValues = { a: 'one', b: { column: 'x', eq: { y: [1] } }, d: 1 };
  expect(faultOf({ schema, document, variableValues })).toBeNull();
  expect(faultOf({ schema, document, variableValues: { a: null, b: null, c: null } })).toBeNull();
});
