/** What people see and do about jobs: read, list, follow, cancel, put forward, delete. Running them is the worker's. */
import { can, requireCan } from '../accounts/policy.ts';
import { type Caller, databasesWithin, nobody, type Viewer } from '../accounts/viewer.ts';
import type { Executor } from '../db/metadata.ts';
import { createPatience } from '../db/patience.ts';
import { type Bus, createDoorbell, type Doorbell } from '../lib/bus.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import type { Page } from '../lib/pages.ts';
import type { Topic } from '../lib/topics.ts';
import { formatPosition, isBehind, type Job, jobResource, type Position, parsePosition, priorities } from './job.ts';
import { createOperationNotices, type OperationNotices } from './operation-notices.ts';
import type { Place, Places } from './places.ts';
import type { Batch, JobFilter, QueueState } from './reads.ts';
import { isFinal } from './states.ts';
import type { JobStore, Note } from './store.ts';

export interface JobsDeps {
  store: JobStore;
  places: Places;
  bus: Bus<Topic>;
  settingsOf(viewer: Viewer): Promise<{ maxParallelJobs: number }>;
  note: NoteJob;
}

/** Writes into the audit what somebody did to a job, in the transaction that did it. */
export type NoteJob = (
  client: Executor,
  done: {
    readonly viewer: Viewer;
    readonly caller: Caller;
    readonly action: 'job.cancelled' | 'job.reprioritized' | 'job.deleted';
    readonly jobId: string;
    readonly details?: Readonly<Record<string, unknown>>;
  },
) => Promise<void>;

/** The newest state of a job, or that it is gone. */
export interface JobEvent {
  readonly position: string;
  readonly job: Job | null;
  readonly deletedJobId: string | null;
}

/** With its place in the queue as it was when this was sent. */
export interface FollowedJob extends Job {
  readonly place: Place | null;
}

export interface QueueInfo extends QueueState {
  readonly maxParallelJobs: number;
}

export interface Jobs {
  /** Null when it is absent or not the viewer's. */
  find(viewer: Viewer | null, id: string): Promise<Job | null>;
  /** One for each id, null where it is absent or not the viewer's. */
  findAll(viewer: Viewer | null, ids: readonly string[]): Promise<(Job | null)[]>;
  list(
    viewer: Viewer | null,
    filter: Omit<JobFilter, 'ownerId' | 'databaseIds'> & {
      ownerId?: string | undefined;
      databaseId?: string | undefined;
    },
    page: Page,
  ): Promise<{ jobs: Job[]; page: Page; count: () => Promise<number> }>;
  /** A queued job ends at once, a running one within seconds; no-op when it has ended. @throws AppError NOT_FOUND */
  cancel(viewer: Viewer | null, id: string, caller?: Caller): Promise<Job>;
  /** Among the queued jobs of its owner. @throws AppError NOT_FOUND, BAD_USER_INPUT, CONFLICT unless it is queued */
  reprioritize(viewer: Viewer | null, id: string, priority: number, caller?: Caller): Promise<Job>;
  /** With its rows. @throws AppError NOT_FOUND, CONFLICT while it runs, or an export has not yet written its rows */
  remove(viewer: Viewer | null, id: string, caller?: Caller): Promise<void>;
  /** The viewer's own. */
  queue(viewer: Viewer | null): Promise<QueueInfo>;
  /** Null unless it is queued. */
  place(job: Job | FollowedJob): Promise<Place | null>;
  /** The job now, then whenever it changes or its place moves, until it ends. @throws AppError NOT_FOUND, also once it is deleted */
  follow(viewer: Viewer | null, id: string, signal: AbortSignal): AsyncIterable<FollowedJob>;
  /**
   * Without `after` the unfinished ones, then every change; only the newest state of each.
   * @throws AppError BAD_USER_INPUT, POSITION_LOST where deletions behind `after` are forgotten
   */
  events(
    viewer: Viewer | null,
    options: { databaseId: string | null; after: string | null },
    signal: AbortSignal,
  ): AsyncIterable<JobEvent>;
  /** What the jobs of one operation have told; of jobs that the viewer may see. @param signal nobody waits for it any more */
  operationNotices(signal: AbortSignal): OperationNotices;
}

