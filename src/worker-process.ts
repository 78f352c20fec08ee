/** The supervised child that serves jobs beside the API: started again when it dies, told to drain when Quarry stops. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ConnectionConfig } from './db/connection.ts';
import type { PlaygroundConnections } from './db/playground-setup.ts';
import type { MasterKey } from './lib/keyring.ts';
import type { Service } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';

/** What the parent knows and the environment does not; sent over the child's channel, never as arguments. */
export interface WorkerHandover {
  metadata: ConnectionConfig;
  playground: PlaygroundConnections | null;
  /** Base64. */
  masterKeys: { id: string; key: string }[];
}

export interface WorkerProcessDeps {
  log: Log;
  metadata: ConnectionConfig;
  playground: PlaygroundConnections | null;
  masterKeys: readonly MasterKey[];
  moduleCache: string;
}

const firstRestartMs = 200;
const lastRestartMs = 10_000;
/** A child that lived so long has started well; its next death begins with the shortest wait again. */
const soundAfterMs = 30_000;
/** Longer than a worker's own drain. */
const stopMs = 28_000;

/**
 * Rows pass through the worker and are garbage at once. A young generation that grows lets them lie (MB), and glibc
 * keeps freed buffers of tens of megabytes for a next one (mallopt(3)): a third of what ten million rows add to idle.
 */
const memoryFlags = ['--max-semi-space-size=16'];
const mallocSettings = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: String(2 ** 20) };

export function startWorkerProcess({ log, masterKeys, moduleCache, ...connections }: WorkerProcessDeps): Service {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const handover: WorkerHandover = {
    ...connections,
    masterKeys: masterKeys.map(({ id, key }) => ({ id, key: key.reveal().toString('base64') })),
  };
  let child: ChildProcess | null = null;
  let stopping = false;
  let restartMs = firstRestartMs;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    const startedAt = Date.now();
    const next = fork(main, ['--worker'], {
      execArgv: memoryFlags,
      // Named so early that even the first module comes compiled: what strips types is 30 MB that are then never loaded.
      env: { ...mallocSettings, NODE_COMPILE_CACHE: moduleCache, ...process.env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // A terminal's Ctrl-C goes to the parent alone, which tells the child to drain.
      detached: true,
    });
    child = next;
    next.on('error', (error) => {
      log.error({ err: error }, 'worker.process_failed');
      // It never ran, so it will not exit.
      if (next.pid === undefined) again(next, startedAt);
    });
    next.once('exit', (code, signal) => {
      if (!stopping) log.error({ code, signal, restartMs }, 'worker.process_died');
      again(next, startedAt);
    });
    next.send(handover);
  }

  function again(ended: ChildProcess, startedAt: number): void {
    if (child === ended) child = null;
    if (stopping) return;
    if (Date.now() - startedAt > soundAfterMs) restartMs = firstRestartMs;
    timer = setTimeout(start, restartMs);
    restartMs = Math.min(restartMs * 2, lastRestartMs);
  }
  start();

  return {
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const last = child;
      if (!last || last.exitCode !== null) return;
      const exited = new Promise((resolve) => last.once('exit', resolve));
      last.kill('SIGTERM');
      const force = setTimeout(() => last.kill('SIGKILL'), stopMs);
      await exited;
      clearTimeout(force);
    },
  };
}
