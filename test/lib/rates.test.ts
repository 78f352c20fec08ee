/** What may be taken in a minute: here, and together with others who count. */
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createRates, type Rates } from '../../src/lib/rates.ts';
import { openRedisRates } from '../../src/lib/redis-rates.ts';
import { silent } from '../support/metadata.ts';
import { hasRedis, startRedis, type TestRedis } from '../support/redis.ts';

test('a key has so many, and another one its own', async () => {
  using rates = createRates({ limit: 3 });
  const left = async (key: string, points = 1) => {
    const { remaining, exceeded } = await rates.take(key, points);
    return exceeded ? 'exceeded' : remaining;
  };
  expect([await left('a'), await left('a'), await left('a'), await left('a')]).toEqual([2, 1, 0, 'exceeded']);
  expect([await left('b', 3), await left('b')]).toEqual([0, 'exceeded']);
  expect((await rates.take('a', 1)).resetMs).toBeGreaterThan(0);
});

test('two who share what they count stop together', async () => {
  const shared = new RateLimiterMemory({ points: 1, duration: 60 });
  using one = createRates({ limit: 10, shared });
  using two = createRates({ limit: 10, shared });
  await one.take('a', 8);
  await two.take('a', 8);
  await expect
    .poll(async () => (await one.take('a', 0)).exceeded && (await two.take('a', 0)).exceeded, { timeout: 5_000 })
    .toBe(true);
});

test('who cannot reach what is shared counts for himself', async () => {
  let asked = 0;
  const shared = {
    penalty: () => {
      asked += 1;
      return Promise.reject(new Error('away'));
    },
  };
  using rates = createRates({ limit: 2, shared });
  await rates.take('a', 2);
  await expect.poll(() => asked).toBeGreaterThan(0);
  expect((await rates.take('a', 1)).exceeded).toBe(true);
  expect((await rates.take('b', 1)).exceeded).toBe(false);
});

test('more keys than it may hold make it begin anew, and not grow', async () => {
  using rates = createRates({ limit: 1, maxKeys: 3 });
  for (const key of ['a', 'b', 'c']) await rates.take(key, 1);
  expect((await rates.take('a', 1)).exceeded).toBe(true);
  await rates.take('d', 1);
  expect((await rates.take('a', 1)).exceeded).toBe(false);
});

describe.skipIf(!hasRedis)('with a Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.[Symbol.asyncDispose]());

  /** A replica, as far as its counts go. */
  function replica(prefix: string, kind = 'user') {
    const shared = openRedisRates({ url: redis.url, prefix, log: silent });
    const rates = createRates({ limit: 10, shared: shared.of(kind) });
    onTestFinished(async () => {
      rates[Symbol.dispose]();
      await shared.stop();
    });
    return rates;
  }
  /** What there is in Redis, by somebody who is connected to it when he has answered once. */
  function counts(prefix: string, kind: string) {
    const shared = openRedisRates({ url: redis.url, prefix, log: silent });
    onTestFinished(() => shared.stop());
    const count = shared.of(kind);
    return async (key: string) => (await count.penalty(key, 0)).consumedPoints;
  }
  const exceeded = async (rates: Rates, key: string) => (await rates.take(key, 0)).exceeded;
  /** Counts are told twice a second: what is asked for is looked at until it is so. */
  const soon = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 20_000, interval: 50 });

  test('replicas stop together, and what is counted elsewhere is not theirs', async () => {
    const [one, two] = [replica('quarry:a'), replica('quarry:a')];
    const [otherKind, otherInstallation] = [replica('quarry:a', 'cost'), replica('quarry:b')];
    await one.take('ann', 8);
    await two.take('ann', 8);
    await soon(async () => (await exceeded(one, 'ann')) && (await exceeded(two, 'ann'))).toBe(true);
    const { remaining, resetMs } = await two.take('ann', 0);
    expect(remaining).toBe(0);
    expect(resetMs).toBeGreaterThan(0);
    expect(resetMs).toBeLessThanOrEqual(60_000);
    for (const rates of [otherKind, otherInstallation]) await rates.take('ann', 8);
    for (const counted of [counts('quarry:a', 'cost'), counts('quarry:b', 'user')])
      await soon(() => counted('ann')).toBe(8);
    for (const rates of [otherKind, otherInstallation]) expect(await exceeded(rates, 'ann')).toBe(false);
    expect(await exceeded(one, 'bob')).toBe(false);
    // One that starts later knows what was taken before.
    const late = replica('quarry:a');
    await late.take('ann', 1);
    await soon(() => exceeded(late, 'ann')).toBe(true);
  });

  test('each counts for itself while it is away, and together when it is back', async () => {
    const [one, two] = [replica('quarry:c'), replica('quarry:c')];
    await one.take('ann', 1);
    await two.take('ann', 1);
    await soon(async () => (await two.take('ann', 0)).remaining).toBe(8);
    await redis.stop();
    await one.take('bob', 11);
    expect(await exceeded(one, 'bob')).toBe(true);
    expect(await exceeded(two, 'bob')).toBe(false);
    await redis.start();
    // What is taken while it is not back yet stays with who took it.
    await soon(async () => {
      await one.take('cid', 3);
      return exceeded(two, 'cid');
    }).toBe(true);
  });
});