/** A ring that was lost costs so long. */
const pollMs = 2_000;
/** The place of a queued job is looked at no oftener. */
const placeMs = 500;
/** An estimate that moved by less is not worth a message. */
const etaStepMs = 1_000;
const etaStepShare = 0.1;
/** An older transaction holds a change back: as a rule it ends within milliseconds. */
const unsettledMs = 20;
const eventBatch = 200;
const maxSearchLength = 200;

export function createJobs({ store, places, bus, settingsOf, note }: JobsDeps): Jobs {
  async function require(
    viewer: Viewer | null,
    action: 'job:see' | 'job:cancel' | 'job:edit',
    id: string,
  ): Promise<Job> {
    if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
    const job = await store.find(id);
    if (!job) throw notFound('Job');
    requireCan(viewer, action, jobResource(job));
    return job;
  }

  const noteOf =
    (viewer: Viewer | null, caller: Caller, done: Pick<Parameters<NoteJob>[1], 'action' | 'details'>): Note =>
    (client, jobId) =>
      // require() lets nobody through who is not signed in.
      note(client, { viewer: viewer!, caller, jobId, ...done });

  const placeOf = (job: Job): Promise<Place | null> =>
    job.status === 'queued' ? places.of(job) : Promise.resolve(null);

  /** Until the job changed, or something moved in its owner's queue. */
  async function untilMoved(bell: Doorbell, queue: Doorbell, signal: AbortSignal): Promise<void> {
    for (let waitedMs = 0; waitedMs < pollMs && !signal.aborted; waitedMs += placeMs) {
      if (await bell.wait(placeMs, signal)) return;
      if (await queue.wait(0, signal)) return;
    }
  }

  /** @throws AppError BAD_USER_INPUT, POSITION_LOST */
  async function resume(after: string): Promise<Position> {
    const position = parsePosition(after);
    if (!position) throw badInput({ path: 'after', message: 'not a position of this stream' });
    if (isBehind(await store.deletionHorizon(), position))
      throw new AppError('POSITION_LOST', 'Jobs that were deleted since are forgotten: begin anew, without `after`');
    return position;
  }

  return {
    async find(viewer, id) {
      const job = await store.find(id);
      return job && can(viewer, 'job:see', jobResource(job)) ? job : null;
    },

    async findAll(viewer, ids) {
      const found = new Map((await store.findAll(ids)).map((job) => [job.id, job]));
      return ids.map((id) => {
        const job = found.get(id);
        return job && can(viewer, 'job:see', jobResource(job)) ? job : null;
      });
    },

    async list(viewer, { ownerId, databaseId, ...rest }, page) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      if (ownerId !== undefined && ownerId !== viewer.userId)
        requireCan(viewer, 'server:administer', { kind: 'server' });
      if (rest.search && (rest.search.length > maxSearchLength || /\p{Cc}/u.test(rest.search)))
        throw badInput({ path: 'search', message: `at most ${maxSearchLength} characters, on one line` });
      const databaseIds = databasesWithin(viewer, databaseId === undefined ? null : [databaseId]);
      const filter = { ...rest, ownerId: ownerId ?? viewer.userId, databaseIds };
      return { ...(await store.list(filter, page)), count: () => store.count(filter) };
    },

    async cancel(viewer, id, caller = nobody) {
      const job = await require(viewer, 'job:cancel', id);
      const note = noteOf(viewer, caller, { action: 'job.cancelled' });
      return (await store.requestCancel(id, note)) ?? (await store.find(id)) ?? job;
    },

    async reprioritize(viewer, id, priority, caller = nobody) {
      await require(viewer, 'job:edit', id);
      const { min, max } = priorities;
      if (priority < min || priority > max)
        throw badInput({ path: 'input.priority', message: `from ${min} to ${max}` });
      const note = noteOf(viewer, caller, { action: 'job.reprioritized', details: { priority } });
      const moved = await store.reprioritize(id, priority, note);
      if (!moved) throw new AppError('CONFLICT', 'Only a queued job can be put forward or back');
      return moved;
    },

    async remove(viewer, id, caller = nobody) {
      await require(viewer, 'job:edit', id);
      while (!(await store.remove(id, noteOf(viewer, caller, { action: 'job.deleted' })))) {
        const job = await store.find(id);
        if (!job) throw notFound('Job');
        if (job.status === 'running') throw new AppError('CONFLICT', 'The job is running: cancel it first');
        const reader = await store.exportUnderWay(id);
        // What was in the way has ended in this moment.
        if (reader === null) continue;
        const exportJobId = encodeId('Job', reader);
        throw new AppError('CONFLICT', `The export ${exportJobId} has not yet written its rows: cancel it first`, {
          details: { exportJobId },
        });
      }
    },

    async queue(viewer) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const queueOf = store.queueOf(viewer.userId, databasesWithin(viewer, null));
      const [state, { maxParallelJobs }] = await Promise.all([queueOf, settingsOf(viewer)]);
      return { ...state, maxParallelJobs };
    },

    place: async (job) => ('place' in job ? job.place : placeOf(job)),

    async *follow(viewer, id, signal) {
      using bell = createDoorbell(bus, 'job.changed', id);
      let job: Job | null = await require(viewer, 'job:see', id);
      using queue = createDoorbell(bus, 'jobs.of_user', job.ownerId);
      const patience = createPatience(signal);
      let sent: FollowedJob | null = null;
      while (job && can(viewer, 'job:see', jobResource(job))) {
        const known: Job = job;
        const next: FollowedJob = { ...known, place: await patience(() => placeOf(known)) };
        if (isNews(sent, next)) {
          sent = next;
          yield next;
        }
        if (isFinal(job.status) || signal.aborted) return;
        await (job.status === 'queued' ? untilMoved(bell, queue, signal) : bell.wait(pollMs, signal));
        if (signal.aborted) return;
        job = await patience(() => store.find(id));
      }
      // Deleted, or no longer the viewer's to see.
      throw notFound('Job');
    },

    async *events(viewer, { databaseId, after }, signal) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const { userId } = viewer;
      const databaseIds = databasesWithin(viewer, databaseId === null ? null : [databaseId]);
      const patience = createPatience(signal);
      const resumed = after === null ? null : await resume(after);
      using bell = createDoorbell(bus, 'jobs.of_user', userId);
      const start = resumed ?? (await patience(() => store.horizon()));
      const sent = new Map<string, number>();
      for (let last: string | null = null; !resumed; ) {
        const behind: string | null = last;
        const batch: Batch<Job> = await patience(() => store.unfinished(userId, databaseIds, behind, eventBatch));
        for (const job of batch.items) {
          last = job.id;
          sent.set(job.id, job.revision);
          // Resuming from a later position could miss a change that was made before it and committed after.
          const position = formatPosition(isBehind(job.position, start) ? start : job.position);
          yield { position, job, deletedJobId: null };
        }
        if (!batch.more) break;
      }
      let position = start;
      let waitMs = unsettledMs;
      while (!signal.aborted) {
        const from = position;
        const { items, more, unsettled } = await patience(() =>
          store.changesAfter(userId, databaseIds, from, eventBatch),
        );
        for (const change of items) {
          position = change.position;
          const event = { ...change, position: formatPosition(position) };
          // What the first state held already.
          if (!change.job || sent.get(change.job.id) !== change.job.revision) yield event;
          if (change.job) sent.delete(change.job.id);
        }
        if (more) continue;
        // A transaction that stays open holds everything back that came after it: asked less and less often.
        waitMs = unsettled && items.length === 0 ? Math.min(waitMs * 2, pollMs) : unsettledMs;
        await bell.wait(unsettled ? waitMs : pollMs, signal);
      }
    },

    operationNotices: (signal) => createOperationNotices(store, signal),
  };
}

function isNews(sent: FollowedJob | null, next: FollowedJob): boolean {
  if (!sent || next.revision > sent.revision) return true;
  if (sent.place?.position !== next.place?.position) return true;
  const [before, now] = [sent.place?.etaMs ?? null, next.place?.etaMs ?? null];
  if (before === null || now === null) return before !== now;
  return Math.abs(before - now) >= Math.max(etaStepMs, before * etaStepShare);
}
