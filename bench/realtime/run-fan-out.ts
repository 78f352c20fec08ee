/**
 * One committed row and many sockets that wait for it: what it costs the server, and when the last has it; beside a
 * server that executes once for each socket, and one that writes one buffer to all. Also what a subscription takes, and
 * what all of them cost while nothing comes (pings, tokens looked at anew), which is no part of a message's cost.
 * `node bench/realtime/run-fan-out.ts [sockets] [rounds] [--profile FOLDER]`, which profiles Quarry alone
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median } from '../support/median.ts';
import { percentile } from '../support/percentile.ts';
import { startRealtimeBench } from './database.ts';
import type { ReadersOrder, ReadersReport } from './readers.ts';

const sockets = Math.max(1, Number(process.argv[2] ?? 5_000));
const rounds = Math.max(1, Number(process.argv[3] ?? 20));
const profile = process.argv[4] === '--profile' ? process.argv[5] : undefined;
/** Between two rows, so that the CPU of one is not counted for the next. */
const pauseMs = 300;
/** Rounds that warm all of them up, and are not counted. */
const warmUp = 2;
/** What they cost at rest is looked at for as long as the longest of what comes again and again takes: a ping. */
const restMs = 12_000;
/** Of Linux: a tick of utime and stime. */
const tickMs = 10;

const query = `subscription ($databaseId: ID!, $tables: [RowChangeSource!]!) {
  rowChanges(databaseId: $databaseId, tables: $tables) { changes { event tableId key position new } position }
}`;
const peerQuery = 'subscription { rowChanges { changes { event tableId key position new } position } }';

async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024;
}

interface System {
  readonly pid: number;
  readonly order: ReadersOrder;
  /** Makes one row known to the server. */
  write(round: number): unknown;
}

