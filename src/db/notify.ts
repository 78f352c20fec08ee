/** Carries the bus between processes by PostgreSQL's NOTIFY: rings of a few milliseconds travel as one statement. */
import pg from 'pg';
import type { Bus, BusTransport } from '../lib/bus.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { type ConnectionConfig, explicit } from './connection.ts';
import type { Executor } from './metadata.ts';

const channel = 'quarry_bus';
const reconnectMs = 500;
/** A notification must stay under 8,000 bytes. */
const maxPayloadBytes = 7_900;

/** In SQL: rings when the transaction commits, and not at all when it does not. */
export async function ringInTransaction(
  client: Executor,
  rings: readonly (readonly [topic: string, key: string])[],
): Promise<void> {
  if (rings.length > 0)
    await client.query('SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload', [channel, payloads(rings)]);
}

function payloads(rings: readonly (readonly [string, string])[]): string[] {
  const batches: string[] = [];
  let batch = '';
  for (const ring of new Set(rings.map(([topic, key]) => `${topic}\t${key}`))) {
    if (batch && batch.length + ring.length + 1 > maxPayloadBytes) {
      batches.push(batch);
      batch = '';
    }
    batch += batch ? `\n${ring}` : ring;
  }
  return batch ? [...batches, batch] : batches;
}

export interface NotifyDeps {
  connection: ConnectionConfig;
  pool: Executor;
  bus: Bus<string>;
  log: Log;
}

/** Listens until it is stopped; a broken connection is made anew, and what was rung meanwhile is found by polling. */
export async function startNotify({ connection, pool, bus, log }: NotifyDeps): Promise<Service> {
  let client: pg.Client | null = null;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  let pending: [string, string][] = [];
  let sending = false;

  async function listen(): Promise<void> {
    const next = new pg.Client({ ...explicit(connection, 'quarry-bus'), keepAlive: true });
    next.on('notification', ({ payload = '' }) => {
      for (const line of payload.split('\n')) {
        const [topic = '', key = ''] = line.split('\t');
        bus.ringHere(topic, key);
      }
    });
    const lost = (error?: Error) => {
      if (client !== next || stopped) return;
      client = null;
      log.warn({ error: error?.message }, 'bus.disconnected');
      relisten();
    };
    next.on('error', lost);
    next.on('end', () => lost());
    await next.connect();
    await next.query(`LISTEN ${channel}`);
    client = next;
  }

  function relisten(): void {
    retry = setTimeout(() => listen().catch(() => !stopped && relisten()), reconnectMs);
  }

  async function flush(): Promise<void> {
    sending = true;
    while (pending.length > 0) {
      const rings = pending;
      pending = [];
      try {
        await ringInTransaction(pool, rings);
      } catch (error) {
        // A ring is a hint; readers poll.
        log.debug({ error: String(error) }, 'bus.ring_lost');
      }
    }
    sending = false;
  }

  const transport: BusTransport = {
    send(topic, key) {
      if (stopped) return;
      pending.push([topic, key]);
      if (!sending) void flush();
    },
  };
  await listen();
  bus.connect(transport);

  return {
    async stop() {
      stopped = true;
      clearTimeout(retry);
      const last = client;
      client = null;
      await last?.end().catch(() => undefined);
    },
  };
}
