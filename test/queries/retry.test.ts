/** A job that has ended is run again as a new one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { graphql } from '../generated/gql.ts';
import type { SubmitQueryInput } from '../generated/graphql.ts';
import { CancelDocument, ConnectDocument, JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import type { Account, Asker } from '../support/server.ts';
import { type Submission, startSubmission } from './server.ts';

const RetryDocument = graphql(`
  mutation Retry($id: ID!) {
    retryJob(input: { id: $id }) {
      job {
        ...Repeated
        status
        source {
          id
        }
      }
    }
  }
`);

graphql(`
  fragment Repeated on Job {
    id
    name
    sql
    parameters
    readOnly
    timeoutMs
    maxRows
    priority
    maxAttempts
    runAt
    targetLabel
    database {
      id
    }
  }
`);

const RepeatedDocument = graphql(`
  query Repeat($id: ID!) {
    job(id: $id) {
      ...Repeated
      status
      error {
        code
      }
      source {
        id
      }
      result(index: 0) {
        rows {
          rows
        }
      }
    }
  }
`);

const DisconnectDocument = graphql(`
  mutation Disconnect($id: ID!) {
    disconnectDatabase(input: { id: $id }) {
      deletedDatabaseId
    }
  }
`);

const ReadOnlyDocument = graphql(`
  mutation MakeReadOnly($id: ID!, $readOnly: Boolean) {
    updateDatabase(input: { id: $id, readOnly: $readOnly }) {
      database {
        readOnly
      }
    }
  }
`);

let world: Submission;
let admin: Account;
let ann: Account;
let databaseId: string;
beforeAll(async () => {
  world = await startSubmission();
  admin = await world.quarry.register();
  ann = await world.quarry.register();
  databaseId = await connect(ann);
  await world.target.query('CREATE TABLE written (i int)');
});
afterAll(() => world?.[Symbol.asyncDispose]());

async function connect(account: Account): Promise<string> {
  const input = { name: 'target', connection: world.connection };
  return (await world.quarry.ask(ConnectDocument, { input }, account)).connectDatabase.database.id;
}

async function submit(sql: string, fields: Partial<SubmitQueryInput> = {}): Promise<string> {
  const input = { target: { databaseId }, sql, ...fields };
  return (await world.quarry.ask(SubmitDocument, { input }, ann)).submitQuery.job.id;
}

async function ended(id: string) {
  for await (const _ of world.quarry.subscribe(JobUpdatedDocument, { id }, ann)); // Completes with the job.
  return (await world.quarry.ask(RepeatedDocument, { id }, ann)).job!;
}

const run = async (sql: string, fields: Partial<SubmitQueryInput> = {}) => ended(await submit(sql, fields));

const retry = async (id: string) => (await world.quarry.ask(RetryDocument, { id }, ann)).retryJob.job;

async function refusal(id: string, asker: Asker = ann) {
  const { errors } = await world.quarry.execute(RetryDocument, { id }, asker);
  return { code: errors?.[0]?.extensions.code, message: errors?.[0]?.message };
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const uuid = (id: string) => (JSON.parse(Buffer.from(id, 'base64url').toString()) as string[])[1]!;

describe('retryJob', () => {
  test('makes a new job with all that the old one was told, except when', async () => {
    const told = { name: 'again', parameters: ['7'], timeoutMs: 9_000, maxRows: 3, priority: 4, maxAttempts: 2 };
    const old = await run('select $1::int', { ...told, runAt: new Date(0).toISOString(), readOnly: true });
    const { id, status, source, ...again } = await retry(old.id);
    const { id: _id, status: _status, error: _error, result, source: none, ...before } = old;
    expect(id).not.toBe(old.id);
    expect({ source, none }).toEqual({ source: { id: old.id }, none: null });
    // Where nobody waits before, it has started.
    expect(['QUEUED', 'RUNNING']).toContain(status);
    expect(again).toEqual({ ...before, runAt: null });
    expect(again).toMatchObject({ ...told, readOnly: true, database: { id: databaseId } });
    expect(await ended(id)).toMatchObject({ status: 'SUCCEEDED', result, source: { id: old.id } });
  });

  test('of one that failed or was cancelled is right, too', async () => {
    const failed = await run('select 1/0');
    expect(await ended((await retry(failed.id)).id)).toMatchObject({ status: 'FAILED', source: { id: failed.id } });
    const cancelled = await submit('select 1', { runAt: inAnHour() });
    await world.quarry.ask(CancelDocument, { input: { id: cancelled } }, ann);
    expect(await ended((await retry(cancelled)).id)).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('twice at once makes two jobs', async () => {
    const { id } = await run('select 1');
    const both = await Promise.all([retry(id), retry(id)]);
    expect(new Set([id, ...both.map((job) => job.id)]).size).toBe(3);
  });

  test('of one that has not ended is a CONFLICT', async () => {
    const id = await submit('select 1', { runAt: inAnHour() });
    expect(await refusal(id)).toEqual({ code: 'CONFLICT', message: 'The job has not ended yet' });
  });

  test('of one with credentials of its own is a CONFLICT, which says that they are gone', async () => {
    const { id } = await run('select 1', { target: { connection: world.connection } });
    expect(await refusal(id)).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('credentials') });
  });

  test('on a database that was disconnected is a CONFLICT', async () => {
    const gone = await connect(ann);
    const { id } = await run('select 1', { target: { databaseId: gone } });
    await world.quarry.ask(DisconnectDocument, { id: gone }, ann);
    expect(await refusal(id)).toEqual({ code: 'CONFLICT', message: 'The database of this job is gone' });
  });

  test('is its owner’s alone: an administrator sees the job and may not run it', async () => {
    const { id } = await run('select 1');
    expect((await refusal(id, admin)).code).toBe('FORBIDDEN');
    expect((await refusal(id, await world.quarry.register())).code).toBe('NOT_FOUND');
    expect((await refusal(id, {})).code).toBe('UNAUTHENTICATED');
  });

  test.each(['', 'x', encodeId('Job', uuidv7()), encodeId('Database', uuidv7())])('of %j is NOT_FOUND', async (id) => {
    expect((await refusal(id)).code).toBe('NOT_FOUND');
  });

  test('asks for the right to the database as it is now', async () => {
    const lent = await connect(admin);
    const project = uuidv7();
    await world.metadata.query(`INSERT INTO projects (id, name, updated_at) VALUES ($1, 'p', now())`, [project]);
    await world.metadata.query('UPDATE databases SET project_id = $1 WHERE id = $2', [project, uuid(lent)]);
    await world.metadata.query(
      `INSERT INTO project_members (id, project_id, user_id, role) VALUES ($1, $2, $3, 'editor')`,
      [uuidv7(), project, uuid(ann.user.id)],
    );
    const { id } = await run('select 1', { target: { databaseId: lent } });
    await world.metadata.query('DELETE FROM project_members WHERE project_id = $1', [project]);
    expect((await refusal(id)).code).toBe('NOT_FOUND');
  });

  test('may write no more than the old one, nor than the database allows now', async () => {
    const insert = 'insert into written values (1)';
    const { id: wrote } = await run(insert);
    await world.quarry.ask(ReadOnlyDocument, { id: databaseId, readOnly: true }, ann);
    const refused = await ended((await retry(wrote)).id);
    await world.quarry.ask(ReadOnlyDocument, { id: databaseId, readOnly: false }, ann);
    expect(refused).toMatchObject({ readOnly: true, error: { code: 'READ_ONLY' } });
    expect(await ended((await retry(refused.id)).id)).toMatchObject({ readOnly: true, error: { code: 'READ_ONLY' } });
    expect(await ended((await retry(wrote)).id)).toMatchObject({ readOnly: false, status: 'SUCCEEDED' });
  });

  test('outlives the job that it repeats', async () => {
    const { id } = await run('select 1');
    const again = await retry(id);
    await ended(again.id);
    await world.metadata.query('DELETE FROM jobs WHERE id = $1', [uuid(id)]);
    expect((await world.quarry.ask(RepeatedDocument, { id: again.id }, ann)).job).toMatchObject({ source: null });
  });
});

test('what is submitted on a database that goes at that moment is NOT_FOUND', async () => {
  const gone = await connect(ann);
  await world.metadata.query('BEGIN');
  await world.metadata.query('DELETE FROM databases WHERE id = $1', [uuid(gone)]);
  const input = { target: { databaseId: gone }, sql: 'select 1' };
  const answer = world.quarry.execute(SubmitDocument, { input }, ann);
  await untilBlocked();
  await world.metadata.query('COMMIT');
  expect((await answer).code).toBe('NOT_FOUND');
});

/** Until some other session waits for a lock. */
async function untilBlocked(): Promise<void> {
  for (;;) {
    const { rows } = await world.metadata.query(
      `SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))`,
    );
    if (rows.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
