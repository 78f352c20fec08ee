/** What may be said of a job when it is submitted, and what becomes of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queryLimits } from '../../src/queries/queries.ts';
import { graphql } from '../generated/gql.ts';
import type { SubmitQueryInput } from '../generated/graphql.ts';
import { ConnectDocument, JobUpdatedDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';
import { type Submission, startSubmission } from './server.ts';

const SubmittedDocument = graphql(`
  mutation Submitted($input: SubmitQueryInput!) {
    submitQuery(input: $input) {
      created
      job {
        id
        status
        priority
        maxAttempts
        runAt
        source {
          id
        }
      }
    }
  }
`);

const SetPriorityDocument = graphql(`
  mutation SetPriority($queuePriority: Int) {
    updateSettings(input: { queuePriority: $queuePriority }) {
      user {
        settings {
          queuePriority
        }
      }
    }
  }
`);

let world: Submission;
let ann: Account;
let databaseId: string;
beforeAll(async () => {
  world = await startSubmission();
  ann = await world.quarry.register();
  databaseId = await connect(ann);
});
afterAll(() => world?.[Symbol.asyncDispose]());

async function connect(account: Account): Promise<string> {
  const input = { name: 'target', connection: world.connection };
  return (await world.quarry.ask(ConnectDocument, { input }, account)).connectDatabase.database.id;
}

type Fields = Partial<SubmitQueryInput>;
const inputOf = (fields: Fields) => ({ target: { databaseId }, sql: 'select 1', ...fields });

async function submit(fields: Fields = {}, account = ann) {
  return (await world.quarry.ask(SubmittedDocument, { input: inputOf(fields) }, account)).submitQuery.job;
}

const inDays = (days: number, ms = 0) => new Date(Date.now() + days * 86_400_000 + ms).toISOString();

/** Lists in lists. */
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const maxDepth = queryLimits.parametersDepth;

describe('a submission', () => {
  test.each([maxDepth + 1, 3_000, 20_000])('with a parameter of %d levels is refused at its field', async (depth) => {
    const authorization = `Bearer ${ann.token}`;
    const query = 'mutation($input: SubmitQueryInput!) { submitQuery(input: $input) { created } }';
    const input = JSON.stringify(inputOf({})).replace(/}$/, `,"parameters":[${nested(depth)}]}`);
    const body = `{"query":${JSON.stringify(query)},"variables":{"input":${input}}}`;
    const { errors } = await world.quarry.post(body, { 'content-type': 'application/json', authorization });
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.parameters', message: `JSON is at most ${maxDepth} levels deep` }] },
    });
  });

  test.each([maxDepth + 1, 1_000])('whose document spells %d levels is refused', async (depth) => {
    const input = `{target: {databaseId: "${databaseId}"}, sql: "select $1::jsonb", parameters: [${nested(depth)}]}`;
    const { code } = await world.quarry.execute(`mutation { submitQuery(input: ${input}) { created } }`, {}, ann);
    expect(code).toBe('BAD_USER_INPUT');
  });

  test('takes parameters as deep as they may be', async () => {
    const parameters = [JSON.parse(nested(maxDepth)), { a: [1] }];
    expect(await submit({ sql: 'select $1::jsonb, $2::jsonb', parameters })).toMatchObject({ id: expect.any(String) });
  });

  test.each<[string, Fields, string]>([
    ['an empty script', { sql: '  ' }, 'sql'],
    ['a priority that is too low', { priority: -11 }, 'priority'],
    ['a priority that is too high', { priority: 11 }, 'priority'],
    ['no attempt', { maxAttempts: 0 }, 'maxAttempts'],
    ['too many attempts', { maxAttempts: queryLimits.attempts + 1 }, 'maxAttempts'],
    ['a time too far ahead', { runAt: inDays(queryLimits.runAtDays, 60_000) }, 'runAt'],
    ['no time to run in', { timeoutMs: 0 }, 'timeoutMs'],
    ['fewer rows than none', { maxRows: -1 }, 'maxRows'],
    ['a name of blanks', { name: ' ' }, 'name'],
    ['an empty key', { idempotencyKey: '' }, 'idempotencyKey'],
  ])('with %s is refused at its field', async (_what, fields, path) => {
    const { errors } = await world.quarry.execute(SubmittedDocument, { input: inputOf(fields) }, ann);
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: `input.${path}`, message: expect.any(String) }] },
    });
  });

  test('tells all its faults at once', async () => {
    const input = inputOf({ priority: 99, maxAttempts: 99, runAt: inDays(500) });
    const { errors } = await world.quarry.execute(SubmittedDocument, { input }, ann);
    const { fields } = errors![0]!.extensions.details as { fields: { path: string }[] };
    expect(fields.map(({ path }) => path)).toEqual(['input.priority', 'input.maxAttempts', 'input.runAt']);
  });

  test.each(['tomorrow', '2026-13-01T00:00:00Z', '2026-01-01'])('at %j is refused', async (runAt) => {
    const { errors } = await world.quarry.execute(SubmittedDocument, { input: inputOf({ runAt }) }, ann);
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  test('takes each bound', async () => {
    for (const priority of [-10, 10]) expect(await submit({ priority })).toMatchObject({ priority });
    for (const maxAttempts of [1, queryLimits.attempts])
      expect(await submit({ maxAttempts })).toMatchObject({ maxAttempts });
    const runAt = inDays(queryLimits.runAtDays, -1_000);
    expect(await submit({ runAt })).toMatchObject({ runAt, status: 'QUEUED' });
  });

  test('that says nothing of it has the priority of its user’s settings, one attempt and no time', async () => {
    const bob = await world.quarry.register();
    const target = { databaseId: await connect(bob) };
    expect(await submit({ target }, bob)).toMatchObject({
      priority: 0,
      maxAttempts: 1,
      runAt: null,
      source: null,
    });
    await world.quarry.ask(SetPriorityDocument, { queuePriority: -4 }, bob);
    expect(await submit({ target }, bob)).toMatchObject({ priority: -4 });
    expect(await submit({ target, priority: 3 }, bob)).toMatchObject({ priority: 3 });
    await world.quarry.ask(SetPriorityDocument, { queuePriority: null }, bob);
    expect(await submit({ target }, bob)).toMatchObject({ priority: 0 });
  });

  test.each(['0000-01-01T00:00:00Z', '1999-12-31T23:59:59.999Z'])(
    'for %s, which has passed, is for now',
    async (runAt) => {
      const { id } = await submit({ runAt });
      const { rows } = await world.metadata.query('SELECT held_until FROM jobs WHERE id = $1', [uuid(id)]);
      expect(rows).toEqual([{ held_until: null }]);
    },
  );

  test('for later is held until then', async () => {
    const runAt = inDays(1);
    const { id } = await submit({ runAt });
    const { rows } = await world.metadata.query('SELECT status, held_until FROM jobs WHERE id = $1', [uuid(id)]);
    expect(rows).toEqual([{ status: 'queued', held_until: new Date(runAt) }]);
  });

  test('that is repeated with its key is the job of then, whatever else it says', async () => {
    const first = await submit({ idempotencyKey: 'twice', priority: 2 });
    const again = await submit({ idempotencyKey: 'twice', priority: 5 });
    expect(again).toMatchObject({ id: first.id, priority: 2 });
  });
});

