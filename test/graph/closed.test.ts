/** GQL-3, GQL-6: a Quarry as its operator closes it: in production, behind TLS, for the documents of its own front end alone. */
import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getIntrospectionQuery, print } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { QueueDocument, RegisterDocument } from '../support/operations.ts';
import { startPlainQuarry } from '../support/plain-server.ts';
import { answerOf, type Quarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const json = 'application/graphql-response+json';
const hashed = 'f0'.repeat(32);
const manifest = {
  typename: '{ __typename }',
  register: print(RegisterDocument),
  queue: print(QueueDocument),
  inviteUser: 'mutation ($email: String!) { inviteUser(input: { email: $email }) { invitation { id } } }',
  createProject: 'mutation { createProject(input: { name: "Shared" }) { project { id } } }',
  inviteMember:
    'mutation ($id: ID!, $email: String!) { inviteMember(input: { projectId: $id, email: $email, role: EDITOR }) { invitation { id } } }',
  variable: 'query ($text: String!) { search(text: $text) { totalCount } }',
  kinds: 'query ($kinds: [CatalogKind!]) { search(text: "x", kinds: $kinds) { totalCount } }',
  mutation: 'mutation { logout { ok } }',
  stream: 'subscription { jobEvents { position } }',
  features: '{ server { features { name enabled setting } } }',
  misspelt: '{ serverr { name } }',
  unfinished: '{ server {',
  deep: `{ ${'node(id: "x") { '.repeat(25)} id ${'}'.repeat(25)} }`,
  introspection: getIntrospectionQuery(),
  type: '{ __type(name: "User") { name } }',
  [hashed]: '{ server { name } }',
};

/** More than the tests themselves need. */
const addressLimit = 1_500;
let folder: string;
let quarry: Quarry;
/** Of the administrator, once the front end has signed up. */
let admin: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quarry-test-manifest-'));
  const file = join(folder, 'persisted-documents.json');
  await writeFile(file, JSON.stringify(manifest));
  quarry = await startPlainQuarry({
    NODE_ENV: 'production',
    PUBLIC_URL: 'https://quarry.example.com',
    PERSISTED_DOCUMENTS: file,
    PERSISTED_DOCUMENTS_ONLY: 'true',
    REGISTRATION: 'closed',
    TRUST_PROXY: '127.0.0.1/32',
    RATE_LIMIT_ADDRESS: String(addressLimit),
  });
});

afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Seen {
  /** Absent over WebSocket. */
  status?: number;
  text: string;
}

const seen = async (response: Response): Promise<Seen> => ({ status: response.status, text: await response.text() });
const post = (params: object, headers: Record<string, string> = {}) =>
  fetch(quarry.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: json, ...headers },
    body: JSON.stringify(params),
  });

const transports: Record<string, (params: Record<string, unknown>) => Promise<Seen>> = {
  POST: async (params) => seen(await post(params)),
  'POST with an origin': async (params) => seen(await post(params, { origin: new URL(quarry.url).origin })),
  GET: async (params) => {
    const address = new URL(quarry.url);
    for (const [name, value] of Object.entries(params))
      address.searchParams.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    return seen(await fetch(address, { headers: { accept: json } }));
  },
  SSE: async (params) => seen(await post(params, { accept: 'text/event-stream' })),
  multipart: async (params) => {
    const body = new FormData();
    body.set('operations', JSON.stringify(params));
    body.set('map', '{}');
    return seen(
      await fetch(quarry.url, { method: 'POST', headers: { accept: json, 'x-graphql-yoga-csrf': '1' }, body }),
    );
  },
  WebSocket: async (params) => {
    using socket = await openSocket(quarry.wsUrl);
    await socket.init();
    socket.subscribe('1', '', params);
    const { type, payload } = await socket.next();
    // It is still good for another one.
    socket.subscribe('2', '', { documentId: 'typename' });
    for (let answer = await socket.next(); answer.id !== '2'; ) answer = await socket.next();
    return { text: JSON.stringify(type === 'error' ? { errors: payload } : payload) };
  },
};

