/**
 * A nested answer of 20 tables with ten columns and their constraints, signed in, through the whole pipeline: from a
 * snapshot, asked again, and live; beside PostGraphile 5 over the same as rows, and a bare node:http that parses and
 * prints the same. `apt-get install wrk && npm ci --prefix bench && node bench/serving/run.ts [rounds] [seconds] [--profile FOLDER]`
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startQuarry } from '../../test/support/server.ts';
import { seeded } from '../catalogue/seed.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';
import { type Load, type Measured, measure } from './load.ts';
import { freePort, started, startPostgraphile } from './postgraphile.ts';

const tables = 20;
const rounds = Math.max(1, Number(process.argv[2] ?? 5));
const seconds = Math.max(1, Number(process.argv[3] ?? 2));
const profile = process.argv[4] === '--profile' ? process.argv[5] : undefined;
const only = process.argv[6];

const question = `query Page($id: ID!, $first: Int!) {
  database(id: $id) {
    tables(first: $first) {
      totalCount
      nodes {
        name kind comment
        columns { name dataType nullable default primaryKey }
        constraints { name kind columns }
      }
    }
  }
}`;
const connect = `mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }`;
const state = 'query ($id: ID!) { database(id: $id) { catalogReadAt } }';

const folder = await mkdtemp(join(tmpdir(), 'quarry-bench-'));
const server = await serverOf(undefined);
await using stack = new AsyncDisposableStack();
stack.defer(() => server.stop());
stack.defer(() => rm(folder, { recursive: true, force: true }));

const { host, port, user, password } = server;
const database = `bench_catalogue_${tables}`;
const client = await seeded({ host, port, user, password }, tables);
stack.defer(() => client.end());
// Who may not read one of the lists of a snapshot never has one: his answers are live.
await client.query(`CREATE ROLE live LOGIN PASSWORD 'live'; REVOKE SELECT ON pg_catalog.pg_publication FROM PUBLIC`);

const quarry = await startQuarry({
  env: {
    CATALOG_TTL: '86400',
    LOG_LEVEL: 'info',
    NODE_ENV: 'production',
    ...(profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
  },
});
stack.use(quarry);
const { token } = await quarry.register();

async function connected(as: { user: string; password: string }): Promise<string> {
  const input = { name: as.user, connection: { engine: 'POSTGRESQL', host, port, database, ...as } };
  const { data, errors } = await quarry.execute<{ connectDatabase: { database: { id: string } } }, object>(
    connect,
    { input },
    { token },
  );
  if (!data) throw new Error(JSON.stringify(errors));
  return data.connectDatabase.database.id;
}

const headers = { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${token}` };

function asked(id: string, counter: object): Load {
  const body = JSON.stringify({ query: question, variables: { id, first: tables, ...counter } });
  return { url: quarry.url, headers, body, pid: quarry.pid };
}

async function textOf({ url, headers, body }: Load): Promise<string> {
  const text = await (await fetch(url, { method: 'POST', headers, body })).text();
  if (text.includes('"errors"')) throw new Error(text);
  return text;
}

const kept = await connected({ user, password });
const live = await connected({ user: 'live', password: 'live' });
const fromSnapshot = asked(kept, { n: 'COUNTER' });
const lively = asked(live, { n: 'COUNTER' });
const text = await textOf(fromSnapshot);
// The first question has a snapshot read behind it.
for (;;) {
  const { data } = await quarry.execute<{ database: { catalogReadAt: string | null } }, object>(
    state,
    { id: kept },
    { token },
  );
  if (data?.database.catalogReadAt) break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
if ((await textOf(fromSnapshot)) !== text) throw new Error('the snapshot answers something else');
if ((await textOf(lively)).length !== text.length) throw new Error('the live answer is another one');

const postgraphile = await startPostgraphile(client, { host, port, user, password, database });
stack.defer(() => void postgraphile.child.kill());
await writeFile(join(folder, 'answer.json'), text);
const barePort = await freePort();
const bareUrl = `http://127.0.0.1:${barePort}/`;
const bareArgs = ['bench/serving/run-bare.ts', join(folder, 'answer.json'), String(barePort)];
const bare = await started(bareArgs, bareUrl, fromSnapshot.body, headers);
stack.defer(() => void bare.child.kill());

const loads: Record<string, Load> = {
  'node:http': { ...fromSnapshot, url: bareUrl, pid: bare.child.pid! },
  'PostGraphile 5': postgraphile.load,
  'Quarry, snapshot': fromSnapshot,
  'Quarry, asked again': asked(kept, {}),
  'Quarry, live': lively,
};
if (only) for (const name of Object.keys(loads)) if (!name.includes(only)) delete loads[name];

const figures = new Map(Object.keys(loads).map((name): [string, Measured[]] => [name, []]));
// The first round warms up and does not count.
for (let round = 0; round <= rounds; round += 1) {
  for (const [name, load] of Object.entries(loads)) {
    const measured = await measure(load, { seconds, folder });
    if (round > 0) figures.get(name)?.push(measured);
  }
}

console.log(`${text.length} bytes, PostGraphile's ${postgraphile.text.length}; median of ${rounds} interleaved rounds`);
console.log('                        req/s   p99 ms   server CPU us   x PostGraphile   x node:http');
const of = (name: string, key: keyof Measured) => figures.get(name)?.map((one) => one[key]) ?? [];
for (const name of figures.keys()) {
  const ratio = (to: string) =>
    median(of(name, 'perSecond').map((value, round) => value / (of(to, 'perSecond')[round] ?? Number.NaN)));
  console.log(
    name.padEnd(20),
    median(of(name, 'perSecond')).toFixed(0).padStart(8),
    median(of(name, 'p99Ms')).toFixed(1).padStart(8),
    median(of(name, 'cpuUs')).toFixed(0).padStart(15),
    ratio('PostGraphile 5').toFixed(2).padStart(16),
    ratio('node:http').toFixed(2).padStart(13),
  );
}
