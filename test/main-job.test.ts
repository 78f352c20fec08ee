/** The main job as a user does it, knowing HTTP and graphql-transport-ws alone, and what becomes of it when things die. */
import { createServer, connect as dial, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { graphql } from './generated/gql.ts';
import type { JobQuery, JobUpdatedSubscription } from './generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from './support/databases.ts';
import {
  CancelDocument,
  ConnectDocument,
  DatabasesDocument,
  JobDocument,
  JobEventsDocument,
  JobUpdatedDocument,
  SubmitDocument,
} from './support/operations.ts';
import { type Account, allGone, type Quarry, startQuarry } from './support/server.ts';

const TablesDocument = graphql(`
  query Tables($id: ID!) {
    database(id: $id) {
      tables(first: 5, kinds: [TABLE]) {
        totalCount
        nodes {
          name
          comment
          columns {
            name
            dataType
            nullable
          }
          foreignKeys {
            referencedTableName
          }
        }
      }
    }
  }
`);

const TestConnectionDocument = graphql(`
  mutation TestConnection($input: TestConnectionInput!) {
    testConnection(input: $input) {
      report {
        ok
        serverVersion
        problems {
          code
          message
          hint
        }
      }
    }
  }
`);

type JobState = JobUpdatedSubscription['jobUpdated'];
type Page = NonNullable<NonNullable<NonNullable<JobQuery['job']>['result']>['rows']>;

let quarry: Quarry;
let target: TestDatabase;
let account: Account;

beforeAll(async () => {
  [quarry, target] = await Promise.all([startQuarry(), createTestDatabase()]);
  account = await quarry.register();
});

afterAll(async () => {
  await quarry[Symbol.asyncDispose]();
  await target[Symbol.asyncDispose]();
});

/** Quarry's sessions in the target for somebody's SQL: the last query of each. */
async function sessions(): Promise<string[]> {
  const { rows } = await target.client.query<{ query: string }>(
    "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'quarry job:%'",
  );
  return rows.map(({ query }) => query);
}

const gone = () => vi.waitFor(async () => expect(await sessions()).toEqual([]), 30_000);

async function connect(changes: { port?: number } = {}): Promise<string> {
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const, ...changes };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'Shop', connection } }, account);
  return connectDatabase.database.id;
}

async function submit(databaseId: string, sql: string): Promise<string> {
  const { submitQuery } = await quarry.ask(SubmitDocument, { input: { target: { databaseId }, sql } }, account);
  return submitQuery.job.id;
}

/** Every state of the job, to its end or to the first one that is `enough`. */
async function follow(id: string, enough: (job: JobState) => boolean = () => false): Promise<JobState[]> {
  const states: JobState[] = [];
  for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account)) {
    states.push(jobUpdated);
    if (enough(jobUpdated)) break;
  }
  return states;
}

const running = ({ status }: JobState) => status === 'RUNNING';

/** Started, and its session is in the target. */
async function started(id: string): Promise<void> {
  await follow(id, running);
  // Before its own SQL runs there a job without its worker goes back into the queue.
  await vi.waitFor(async () => expect(await sessions()).toEqual([expect.stringContaining('pg_sleep')]), 10_000);
}

async function alive(): Promise<void> {
  expect((await fetch(new URL('/health', quarry.url))).status).toBe(200);
  const id = await submit(await connect(), 'select 1 as one');
  expect((await follow(id)).at(-1)).toMatchObject({ status: 'SUCCEEDED' });
}

describe('with the sample database', () => {
  let sampleId: string;

  beforeAll(async () => {
    await quarry.until('sample.ready');
    const { databases } = await quarry.ask(DatabasesDocument, { first: 10 }, account);
    const sample = databases.nodes.find(({ name }) => name === 'MAKEYOURSPACE');
    expect(sample).toMatchObject({ readOnly: true, hosted: true, viewerRole: 'VIEWER' });
    sampleId = sample!.id;
  });

  test('a newcomer sees its tables as a graph', async () => {
    const { database } = await quarry.ask(TablesDocument, { id: sampleId }, account);
    const tables = database!.tables!;
    expect(tables.totalCount).toBeGreaterThan(5);
    expect(tables.nodes).toHaveLength(5);
    for (const { columns } of tables.nodes) expect(columns.length).toBeGreaterThan(0);
    expect(tables.nodes.some(({ foreignKeys }) => foreignKeys.length > 0)).toBe(true);
  });

  test('submits SQL, watches it to its end and pages through its rows', async () => {
    const id = await submit(sampleId, 'select i, i::text || $$!$$ as text from generate_series(1, 250) as i');
    const states = await follow(id);
    expect(states.at(-1)).toMatchObject({ status: 'SUCCEEDED', progress: { rows: 250 }, error: null });
    const revisions = states.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));

    const rows: unknown[] = [];
    let after: string | null | undefined;
    for (let more = true; more; ) {
      const { job }: JobQuery = await quarry.ask(JobDocument, { id, first: 100, after }, account);
      expect(job!.result).toMatchObject({
        command: 'SELECT',
        rowCount: 250,
        truncated: false,
        columns: [
          { name: 'i', dataType: 'integer' },
          { name: 'text', dataType: 'text' },
        ],
      });
      const page: Page = job!.result!.rows!;
      rows.push(...page.rows);
      after = page.endCursor;
      more = page.hasNextPage;
    }
    expect(rows).toEqual(Array.from({ length: 250 }, (_, i) => [i + 1, `${i + 1}!`]));
  });

  test('writes nothing into it', async () => {
    const id = await submit(sampleId, 'delete from posts');
    expect((await follow(id)).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'READ_ONLY' } });
  });
});

