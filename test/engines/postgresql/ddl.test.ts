/**
 * Statements that make a database again: they run on an empty one, and what they make is what they were made from. Real
 * schemas need DEBIAN_SCHEMAS, and what pg_dump says of both needs PostgreSQL 15: see test/support.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprintOf } from '../../../src/catalog/snapshots/fingerprint.ts';
import type { Catalog, DdlSelection, QualifiedName } from '../../../src/engines/catalog.ts';
import { createPostgresqlCatalog } from '../../../src/engines/postgresql/catalog.ts';
import { createReader } from '../../../src/engines/postgresql/reader.ts';
import { createEgress } from '../../../src/lib/egress.ts';
import { catalogOf, fixture } from '../../catalog/target.ts';
import { createTestDatabase, type TestDatabase, type TestServer } from '../../support/databases.ts';
import { debianSchemas } from '../../support/debian-schemas.ts';
import { dumpOf, hasPostgres15, startPostgres15 } from '../../support/postgres-15.ts';
import { hardSchema } from './hard-schema.ts';
import { targetOf } from './support.ts';

const dial = createEgress({ allowPrivateHosts: ['127.0.0.1/32'], denied: () => [] });

const options = { signal: new AbortController().signal };
const kinds = (name: string) => readFileSync(new URL(`ddl/${name}.sql`, import.meta.url), 'utf8');
const kinds15 = kinds('kinds') + kinds('kinds-15');
const kinds18 = kinds15 + kinds('kinds-18');

/** The sample without its rows. */
const sample = ['schema', 'relations', 'functions', 'events', 'views', 'policies']
  .map((name) => new URL(`../../../src/databases/templates/makeyourspace/${name}.sql`, import.meta.url))
  .map((url) => readFileSync(url, 'utf8'))
  .join('\n');

const everything: [name: string, sql: () => Promise<string> | string][] = [
  ['the sample', () => sample],
  ['every kind of object', () => kinds18],
  ['names that are hard to carry', () => fixture],
  ...debianSchemas,
];

const fingerprint = async (catalog: Catalog) => fingerprintOf(await catalog.snapshot({ ...options, reach: 'SERVER' }));

/** Without the line that names the database, and what is left out of it. */
const statements = (ddl: string) =>
  ddl
    .replace(/^-- Database .*$/m, '')
    .replace(/\n-- Left out: .*$/gm, '')
    .trim();

async function copyOf(ddl: string, server?: TestServer): Promise<TestDatabase> {
  const copy = await createTestDatabase('', server);
  try {
    await copy.client.query(ddl);
    // The script has emptied it.
    await copy.client.query('RESET ALL');
    return copy;
  } catch (error) {
    await copy[Symbol.asyncDispose]();
    throw error;
  }
}

describe.each([...everything, ['what is hard to carry', () => hardSchema] as const])(
  'the statements of %s',
  (_name, sql) => {
    test('make it again on an empty database', async () => {
      await using database = await createTestDatabase(await sql());
      await database.client.query('RESET ALL');
      const { catalog } = catalogOf(database.client);
      const ddl = await catalog.ddl(options);
      await using copy = await copyOf(ddl);
      const copied = catalogOf(copy.client).catalog;
      expect(statements(await copied.ddl(options))).toBe(statements(ddl));
      expect(await fingerprint(copied)).toBe(await fingerprint(catalog));
    });

    test('make each of its tables again alone, with what that needs', async () => {
      await using database = await createTestDatabase(await sql());
      await database.client.query('RESET ALL');
      const { catalog } = catalogOf(database.client);
      const [tables = []] = await catalog.relationPages({ database: true }, {}, {}, options);
      const some = tables.filter((_, place) => place % Math.ceil(tables.length / 5) === 0);
      const scripts = await catalog.ddlOf(
        some.map((table) => ({ schemas: [], tables: [table] })),
        options,
      );
      for (const [place, table] of some.entries()) {
        await using copy = await copyOf(scripts[place] ?? '');
        const [again] = await catalogOf(copy.client).catalog.ddlOf([{ schemas: [], tables: [table] }], options);
        expect(statements(again ?? ''), table.name).toBe(statements(scripts[place] ?? ''));
      }
    });
  },
);

