/** What runs in a database now, with the job behind each session; whose sessions a viewer is shown is decided here. */
import DataLoader from 'dataloader';
import { can } from '../accounts/policy.ts';
import type { Viewer } from '../accounts/viewer.ts';
import type { ActiveSession } from '../engines/engine.ts';
import { type Job, jobResource } from '../jobs/job.ts';
import type { JobStore } from '../jobs/store.ts';
import { AppError, notFound } from '../lib/errors.ts';
import { createFairGate } from '../lib/fair-gate.ts';
import { resourceOf } from './access.ts';
import type { Databases } from './databases.ts';

export const activityLimits = {
  sessions: 500,
  /** Of one process: each has a connection to a target of its own. */
  parallel: 8,
  parallelOfUser: 2,
  /** Of one look, from when it begins. */
  timeoutMs: 15_000,
  /** In the line. */
  maxWaitMs: 60_000,
} as const;

export interface DatabaseSession extends Omit<ActiveSession, 'startedAt'> {
  /** Null where it runs none, or none that the viewer may see. */
  readonly job: Job | null;
}

/** One operation of one viewer. */
export interface ActivityRequest {
  readonly viewer: Viewer | null;
  readonly signal: AbortSignal;
}

export interface Activity {
  /**
   * The busy ones first. Who may not see what others do there gets the sessions of his own jobs alone.
   * @throws AppError NOT_FOUND, CONNECTION_FAILED, TIMEOUT
   */
  of(request: ActivityRequest, databaseId: string): Promise<DatabaseSession[]>;
}

export interface ActivityDeps {
  readonly databases: Pick<Databases, 'load' | 'targetOf'>;
  readonly jobs: Pick<JobStore, 'runningOn'>;
  readonly timeoutMs?: number;
}

/** Of the databases whose jobs one statement reads. */
const maxBatch = 50;

export function createActivity({ databases, jobs, timeoutMs = activityLimits.timeoutMs }: ActivityDeps): Activity {
  const { sessions: limit, parallel: max, parallelOfUser: maxOfUser, maxWaitMs } = activityLimits;
  const gate = createFairGate({ max, maxOfUser, maxWaitMs });
  // Nothing is kept: each asks for what runs now.
  const runningOn = new DataLoader<string, Job[]>(
    async (ids) => {
      const found = Map.groupBy(await jobs.runningOn([...new Set(ids)], limit), ({ databaseId }) => databaseId);
      return ids.map((id) => found.get(id) ?? []);
    },
    { maxBatchSize: maxBatch, cache: false },
  );

  return {
    async of(request, databaseId) {
      const { viewer } = request;
      const database = await databases.load(request, viewer, databaseId);
      if (!viewer || !database) throw notFound('Database');
      // Before the sessions: a job that ends meanwhile is still the one of its session.
      const running = await runningOn.load(database.id);
      const own = can(viewer, 'database:activity', resourceOf(database))
        ? undefined
        : running.filter(({ ownerId }) => ownerId === viewer.userId);
      if (own?.length === 0) return [];

      const look = async () => {
        const deadline = AbortSignal.timeout(timeoutMs);
        const signal = AbortSignal.any([request.signal, deadline]);
        try {
          const { engine, target } = await databases.targetOf(database, viewer, { signal });
          const only = own?.flatMap(({ backend }) => backend ?? []);
          return await engine.activity(target, { limit, only, signal });
        } catch (error) {
          if (!deadline.aborted || request.signal.aborted) throw error;
          throw new AppError('TIMEOUT', 'The database did not say in time what runs there', {
            cause: error,
            details: { timeoutMs },
          });
        }
      };
      const sessions = await gate.run(viewer.userId, look, request.signal);
      return withJobs(own ? amongThemselves(sessions) : sessions, running, viewer);
    },
  };
}

/** That somebody waits for a session which is not among these is activity of others. */
function amongThemselves(sessions: readonly ActiveSession[]): ActiveSession[] {
  const ids = new Set(sessions.map(({ sessionId }) => sessionId));
  return sessions.map((session) => ({ ...session, blockedBy: session.blockedBy.filter((id) => ids.has(id)) }));
}

function withJobs(sessions: readonly ActiveSession[], running: readonly Job[], viewer: Viewer): DatabaseSession[] {
  const jobs = new Map(running.map((job) => [keyOf(job.backend), job]));
  return sessions.map(({ startedAt, ...session }) => {
    const job = startedAt === null ? undefined : jobs.get(keyOf({ sessionId: session.sessionId, startedAt }));
    return { ...session, job: job && can(viewer, 'job:see', jobResource(job)) ? job : null };
  });
}

const keyOf = (identity: Job['backend']): string => (identity ? `${identity.sessionId} ${identity.startedAt}` : '');
