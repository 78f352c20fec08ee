/** Documents that nobody sends who wants an answer; each must be refused before anything of it is executed. */
const nested = (levels: number, field: string) => `${`${field}{`.repeat(levels)}__typename${'}'.repeat(levels)}`;
const many = (count: number, make: (i: number) => string) => Array.from({ length: count }, (_, i) => make(i)).join(' ');

/** Each fragment spreads the next one twice: 2^30 fields from 31 fragments. */
const spreads = many(30, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`);

export const hostile: Readonly<Record<string, string>> = {
  'depth 1,500': `{${nested(1_500, 'a')}}`,
  'depth 5,000': `{${nested(5_000, 'a')}}`,
  'depth by inline fragments': `{${'... on Query {'.repeat(1_500)} __typename ${'}'.repeat(1_500)} ${nested(21, 'a')}}`,
  '2,400 equal fields': `{${'__typename '.repeat(2_400)}}`,
  '101 aliases of __typename': `{${many(101, (i) => `a${i}: __typename`)}}`,
  '60 aliases of a mutation': `mutation {${many(60, (i) => `a${i}: logout { ok }`)}}`,
  '60 aliases in a fragment': `{ ...f } fragment f on Query {${many(60, (i) => `a${i}: __typename`)}}`,
  '100 directives on a field': `{ __typename ${'@include(if: true) '.repeat(100)}}`,
  '1,000 unknown directives': `{ __typename ${'@x '.repeat(1_000)}}`,
  'exponential spreads': `{ ...f0 } ${spreads} fragment f30 on Query { __typename }`,
  'a cycle of fragments': '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }',
  'a fragment of itself': '{ ...a } fragment a on Query { __typename ...a }',
  'introspection in circles': `{ __schema { types { ${nested(4, 'fields { type')} ${'}'.repeat(4)} } } }`.replace(
    /fields \{ type\{/g,
    'fields { type {',
  ),
  '6,000 tokens': `{${'a '.repeat(6_000)}}`,
  '200,000 characters of nothing': `{ __typename ${' '.repeat(200_000)}}`,
  'a text of 500,000 characters': `{ node(id: "${'x'.repeat(500_000)}") { id } }`,
  '2,000 operations': many(2_000, (i) => `query q${i} { __typename }`),
  'a list of 3,000 in 3,000 brackets': `{ nodes(ids: ${'['.repeat(3_000)}${']'.repeat(3_000)}) { id } }`,
};

export interface HostileVariables {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
const login = 'mutation ($x: LoginInput!) { login(input: $x) { accessToken } }';
const nodes = 'query ($x: [ID!]!) { nodes(ids: $x) { id } }';
const nestedIn = (levels: number, wrap: (inner: unknown) => unknown) => {
  let value: unknown = null;
  for (let level = 0; level < levels; level += 1) value = wrap(value);
  return value;
};

/** A password in what is refused. */
export const canary = 'canary-of-hostile-variables';

/** Documents that anybody may send, with variables that nobody means; each must be refused in time of its length. */
export const hostileVariables: Readonly<Record<string, HostileVariables>> = {
  '2,000 unknown fields': { query: login, variables: { x: { password: canary, ...keys(2_000) } } },
  'unknown fields in a value': { query: login, variables: { x: { email: keys(2_000), password: canary } } },
  '300 variables of another type': {
    query: `query (${many(300, (i) => `$v${i}: ID!`)}) { nodes(ids: [${many(300, (i) => `$v${i}`)}]) { id } }`,
    variables: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`v${i}`, [canary]])),
  },
  '15,000 ids': { query: nodes, variables: { x: Array(15_000).fill('x') } },
  '1,000 ids that are none': { query: nodes, variables: { x: Array(1_000).fill(1.5) } },
  '1,000 scopes that are none': {
    query: 'mutation ($x: CreateApiKeyInput!) { createApiKey(input: $x) { secret } }',
    variables: { x: { name: 'x', scopes: Array(1_000).fill('x') } },
  },
  'JSON in 4,000 brackets': {
    query: 'mutation ($x: JSON!) { broadcast(input: { projectId: "x", channel: "x", payload: $x }) { ok } }',
    variables: { x: nestedIn(4_000, (inner) => [inner]) },
  },
  'a filter in 2,000 others': {
    query: 'subscription ($x: RowChangeSource!) { rowChanges(databaseId: "x", tables: [$x]) { position } }',
    variables: { x: { tableId: 'x', where: nestedIn(2_000, (inner) => ({ not: inner })) } },
  },
};

/** Variables that are more than is parsed at all. */
export const hostileBodies: Readonly<Record<string, HostileVariables>> = {
  '60,000 unknown fields': { query: login, variables: { x: { password: canary, ...keys(60_000) } } },
  '300,000 ids': { query: nodes, variables: { x: Array(300_000).fill('') } },
  'lists in 3,000 others': {
    query: nodes,
    variables: { x: nestedIn(3_000, (inner) => [inner]), y: ' '.repeat(65_536) },
  },
  '60,000 variables that nobody declared': { query: '{ __typename }', variables: keys(60_000) },
};
