/**
 * Carries the bus between processes by Redis: publish and subscribe, on two connections. What Redis does not take, goes
 * the other way that there is; what was rung while nothing was heard, is found by polling.
 * https://redis.io/docs/latest/develop/pubsub/
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Bus, BusTransport } from './bus.ts';
import type { Service } from './lifecycle.ts';
import type { Log } from './log.ts';
import { printRings, type Ring, readRings } from './rings.ts';
import type { Secret } from './secret.ts';

export interface RedisBusDeps {
  readonly url: Secret<URL>;
  /** The installation's own: others on the same Redis do not hear it. */
  readonly channel: string;
  readonly bus: Bus<string>;
  /** For what cannot be published. */
  readonly otherwise: BusTransport;
  readonly log: Log;
}

/** A server that does not answer for so long is gone; also how long a start waits for it. */
const silenceMs = 2_000;
const lastRetryMs = 2_000;
/** Of one message. */
const maxBytes = 64 * 2 ** 10;

/** Never throws for Redis: without it the bus goes the other way. */
export async function startRedisBus({ url, channel, bus, otherwise, log }: RedisBusDeps): Promise<Service> {
  const sender = randomUUID();
  const publisher = openRedis({ url, log, name: 'publish' });
  const subscriber = openRedis({ url, log, name: 'subscribe' });
  let stopped = false;
  let pending: Ring[] = [];
  let sending: Promise<void> | null = null;

  subscriber.on('message', (_channel: string, text: string) => {
    for (const [topic, key] of readRings(text, sender)) bus.ringHere(topic, key);
  });
  // Each time that it is connected: a subscription ends with its connection.
  subscriber.on('ready', () => {
    subscriber.subscribe(channel).catch((error: unknown) => {
      log.warn({ error: String(error) }, 'redis.not_subscribed');
      // Heard nothing is worse than begun anew.
      subscriber.disconnect(true);
    });
  });

  async function flush(): Promise<void> {
    while (pending.length > 0) {
      const rings = pending;
      pending = [];
      try {
        for (const text of printRings(rings, sender, maxBytes)) await publisher.publish(channel, text);
      } catch (error) {
        log.debug({ error: String(error) }, 'redis.not_published');
        for (const ring of rings) otherwise.send(...ring);
      }
    }
    sending = null;
  }

  await Promise.all([connected(publisher), connected(subscriber)]);
  bus.connect({
    send(topic, key) {
      if (stopped) return;
      pending.push([topic, key]);
      sending ??= flush();
    },
  });

  return {
    async stop() {
      stopped = true;
      await sending;
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}

interface Connecting {
  readonly url: Secret<URL>;
  readonly log: Log;
  readonly name: string;
}

/** Not connected yet; it goes on trying by itself. */
export function openRedis({ url, log, name }: Connecting): Redis {
  const redis = new Redis(url.reveal().href, {
    connectionName: `quarry-${name}`,
    lazyConnect: true,
    connectTimeout: silenceMs,
    commandTimeout: silenceMs,
    // What is not sent at once goes the other way: nothing waits for Redis to come back.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    retryStrategy: (times) => Math.min(100 * times, lastRetryMs),
  });
  let away = false;
  // Unheard, its event would end the process; heard once for each time that it goes.
  redis.on('error', (error: Error) => {
    if (!away) log.warn({ error: error.message, connection: name }, 'redis.away');
    away = true;
  });
  redis.on('ready', () => {
    if (away) log.info({ connection: name }, 'redis.back');
    away = false;
  });
  return redis;
}

/** Whether it worked or not: it goes on trying by itself. */
const connected = (redis: Redis): Promise<unknown> => redis.connect().catch(() => undefined);

export const redisAddress = ({ hostname, port }: URL): { host: string; port: number } => ({
  // An IPv6 address has brackets in a URL alone.
  host: hostname.replace(/^\[|\]$/g, ''),
  port: Number(port || 6379),
});
