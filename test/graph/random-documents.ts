/** Documents over the catalogue as chance has it, the same ones at each run: for ways that have to answer alike. */
import {
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { answersOf } from '../../src/graph/answers.ts';

/** Arguments for whoever has them; a few of them wrong. */
const argumentsOf: Record<string, string[]> = {
  first: ['0', '2', '500', '-1', '$size'],
  last: ['1', 'null'],
  after: ['null', '"bm8"', '$after'],
  search: ['""', '"c"', '"Ü"', '$search'],
  kinds: ['[TABLE]', '[VIEW, TABLE]', '$kinds', '[$kind]'],
  includeSystem: ['$yes', 'false', 'null'],
  name: ['"shop"', '"customers"', '"nowhere"', '$name'],
  schema: ['"shop"', 'null', '$schema'],
};
const declared: Readonly<Record<string, string>> = {
  yes: 'Boolean = true',
  no: 'Boolean!',
  size: 'Int',
  search: 'String',
  name: 'String = "customers"',
  schema: 'String',
  kinds: '[TableKind!]',
  kind: 'TableKind = VIEW',
  after: 'String',
};
const conditions = [
  '',
  '',
  '',
  '@include(if: $yes)',
  '@skip(if: $no)',
  '@include(if: $no)',
  '@skip(if: true) @include(if: $yes)',
];

/** The same documents at each run (mulberry32). */
export function randomOf(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (limit: number) => Math.floor(next() * limit),
    one: <Item>(items: readonly Item[]): Item => items[Math.floor(next() * items.length)]!,
  };
}

export type Random = ReturnType<typeof randomOf>;

function fieldText(random: Random, type: GraphQLObjectType, depth: number): string {
  const fields = Object.values(type.getFields()).filter(
    (field) => answersOf(type, field) && (isLeafType(getNamedType(field.type)) || depth > 0),
  );
  const field = random.one(fields);
  const named = getNamedType(field.type);
  const given = field.args.flatMap((arg) => {
    const required = isNonNullType(arg.type);
    if (!required && random.below(2) === 0) return [];
    const values = (argumentsOf[arg.name] ?? ['null']).filter((value) => !required || value !== 'null');
    return `${arg.name}: ${random.one(values)}`;
  });
  const list = given.length === 0 ? '' : `(${given.join(', ')})`;
  // Two of one name and other arguments are no valid document.
  const alias =
    list === '' && random.below(3) > 0
      ? ''
      : `a${random.below(3)}_${field.name}_${Buffer.from(list).toString('hex')}: `;
  const set = isObjectType(named) ? setText(random, named, depth - 1) : '';
  return `${alias}${field.name}${list} ${random.one(conditions)} ${set}`;
}

/** Some fields of a type, as deep as asked, in the order that comes. */
function setText(random: Random, type: GraphQLObjectType, depth: number): string {
  const nodes = Array.from({ length: 1 + random.below(depth > 1 ? 3 : 6) }, () => {
    const field = () => fieldText(random, type, depth);
    const kinds = [field, field, field, field, field, () => random.one(['__typename', 'kind_: __typename'])];
    const fragments = [
      () => `... ${random.one(conditions)} { ${field()} }`,
      () => `... on ${type.name} { ${field()} __typename }`,
    ];
    return random.one([...kinds, ...fragments])();
  });
  return `{ ${nodes.join(' ')} }`;
}

/** Of a database whose id is `$id`; what has no plan is not asked for. */
export function randomDocument(schema: GraphQLSchema, random: Random): string {
  const databaseType = schema.getType('Database');
  if (!isObjectType(databaseType)) throw new Error('no such type');
  const set = setText(random, databaseType, 4);
  const named = new Set(Array.from(set.matchAll(/\$(\w+)/g), ([, name]) => name));
  const variables = Object.entries(declared).flatMap(([name, type]) => (named.has(name) ? `, $${name}: ${type}` : ''));
  return `query Q($id: ID!${variables.join('')}) { database(id: $id) ${set} }`;
}

/** For whatever the document names beside `$id`. */
export const randomVariables = (random: Random) => ({
  no: random.one([true, false]),
  yes: random.one([true, false]),
  size: random.one([1, 3, null]),
  search: random.one(['a', '', null]),
  schema: random.one(['shop', 'nowhere', null]),
  kinds: random.one([['VIEW'], null]),
  after: random.one([null, null, 'x']),
});
