/** Data directories, servers and processes for the tests of the embedded clusters; all gone when the test ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, vi } from 'vitest';
import { type Cluster, type ClusterOptions, startCluster } from '../../src/db/cluster.ts';
import { type ConnectionConfig, connect } from '../../src/db/connection.ts';
import { type Embedded, type EmbeddedOptions, startEmbedded } from '../../src/db/embedded.ts';
import { findPlace } from '../../src/db/place.ts';
import { processStart, sendSignal } from '../../src/db/processes.ts';
import { createLog } from '../../src/lib/log.ts';

export const log = createLog({ level: 'silent', format: 'json' });
export const isRoot = process.getuid?.() === 0;
export const nobody = 65_534;

/** As a start makes it: as root others may pass through it, but not look into it. */
export async function makeDataDir({ mode = isRoot ? 0o711 : 0o700, uid = -1 } = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  await chmod(directory, mode);
  await chown(directory, uid, uid);
  onTestFinished(async () => {
    const outside = await readFile(join(directory, 'postgres', 'location'), 'utf8').catch(() => undefined);
    if (outside) await rm(outside, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

export async function startOne(dataDir: string, options: Partial<ClusterOptions<never>> = {}): Promise<Cluster<never>> {
  const place = await findPlace({ dataDir, log });
  const cluster = await startCluster({ name: 'meta', place, log, secrets: [], ...options });
  onTestFinished(() => cluster.stop());
  return cluster;
}

export async function startPair(dataDir: string, options: Partial<EmbeddedOptions> = {}): Promise<Embedded> {
  const embedded = await startEmbedded({ dataDir, log, clusters: { meta: true, playground: true }, ...options });
  onTestFinished(() => embedded.stop());
  return embedded;
}

/** One statement as one user: its rows as arrays of values, or its error. */
export async function ask(connection: ConnectionConfig, sql: string): Promise<unknown[][]> {
  await using connected = await connect(connection);
  return (await connected.client.query({ text: sql, rowMode: 'array' })).rows;
}

export interface Answer {
  pids: number[];
  app: ConnectionConfig;
  uid: number;
}

/** Starts `run-embedded.ts` and resolves with what it printed. */
export async function startProcess(
  dataDir: string,
  {
    uid,
    program = join(import.meta.dirname, 'run-embedded.ts'),
    more = [],
  }: { uid?: number; program?: string; more?: string[] } = {},
): Promise<{ child: ChildProcess; answer: Answer }> {
  const child = spawn(process.execPath, [program, dataDir, ...more], {
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (first.done) throw new Error(errors);
  const answer: Answer = JSON.parse(first.value);
  onTestFinished(async () => {
    for (const pid of [child.pid, ...answer.pids]) if (pid) sendSignal(pid, 'SIGKILL');
    await ended(answer.pids);
  });
  return { child, answer };
}

export async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** Processes that are no children of ours report nothing: looked at until they are gone. */
export async function ended(pids: readonly number[]): Promise<void> {
  await vi.waitFor(async () => {
    expect((await Promise.all(pids.map(processStart))).filter(Boolean)).toEqual([]);
  }, 30_000);
}
