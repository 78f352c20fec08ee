/** A line to a PostgreSQL that counts the statements that are sent over it, by the frontend's messages (protocol 3). */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CountedLine extends AsyncDisposable {
  readonly port: number;
  /** Since the last time. */
  takeCount(): number;
}

/** Execute of the extended protocol, and Query of the simple one. */
const counted = new Set(['E'.charCodeAt(0), 'Q'.charCodeAt(0)]);

export async function openCountedLine(to: { host: string; port: number }): Promise<CountedLine> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...to, noDelay: true });
    const countIn = messages((type) => {
      if (counted.has(type)) count += 1;
    });
    near.on('data', countIn);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}); // `close` follows
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    takeCount() {
      const taken = count;
      count = 0;
      return taken;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Tells the type of each message but the first, which has none. */
function messages(tell: (type: number) => void): (chunk: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0);
  let isFirst = true;
  return (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    for (;;) {
      const head = isFirst ? 0 : 1;
      if (waiting.length < head + 4) return;
      const length = head + waiting.readInt32BE(head);
      if (waiting.length < length) return;
      if (!isFirst) tell(waiting[0]!);
      isFirst = false;
      waiting = waiting.subarray(length);
    }
  };
}
