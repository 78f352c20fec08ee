/** How much of something there may be in a minute, a key; and what is told to whoever wants more. */
import { type RateLimiterAbstract, RateLimiterMemory } from 'rate-limiter-flexible';
import { AppError } from './errors.ts';

/** @param waitMs until it may be tried again @param more of its details */
export const rateLimited = (
  waitMs: number,
  message: string,
  more: Readonly<Record<string, unknown>> = {},
): AppError => {
  const retryAfterMs = Math.max(Math.ceil(waitMs), 1);
  return new AppError('RATE_LIMITED', `${message}: try again in ${Math.ceil(retryAfterMs / 1_000)} s`, {
    details: { ...more, retryAfterMs },
  });
};

/** Names of https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06; times in seconds. */
export const rateHeaders = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after'];

/** Where a key is in its window. */
export interface Rate {
  readonly limit: number;
  /** 0 or more. */
  readonly remaining: number;
  readonly resetMs: number;
  readonly exceeded: boolean;
}

export interface Rates extends Disposable {
  take(key: string, points: number): Promise<Rate>;
}

export interface RatesDeps {
  /** In a minute. */
  readonly limit: number;
  /**
   * Counts of all replicas. What is taken here is counted here at once and there twice a second, so that together they may
   * let pass as much more as they take in that time; while it does not answer, each counts for itself.
   */
  readonly shared?: Pick<RateLimiterAbstract, 'penalty'> | null;
  /** Keys that begin within a minute; more, and all begin anew. */
  readonly maxKeys?: number;
}

export const windowSeconds = 60;
const shareMs = 500;

export function createRates({ limit, shared = null, maxKeys = 100_000 }: RatesDeps): Rates {
  const newCounts = () => new RateLimiterMemory({ points: limit, duration: windowSeconds });
  let counts = newCounts();
  let keys = 0;
  /** Those that began before have ended, or do within a minute. */
  let keysSince = performance.now();
  const untold = new Map<string, number>();

  async function tell(store: NonNullable<RatesDeps['shared']>, key: string, points: number): Promise<void> {
    const { consumedPoints, msBeforeNext } = await store.penalty(key, points);
    // With what was taken since.
    await counts.set(key, consumedPoints + (untold.get(key) ?? 0), msBeforeNext / 1_000);
  }

  function began(): void {
    const now = performance.now();
    if (now - keysSince > windowSeconds * 1_000) {
      keysSince = now;
      keys = 0;
    }
    keys += 1;
    if (keys <= maxKeys) return;
    counts = newCounts();
    keys = 0;
  }

  const timer =
    shared &&
    setInterval(() => {
      const taken = [...untold];
      untold.clear();
      // What is not counted there is counted here: nobody is let through, or kept out, for want of it.
      for (const [key, points] of taken) tell(shared, key, points).catch(() => undefined);
    }, shareMs).unref();

  return {
    async take(key, points) {
      const { consumedPoints, msBeforeNext, isFirstInDuration } = await counts.penalty(key, points);
      if (isFirstInDuration) began();
      if (shared) untold.set(key, (untold.get(key) ?? 0) + points);
      const remaining = Math.max(limit - consumedPoints, 0);
      return { limit, remaining, resetMs: msBeforeNext, exceeded: consumedPoints > limit };
    },
    [Symbol.dispose]() {
      clearInterval(timer ?? undefined);
    },
  };
}
