/** What a document may be holds over every transport alike, and leaves room for what a front end needs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canary, hostile, hostileBodies, hostileVariables } from '../support/hostile.ts';
import { type Account, answerOf, type Quarry, startQuarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

interface Seen {
  /** Absent over WebSocket. */
  status?: number;
  text: string;
}

const json = 'application/graphql-response+json';
const keyLimit = 12;
let quarry: Quarry;
let account: Account;

beforeAll(async () => {
  // Keys are held to it by the last tests alone, and users by none of them.
  quarry = await startQuarry({ env: { RATE_LIMIT_KEY: String(keyLimit), RATE_LIMIT_USER: '100000' } });
  account = await quarry.register();
});

afterAll(() => quarry[Symbol.asyncDispose]());

const seen = async (response: Response): Promise<Seen> => ({ status: response.status, text: await response.text() });
const bearer = () => ({ authorization: `Bearer ${account.token}` });

const transports: Record<string, (query: string, variables?: object) => Promise<Seen>> = {
  POST: async (query, variables) =>
    seen(
      await fetch(quarry.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: json, ...bearer() },
        body: JSON.stringify({ query, variables }),
      }),
    ),
  GET: async (query, variables) =>
    seen(
      await fetch(`${quarry.url}?${new URLSearchParams({ query, variables: JSON.stringify(variables ?? {}) })}`, {
        headers: { accept: json, ...bearer() },
      }),
    ),
  SSE: async (query, variables) =>
    seen(
      await fetch(quarry.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...bearer() },
        body: JSON.stringify({ query, variables }),
      }),
    ),
  multipart: async (query, variables) => {
    const body = new FormData();
    body.set('operations', JSON.stringify({ query, variables }));
    body.set('map', '{}');
    const headers = { accept: json, 'x-graphql-yoga-csrf': '1', ...bearer() };
    return seen(await fetch(quarry.url, { method: 'POST', headers, body }));
  },
  WebSocket: async (query, variables) => {
    using socket = await openSocket(quarry.wsUrl);
    await socket.init(account.token);
    socket.subscribe('1', query, { variables });
    const message = await socket.next();
    // It is still good for another one.
    socket.subscribe('2', '{ __typename }');
    for (let answer = await socket.next(); answer.id !== '2'; ) answer = await socket.next();
    return { text: JSON.stringify(message.type === 'error' ? { errors: message.payload } : message.payload) };
  },
};

