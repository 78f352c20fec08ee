/** The scalars of the contract: what goes over the wire for each, and what is taken. */
import { GraphQLError, Kind, type ValueNode, valueFromASTUntyped } from 'graphql';
import { isDeeperThan, maxJsonDepth, valuesIn } from '../lib/json-depth.ts';
import { builder } from './builder.ts';

const fault = (message: string) => new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } });

const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

function parseInstant(value: unknown): Date {
  const date = typeof value === 'string' && instant.test(value) ? new Date(value) : null;
  if (!date || Number.isNaN(date.getTime()))
    throw fault('DateTime is an ISO 8601 instant such as 2026-01-31T12:00:00.000Z');
  return date;
}

builder.scalarType('DateTime', {
  description: 'ISO 8601 instant in UTC with milliseconds.',
  serialize: (value) => value.toISOString(),
  parseValue: parseInstant,
});

/** Null in what holds no others. */
function nodesIn(node: ValueNode): readonly ValueNode[] | null {
  if (node.kind === Kind.LIST) return node.values;
  return node.kind === Kind.OBJECT ? node.fields.map(({ value }) => value) : null;
}

const tooDeep = () => fault(`JSON is at most ${maxJsonDepth} levels deep`);

builder.scalarType('JSON', {
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => {
    if (isDeeperThan<unknown>(value, maxJsonDepth, valuesIn)) throw tooDeep();
    return value;
  },
  parseLiteral: (node: ValueNode, variables) => {
    if (isDeeperThan(node, maxJsonDepth, nodesIn)) throw tooDeep();
    return valueFromASTUntyped(node, variables);
  },
});

builder.scalarType('File', {
  description: 'A file sent by the GraphQL multipart request specification.',
  parseValue: (value) => {
    if (isFile(value)) return value;
    throw fault('File is a part of a multipart request');
  },
  parseLiteral: () => {
    throw fault('File is a variable of a multipart request');
  },
});

function parseCount(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw fault('BigInt is an integer within ±(2^53 - 1)');
  return value;
}

/** Clients whose own integers are shorter hold such a number as text. */
function parseCountText(text: string): number {
  if (!/^-?\d+$/.test(text)) throw fault('BigInt is an integer, or a string of its digits');
  return parseCount(Number(text));
}

builder.scalarType('BigInt', {
  description:
    'A count or a size: an integer as a JSON number, exact up to 2^53 - 1. Taken as a string of its digits as well.',
  serialize: (value) => parseCount(Number(value)),
  parseValue: (value) => (typeof value === 'string' ? parseCountText(value) : parseCount(value)),
  parseLiteral: (node) => {
    if (node.kind !== Kind.INT && node.kind !== Kind.STRING)
      throw fault('BigInt is an integer, or a string of its digits');
    return parseCountText(node.value);
  },
});

/** Whichever class of the multipart parser's it is of. */
function isFile(value: unknown): value is File {
  const { size, type, stream } = (value ?? {}) as Partial<File>;
  return typeof size === 'number' && typeof type === 'string' && typeof stream === 'function';
}
