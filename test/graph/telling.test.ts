/** Events that many are told of: made once for all who ask the same, as the executor would answer, and as it is on the wire. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execute, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { JsonData } from '../../src/graph/json-data.ts';
import { createSchema } from '../../src/graph/schema.ts';
import { headOf, TellingSocket } from '../../src/graph/telling-socket.ts';
import { createPlans } from '../../src/graph/use-plans.ts';
import type { ChannelMessage } from '../../src/realtime/channels/store.ts';

const schema = createSchema();
const context = { viewer: { userId: 'u', role: 'member' }, services: {} };
const message = (payload: unknown): ChannelMessage => ({
  position: 7n,
  previous: 0n,
  channel: 'room',
  payload,
  senderId: null,
  sentAt: new Date(0),
});
const tellingOf = (source: string, variableValues: Record<string, unknown> = {}, plans = createPlans(schema)) =>
  plans.telling({ document: parse(source), variableValues });
const asExecuted = async (source: string, event: ChannelMessage, variableValues: Record<string, unknown> = {}) =>
  JSON.stringify(
    await execute({ schema, document: parse(source), rootValue: event, contextValue: context, variableValues }),
  );

describe('an event that is told', () => {
  const head = 'subscription S($p: ID!, $more: Boolean = false) { messages(projectId: $p, channel: "room")';
  const variables = { p: 'x' };

  test.each([
    ['{ position channel payload sentAt }', {}],
    ['{ at: position, again: position, __typename }', {}],
    ['{ ... on Message { payload } ...F } } fragment F on Message { channel payload }', {}],
    ['{ position @skip(if: $more) payload @include(if: $more) }', { more: true }],
    ['{ position @skip(if: $more) payload @include(if: $more) }', {}],
  ])('is what the executor answers: %s', async (selection, more) => {
    const source = `${head} ${selection}${selection.includes('fragment') ? '' : ' }'}`;
    const event = message({ text: '"\u2028\ud800\\', list: [null, 1.5, {}] });
    const telling = tellingOf(source, { ...variables, ...more });
    const data = await telling!.dataOf(event, context);
    expect(data).toBeInstanceOf(JsonData);
    expect(String(data!.result)).toBe(await asExecuted(source, event, { ...variables, ...more }));
    expect(JSON.stringify({ data })).toBe(String(data!.result));
  });

  test('is made once for all whose selections come to the same, and once more for another', async () => {
    const plans = createPlans(schema);
    const document = parse(`${head} { position @skip(if: $more) channel } }`);
    const telling = (more: boolean, p: string) => plans.telling({ document, variableValues: { p, more } })!;
    const event = message(1);
    const first = await telling(false, 'a').dataOf(event, context);
    expect(await telling(false, 'b').dataOf(event, { ...context })).toBe(first);
    const other = await telling(true, 'a').dataOf(event, context);
    expect(JSON.stringify(other)).toBe('{"messages":{"channel":"room"}}');
    expect(String(other!.result)).toBe('{"data":{"messages":{"channel":"room"}}}');
    expect(await telling(false, 'a').dataOf(message(1), context)).not.toBe(first);
  });

  test('is left to the executor where the answer depends on who asks, or cannot be given', async () => {
    expect(tellingOf(`${head} { position sender { id } } }`, variables)).toBeNull();
    expect(tellingOf('subscription { jobEvents { position } }')).toBeNull();
    const broken = { ...message(1), sentAt: null } as unknown as ChannelMessage;
    expect(await tellingOf(`${head} { sentAt } }`, variables)!.dataOf(broken, context)).toBeNull();
  });
});

describe('a socket that tells', () => {
  const server = createServer();
  const sockets = new WebSocketServer({ server, WebSocket: TellingSocket });
  let here: TellingSocket;
  let there: WebSocket;
  const heard: string[] = [];
  let wake = () => {};

  const url = () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const nextHere = () =>
    new Promise<TellingSocket>((resolve) =>
      sockets.once('connection', (socket, { socket: wire }) => {
        (socket as TellingSocket).tellsOver(wire);
        resolve(socket as TellingSocket);
      }),
    );

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    there = new WebSocket(url());
    there.on('message', (data, binary) => {
      expect(binary).toBe(false);
      heard.push(String(data));
      wake();
    });
    here = await nextHere();
  });
  afterAll(() => {
    there.terminate();
    sockets.close();
    server.close();
  });

  const next = async () => {
    while (heard.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return heard.shift()!;
  };
  const print = (id: string, payload: unknown) => JSON.stringify({ id, type: 'next', payload });

  test.each(['1', 'ü"\\', '🎈'.repeat(50), ',"type":"next","payload":{"told":true}}'])(
    'puts what is printed already behind the id %j',
    async (id) => {
      const payload = { data: { text: 'é🎈', told: true } };
      here.send(print(id, here.tell(id, Buffer.from(JSON.stringify(payload)))), () => undefined);
      expect(await next()).toBe(print(id, payload));
    },
  );

  test('takes nothing else for it', async () => {
    const payload = { data: { type: 'next', payload: { told: true } } };
    here.send(print('1', payload), () => undefined);
    expect(await next()).toBe(print('1', payload));
    here.send('{"type":"pong"}');
    expect(await next()).toBe('{"type":"pong"}');
  });

  test.each([1, 125, 126, 8_192, 8_193, 65_535, 65_536, 200_000])(
    'sends a payload of %i bytes at once',
    async (bytes) => {
      const payload = JSON.stringify('x'.repeat(Math.max(0, bytes - 2)));
      expect(here.tellNow(headOf('ü"'), Buffer.from(payload))).toBe(true);
      expect(await next()).toBe(`{"id":"ü\\"","type":"next","payload":${payload}}`);
    },
  );

  test('sends nothing at once while something waits before it, and keeps the order', async () => {
    const payload = Buffer.from(JSON.stringify('x'.repeat(100_000)));
    const head = headOf('1');
    there.pause();
    let sent = 0;
    while (here.tellNow(head, payload)) sent += 1;
    const after = { data: 'after' };
    here.send(print('1', here.tell('1', Buffer.from(JSON.stringify(after)))), () => undefined);
    expect(here.tellNow(head, payload)).toBe(false);
    expect(here.bufferedAmount).toBeLessThan(2 * payload.length + 1_000);
    there.resume();
    for (let i = 0; i < sent; i += 1) expect(await next()).toBe(`${head}${payload}}`);
    expect(await next()).toBe(print('1', after));
    expect(here.tellNow(head, payload)).toBe(true);
    expect(await next()).toBe(`${head}${payload}}`);
  });

  test('sends one answer of any size whole', async () => {
    const payload = JSON.stringify('x'.repeat(20 * 2 ** 20));
    const waits = 'behind it';
    there.pause();
    here.send(print('1', here.tell('1', Buffer.from(payload))), () => undefined);
    there.resume();
    expect((await next()).length).toBe(headOf('1').length + payload.length + 1);
    here.send(print('2', waits), () => undefined);
    expect(await next()).toBe(print('2', waits));
  });

  test.each(['printed already', 'printed by graphql-ws'])(
    'ends a reader who leaves more than 16 MiB waiting of what is %s',
    async (which) => {
      const most = 100;
      const slow = new WebSocket(url());
      const [socket] = await Promise.all([nextHere(), once(slow, 'open')]);
      slow.pause();
      const ended = once(socket, 'close');
      const payload = JSON.stringify('x'.repeat(2 ** 20));
      let sent = 0;
      for (; sent < most && socket.readyState === socket.OPEN; sent += 1) {
        const id = String(sent);
        const given = which === 'printed already' ? socket.tell(id, Buffer.from(payload)) : payload;
        socket.send(print(id, given), () => undefined);
      }
      expect(sent).toBeGreaterThan(16);
      expect(sent).toBeLessThan(most);
      await ended;
      expect(socket.bufferedAmount).toBe(0);
      slow.terminate();
    },
  );

  test('that was closed sends nothing at once', async () => {
    const closed = new Promise((resolve) => there.once('close', resolve));
    here.close();
    expect(here.tellNow(headOf('1'), Buffer.from('1'))).toBe(false);
    await closed;
  });
});
