/** Rows of many megabytes: what of them is kept, and how many are read at once. */
import { readFile } from 'node:fs/promises';
import { print } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { pageOf } from '../../src/lib/pages.ts';
import { createOperationBudget, maxPageBytes } from '../../src/queries/chunk-readers.ts';
import { createJobRows } from '../../src/queries/job-rows.ts';
import { createLongReads } from '../../src/queries/long-reads.ts';
import { maxLineBytes } from '../../src/queries/result-writer.ts';
import { readRows } from '../../src/queries/results.ts';
import { graphql } from '../generated/gql.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';
import { JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import { type Submission, startSubmission } from './server.ts';

const LongRowDocument = graphql(`
  query LongRow($id: ID!) {
    job(id: $id) {
      result(index: 0) {
        rows(first: 1) {
          rows
        }
      }
    }
  }
`);

const LongRowsDocument = graphql(`
  subscription LongRows($id: ID!) {
    jobRows(id: $id) {
      rows
    }
  }
`);

let queue: TestQueue;
let owner: string;
let world: Submission;
beforeAll(async () => {
  [queue, world] = await Promise.all([createTestQueue(), startSubmission()]);
  owner = await queue.metadata.addUser();
  await queue.worker();
});
afterAll(() => Promise.all([queue?.[Symbol.asyncDispose](), world?.[Symbol.asyncDispose]()]));

const never = new AbortController().signal;
const long = `select repeat('x', ${maxPageBytes})`;

async function ran(sql: string): Promise<Job> {
  const job = await queue.until(await queue.submit(owner, sql));
  expect(job.status).toBe('succeeded');
  return job;
}

/** Those who share their turns, and how many have fetched a chunk. */
function readers(limits = { maxWaitMs: 600_000, maxStayMs: 600_000 }) {
  const longReads = createLongReads(limits);
  let fetched = 0;
  const blobs = {
    get(key: string) {
      fetched += 1;
      return queue.blobs.get(key);
    },
  };
  return {
    fetched: () => fetched,
    jobRows: createJobRows({ results: queue.results, blobs, longReads, bus: queue.bus }),
    /** Of one operation of a user. */
    operation(userId: string, signal = never) {
      const budget = createOperationBudget({ userId, signal });
      const read = budget.linesFrom({ blobs, longReads });
      return {
        end: budget.end,
        async page(job: Job) {
          const set = await queue.results.at(job.id, 0);
          return readRows({ store: queue.results, blobs, read }, set!, 0, 1);
        },
      };
    },
  };
}

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

test('a long row is fetched when the answer with the one before is made, and short ones meanwhile', async () => {
  const [row, short] = [await ran(long), await ran('select 1')];
  const { operation, fetched } = readers();
  const [first, second] = [operation('ann'), operation('bob')];
  await first.page(row);
  const behind = second.page(row);
  expect((await operation('cid').page(short))?.rows).toEqual([[1]]);
  expect(fetched()).toBe(2);
  first.end();
  expect((await behind)?.rows).toHaveLength(1);
});

test('the reader of a stream has his turn until he comes for more, or leaves', async () => {
  const [row, short] = [await ran(long), await ran('select 1')];
  const { operation, fetched, jobRows } = readers();
  for (const goOn of ['next', 'return'] as const) {
    const before = fetched();
    const stream = jobRows.follow(queue.viewerOf(owner), row.id, { batchSize: 1, after: null }, never);
    expect((await stream.next()).value?.rows).toHaveLength(1);
    const after = operation('ann');
    const behind = after.page(row);
    expect((await operation('cid').page(short))?.rows).toEqual([[1]]);
    expect(fetched() - before).toBe(2);
    await stream[goOn]();
    expect((await behind)?.rows).toHaveLength(1);
    after.end();
  }
});

test('a chunk whose bytes were not counted yet waits for nobody', async () => {
  const [row, job] = [await ran(long), await ran('select 1')];
  await queue.pool.query(
    'UPDATE result_chunks SET text_bytes = NULL FROM result_sets WHERE result_set_id = result_sets.id AND job_id = $1',
    [job.id],
  );
  const { operation } = readers();
  const first = operation('ann');
  await first.page(row);
  expect((await operation('bob').page(job))?.rows).toEqual([[1]]);
  first.end();
});

test('who has no turn within the time is told so, and who stays too long is passed by', async () => {
  const job = await ran(long);
  const impatient = readers({ maxWaitMs: 1, maxStayMs: 600_000 });
  await impatient.operation('ann').page(job);
  const refused = { code: 'TIMEOUT', details: { timeoutMs: 1 } };
  await expect(impatient.operation('bob').page(job)).rejects.toMatchObject(refused);
  const brisk = readers({ maxWaitMs: 600_000, maxStayMs: 1 });
  await brisk.operation('ann').page(job);
  expect((await brisk.operation('bob').page(job))?.rows).toHaveLength(1);
});

test('many readers of a row as long as may be have it one after the other, by page and as a stream', async () => {
  const { quarry, connection } = world;
  const ann = await quarry.register();
  const characters = 60_000_000;
  const input = { target: { connection }, sql: `select repeat('x', ${characters})` };
  const { submitQuery } = await quarry.ask(SubmitDocument, { input }, ann);
  const { id } = submitQuery.job;
  for await (const _ of quarry.subscribe(JobUpdatedDocument, { id }, ann)); // Completes with the job.
  // Read and let go: what is measured is the server.
  async function read(): Promise<number> {
    const response = await fetch(quarry.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${ann.token}` },
      body: JSON.stringify({ query: print(LongRowDocument), variables: { id } }),
    });
    let bytes = 0;
    for await (const piece of response.body!) bytes += piece.length;
    return bytes;
  }
  const lengths: number[] = [];
  async function follow(): Promise<void> {
    for await (const { jobRows } of quarry.subscribe(LongRowsDocument, { id }, ann))
      lengths.push(...jobRows.rows.flat().map((value) => String(value).length));
  }
  // If none left, those behind them would wait for longer than they may.
  const [answers] = await Promise.all([Promise.all(Array.from({ length: 6 }, read)), follow()]);
  expect(lengths).toEqual([characters]);
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toBeGreaterThan(characters);
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${quarry.pid}/status`, 'utf8')) ?? [];
  // Of one reader it is 650 MB, of all at once 1,550.
  expect(Number(kilobytes)).toBeLessThan(1_000_000);
});
