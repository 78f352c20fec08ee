/** GQL-4 (2): SQL as chance has it, and texts that nobody expects, through the API. Prints its figures. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import bigListOfNaughtyStrings from 'big-list-of-naughty-strings/blns.json' with { type: 'json' };
import { afterAll, beforeAll, expect, test } from 'vitest';
import { has, pathOf } from '../support/debian.ts';
import { ConnectDocument, SubmitDocument } from '../support/operations.ts';
import { counted, statusesOf } from './queue-moves.ts';
import { bounded, createQueueWorld, limitMs, type QueueWorld, scale, type User } from './queue-world.ts';
import { OutcomeDocument, type Script } from './support.ts';

const statements = { CI: 150, full: 3_000 }[scale];
/** Another one is another run: FUZZ_SEED=… repeats it. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const clients = 16;
/** What chance writes may count all pairs of everything. */
const timeoutMs = 3_000;
const maxRows = 100;

const naughty: readonly string[] = bigListOfNaughtyStrings;

let world: QueueWorld;
let user: User;

beforeAll(async () => {
  world = await createQueueWorld(`
    CREATE ROLE smith LOGIN PASSWORD 'smith';
    CREATE SCHEMA shop AUTHORIZATION smith;
    SET ROLE smith;
    CREATE TABLE shop.customer (id serial PRIMARY KEY, name text NOT NULL, born date, tags text[], details jsonb);
    CREATE TABLE shop."order" (id bigserial PRIMARY KEY, customer_id int REFERENCES shop.customer, total numeric(12, 2),
      placed_at timestamptz DEFAULT now(), paid boolean, note varchar(40), stay daterange, code uuid, seal bytea);
    CREATE VIEW shop.spent AS SELECT customer_id, sum(total) AS total FROM shop."order" GROUP BY customer_id;
    INSERT INTO shop.customer (name, tags) SELECT 'c' || n, ARRAY['a', NULL] FROM generate_series(1, 20) AS n;
    INSERT INTO shop."order" (customer_id, total) SELECT 1 + n % 20, n FROM generate_series(1, 100) AS n;
    RESET ROLE`);
  const account = await world.quarry.register();
  const connection = { ...world.connection, user: 'smith', password: 'smith' };
  const { connectDatabase } = await world.quarry.ask(ConnectDocument, { input: { name: 'Shop', connection } }, account);
  user = { account, databaseId: connectDatabase.database.id };
});
afterAll(() => world?.[Symbol.asyncDispose]());

/** Submits all, some at a time, and resolves when those that were accepted have ended; the rest is told by its code. */
async function runAll(scripts: readonly ({ sql: string } & Script)[]) {
  const { quarry } = world;
  const accepted: string[] = [];
  const refusals: Record<string, number> = {};
  const answers: { status: number; code: string | undefined }[] = [];
  await bounded(scripts.length, clients, async (index) => {
    const input = { target: { databaseId: user.databaseId }, timeoutMs, maxRows, ...scripts[index]! };
    const { status, code, data } = await quarry.execute(SubmitDocument, { input }, user.account);
    if (data) accepted.push(data.submitQuery.job.id);
    else refusals[String(code)] = (refusals[String(code)] ?? 0) + 1;
    answers.push({ status, code });
  });
  const uuids = accepted.map(world.uuidOf);
  await world.untilFinal(uuids);
  return { accepted, refusals, answers, ends: counted((await statusesOf(world.metadata, uuids)).values()) };
}

/** Nothing that was asked for has cost the server, a worker or a connection. */
async function unharmed(what: string, { refusals, answers, ends }: Awaited<ReturnType<typeof runAll>>): Promise<void> {
  const workers = world.quarry.log.filter(({ msg }) => msg === 'worker.started').length;
  const { rows: left } = await world.target.query(
    `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'quarry job:%' AND state <> 'idle'`,
  );
  const faults = answers.filter(({ status, code }) => status >= 500 || code === 'INTERNAL').length;
  console.info(
    `GQL-4 (${scale}) ${what}: ended ${JSON.stringify(ends)}, refused ${JSON.stringify(refusals)}, faults ${faults}, ` +
      `workers lost ${workers - 1}, statements left ${left.length}`,
  );
  expect({ workers, faults, left: left.length }).toEqual({ workers: 1, faults: 0, left: 0 });
  expect(Object.keys(ends).filter((status) => !['succeeded', 'failed'].includes(status))).toEqual([]);
}

test.runIf(has('sqlsmith'))(
  'whatever SQL chance has written, every job ends, the worker lives, and nothing is left in the target',
  async () => {
    const { host, port, database } = world.connection;
    const target = `host=${host} port=${port} dbname=${database} user=smith`;
    const { stdout } = await promisify(execFile)(
      pathOf('sqlsmith'),
      [`--target=${target}`, '--dry-run', `--max-queries=${statements}`, `--seed=${seed}`],
      { env: { PGPASSWORD: 'smith' }, maxBuffer: 2 ** 28 },
    );
    const texts = stdout.split(/;\n/).filter((text) => text.trim() !== '');
    expect(texts.length).toBeGreaterThanOrEqual(statements);
    const outcome = await runAll(texts.map((sql) => ({ sql })));
    await unharmed(`${texts.length} statements of sqlsmith, seed ${seed}`, outcome);
    // Chance that is always wrong, or never, has tried nothing.
    expect(Object.keys(outcome.ends).toSorted()).toEqual(['failed', 'succeeded']);
  },
  limitMs,
);

test(
  'a text that nobody expects, as SQL, ends as a job or is refused',
  async () => unharmed(`${naughty.length} texts as SQL`, await runAll(naughty.map((sql) => ({ sql })))),
  limitMs,
);

test(
  'a text that nobody expects, as the name and as a parameter, comes back as it was',
  async () => {
    const outcome = await runAll(
      // A name that is blank is refused.
      naughty.map((text) => ({
        sql: 'select $1::text',
        parameters: [text],
        name: text.trim().slice(0, 100) || 'blank',
      })),
    );
    await unharmed(`${naughty.length} texts as parameters and names`, outcome);
    const back = await Promise.all(
      outcome.accepted.map(async (id) => {
        const { job } = await world.quarry.ask(OutcomeDocument, { id }, user.account);
        return (job!.results.nodes[0]!.rows!.rows as [string][])[0]![0];
      }),
    );
    expect(back.toSorted()).toEqual(naughty.toSorted());
  },
  limitMs,
);
