/**
 * One large file uploaded and downloaded by the signed URLs of a whole Quarry, beside nginx with the same file on the same
 * disk (`dav_methods PUT`, sendfile). All by curl, the ways in turn in every round; and the most memory of the server's
 * process above what it has when idle. Without nginx it says so and measures Quarry alone. nginx neither hashes a file nor
 * waits until it is on the disk: Quarry does both before it answers, so what hashing alone takes is told, and nginx with what
 * `sync` takes behind it. That is done in any case: what one leaves to be written would slow down the other.
 *
 * Every upload makes a new file, and all stay. Before each one a file is written and deleted, so that memory for it is at
 * hand: a virtual machine that is given its memory by a host as it first touches it takes up to two seconds for a gigabyte.
 * `node bench/files/run.ts [megabytes] [rounds]`; curl has to be on the PATH.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createFileClient } from '../../test/storage/files/client.ts';
import { startQuarry } from '../../test/support/server.ts';
import { median } from '../support/median.ts';
import { startNginx } from './nginx.ts';

const [megabytesText = '1000', roundsText = '5'] = process.argv.slice(2);
const megabytes = Number(megabytesText);
const rounds = Number(roundsText);
const sizeBytes = megabytes * 1e6;

/** @returns seconds. @throws Error for another answer than one of success */
async function curl(url: string, ...options: string[]): Promise<number> {
  const format = '%{http_code} %{time_total}';
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-o', '/dev/null', '-w', format, ...options, url]);
  const [status, seconds] = stdout.split(' ').map(Number);
  if (!status || status < 200 || status > 299) throw new Error(`${status} for ${options.join(' ')}`);
  return seconds ?? Number.NaN;
}

async function makeFile(path: string): Promise<void> {
  await using file = await open(path, 'w');
  const piece = randomBytes(1e6);
  for (let i = 0; i < megabytes; i += 1) await file.write(piece);
  await file.sync();
}

/** Leaves the system with as much memory as a file takes, that somebody has had a moment ago. */
async function haveMemory(): Promise<void> {
  const path = join(folder, 'scratch');
  {
    await using file = await open(path, 'w');
    const piece = Buffer.alloc(65_536);
    for (let written = 0; written < 1.2 * sizeBytes; written += piece.length) await file.write(piece);
  }
  await rm(path);
}

/** @returns seconds until all that was written to it is on the disk */
async function sync(path: string): Promise<number> {
  const startedAt = performance.now();
  await using file = await open(path);
  await file.datasync();
  return (performance.now() - startedAt) / 1_000;
}

/** @returns seconds */
function hashAll(): number {
  const piece = randomBytes(1e6);
  const hash = createHash('sha256');
  const startedAt = performance.now();
  for (let i = 0; i < megabytes; i += 1) hash.update(piece);
  hash.digest();
  return (performance.now() - startedAt) / 1_000;
}

/** See proc(5): 5 in clear_refs sets the peak back to what is resident now. */
async function peakOf(pid: number, work: () => Promise<number>): Promise<{ seconds: number; grownBytes: number }> {
  const memory = async (field: string) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
  };
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  const seconds = await work();
  return { seconds, grownBytes: (await memory('VmHWM')) - idleBytes };
}

const folder = await mkdtemp(join(tmpdir(), 'quarry-bench-files-'));
const source = join(folder, 'source');
const quarry = await startQuarry();
const client = createFileClient(quarry, await quarry.register());
const { id: bucketId } = await client.bucket({ name: 'bench' });
let idleBytes = 0;

async function upload(name: string, size: number, ...options: string[]) {
  const { url, file } = await client.target(bucketId, name, size);
  return { url, fileId: file.id, seconds: await curl(url, ...options) };
}

try {
  await makeFile(source);
  await using nginx = await startNginx(join(folder, 'nginx'));
  if (!nginx) console.log('No nginx with http_dav_module is here: ratios are left out.');
  // All that is loaded once is loaded.
  await writeFile(join(folder, 'small'), randomBytes(2e6));
  const { fileId } = await upload('small', 2e6, '-T', join(folder, 'small'));
  await curl((await client.find(fileId))!.url!);
  const status = await readFile(`/proc/${quarry.pid}/status`, 'utf8');
  idleBytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;

  const seconds: Record<string, number[]> = { up: [], down: [], nginxUp: [], nginxSafe: [], nginxDown: [] };
  const grown: Record<string, number[]> = { up: [], down: [] };
  for (let round = 0; round < rounds; round += 1) {
    const name = `source-${round}`;
    if (nginx) {
      await haveMemory();
      const took = await curl(nginx.urlOf(name), '-T', source);
      seconds.nginxUp!.push(took);
      seconds.nginxSafe!.push(took + (await sync(nginx.pathOf(name))));
    }
    await haveMemory();
    let there = '';
    const up = await peakOf(quarry.pid, async () => {
      const uploaded = await upload(name, sizeBytes, '-T', source);
      there = uploaded.fileId;
      return uploaded.seconds;
    });
    if (nginx) seconds.nginxDown!.push(await curl(nginx.urlOf(name)));
    const link = (await client.find(there))!.url!;
    const down = await peakOf(quarry.pid, () => curl(link));
    for (const [way, { seconds: took, grownBytes }] of Object.entries({ up, down })) {
      seconds[way]!.push(took);
      grown[way]!.push(grownBytes);
    }
  }

  console.log(`${megabytes} MB, ${rounds} rounds: the lowest, the median and the highest`);
  console.log(`sha256 alone ${(megabytes / hashAll()).toFixed(0)} MB/s`);
  const spread = (values: readonly number[], digits: number) =>
    [Math.min(...values), median(values), Math.max(...values)].map((n) => n.toFixed(digits)).join(' ');
  for (const [way, others] of [
    ['up', { nginx: 'nginxUp', 'nginx and sync': 'nginxSafe' }],
    ['down', { nginx: 'nginxDown' }],
  ] as const) {
    const speeds = (all: readonly number[]) => all.map((took) => megabytes / took);
    console.log(`${way.padEnd(4)} Quarry ${spread(speeds(seconds[way]!), 0)} MB/s`);
    for (const [other, of] of Object.entries(others)) {
      const their = seconds[of]!;
      if (their.length === 0) continue;
      // Each by that of its own round, since other load comes and goes.
      const ratios = seconds[way]!.map((took, i) => their[i]! / took);
      console.log(`     ${other} ${spread(speeds(their), 0)} MB/s; Quarry to that ${spread(ratios, 2)}`);
    }
    console.log(`     at the most ${(Math.max(...grown[way]!) / 1e6).toFixed(0)} MB above idle`);
  }
} finally {
  await quarry[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}
