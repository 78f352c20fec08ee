/** A worker in a process of its own, as Quarry ships one: tells its parent when each job started, by the machine's clock. */

import type { Place } from './system.ts';
import type { SystemKey } from './systems.ts';
import { systems } from './systems.ts';
import { openTarget } from './target.ts';

export interface WorkerOrder {
  system: SystemKey;
  place: Place;
  target: Place['postgres'];
  concurrency: number;
}

/** Nanoseconds of the clock that all processes of a machine share, as text: a message holds no bigint. */
export interface Started {
  job: number;
  at: string;
}

process.once('message', async ({ system, place, target, concurrency }: WorkerOrder) => {
  const queue = await systems[system].open(place);
  const { query } = openTarget(target);
  await queue.work(async (job) => {
    const at = process.hrtime.bigint().toString();
    process.send?.({ job, at } satisfies Started);
    await query();
  }, concurrency);
  process.send?.('ready');
});
// Whoever started it is done, or gone.
process.once('disconnect', () => process.exit(0));