interface Measured {
  readonly openMs: number;
  readonly bytesOfSocket: number;
  /** Of the server, in a second without a message. */
  readonly restMsOfSecond: number;
  /** Of the server, for one message, over all rounds; without what it would have taken at rest. */
  readonly cpuUs: number;
  /** From the write on; medians of the rounds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lastMs: number;
}

/** All of whose sockets wait. */
interface Opened extends Disposable {
  readonly openMs: number;
  readonly bytesOfSocket: number;
  /** One message to each of them. */
  round(restMsOfSecond: number): Promise<{ readonly cpuMs: number; readonly heardMs: readonly number[] }>;
}

async function open({ pid, order, write }: System): Promise<Opened> {
  const before = await residentBytes(pid);
  const readers = fork(fileURLToPath(new URL('./readers.ts', import.meta.url)));
  const next = async () => (await once(readers, 'message'))[0] as ReadersReport;
  readers.once('exit', (code) => {
    if (code) throw new Error(`the readers ended with ${code}`);
  });
  const open = next();
  readers.send(order);
  const opened = await open;
  if (opened.type !== 'open') throw new Error('a message too early');
  await sleep(2_000);
  const bytesOfSocket = ((await residentBytes(pid)) - before) / sockets;
  let written = 0;
  return {
    openMs: opened.elapsedMs,
    bytesOfSocket,
    async round(restMsOfSecond) {
      const heard = next();
      const cpuBefore = await cpuMs(pid);
      const writtenAt = performance.timeOrigin + performance.now();
      written += 1;
      await write(written);
      const report = await heard;
      await sleep(pauseMs);
      if (report.type !== 'round') throw new Error('a message too early');
      const elapsedMs = performance.timeOrigin + performance.now() - writtenAt;
      return {
        cpuMs: (await cpuMs(pid)) - cpuBefore - (restMsOfSecond * elapsedMs) / 1_000,
        heardMs: report.heardAt.map((at) => at - writtenAt),
      };
    },
    [Symbol.dispose]: () => void readers.kill(),
  };
}

/** One after the other in each round, so that what the machine does besides is no one's alone. */
async function measure(systems: Readonly<Record<string, System>>): Promise<Record<string, Measured>> {
  using held = new DisposableStack();
  const all: { name: string; pid: number; opened: Opened; restMsOfSecond: number; cpuMs: number; times: number[][] }[] =
    [];
  for (const [name, system] of Object.entries(systems)) {
    const opened = held.use(await open(system));
    all.push({ name, pid: system.pid, opened, restMsOfSecond: 0, cpuMs: 0, times: [] });
  }
  // Also so that none is told that all is quiet while it is looked at what they cost at rest.
  for (let round = 0; round < warmUp; round += 1) for (const { opened } of all) await opened.round(0);
  const before = await Promise.all(all.map(({ pid }) => cpuMs(pid)));
  await sleep(restMs);
  for (const [index, one] of all.entries())
    one.restMsOfSecond = ((await cpuMs(one.pid)) - before[index]!) / (restMs / 1_000);
  for (let round = 0; round < rounds; round += 1) {
    for (const one of all) {
      const { cpuMs, heardMs } = await one.opened.round(one.restMsOfSecond);
      one.cpuMs += cpuMs;
      one.times.push([...heardMs]);
    }
  }
  return Object.fromEntries(
    all.map(({ name, opened, restMsOfSecond, cpuMs, times }) => {
      const middle = (share: number) => median(times.map((of) => percentile(of, share)));
      const { openMs, bytesOfSocket } = opened;
      const cpuUs = (cpuMs * 1_000) / (rounds * sockets);
      const waits = { p50Ms: middle(0.5), p99Ms: middle(0.99), lastMs: middle(1) };
      return [name, { openMs, bytesOfSocket, restMsOfSecond, cpuUs, ...waits }];
    }),
  );
}

async function peer(kind: 'executed' | 'shared'): Promise<System & Disposable> {
  const child = fork(fileURLToPath(new URL('./run-peer.ts', import.meta.url)), [kind], {
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const [port] = (await once(child, 'message')) as [number];
  const key = Buffer.from('["1"]').toString('base64url');
  return {
    pid: child.pid!,
    order: { url: `ws://127.0.0.1:${port}`, sockets, authorization: null, payload: { query: peerQuery } },
    write: (round) => {
      const change = { event: 'INSERT', tableId: 'x'.repeat(80), key, position: 'x'.repeat(60), new: row(round) };
      child.send({ changes: [change], position: 'x'.repeat(60) });
    },
    [Symbol.dispose]: () => void child.kill(),
  };
}

const row = (round: number) => ({
  id: round,
  name: `name ${round}`,
  note: 'x'.repeat(100),
  at: new Date(0).toISOString(),
});

const bench = await startRealtimeBench(
  'CREATE TABLE rows (id int PRIMARY KEY, name text, note text, at timestamptz)',
  profile,
);
await using stack = new AsyncDisposableStack();
stack.use(bench);
const variables = { databaseId: bench.databaseId, tables: [{ tableId: bench.tableId('rows') }] };
const quarry: System = {
  pid: bench.quarry.pid,
  order: {
    url: bench.quarry.url.replace(/^http/, 'ws'),
    sockets,
    authorization: `Bearer ${bench.token}`,
    payload: { query, variables },
  },
  write: async (round) => {
    const { id, name, note, at } = row(round);
    await bench.client.query('INSERT INTO rows VALUES ($1, $2, $3, $4)', [id, name, note, at]);
  },
};
const figures = await measure(
  profile
    ? { Quarry: quarry }
    : { Quarry: quarry, executed: stack.use(await peer('executed')), shared: stack.use(await peer('shared')) },
);

console.log(`${sockets} sockets, ${rounds} rows, each to all systems in turn; medians of the rounds`);
console.log(
  '            server CPU us/message   p50 ms   p99 ms   last ms   opened ms   KiB a socket   CPU at rest, ms/s',
);
for (const [name, measured] of Object.entries(figures)) {
  const { cpuUs, p50Ms, p99Ms, lastMs, openMs, bytesOfSocket, restMsOfSecond } = measured;
  const columns = [cpuUs.toFixed(1).padStart(22), ...[p50Ms, p99Ms, lastMs].map((ms) => ms.toFixed(0).padStart(9))];
  console.log(
    name.padEnd(10),
    ...columns,
    openMs.toFixed(0).padStart(11),
    (bytesOfSocket / 1_024).toFixed(1).padStart(12),
    restMsOfSecond.toFixed(0).padStart(18),
  );
}
const ratio = (of: string, to: string) => (figures[of]!.cpuUs / figures[to]!.cpuUs).toFixed(2);
if (!profile)
  console.log(`executed / Quarry ${ratio('executed', 'Quarry')}   Quarry / shared ${ratio('Quarry', 'shared')}`);
