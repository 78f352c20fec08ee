/** Rows of many megabytes: what of them is kept. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pageOf } from '../../src/lib/pages.ts';
import { maxLineBytes } from '../../src/queries/result-writer.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
  await queue.worker();
});
afterAll(() => queue?.[Symbol.asyncDispose]());

test('a row that becomes too long as JSON fails its statement, and what came before it is kept', async () => {
  // Each is six characters as JSON.
  const control = Math.ceil(maxLineBytes / 6);
  const submitted = await queue.submit(
    owner,
    `select 1; select repeat(chr(1), i * ${control}) from generate_series(0, 1) i`,
  );
  const job = await queue.until(submitted);
  expect(job).toMatchObject({ status: 'failed', error: { code: 'LIMIT_EXCEEDED', statement: 1 } });
  const sets = await queue.results.list(job.id, pageOf({}));
  expect(sets.map(({ storedRows }) => storedRows)).toEqual([1, 1]);
});
