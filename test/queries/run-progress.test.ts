/** A job shows how far it has come, from the planner's estimate and the rows that it has read. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
  await queue.worker();
});
afterAll(() => queue[Symbol.asyncDispose]());

/** Every state of a job that is followed, up to the one that is waited for. */
async function until(job: Job, reached: (now: Job) => boolean): Promise<Job> {
  for await (const now of queue.jobs.follow(queue.viewerOf(owner), job.id, AbortSignal.timeout(50_000))) {
    if (reached(now)) return now;
  }
  throw new Error('the job ended before');
}

test('the estimate is there before the first row, percent stays below 100 until the end, and is 100 then', async () => {
  const { client } = queue.targetDatabase;
  await client.query(`SELECT pg_advisory_lock(1);
    CREATE FUNCTION gate() RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN 0; END';
    CREATE VIEW gated AS SELECT gate() UNION ALL SELECT generate_series(1, 999)`);
  const job = await queue.submit(owner, 'select 1; select * from gated');
  const waiting = await until(job, ({ estimatedRows }) => estimatedRows === 1_001);
  expect(waiting).toMatchObject({ status: 'running', progressRows: 1, percent: 50 });
  await client.query('SELECT pg_advisory_unlock(1)');
  const ended = await queue.until(job);
  expect(ended).toMatchObject({ status: 'succeeded', progressRows: 1_001, estimatedRows: 1_001, percent: 100 });
});

test('a job that fails keeps how far it came; one that nobody estimated says nothing', async () => {
  const failed = await queue.until(await queue.submit(owner, 'select 1; select 1 / 0'));
  expect(failed).toMatchObject({ status: 'failed', percent: 50 });
  const job = await queue.until(await queue.submit(owner, 'create table made (n int)'));
  expect(job).toMatchObject({ status: 'succeeded', estimatedRows: null, percent: 100 });
});
