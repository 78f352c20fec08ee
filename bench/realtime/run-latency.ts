/**
 * From an INSERT that is sent to its row at a client over WebSocket, beside what the INSERT itself takes: one at a time.
 * `node bench/realtime/run-latency.ts [inserts] [rounds]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { median } from '../support/median.ts';
import { percentile } from '../support/percentile.ts';
import { startRealtimeBench } from './database.ts';

const inserts = Math.max(10, Number(process.argv[2] ?? 500));
const rounds = Math.max(1, Number(process.argv[3] ?? 3));
/** Between two; random, so that nothing falls into step with a timer. */
const longestPauseMs = 10;

const query = `subscription ($databaseId: ID!, $tables: [RowChangeSource!]!) {
  rowChanges(databaseId: $databaseId, tables: $tables) { changes { event key new } position }
}`;

interface Heard {
  rowChanges: { changes: { new: { id: number } }[] };
}

const bench = await startRealtimeBench('CREATE TABLE rows (id int PRIMARY KEY, name text, at timestamptz)');
await using stack = new AsyncDisposableStack();
stack.use(bench);
const client = createClient({
  url: bench.quarry.url.replace(/^http/, 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${bench.token}` },
});
stack.defer(() => void client.dispose());
const variables = { databaseId: bench.databaseId, tables: [{ tableId: bench.tableId('rows') }] };
const events = client.iterate<Heard>({ query, variables });
// The first batch: from here on nothing is missed.
await events.next();

let id = 0;
async function once(): Promise<{ insertMs: number; heardMs: number }> {
  id += 1;
  const startedAt = performance.now();
  const heard = events.next().then(({ value }) => {
    const { changes } = (value as { data: Heard }).data.rowChanges;
    if (changes[0]?.new.id !== id) throw new Error(`another row than ${id}`);
    return performance.now() - startedAt;
  });
  await bench.client.query('INSERT INTO rows VALUES ($1, $2, now())', [id, `name ${id}`]);
  const insertMs = performance.now() - startedAt;
  return { insertMs, heardMs: await heard };
}

const figures: { insert: number; p50: number; p99: number }[] = [];
// The first round warms up and does not count.
for (let round = 0; round <= rounds; round += 1) {
  const times: { insertMs: number; heardMs: number }[] = [];
  for (let i = 0; i < inserts; i += 1) {
    times.push(await once());
    await sleep(Math.random() * longestPauseMs);
  }
  const heard = times.map(({ heardMs }) => heardMs);
  const insert = percentile(
    times.map(({ insertMs }) => insertMs),
    0.5,
  );
  if (round > 0) figures.push({ insert, p50: percentile(heard, 0.5), p99: percentile(heard, 0.99) });
}

const middle = (of: (one: (typeof figures)[number]) => number) => median(figures.map(of)).toFixed(2);
console.log(`${inserts} inserts a round, median of ${rounds} rounds`);
console.log(`INSERT p50 ${middle(({ insert }) => insert)} ms`);
console.log(`at the client p50 ${middle(({ p50 }) => p50)} ms   p99 ${middle(({ p99 }) => p99)} ms`);
console.log(
  `x the INSERT's own p50: p50 ${middle(({ p50, insert }) => p50 / insert)}   p99 ${middle(({ p99, insert }) => p99 / insert)}`,
);
