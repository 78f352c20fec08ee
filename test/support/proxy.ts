/** A TCP proxy before a server, whose line can be cut, half closed, gone silent, or so slow that messages come in bits. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Resets what is open. */
  cut(): void;
  /** Resets the line when so many more bytes have come from the server; these still arrive. Resolves then. */
  cutAfter(bytes: number): Promise<void>;
  /** From now on nothing passes, neither way, also on lines to come, and nobody is told. */
  blackhole(): void;
  /** The same, as soon as a client says this; resolves then. */
  blackholeAt(text: string): Promise<void>;
  /** Passes again, on lines to come; those that were open are reset. */
  heal(): void;
  /** The server's side ends as in order, while the client's stays open. */
  halfClose(): void;
  /** What the server says arrives in pieces of so many bytes. */
  throttle(bytes: number): void;
}

export async function openProxy(to: { host: string; port: number }): Promise<Proxy> {
  const lines = new Set<{ near: Socket; far: Socket }>();
  let left = Number.POSITIVE_INFINITY;
  let wasCut = () => {};
  let piece = Number.POSITIVE_INFINITY;
  let silent = false;
  let lastWords: { text: string; said: () => void } | null = null;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: to.port, host: to.host, allowHalfOpen: true });
    const line = { near, far };
    lines.add(line);
    near.on('data', (chunk) => {
      if (lastWords !== null && chunk.includes(lastWords.text)) {
        silent = true;
        lastWords.said();
      }
      if (!silent) far.write(chunk);
    });
    far.on('data', (chunk) => {
      if (silent) return;
      const passing = chunk.subarray(0, left);
      left -= passing.length;
      if (left > 0) return void pass(far, near, passing, piece);
      near.write(passing, () => near.resetAndDestroy());
      far.destroy();
      wasCut();
    });
    near.on('end', () => !silent && far.end());
    far.on('end', () => !silent && near.end());
    for (const socket of [near, far]) {
      socket.on('error', () => {}); // `close` follows
      socket.on('close', () => {
        if (silent) return;
        lines.delete(line);
        near.destroy();
        far.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cut = () => {
    for (const { near, far } of lines) {
      near.resetAndDestroy();
      far.destroy();
    }
  };
  return {
    port: (server.address() as { port: number }).port,
    cut,
    cutAfter: (bytes) => {
      left = bytes;
      return new Promise((resolve) => {
        wasCut = resolve;
      });
    },
    blackhole: () => {
      silent = true;
    },
    heal: () => {
      silent = false;
      cut();
    },
    blackholeAt: (text) =>
      new Promise((resolve) => {
        lastWords = { text, said: resolve };
      }),
    halfClose: () => {
      for (const { near } of lines) near.end();
    },
    throttle: (bytes) => {
      piece = bytes;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

/** Waits for each piece to have left, so that the other end reads it alone. */
function pass(from: Socket, to: Socket, chunk: Buffer, piece: number): void {
  if (piece >= chunk.length) {
    to.write(chunk);
    return;
  }
  from.pause();
  const next = (at: number): void => {
    if (at >= chunk.length || to.destroyed) return void from.resume();
    to.write(chunk.subarray(at, at + piece), () => setImmediate(next, at + piece));
  };
  next(0);
}
