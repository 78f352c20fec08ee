/** One PostgreSQL server as a child process: launched until it is ready, shut down step by step. When, says cluster.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { Log } from '../lib/log.ts';
import { childEnvironment } from './binaries.ts';
import type { Place } from './place.ts';
import { StartError } from './start-error.ts';

export const host = '127.0.0.1';

export type Settings = Readonly<Record<string, string | number>>;

/** Thrown when a server ends before it is ready; `output` is the end of what it said. */
class LaunchError extends StartError {
  readonly output: string;
  constructor(directory: string, output: string) {
    super(`PostgreSQL did not start in ${directory}: ${output}`);
    this.output = output;
  }
}

const outputLines = 20;

/** Starts the server in a session of its own and resolves when it accepts connections. @throws LaunchError */
export async function launchServer({
  place,
  directory,
  settings,
  startMs,
  log,
  signal,
}: {
  place: Place;
  directory: string;
  settings: Settings;
  startMs: number;
  log: Log;
  signal: AbortSignal | undefined;
}): Promise<ChildProcess> {
  signal?.throwIfAborted();
  const server = spawn(
    place.binaries.postgres,
    ['-D', directory, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    // Detached: Ctrl-C goes to the whole foreground group, and Quarry wants to finish its work first.
    { ...place.identity, cwd: '/', env: childEnvironment, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const last: string[] = [];
  const ready = Promise.withResolvers<void>();
  createInterface({ input: server.stderr }).on('line', (line) => {
    last.push(line);
    if (last.length > outputLines) last.shift();
    if (line.includes('database system is ready to accept connections')) ready.resolve();
    logLine(log, line);
  });
  server.once('error', (error) => ready.reject(new LaunchError(directory, error.message)));
  server.once('close', () => ready.reject(new LaunchError(directory, last.join('\n'))));
  const abort = () => ready.reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => ready.reject(new LaunchError(directory, 'it does not get ready')), startMs);
  try {
    await ready.promise;
    return server;
  } catch (error) {
    await shutDown(server, 1_000);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** PANIC and FATAL of the server are ours to see; the rest is for who looks closer. */
function logLine(log: Log, line: string): void {
  if (line.startsWith('PANIC:')) log.error({ line }, 'cluster.panic');
  else log.debug({ line }, 'cluster.log');
}

const portAttempts = 5;

/** Between finding a port free and listening on it another program may take it. */
export async function launchOnFreePort(
  launch: (port: number) => Promise<ChildProcess>,
): Promise<{ port: number; server: ChildProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { port, server: await launch(port) };
    } catch (error) {
      const taken = error instanceof LaunchError && error.output.includes('Address already in use');
      if (!taken || attempt === portAttempts) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const running = (server: ChildProcess): boolean =>
  server.pid !== undefined && server.exitCode === null && server.signalCode === null;

export async function exited(server: ChildProcess): Promise<void> {
  if (running(server)) await once(server, 'exit');
}

export function sendFastShutdown(server: ChildProcess): void {
  if (running(server)) server.kill('SIGINT');
}

/** Fast, then immediate, then by the kernel. */
export async function shutDown(server: ChildProcess, waitMs: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!running(server)) return;
    const left = AbortSignal.timeout(waitMs);
    const gone = once(server, 'exit', { signal: left }).catch(() => undefined);
    server.kill(signal);
    await gone;
  }
}
