/** How much of what jobs have told one operation may ask for. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { maxOperationBytes } from '../../src/jobs/operation-notices.ts';
import { graphql } from '../generated/gql.ts';
import { JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';
import { type Submission, startSubmission } from './server.ts';

const NoticesOfAllDocument = graphql(`
  query NoticesOfAll($first: Int, $last: Int) {
    jobs(first: $first) {
      nodes {
        id
        notices(last: $last)
        again: notices(last: 1)
      }
    }
  }
`);

const NoticesOfTwoDocument = graphql(`
  query NoticesOfTwo($id: ID!, $other: ID!, $last: Int) {
    job(id: $id) {
      notices(last: $last)
    }
    other: job(id: $other) {
      notices(last: $last)
    }
  }
`);

const NoticesOfManyDocument = graphql(`
  query NoticesOfMany {
    jobs(first: 500) {
      nodes {
        a: notices(last: 1000)
        b: notices(last: 1000)
      }
    }
  }
`);

let world: Submission;
let ann: Account;
/** Of two jobs that told as much as is kept of one. */
let ids: string[];
beforeAll(async () => {
  world = await startSubmission();
  ann = await world.quarry.register();
  ids = [await told(1_000), await told(1_000)];
});
afterAll(() => world?.[Symbol.asyncDispose]());

async function told(count: number): Promise<string> {
  const sql = `do $$ begin for i in 1..${count} loop raise notice '% %', i, repeat('x', 8000); end loop; end $$`;
  const { submitQuery } = await world.quarry.ask(
    SubmitDocument,
    { input: { target: { connection: world.connection }, sql } },
    ann,
  );
  const { id } = submitQuery.job;
  for await (const _ of world.quarry.subscribe(JobUpdatedDocument, { id }, ann)); // Completes with the job.
  return id;
}

const numbersOf = (notices: readonly string[]) => notices.map((text) => Number(/(\d+) x/.exec(text)?.[1]));

test('the notices of many jobs in one answer are refused beyond so many bytes, and fewer of each are told', async () => {
  const { errors } = await world.quarry.execute(NoticesOfAllDocument, { first: 2, last: 1_000 }, ann);
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: maxOperationBytes } });
  const { jobs } = await world.quarry.ask(NoticesOfAllDocument, { first: 2, last: 3 }, ann);
  expect(jobs.nodes.map(({ id }) => id)).toEqual(ids.toReversed());
  expect(jobs.nodes.map(({ notices }) => numbersOf(notices))).toEqual(Array(2).fill([998, 999, 1_000]));
  expect(jobs.nodes.map(({ again }) => numbersOf(again))).toEqual(Array(2).fill([1_000]));
});

test('all that one job has told can be read, and what has spent the rest refuses the other one alone', async () => {
  const [id, other] = ids as [string, string];
  const { data, errors } = await world.quarry.execute(NoticesOfTwoDocument, { id, other, last: 1_000 }, ann);
  const answered = [data?.job, data?.other].filter((job) => job != null);
  expect(answered.map(({ notices }) => notices.length)).toEqual([1_000]);
  expect(errors?.map(({ extensions }) => extensions?.code)).toEqual(['LIMIT_EXCEEDED']);
});

test('they cost by how many are asked for', async () => {
  const { errors } = await world.quarry.execute(NoticesOfManyDocument, {}, ann);
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: 100_000 } });
});
