/** What people see and do about jobs: read, list, follow, cancel. Running them is the worker's. */
import { can, requireCan } from '../accounts/policy.ts';
import type { Viewer } from '../accounts/viewer.ts';
import { createPatience } from '../db/patience.ts';
import { type Bus, createDoorbell } from '../lib/bus.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import type { Page } from '../lib/pages.ts';
import type { Topic } from '../lib/topics.ts';
import { formatPosition, isBehind, type Job, parsePosition } from './job.ts';
import { isFinal } from './states.ts';
import type { JobFilter, JobStore } from './store.ts';

export interface JobsDeps {
  store: JobStore;
  bus: Bus<Topic>;
}

export interface JobEvent {
  readonly position: string;
  readonly job: Job;
}

export interface Jobs {
  /** Null when it is absent or not the viewer's. */
  find(viewer: Viewer | null, id: string): Promise<Job | null>;
  /** One for each id, null where it is absent or not the viewer's. */
  findAll(viewer: Viewer | null, ids: readonly string[]): Promise<(Job | null)[]>;
  list(
    viewer: Viewer | null,
    filter: Omit<JobFilter, 'ownerId'> & { ownerId?: string | undefined },
    page: Page,
  ): Promise<{ jobs: Job[]; count: () => Promise<number> }>;
  /** A queued job ends at once, a running one within seconds; no-op when it has ended. @throws AppError NOT_FOUND */
  cancel(viewer: Viewer | null, id: string): Promise<Job>;
  /** The job now, then at every change, until it ends. @throws AppError NOT_FOUND */
  follow(viewer: Viewer | null, id: string, signal: AbortSignal): AsyncIterable<Job>;
  /** Without `after` the unfinished ones, then every change; only the newest state of each. @throws AppError BAD_USER_INPUT */
  events(
    viewer: Viewer | null,
    options: { databaseId: string | null; after: string | null },
    signal: AbortSignal,
  ): AsyncIterable<JobEvent>;
  /** The newest, oldest of them first. */
  notices(job: Job, last: number): Promise<string[]>;
}

/** A ring that was lost costs so long. */
const pollMs = 2_000;
/** An older transaction holds a change back: as a rule it ends within milliseconds. */
const unsettledMs = 20;
const eventBatch = 200;
const maxNotices = 1_000;

export function createJobs({ store, bus }: JobsDeps): Jobs {
  const resourceOf = (job: Job) => ({ kind: 'job', ownerId: job.ownerId }) as const;

  async function require(viewer: Viewer | null, action: 'job:see' | 'job:cancel', id: string): Promise<Job> {
    if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
    const job = await store.find(id);
    if (!job) throw notFound('Job');
    requireCan(viewer, action, resourceOf(job));
    return job;
  }

  return {
    async find(viewer, id) {
      const job = await store.find(id);
      return job && can(viewer, 'job:see', resourceOf(job)) ? job : null;
    },

    async findAll(viewer, ids) {
      const found = new Map((await store.findAll(ids)).map((job) => [job.id, job]));
      return ids.map((id) => {
        const job = found.get(id);
        return job && can(viewer, 'job:see', resourceOf(job)) ? job : null;
      });
    },

    async list(viewer, { ownerId, ...rest }, page) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      if (ownerId !== undefined && ownerId !== viewer.userId)
        requireCan(viewer, 'server:administer', { kind: 'server' });
      const filter = { ...rest, ownerId: ownerId ?? viewer.userId };
      return { jobs: await store.list(filter, page), count: () => store.count(filter) };
    },

    async cancel(viewer, id) {
      const job = await require(viewer, 'job:cancel', id);
      return (await store.requestCancel(id)) ?? (await store.find(id)) ?? job;
    },

    async *follow(viewer, id, signal) {
      using bell = createDoorbell(bus, 'job.changed', id);
      let job: Job | null = await require(viewer, 'job:see', id);
      const patience = createPatience(signal);
      let sent = 0;
      while (job && can(viewer, 'job:see', resourceOf(job))) {
        if (job.revision > sent) yield job;
        sent = job.revision;
        if (isFinal(job.status) || signal.aborted) return;
        await bell.wait(pollMs, signal);
        if (signal.aborted) return;
        job = await patience(() => store.find(id));
      }
    },

    async *events(viewer, { databaseId, after }, signal) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const { userId } = viewer;
      const resumed = after === null ? null : parsePosition(after);
      if (after !== null && !resumed) throw badInput({ path: 'after', message: 'not a position of this stream' });
      using bell = createDoorbell(bus, 'jobs.of_user', userId);
      const patience = createPatience(signal);
      const start = resumed ?? (await patience(() => store.horizon()));
      const sent = new Map<string, number>();
      for (let last: string | null = null; !resumed; ) {
        const behind: string | null = last;
        const jobs: Job[] = await patience(() => store.unfinished(userId, databaseId, behind, eventBatch));
        for (const job of jobs) {
          sent.set(job.id, job.revision);
          // Resuming from a later position could miss a change that was made before it and committed after.
          yield { position: formatPosition(isBehind(job.position, start) ? start : job.position), job };
        }
        last = jobs.at(-1)?.id ?? null;
        if (jobs.length < eventBatch) break;
      }
      let position = start;
      let waitMs = unsettledMs;
      while (!signal.aborted) {
        const { jobs, unsettled } = await patience(() => store.changesAfter(userId, databaseId, position, eventBatch));
        for (const job of jobs) {
          position = job.position;
          // What the first state held already.
          if (sent.get(job.id) !== job.revision) yield { position: formatPosition(job.position), job };
          sent.delete(job.id);
        }
        if (jobs.length === eventBatch) continue;
        // A transaction that stays open holds everything back that came after it: asked less and less often.
        waitMs = unsettled && jobs.length === 0 ? Math.min(waitMs * 2, pollMs) : unsettledMs;
        await bell.wait(unsettled ? waitMs : pollMs, signal);
      }
    },

    notices: (job, last) => {
      if (last < 0 || last > maxNotices) throw badInput({ path: 'last', message: `from 0 to ${maxNotices}` });
      return store.notices(job.id, last);
    },
  };
}
