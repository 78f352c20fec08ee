/**
 * Quarry's queue beside BullMQ on Redis, graphile-worker and pg-boss: the same `select 1`, one interleaved run, every
 * system in a database of its own on one durable PostgreSQL. Needs `npm ci --prefix bench`, and redis-server for BullMQ.
 * `node bench/queue/run.ts [--rounds 3] [--jobs 3000] [--samples 300] [--concurrency 64] [--backlog 1000000]
 *  [--only throughput,drain,latency,claim] [--systems quarry,bullmq,graphile,graphileLocal,pgBoss]`
 */
import { parseArgs } from 'node:util';
import pg from 'pg';
import { median } from '../support/median.ts';
import { percentile } from '../support/percentile.ts';
import { bounded } from './bounded.ts';
import { type Backlog, openBacklog } from './claim.ts';
import { callTimes, drain, startsAcross, startsInside, throughput } from './measure.ts';
import { type Redis, startRedis } from './redis.ts';
import { type DurableServer, startDurable } from './server.ts';
import type { Place, Queue } from './system.ts';
import { type SystemKey, systems } from './systems.ts';
import { openTarget } from './target.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '3000' },
    samples: { type: 'string', default: '300' },
    concurrency: { type: 'string', default: '64' },
    backlog: { type: 'string', default: '1000000' },
    only: { type: 'string', default: 'throughput,drain,latency,claim' },
    systems: { type: 'string', default: Object.keys(systems).join() },
  },
});
const rounds = Math.max(3, Number(values.rounds));
const jobs = Number(values.jobs);
const samples = Number(values.samples);
const concurrency = Number(values.concurrency);
const parts = new Set(values.only.split(','));
/** Calls under way while jobs are submitted one by one. */
const clients = 64;

type Figures = Map<string, number[]>;

interface Contestant {
  key: SystemKey;
  place: Place;
  queue: Queue;
}

/** One figure a round, by name; the first round warms up and does not count. */
async function interleaved(ways: Record<string, () => Promise<number>>): Promise<Figures> {
  const figures: Figures = new Map(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const figure = await way();
      if (round > 0) figures.get(name)?.push(figure);
    }
  }
  return figures;
}

/** The median over the rounds of one figure by the other's of the same round. */
function ratio(figures: Figures, of: string, to: string): string {
  const [above = [], below = []] = [figures.get(of), figures.get(to)];
  return above.length > 0 && below.length > 0
    ? median(above.map((value, round) => value / below[round]!)).toFixed(2)
    : '–';
}

function print(title: string, figures: Figures, unit: string, references: readonly string[]): void {
  console.log(`\n${title}`);
  for (const [name, all] of figures) {
    const middle = median(all);
    const ratios = references.map((reference) => `${ratio(figures, name, reference)} x ${reference}`);
    console.log(
      `  ${name.padEnd(34)} ${middle.toFixed(middle < 100 ? 2 : 0).padStart(8)} ${unit}   ${ratios.join('   ')}`,
    );
  }
}

const bare = 'bare pool query';
const insert = 'one durable INSERT';

async function compareRates(contestants: readonly Contestant[], query: () => Promise<void>): Promise<void> {
  const direct = async () => {
    const startedAt = performance.now();
    await bounded(jobs, clients, query);
    return (jobs / (performance.now() - startedAt)) * 1_000;
  };
  if (parts.has('throughput')) {
    const ways = contestants.map(({ key, queue }): [string, () => Promise<number>] => [
      systems[key].name,
      () => throughput({ queue, query, concurrency }, jobs, clients),
    ]);
    const figures = await interleaved({ [bare]: direct, ...Object.fromEntries(ways) });
    print(`accepted to finished in one process, ${jobs} jobs, ${clients} submitted at once`, figures, 'jobs/s', [
      bare,
      'BullMQ',
    ]);
  }
  if (parts.has('drain')) {
    const ways = contestants.map(({ key, queue }): [string, () => Promise<number>] => [
      systems[key].name,
      () => drain({ queue, query, concurrency }, jobs),
    ]);
    const figures = await interleaved({ [bare]: direct, ...Object.fromEntries(ways) });
    print(`drain of ${jobs} queued before`, figures, 'jobs/s', [bare, 'graphile-worker localQueue']);
  }
}

/** Both percentiles of the samples of each round. */
async function compareStarts(
  contestants: readonly Contestant[],
  target: Place['postgres'],
  query: () => Promise<void>,
  floor: pg.Pool,
): Promise<void> {
  await floor.query('CREATE TABLE durable (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sql text NOT NULL)');
  const p50: Figures = new Map();
  const p99: Figures = new Map();
  const ways: [string, () => Promise<number[]>][] = [
    [insert, () => callTimes(samples, () => floor.query(`INSERT INTO durable (sql) VALUES ('select 1')`))],
    ...contestants.flatMap(({ key, place, queue }): [string, () => Promise<number[]>][] => [
      [systems[key].name, () => startsInside({ queue, query, concurrency }, samples)],
      [
        `${systems[key].name}, own process`,
        () => startsAcross(queue, { system: key, place, target, concurrency }, samples),
      ],
    ]),
  ];
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, way] of ways) {
      const times = await way();
      p50.set(name, [...(p50.get(name) ?? []), percentile(times, 0.5)]);
      p99.set(name, [...(p99.get(name) ?? []), percentile(times, 0.99)]);
    }
  }
  print(`submit to start, idle, one at a time, p50 of ${samples}`, p50, 'ms', [insert, 'BullMQ']);
  print(`the same, p99`, p99, 'ms', ['BullMQ', 'BullMQ, own process']);
}

async function compareClaims(server: DurableServer): Promise<void> {
  const backlog = Number(values.backlog);
  await using stack = new AsyncDisposableStack();
  const open = async (name: string, size: number, users: number): Promise<Backlog> =>
    stack.use(await openBacklog(await server.database(name), size, users));
  const few = await open('claim_few', 1_000, 64);
  const many = await open('claim_many', backlog, 64);
  const wide = await open('claim_wide', 10_000, 10_000);
  const figures = await interleaved({
    '1000 queued': async () => median(await few.round()),
    [`${backlog} queued`]: async () => median(await many.round()),
    '10000 users with one each': async () => median(await wide.round()),
  });
  print('a claim of 8', figures, 'ms', ['1000 queued']);
}

await using stack = new AsyncDisposableStack();
const server = stack.use(await startDurable());
const redis: Redis | null = await startRedis();
if (redis) stack.use(redis);
else console.log('BullMQ is left out: there is no redis-server on this machine');

const wanted = new Set(values.systems.split(','));
const contestants: Contestant[] = [];
for (const key of Object.keys(systems) as SystemKey[]) {
  if (!wanted.has(key) || (key === 'bullmq' && !redis)) continue;
  const postgres = await server.database(`queue_${key.toLowerCase()}`);
  const place: Place = { postgres, redis: redis && { host: redis.host, port: redis.port } };
  const queue = await systems[key].open(place);
  stack.defer(() => queue.close());
  contestants.push({ key, place, queue });
}
const targetPlace = await server.database('target');
const target = openTarget(targetPlace);
stack.defer(() => target.close());

console.log(
  `median of ${rounds} interleaved rounds; ${concurrency} jobs at once a worker, 8 connections to the target`,
);
await compareRates(contestants, target.query);
if (parts.has('latency')) {
  const floor = new pg.Pool({ ...(await server.database('floor')), max: 1 });
  stack.defer(() => floor.end());
  await compareStarts(contestants, targetPlace, target.query, floor);
}
if (parts.has('claim')) await compareClaims(server);
