/**
 * Readers who stop reading while much is written: what they cost the server, how soon they are let go, and what the others
 * notice. Fails where the server grows by more than 100 MB, a reader who reads waits for more than a second (p99), or one
 * who stopped is not let go within 30 s: with SLOW_CONSUMER and a place to go on from, or cut off where he does not answer
 * a ping either.
 * `node bench/realtime/run-slow.ts [stopped] [changes]`
 */
import { readFile } from 'node:fs/promises';
import { openSocket } from '../../test/support/socket.ts';
import { percentile } from '../support/percentile.ts';
import { startRealtimeBench } from './database.ts';

const stopped = Math.max(1, Number(process.argv[2] ?? 100));
const changes = Math.max(1_000, Number(process.argv[3] ?? 100_000));
const healthy = 5;
const perTransaction = 500;
/** One row, so that the changes are more than any socket's buffers take. */
const noteBytes = 500;
/** Changes. */
const mayLag = 1_000;
const mayGrowBytes = 100e6;
const mayWaitMs = 1_000;
const mayTakeMs = 30_000;

const query = `subscription ($databaseId: ID!, $tables: [RowChangeSource!]!) {
  rowChanges(databaseId: $databaseId, tables: $tables) { changes { new } position }
}`;

async function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1_024;
}

const bench = await startRealtimeBench('CREATE TABLE rows (id int PRIMARY KEY, at float8, note text)');
await using stack = new AsyncDisposableStack();
stack.use(bench);
const variables = { databaseId: bench.databaseId, tables: [{ tableId: bench.tableId('rows') }] };

async function reader() {
  const socket = stack.use(await openSocket(bench.quarry.url.replace(/^http/, 'ws')));
  await socket.init(bench.token);
  socket.subscribe('1', query, { variables });
  const first = await socket.next();
  if (first.type !== 'next') throw new Error(JSON.stringify(first));
  return socket;
}

const sleepers: Awaited<ReturnType<typeof reader>>[] = [];
for (let i = 0; i < stopped; i += 1) sleepers.push(await reader());
for (const sleeper of sleepers) sleeper.pause();
const waits: number[] = [];
const readers = await Promise.all(Array.from({ length: healthy }, reader));
const now = () => performance.timeOrigin + performance.now();

/** Of each who reads. It is written no faster than they read: how fast that is, others measure. */
const seenBy = readers.map(() => 0);
let wake = () => {};
const heard = readers.map(async (socket, index) => {
  for (let seen = 0; seen < changes; seenBy[index] = seen, wake()) {
    const message = await socket.next();
    if (message.type !== 'next') throw new Error(`a reader who reads was told ${JSON.stringify(message)}`);
    const { changes: told } = message.payload.data.rowChanges as { changes: { new: { at: number } }[] };
    for (const one of told) waits.push(now() - one.new.at);
    seen += told.length;
  }
});

const before = await memoryOf(bench.quarry.pid, 'VmRSS');
const startedAt = performance.now();
for (let done = 0; done < changes; done += perTransaction) {
  while (Math.min(...seenBy) < done - mayLag)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  await bench.client.query('INSERT INTO rows SELECT $1 + i, $2, repeat($3, $4) FROM generate_series(1, $5) AS i', [
    done,
    now(),
    'x',
    noteBytes,
    perTransaction,
  ]);
}
await Promise.all(heard);
const elapsedMs = performance.now() - startedAt;
const grown = (await memoryOf(bench.quarry.pid, 'VmHWM')) - before;
await new Promise((resolve) => setTimeout(resolve, Math.max(0, mayTakeMs - elapsedMs)));

/** Who does not even answer a ping is cut off; who does is told where to go on. */
const ends = { told: 0, cut: 0 };
for (const sleeper of sleepers) {
  sleeper.resume();
  try {
    let message = await sleeper.next();
    while (message.type === 'next') message = await sleeper.next();
    const [error] = message.payload ?? [];
    if (error?.extensions?.code === 'SLOW_CONSUMER' && error.extensions.details?.position) ends.told += 1;
  } catch {
    ends.cut += 1;
  }
}

const p99 = percentile(waits, 0.99);
console.log(
  `${changes} rows of ${noteBytes} bytes in ${(elapsedMs / 1_000).toFixed(1)} s, ${stopped} readers stopped, ${healthy} read`,
);
console.log(`of ${stopped} who stopped ${ends.told} were told SLOW_CONSUMER and their place, ${ends.cut} were cut off`);
console.log(
  `the others waited p50 ${percentile(waits, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; the server grew by ${(grown / 1e6).toFixed(0)} MB`,
);
if (ends.told + ends.cut < stopped || p99 > mayWaitMs || grown > mayGrowBytes) process.exitCode = 1;
