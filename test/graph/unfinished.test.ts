/** Requests and messages that do not come to their end take room from who sends many of them, and from nobody else. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createSchema } from 'graphql-yoga';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createBus } from '../../src/lib/bus.ts';
import { createByteBudget } from '../../src/lib/byte-budget.ts';
import type { Topic } from '../../src/lib/topics.ts';
import type { Services } from '../../src/services.ts';
import { startBareGraph } from './bare-graph.ts';

/** Three bodies, or messages, as they are sent here. */
const room = 3_000_000;
const long = 900_000;

let graph: Awaited<ReturnType<typeof startBareGraph>>;
let port: number;

beforeAll(async () => {
  graph = await startBareGraph({
    schema: createSchema({ typeDefs: 'type Query { here: Boolean! }', resolvers: { Query: { here: () => true } } }),
    services: { bearer: async () => null } as unknown as Services,
    bus: createBus<Topic>(),
    // As a proxy would tell them apart.
    callerOf: ({ headers }) => ({ ipAddress: String(headers['x-forwarded-for']), userAgent: null }),
    unfinished: createByteBudget(room),
  });
  ({ port } = graph);
});
afterAll(() => graph?.[Symbol.asyncDispose]());

/** Begins a request whose body lacks its last byte; resolves when the server has asked for it. */
async function beginBody(from: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${from}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${long}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await once(socket, 'data');
  socket.write(Buffer.alloc(long - 1, ' '));
  return socket;
}

/** A whole request as long as those; its status. */
function ask(from: string): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': from };
  request({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', headers }, (answer) => {
    answer.resume();
    resolve(answer.statusCode);
  })
    .on('error', reject)
    .end(JSON.stringify({ query: '{ here }', extensions: { filled: 'x'.repeat(long) } }));
  return promise;
}

test('bodies of one sender that do not end leave room for those of others, and the oldest of them gives way', async () => {
  const first = await beginBody('192.0.2.1');
  const gone = once(first, 'close');
  const later = [await beginBody('192.0.2.1'), await beginBody('192.0.2.1')];
  expect(await ask('192.0.2.1')).toBe(429);
  expect(await ask('192.0.2.2')).toBe(200);
  await gone;
  for (const socket of later) {
    expect(socket.destroyed).toBe(false);
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
  }
});

/** A socket that sends the beginning of a message, and pongs in between, as a client that lives does; null where it is ended. */
async function beginMessage(from: string): Promise<WebSocket | null> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', {
    headers: { 'x-forwarded-for': from },
  });
  socket.on('error', () => undefined);
  await once(socket, 'open');
  for (let sent = 0; sent < long; sent += long / 3) {
    socket.send(Buffer.alloc(long / 3, ' '), { fin: false, binary: false });
    socket.pong('x'.repeat(100));
  }
  // The server has read what came before.
  socket.ping();
  await Promise.race([once(socket, 'pong'), once(socket, 'close')]);
  return socket.readyState === WebSocket.OPEN ? socket : null;
}

test('messages of one sender that do not end leave room for those of others, and the oldest of them gives way', async () => {
  const [first, second, third] = [
    await beginMessage('192.0.2.3'),
    await beginMessage('192.0.2.3'),
    await beginMessage('192.0.2.3'),
  ];
  expect(await beginMessage('192.0.2.3')).toBeNull();
  const gone = once(first!, 'close');
  const other = (await beginMessage('192.0.2.4'))!;
  await gone;
  // Whole, it is no message of the protocol.
  const freed = once(other, 'close');
  other.send(' ', { fin: true });
  await freed;
  for (const socket of [second!, third!]) {
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  }
});
