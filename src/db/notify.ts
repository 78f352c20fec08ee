/** Carries the bus between processes by PostgreSQL's NOTIFY: what is rung while a statement is under way travels in the next one. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Bus, BusTransport } from '../lib/bus.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { printRings, type Ring, readRings } from '../lib/rings.ts';
import { type ConnectionConfig, explicit } from './connection.ts';
import { listenToMail, mailChannelOf } from './mailbox.ts';
import type { Executor } from './metadata.ts';

const channel = 'quarry_bus';
const reconnectMs = 500;
/** A server that does not answer for so long is gone; also how long a stop waits for the last rings. */
const silenceMs = 2_000;
/** A notification must stay under 8,000 bytes. */
const maxPayloadBytes = 7_900;
/** Behind so many rings of one statement the next ones gather for a moment: each statement interrupts who is at work. */
const many = 16;
const gatherMs = 5;

/** In SQL: rings when the transaction commits, and not at all when it does not. */
export async function ringInTransaction(client: Executor, rings: readonly Ring[]): Promise<void> {
  if (rings.length > 0) await send(client, printRings(rings, '', maxPayloadBytes));
}

/** What a statement of SQL gives to pg_notify() besides, to ring when it is committed. */
export const notification = (...ring: Ring): { channel: string; payload: string } => ({
  channel,
  payload: printRings([ring], '', maxPayloadBytes)[0]!,
});

const send = (client: Executor, batches: readonly string[]): Promise<unknown> =>
  client.query('SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload', [channel, batches]);

/** Where others post what is for this process alone; see mailbox.ts. */
export interface Mail {
  /** Each connection has a mailbox of its own, so that what was posted to one that is lost is lost, and its id says so. */
  receive(receiver: MailReceiver): Promise<void>;
}

export interface MailReceiver {
  /** From now on this is the mailbox; the one of before hears nothing more. */
  opened(id: string): void;
  received(text: string): void;
}

export interface NotifyDeps {
  connection: ConnectionConfig;
  /** Rings go this way while nothing is heard. */
  pool: Executor;
  bus: Bus<string>;
  log: Log;
}

/** Listens until it is stopped; a broken connection is made anew, and what was rung meanwhile is found by polling. */
export async function startNotify({
  connection,
  pool,
  bus,
  log,
}: NotifyDeps): Promise<Service & Mail & { readonly transport: BusTransport }> {
  const sender = randomUUID();
  let client: pg.Client | null = null;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  let pending: [string, string][] = [];
  let sending: Promise<void> | null = null;
  let receiver: MailReceiver | null = null;
  let mailChannel: string | null = null;

  async function openMailbox(session: pg.Client, to: MailReceiver): Promise<void> {
    const id = await listenToMail(session);
    mailChannel = mailChannelOf(id);
    to.opened(id);
  }

  async function listen(): Promise<void> {
    const next = new pg.Client({ ...explicit(connection, 'quarry-bus'), keepAlive: true, query_timeout: silenceMs });
    next.on('notification', ({ channel: to, payload = '' }) => {
      if (to === mailChannel) receiver?.received(payload);
      else for (const [topic, key] of readRings(payload, sender)) bus.ringHere(topic, key);
    });
    next.on('error', (error) => lose(next, error));
    next.on('end', () => lose(next));
    try {
      await next.connect();
      // Nobody waits until a ring is on the disk: a server that falls has no listeners left.
      await next.query('SET synchronous_commit = off');
      await next.query(`LISTEN ${channel}`);
      if (receiver) await openMailbox(next, receiver);
      if (stopped) throw new Error('stopped meanwhile');
    } catch (error) {
      // Each attempt would leave one to the server. Not waited for: it may be one that says nothing.
      void next.end().catch(() => undefined);
      throw error;
    }
    client = next;
  }

  function lose(from: pg.Client, error?: unknown): void {
    if (client !== from || stopped) return;
    client = null;
    log.warn({ error: error === undefined ? undefined : String(error) }, 'bus.disconnected');
    void from.end().catch(() => undefined);
    relisten();
  }

  function relisten(): void {
    retry = setTimeout(() => listen().catch(() => !stopped && relisten()), reconnectMs);
  }

  async function flush(): Promise<void> {
    // What is rung in the same turn of the loop travels together.
    await Promise.resolve();
    while (pending.length > 0) {
      const rings = pending;
      pending = [];
      const from = client;
      try {
        await send(from ?? pool, printRings(rings, sender, maxPayloadBytes));
      } catch (error) {
        if (from && !stopped) {
          // Who takes no ring brings none: they go by the pool, once.
          lose(from, error);
          pending.unshift(...rings);
        } else {
          // A ring is a hint; readers poll.
          log.debug({ error: String(error) }, 'bus.ring_lost');
        }
      }
      if (rings.length >= many) await sleep(gatherMs);
    }
    sending = null;
  }

  const transport: BusTransport = {
    send(topic, key) {
      if (stopped) return;
      pending.push([topic, key]);
      sending ??= flush();
    },
  };
  await listen();
  bus.connect(transport);

  return {
    transport,
    async receive(to) {
      if (receiver) throw new TypeError('A process has one mailbox');
      receiver = to;
      // Without a connection the next one opens it, and so it does behind one on which that fails.
      const session = client;
      if (session) await openMailbox(session, to).catch((error) => lose(session, error));
    },
    async stop() {
      stopped = true;
      clearTimeout(retry);
      await sending;
      const last = client;
      client = null;
      await last?.end().catch(() => undefined);
    },
  };
}
