/** one user has very many jobs, others have one; three workers, a limit for each user. Prints its figures. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statusesOf } from './queue-moves.ts';
import { createQueueWorld, limitMs, type QueueWorld, scale } from './queue-world.ts';

const backlog = { CI: 8_000, full: 100_000 }[scale];
const limit = 3;
/** Of the many that are to end while it is looked: the one who has them does not starve either. */
const shareOfMany = 60;

let world: QueueWorld;
beforeAll(async () => {
  world = await createQueueWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** Copies of a job that waits for its time, all ready now. */
async function multiply(uuid: string, copies: number): Promise<void> {
  await world.metadata.query(
    `INSERT INTO jobs SELECT (jsonb_populate_record(job, jsonb_build_object('id', uuidv7(), 'held_until', null, 'run_at', null,
       'rank_ms', floor(extract(epoch FROM now()) * 1000), 'change_seq', nextval('job_changes')))).*
     FROM jobs AS job CROSS JOIN generate_series(1, $2) WHERE job.id = $1`,
    [uuid, copies],
  );
}

/** The most jobs that any user had at once, of as many looks as there was time for. */
function sample() {
  let most = 0;
  let looks = 0;
  const stopping = new AbortController();
  const looking = (async () => {
    for (; !stopping.signal.aborted; looks += 1) {
      const { rows } = await world.metadata.query<{ jobs: number }>(
        `SELECT count(*)::int AS jobs FROM jobs WHERE status = 'running' GROUP BY owner_id`,
      );
      most = Math.max(most, ...rows.map(({ jobs }) => jobs));
      await sleep(10);
    }
  })();
  const end = async () => {
    stopping.abort();
    await looking;
    return { most, looks };
  };
  return { end, [Symbol.asyncDispose]: async () => void (await end()) };
}

test(
  'beside a user with very many jobs the others’ start soon, all go on, and nobody has more at once than his limit',
  async () => {
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 2; i += 1) stack.use(await world.worker());
    const [a, b, c] = [
      await world.addUser({ parallelJobs: limit }),
      await world.addUser({ parallelJobs: limit }),
      await world.addUser({ parallelJobs: limit }),
    ];
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    const template = await world.submit(a, 'select pg_sleep(0.05)', { runAt: tomorrow });
    await using looked = sample();
    await multiply(template.uuid, backlog);
    const ended = async () => {
      const { rows } = await world.metadata.query<{ jobs: number }>(
        `SELECT count(*)::int AS jobs FROM jobs WHERE owner_id = (SELECT owner_id FROM jobs WHERE id = $1) AND status = 'succeeded'`,
        [template.uuid],
      );
      return rows[0]!.jobs;
    };
    while ((await ended()) === 0) await sleep(50);

    const others = [
      (await world.submit(b, 'select 1')).uuid,
      (await world.submit(c, 'select 1', { priority: 10 })).uuid,
    ];
    await world.untilFinal(others);
    const before = await ended();
    while ((await ended()) < before + shareOfMany) await sleep(50);
    const { most, looks } = await looked.end();

    const { rows } = await world.metadata.query<{ waited: number }>(
      `SELECT extract(epoch FROM started_at - submitted_at)::float8 AS waited FROM jobs WHERE id = ANY($1::uuid[]) ORDER BY priority`,
      [others],
    );
    const [waitB = Number.NaN, waitC = Number.NaN] = rows.map(({ waited }) => waited);
    console.log(
      `Q-2 (${scale}) A has ${backlog} queued, 3 workers, limit ${limit}: most at once ${most} in ${looks} looks; ` +
        `B waited ${waitB.toFixed(3)} s, C with high priority ${waitC.toFixed(3)} s; A had ${before} done by then, and went on`,
    );
    expect(most).toBe(limit);
    expect([...(await statusesOf(world.metadata, others)).values()]).toEqual(['succeeded', 'succeeded']);
    // They did not wait for the many.
    expect(before).toBeLessThan(backlog / 2);
  },
  limitMs,
);
