/** What may be taken in a minute: here, and together with others who count. */
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { expect, test } from 'vitest';
import { createRates } from '../../src/lib/rates.ts';

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
