/**
 * Row changes through a whole server, over WebSocket: from an INSERT to its client, beside the INSERT itself; and how fast
 * a client catches up with 200,000 rows that were committed while he read nothing, beside pg_recvlogical, which writes the
 * same messages to /dev/null and reads none.
 * `node bench/realtime/run-changes.ts [inserts] [rounds]`, on a PostgreSQL of its own that is durable.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { print } from 'graphql';
import { RowChangesDocument } from '../../test/support/operations.ts';
import { openSocket } from '../../test/support/socket.ts';
import { median } from '../support/median.ts';
import { percentile } from '../support/percentile.ts';
import { startRealtimeBench } from './database.ts';

const rows = 200_000;
const rowsOfTransaction = 1_000;
const recvlogical = process.env.PG_RECVLOGICAL ?? '/usr/lib/postgresql/15/bin/pg_recvlogical';
const run = promisify(execFile);
const [insertsText = '500', roundsText = '3'] = process.argv.slice(2);

const bench = await startRealtimeBench(`
  CREATE TABLE bench_order (id serial PRIMARY KEY, customer text, total numeric(10,2), placed timestamptz, paid boolean, note text);
  CREATE PUBLICATION floor FOR TABLE bench_order`);
try {
  const { client, quarry, databaseId } = bench;
  const { host, port, user, password } = bench.server;
  using socket = await openSocket(quarry.wsUrl);
  await socket.init(bench.token);
  const variables = { databaseId, tables: [{ tableId: bench.tableId('bench_order') }], batchSize: 1_000 };
  socket.subscribe('1', print(RowChangesDocument), { variables });

  /** Changes of the next message that has any. */
  async function received(): Promise<number> {
    for (;;) {
      const { type, payload } = await socket.next();
      if (type === 'ping') continue;
      if (type !== 'next' || payload.errors) throw new Error(JSON.stringify(payload));
      const { changes } = payload.data.rowChanges;
      if (changes.length > 0) return changes.length;
    }
  }
  await socket.next(); // The first batch, which is empty.

  const inserts: number[] = [];
  const arrivals: number[] = [];
  for (let i = 0; i < Number(insertsText) + 50; i++) {
    const since = performance.now();
    const arrived = received().then(() => performance.now() - since);
    await client.query(`INSERT INTO bench_order (customer, total, placed, paid) VALUES ('one', 1.25, now(), true)`);
    const inserted = performance.now() - since;
    const told = await arrived;
    if (i < 50) continue; // which warm both
    inserts.push(inserted);
    arrivals.push(told);
  }
  const own = percentile(inserts, 0.5);
  // How far the machine itself strays: nobody hears of a row before its INSERT has ended.
  const strays = percentile(inserts, 0.99) / own;
  console.log(
    `INSERT p50 ${own.toFixed(2)} ms, its p99 ${strays.toFixed(2)} times that; to the client p50 ${percentile(arrivals, 0.5).toFixed(2)} ms, p99 ${percentile(arrivals, 0.99).toFixed(2)} ms`,
  );
  console.log(
    `to the client / INSERT p50: p50 ${(percentile(arrivals, 0.5) / own).toFixed(2)} (goal 2), p99 ${(percentile(arrivals, 0.99) / own).toFixed(2)} (goal 4.5)`,
  );

  async function fill(): Promise<void> {
    for (let from = 0; from < rows; from += rowsOfTransaction)
      await client.query(
        `INSERT INTO bench_order (customer, total, placed, paid, note)
         SELECT 'customer ' || g % 1000, g * 1.25, now(), g % 3 = 0, repeat('n', g % 40) FROM generate_series($1::int, $2::int) g`,
        [from, from + rowsOfTransaction - 1],
      );
  }

  async function receive(slot: string): Promise<number> {
    const { rows: places } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
    const since = performance.now();
    const address = [`--host=${host}`, `--port=${port}`, `--username=${user}`, '--dbname=postgres'];
    const how = [`--slot=${slot}`, '--start', '--file=/dev/null', `--endpos=${places[0]!.lsn}`, '--no-loop'];
    const options = ['-o', 'proto_version=1', '-o', 'publication_names=floor'];
    await run(recvlogical, [...address, ...how, ...options], { env: { PGPASSWORD: password } });
    return performance.now() - since;
  }

  const theirs: number[] = [];
  const ours: number[] = [];
  for (let round = 0; round <= Number(roundsText); round++) {
    const slot = `floor_${round}`;
    await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
    socket.pause();
    await fill();
    const since = performance.now();
    socket.resume();
    for (let left = rows; left > 0; ) left -= await received();
    const caughtUp = performance.now() - since;
    const floor = await receive(slot);
    await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
    if (round === 0) continue; // which warms both
    ours.push(caughtUp);
    theirs.push(floor);
    console.log(`round ${round}: pg_recvlogical ${floor.toFixed(0)} ms, client ${caughtUp.toFixed(0)} ms`);
  }
  console.log(
    `${rows} rows: pg_recvlogical ${((rows / median(theirs)) * 1e3).toFixed(0)} rows/s, client ${((rows / median(ours)) * 1e3).toFixed(0)} rows/s`,
  );
  console.log(`client / pg_recvlogical: ${(median(theirs) / median(ours)).toFixed(2)} (goal 0.3)`);
} finally {
  await bench[Symbol.asyncDispose]();
}
