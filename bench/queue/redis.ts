/** A Redis of the benchmark's own, on a free port with data in a temporary folder; it ends with it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const host = '127.0.0.1';

export interface Redis extends AsyncDisposable {
  host: string;
  port: number;
}

/** Writes its log at most once a second to the disk: less durable than PostgreSQL's commits. @returns null where none is installed */
export async function startRedis(): Promise<Redis | null> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), 'quarry-bench-redis-'));
  const server = spawn(
    'redis-server',
    ['--bind', host, '--port', String(port), '--dir', directory, '--appendonly', 'yes', '--appendfsync', 'everysec'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const ended = once(server, 'exit').catch(() => undefined);
  const clear = () => rm(directory, { recursive: true, force: true });
  try {
    await once(server, 'spawn');
  } catch {
    await clear();
    return null;
  }
  for await (const line of createInterface({ input: server.stdout })) {
    if (line.includes('Ready to accept connections')) break;
  }
  server.stdout.resume();
  return {
    host,
    port,
    async [Symbol.asyncDispose]() {
      server.kill();
      await ended;
      await clear();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
