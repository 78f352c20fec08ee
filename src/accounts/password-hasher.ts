/** Hashes passwords with bcrypt in a few threads of its own; more than may wait are turned away. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AppError } from '../lib/errors.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { PasswordAnswer, PasswordTask } from './password-worker.ts';
import { digestOf } from './passwords.ts';

export interface PasswordHasher extends Service {
  /** @throws AppError RATE_LIMITED when too many wait */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /** @param hash null, when there is no such account: costs the same and is false. @throws AppError RATE_LIMITED */
  verify(password: string, hash: string | null, signal?: AbortSignal): Promise<boolean>;
}

export interface PasswordHasherOptions {
  /** Of bcrypt: 2^cost rounds. */
  cost?: number;
  threads?: number;
  maxWaiting?: number;
}

/** One core stays with the event loop where there is more than one. */
const defaultThreads = Math.min(4, Math.max(1, availableParallelism() - 1));
const retryAfterMs = 5_000;

interface Waiting {
  task: PasswordTask;
  resolve(value: string | boolean): void;
  reject(error: unknown): void;
}

export function createPasswordHasher({
  cost = 12,
  threads = defaultThreads,
  maxWaiting = 128,
}: PasswordHasherOptions = {}): PasswordHasher {
  const waiting: Waiting[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  let stopped = false;
  // A well-formed hash that nothing hashes to.
  const nobody = `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`;

  function startThread(): Worker {
    // It needs nothing of this process: neither its environment nor its flags.
    const worker = new Worker(new URL('./password-worker.ts', import.meta.url), { env: {}, execArgv: [] });
    worker.on('message', (answer: PasswordAnswer) => {
      const done = busy.get(worker);
      busy.delete(worker);
      worker.unref();
      idle.push(worker);
      if ('value' in answer) done?.resolve(answer.value);
      else done?.reject(new Error(answer.fault));
      dispatch();
    });
    const lost = (error: unknown) => {
      busy.get(worker)?.reject(error);
      busy.delete(worker);
      if (idle.includes(worker)) idle.splice(idle.indexOf(worker), 1);
      dispatch();
    };
    worker.on('error', lost);
    worker.on('exit', () => lost(new Error('the password thread ended')));
    return worker;
  }

  function dispatch(): void {
    while (!stopped && waiting.length > 0 && busy.size < threads) {
      const next = waiting.shift()!;
      const worker = idle.pop() ?? startThread();
      busy.set(worker, next);
      worker.ref();
      worker.postMessage(next.task);
    }
  }

  function run(task: PasswordTask, signal?: AbortSignal): Promise<string | boolean> {
    if (stopped) return Promise.reject(new Error('the password hasher has stopped'));
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (waiting.length >= maxWaiting) {
      return Promise.reject(
        new AppError('RATE_LIMITED', 'Too many sign-ins at once; try again shortly', { details: { retryAfterMs } }),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<string | boolean>();
    const entry: Waiting = { task, resolve, reject };
    const leave = () => {
      const place = waiting.indexOf(entry);
      if (place >= 0) waiting.splice(place, 1);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
    waiting.push(entry);
    dispatch();
    return promise.finally(() => signal?.removeEventListener('abort', leave));
  }

  return {
    hash: async (password, signal) => String(await run({ digest: digestOf(password), cost }, signal)),
    async verify(password, hash, signal) {
      const equal = await run({ digest: digestOf(password), hash: hash ?? nobody }, signal);
      return equal === true && hash !== null;
    },
    async stop() {
      stopped = true;
      const reason = new Error('the password hasher has stopped');
      for (const { reject } of waiting.splice(0)) reject(reason);
      await Promise.all([...idle, ...busy.keys()].map((worker) => worker.terminate()));
    },
  };
}