describe('with a database of the user’s own', () => {
  afterEach(gone);

  test('follows all of one’s jobs on one stream, which goes on behind a position', async () => {
    const databaseId = await connect();
    const held = await submit(databaseId, 'select pg_sleep(600)');
    const states: string[] = [];
    let position: string | null = null;
    for await (const { jobEvents } of quarry.subscribe(JobEventsDocument, {}, account)) {
      if (jobEvents.job?.id !== held) continue;
      states.push(jobEvents.job.status);
      position = jobEvents.position;
      if (jobEvents.job.status === 'RUNNING') break;
    }
    expect(states.at(-1)).toBe('RUNNING');
    await quarry.ask(CancelDocument, { input: { id: held } }, account);
    for await (const { jobEvents } of quarry.subscribe(JobEventsDocument, { after: position }, account)) {
      expect(jobEvents.job?.id).toBe(held);
      if (jobEvents.job?.status === 'CANCELLED') break;
    }
  });

  test('tests the connection, and names the stage that fails with a wrong password', async () => {
    const { host, port, user, password, database } = target;
    const look = async (secret: string) => {
      const connection = { host, port, user, database, password: secret };
      return (await quarry.ask(TestConnectionDocument, { input: { connection } }, account)).testConnection.report;
    };
    expect(await look(password)).toMatchObject({ ok: true, serverVersion: expect.stringMatching(/^18/) });
    const report = await look('wrong');
    expect(report).toMatchObject({ ok: false, problems: [{ code: 'AUTHENTICATION', hint: expect.any(String) }] });
    expect(JSON.stringify(report)).not.toContain('wrong');
  });

  test('keeps no connection that does not work', async () => {
    const connection = { host: target.host, port: target.port, user: target.user, password: 'wrong' };
    const input = { name: 'Locked', connection: { ...connection, database: target.database } };
    const { code, errors } = await quarry.execute(ConnectDocument, { input }, account);
    expect(code).toBe('CONNECTION_FAILED');
    expect(JSON.stringify(errors)).toContain('AUTHENTICATION');
    const { databases } = await quarry.ask(DatabasesDocument, {}, account);
    expect(databases.nodes.map(({ name }) => name)).not.toContain('Locked');
  });

  test('SQL that does not parse fails with its place', async () => {
    const id = await submit(await connect(), 'select 1;\nselec 2');
    expect((await follow(id)).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'SQL_ERROR', line: 2 } });
  });

  test('cancels a running job, and its session in the target ends', async () => {
    const id = await submit(await connect(), 'select pg_sleep(600)');
    await started(id);
    const end = follow(id);
    const { cancelJob } = await quarry.ask(CancelDocument, { input: { id } }, account);
    expect(cancelJob.job.cancelRequestedAt).not.toBeNull();
    expect((await end).at(-1)).toMatchObject({ status: 'CANCELLED', error: null });
  });

  test('a target that dies in the middle of a row fails the job and nothing else', async () => {
    const proxy = await startProxy(target.port);
    const databaseId = await connect({ port: proxy.port });
    // A row is of 1 MB: the cut is in the middle of the fourth.
    proxy.cutAfter(3_500_000);
    const id = await submit(databaseId, "select repeat('x', 1000000) from generate_series(1, 1000)");
    expect((await follow(id)).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'CONNECTION_LOST' } });
    await alive();
  });

  test('when the worker is killed, the job is INTERRUPTED, its session ends and the server goes on', async () => {
    const id = await submit(await connect(), 'select pg_sleep(600)');
    await started(id);
    const end = follow(id);
    const seen = quarry.log.length;
    process.kill(quarry.workerPid, 'SIGKILL');
    await quarry.until('worker.process_died', { from: seen });
    expect((await end).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'INTERRUPTED' } });
    await gone();
    await alive();
  });

  test('when Quarry is killed, the next start on the same data ends the job honestly and leaves nothing over', async () => {
    const id = await submit(await connect(), 'select pg_sleep(600)');
    await started(id);
    const seen = quarry.log.length;
    const before = [quarry.pid, quarry.workerPid];
    await quarry.kill();
    await quarry.restart();
    await quarry.until('worker.started', { from: seen });
    expect((await follow(id)).at(-1)).toMatchObject({ status: 'FAILED', error: { code: 'INTERRUPTED' } });
    const { job } = await quarry.ask(JobDocument, { id }, account);
    expect(job).toMatchObject({ status: 'FAILED', attempt: 1, finishedAt: expect.any(String) });
    await gone();
    await allGone(before);
    await alive();
  });

  test('SIGTERM leaves no process, and the next start has everything', async () => {
    await quarry.stop();
    await quarry.restart();
    const { databases } = await quarry.ask(DatabasesDocument, {}, account);
    expect(databases.nodes.map(({ name }) => name)).toContain('Shop');
    await alive();
  });
});

/** Stands between Quarry and the target, and cuts the line when so many more bytes have come from there. */
async function startProxy(to: number) {
  let left = Number.POSITIVE_INFINITY;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dial(to, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => [near, far].map((end) => end.destroy()));
    }
    near.pipe(far);
    far.on('data', (chunk) => {
      left -= chunk.length;
      if (left > 0) return void near.write(chunk);
      near.end(chunk.subarray(0, chunk.length + left));
      far.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as { port: number }).port,
    cutAfter(bytes: number) {
      left = bytes;
    },
  };
}
