/** The job of a lost worker that had credentials of its own: its session is found and ended with them. */
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
beforeEach(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
});
afterEach(() => queue[Symbol.asyncDispose]());

function submit() {
  const { host, port, user, password, database } = queue.targetDatabase;
  const typed = { host, port, user, password, database, ssl: 'DISABLE' } as const;
  const settings = queue.connections.parse(queue.viewerOf(owner), typed);
  const id = uuidv7();
  const sealedConnection = queue.connections.seal(id, settings);
  return queue.submit(owner, 'select 1', {
    id,
    databaseId: null,
    ...queue.connections.describe(settings),
    sealedConnection,
  });
}

test('is INTERRUPTED when its session has ended, and its credentials are gone', async () => {
  const job = await submit();
  const [held] = await queue.claim(1);
  const { host, port, user, password, database } = queue.targetDatabase;
  const orphan = new pg.Client({ host, port, user, password, database });
  await orphan.connect();
  const ended = new Promise((resolve) => orphan.on('error', resolve));
  const { rows } = await orphan.query(
    'select pid::text, backend_start::text from pg_stat_activity where pid = pg_backend_pid()',
  );
  await queue.store.setBackend(held!, { sessionId: rows[0].pid, startedAt: rows[0].backend_start });
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 second'`);
  await queue.worker({ timing: { rescueMs: 50 } });
  await ended;
  expect(await queue.until(job)).toMatchObject({
    status: 'failed',
    error: { code: 'INTERRUPTED' },
    sealedConnection: null,
  });
});

test('runs with them on another worker when no statement was sent', async () => {
  const job = await submit();
  await queue.claim(1);
  await queue.pool.query(`UPDATE jobs SET lease_until = now() - interval '1 second'`);
  await queue.worker({ timing: { rescueMs: 50 } });
  expect(await queue.until(job)).toMatchObject({ status: 'succeeded', attempt: 1, sealedConnection: null });
  expect(await queue.rows(job)).toEqual([[1]]);
});
