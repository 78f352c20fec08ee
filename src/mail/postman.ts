/** Sends what is in the outbox, away from every request. Each server runs one; a mail is in the hands of one at a time. */
import { type Bus, createDoorbell } from '../lib/bus.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Topic } from '../lib/topics.ts';
import type { Outbox } from './outbox.ts';
import type { MailStore, TakenMail } from './store.ts';
import { MailRefused, type MailTransport } from './transport.ts';

export interface PostmanDeps {
  store: MailStore;
  outbox: Pick<Outbox, 'open'>;
  transport: MailTransport;
  bus: Bus<Topic>;
  log: Log;
  /** After the first failure; doubled with each further one. */
  firstRetryMs?: number;
  /** How long a stop waits for what is on its way. */
  drainMs?: number;
}

/** Since the start of this process. */
export interface MailCounts {
  readonly sent: number;
  /** Attempts that failed and are made again. */
  readonly retried: number;
  readonly givenUp: number;
}

export interface Postman extends Service {
  counts(): MailCounts;
}

const atOnce = 4;
const sendMs = 60_000;
/** Longer than a mail can be on its way, so that nobody else sends it meanwhile. */
const holdMs = 2 * sendMs;
const maxRetryMs = 1_800_000;
/** Looked at so often although nobody rang, and not more often than that. */
const maxPauseMs = 30_000;
const minPauseMs = 20;

export function startPostman({ bus, firstRetryMs = 10_000, drainMs = 5_000, ...deps }: PostmanDeps): Postman {
  const { store, outbox, transport, log } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const leaving = new AbortController();
  const counts = { sent: 0, retried: 0, givenUp: 0 };
  const queued = createDoorbell(bus, 'mail.queued', '*');

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      let pauseMs = maxPauseMs;
      try {
        await sendDue();
        const nextMs = (await store.untilNextMs()) ?? maxPauseMs;
        pauseMs = Math.min(Math.max(Math.ceil(nextMs), minPauseMs), maxPauseMs);
      } catch (error) {
        // The metadata database is away: what is queued stays queued.
        log.warn({ error: String(error) }, 'postman.failed');
      }
      await queued.wait(pauseMs, signal);
    }
  }

  async function sendDue(): Promise<void> {
    while (!signal.aborted) {
      const taken = await store.take({ limit: atOnce, holdMs });
      await Promise.all(taken.map(deliver));
      if (taken.length < atOnce) return;
    }
  }

  async function deliver(taken: TakenMail): Promise<void> {
    const { id: mailId, template, attempts } = taken;
    const about = { mailId, template, attempts };
    try {
      // Its link is dead: nobody would thank us for it.
      if (taken.leftMs <= 0) return await giveUp(taken, 'its time is over');
      const mail = outbox.open(taken);
      if (mail) await transport.send(mail, AbortSignal.any([leaving.signal, AbortSignal.timeout(sendMs)]));
      await store.remove(taken);
      if (!mail) return;
      counts.sent += 1;
      log.info(about, 'mail.sent');
    } catch (error) {
      // Whoever starts next has it; that it left just now is possible, and its Message-ID says so.
      if (leaving.signal.aborted) return store.putOff(taken, 0);
      if (error instanceof MailRefused) return giveUp(taken, error.message);
      const retryInMs = Math.min(firstRetryMs * 2 ** (attempts - 1), maxRetryMs);
      if (retryInMs >= taken.leftMs) return giveUp(taken, String(error));
      counts.retried += 1;
      log.warn({ ...about, retryInMs: Math.ceil(retryInMs), error: String(error) }, 'mail.put_off');
      await store.putOff(taken, retryInMs);
    }
  }

  async function giveUp(taken: TakenMail, reason: string): Promise<void> {
    await store.remove(taken);
    counts.givenUp += 1;
    const { id: mailId, template, attempts, queuedAt } = taken;
    log.error({ mailId, template, attempts, queuedAt, reason }, 'mail.given_up');
  }

  const running = loop();
  return {
    counts: () => ({ ...counts }),
    async stop() {
      stopping.abort();
      const late = setTimeout(() => leaving.abort(new Error('Quarry stops')), drainMs);
      await running;
      clearTimeout(late);
      queued[Symbol.dispose]();
    },
  };
}
