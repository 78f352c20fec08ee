/**
 * Live queries through a whole server, over WebSocket. How long it takes from a committed change to its patch, for an
 * answer of 400 rows, beside the UPDATE itself; and a hunt for changes that are never told: 20 queries of one row each,
 * each row updated and awaited again and again.
 * `node bench/realtime/run-live.ts [updates] [patches]`, on a PostgreSQL of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { LiveQuerySubscription } from '../../test/generated/graphql.ts';
import { ConnectDocument, LiveQueryDocument } from '../../test/support/operations.ts';
import { startQuarry } from '../../test/support/server.ts';
import { percentile } from '../support/percentile.ts';
import { serverOf } from '../support/server.ts';

/** Of the row that was told last. */
const nOf = (told: LiveQuerySubscription | undefined): unknown =>
  (told?.liveQuery.upserted[0]?.values as unknown[] | undefined)?.[0];

const [updatesText = '10000', patchesText = '200'] = process.argv.slice(2);
const readers = 20;
/** A change that is not told by then never is: nothing else asks for the answer again. */
const lostMs = 3_000;
/** Longer than a query rests between two runs: what is measured is not the waiting. */
const restMs = 60;

const server = await serverOf(undefined);
const { host, port, user, password } = server;
const admin = new pg.Client({ host, port, user, password, database: 'postgres' });
await admin.connect();
await admin.query('CREATE DATABASE live_bench');
await admin.end();

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ host, port, user, password, database: 'live_bench' });
  await client.connect();
  return client;
}

const client = await connected();
await client.query(`
  CREATE TABLE room (id int PRIMARY KEY, name text);
  CREATE TABLE msg (id int PRIMARY KEY, room_id int, body text);
  CREATE INDEX ON msg (room_id);
  CREATE VIEW shown AS SELECT m.id, m.body, m.room_id, r.name FROM msg m JOIN room r ON r.id = m.room_id;
  INSERT INTO room SELECT i, 'room ' || i FROM generate_series(1, 50) i;
  INSERT INTO msg SELECT i, 1 + i % 50, 'message ' || i FROM generate_series(1, 20000) i;
  CREATE TABLE tally (id int PRIMARY KEY, n int);
  INSERT INTO tally SELECT i, 0 FROM generate_series(1, ${readers}) i`);
const quarry = await startQuarry();
try {
  const account = await quarry.register();
  const connection = { host, port, user, password, database: 'live_bench', ssl: 'DISABLE' as const };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'bench', connection } }, account);
  const databaseId = connectDatabase.database.id;
  const subscribe = (sql: string, parameters: unknown[] = []) =>
    quarry.subscribe(LiveQueryDocument, { databaseId, sql, parameters }, account);

  /** The server says what it counts. */
  const counted = async (name: 'runs' | 'early_runs') => {
    const text = await (await fetch(new URL('/metrics', quarry.url))).text();
    return Number(new RegExp(`^quarry_live_query_${name}_total (\\d+)`, 'm').exec(text)?.[1]);
  };
  const runs = () => counted('runs');
  const rested = async () => {
    for (let before = -1; before !== (await runs()); ) {
      before = await runs();
      await sleep(500);
    }
  };

  await measurePatches();
  await hunt();

  async function measurePatches(): Promise<void> {
    const results = subscribe('SELECT id, body, name FROM shown WHERE room_id = $1 ORDER BY id', [3]);
    const { liveQuery: first } = (await results.next()).value as LiveQuerySubscription;
    await rested();
    const updateMs: number[] = [];
    const patchMs: number[] = [];
    for (let i = 0; i < Number(patchesText); i++) {
      const began = performance.now();
      const told = results.next().then(() => performance.now());
      await client.query('UPDATE msg SET body = $1 WHERE id = 102', [`changed ${i}`]);
      const committed = performance.now();
      patchMs.push((await told) - committed);
      updateMs.push(committed - began);
      await sleep(restMs);
    }
    const [update, patch, late] = [percentile(updateMs, 0.5), percentile(patchMs, 0.5), percentile(patchMs, 0.99)];
    console.log(`${first.rows!.length} rows; polled: ${first.polled.join('; ') || 'no'}`);
    console.log(
      `commit → patch p50 ${patch.toFixed(2)} ms, p99 ${late.toFixed(2)} ms; the UPDATE itself ${update.toFixed(2)} ms`,
    );
    await results.return(undefined);
  }

  async function hunt(): Promise<void> {
    const rows = await Promise.all(
      Array.from({ length: readers }, async (_, i) => {
        const results = subscribe('SELECT n FROM tally WHERE id = $1', [i + 1]);
        await results.next();
        return { id: i + 1, results, writer: await connected() };
      }),
    );
    await rested();
    const early = await counted('early_runs');
    const began = performance.now();
    let told = 0;
    let lost = 0;
    await Promise.all(
      rows.map(async ({ id, results, writer }) => {
        for (let n = 1; n <= Math.ceil(Number(updatesText) / readers); n++) {
          await writer.query('UPDATE tally SET n = $1 WHERE id = $2', [n, id]);
          const late = new AbortController();
          const seen = results.next().then(({ value }) => nOf(value) === n);
          const isTold = await Promise.race([seen, sleep(lostMs, false, { signal: late.signal })]);
          late.abort();
          if (isTold) told += 1;
          else lost += 1;
          // The next update would be taken for this one.
          if (!isTold) await Promise.all([seen, writer.query('UPDATE tally SET n = n WHERE id = $1', [id])]);
        }
        await results.return(undefined);
        await writer.end();
      }),
    );
    const seconds = (performance.now() - began) / 1_000;
    const races = (await counted('early_runs')) - early;
    console.log(`${told + lost} updates in ${seconds.toFixed(1)} s: ${lost} lost; ${races} runs that were too early`);
  }
} finally {
  await quarry[Symbol.asyncDispose]();
  await client.end();
  await server.stop();
}
