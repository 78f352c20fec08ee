/** A submission where there is no room for it. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDestinations } from '../../src/exports/destination.ts';
import { createJobQuota } from '../../src/jobs/quota.ts';
import { createLongReads } from '../../src/queries/long-reads.ts';
import { createQueries, type SubmitQuery } from '../../src/queries/queries.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let owner: string;
beforeAll(async () => {
  queue = await createTestQueue();
  owner = await queue.metadata.addUser();
});
afterAll(() => queue[Symbol.asyncDispose]());

/** @param limit of unfinished jobs */
function queriesOn(disk: { low: boolean }, limit = 100) {
  const { store, results, blobs, pool, connections } = queue;
  const nowhere = async () => {
    throw new Error('no stored database here');
  };
  return createQueries({
    jobs: store,
    quota: createJobQuota({ pool, limit }),
    diskLow: () => disk.low,
    results,
    blobs,
    longReads: createLongReads(),
    databases: { requireDatabase: nowhere, labelOf: () => '' },
    connections,
    destinations: createDestinations({ access: queue.access, files: queue.files, store: queue.exportStore }),
    settingsOf: async () => ({
      statementTimeoutMs: 60_000,
      maxRows: 10_000,
      queuePriority: 0,
      defaultExportFormat: 'csv' as const,
      defaultExportBucketId: null,
      defaultExportPrefix: '',
    }),
  });
}

const input = (): SubmitQuery => {
  const { host, port, user, password, database } = queue.targetDatabase;
  return {
    target: { connection: { host, port, user, password, database } },
    sql: 'select 1',
    parameters: null,
    name: null,
    timeoutMs: null,
    maxRows: null,
    readOnly: false,
    transaction: 'per_statement',
    priority: null,
    maxAttempts: 1,
    runAt: null,
    idempotencyKey: null,
  };
};

const jobs = async () => (await queue.pool.query('SELECT FROM jobs WHERE owner_id = $1', [owner])).rowCount;

test('is refused while the disk is almost full, and taken when it has room again', async () => {
  const disk = { low: true };
  const queries = queriesOn(disk);
  await expect(queries.submit(queue.viewerOf(owner), input())).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  expect(await jobs()).toBe(0);
  disk.low = false;
  expect(await queries.submit(queue.viewerOf(owner), input())).toMatchObject({ created: true });
});

test('is refused where its user has as many unfinished jobs as he may have', async () => {
  const queries = queriesOn({ low: false }, 1);
  const viewer = queue.viewerOf(await queue.metadata.addUser());
  const { job } = await queries.submit(viewer, input());
  const refused = { code: 'LIMIT_EXCEEDED', details: { limit: 1, actual: 1 } };
  await expect(queries.submit(viewer, input())).rejects.toMatchObject(refused);
  await queue.jobs.cancel(viewer, job.id);
  expect(await queries.submit(viewer, input())).toMatchObject({ created: true });
});

test('a known key gives back its job where there is no room for another', async () => {
  const viewer = queue.viewerOf(await queue.metadata.addUser());
  const disk = { low: false };
  const queries = queriesOn(disk, 1);
  const { job } = await queries.submit(viewer, { ...input(), idempotencyKey: 'once' });
  const known = { created: false, job: { id: job.id } };
  expect(await queries.submit(viewer, { ...input(), idempotencyKey: 'once' })).toMatchObject(known);
  disk.low = true;
  expect(await queries.submit(viewer, { ...input(), idempotencyKey: 'once' })).toMatchObject(known);
  for (const low of [true, false]) {
    disk.low = low;
    const another = queries.submit(viewer, { ...input(), idempotencyKey: 'another' });
    await expect(another).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  }
});

test('the key of somebody else opens nothing', async () => {
  const [ann, bob] = [queue.viewerOf(await queue.metadata.addUser()), queue.viewerOf(await queue.metadata.addUser())];
  const disk = { low: false };
  const queries = queriesOn(disk);
  await queries.submit(ann, { ...input(), idempotencyKey: 'mine' });
  disk.low = true;
  const submission = queries.submit(bob, { ...input(), idempotencyKey: 'mine' });
  await expect(submission).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});
