/**
 * Whatever pg_dump of PostgreSQL 15 lists is in the snapshot that the graph answers from, and said the same; and what is
 * asked of the target instead is the same again. Real schemas need DEBIAN_SCHEMAS: see test/support.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Catalog, Within } from '../../../src/engines/catalog.ts';
import type { CatalogSnapshot } from '../../../src/engines/snapshot.ts';
import { catalogOf, fixture } from '../../catalog/target.ts';
import { fromSnapshot } from '../../catalog/ways.ts';
import { createTestDatabase, type TestServer } from '../../support/databases.ts';
import { debianSchemas } from '../../support/debian-schemas.ts';
import { type DumpEntry, entriesOf } from '../../support/dump-entries.ts';
import { hasPostgres15, startPostgres15, verboseDumpOf } from '../../support/postgres-15.ts';
import { dumped } from './dumped.ts';
import { hardSchema } from './hard-schema.ts';

const options = { signal: new AbortController().signal, reach: 'SERVER' } as const;
const kinds = (name: string) => readFileSync(new URL(`ddl/${name}.sql`, import.meta.url), 'utf8');

/** Kinds that no snapshot holds, with the reason. */
const leftOut: Record<string, string> = {
  'SHELL TYPE': 'a type that is not made yet',
  'USER MAPPING': 'holds a password',
};

const isLeftOut = ({ kind, name }: DumpEntry): boolean =>
  kind in leftOut || (kind === 'COMMENT' && Object.keys(leftOut).some((left) => name.startsWith(`${left} `)));

/** Whatever may be quoted: names, and the values of options. */
const namesIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value, value.replace(/^[^=]*=/, '')];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === 'definition' ? [] : namesIn(inner)));
};

/** The queries behind views are pretty in the graph, as psql shows them: without the parentheses that pg_dump keeps. */
const says = (sql: string, part: string): boolean => sql.includes(part) || bare(sql).includes(bare(part));
const bare = (sql: string) => sql.replaceAll(/[()]/g, '').replaceAll(/\s+/g, ' ').replaceAll(/ ?;/g, '');

/** All that is said differently, and what is on one side alone. */
function differences(
  snapshot: CatalogSnapshot,
  entries: readonly DumpEntry[],
  quoted: ReadonlyMap<string, string>,
): string[] {
  const { objects, statements } = dumped(snapshot, entries, quoted);
  const found: string[] = [];
  const ids = new Set(objects.keys());
  const left = new Set(statements);
  for (const entry of entries.filter((one) => !isLeftOut(one))) {
    const told = `${entry.kind} ${entry.schema} ${entry.name}`;
    const parts = entry.id === null ? undefined : objects.get(entry.id);
    for (const part of parts ?? []) if (!says(entry.sql, part)) found.push(`${told}: no ${part} in ${entry.sql}`);
    ids.delete(entry.id ?? '');
    const said = statements.filter((statement) => entry.sql.includes(statement));
    for (const statement of said) left.delete(statement);
    if (!parts && said.length === 0) found.push(`${told}: not in the snapshot: ${entry.sql}`);
  }
  return [...found, ...[...ids, ...left].map((one) => `not in the dump: ${one} ${objects.get(one)?.join() ?? ''}`)];
}

const kinds15 = kinds('kinds') + kinds('kinds-15');
const others: [name: string, sql: () => Promise<string> | string][] = [
  ['names that are hard to carry', () => fixture],
  ...debianSchemas,
];
const on15 = [['every kind of object', () => kinds15] as const, ...others];
const on18 = [
  ['every kind of object', () => kinds15 + kinds('kinds-18')] as const,
  ['what is hard to carry', () => hardSchema] as const,
  ...others,
];

