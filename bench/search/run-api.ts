/**
 * Search through the API, signed in, over HTTP, with `{ __typename }` beside it: what is between the two is the search.
 * `node bench/search/run-api.ts [objects] [databases] [rounds]`, on a PostgreSQL of its own.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { packSnapshot } from '../../src/catalog/snapshots/content.ts';
import { decodeId, uuidv7 } from '../../src/lib/ids.ts';
import { startQuarry } from '../../test/support/server.ts';
import { percentile } from '../support/percentile.ts';
import { serverOf } from '../support/server.ts';
import { seededDatabase, sizesOf } from './seed.ts';

const [objectsText = '1000000', databasesText = '200', roundsText = '300'] = process.argv.slice(2);
const document = 'query ($text: String!) { search(text: $text) { totalCount nodes { kind score path comment } } }';
/** Rounds that do not count: what is compiled while it is used for the first times is not what is served later. */
const warmUps = 30;
const texts = ['id', 'created', 'order id', 'public id', 'public.order_customer.id', 'custmer', 'the', 'i', 'zzzzqqq'];

const server = await serverOf(undefined);
const { host, port, user, password } = server;
const admin = new pg.Client({ host, port, user, password, database: 'postgres' });
await admin.connect();
await admin.query('CREATE DATABASE quarry_search_bench');
await admin.end();
const quarry = await startQuarry({
  env: {
    DATABASE_URL: `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/quarry_search_bench`,
    MASTER_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    PLAYGROUND_URL: 'off',
    // The databases are nowhere: nobody reads them anew meanwhile.
    CATALOG_TTL: '86400',
  },
});
try {
  const account = await quarry.register();
  await seed(decodeId(account.user.id)!.parts[0]!);
  const ask = async (query: string, variables: Record<string, unknown>) => {
    const began = performance.now();
    const { code } = await quarry.execute(query, variables, account);
    return { code, ms: performance.now() - began };
  };
  const began = performance.now();
  while ((await ask(document, { text: 'id' })).code === 'TIMEOUT');
  console.log(
    `first answer after ${((performance.now() - began) / 1_000).toFixed(1)} s\n${' '.repeat(26)}p50 ms   p99 ms`,
  );
  const figures = new Map<string, number[]>(['{ __typename }', ...texts].map((text) => [text, []]));
  for (let round = -warmUps; round < Number(roundsText); round += 1) {
    for (const [text, values] of figures) {
      const { ms } = await (text.startsWith('{') ? ask(text, {}) : ask(document, { text }));
      if (round >= 0) values.push(ms);
    }
  }
  for (const [text, values] of figures) {
    const [p50, p99] = [percentile(values, 0.5), percentile(values, 0.99)];
    console.log(`${text.padEnd(24)} ${p50.toFixed(2).padStart(8)} ${p99.toFixed(2).padStart(8)}`);
  }
} finally {
  await quarry[Symbol.asyncDispose]();
  await server.stop();
}

/** Databases that are nowhere, and the snapshots that were read of them. */
async function seed(ownerId: string): Promise<void> {
  const client = new pg.Client({ host, port, user, password, database: 'quarry_search_bench' });
  await client.connect();
  for (const [number, size] of sizesOf(Number(databasesText), Number(objectsText)).entries()) {
    const { name, snapshot } = seededDatabase(number, size);
    const { content, bytes, version } = await packSnapshot(snapshot);
    const id = uuidv7();
    await client.query(
      `INSERT INTO databases (id, name, owner_id, engine, host, port, database_name, username, ssl_mode, sealed_password,
         allow_insecure_authentication, read_only, hosted, system, capabilities, updated_at)
       VALUES ($1, $2, $3, 'postgresql', 'nowhere.invalid', 5432, 'd', 'u', 'disable', 'none', false, true, false, false, '{}', now())`,
      [id, name, ownerId],
    );
    await client.query(
      `INSERT INTO catalog_snapshots (database_id, version, fingerprint, read_at, bytes, content)
       VALUES ($1, $2, $2, now(), $3, $4)`,
      [id, version, bytes, content],
    );
  }
  await client.end();
}
