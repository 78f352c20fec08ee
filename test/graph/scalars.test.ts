/** What the scalars take, in a document and in variables. */
import { type GraphQLScalarType, parseValue } from 'graphql';
import { expect, test } from 'vitest';
import { createSchema } from '../../src/graph/schema.ts';

const bigInt = createSchema().getType('BigInt') as GraphQLScalarType<number, number>;

/** [as a literal, as a variable] */
const taken = (value: number | string): [number, number] => [
  bigInt.parseLiteral(parseValue(JSON.stringify(value))),
  bigInt.parseValue(value),
];

test.each([0, 5, -5, 9_007_199_254_740_991, -9_007_199_254_740_991])('BigInt takes %d, and its digits as text', (n) => {
  expect([...taken(n), ...taken(String(n))]).toEqual([n, n, n, n]);
});

test('BigInt takes digits with zeros in front', () => expect(taken('007')).toEqual([7, 7]));

test.each([
  '',
  ' 5',
  '5 ',
  '+5',
  '5.0',
  '1e3',
  '0x10',
  '٥',
  '--5',
  '1_000',
  'NaN',
  '9007199254740992',
  '-9007199254740992',
  '9'.repeat(100_000),
  1.5,
  1e300,
  9_007_199_254_740_992,
])('BigInt refuses %j', (value) => {
  expect(() => bigInt.parseLiteral(parseValue(JSON.stringify(value)))).toThrow(/BigInt is/);
  expect(() => bigInt.parseValue(value)).toThrow(/BigInt is/);
});

test.each(['true', 'null', '[5]', '{a: 5}', 'FIVE'])('BigInt refuses the literal %s', (literal) => {
  expect(() => bigInt.parseLiteral(parseValue(literal))).toThrow(/BigInt is/);
});

test.each([true, null, [5], { a: 5 }, 5n])('BigInt refuses the variable %o', (value) => {
  expect(() => bigInt.parseValue(value)).toThrow(/BigInt is/);
});
