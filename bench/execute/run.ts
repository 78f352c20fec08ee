/**
 * What a row costs: 300,000 of three columns through a session of the engine, beside pg-cursor with its own decoding of
 * values and with none. `npm ci --prefix bench && node bench/execute/run.ts [postgres URL] [rounds] [rows]`
 */
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import type { Session } from '../../src/engines/engine.ts';
import { createPostgresql } from '../../src/engines/postgresql/index.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';

interface Cursor {
  read(rows: number): Promise<unknown[][]>;
  close(): Promise<void>;
}
type CursorClass = new (text: string, values: unknown[], config: object) => Cursor & pg.Submittable;

/** Rows of one read; the engine's batches are as long. */
const batchRows = 1_000;

const [url, roundsText = '5', rowsText = '300000'] = process.argv.slice(2);
const rounds = Math.max(3, Number(roundsText));
const rows = Number(rowsText);
const script = `select i, i::text, now() from generate_series(1, ${rows}) as i`;
const Cursor = createRequire(import.meta.url)('pg-cursor') as CursorClass;

async function bySession(session: Session): Promise<number> {
  const options = { readOnly: true, transaction: 'PER_STATEMENT', maxRows: rows } as const;
  let seen = 0;
  for await (const event of session.run(script, { ...options, signal: new AbortController().signal })) {
    if (event.type === 'rows') seen += event.rows.length;
  }
  return seen;
}

async function byCursor(client: pg.Client, config: object): Promise<number> {
  const cursor = client.query(new Cursor(script, [], { rowMode: 'array', ...config }));
  let seen = 0;
  for (;;) {
    const { length } = await cursor.read(batchRows);
    if (length === 0) break;
    seen += length;
  }
  await cursor.close();
  return seen;
}

const server = await serverOf(url);
try {
  await using stack = new AsyncDisposableStack();
  const engine = createPostgresql({ dial: createEgress({ allowPrivateHosts: true, denied: () => [] }) });
  const { host, port, user, password } = server;
  const target = { host, port, user, password, database: 'postgres', ssl: 'PREFER', hosted: false } as const;
  const session = stack.use(
    await engine.open(
      { ...target, allowInsecureAuthentication: false },
      { signal: new AbortController().signal, label: 'quarry bench' },
    ),
  );
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  await client.connect();
  stack.defer(() => client.end());

  const ways: Record<string, () => Promise<number>> = {
    'pg-cursor': () => byCursor(client, {}),
    'pg-cursor, raw text': () => byCursor(client, { types: { getTypeParser: () => (text: string) => text } }),
    'Session.run': () => bySession(session),
  };
  const times = new Map(Object.keys(ways).map((name): [string, number[]] => [name, []]));
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(ways)) {
      const startedAt = performance.now();
      const seen = await run();
      if (seen !== rows) throw new Error(`${name} gave ${seen} rows`);
      if (round > 0) times.get(name)?.push(performance.now() - startedAt);
    }
  }
  const floor = median(times.get('pg-cursor') ?? []);
  console.log(`${rows} rows, median of ${rounds} interleaved rounds`);
  for (const [name, all] of times) {
    const ms = median(all);
    console.log(`${name.padEnd(20)} ${ms.toFixed(0).padStart(6)} ms   ${(ms / floor).toFixed(2)} x pg-cursor`);
  }
} finally {
  await server.stop();
}
