/** jobs are cancelled at the moment at which they end, from another process than the one that runs them. Prints its figures. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CancelDocument } from '../support/operations.ts';
import { counted, endedTwice, illegal, movesOf, statusesOf } from './queue-moves.ts';
import { bounded, createQueueWorld, limitMs, type QueueWorld, scale } from './queue-world.ts';

const races = { CI: 100, full: 1_000 }[scale];
/** As many as run beside each other, so that a cancel has a neighbour to miss. */
const racers = 6;
/** About as long as a job takes from its submission to its end. */
const latestCancelMs = 80;
const bystandersAtOnce = 4;

let world: QueueWorld;
beforeAll(async () => {
  world = await createQueueWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

test(
  'a job that is cancelled while it ends is in one final state for good, and no cancel reaches another’s statement',
  async () => {
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < 2; i += 1) stack.use(await world.worker());
    const [user, neighbour] = [await world.addUser(), await world.addUser()];
    const raced: string[] = [];
    const bystanders: string[] = [];

    let over = false;
    const standing = Promise.all(
      Array.from({ length: bystandersAtOnce }, async () => {
        while (!over) {
          const { uuid } = await world.submit(neighbour, 'select pg_sleep(0.3)');
          bystanders.push(uuid);
          await world.untilFinal([uuid]);
        }
      }),
    );
    await bounded(races, racers, async () => {
      const { id, uuid } = await world.submit(user, 'select pg_sleep(0.02)');
      raced.push(uuid);
      await sleep(Math.random() * latestCancelMs);
      await world.quarry.ask(CancelDocument, { input: { id } }, user.account);
    });
    over = true;
    await standing;
    await world.untilFinal(raced);

    const statuses = await statusesOf(world.metadata, raced);
    const moves = await movesOf(world.metadata, [...raced, ...bystanders]);
    const outcome = { illegal: illegal(moves).length, doubleFinished: endedTwice(moves), raced: statuses.size };
    const disturbed = [...(await statusesOf(world.metadata, bystanders)).values()].filter(
      (status) => status !== 'succeeded',
    );
    const { rows: left } = await world.target.query(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'quarry job:%' AND state = 'active'`,
    );
    console.log(
      `Q-3 (${scale}) races ${races}, ended ${JSON.stringify(counted(statuses.values()))}, ${JSON.stringify(outcome)}; ` +
        `disturbed ${disturbed.length} of ${bystanders.length} neighbours; statements left in the target ${left.length}`,
    );
    expect(outcome).toEqual({ illegal: 0, doubleFinished: 0, raced: races });
    expect(disturbed).toEqual([]);
    expect(left).toEqual([]);
    // A race that always goes the same way is none.
    expect(Object.keys(counted(statuses.values())).toSorted()).toEqual(['cancelled', 'succeeded']);
  },
  limitMs,
);
