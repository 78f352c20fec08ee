/** The limit of a user's unfinished jobs, on a real queue's table. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJobQuota } from '../../src/jobs/quota.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
beforeAll(async () => {
  queue = await createTestQueue();
});
afterAll(() => queue[Symbol.asyncDispose]());

const tomorrow = () => new Date(Date.now() + 86_400_000);
const refused = (limit: number) =>
  expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: { limit, actual: limit } });

test('what waits, what is put off and what runs count, what has ended does not', async () => {
  const owner = await queue.metadata.addUser();
  const quota = createJobQuota({ pool: queue.pool, limit: 3 });
  const running = await queue.submit(owner, 'select 1');
  const [held] = await queue.claim(1);
  expect(held?.id).toBe(running.id);
  await queue.submit(owner, 'select 1', { runAt: tomorrow() });
  await quota.take(owner);
  const waiting = await queue.submit(owner, 'select 1');
  await expect(quota.take(owner)).rejects.toEqual(refused(3));
  await queue.store.requestCancel(waiting.id);
  await quota.take(owner);
});

test('one user’s jobs are no other’s', async () => {
  const quota = createJobQuota({ pool: queue.pool, limit: 1 });
  await queue.submit(await queue.metadata.addUser(), 'select 1');
  await quota.take(await queue.metadata.addUser());
});

test('a count gives out a part of what is free, and never more than that', async () => {
  const owner = await queue.metadata.addUser();
  const limit = 40;
  const quota = createJobQuota({ pool: queue.pool, limit });
  let taken = 0;
  for (;;) {
    try {
      await quota.take(owner);
    } catch (error) {
      expect(error).toEqual(refused(limit));
      break;
    }
    taken += 1;
    await queue.submit(owner, 'select 1', { runAt: tomorrow() });
  }
  expect(taken).toBe(limit);
});