describe.runIf(hasPostgres15)('on PostgreSQL 15', () => {
  let server: Awaited<ReturnType<typeof startPostgres15>>;
  beforeAll(async () => {
    server = await startPostgres15();
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  const there = everything.map(([name, sql]) => [name, name === 'every kind of object' ? () => kinds15 : sql] as const);
  test.each(there)('pg_dump says the same of %s and of its copy', async (_name, sql) => {
    await using database = await createTestDatabase(await sql(), server);
    await using copy = await copyOf(await catalogOf(database.client).catalog.ddl(options), server);
    const [original, copied] = await Promise.all([database, copy].map((one) => dumpOf(server, one.database)));
    // Its options are where a password is.
    const mapping = /--\n-- Name: USER MAPPING [^;]*;[^;]*;[^;]*;[^;]*;\n\n\n/g;
    expect(original).toContain('CREATE ');
    expect(copied).toBe(original!.replace(mapping, ''));
  });

  test('a generated column that is a table’s own and its parent’s is made again', async () => {
    const sql = `CREATE TABLE heights (height integer, twice integer GENERATED ALWAYS AS (height * 2) STORED);
      CREATE TABLE own_heights (LIKE heights INCLUDING GENERATED); ALTER TABLE own_heights INHERIT heights`;
    await using database = await createTestDatabase(sql, server);
    const { catalog } = catalogOf(database.client);
    await using copy = await copyOf(await catalog.ddl(options), server);
    expect(await fingerprint(catalogOf(copy.client).catalog)).toBe(await fingerprint(catalog));
  });
});

describe('statements', () => {
  let database: TestDatabase;
  let catalog: Catalog;
  beforeAll(async () => {
    database = await createTestDatabase(kinds18);
    ({ catalog } = catalogOf(database.client));
  });
  afterAll(async () => database[Symbol.asyncDispose]());

  const of = async (selection: Partial<DdlSelection>) => {
    const [ddl] = await catalog.ddlOf([{ schemas: [], tables: [], ...selection }], options);
    return ddl ?? '';
  };
  const table = (name: string): QualifiedName => ({ schema: 'app', name });

  test('of a table hold what belongs to it', async () => {
    const ddl = await of({ tables: [table('customers')] });
    for (const part of [
      'CREATE TYPE app.mood AS ENUM',
      'CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA app',
      'CREATE TABLE app.customers',
      'CREATE INDEX customers_lower_idx',
      'CREATE STATISTICS app.customers_statistics',
      'CREATE TRIGGER customers_audit',
      'CREATE POLICY everyone_reads',
      'ADD CONSTRAINT customers_pkey PRIMARY KEY',
      `COMMENT ON TABLE app.customers IS 'Who buys'`,
    ]) {
      expect(ddl).toContain(part);
    }
    expect(ddl).not.toContain('CREATE VIEW');
    expect(ddl).not.toContain('CREATE EVENT TRIGGER');
  });

  test('of a table hold of the one that it refers to what the key needs, and not what that refers to', async () => {
    const ddl = await of({ tables: [table('circle_a')] });
    expect(ddl).toContain('ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES app.circle_b(id)');
    expect(ddl).toContain('ADD CONSTRAINT circle_b_pkey PRIMARY KEY');
    expect(ddl).not.toContain('REFERENCES app.circle_a');
  });

  test('of a partitioned table hold its partitions; of a partition its parent without the others', async () => {
    expect(await of({ tables: [table('orders')] })).toContain('ATTACH PARTITION app.orders_2026');
    const partition = await of({ tables: [table('orders_2025')] });
    expect(partition).toContain('ATTACH PARTITION app.orders_2025');
    expect(partition).not.toContain('app.orders_2026');
  });

  test('bring a function that is only named in the body of another one', async () => {
    expect(await of({ tables: [table('calling')] })).toContain('CREATE FUNCTION app.calls_z()');
    expect(await of({ tables: [table('customers')] })).toContain('CREATE FUNCTION app.add(');
  });

  test('of a view hold the views and tables that it reads', async () => {
    const ddl = await of({ tables: [table('cascaded')] });
    expect(ddl.indexOf('CREATE TABLE app.customers')).toBeGreaterThan(0);
    expect(ddl.indexOf('CREATE VIEW app.checked')).toBeGreaterThan(ddl.indexOf('CREATE TABLE app.customers'));
    expect(ddl.indexOf('CREATE VIEW app.cascaded')).toBeGreaterThan(ddl.indexOf('CREATE VIEW app.checked'));
  });

  test('of a schema hold all that is in it, with what it needs from others, and nothing of the database as a whole', async () => {
    const ddl = await of({ schemas: ['Select'] });
    expect(ddl).toContain('CREATE TABLE "Select"."select"');
    expect(ddl).toContain('CREATE TABLE app.customers');
    expect(ddl).not.toContain('PUBLICATION');
    expect(ddl).not.toContain('CREATE TABLE app.places');
    await using copy = await copyOf(ddl);
    const [again] = await catalogOf(copy.client).catalog.ddlOf([{ schemas: ['Select'], tables: [] }], options);
    expect(statements(again ?? '')).toBe(statements(ddl));
  });

  test('of schemas and tables together hold both, each thing once', async () => {
    const ddl = await of({ schemas: ['Select'], tables: [table('places'), table('customers')] });
    expect(ddl.match(/CREATE TABLE app\.customers /g)).toHaveLength(1);
    expect(ddl).toContain('CREATE TABLE app.places');
    expect(ddl).toContain('CREATE TABLE "Select"."select"');
  });

  test('of names that nothing has are none', async () => {
    const nothing = { schemas: ['no such\0schema'], tables: [table('nothing of that name')] };
    const found = { schemas: [], tables: [table('places')] };
    expect(await catalog.ddlOf([nothing, found], options)).toEqual([null, expect.stringContaining('app.places')]);
  });

  test('name what they leave out, and hold no password', async () => {
    const ddl = await catalog.ddl(options);
    expect(ddl).toContain(
      '-- Left out: user mapping for public on server "far away": its options may hold a password.',
    );
    expect(ddl).not.toContain('not to be seen');
  });

  test.each([
    ['reads backslashes as escapes', 'standard_conforming_strings = off'],
    ['quotes every name', 'quote_all_identifiers = on'],
  ])('are the same where the database %s', async (_how, setting) => {
    await using own = await createTestDatabase(
      String.raw`CREATE TABLE codes (code text DEFAULT '\x' CHECK (code ~ '^\d+$'), packed bytea DEFAULT '\x00ff')`,
    );
    const { catalog: read } = catalogOf(own.client);
    const ddl = await read.ddl(options);
    await own.client.query(`SET ${setting}`);
    expect(statements(await read.ddl(options))).toBe(statements(ddl));
  });

  test('cannot be led astray by a name of two lines', async () => {
    await using odd = await createTestDatabase(`
      CREATE FOREIGN DATA WRAPPER bare;
      CREATE SERVER "x
DROP TABLE kept; --" FOREIGN DATA WRAPPER bare;
      CREATE USER MAPPING FOR public SERVER "x
DROP TABLE kept; --";
      CREATE TABLE "it's; -- /* ""all"" \\ $$ 😀
here" ("select" text DEFAULT E'\\\\ '' \n $$');
      COMMENT ON TABLE "it's; -- /* ""all"" \\ $$ 😀
here" IS E'a\\nb';`);
    const ddl = await catalogOf(odd.client).catalog.ddl(options);
    await using copy = await copyOf(`CREATE TABLE public.kept ();\n${ddl}`);
    const { rows } = await copy.client.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    expect(rows).toEqual([{ relname: `it's; -- /* "all" \\ $$ 😀\nhere` }, { relname: 'kept' }]);
  });

  test('keep the roles that a policy is for', async () => {
    await using own = await createTestDatabase(`CREATE TABLE t (); CREATE POLICY p ON t TO CURRENT_USER`);
    expect(await catalogOf(own.client).catalog.ddl(options)).toContain(`CREATE POLICY p ON public.t TO ${own.user}`);
  });

  test('are of one moment, whatever is changed and committed meanwhile', async () => {
    await using busy = await createTestDatabase(
      'CREATE TABLE first (id integer PRIMARY KEY); CREATE VIEW seen AS SELECT id FROM first;',
    );
    const reader = createReader({ dial }, targetOf(busy));
    let changed = false;
    const watched = createPostgresqlCatalog({
      ...reader,
      transaction: (work, reading) =>
        reader.transaction(
          (ask) =>
            work(async (text, values) => {
              if (!changed && text.includes('pg_get_viewdef')) {
                changed = true;
                await busy.client.query(
                  'ALTER TABLE first RENAME id TO number; DROP VIEW seen; CREATE TABLE second ()',
                );
              }
              return ask(text, values);
            }),
          reading,
        ),
    });
    const ddl = await watched.ddl(options);
    expect(changed).toBe(true);
    expect(ddl).toBe(await watched.ddl(options));
    expect(ddl).toContain('CREATE TABLE public.second');
    await reader.close();
  });
});
