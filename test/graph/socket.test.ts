/** graphql-transport-ws as the protocol has it, and how long a token holds for what is open. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CreateApiKeyDocument, LogoutDocument } from '../support/operations.ts';
import { startPlainQuarry } from '../support/plain-server.ts';
import type { Account, Quarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

let quarry: Quarry;
let account: Account;
let other: Account;

beforeAll(async () => {
  quarry = await startPlainQuarry({ CORS_ORIGINS: 'https://app.example.com' });
  account = await quarry.register();
  other = await quarry.register();
});

const checks = { all: 0, failed: 0 };

afterEach(({ task }) => {
  checks.all += 1;
  if (task.result?.state === 'fail') checks.failed += 1;
});

afterAll(async () => {
  console.info(`GQL-2 passed=${checks.all - checks.failed} of ${checks.all}`);
  await quarry[Symbol.asyncDispose]();
});

const who = '{ viewer { email } }';
const events = 'subscription { jobEvents { position } }';
const open = (options = {}) => openSocket(quarry.wsUrl, options);
const headersOf = ({ token }: Account) => ({ extensions: { headers: { authorization: `Bearer ${token}` } } });

describe('the upgrade', () => {
  test.each(['https://evil.example', 'null', 'https://app.example.com.evil.example'])(
    'from %s is refused',
    async (origin) => {
      await expect(open({ headers: { origin } })).rejects.toThrow('403');
    },
  );

  test('from a configured origin, and from its own, is accepted', async () => {
    for (const origin of ['https://app.example.com', new URL(quarry.url).origin]) {
      using socket = await open({ headers: { origin } });
      expect(await socket.init()).toEqual({ type: 'connection_ack' });
    }
  });

  test('to another path is refused', async () => {
    await expect(openSocket(quarry.wsUrl.replace('/graphql', '/other'))).rejects.toThrow('404');
  });

  test('with another subprotocol alone leads nowhere', async () => {
    const code = await open({ protocol: 'graphql-ws' }).then(
      ({ closed }) => closed,
      () => 4406,
    );
    expect(code).toBe(4406);
  });
});

describe('the connection', () => {
  test('is acknowledged, anonymous too', async () => {
    using socket = await open();
    expect(await socket.init()).toEqual({ type: 'connection_ack' });
    socket.subscribe('1', who);
    expect(await socket.next()).toEqual({ type: 'next', id: '1', payload: { data: { viewer: null } } });
    expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
  });

  test('initialised twice is closed with 4429', async () => {
    using socket = await open();
    await socket.init();
    socket.send({ type: 'connection_init' });
    expect(await socket.closed).toBe(4429);
  });

  test('that subscribes before it is acknowledged is closed with 4401', async () => {
    using socket = await open();
    socket.subscribe('1', who);
    expect(await socket.closed).toBe(4401);
  });

  test('with a token that does not hold is closed with 4403', async () => {
    using socket = await open();
    socket.send({ type: 'connection_init', payload: { authorization: 'Bearer nonsense' } });
    expect(await socket.closed).toBe(4403);
  });

  test.each([
    'nonsense',
    '{}',
    '[]',
    '"text"',
    '{"type":"unknown"}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","id":"","payload":{}}',
    '{"type":"subscribe","id":"1"}',
    '{"type":"complete"}',
  ])('that says %s is closed with 4400', async (message) => {
    using socket = await open();
    await socket.init();
    socket.send(message);
    expect(await socket.closed).toBe(4400);
  });

  test('is pinged back, with what it sent', async () => {
    using socket = await open();
    await socket.init();
    socket.send({ type: 'ping' });
    expect((await socket.next()).type).toBe('pong');
    socket.send({ type: 'ping', payload: { a: 1 } });
    expect(await socket.next()).toEqual({ type: 'pong', payload: { a: 1 } });
  });

  test('may pong unasked', async () => {
    using socket = await open();
    await socket.init();
    socket.send({ type: 'pong' });
    socket.subscribe('1', '{ __typename }');
    expect((await socket.next()).type).toBe('next');
  });
});

describe('operations', () => {
  test('a syntax error, a validation error and a bad token of its own are errors of the operation alone', async () => {
    using socket = await open();
    await socket.init(account.token);
    const faults: [unknown, string, object][] = [
      ['{', 'GRAPHQL_PARSE_FAILED', {}],
      ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED', {}],
      [who, 'UNAUTHENTICATED', { extensions: { headers: { authorization: 'Bearer nonsense' } } }],
    ];
    for (const [query, code, more] of faults) {
      socket.subscribe('1', query, more);
      expect(await socket.next()).toMatchObject({ type: 'error', id: '1', payload: [{ extensions: { code } }] });
    }
    socket.subscribe('1', who);
    expect(await socket.next()).toMatchObject({
      type: 'next',
      payload: { data: { viewer: { email: account.email } } },
    });
  });

  test('a mutation runs, a missing variable is told', async () => {
    using socket = await open();
    await socket.init(account.token);
    const mutation = 'mutation($name: String!) { createProject(input: { name: $name }) { project { name } } }';
    socket.subscribe('1', mutation, { variables: { name: 'Over a socket' } });
    expect((await socket.next()).payload.data.createProject.project.name).toBe('Over a socket');
    expect((await socket.next()).type).toBe('complete');
    socket.subscribe('2', mutation);
    expect(JSON.stringify(await socket.next())).toContain('BAD_USER_INPUT');
  });

  test('one id for two at once closes with 4409', async () => {
    using socket = await open();
    await socket.init(account.token);
    socket.subscribe('1', events);
    socket.subscribe('1', events);
    expect(await socket.closed).toBe(4409);
  });

  test('the id of one that was completed is free again', async () => {
    using socket = await open();
    await socket.init(account.token);
    socket.subscribe('1', events);
    socket.send({ type: 'complete', id: '1' });
    socket.subscribe('1', who);
    const answer = await socket.next();
    expect(answer).toMatchObject({ type: 'next', id: '1', payload: { data: { viewer: { email: account.email } } } });
    expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
  });

  test('whatever an operation was doing when it was completed, the next one of its id is another', async () => {
    using socket = await open();
    await socket.init(account.token);
    for (let round = 0; round < 100; round++) {
      socket.subscribe('1', events);
      // At another moment of its life each time.
      for (let turn = 0; turn < round % 20; turn++) await new Promise(setImmediate);
      socket.send({ type: 'complete', id: '1' });
      socket.subscribe('1', who);
      expect(await socket.next()).toMatchObject({ type: 'next', id: '1', payload: { data: { viewer: {} } } });
      expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
    }
  });

  test('a stream needs somebody who is signed in', async () => {
    using socket = await open();
    await socket.init();
    socket.subscribe('1', events);
    expect(JSON.stringify(await socket.next())).toContain('UNAUTHENTICATED');
  });
});

describe('tokens', () => {
  test('one of an operation’s own holds for it alone', async () => {
    using socket = await open();
    await socket.init(account.token);
    socket.subscribe('1', who, headersOf(other));
    expect((await socket.next()).payload.data.viewer.email).toBe(other.email);
    await socket.next();
    socket.subscribe('2', who);
    expect((await socket.next()).payload.data.viewer.email).toBe(account.email);
  });

  test('a ping renews the socket for the same user', async () => {
    using socket = await open();
    await socket.init(account.token);
    socket.send({ type: 'ping', payload: { authorization: `Bearer ${account.token}` } });
    socket.subscribe('1', who);
    const messages = [await socket.next(), await socket.next()];
    expect(JSON.stringify(messages)).toContain(account.email);
  });

  test('a ping with an API key does not prolong what a session has opened', async () => {
    const variables = { input: { name: 'reader', scopes: ['READ' as const], databaseIds: null } };
    const { createApiKey } = await quarry.ask(CreateApiKeyDocument, variables, account);
    using socket = await open();
    await socket.init(account.token);
    socket.send({ type: 'ping', payload: { authorization: `Bearer ${createApiKey.secret}` } });
    expect(await socket.closed).toBe(4403);
  });

  test.each(['another’s', 'a bad'])('a ping with %s token closes with 4403', async (whose) => {
    using socket = await open();
    await socket.init(account.token);
    const token = whose === 'a bad' ? 'nonsense' : other.token;
    socket.send({ type: 'ping', payload: { authorization: `Bearer ${token}` } });
    expect(await socket.closed).toBe(4403);
  });

  test('logging out closes the socket with 4403, and ends a stream over SSE', async () => {
    const leaving = await quarry.register();
    using socket = await open();
    await socket.init(leaving.token);
    socket.subscribe('1', events);
    const stream = await fetch(quarry.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${leaving.token}`,
      },
      body: JSON.stringify({ query: events }),
    });
    const since = performance.now();
    await quarry.ask(LogoutDocument, {}, leaving);
    expect(await socket.closed).toBe(4403);
    const text = await stream.text();
    console.info(`AUTH-4 (b) seconds=${((performance.now() - since) / 1_000).toFixed(2)}`);
    expect(text).toContain('UNAUTHENTICATED');
    expect(text.trimEnd()).toMatch(/event: complete\ndata:$/);
  });
});
