/** A bare graphql-transport-ws socket: whatever is sent goes out as it is, whatever comes is kept until it is asked for. */
import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface Message {
  type: string;
  id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the document of a test asks for
  payload?: any;
}

export interface SocketOptions {
  headers?: Record<string, string>;
  protocol?: string;
}

/** @throws Error where the server refuses the upgrade */
export async function openSocket(url: string, { headers = {}, protocol = 'graphql-transport-ws' }: SocketOptions = {}) {
  const socket = new WebSocket(url, protocol, { headers });
  const messages: Message[] = [];
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  let wake = () => {};
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)) as Message);
    wake();
  });
  socket.once('close', () => wake());
  await once(socket, 'open');
  const send = (message: object | string) =>
    socket.send(typeof message === 'string' ? message : JSON.stringify(message));

  async function next(): Promise<Message> {
    while (messages.length === 0) {
      if (socket.readyState === WebSocket.CLOSED) throw new Error('the socket is closed');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return messages.shift()!;
  }

  return {
    send,
    next,
    /** The code that it was closed with. */
    closed,
    /** Signs in; anonymous without a token. */
    async init(token?: string): Promise<Message> {
      send({ type: 'connection_init', ...(token && { payload: { authorization: `Bearer ${token}` } }) });
      return next();
    },
    subscribe: (id: string, query: unknown, more: object = {}) =>
      send({ type: 'subscribe', id, payload: { query, ...more } }),
    /** Reads nothing any more, until `resume`. */
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    [Symbol.dispose]: () => socket.terminate(),
  };
}
