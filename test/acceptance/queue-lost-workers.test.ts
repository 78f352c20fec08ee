/** worker processes are killed and frozen over a queue that goes on; what was accepted ends once. Prints its figures. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isFinal } from '../../src/jobs/states.ts';
import type { WorkerProcess } from '../support/worker-process.ts';
import { counted, endedTwice, illegal, movesOf, statusesOf } from './queue-moves.ts';
import { bounded, createQueueWorld, limitMs, type QueueWorld, scale, spread } from './queue-world.ts';

const { jobs, kills } = { CI: { jobs: 400, kills: 5 }, full: { jobs: 10_000, kills: 20 } }[scale];
const killEveryMs = 2_000;
/** Frozen for so long, a worker is taken for lost twice over. */
const twoLeasesMs = 30_000;
const clients = 16;

let world: QueueWorld;
beforeAll(async () => {
  world = await createQueueWorld('CREATE TABLE effects (job int NOT NULL)');
});
afterAll(() => world[Symbol.asyncDispose]());

/** Of each job everything that a write would change. */
async function snapshot(uuids: readonly string[]): Promise<string[]> {
  const { rows } = await world.metadata.query<{ state: string }>(
    `SELECT jsonb_build_array(to_jsonb(jobs),
       (SELECT jsonb_agg(to_jsonb(result_sets) ORDER BY index) FROM result_sets WHERE job_id = jobs.id),
       (SELECT count(*) FROM result_chunks JOIN result_sets ON result_sets.id = result_set_id WHERE job_id = jobs.id))::text AS state
     FROM jobs WHERE id = ANY($1::uuid[]) ORDER BY id`,
    [uuids],
  );
  return rows.map(({ state }) => state);
}

async function errorCodes(uuids: readonly string[]): Promise<string[]> {
  const { rows } = await world.metadata.query<{ code: string }>(
    `SELECT DISTINCT error ->> 'code' AS code FROM jobs WHERE id = ANY($1::uuid[])`,
    [uuids],
  );
  return rows.map(({ code }) => code);
}

/** It has something to lose. */
async function untilBusy(worker: WorkerProcess): Promise<void> {
  while ((await world.heldBy(worker)).length < 2) await sleep(10);
}

test(
  'whichever workers die or come back from the dead, what was accepted ends once and nothing is done twice',
  async () => {
    await using stack = new AsyncDisposableStack();
    const start = async () => stack.use(await world.worker());
    const user = await world.addUser();
    const accepted: string[] = [];
    const submit = async (sql: string) => void accepted.push((await world.submit(user, sql)).uuid);
    const [zombie, ...mortals] = (await Promise.all([start(), start(), start()])) as [
      WorkerProcess,
      ...WorkerProcess[],
    ];

    const submitting = bounded(jobs, clients, (i) => submit(`insert into effects values (${i}); select pg_sleep(0.2)`));
    await untilBusy(zombie);
    const frozenAt = Date.now();
    zombie.send('SIGSTOP');
    const heldByZombie = await world.heldBy(zombie);
    const lostAt = new Map(heldByZombie.map((id) => [id, frozenAt]));
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(killEveryMs);
      const [victim] = mortals.splice(Math.floor(Math.random() * mortals.length), 1);
      const killedAt = Date.now();
      victim!.send('SIGKILL');
      for (const id of await world.heldBy(victim!)) lostAt.set(id, killedAt);
      mortals.push(await start());
    }
    await submitting;
    await sleep(Math.max(0, frozenAt + twoLeasesMs - Date.now()));

    const asleep = await snapshot(heldByZombie);
    // That it finishes new ones shows that it has come to terms with those that it lost.
    const works = zombie.untilFinished('succeeded');
    zombie.send('SIGCONT');
    await bounded(60, clients, () => submit('select pg_sleep(0.2)'));
    await works;
    await world.untilFinal(accepted);
    // It ends when it has nothing more to write.
    await zombie[Symbol.asyncDispose]();

    const awake = await snapshot(heldByZombie);
    const statuses = await statusesOf(world.metadata, accepted);
    const moves = await movesOf(world.metadata, accepted);
    const twice = await world.target.query('SELECT job FROM effects GROUP BY job HAVING count(*) > 1');
    const outcome = {
      missing: accepted.length - [...statuses.values()].filter(isFinal).length,
      doubleFinished: endedTwice(moves),
      effectsTwice: twice.rows.length,
      zombieWrites: awake.filter((state, i) => state !== asleep[i]).length,
    };
    // One without a later move ended in a commit that was under way as its worker died.
    const takenOver = [...lostAt].flatMap(([id, at]) => {
      const next = moves.find((move) => move.jobId === id && move.at.getTime() > at);
      return next ? [(next.at.getTime() - at) / 1_000] : [];
    });
    console.log(
      `Q-1 (${scale}) accepted ${accepted.length}, ended ${JSON.stringify(counted(statuses.values()))}, ${JSON.stringify(outcome)}; ` +
        `${kills} workers killed and one frozen with ${heldByZombie.length} jobs; ${takenOver.length} jobs lost their worker, taken over after ${spread(takenOver)}`,
    );
    expect(outcome).toEqual({ missing: 0, doubleFinished: 0, effectsTwice: 0, zombieWrites: 0 });
    expect(illegal(moves)).toEqual([]);
    // Only what lost its worker failed, and says why.
    const failed = accepted.filter((id) => statuses.get(id) !== 'succeeded');
    expect(failed.filter((id) => !lostAt.has(id))).toEqual([]);
    expect(await errorCodes(failed)).toEqual(failed.length > 0 ? ['INTERRUPTED'] : []);
  },
  limitMs,
);
