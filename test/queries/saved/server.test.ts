/** Saved queries over the API, and schedules that run by themselves on a server, also after it was down. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeId, encodeId } from '../../../src/lib/ids.ts';
import {
  ConnectDocument,
  CreateSavedQueryDocument,
  DeleteSavedQueryDocument,
  JobsOfSavedQueryDocument,
  JobUpdatedDocument,
  RunSavedQueryDocument,
  SavedQueriesDocument,
  UpdateSavedQueryDocument,
} from '../../support/operations.ts';
import type { Account } from '../../support/server.ts';
import { type Submission, startSubmission } from '../server.ts';

let world: Submission;
let owner: Account;
let databaseId: string;
beforeAll(async () => {
  world = await startSubmission();
  owner = await world.quarry.register();
  const { connectDatabase } = await world.quarry.ask(
    ConnectDocument,
    { input: { name: 'target', connection: world.connection } },
    owner,
  );
  databaseId = connectDatabase.database.id;
  await world.target.query('CREATE TABLE ticks (at timestamptz)');
});
afterAll(() => world[Symbol.asyncDispose]());

async function create(fields: { name: string; sql: string; schedule?: string }): Promise<string> {
  const { createSavedQuery } = await world.quarry.ask(
    CreateSavedQueryDocument,
    { input: { databaseId, ...fields } },
    owner,
  );
  return createSavedQuery.savedQuery.id;
}

const uuidIn = (id: string) => decodeId(id)!.parts[0];

/** Follows a job until it has ended well. */
async function end(id: string): Promise<void> {
  for await (const { jobUpdated } of world.quarry.subscribe(JobUpdatedDocument, { id }, owner))
    expect(jobUpdated.error).toBeNull();
}

/** Time cannot be waited for: its next run is put back instead. */
const makeDue = (id: string, ago: string) =>
  world.metadata.query('UPDATE saved_queries SET next_run_at = now() - $2::interval WHERE id = $1', [uuidIn(id), ago]);

async function listed(search: string) {
  const { savedQueries } = await world.quarry.ask(SavedQueriesDocument, { search }, owner);
  return savedQueries.nodes;
}

test('one is saved, found, run, changed and deleted', async () => {
  const id = await create({ name: 'answer', sql: 'SELECT 42' });
  expect(await listed('ANSW')).toEqual([
    {
      id,
      name: 'answer',
      sql: 'SELECT 42',
      schedule: null,
      scheduleEnabled: true,
      nextRunAt: null,
      database: { id: databaseId },
      project: null,
      owner: { id: owner.user.id },
      lastJob: null,
    },
  ]);
  const run = async () => (await world.quarry.ask(RunSavedQueryDocument, { input: { id } }, owner)).runSavedQuery;
  const { job } = await run();
  expect(job.savedQuery).toEqual({ id });
  await end(job.id);
  expect((await listed('answer'))[0]!.lastJob).toEqual({ id: job.id, status: 'SUCCEEDED' });

  await run();
  const { jobs } = await world.quarry.ask(JobsOfSavedQueryDocument, { savedQueryId: id }, owner);
  expect(jobs).toMatchObject({ totalCount: 2, nodes: [{ savedQuery: { id } }, { id: job.id }] });

  const update = (input: object) => world.quarry.execute(UpdateSavedQueryDocument, { input: { id, ...input } }, owner);
  expect((await update({ name: 'question', schedule: '0 0 1 1 *' })).data?.updateSavedQuery.savedQuery).toEqual({
    id,
    name: 'question',
    schedule: '0 0 1 1 *',
    scheduleEnabled: true,
    scheduleProblem: null,
    nextRunAt: expect.stringMatching(/^\d{4}-01-01T00:00:00\.000Z$/),
    owner: { id: owner.user.id },
  });
  const refused = await update({ schedule: '0 0 30 2 *' });
  expect(refused.errors).toMatchObject([
    {
      extensions: {
        code: 'BAD_USER_INPUT',
        details: { fields: [{ path: 'input.schedule', message: expect.stringContaining('due at no time') }] },
      },
    },
  ]);
  expect((await update({ databaseId: null })).code).toBe('BAD_USER_INPUT');
  const { deleteSavedQuery } = await world.quarry.ask(DeleteSavedQueryDocument, { input: { id } }, owner);
  expect(deleteSavedQuery).toEqual({ deletedSavedQueryId: id });
  expect(await listed('question')).toEqual([]);
});

test('a schedule runs by itself, and what was missed while the server was down is run once', async () => {
  const id = await create({ name: 'tick', sql: 'INSERT INTO ticks VALUES (now())', schedule: '0 0 1 1 *' });
  await world.quarry.stop();
  await makeDue(id, '3 days');
  await world.quarry.restart();
  const { jobId } = await world.quarry.until('schedule.ran', { of: (entry) => entry.savedQueryId === uuidIn(id) });
  await end(encodeId('Job', String(jobId)));
  const [saved] = await listed('tick');
  expect(saved).toMatchObject({ lastJob: { status: 'SUCCEEDED' } });
  expect(new Date(saved!.nextRunAt!).getTime()).toBeGreaterThan(Date.now());
  expect((await world.target.query('SELECT count(*)::int AS runs FROM ticks')).rows).toEqual([{ runs: 1 }]);
});

test('pages of saved queries follow each other', async () => {
  for (const name of ['page 1', 'page 2', 'page 3']) await create({ name, sql: 'SELECT 1' });
  const page = async (after?: string | null) =>
    (await world.quarry.ask(SavedQueriesDocument, { search: 'page', first: 2, after: after ?? null }, owner))
      .savedQueries;
  const first = await page();
  expect(first).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true } });
  expect(first.nodes.map(({ name }) => name)).toEqual(['page 3', 'page 2']);
  const second = await page(first.pageInfo.endCursor);
  expect(second.nodes.map(({ name }) => name)).toEqual(['page 1']);
  expect(second.pageInfo.hasNextPage).toBe(false);
});
