/** A wire to a PostgreSQL that lists every statement sent over it, and can be cut. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Wire extends AsyncDisposable {
  readonly port: number;
  /** Text of each Parse and Query message, in the order sent. */
  readonly statements: string[];
  /** Ends what is open and refuses what comes. */
  cut(): Promise<void>;
}

export async function openWire(to: { host: string; port: number }): Promise<Wire> {
  const statements: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(to.port, to.host);
    const read = frontend(statements);
    client.on('data', read);
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()); // The other end is closed below.
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        target.destroy();
      });
    }
    client.pipe(target);
    target.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const cut = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port, statements, cut, [Symbol.asyncDispose]: cut };
}

/** Reads frontend messages: the startup packet has no type, every other one begins with it. */
function frontend(statements: string[]): (chunk: Buffer) => void {
  let buffered = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    for (;;) {
      const header = started ? 1 : 0;
      if (buffered.length < header + 4) return;
      const end = header + buffered.readUInt32BE(header);
      if (buffered.length < end) return;
      const type = started ? String.fromCharCode(buffered[0]!) : '';
      const [first = '', second = ''] = buffered.toString('utf8', header + 4, end).split('\0');
      if (type === 'P') statements.push(second);
      if (type === 'Q') statements.push(first);
      started = true;
      buffered = buffered.subarray(end);
    }
  };
}
