/** The states as a picture, as a table, and as what the store does. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { transaction } from '../../src/db/metadata.ts';
import type { Job } from '../../src/jobs/job.ts';
import { isFinal, type JobStatus, jobStatuses, type Mover, moves } from '../../src/jobs/states.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
beforeAll(async () => {
  queue = await createTestQueue();
});
afterAll(() => queue[Symbol.asyncDispose]());

test('the picture shows the moves of the table, and no others', async () => {
  const picture = await readFile(new URL('../../src/jobs/STATES.md', import.meta.url), 'utf8');
  const shown = [...picture.matchAll(/^ {4}(\S+) --> (\S+): (.+)$/gm)].map(([, from, to, by]) => ({
    from: from === '[*]' ? null : from,
    to: to === '[*]' ? null : to,
    by: by!.split(', '),
  }));
  expect(shown).toEqual(moves);
  const told = [...picture.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  expect(told.toSorted()).toEqual([...new Set(moves.flatMap(({ by }) => by))].toSorted());
});

test('a job that has ended has nowhere to go', () => {
  expect(jobStatuses.filter(isFinal)).toEqual(['succeeded', 'failed', 'cancelled']);
});

/** A job in that state, as a worker that knows its fence sees it. */
async function jobIn(status: JobStatus): Promise<Job> {
  await queue.pool.query('DELETE FROM jobs');
  const { id } = await queue.submit(await queue.metadata.addUser(), 'select 1', { maxAttempts: 3 });
  if (status === 'cancelled') await queue.store.requestCancel(id);
  else if (status !== 'queued') {
    const [held] = await queue.claim(1);
    if (status !== 'running') await queue.store.finish(held!, { status, error: null, rows: 0, bytes: 0 });
  }
  return (await queue.store.find(id))!;
}

const error = { code: 'INTERRUPTED', message: 'lost' } as const;
const end = { error: null, rows: 0, bytes: 0 };
const inTransaction =
  (work: (client: Parameters<Parameters<typeof transaction>[1]>[0], job: Job) => Promise<void>) => (job: Job) =>
    transaction(queue.pool, (client) => work(client, job));

/** Its worker stops, and knows nothing of it. */
async function leave({ id }: Job): Promise<void> {
  const { rows } = await queue.pool.query('SELECT worker_id FROM jobs WHERE id = $1', [id]);
  await queue.store.releaseUnknown(rows[0]?.worker_id ?? uuidv7(), []);
}

/** As if it had been submitted with an API key that opens nothing any more. @returns its id */
async function withKey(id: string): Promise<string> {
  const keyId = uuidv7();
  await queue.pool.query('UPDATE jobs SET key_id = $2 WHERE id = $1', [id, keyId]);
  return keyId;
}

/** Every function that moves a job, with all that it can be told. */
const movers: Record<Exclude<Mover, 'insert'>, readonly ((job: Job) => Promise<unknown>)[]> = {
  claim: [() => queue.claim(10)],
  release: [(job) => queue.store.release(job)],
  releaseUnknown: [
    (job) => leave(job),
    async (job) => {
      await queue.pool.query(`UPDATE jobs SET cancel_requested_at = now() WHERE id = $1 AND status = 'running'`, [
        job.id,
      ]);
      await leave(job);
    },
  ],
  requeue: [(job) => queue.store.requeue(job, { error, delayMs: 0 }, async () => undefined)],
  finish: (['succeeded', 'failed', 'cancelled'] as const).map(
    (status) => (job: Job) => queue.store.finish(job, { ...end, status }),
  ),
  requestCancel: [({ id }) => queue.store.requestCancel(id)],
  cancelAllOf: [inTransaction((client, { databaseId }) => queue.store.cancelAllOf(client, databaseId!))],
  cancelAllOfOwner: [inTransaction((client, { ownerId }) => queue.store.cancelAllOfOwner(client, ownerId))],
  cancelWithoutRight: [
    inTransaction((client, { databaseId }) => queue.store.cancelWithoutRight(client, [databaseId!])),
  ],
  cancelAllOfKeys: [
    inTransaction(async (client, { id, ownerId }) => {
      const keyId = await withKey(id);
      await queue.store.cancelAllOfKeys(client, ownerId, [keyId]);
    }),
  ],
  promote: [
    async ({ id }) => {
      await withKey(id);
      // The column rounds to milliseconds: now may be half of one ahead.
      const due = `UPDATE jobs SET held_until = now() - interval '1 second' WHERE id = $1 AND status = 'queued'`;
      await queue.pool.query(due, [id]);
      await queue.store.promote();
    },
  ],
  remove: [({ id }) => queue.store.remove(id)],
};
const tries = Object.entries(movers).flatMap(([mover, ways]) =>
  jobStatuses.flatMap((status) => ways.map((way, i) => ({ mover: mover as Mover, status, way, nth: i }))),
);

test.for(tries)('$mover ($nth) moves a job that is $status only as the table says', async ({ mover, status, way }) => {
  const job = await jobIn(status);
  await way(job);
  const now = (await queue.store.find(job.id))?.status ?? null;
  const allowed = moves.filter(({ from, by }) => from === status && by.includes(mover)).map(({ to }) => to);
  // A running job that is to be cancelled is marked, and stays running until its worker finishes it.
  if (now === status) expect(allowed).toEqual([]);
  else expect(allowed).toContain(now);
});

test('every move of the table between two states happens', async () => {
  const seen = new Set<string>();
  for (const { mover, status, way } of tries) {
    const job = await jobIn(status);
    await way(job);
    const now = (await queue.store.find(job.id))?.status ?? null;
    if (now !== status) seen.add(`${status} ${now} ${mover}`);
  }
  const told = moves.flatMap(({ from, to, by }) => (from === null ? [] : by.map((mover) => `${from} ${to} ${mover}`)));
  expect([...seen].toSorted()).toEqual(told.toSorted());
});
