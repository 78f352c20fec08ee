/** The queue's store as a process of its own has it, with limits that are in no test's way unless it says so. */
import type pg from 'pg';
import { submittedStep } from '../../src/audit/jobs.ts';
import { createJobStore, type JobStore, type Limits } from '../../src/jobs/store.ts';
import { type Bus, createBus } from '../../src/lib/bus.ts';
import type { Log } from '../../src/lib/log.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { silent } from './metadata.ts';

export const createTestJobStore = (
  pool: pg.Pool,
  { bus = createBus<Topic>(), log = silent, ...limits }: { bus?: Bus<Topic>; log?: Log } & Partial<Limits> = {},
): JobStore =>
  createJobStore({
    pool,
    bus,
    log,
    limits: { maxParallelJobs: 4, maxParallelJobsPerDatabase: 1_000, ...limits },
    resultsRetentionMs: 3_600_000,
    noteStep: submittedStep,
  });
