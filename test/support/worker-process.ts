/** A worker as it ships, `main.ts --worker`, in a process of its own: to be killed, stopped and woken. */
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { inherited } from './server.ts';

const main = join(import.meta.dirname, '../../src/main.ts');

export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  /** As the jobs that it holds name it. */
  readonly workerId: string;
  send(signal: NodeJS.Signals): void;
  /** Resolves at the first job from now on that it says it finished with this status. */
  untilFinished(status: string): Promise<void>;
  /** SIGTERM: what runs is finished first. */
  [Symbol.asyncDispose](): Promise<void>;
}

interface Entry {
  msg?: string;
  workerId?: string;
  status?: string;
}

/** @param env with what it shares with the API: DATABASE_URL, MASTER_KEYS, DATA_DIR. @throws Error when it does not start */
export async function startWorkerProcess(env: Record<string, string>): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [main, '--worker'], {
    env: { ...inherited(), LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const entries = new EventEmitter<{ entry: [Entry] }>().setMaxListeners(0);
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      entries.emit('entry', JSON.parse(line) as Entry);
    } catch {
      /* What a process prints as it falls over is on its way to the exit below. */
    }
  });
  const until = async (wanted: (entry: Entry) => boolean): Promise<Entry> => {
    for (;;) {
      const [entry] = (await Promise.race([once(entries, 'entry'), exited.then(() => [null])])) as [Entry | null];
      if (!entry) throw new Error('the worker’s process ended');
      if (wanted(entry)) return entry;
    }
  };
  const { workerId } = await until(({ msg }) => msg === 'worker.started');
  return {
    pid: child.pid!,
    workerId: workerId!,
    send: (signal) => void child.kill(signal),
    untilFinished: async (status) =>
      void (await until((entry) => entry.msg === 'job.finished' && entry.status === status)),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    },
  };
}
