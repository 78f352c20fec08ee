/** A Redis of Debian, where it is installed: on loopback, with a password, keeping nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { launchOnFreePort } from '../../src/db/postmaster.ts';
import { Secret } from '../../src/lib/secret.ts';
import { has, pathOf } from './debian.ts';

export const hasRedis = has('Redis');

export interface TestRedis extends AsyncDisposable {
  readonly url: Secret<URL>;
  /** Resolves when it is gone. */
  stop(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
}

export async function startRedis(): Promise<TestRedis> {
  const { port, server } = await launchOnFreePort(launch);
  let running: ChildProcess | null = server;
  async function stop(): Promise<void> {
    const gone = running && once(running, 'exit');
    running?.kill('SIGKILL');
    running = null;
    await gone;
  }
  return {
    url: new Secret(new URL(`redis://:secret@127.0.0.1:${port}`)),
    stop,
    async start() {
      running = await launch(port);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** @throws Error where it does not come up */
async function launch(port: number): Promise<ChildProcess> {
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', requirepass: 'secret' };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const server = spawn(pathOf('Redis'), args, { cwd: '/tmp', stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  for await (const line of createInterface({ input: server.stdout! })) {
    said += `${line}\n`;
    if (line.includes('Ready to accept connections')) {
      server.stdout!.resume();
      return server;
    }
  }
  throw new Error(`Redis did not start: ${said}`);
}
