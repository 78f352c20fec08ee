/** GQL-1 (2): the twelve classes of attack that graphql-cop looks for, against a Quarry as it is in production. */
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlainQuarry } from '../support/plain-server.ts';
import type { Quarry } from '../support/server.ts';

const json = { 'content-type': 'application/json', accept: 'application/json' };
const logout = 'mutation { logout { ok } }';
const repeated = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i)).join(' ');
let quarry: Quarry;

beforeAll(async () => {
  quarry = await startPlainQuarry({ NODE_ENV: 'production' });
});

afterAll(() => quarry?.[Symbol.asyncDispose]());

type Ask = () => Promise<Response>;
const post = (body: unknown, headers: Record<string, string> = json) =>
  fetch(quarry.url, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
const get = (query: string, headers: Record<string, string> = {}) =>
  fetch(`${quarry.url}?query=${encodeURIComponent(query)}`, { headers: { accept: json.accept, ...headers } });

const executed = async (response: Response) => /"data":\s*\{/.test(await response.text());
const says = (words: RegExp) => async (response: Response) => words.test(await response.text());

/** With what an answer has when the class of attack succeeds. */
const classes: [name: string, ask: Ask, found: (response: Response) => boolean | Promise<boolean>][] = [
  ['alias overloading', () => post({ query: `{ ${repeated(101, (i) => `a${i}: __typename`)} }` }), executed],
  ['array batching', () => post(Array(10).fill({ query: '{ __typename }' })), executed],
  ['directive overloading', () => post({ query: `{ __typename ${'@include(if: true) '.repeat(100)} }` }), executed],
  [
    'circular introspection',
    () => post({ query: `{ __schema { types { ${'fields { type { '.repeat(4)} name ${'} } '.repeat(4)} } } }` }),
    executed,
  ],
  ['field duplication', () => post({ query: `{ ${'__typename '.repeat(500)} }` }), executed],
  // Answered, as it changes nothing; another page must not read it.
  [
    'GET query from another page',
    () => get('{ __typename }', { origin: 'https://evil.example' }),
    ({ headers }) => headers.has('access-control-allow-origin'),
  ],
  ['GET mutation', () => get(logout), executed],
  [
    'urlencoded POST',
    () => post(`query=${encodeURIComponent(logout)}`, { 'content-type': 'application/x-www-form-urlencoded' }),
    executed,
  ],
  [
    'trace mode',
    () => post({ query: '{ __typename }' }, { ...json, 'x-apollo-tracing': '1' }),
    says(/tracing|startTime/),
  ],
  ['field suggestions', () => post({ query: '{ serverr { name } }' }), says(/did you mean/i)],
  ['GraphiQL', () => fetch(quarry.url, { headers: { accept: 'text/html' } }), says(/graphiql|playground|<html/i)],
  ['introspection', () => post({ query: getIntrospectionQuery() }), executed],
];

test('GQL-1: none of the twelve classes of attack finds anything', async () => {
  const findings: string[] = [];
  for (const [name, ask, found] of classes) if (await found(await ask())) findings.push(name);
  console.info(`GQL-1 (2) findings=${findings.length} of ${classes.length}`);
  expect(findings).toEqual([]);
});
