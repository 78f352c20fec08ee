/** Claims jobs and runs them: the lease is renewed while they run, a request to cancel reaches them, a lost one is rescued. */
import { randomUUID } from 'node:crypto';
import type { Mail } from '../db/notify.ts';
import { createPatience } from '../db/patience.ts';
import type { Bus } from '../lib/bus.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Topic } from '../lib/topics.ts';
import { attend } from './attendance.ts';
import type { Job } from './job.ts';
import { mayRunAgain, pauseMs } from './retry.ts';
import { leaseSeconds } from './row.ts';
import type { JobKind } from './states.ts';
import type { JobStore, Progress } from './store.ts';
import type { Outcome, StopReason, Task } from './task.ts';

export interface WorkerDeps {
  store: JobStore;
  bus: Bus<Topic>;
  log: Log;
  tasks: ReadonlyMap<JobKind, Task>;
  /** Jobs of this process at once. */
  concurrency: number;
  /** Where it hears of jobs that are given to it; without, it only claims. */
  mail?: Mail;
  timing?: Partial<WorkerTiming>;
}

export interface WorkerTiming {
  /** The queue is looked at so often although nobody rang. */
  pollMs: number;
  heartbeatMs: number;
  rescueMs: number;
  progressMs: number;
  /** What runs when the worker is told to stop may finish for so long. */
  drainMs: number;
  /** Then it is stopped, and has so long to say so. */
  endMs: number;
  /** Behind the last of them: for what it was given and has not begun to go back. */
  leaveMs: number;
}

const defaults: WorkerTiming = {
  pollMs: 1_000,
  heartbeatMs: 5_000,
  rescueMs: 5_000,
  progressMs: 100,
  drainMs: 20_000,
  endMs: 6_000,
  leaveMs: 3_000,
};

interface Running {
  readonly job: Job;
  readonly stop: AbortController;
  /** Aborts when the job is another worker's: nothing more is to be written. */
  readonly lost: AbortController;
  done: Promise<void>;
}

/** What is due and was not made ready is in somebody else's hands for a moment. */
const overdueMs = 50;

const interruptedHint =
  'Look at what it did, then retry it. Only a job with readOnly and maxAttempts is run again by itself.';