describe.runIf(hasPostgres15)('on PostgreSQL 15', () => {
  let server: Awaited<ReturnType<typeof startPostgres15>>;
  beforeAll(async () => {
    server = await startPostgres15();
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  test.each(on15)(
    'each object that pg_dump lists of %s is in the snapshot, with its definition',
    async (_name, sql) => {
      await using database = await createTestDatabase(await sql(), server);
      const snapshot = await catalogOf(database.client).catalog.snapshot(options);
      const entries = entriesOf(await verboseDumpOf(server, database.database));
      const { rows } = await database.client.query<{ name: string; quoted: string }>(
        'select distinct name, quote_ident(name) as quoted from unnest($1::text[]) name',
        [namesIn(snapshot)],
      );
      expect(entries.length).toBeGreaterThan(10);
      expect(differences(snapshot, entries, new Map(rows.map(({ name, quoted }) => [name, quoted])))).toEqual([]);
    },
  );

  test.each(on15)('what is read of %s one by one is what the snapshot holds', async (_name, sql) => {
    await expectSameEitherWay(await sql(), server);
  });
});

test.each(on18)('what is read of %s one by one on PostgreSQL 18 is what the snapshot holds', async (_name, sql) => {
  await expectSameEitherWay(await sql());
});

const partNames = [
  'domains',
  'compositeTypes',
  'rangeTypes',
  'eventTriggers',
  'publications',
  'foreignDataWrappers',
  'foreignServers',
  'others',
] as const;

async function expectSameEitherWay(sql: string, server?: TestServer): Promise<void> {
  await using database = await createTestDatabase(sql, server);
  await database.client.query(`set search_path = ''`);
  const { catalog: live } = catalogOf(database.client);
  const kept = await fromSnapshot(live, options);
  const [[relations = []], [routines = []]] = await Promise.all([
    live.relationPages({ database: true }, {}, {}, options),
    live.routinePages({ database: true }, {}, {}, options),
  ]);
  const schemas = (await live.schemas({ includeSystem: false }, options)).map(({ name }) => name);
  const reads: Record<string, (catalog: Catalog) => Promise<unknown>> = {
    relations: (catalog) => catalog.relationPages({ database: true }, {}, {}, options),
    columns: (catalog) => catalog.columns(relations, options),
    indexes: (catalog) => catalog.indexes(relations, options),
    constraints: (catalog) => catalog.constraints(relations, options),
    foreignKeys: (catalog) => catalog.foreignKeys(relations, options),
    referencedBy: (catalog) => catalog.referencedBy(relations, options),
    triggers: (catalog) => catalog.triggers(relations, options),
    policies: (catalog) => catalog.policies(relations, options),
    rules: (catalog) => catalog.rules(relations, options),
    details: (catalog) => catalog.details(relations, options),
    columnDetails: async (catalog) =>
      (await catalog.columnDetails(relations, options)).map((ofOne) => [...ofOne].sort()),
    origins: (catalog) => catalog.origins(relations, options),
    children: (catalog) => catalog.relationPages({ childrenOf: relations }, {}, {}, options),
    parts: async (catalog) => {
      const parts = await catalog.parts(options);
      return partNames.map((name) => parts[name]);
    },
    definitions: (catalog) => catalog.definitions(relations, options),
    partitions: (catalog) => catalog.relationPages({ partitionsOf: relations }, {}, {}, options),
    enums: (catalog) => catalog.enums({ database: true }, options),
    sequences: (catalog) => catalog.sequences(schemas, options),
    routines: (catalog) => catalog.routinesByName(routines, options),
    extensions: (catalog) => catalog.extensions(options),
  };
  const hard = ['nowhere', '', 'pg_catalog', '__proto__', 'a\0b'];
  const groups: Within[] = [{ database: true }, { schemas: [...schemas, ...hard] }];
  for (const within of groups) {
    for (const search of ['', 'a', 'A', 'İ', 'ẞ', '%', '_', '\\', "'", '\0', 'upper', 'Ü', 'x'.repeat(300), ' ']) {
      const [told, filter] = [`${search} in ${Object.keys(within).join()}`, { search }];
      const behind = { limit: 4, after: { schema: 'public', name: 'a' }, before: { schema: '\uFFFD', name: 'x' } };
      const before = { limit: 4, backward: true, before: { schema: 'public', name: 'gen' } };
      reads[`tables like ${told}`] = (catalog) => catalog.relationPages(within, filter, { limit: 5 }, options);
      reads[`views like ${told}`] = (catalog) =>
        catalog.relationPages(within, { search, kinds: ['VIEW'] }, behind, options);
      reads[`tables before ${told}`] = (catalog) => catalog.relationPages(within, filter, before, options);
      reads[`how many like ${told}`] = (catalog) => catalog.relationCounts(within, filter, options);
      reads[`functions like ${told}`] = (catalog) => catalog.routinePages(within, filter, { limit: 5 }, options);
      reads[`how many functions like ${told}`] = (catalog) => catalog.routineCounts(within, filter, options);
    }
  }
  for (const [what, read] of Object.entries(reads)) {
    expect(JSON.parse(JSON.stringify(await read(kept))), what).toEqual(JSON.parse(JSON.stringify(await read(live))));
  }
}
