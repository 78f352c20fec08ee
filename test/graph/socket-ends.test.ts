/** What a socket leaves behind: an operation whose id is taken again while it still ends, and a client that goes meanwhile. */
import { once } from 'node:events';
import { createSchema } from 'graphql-yoga';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createLifetimes } from '../../src/graph/lifetime.ts';
import { createBus } from '../../src/lib/bus.ts';
import { createByteBudget } from '../../src/lib/byte-budget.ts';
import type { Topic } from '../../src/lib/topics.ts';
import type { Services } from '../../src/services.ts';
import { openSocket } from '../support/socket.ts';
import { startBareGraph } from './bare-graph.ts';

const unfinished = createByteBudget(2 ** 20);
const caller = { ipAddress: '192.0.2.1', userAgent: 'test' };
const viewer = { userId: 'u', role: 'member', sessionId: 's', key: null, expiresAt: null } as unknown as Viewer;
const ticks = 'subscription { ticks }';
const gateOf = () => Promise.withResolvers<void>();

let begun = 0;
/** A source that was told to end ends when this opens. */
let maySourcesEnd = gateOf();
let mayBearersAnswer = gateOf();
let bearerAsked = gateOf();
let listening = 0;
let unlistened = gateOf();

let graph: Awaited<ReturnType<typeof startBareGraph>>;
let url: string;

const shared = createBus<Topic>();
const bus: typeof shared = {
  ...shared,
  listen(...listened) {
    listening += 1;
    const stop = shared.listen(...listened);
    return () => {
      stop();
      listening -= 1;
      unlistened.resolve();
    };
  },
};

/** As one in the middle of a question: it hears of its end, and takes a while. */
async function* source(signal: AbortSignal) {
  yield { ticks: 1 };
  if (!signal.aborted) await once(signal, 'abort');
  await maySourcesEnd.promise;
}

const schema = createSchema<{ signal: AbortSignal }>({
  typeDefs: 'type Query { here: Boolean! } type Subscription { ticks: Int! }',
  resolvers: {
    Query: { here: () => true },
    Subscription: {
      ticks: {
        subscribe: (_, _args, { signal }) => {
          begun += 1;
          return source(signal);
        },
      },
    },
  },
});

beforeAll(async () => {
  const services = {
    async bearer() {
      bearerAsked.resolve();
      await mayBearersAnswer.promise;
      return viewer;
    },
  } as unknown as Services;
  graph = await startBareGraph({ schema, services, bus, callerOf: () => caller, unfinished });
  url = `ws://127.0.0.1:${graph.port}/graphql`;
});

beforeEach(() => {
  begun = 0;
  maySourcesEnd = gateOf();
  mayBearersAnswer = gateOf();
  bearerAsked = gateOf();
  unlistened = gateOf();
});

afterAll(() => graph?.[Symbol.asyncDispose]());

type Socket = Awaited<ReturnType<typeof openSocket>>;

/** All that was said before is heard. */
async function heard(socket: Socket) {
  socket.send({ type: 'ping' });
  expect(await socket.next()).toEqual({ type: 'pong' });
}

/** The server has had the time to answer others. */
async function serverAnswers() {
  using socket = await openSocket(url);
  await socket.init();
  for (let round = 0; round < 5; round++) {
    socket.subscribe('1', '{ here }');
    expect(await socket.next()).toMatchObject({ type: 'next', payload: { data: { here: true } } });
    expect(await socket.next()).toMatchObject({ type: 'complete' });
  }
}

/** One that was completed and has not ended, and another of its id that waits for it. */
async function waitsForAnother(socket: Socket) {
  socket.subscribe('1', ticks);
  expect(await socket.next()).toMatchObject({ type: 'next', id: '1' });
  socket.send({ type: 'complete', id: '1' });
  socket.subscribe('1', ticks);
  await heard(socket);
  expect(begun).toBe(1);
}

test('one that is completed while it waits for the one of its id before never begins, and the next one does', async () => {
  using socket = await openSocket(url);
  await socket.init();
  await waitsForAnother(socket);
  socket.send({ type: 'complete', id: '1' });
  await heard(socket);
  maySourcesEnd.resolve();
  await serverAnswers();
  expect(begun).toBe(1);
  socket.subscribe('1', ticks);
  expect(await socket.next()).toMatchObject({ type: 'next', id: '1', payload: { data: { ticks: 1 } } });
  expect(begun).toBe(2);
});

test('of many that take one id in turn while the first still ends only the last begins, and it alone is answered', async () => {
  using socket = await openSocket(url);
  await socket.init();
  await waitsForAnother(socket);
  for (let round = 0; round < 50; round++) {
    socket.send({ type: 'complete', id: '1' });
    socket.subscribe('1', round === 49 ? '{ here }' : ticks);
  }
  await heard(socket);
  maySourcesEnd.resolve();
  expect(await socket.next()).toMatchObject({ type: 'next', id: '1', payload: { data: { here: true } } });
  expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
  await heard(socket);
  expect(begun).toBe(1);
});

test('one that waits holds its id: another of it closes with 4409', async () => {
  using socket = await openSocket(url);
  await socket.init();
  await waitsForAnother(socket);
  socket.subscribe('1', ticks);
  expect(await socket.closed).toBe(4409);
  maySourcesEnd.resolve();
});

test('one whose socket goes while it waits never begins', async () => {
  mayBearersAnswer.resolve();
  const socket = await openSocket(url);
  await socket.init('token');
  await waitsForAnother(socket);
  socket[Symbol.dispose]();
  await unlistened.promise;
  maySourcesEnd.resolve();
  await serverAnswers();
  expect(begun).toBe(1);
});

/** How the socket that connects next ends at the server. */
const nextGone = () =>
  new Promise<void>((resolve) => graph.server.once('connection', (wire) => wire.once('close', () => resolve())));

test('a socket that goes while it is authenticated leaves nothing behind', async () => {
  const gone = nextGone();
  const socket = await openSocket(url);
  socket.send({ type: 'connection_init', payload: { authorization: 'Bearer token' } });
  await bearerAsked.promise;
  socket[Symbol.dispose]();
  await gone;
  mayBearersAnswer.resolve();
  await serverAnswers();
  expect(listening).toBe(0);
});

test('a socket that goes while its token is renewed leaves nothing behind', async () => {
  mayBearersAnswer.resolve();
  const socket = await openSocket(url);
  await socket.init('token');
  mayBearersAnswer = gateOf();
  bearerAsked = gateOf();
  socket.send({ type: 'ping', payload: { authorization: 'Bearer another' } });
  await bearerAsked.promise;
  socket[Symbol.dispose]();
  await unlistened.promise;
  mayBearersAnswer.resolve();
  await serverAnswers();
  expect(listening).toBe(0);
});

test('a lifetime that has ended listens for nothing any more', async () => {
  const lifetime = createLifetimes({ bus, check: async () => viewer })();
  lifetime.renew({ ...viewer, expiresAt: new Date(0) } as Viewer, 'Bearer token');
  await once(lifetime.ended, 'abort');
  expect(listening).toBe(0);
});
