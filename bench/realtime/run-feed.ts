/**
 * How fast a change feed catches up beside pg_recvlogical, which writes the same messages to /dev/null and reads none:
 * 200,000 rows in transactions of 1,000, from the connection to the last commit.
 * `node bench/realtime/run-feed.ts [postgres URL of a superuser] [rounds]`; without a URL on a PostgreSQL of its own.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import pg from 'pg';
import type { ChangeSource } from '../../src/engines/changes.ts';
import type { Target } from '../../src/engines/engine.ts';
import { createEngines } from '../../src/engines/registry.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';

const rows = 200_000;
const rowsOfTransaction = 1_000;
const recvlogical = process.env.PG_RECVLOGICAL ?? '/usr/lib/postgresql/15/bin/pg_recvlogical';
const { signal } = new AbortController();
const run = promisify(execFile);

async function catchUp(changes: ChangeSource, target: Target, feedId: string): Promise<number> {
  const since = performance.now();
  await using feed = await changes.open(target, { feedId, kept: true, signal });
  let left = rows;
  for await (const batch of feed) {
    for (const event of batch) if (event.type === 'insert') left -= 1;
    if (left === 0) break;
  }
  return performance.now() - since;
}

async function receive(target: Target, feedId: string, slot: string, end: string): Promise<number> {
  const id = feedId.replaceAll('-', '');
  const address = [`--host=${target.host}`, `--port=${target.port}`, `--username=${target.user}`];
  const options = ['proto_version=1', `publication_names=quarry_${id},quarry_${id}_inserts`, 'messages=true'];
  const since = performance.now();
  await run(
    recvlogical,
    [
      ...address,
      `--dbname=${target.database}`,
      `--slot=${slot}`,
      '--start',
      '--file=/dev/null',
      `--endpos=${end}`,
      '--no-loop',
      ...options.flatMap((option) => ['-o', option]),
    ],
    { env: { PGPASSWORD: target.password } },
  );
  return performance.now() - since;
}

const [url, roundsText = '5'] = process.argv.slice(2);
const server = await serverOf(url);
try {
  const { host, port, user, password } = server;
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  await client.connect();
  const dial = createEgress({ allowPrivateHosts: true, denied: () => [] });
  const changes = createEngines({ dial }).postgresql.changes!;
  const at = { host, port, user, password, database: 'postgres' };
  const target: Target = { ...at, ssl: 'DISABLE', allowInsecureAuthentication: false, hosted: true };
  await client.query(
    'CREATE TABLE bench_order (id int PRIMARY KEY, customer text, total numeric(10,2), placed timestamptz, paid boolean, note text)',
  );
  const feedId = randomUUID();
  {
    await using feed = await changes.open(target, { feedId, kept: true, signal });
    await feed.follow([{ schema: 'public', name: 'bench_order' }], { signal });
  }
  for (let from = 0; from < rows; from += rowsOfTransaction)
    await client.query(
      `INSERT INTO bench_order SELECT g, 'customer ' || g % 1000, g * 1.25, now(), g % 3 = 0, repeat('n', g % 40)
         FROM generate_series($1::int, $2::int) g`,
      [from, from + rowsOfTransaction - 1],
    );
  const { rows: places } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  await client.query('CHECKPOINT');
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= Math.max(3, Number(roundsText)); round++) {
    const slot = `bench_${round}`;
    await client.query('SELECT pg_copy_logical_replication_slot($1, $2)', [
      `quarry_kept_${feedId.replaceAll('-', '')}`,
      slot,
    ]);
    const times = [await receive(target, feedId, slot, places[0]!.lsn), await catchUp(changes, target, feedId)];
    await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
    if (round === 0) continue; // which warms both
    theirs.push(times[0]!);
    ours.push(times[1]!);
    console.log(`round ${round}: pg_recvlogical ${times[0]!.toFixed(0)} ms, feed ${times[1]!.toFixed(0)} ms`);
  }
  const [floor, own] = [median(theirs), median(ours)];
  console.log(
    `${rows} rows: pg_recvlogical ${((rows / floor) * 1e3).toFixed(0)} rows/s, feed ${((rows / own) * 1e3).toFixed(0)} rows/s`,
  );
  console.log(`feed / pg_recvlogical: ${(floor / own).toFixed(2)} (goal 0.55)`);
  await changes.remove(target, { feedId, signal });
  await client.query('DROP TABLE bench_order');
  await client.end();
} finally {
  await server.stop();
}
