/** Counts of what was taken, of all replicas, in Redis. */
import { type RateLimiterAbstract, RateLimiterRedis } from 'rate-limiter-flexible';
import type { Service } from './lifecycle.ts';
import type { Log } from './log.ts';
import { windowSeconds } from './rates.ts';
import { openRedis } from './redis-bus.ts';
import type { Secret } from './secret.ts';

export interface RedisRates extends Service {
  /** One for each kind of thing that is counted. */
  of(kind: string): Pick<RateLimiterAbstract, 'penalty'>;
}

/** Never throws for Redis: until it answers, what is counted there fails. @param prefix the installation's own */
export function openRedisRates({ url, prefix, log }: { url: Secret<URL>; prefix: string; log: Log }): RedisRates {
  const redis = openRedis({ url, log, name: 'rates' });
  void redis.connect().catch(() => undefined);
  return {
    of: (kind) =>
      new RateLimiterRedis({
        storeClient: redis,
        keyPrefix: `${prefix}:${kind}`,
        points: Number.MAX_SAFE_INTEGER,
        duration: windowSeconds,
      }),
    async stop() {
      redis.disconnect();
    },
  };
}
