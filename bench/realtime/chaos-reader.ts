/** Reads row changes as a client that may lose its line at any moment, and goes on behind the last position that it has. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { print } from 'graphql';
import { RowChangesDocument } from '../../test/support/operations.ts';
import { openSocket } from '../../test/support/socket.ts';

export interface ChaosReader extends AsyncDisposable {
  /** The number of the last row that came. */
  readonly last: number;
  /** Rows that came with a position that had come before; how often it began again. */
  readonly duplicated: number;
  readonly connections: number;
  /** Numbers that were left out, that came again with another position, or after a greater one. */
  readonly lost: number;
  readonly disordered: number;
  /** Codes that ended the stream. */
  readonly codes: ReadonlyMap<string, number>;
  /** It knows from where nothing is missed. */
  begun(options: { signal: AbortSignal }): Promise<void>;
  /** Resolves when this number has come. */
  reached(last: number, options: { signal: AbortSignal }): Promise<void>;
  /** Cuts its own line, and forgets what it had not looked at. */
  kill(): void;
}

interface Change {
  readonly position: string;
  readonly new: { readonly id: number };
}

const retryMs = 100;
const batchSize = 150;

export function startReader({
  url,
  token,
  databaseId,
  tableId,
}: {
  url: () => string;
  token: string;
  databaseId: string;
  tableId: string;
}): ChaosReader {
  const events = new EventEmitter();
  const codes = new Map<string, number>();
  let socket: Awaited<ReturnType<typeof openSocket>> | null = null;
  let ended = false;
  let after: string | null = null;
  let newest = '';
  let last = 0;
  let [lost, disordered, duplicated, connections] = [0, 0, 0, 0];

  function take(changes: readonly Change[], behind: string): void {
    for (const { position, new: row } of changes) {
      if (position <= newest) {
        if (row.id <= last) duplicated += 1;
        else disordered += 1;
        continue;
      }
      if (row.id <= last) disordered += 1;
      else lost += row.id - last - 1;
      newest = position;
      last = Math.max(last, row.id);
    }
    // Sometimes from behind a change, and sometimes from behind a batch.
    after = connections % 2 === 0 ? behind : (changes.at(-1)?.position ?? behind);
    events.emit('taken');
  }

  async function readOnce(): Promise<void> {
    socket = await openSocket(url());
    connections += 1;
    await socket.init(token);
    const variables = { databaseId, tables: [{ tableId }], after, batchSize };
    socket.subscribe('1', print(RowChangesDocument), { variables });
    for (;;) {
      const { type, payload } = await socket.next();
      if (type === 'ping') {
        socket.send({ type: 'pong' });
        continue;
      }
      const errors = type === 'error' ? payload : payload?.errors;
      if (errors) {
        const code = String(errors[0].extensions?.code);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        // Something is gone for good: read on from here, so that what is lost is counted.
        if (code === 'POSITION_LOST') after = null;
        return;
      }
      if (type !== 'next') return;
      take(payload.data.rowChanges.changes, payload.data.rowChanges.position);
    }
  }

  async function run(): Promise<void> {
    while (!ended) {
      // The server is away, or its line was cut.
      await readOnce().catch(() => undefined);
      socket?.[Symbol.dispose]();
      await sleep(retryMs);
    }
  }
  const running = run();

  return {
    get last() {
      return last;
    },
    get duplicated() {
      return duplicated;
    },
    get connections() {
      return connections;
    },
    get lost() {
      return lost;
    },
    get disordered() {
      return disordered;
    },
    codes,
    async begun({ signal }) {
      while (after === null) await once(events, 'taken', { signal });
    },
    async reached(number, { signal }) {
      while (last < number) await once(events, 'taken', { signal });
    },
    kill: () => socket?.[Symbol.dispose](),
    async [Symbol.asyncDispose]() {
      ended = true;
      socket?.[Symbol.dispose]();
      await running;
    },
  };
}
