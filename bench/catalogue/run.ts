/**
 * How dear the catalogue is beside a hand-written read of the same data, on databases of 100, 1,000 and 10,000 tables:
 * a snapshot of the whole beside the four kinds that matter most and beside every kind (all kinds), those four read live (four
 * kinds), a page of 20 tables of one schema (page) and of all (db page).
 * `node bench/catalogue/run.ts [postgres URL of a superuser] [rounds] [tables …]`; without a URL, or with `-`, on a PostgreSQL of
 * its own.
 */
import type { Catalog, Relation, RelationsWithin } from '../../src/engines/catalog.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';
import { catalogOf, options } from './catalog.ts';
import { readAll, readEverything, readPage } from './hand.ts';
import { seeded } from './seed.ts';

const pageSize = 20;
/** After the fifth time a server decides whether it keeps the plan of a statement. */
const warmRounds = 6;

/** What a nested query asks for: tables with columns, indexes, constraints, and foreign keys in both directions. */
async function read(catalog: Catalog, within: RelationsWithin, limit?: number): Promise<number> {
  const [tables = []] = await catalog.relationPages(within, {}, { limit }, options);
  const kinds = [catalog.columns, catalog.indexes, catalog.constraints, catalog.foreignKeys, catalog.referencedBy];
  let found = tables.length;
  for (const kind of kinds) found += (await kind(tables satisfies Relation[], options)).length;
  return found;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

const [url, roundsText = '5', ...sizeTexts] = process.argv.slice(2);
const sizes = sizeTexts.length > 0 ? sizeTexts.map(Number) : [100, 1_000, 10_000];
const server = await serverOf(url === '-' ? undefined : url);
const rounds = Math.max(3, Number(roundsText));
console.log(`median of ${rounds} interleaved rounds\ntables  read        by hand ms   ours ms   ratio`);
const medians = new Map<string, number>();
try {
  for (const size of sizes) {
    await using stack = new AsyncDisposableStack();
    const client = await seeded(server, size);
    stack.defer(() => client.end());
    const catalog = stack.use(catalogOf(client));
    const pairs = {
      whole: [() => readAll(client), () => catalog.snapshot({ ...options, reach: 'SERVER' })],
      'all kinds': [() => readEverything(client), () => catalog.snapshot({ ...options, reach: 'SERVER' })],
      'four kinds': [() => readAll(client), () => read(catalog, { database: true })],
      page: [() => readPage(client, pageSize, 's0'), () => read(catalog, { schemas: ['s0'] }, pageSize)],
      'db page': [() => readPage(client, pageSize, null), () => read(catalog, { database: true }, pageSize)],
    } as const;
    for (const [name, [hand, ours]] of Object.entries(pairs)) {
      for (let warm = 0; warm < warmRounds; warm += 1) {
        await hand();
        await ours();
      }
      const times: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        times[0].push(await timed(hand));
        times[1].push(await timed(ours));
      }
      const [byHand, own] = [median(times[0]), median(times[1])];
      medians.set(`${name} ${size}`, own);
      console.log(
        `${String(size).padStart(6)}  ${name.padEnd(10)}  ${byHand.toFixed(1).padStart(10)}  ${own.toFixed(1).padStart(8)}  ${(own / byHand).toFixed(2).padStart(6)}`,
      );
    }
  }
  const growth = (name: string, from: number, to: number) =>
    (medians.get(`${name} ${to}`)! / medians.get(`${name} ${from}`)!).toFixed(2);
  if (sizes.includes(1_000) && sizes.includes(10_000)) {
    console.log(`growth of the whole, 1,000 to 10,000 tables: x${growth('whole', 1_000, 10_000)}`);
  }
  if (sizes.includes(100) && sizes.includes(10_000)) {
    console.log(
      `growth of a page, 100 to 10,000 tables: x${growth('page', 100, 10_000)}, of a database: x${growth('db page', 100, 10_000)}`,
    );
  }
} finally {
  await server.stop();
}
