/** How fast a queue is: what it finishes in a second, and how soon a job starts on an idle one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bounded } from './bounded.ts';
import type { Started, WorkerOrder } from './run-worker.ts';
import type { Queue, Run } from './system.ts';

/** Opens connections and compiles what is hot, before a clock runs. */
const warmUpJobs = 200;
/** A system that takes longer over its samples is measured by those that it had. */
const latencyMs = 15_000;
const workerProgram = fileURLToPath(new URL('./run-worker.ts', import.meta.url));

/** Resolves when the system itself says that nothing is left. */
async function finished(queue: Queue): Promise<void> {
  while ((await queue.unfinished()) > 0) await sleep(1);
}

export interface Work {
  queue: Queue;
  /** What each job does. */
  query: () => Promise<void>;
  concurrency: number;
}

/** Counts what ran; `all` resolves when that many did. */
function counted(query: () => Promise<void>) {
  let left = 0;
  let done = () => {};
  const run: Run = async () => {
    await query();
    left -= 1;
    if (left === 0) done();
  };
  const all = (jobs: number) => {
    left = jobs;
    return new Promise<void>((resolve) => {
      done = resolve;
    });
  };
  return { run, all };
}

async function rate(jobs: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (jobs / (performance.now() - startedAt)) * 1_000;
}

/** Jobs a second, each submitted by a call of its own, from the first call until the last is known to have finished. */
export async function throughput({ queue, query, concurrency }: Work, jobs: number, clients: number): Promise<number> {
  const { run, all } = counted(query);
  await queue.clear();
  const worker = await queue.work(run, concurrency);
  const submitted = async (count: number) => {
    const ran = all(count);
    await bounded(count, clients, (job) => queue.submit(job));
    await ran;
    await finished(queue);
  };
  await submitted(warmUpJobs);
  const perSecond = await rate(jobs, () => submitted(jobs));
  await worker.stop();
  return perSecond;
}

/** Jobs a second that were all queued before; the clock starts with the worker. */
export async function drain({ queue, query, concurrency }: Work, jobs: number): Promise<number> {
  const { run, all } = counted(query);
  await queue.clear();
  await queue.submitAll(jobs);
  const ran = all(jobs);
  let worker: { stop(): Promise<unknown> } | undefined;
  const perSecond = await rate(jobs, async () => {
    worker = await queue.work(run, concurrency);
    await ran;
    await finished(queue);
  });
  await worker?.stop();
  return perSecond;
}

/** Between two jobs, and never in step with whatever a system does on its own. */
const pause = () => sleep(4 + Math.random() * 8);

/** Milliseconds of each call, one at a time. */
export async function callTimes(samples: number, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let sample = 0; sample < samples + 20; sample += 1) {
    const startedAt = performance.now();
    await call();
    // The first ones warm up.
    if (sample >= 20) times.push(performance.now() - startedAt);
    await pause();
  }
  return times;
}

/** Milliseconds from the call that submits until `startOf` says that the job began. */
async function startTimes(queue: Queue, samples: number, startOf: (job: number) => Promise<bigint>): Promise<number[]> {
  const times: number[] = [];
  const until = performance.now() + latencyMs;
  for (let job = 0; job < samples + 20 && performance.now() < until; job += 1) {
    const started = startOf(job);
    const submittedAt = process.hrtime.bigint();
    const accepted = queue.submit(job);
    const startedAt = await started;
    await accepted;
    if (job >= 20) times.push(Number(startedAt - submittedAt) / 1e6);
    await pause();
  }
  return times;
}

/** Submitter and worker in this process. */
export async function startsInside({ queue, query, concurrency }: Work, samples: number): Promise<number[]> {
  const starts = createStarts();
  await queue.clear();
  const worker = await queue.work(async (job) => {
    starts.tell(job, process.hrtime.bigint());
    await query();
  }, concurrency);
  const times = await startTimes(queue, samples, starts.of);
  await worker.stop();
  return times;
}

/** The worker in a process of its own, both by the clock that the machine's processes share. */
export async function startsAcross(queue: Queue, order: WorkerOrder, samples: number): Promise<number[]> {
  const starts = createStarts();
  await queue.clear();
  const worker = fork(workerProgram, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(worker, 'exit');
  const ready = new Promise<void>((resolve, reject) => {
    worker.on('message', (message: Started | 'ready') => {
      if (message === 'ready') resolve();
      else starts.tell(message.job, BigInt(message.at));
    });
    void exited.then(() => reject(new Error('the worker’s process ended')));
  });
  worker.send(order);
  await ready;
  const times = await startTimes(queue, samples, starts.of);
  worker.disconnect();
  await exited;
  return times;
}

function createStarts() {
  const waiting = new Map<number, (at: bigint) => void>();
  return {
    of: (job: number) => new Promise<bigint>((resolve) => waiting.set(job, resolve)),
    tell(job: number, at: bigint) {
      waiting.get(job)?.(at);
      waiting.delete(job);
    },
  };
}
