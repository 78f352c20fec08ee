/**
 * What is made of a snapshot, and the statements that make a database again, each beside the read of the snapshot itself:
 * fingerprint, packing, opening, and the difference to a catalogue in which one table of a hundred was altered.
 * `node bench/catalogue/run-snapshots.ts [postgres URL of a superuser] [rounds] [tables …]`; without a URL, or with `-`, on a
 * PostgreSQL of its own.
 */
import type pg from 'pg';
import { differenceOf } from '../../src/catalog/drift/difference.ts';
import { packSnapshot, unpackSnapshot } from '../../src/catalog/snapshots/content.ts';
import { fingerprintOf } from '../../src/catalog/snapshots/fingerprint.ts';
import { createSnapshotIndex } from '../../src/catalog/snapshots/snapshot-index.ts';
import { median } from '../support/median.ts';
import { serverOf } from '../support/server.ts';
import { catalogOf, options } from './catalog.ts';
import { seeded } from './seed.ts';

const [url, roundsText = '3', ...sizeTexts] = process.argv.slice(2);
const sizes = sizeTexts.length > 0 ? sizeTexts.map(Number) : [1_000, 10_000];
const rounds = Math.max(3, Number(roundsText));
const reading = { ...options, reach: 'SERVER' } as const;

/** Of each hundredth table: one column more, one renamed, one index less. */
async function alter(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ table: string; index: string }>(
    `select c.oid::regclass::text as table, min(i.indexrelid::regclass::text) as index
     from pg_class c join pg_index i on i.indrelid = c.oid and not i.indisunique
     where c.relkind = 'r' and c.relname ~ '00$' and c.relnamespace::regnamespace::text ~ '^s[0-9]$' group by 1`,
  );
  for (const { table, index } of rows) {
    await client.query(
      `alter table ${table} add column late date; alter table ${table} rename column name to title; drop index ${index}`,
    );
  }
  return rows.length;
}

const server = await serverOf(url === '-' ? undefined : url);
console.log(`median of ${rounds} rounds\ntables  what          ms   × the read of a snapshot`);
const medians = new Map<string, number>();
try {
  for (const size of sizes) {
    const client = await seeded(server, size);
    try {
      await using catalog = catalogOf(client);
      const before = await catalog.snapshot(reading);
      const altered = await alter(client);
      const after = await catalog.snapshot(reading);
      const packed = await packSnapshot(before);
      let changes = 0;
      let characters = 0;
      const works: Record<string, () => Promise<unknown>> = {
        snapshot: () => catalog.snapshot(reading),
        fingerprint: () => fingerprintOf(before),
        pack: () => packSnapshot(before),
        open: async () => createSnapshotIndex(await unpackSnapshot(packed.content)),
        difference: async () => {
          changes = (await differenceOf(before, after)).length;
        },
        nothing: () => differenceOf(before, before),
        ddl: async () => {
          characters = (await catalog.ddl(options)).length;
        },
      };
      const times = new Map(Object.keys(works).map((what): [string, number[]] => [what, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const [what, work] of Object.entries(works)) {
          const began = performance.now();
          await work();
          times.get(what)?.push(performance.now() - began);
        }
      }
      const read = median(times.get('snapshot') ?? []);
      for (const [what, values] of times) {
        const ms = median(values);
        medians.set(`${what} ${size}`, ms);
        console.log(
          `${String(size).padStart(6)}  ${what.padEnd(11)} ${ms.toFixed(0).padStart(6)}   ${(ms / read).toFixed(2)}`,
        );
      }
      console.log(
        `${String(size).padStart(6)}  ${changes} changes of ${altered} tables, ${characters} characters of DDL, ${packed.content.length} bytes kept, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
      );
    } finally {
      await client.end();
    }
  }
  const [small, large] = [sizes.at(0), sizes.at(-1)];
  for (const what of ['snapshot', 'difference', 'ddl']) {
    const growth = medians.get(`${what} ${large}`)! / medians.get(`${what} ${small}`)!;
    console.log(`growth of ${what}, ${small} to ${large} tables: x${growth.toFixed(2)}`);
  }
} finally {
  await server.stop();
}
