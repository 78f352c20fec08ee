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
