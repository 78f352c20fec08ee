/**
 * Counts, in the metadata database, how often something was done by a key: they hold over replicas and restarts. What is
 * over stays in the table until the janitor of accounts/attempts.ts takes it.
 */
import type pg from 'pg';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';

export interface LimiterDeps {
  readonly pool: pg.Pool;
  /** Before every key of this kind. */
  readonly name: string;
  /** So often in a window; 0 for no limit. */
  readonly points: number;
  readonly windowSeconds: number;
  /** Who is over is told so by this process without asking again, until the window ends that his first one began. */
  readonly remember?: 'blocked';
}

/** Of one that is over the limit. */
export interface Exceeded {
  readonly waitMs: number;
  /** The first in this window: of all that follow nothing new can be said. */
  readonly first: boolean;
}

export interface Limiter {
  /** Takes one. Null where there was room. */
  take(key: string): Promise<Exceeded | null>;
  giveBack(key: string): Promise<void>;
}

const unlimited: Limiter = { take: async () => null, giveBack: async () => undefined };

export function createLimiter({ pool, name, points, windowSeconds, remember }: LimiterDeps): Limiter {
  if (points === 0) return unlimited;
  const counts = new RateLimiterPostgres({
    storeClient: pool,
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: false,
    keyPrefix: name,
    points,
    duration: windowSeconds,
    // What is remembered ends with the window. All else is kept out from the first that is too many: otherwise the end of one
    // window and the beginning of the next are one.
    ...(remember ? { inMemoryBlockOnConsumed: points + 1 } : { blockDuration: windowSeconds }),
  });
  return {
    async take(key) {
      try {
        await counts.consume(key);
        return null;
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        return { waitMs: refused.msBeforeNext, first: refused.consumedPoints === points + 1 };
      }
    },
    async giveBack(key) {
      await counts.reward(key);
    },
  };
}
