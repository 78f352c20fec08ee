/**
 * From the start of the process to the first answer: Quarry cold (clusters made), Quarry warm, and PostGraphile 5 on a
 * database that is there already. `npm ci --prefix bench && node bench/start/run.ts [rounds]`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';

const tables = 150;
const root = fileURLToPath(new URL('../..', import.meta.url));
const rounds = Math.max(3, Number(process.argv[2] ?? 5));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Program {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

async function answers(url: string): Promise<boolean> {
  try {
    const body = JSON.stringify({ query: '{ __typename }' });
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return response.ok && (await response.text()).includes('Query');
  } catch {
    return false; // Nobody listens yet.
  }
}

/** Milliseconds from spawn to the first answer. */
async function timed(program: Program, port: number): Promise<number> {
  const child: ChildProcess = spawn(program.command, program.args, {
    cwd: root,
    env: { ...process.env, ...program.env },
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const startedAt = performance.now();
  while (!(await answers(`http://127.0.0.1:${port}/graphql`))) {
    if (child.exitCode !== null) throw new Error(`${program.args.join(' ')} ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const elapsedMs = performance.now() - startedAt;
  // The compile cache and the sample are made behind the first answer.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  child.kill('SIGTERM');
  await exited;
  return elapsedMs;
}

const server = await serverOf(undefined);
const admin = new pg.Client({ ...server, database: 'postgres' });
await admin.connect();
await admin.query('CREATE DATABASE bench_start');
await admin.end();
const client = new pg.Client({ ...server, database: 'bench_start' });
await client.connect();
for (let i = 0; i < tables; i += 1)
  await client.query(
    `CREATE TABLE t${i} (id int PRIMARY KEY, name text NOT NULL, parent int ${i > 0 ? `REFERENCES t${i - 1}` : ''})`,
  );
await client.end();

const dataDir = await mkdtemp(join(tmpdir(), 'quarry-bench-'));
await chmod(dataDir, 0o755);
const port = await freePort();
const quarry = (directory: string): Program => ({
  command: process.execPath,
  args: ['src/main.ts'],
  env: { PORT: String(port), DATA_DIR: directory, LOG_LEVEL: 'error' },
});
const url = `postgres://${server.user}:${encodeURIComponent(server.password)}@${server.host}:${server.port}/bench_start`;
const postgraphile: Program = {
  command: process.execPath,
  args: [
    'bench/node_modules/postgraphile/dist/cli-run.js',
    '-P',
    'postgraphile/presets/amber',
    '-c',
    url,
    '-s',
    'public',
    '-p',
    String(port),
    '-n',
    '127.0.0.1',
  ],
};

const figures = { cold: [] as number[], warm: [] as number[], postgraphile: [] as number[] };
try {
  await timed(quarry(join(dataDir, 'warm')), port); // Makes the clusters and the compile cache.
  for (let round = 0; round < rounds; round += 1) {
    figures.cold.push(await timed(quarry(join(dataDir, `cold-${round}`)), port));
    figures.warm.push(await timed(quarry(join(dataDir, 'warm')), port));
    figures.postgraphile.push(await timed(postgraphile, port));
  }
  const { cold, warm, postgraphile: peer } = figures;
  console.log(`median of ${rounds} interleaved rounds, ms from spawn to the first answer`);
  console.log(`Quarry cold            ${median(cold).toFixed(0)}`);
  console.log(`Quarry warm            ${median(warm).toFixed(0)}`);
  console.log(`PostGraphile 5 (${tables} tables) ${median(peer).toFixed(0)}`);
  console.log(`warm / PostGraphile 5  ${median(warm.map((ms, i) => ms / peer[i]!)).toFixed(2)} (median of the pairs)`);
} finally {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}