const uuid = (id: string) => (JSON.parse(Buffer.from(id, 'base64url').toString()) as string[])[1];

describe('the settings of a user', () => {
  /** A job to its end. */
  async function run(fields: Fields, account: Account) {
    const { id } = await submit(fields, account);
    for await (const { jobUpdated } of world.quarry.subscribe(JobUpdatedDocument, { id }, account)) {
      if (jobUpdated.status !== 'QUEUED' && jobUpdated.status !== 'RUNNING') break;
    }
    const query = 'query ($id: ID!) { job(id: $id) { status error { code } result(index: 0) { rowCount truncated } } }';
    return (await world.quarry.execute<{ job: object }, { id: string }>(query, { id }, account)).data!.job;
  }

  test('hold for what a job does not name, and no further', async () => {
    const bob = await world.quarry.register();
    databaseId = await connect(bob);
    const update = `mutation {
      updateSettings(input: { maxParallelJobs: 1, maxRows: 3, statementTimeoutMs: 300 }) { user { id } }
    }`;
    expect((await world.quarry.execute(update, {}, bob)).errors).toBeUndefined();
    const rows = 'SELECT generate_series(1, 10)';
    expect(await run({ sql: rows }, bob)).toMatchObject({ result: { rowCount: 3, truncated: true } });
    expect(await run({ sql: rows, maxRows: 5 }, bob)).toMatchObject({ result: { rowCount: 5, truncated: true } });
    expect(await run({ sql: 'SELECT pg_sleep(60)' }, bob)).toMatchObject({
      status: 'FAILED',
      error: { code: 'TIMEOUT' },
    });
    expect(await run({ sql: 'SELECT pg_sleep(0.5)', timeoutMs: 60_000 }, bob)).toMatchObject({ status: 'SUCCEEDED' });
    const queue = '{ queue { maxParallelJobs } }';
    expect((await world.quarry.execute(queue, {}, bob)).data).toEqual({ queue: { maxParallelJobs: 1 } });
    // Of the others, who set nothing.
    expect((await world.quarry.execute(queue, {}, ann)).data).toEqual({ queue: { maxParallelJobs: 4 } });
  });
});
