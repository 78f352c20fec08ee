/**
 * Many sockets in a process of its own, each with one subscription: `node readers.ts`, then a message with what to open.
 * It says `open` when each has heard its first event, and `round` whenever each has heard of another change.
 */
import { WebSocket } from 'ws';

export interface ReadersOrder {
  readonly url: string;
  readonly sockets: number;
  readonly authorization: string | null;
  /** Of the `subscribe` message. */
  readonly payload: object;
}

export type ReadersReport =
  | { readonly type: 'open'; readonly elapsedMs: number }
  /** Milliseconds of the epoch at which each heard it, sorted. */
  | { readonly type: 'round'; readonly heardAt: readonly number[] };

/** Sockets that are opened at once. */
const atOnce = 100;

process.once('message', async (order: ReadersOrder) => {
  const startedAt = performance.now();
  let heard: number[] = [];
  let opening = order.sockets;
  const report = (message: ReadersReport) => process.send!(message);

  function tell(changed: boolean): void {
    if (opening > 0) {
      opening -= 1;
      if (opening === 0) report({ type: 'open', elapsedMs: performance.now() - startedAt });
      return;
    }
    // One that says that all is quiet is none.
    if (!changed) return;
    heard.push(performance.timeOrigin + performance.now());
    if (heard.length < order.sockets) return;
    report({ type: 'round', heardAt: heard });
    heard = [];
  }

  async function open(): Promise<void> {
    const socket = new WebSocket(order.url, 'graphql-transport-ws');
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const acknowledged = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        // Of a message nothing but its kind is looked at: here the clients are not what is measured.
        const head = data.toString('latin1', 0, 100);
        if (head.includes('"connection_ack"')) resolve();
        else if (head.includes('"next"')) tell(head.includes('"changes":[{'));
        else if (!head.includes('"ping"')) throw new Error(String(data));
      });
    });
    const { authorization } = order;
    socket.send(JSON.stringify({ type: 'connection_init', ...(authorization && { payload: { authorization } }) }));
    await acknowledged;
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: order.payload }));
  }

  for (let left = order.sockets; left > 0; left -= atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, left) }, open));
});