export function startWorker({ store, bus, log, tasks, concurrency, mail, timing }: WorkerDeps): Service {
  const { pollMs, heartbeatMs, rescueMs, progressMs, drainMs, endMs, leaveMs } = { ...defaults, ...timing };
  const workerId = randomUUID();
  const running = new Map<string, Running>();
  let troubledUntil = 0;
  const taskOf = ({ kind }: Job): Task => {
    const task = tasks.get(kind);
    if (!task) throw new Error(`no task for jobs of kind ${kind}`);
    return task;
  };

  /** Cancels that found nothing to stop, and when: their job may be in the claim that is under way, or on its way to here. */
  const early = new Map<string, number>();

  function stop(id: string, reason: StopReason): void {
    const entry = running.get(id);
    if (reason === 'lost') entry?.lost.abort();
    entry?.stop.abort(reason);
  }
  const unlisten = bus.listen('job.cancel', null, (id) => {
    if (running.has(id)) stop(id, 'cancel');
    else early.set(id, performance.now());
  });

  const claims = store.serve({
    workerId,
    concurrency,
    busy: () => running.size,
    claiming: () => {
      for (const [id, atMs] of early) if (atMs < performance.now() - heartbeatMs) early.delete(id);
    },
    start: (jobs) => {
      for (const job of jobs) start(job, execute);
    },
    // What is queued waits, and so does the worker.
    failed: (error) => log.warn({ error: String(error) }, 'worker.claim_failed'),
  });
  const attendance = mail ? attend({ store, mail, log }, { workerId, concurrency }, begin) : null;
  /** Given, by places that are free in the database and not yet here: the end of another job is on its way. */
  const waiting = new Map<string, Job>();
  let leaving = false;

  function begin(job: Job): void {
    if (running.size >= concurrency && !job.cancelRequestedAt) waiting.set(job.id, job);
    else start(job, execute);
  }

  function beginWaiting(): void {
    for (const [id, job] of waiting) {
      if (running.size >= concurrency) return;
      waiting.delete(id);
      start(job, execute);
    }
  }

  /** NOTIFY is a hint: what it was given and did not hear of begins, or goes back where there is no place. */
  async function findUnheard(): Promise<void> {
    for (const job of await store.unheardBy(workerId, [...running.keys()])) {
      if (leaving) return;
      waiting.delete(job.id);
      if (running.size < concurrency || job.cancelRequestedAt) start(job, execute);
      else await store.release(job);
    }
  }

  const unlistenQueued = bus.listen('jobs.queued', '*', () => void claims.wake());

  let promoting: NodeJS.Timeout | undefined;
  /** Makes ready what is due, and looks at the queue although nobody rang. */
  async function poll(): Promise<void> {
    await findUnheard();
    const { promoted, nextMs } = await store.promote();
    if (promoted > 0) bus.ring('jobs.queued', '*');
    else void claims.wake();
    clearTimeout(promoting);
    // What is due before the next look is not kept waiting for it.
    if (nextMs !== null && nextMs < pollMs)
      promoting = setTimeout(() => void poll().catch(() => undefined), Math.max(overdueMs, nextMs));
  }

  function start(job: Job, work: (running: Running) => Promise<void>): void {
    // What is told of it may come in two ways, one of them late.
    if (running.get(job.id)?.job.fence === job.fence) return;
    const entry: Running = {
      job,
      stop: new AbortController(),
      lost: new AbortController(),
      done: Promise.resolve(),
    };
    running.set(job.id, entry);
    if (early.has(job.id) || job.cancelRequestedAt) entry.stop.abort('cancel' satisfies StopReason);
    entry.done = work(entry)
      .catch((error) => log.error({ jobId: job.id, err: error }, 'job.lost'))
      .finally(() => {
        // It may have been released, and claimed anew, while the answer was on its way.
        if (running.get(job.id) === entry) running.delete(job.id);
        // A place is free here.
        beginWaiting();
        void claims.wake();
      });
  }

  async function execute({ job, stop: { signal }, lost }: Running): Promise<void> {
    const patience = createPatience(lost.signal);
    const startedAt = performance.now();
    const progress = createProgress(job);
    let outcome: Outcome;
    try {
      const taskLog = log.child({ jobId: job.id });
      outcome = signal.aborted
        ? { status: 'cancelled' }
        : await taskOf(job).run({ job, signal, patience, log: taskLog, progress: progress.report });
    } catch (error) {
      if (signal.reason === 'lost') return;
      log.error({ jobId: job.id, err: error }, 'job.failed_inside');
      outcome = {
        status: 'failed',
        error: { code: 'INTERNAL_SERVER_ERROR', message: 'The worker failed; the log has more under the job’s id' },
      };
    }
    await progress.end();
    const status = await patience(() => end(job, outcome, progress.last()));
    const code = outcome.status === 'failed' ? outcome.error.code : undefined;
    log.info({ jobId: job.id, status, code, durationMs: Math.round(performance.now() - startedAt) }, 'job.finished');
  }

  /** @returns what became of the job: `queued` for another attempt, `lost` to another worker */
  async function end(job: Job, outcome: Outcome, progress: Progress): Promise<Outcome['status'] | 'queued' | 'lost'> {
    const error = outcome.status === 'failed' ? outcome.error : null;
    if (error && mayRunAgain(job, error)) {
      const pause = { error, delayMs: pauseMs(job.attempt) };
      if (await store.requeue(job, pause, (client) => taskOf(job).discard(client, job))) return 'queued';
    }
    return (await store.finish(job, { status: outcome.status, error, ...progress })) ? outcome.status : 'lost';
  }

  /** The job of a lost worker: its session in the target ends first, then it goes back, or is given up. */
  async function rescue({ job }: Running): Promise<void> {
    // No statement was ever sent: what cannot go back was cancelled at this moment.
    if (!job.backend && !job.cancelRequestedAt && (await store.release(job))) return;
    const done = job.backend ? await taskOf(job).rescue(job) : null;
    const outcome: Outcome = done
      ? { status: 'succeeded' }
      : !job.backend || job.cancelRequestedAt
        ? { status: 'cancelled' }
        : {
            status: 'failed',
            error: {
              code: 'INTERRUPTED',
              message: 'The worker was lost while the SQL may have run',
              hint: interruptedHint,
            },
          };
    const { progressRows, progressBytes: bytes } = job;
    const status = await end(job, outcome, { rows: done?.rows ?? progressRows, bytes });
    log.warn({ jobId: job.id, status }, 'job.rescued');
  }

  function createProgress(job: Job) {
    let latest: Progress = { rows: job.progressRows, bytes: job.progressBytes };
    let written = latest;
    let timer: NodeJS.Timeout | undefined;
    let writing: Promise<unknown> = Promise.resolve();
    const write = () => {
      timer = undefined;
      if (latest === written) return;
      written = latest;
      // The next one, or the end, says it again.
      writing = store.setProgress(job, latest).catch(() => undefined);
    };
    return {
      report(done: Progress) {
        latest = done;
        timer ??= setTimeout(write, progressMs);
      },
      last: () => latest,
      async end() {
        clearTimeout(timer);
        await writing;
      },
    };
  }

  async function heartbeat(): Promise<void> {
    await renewHeld();
    await attendance?.announce();
  }

  async function renewHeld(): Promise<void> {
    const holds = [...running.values()].map(({ job }) => job);
    if (holds.length === 0) return;
    const kept = await store.renew(holds);
    for (const { id } of holds) {
      const state = kept.get(id);
      // Finished meanwhile, or another worker's by now; for the latter its session must not go on.
      if (!state) stop(id, 'lost');
      else if (state.cancelRequested) stop(id, 'cancel');
    }
  }

  async function rescueLost(): Promise<void> {
    // Whoever could not renew while the database was away is not lost: he has a lease's time to come back.
    if (performance.now() < troubledUntil) return;
    const limit = concurrency;
    for (const job of await store.takeOver({ workerId, limit, except: [...running.keys()] })) start(job, rescue);
  }

  const repeat = (work: () => Promise<void>, everyMs: number) => {
    let busy = false;
    return setInterval(() => {
      if (busy) return;
      busy = true;
      work()
        .catch((error) => {
          troubledUntil = performance.now() + leaseSeconds * 1_000;
          log.warn({ error: String(error) }, 'worker.database_unreachable');
        })
        .finally(() => {
          busy = false;
        });
    }, everyMs);
  };
  const timers = [repeat(heartbeat, heartbeatMs), repeat(rescueLost, rescueMs), repeat(poll, pollMs)];
  void claims.wake();
  log.info({ workerId, concurrency }, 'worker.started');

  return {
    async stop() {
      unlistenQueued();
      leaving = true;
      waiting.clear();
      attendance?.close();
      const giveUp = new AbortController();
      const rest = () => Promise.all([...running.values()].map(({ done }) => done));
      const grace = setTimeout(() => {
        for (const id of running.keys()) stop(id, 'shutdown');
      }, drainMs);
      // The metadata may be gone for good, and what waits to be written there with it: the lease tells the next worker.
      const end = setTimeout(() => {
        for (const { lost } of running.values()) lost.abort();
        giveUp.abort();
      }, drainMs + endMs);
      await claims.stop();
      const left = attendance?.leave(() => [...running.keys()], giveUp.signal);
      await rest();
      const enough = setTimeout(() => giveUp.abort(), leaveMs);
      await left;
      clearTimeout(enough);
      clearTimeout(grace);
      clearTimeout(end);
      for (const timer of timers) clearInterval(timer);
      clearTimeout(promoting);
      unlisten();
      log.info({ workerId }, 'worker.stopped');
    },
  };
}
