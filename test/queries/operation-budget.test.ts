/** How much of the rows one operation may ask for. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pageOf } from '../../src/lib/pages.ts';
import { createOperationBudget, maxOperationBytes } from '../../src/queries/chunk-readers.ts';
import { createLongReads } from '../../src/queries/long-reads.ts';
import { readRows } from '../../src/queries/results.ts';
import type { ResultSet } from '../../src/queries/store.ts';
import { graphql } from '../generated/gql.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';
import { JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import { type Submission, startSubmission } from './server.ts';

const RowsOfAllDocument = graphql(`
  query RowsOfAll($id: ID!) {
    job(id: $id) {
      results(first: 100) {
        nodes {
          index
          rowCount
          rows(first: 1) {
            rows
          }
        }
      }
    }
  }
`);

const RowsOfOneDocument = graphql(`
  query RowsOfOne($id: ID!, $index: Int!) {
    job(id: $id) {
      result(index: $index) {
        index
        rows(first: 1) {
          rows
        }
      }
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
const limit = 3_000_000;

/** A chunk holds no second row of this size. */
const wide = `select repeat('x', 1200000)`;

async function ran(sql: string): Promise<ResultSet[]> {
  const job = await queue.until(await queue.submit(owner, sql));
  expect(job.status).toBe('succeeded');
  return queue.results.list(job.id, pageOf({}));
}

const longReads = createLongReads();

/** Of one operation. */
function operation(signal = never) {
  const budget = createOperationBudget({ userId: owner, signal }, limit);
  let inside = 0;
  let atOnce = 0;
  const blobs = {
    async get(key: string) {
      atOnce = Math.max(atOnce, ++inside);
      try {
        return await queue.blobs.get(key);
      } finally {
        inside -= 1;
      }
    },
  };
  return {
    atOnce: () => atOnce,
    page: (set: ResultSet, first = 100, offset = 0) =>
      readRows({ store: queue.results, blobs, read: budget.linesFrom({ blobs, longReads }) }, set, offset, first),
  };
}

const spent = { code: 'LIMIT_EXCEEDED', details: { limit } };

test('its pages share what they may unpack, one chunk after the other', async () => {
  const sets = await ran(Array(5).fill(wide).join(';'));
  const { page, atOnce } = operation();
  const pages = await Promise.allSettled(sets.map((set) => page(set, 1)));
  expect(pages.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  const refused = pages.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(refused).toMatchObject([spent, spent, spent]);
  expect(atOnce()).toBe(1);
});

test('one page ends where the next row would be too much, and the next operation goes on behind it', async () => {
  const [set] = await ran(`${wide} from generate_series(1, 5)`);
  const first = await operation().page(set!);
  expect(first).toMatchObject({ endOffset: 1, hasNextPage: true });
  expect(await operation().page(set!, 100, 2)).toMatchObject({ endOffset: 3, hasNextPage: true });
  expect(await operation().page(set!, 100, 4)).toMatchObject({ endOffset: 4, hasNextPage: false });
});

test('a row larger than all that it may unpack is read alone', async () => {
  const [small, large] = await ran(`select 1; select repeat('x', ${limit + 1})`);
  const alone = operation();
  expect((await alone.page(large!, 1))?.rows).toEqual([['x'.repeat(limit + 1)]]);
  await expect(alone.page(small!)).rejects.toMatchObject(spent);
  const beside = operation();
  expect((await beside.page(small!))?.rows).toEqual([[1]]);
  await expect(beside.page(large!)).rejects.toMatchObject(spent);
});

test('what is refused as too large has spent the rest', async () => {
  const [small, large] = await ran(`select 1; select repeat('x', ${limit + 1})`);
  const { page } = operation();
  await page(small!);
  await expect(page(large!)).rejects.toMatchObject(spent);
  await expect(page(small!)).rejects.toMatchObject(spent);
});

test('nothing more is unpacked for who has gone', async () => {
  const [set] = await ran(wide);
  const gone = new AbortController();
  gone.abort(new Error('gone'));
  await expect(operation(gone.signal).page(set!)).rejects.toThrow('gone');
});

test('one answer holds so many bytes of rows: the other pages are null with an error, and the rest stands', async () => {
  const ann = await world.quarry.register();
  const rowBytes = 8_000_000;
  const input = {
    target: { connection: world.connection },
    sql: Array(12).fill(`select repeat('x', ${rowBytes})`).join(';'),
  };
  const { submitQuery } = await world.quarry.ask(SubmitDocument, { input }, ann);
  const { id } = submitQuery.job;
  for await (const _ of world.quarry.subscribe(JobUpdatedDocument, { id }, ann)); // Completes with the job.
  const { data, errors } = await world.quarry.execute(RowsOfAllDocument, { id }, ann);
  const sets = data?.job?.results.nodes ?? [];
  expect(sets.map(({ index, rowCount }) => [index, rowCount])).toEqual(input.sql.split(';').map((_, i) => [i, 1]));
  const answered = Math.floor(maxOperationBytes / rowBytes);
  expect(sets.filter(({ rows }) => rows !== null)).toHaveLength(answered);
  expect(errors).toHaveLength(12 - answered);
  for (const { path, extensions } of errors ?? []) {
    expect(path).toEqual(['job', 'results', 'nodes', expect.any(Number), 'rows']);
    expect(extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: maxOperationBytes } });
  }
  const [again] = sets.filter(({ rows }) => rows === null);
  const later = await world.quarry.execute(RowsOfOneDocument, { id, index: again!.index }, ann);
  expect(later.data?.job?.result?.rows?.rows).toEqual([['x'.repeat(rowBytes)]]);
});
