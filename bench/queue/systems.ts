/** The queues that are compared, by the name that a worker's process is started with. */
import { bullmq } from './bullmq.ts';
import { graphileDefault, graphileLocalQueue } from './graphile-worker.ts';
import { pgBoss } from './pg-boss.ts';
import { quarry } from './quarry.ts';
import type { QueueSystem } from './system.ts';

export const systems = {
  quarry,
  bullmq,
  graphile: graphileDefault,
  graphileLocal: graphileLocalQueue,
  pgBoss,
} as const satisfies Record<string, QueueSystem>;

export type SystemKey = keyof typeof systems;
