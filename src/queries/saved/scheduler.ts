/**
 * Turns due schedules into jobs. Every replica runs one: a key made of the query and its time makes one job of each
 * time, however many schedulers try and whichever of them dies. Running the job is the worker's.
 */

import { can } from '../../accounts/policy.ts';
import { nobody, type UserRole, type Viewer } from '../../accounts/viewer.ts';
import type { Databases } from '../../databases/databases.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError } from '../../lib/errors.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import { scheduledKey } from '../idempotency.ts';
import type { Queries } from '../queries.ts';
import type { DueQuery, DueStore } from './due.ts';
import { resourceOf, type ScheduleProblem } from './saved-query.ts';
import { nextRun } from './schedule.ts';
import { submissionOf } from './submission.ts';

export interface SchedulerDeps {
  due: DueStore;
  queries: Pick<Queries, 'submit'>;
  databases: Pick<Databases, 'requireDatabase'>;
  /** Null for an account that is gone or disabled. */
  roleOfOwner(ownerId: string): Promise<UserRole | null>;
  log: Log;
}

/** Taken and submitted at once: thousands that are due at midnight come in so many at a time. */
const batch = 8;
/** A scheduler that died had them so long, and no longer. */
const holdMs = 30_000;
/** After a failure that is nobody's fault. */
const retryMs = 10_000;
/** Looked at so often although nobody rang, and not more often than that. */
const maxPauseMs = 30_000;
const minPauseMs = 100;
/** The end of a run rings for nobody here: what waits for it is asked so often. */
const waitingMs = 5_000;

export function startScheduler({ bus, ...deps }: SchedulerDeps & { bus: Bus<Topic> }): Service {
  const stopping = new AbortController();
  const changed = createDoorbell(bus, 'schedules.changed', '*');

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pauseMs = waitingMs;
      try {
        await runDue(deps, stopping.signal);
        const nextMs = (await deps.due.untilNextMs({ waitingMs })) ?? maxPauseMs;
        pauseMs = Math.min(Math.max(Math.ceil(nextMs), minPauseMs), maxPauseMs);
      } catch (error) {
        // The metadata database is away: what is due stays due.
        deps.log.warn({ error: String(error) }, 'scheduler.failed');
      }
      await changed.wait(pauseMs, stopping.signal);
    }
  }
  const running = loop();

  return {
    async stop() {
      stopping.abort();
      await running;
      changed[Symbol.dispose]();
    },
  };
}

/** Makes the jobs of all that is due now; what is missed many times over is made up for once. */
export async function runDue(deps: SchedulerDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const taken = await deps.due.take({ limit: batch, holdMs });
    await Promise.all(taken.map((due) => runOne(deps, due)));
    if (taken.length < batch) return;
  }
}

async function runOne(deps: SchedulerDeps, due: DueQuery): Promise<void> {
  const { log } = deps;
  const at = { savedQueryId: due.id, dueAt: due.nextRunAt };
  try {
    const jobId = await submit(deps, due);
    if (typeof jobId !== 'string') {
      if (await deps.due.stop(due, jobId.problem)) log.warn({ ...at, problem: jobId.problem }, 'schedule.stopped');
      return;
    }
    await deps.due.ran(due, { jobId, nextRunAt: nextRun(due.schedule, due.now) });
    log.info({ ...at, jobId }, 'schedule.ran');
  } catch (error) {
    log.warn({ ...at, error: String(error) }, 'schedule.failed');
    await deps.due.putOff(due, retryMs);
  }
}

/** The job's id, or why there can be none. */
async function submit(
  { queries, databases, roleOfOwner }: SchedulerDeps,
  due: DueQuery,
): Promise<string | { problem: ScheduleProblem }> {
  const role = await roleOfOwner(due.ownerId);
  if (!role) return { problem: 'owner_gone' };
  if (due.keyEnded) return { problem: 'key_ended' };
  const owner: Viewer = { userId: due.ownerId, role, sessionId: '', expiresAt: new Date(0) };
  // Who was sent away from a project leaves nothing behind that goes on in his name.
  if (!can(owner, 'saved-query:run', resourceOf(due))) return { problem: 'forbidden' };
  try {
    await databases.requireDatabase(owner, 'database:query', due.databaseId);
  } catch (error) {
    if (error instanceof AppError && lost.has(error.code)) return { problem: 'forbidden' };
    throw error;
  }
  const idempotencyKey = scheduledKey(due.id, due.nextRunAt);
  // What goes from here on, the saved query or its database, says nothing of rights: it is looked at anew.
  const late = due.export && { ...due.export, late: true };
  const run = { databaseId: due.databaseId, idempotencyKey, export: late };
  // Known as the key's, a run ends with it.
  const caller = due.scheduleKeyId === null ? nobody : { ...nobody, keyId: due.scheduleKeyId };
  const { job } = await queries.submit(owner, submissionOf(due, run), caller);
  return job.id;
}

/** What the database says to somebody who may not query it. */
const lost: ReadonlySet<string> = new Set(['NOT_FOUND', 'FORBIDDEN', 'UNAUTHENTICATED']);