describe.each(Object.entries(transports))('over %s', (_name, send) => {
  test.each<[string, Record<string, unknown>]>([
    ['its id', { documentId: hashed }],
    ['its id, as that of a hash', { documentId: `sha256:${hashed}` }],
    ['its hash, as Apollo’s clients say it', { extensions: { persistedQuery: { version: 1, sha256Hash: hashed } } }],
  ])('a document of the manifest is executed by %s, again and again', async (_what, params) => {
    for (const _attempt of [1, 2, 3]) {
      const { status, text } = await send(params);
      expect({ status: status ?? 200, text }).toEqual({
        status: 200,
        text: expect.stringContaining('{"data":{"server":{"name":"Quarry"}}}'),
      });
    }
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a document of one’s own', { query: '{ __typename }' }, 'FORBIDDEN'],
    ['one of the manifest, as text', { query: manifest[hashed] }, 'FORBIDDEN'],
    ['an id of nothing', { documentId: 'nothing' }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['an id that objects know', { documentId: '__proto__' }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['no id and no document', { variables: {} }, 'FORBIDDEN|BAD_USER_INPUT|GRAPHQL_PARSE_FAILED'],
    ['an id beside a document', { documentId: 'typename', query: '{ __typename }' }, 'BAD_USER_INPUT'],
    ['a hash that is not known', { extensions: { persistedQuery: { sha256Hash: 'ab' } } }, 'PERSISTED_QUERY_NOT_FOUND'],
    [
      'a hash with its document, which is not taken for later either',
      {
        query: '{ __typename }',
        extensions: {
          persistedQuery: {
            version: 1,
            sha256Hash: hash('sha256', '{ __typename }'),
          },
        },
      },
      'FORBIDDEN',
    ],
    ['one of the manifest that does not parse', { documentId: 'unfinished' }, 'GRAPHQL_PARSE_FAILED'],
    ['one that does not validate', { documentId: 'misspelt' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['one beyond the limits', { documentId: 'deep' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['a value that is like one of an enum', { documentId: 'kinds', variables: { kinds: ['TABL'] } }, 'BAD_USER_INPUT'],
    ['introspection', { documentId: 'introspection' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['introspection of one type', { documentId: 'type' }, 'GRAPHQL_VALIDATION_FAILED'],
  ])('%s is refused, and refused again', async (_what, params, codes) => {
    for (const _attempt of [1, 2]) {
      const { status, text } = await send(params);
      expect(text).toMatch(new RegExp(`"code":"(${codes})"`));
      expect(text).not.toMatch(/"data":\{|Did you mean/);
      // A stream has said 200 before it says what is wrong.
      if (status !== undefined && status !== 200) expect([400, 403]).toContain(status);
    }
  });
});

test('a persisted mutation is not executed by GET, and a form cannot send one', async () => {
  const got = await fetch(`${quarry.url}?documentId=mutation`, { headers: { accept: json } });
  expect(await answerOf(got)).toMatchObject({ status: 405, code: 'BAD_USER_INPUT' });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const answer = await quarry.post('documentId=mutation', { 'content-type': type, accept: json });
    expect(answer).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  }
});

test('a front end does its work by ids: it signs up, asks, and follows', async () => {
  const input = { email: 'front@example.com', password: 'correct horse battery' };
  const registered = await answerOf(await post({ documentId: 'register', variables: { input } }));
  const { register } = registered.data as { register: { auth: { accessToken: string } } };
  const token = register.auth.accessToken;
  admin = token;
  // The third answer is by a plan.
  for (const _attempt of [1, 2, 3]) {
    const answer = await answerOf(await post({ documentId: 'queue' }, { authorization: `Bearer ${token}` }));
    expect(answer).toMatchObject({ status: 200, data: { queue: { running: 0 } } });
  }
  const missing = await answerOf(await post({ documentId: 'variable' }, { authorization: `Bearer ${token}` }));
  expect(missing).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  using socket = await openSocket(quarry.wsUrl);
  await socket.init(token);
  socket.subscribe('1', '', { documentId: 'stream' });
  socket.subscribe('2', '', { documentId: 'typename' });
  // The stream has nothing to begin with, and no error.
  expect(await socket.next()).toMatchObject({ id: '2', payload: { data: { __typename: 'Query' } } });
});

test('with registration closed an account is opened by the link of an administrator’s mail, once, and by no other way', async () => {
  const ask = async (documentId: string, variables: object, token?: string) =>
    await answerOf(
      await post({ documentId, variables }, token === undefined ? {} : { authorization: `Bearer ${token}` }),
    );
  const register = (email: string, invitationToken?: string | null) =>
    ask('register', { input: { email, password: 'correct horse battery', invitationToken } });
  const tokenIn = async (template: string) => {
    const { link } = await quarry.until('mail.written', { of: (mail) => mail.template === template });
    // The port is that of a server that was given none.
    const [, token] =
      /^https:\/\/quarry\.example\.com(?::\d+)?\/#\/[a-z-]+\?token=([\w-]{43})$/.exec(String(link)) ?? [];
    if (!token) throw new Error(`no link of this server: ${link}`);
    return token;
  };
  expect((await ask('inviteUser', { email: 'ann@example.com' }, admin)).errors).toBeUndefined();
  const { createProject } = (await ask('createProject', {}, admin)).data as {
    createProject: { project: { id: string } };
  };
  const { id } = createProject.project;
  expect((await ask('inviteMember', { id, email: 'bob@example.com' }, admin)).errors).toBeUndefined();
  const [toServer, toProject] = [await tokenIn('accountInvitation'), await tokenIn('projectInvitation')];

  const shut = { status: 200, data: null, code: 'FORBIDDEN' };
  expect(await register('ann@example.com')).toMatchObject(shut);
  expect(await register('ann@example.com', null)).toMatchObject(shut);
  expect(await register('bob@example.com', toProject)).toMatchObject(shut);
  expect(await register('Ann@Example.com', toServer)).toMatchObject({
    errors: undefined,
    data: { register: { auth: { user: { email: 'Ann@Example.com', role: 'MEMBER' } } } },
  });
  expect(await register('ann@example.com', toServer)).toMatchObject({ code: 'BAD_USER_INPUT' });
});

test('says which of its parts are on, and by which variable the others would be', async () => {
  const { data } = await answerOf(await post({ documentId: 'features' }));
  const feature = (name: string, enabled: boolean, setting = name) => ({ name, enabled, setting });
  expect(data).toEqual({
    server: {
      features: expect.arrayContaining([
        feature('REGISTRATION', false),
        feature('HOSTED_DATABASES', false, 'PLAYGROUND_URL'),
        feature('PERSISTED_DOCUMENTS_ONLY', true),
        feature('GRAPHIQL', false),
        feature('INTROSPECTION', false),
      ]),
    },
  });
});

test('has no GraphiQL', async () => {
  const html = { headers: { accept: 'text/html' } };
  const page = await fetch(quarry.url, html);
  expect(page.status).not.toBe(200);
  expect(await page.text()).not.toContain('<html');
  expect((await fetch(new URL('/', quarry.url), { ...html, redirect: 'manual' })).status).toBe(404);
});

test('every answer has the headers that keep a browser from doing more with it', async () => {
  for (const path of ['/graphql', '/health', '/ready', '/metrics', '/.well-known/jwks.json', '/files/x', '/nothing']) {
    const { headers } = await fetch(new URL(path, quarry.url));
    expect({ path, ...Object.fromEntries(headers) }).toMatchObject({
      path,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'cross-origin-resource-policy': 'same-origin',
      'strict-transport-security': 'max-age=31536000',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(headers.get('set-cookie')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
  }
});

test('an address may ask so often for whatever there is, files and the audit among it, and another one goes on', async () => {
  const ask = (path: string, from: string) =>
    fetch(new URL(path, quarry.url), { headers: { 'x-forwarded-for': from, accept: json } });
  const statuses: number[] = [];
  for (let asked = 0; asked < addressLimit; asked += 10) {
    const paths = Array.from({ length: 10 }, (_, n) => (n % 2 ? '/files/nothing/name' : '/audit'));
    for (const response of await Promise.all(paths.map((path) => ask(path, '203.0.113.5')))) {
      statuses.push(response.status);
      expect(response.headers.get('ratelimit-limit')).toBe(String(addressLimit));
      await response.body?.cancel();
    }
  }
  expect(new Set(statuses)).toEqual(new Set([401, 403]));
  for (const path of ['/files/nothing/name', '/files/public/nothing', '/audit', '/graphql?query={__typename}']) {
    const response = await ask(path, '203.0.113.5');
    expect({ path, status: response.status, text: await response.text() }).toEqual({
      path,
      status: 429,
      text: expect.stringContaining('RATE_LIMITED'),
    });
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(response.headers.get('ratelimit-remaining')).toBe('0');
  }
  expect((await ask('/files/nothing/name', '203.0.113.6')).status).toBe(403);
  expect((await ask('/health', '203.0.113.5')).status).toBe(200);
});

test('each token that is shown over WebSocket is a request of its address', async () => {
  const open = (from: string) => openSocket(quarry.wsUrl, { headers: { 'x-forwarded-for': from } });
  using socket = await open('203.0.113.7');
  await socket.init(admin);
  // What opened the socket was the first one.
  for (let shown = 0; shown < addressLimit; shown += 1)
    socket.send({ type: 'ping', payload: { authorization: `Bearer ${admin}` } });
  expect(await socket.closed).toBe(1013);
  using another = await open('203.0.113.7');
  another.send({ type: 'connection_init' });
  expect(await another.closed).toBe(1013);
  using elsewhere = await open('203.0.113.8');
  expect(await elsewhere.init()).toEqual({ type: 'connection_ack' });
});