describe.each(Object.entries(transports))('over %s', (_name, send) => {
  test.each(Object.entries(hostile))('%s is refused, and refused again', async (_what, query) => {
    for (const _attempt of [1, 2]) {
      const { status, text } = await send(query);
      expect(text).not.toMatch(/"data":\{/);
      if (status !== 431) expect(text).toMatch(/"code":"(GRAPHQL_|BAD_USER_INPUT|LIMIT_EXCEEDED)/);
      // A stream has said 200 before it says what is wrong.
      if (status !== undefined && status !== 200) expect(status).toSatisfy((code: number) => code >= 400 && code < 500);
    }
  });

  test.each(Object.entries(hostileVariables))('%s are refused by their first fault, untold', async (_what, hostile) => {
    const { status, text } = await send(hostile.query, hostile.variables);
    if (status === 431) return;
    expect(text).toMatch(/"code":"(BAD_USER_INPUT|LIMIT_EXCEEDED)"/);
    expect(text.match(/"code":/g)).toHaveLength(1);
    expect(text).not.toContain('"data":{');
    expect(text).not.toContain(canary);
    expect(text.length).toBeLessThan(1_000);
  });
});

describe.each(['POST', 'SSE', 'multipart'])('a body sent by %s', (name) => {
  test.each(Object.entries(hostileBodies))('of %s is 413 before it is parsed', async (_what, { query, variables }) => {
    const { status, text } = await transports[name]!(query, variables);
    expect({ status, text }).toEqual({ status: 413, text: expect.stringContaining('"code":"LIMIT_EXCEEDED"') });
  });
});

test.each(Object.entries(hostileBodies))('a message of %s ends its socket', async (_what, payload) => {
  using socket = await openSocket(quarry.wsUrl);
  await socket.init();
  socket.send({ type: 'subscribe', id: '1', payload });
  expect(await socket.closed).toBe(1009);
});

test.each(['POST', 'multipart'])('a body sent by %s may be long: parameters of SQL are', async (name) => {
  const sql = 'mutation ($x: SubmitQueryInput!) { submitQuery(input: $x) { job { id } } }';
  const input = { target: { databaseId: 'x' }, sql: 'select 1', parameters: ['x", [{:'.repeat(800_000)] };
  expect((await transports[name]!(sql, { x: input })).text).toContain('"code":"NOT_FOUND"');
});

test('a form of more parts than are taken is told how many are', async () => {
  const send = async (parts: number) => {
    const body = new FormData();
    body.set('operations', JSON.stringify({ query: '{ __typename }' }));
    for (let i = 1; i < parts; i += 1) body.set(`part-${i}`, '');
    const headers = { accept: json, 'x-graphql-yoga-csrf': '1' };
    return seen(await fetch(quarry.url, { method: 'POST', headers, body }));
  };
  expect((await send(1_000)).status).toBe(200);
  const { status, text } = await send(1_001);
  expect({ status, text }).toEqual({ status: 413, text: expect.stringContaining('"code":"LIMIT_EXCEEDED"') });
  expect(text).toContain('1000');
});

test('after all of it the server answers', async () => {
  expect(await answerOf(await fetch(`${quarry.url}?query={__typename}`))).toMatchObject({ status: 200 });
});

/** What a page of the console asks for. */
const page = (first: number) => `{ databases(first: 1) { nodes { tables(first: ${first}) { totalCount nodes {
  id name kind comment columns { name dataType nullable default primaryKey } indexes { name columns unique }
  constraints { name kind definition } foreignKeys { name columns { name } referencedTable { name } }
  referencedBy { name table { name } columns { name } } } } } } }`;

test.each([50, 500])('a page of %i tables with all that is in them is allowed', async (first) => {
  await quarry.until('sample.ready');
  const { status, errors, data } = await quarry.execute(page(first), {}, account);
  expect({ status, errors }).toEqual({ status: 200, errors: undefined });
  expect(JSON.stringify(data)).toContain('accounts');
});

describe('the cost of pages', () => {
  const nested =
    'databases(first: $n) { nodes { tables(first: $n) { nodes { partitions(first: $n) { nodes { id } } } } } }';

  test.each<[string, string, object]>([
    ['a value in the document', `{ ${nested.replaceAll('$n', '500')} }`, {}],
    ['a variable', `query($n: Int) { ${nested} }`, { n: 500 }],
    ['the default of a variable', `query($n: Int = 500) { ${nested} }`, {}],
    [
      'a list of nodes',
      'query($ids: [ID!]!) { nodes(ids: $ids) { ... on Database { tables(first: 500) { nodes { columns { id } } } } } }',
      { ids: Array(100).fill('x') },
    ],
  ])('counts %s', async (_what, query, variables) => {
    const { status, code, data } = await quarry.execute(query, variables, account);
    expect({ status, code, data }).toEqual({ status: 400, code: 'LIMIT_EXCEEDED', data: undefined });
  });
});

test('a document that was cheap with other pages is refused all the same, and the other way round', async () => {
  // Of a database that is not there: what it costs is known before.
  const query =
    'query($id: ID!, $n: Int = 500) { database(id: $id) { tables(first: $n) { nodes { partitions(first: $n) { nodes { id } } } } } }';
  const codes = async (pages: object) => {
    const answers = [];
    for (let times = 0; times < 3; times += 1)
      answers.push((await quarry.execute(query, { id: 'none', ...pages }, account)).code);
    return answers;
  };
  const [through, refused] = [Array(3).fill(undefined), Array(3).fill('LIMIT_EXCEEDED')];
  for (let round = 0; round < 2; round += 1) {
    expect(await codes({ n: 1 })).toEqual(through);
    expect(await codes({ n: 500 })).toEqual(refused);
    expect(await codes({ n: null })).toEqual(through);
    expect(await codes({})).toEqual(refused);
  }
});

describe('requests of one key in a minute', () => {
  let secret: string;
  beforeAll(async () => {
    const { data } = await quarry.execute<{ createApiKey: { secret: string } }, object>(
      'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }',
      { input: { name: 'limited', scopes: ['READ'] } },
      account,
    );
    secret = data!.createApiKey.secret;
  });

  const ask = (accept = json) =>
    fetch(quarry.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, authorization: `Bearer ${secret}` },
      body: JSON.stringify({ query: '{ __typename }' }),
    });

  test('are counted over every transport, and the answers say how many are left', async () => {
    using socket = await openSocket(quarry.wsUrl);
    await socket.init(secret);
    const left: number[] = [];
    for (let n = 1; n <= keyLimit; n += 1) {
      if (n % 3 === 0) {
        socket.subscribe(String(n), '{ __typename }');
        expect(await socket.next()).toMatchObject({ type: 'next' });
        expect(await socket.next()).toMatchObject({ type: 'complete' });
        continue;
      }
      const { status, headers } = await ask(n % 3 === 1 ? json : 'text/event-stream');
      expect(status).toBe(200);
      expect(headers.get('ratelimit-limit')).toBe(String(keyLimit));
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(0);
      left.push(Number(headers.get('ratelimit-remaining')));
    }
    expect(left).toEqual([11, 10, 8, 7, 5, 4, 2, 1]);

    const refused = {
      code: 'RATE_LIMITED',
      retryAfterMs: expect.any(Number),
      details: { retryAfterMs: expect.any(Number) },
    };
    socket.subscribe('more', '{ __typename }');
    const { type, payload } = await socket.next();
    expect({ type, extensions: payload[0].extensions }).toEqual({ type: 'error', extensions: refused });
    for (const accept of [json, 'application/json']) {
      const response = await ask(accept);
      expect(response.status).toBe(429);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(response.headers.get('ratelimit-remaining')).toBe('0');
      expect((await response.json()).errors[0].extensions).toEqual(refused);
    }
    expect(await (await ask('text/event-stream')).text()).toContain('RATE_LIMITED');
  });

  test('hold nobody else up', async () => {
    const { status, headers } = await answerOf(
      await fetch(`${quarry.url}?query={__typename}`, { headers: { accept: json, ...bearer() } }),
    );
    expect({ status, limit: headers.get('ratelimit-limit') }).toEqual({ status: 200, limit: '100000' });
  });
});

test('passwords are tried over WebSocket no oftener, and each refusal says when to come back', async () => {
  const { email } = await quarry.register();
  using socket = await openSocket(quarry.wsUrl);
  await socket.init();
  const codes: string[] = [];
  for (let n = 1; n <= 12; n += 1) {
    socket.subscribe(String(n), `mutation { login(input: { email: "${email}", password: "wrong" }) { accessToken } }`);
    const { payload } = await socket.next();
    const { code, retryAfterMs } = payload.errors[0].extensions;
    expect(typeof retryAfterMs).toBe(code === 'RATE_LIMITED' ? 'number' : 'undefined');
    codes.push(code);
    await socket.next();
  }
  expect(codes).toEqual([...Array(10).fill('UNAUTHENTICATED'), 'RATE_LIMITED', 'RATE_LIMITED']);
});
