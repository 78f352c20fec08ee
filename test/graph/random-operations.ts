/** Queries and mutations of the whole schema as chance has them, with whatever texts are given; the same at each run. */
import {
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import type { Random } from './random-documents.ts';

const numbers = [0, 1, -1, 5, 500, 2 ** 31 - 1, -(2 ** 31)];

function anyOf(type: GraphQLInputType, random: Random, texts: readonly string[], depth = 0): unknown {
  if (isNonNullType(type)) return anyOf(type.ofType, random, texts, depth);
  if (isListType(type))
    return Array.from({ length: random.below(3) }, () => anyOf(type.ofType, random, texts, depth + 1));
  if (isEnumType(type)) return random.one(type.getValues()).name;
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(
      (field) => isNonNullType(field.type) || (depth < 4 && random.below(2) === 0),
    );
    return Object.fromEntries(fields.map((field) => [field.name, anyOf(field.type, random, texts, depth + 1)]));
  }
  if (type.name === 'Int' || type.name === 'Float') return random.one(numbers);
  if (type.name === 'Boolean') return random.one([true, false]);
  if (type.name === 'File') return null;
  return random.one(texts);
}

/** @param leaveOut fields of the root that are not called */
export function randomOperation(
  schema: GraphQLSchema,
  random: Random,
  { texts, leaveOut }: { texts: readonly string[]; leaveOut: ReadonlySet<string> },
) {
  const [kind, root] = random.one([
    ['query', schema.getQueryType()!],
    ['mutation', schema.getMutationType()!],
    ['mutation', schema.getMutationType()!],
  ] as const);
  const field = random.one(Object.values(root.getFields()).filter(({ name }) => !leaveOut.has(name)));
  const given = field.args.filter((arg) => isNonNullType(arg.type) || random.below(2) === 0);
  const declared = given.map((arg) => `$${arg.name}: ${arg.type}`).join(', ');
  const handed = given.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
  const selection = isLeafType(getNamedType(field.type)) ? '' : '{ __typename }';
  const call = `${field.name}${handed && `(${handed})`} ${selection}`;
  return {
    query: `${kind} ${declared && `(${declared})`} { ${call} }`,
    variables: Object.fromEntries(given.map((arg) => [arg.name, anyOf(arg.type, random, texts)])),
  };
}
