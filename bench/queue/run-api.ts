/**
 * The queue as its users meet it: a whole Quarry with its worker beside it, reached over HTTP and WebSocket. How soon a
 * job starts on an idle one, what it finishes in a second, and how late the API is while four jobs stream a million rows.
 * `node bench/queue/run-api.ts [jobs] [samples] [rows]`
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { HostDocument } from '../../test/acceptance/support.ts';
import { JobEventsDocument, JobRowsDocument, SubmitDocument } from '../../test/support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../../test/support/server.ts';
import { percentile } from '../support/percentile.ts';
import { bounded } from './bounded.ts';

const [jobs = 1_000, samples = 300, rows = 1_000_000] = process.argv.slice(2).map(Number);
/** Submissions under way at once. */
const clients = 32;
const concurrency = 16;
const streams = 4;
const warmUpJobs = 50;

interface Changes {
  /** Resolves at the first change of the job that this holds for, with the time at which it came. */
  until(id: string, status: (status: string) => boolean): Promise<number>;
  /** The jobs that ended so far. */
  ended(): number;
}

const isFinal = (status: string): boolean => status !== 'QUEUED' && status !== 'RUNNING';
const hasStarted = (status: string): boolean => status !== 'QUEUED';
/** Of the wall clock that the databases read too, but finer than a millisecond. */
const now = (): number => performance.timeOrigin + performance.now();

/** Every change of the user's jobs, as one subscription tells it. */
function followAll(quarry: Quarry, account: Account): Changes {
  const seen = new Map<string, { status: string; at: number }[]>();
  const waiting = new Map<string, Set<() => void>>();
  let ended = 0;
  void (async () => {
    for await (const { jobEvents } of quarry.subscribe(JobEventsDocument, {}, account)) {
      const { job } = jobEvents;
      if (!job) continue;
      seen.set(job.id, [...(seen.get(job.id) ?? []), { status: job.status, at: now() }]);
      if (isFinal(job.status)) ended += 1;
      for (const wake of waiting.get(job.id) ?? []) wake();
    }
  })();
  return {
    ended: () => ended,
    async until(id, holds) {
      for (;;) {
        const change = seen.get(id)?.find(({ status }) => holds(status));
        if (change) return change.at;
        await new Promise<void>((resolve) => {
          const wakes = waiting.get(id) ?? new Set();
          waiting.set(id, wakes.add(resolve));
        });
        waiting.delete(id);
      }
    },
  };
}

async function startOf(quarry: Quarry, account: Account, id: string): Promise<number> {
  const { data } = await quarry.execute<{ job: { startedAt: string } }, { id: string }>(
    'query ($id: ID!) { job(id: $id) { startedAt } }',
    { id },
    account,
  );
  return Date.parse(data!.job.startedAt);
}

const line = (name: string, values: readonly number[], unit = 'ms'): void =>
  console.log(
    `  ${name.padEnd(58)} p50 ${percentile(values, 0.5).toFixed(1).padStart(7)} ${unit}   p99 ${percentile(values, 0.99).toFixed(1).padStart(7)} ${unit}`,
  );

await using quarry = await startQuarry({
  env: {
    LOG_LEVEL: 'info',
    WORKER_CONCURRENCY: String(concurrency),
    MAX_PARALLEL_JOBS: String(concurrency),
    MAX_PARALLEL_JOBS_PER_DATABASE: String(concurrency),
  },
});
const account = await quarry.register();
const hosted = await quarry.ask(HostDocument, { name: 'bench' }, account);
const databaseId = hosted.createHostedDatabase.database.id;
const changes = followAll(quarry, account);

async function submit(sql = 'select 1', maxRows = 1_000): Promise<string> {
  const { submitQuery } = await quarry.ask(
    SubmitDocument,
    { input: { target: { databaseId }, sql, maxRows } },
    account,
  );
  return submitQuery.job.id;
}

async function measureStarts(): Promise<void> {
  const answered: number[] = [];
  const started: number[] = [];
  const told: number[] = [];
  for (let sample = -warmUpJobs; sample < samples; sample += 1) {
    const at = now();
    const id = await submit();
    const answeredAt = now();
    const toldAt = await changes.until(id, hasStarted);
    await changes.until(id, isFinal);
    const startedAt = await startOf(quarry, account, id);
    if (sample >= 0) {
      answered.push(answeredAt - at);
      // The column holds whole milliseconds, rounded.
      started.push(startedAt - at);
      told.push(toldAt - at);
    }
    await sleep(4 + Math.random() * 8);
  }
  console.log(`\nidle, ${samples} jobs of \`select 1\`, one at a time, from the call of submitQuery`);
  line('to its answer', answered);
  line('to startedAt (the database’s clock, this machine’s)', started);
  line('to the first change that jobEvents tells', told);
}

async function measureRate(): Promise<void> {
  const before = changes.ended();
  const startedAt = performance.now();
  const ids: string[] = [];
  await bounded(jobs, clients, async () => ids.push(await submit()));
  await Promise.all(ids.map((id) => changes.until(id, isFinal)));
  const perSecond = (jobs / (performance.now() - startedAt)) * 1_000;
  console.log(`\n${jobs} jobs, ${clients} submitted at once, ${concurrency} running at once, followed to their ends`);
  console.log(`  ${perSecond.toFixed(0)} jobs/s; ${changes.ended() - before} ends were told`);
}

/** @returns milliseconds of each answer: Quarry's, and those of a server that does nothing */
async function probed(work: () => Promise<unknown>): Promise<[number[], number[]]> {
  const floor = new Worker(new URL('./run-floor.ts', import.meta.url));
  const [port] = (await once(floor, 'message')) as [number];
  const probe = new Worker(new URL('./run-probe.ts', import.meta.url), {
    workerData: [quarry.url, `http://127.0.0.1:${port}/`],
  });
  await work();
  const answer = once(probe, 'message');
  probe.postMessage('stop');
  const [times] = (await answer) as [[number[], number[]]];
  await Promise.all([probe.terminate(), floor.terminate()]);
  return times;
}

async function readAll(id: string): Promise<number> {
  let read = 0;
  for await (const { jobRows } of quarry.subscribe(JobRowsDocument, { id, batchSize: 1_000 }, account)) {
    read += jobRows.rows.length;
  }
  return read;
}

async function measureUnderStreams(): Promise<void> {
  const [idle, idleFloor] = await probed(() => sleep(3_000));
  let read: number[] = [];
  const startedAt = performance.now();
  const [busy, busyFloor] = await probed(async () => {
    const sql = `select i, md5(i::text), now() from generate_series(1, ${rows}) as i`;
    const ids = await Promise.all(Array.from({ length: streams }, () => submit(sql, rows)));
    read = await Promise.all(ids.map(readAll));
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(`\n{ __typename } while ${streams} jobs stream ${rows} rows each to readers of jobRows`);
  line(`idle, ${idle.length} answers`, idle);
  line('idle, a server that does nothing', idleFloor);
  line(`streaming, ${busy.length} answers in ${seconds.toFixed(1)} s`, busy);
  line('streaming, a server that does nothing', busyFloor);
  const whole = read.filter((count) => count === rows).length;
  console.log(
    `  ${whole} of ${streams} streams were whole; ${(read.reduce((a, b) => a + b) / seconds).toFixed(0)} rows/s`,
  );
}

await measureStarts();
await measureRate();
await measureUnderStreams();
