/** A whole catalogue at one moment: that it holds what the reads by name give, and nothing that is not the user's. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/engines/catalog.ts';
import type { CatalogSnapshot } from '../../../src/engines/snapshot.ts';
import { catalogOf, fixture } from '../../catalog/target.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';

const options = { signal: new AbortController().signal };
const reading = { ...options, reach: 'SERVER' } as const;

let database: TestDatabase;
let catalog: Catalog;
let snapshot: CatalogSnapshot;

beforeAll(async () => {
  database = await createTestDatabase(fixture);
  ({ catalog } = catalogOf(database.client));
  await database.client.query(`set search_path = ''`);
  snapshot = await catalog.snapshot(reading);
});
afterAll(async () => database[Symbol.asyncDispose]());

const named = (name: string) => snapshot.relations.find((relation) => relation.name === name)!;

describe('a snapshot', () => {
  test('holds of every relation what a read of it gives', async () => {
    const [relations] = await catalog.relationPages({ database: true }, {}, {}, options);
    expect(snapshot.relations.map(({ schema, name }) => ({ schema, name }))).toEqual(
      relations!.map(({ schema, name }) => ({ schema, name })),
    );
    expect(snapshot.relations).toMatchObject(relations!);
    const kinds = ['columns', 'indexes', 'constraints', 'foreignKeys', 'triggers', 'policies'] as const;
    for (const kind of kinds) {
      const live = await catalog[kind](relations!, options);
      snapshot.relations.forEach((relation, place) => {
        expect(relation[kind], `${kind} of ${relation.name}`).toHaveLength(live[place]!.length);
        expect(relation[kind], `${kind} of ${relation.name}`).toMatchObject(live[place]!);
      });
    }
    expect(snapshot.relations.map(({ definition }) => definition)).toEqual(
      await catalog.definitions(relations!, options),
    );
  });

  test('holds schemas, types, sequences, functions, extensions and roles as a read of them gives', async () => {
    expect(snapshot.schemas).toMatchObject(await catalog.schemas({ includeSystem: false }, options));
    const [enums] = await catalog.enums({ database: true }, options);
    expect(snapshot.enums).toMatchObject(enums!);
    const sequences = await catalog.sequences(['public', 'shop'], options);
    expect(snapshot.sequences).toMatchObject(sequences.flat());
    const [routines] = await catalog.routinePages({ schemas: ['shop'] }, {}, {}, options);
    expect(snapshot.routines).toMatchObject(routines!);
    expect(snapshot.extensions).toMatchObject(await catalog.extensions(options));
    // Other tests make roles on the same server meanwhile.
    const [superuser] = (await catalog.roles('SERVER', options)).filter(({ name }) => name === 'postgres');
    expect(snapshot.roles).toContainEqual(superuser);
    expect(snapshot).toMatchObject({
      database: database.database,
      serverVersion: await catalog.serverVersion(options),
    });
  });

  test('keeps what an extension made apart', () => {
    expect(snapshot.extensionMembers.routines.map(({ name }) => name)).toEqual([
      'file_fdw_handler',
      'file_fdw_validator',
    ]);
    expect(snapshot.foreignDataWrappers).toEqual([]);
  });

  test('is plain data', () => {
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
  });

  test.each([
    ['reads backslashes as escapes', 'standard_conforming_strings = off'],
    ['quotes every name', 'quote_all_identifiers = on'],
  ])('is the same where the database %s', async (_how, setting) => {
    await using own = await createTestDatabase(String.raw`
      CREATE TYPE pair AS (a integer, b text);
      CREATE DOMAIN code AS text CHECK (value ~ '^\d+$');
      CREATE TABLE codes (code code DEFAULT '\x', two pair, CHECK (code <> '\'));
      CREATE VIEW seen AS SELECT code FROM codes WHERE code <> '\d';
      CREATE FUNCTION first_of(codes) RETURNS text LANGUAGE sql AS 'select $1.code'`);
    const { catalog: read } = catalogOf(own.client);
    const [whole, parts] = [await read.snapshot(reading), await read.parts(options)];
    await own.client.query(`SET ${setting}`);
    const { roles: _all, ...again } = await read.snapshot(reading);
    expect(whole).toMatchObject(again);
    expect(await read.parts(options)).toEqual(parts);
  });

  test('tells partitions, parents and options', () => {
    expect(named('orders')).toMatchObject({ partitionKey: 'RANGE (day)', partitionBound: null, parents: [] });
    expect(named('orders_2026_few')).toMatchObject({
      partitionBound: `FOR VALUES IN ('1', '2')`,
      parents: [{ schema: 'shop', name: 'orders_2026' }],
    });
    expect(named('capitals')).toMatchObject({ parents: [{ schema: 'shop', name: 'places' }], partitionBound: null });
    expect(named('capitals').columns.map(({ name, inherited, local }) => [name, inherited, local])).toEqual([
      ['name', true, false],
      ['altitude', true, false],
      ['state', false, true],
    ]);
    expect(named('lines').foreign).toEqual({ server: 'files', options: ['filename=/dev/null'] });
    expect(named('customers')).toMatchObject({ rowSecurity: true, forceRowSecurity: false, accessMethod: 'heap' });
  });
});

describe('DDL of others while it is read', () => {
  /** A catalogue whose snapshot stops before one of its statements, once, for something to happen there. */
  function stoppedBefore(text: string, happen: () => Promise<unknown>): { catalog: Catalog; begun: () => number } {
    const { client } = database;
    let [happened, begun] = [false, 0];
    const { catalog } = catalogOf(client, async (statement) => {
      if (statement.includes('nspacl')) begun += 1;
      if (happened || !statement.includes(text)) return;
      happened = true;
      await happen();
    });
    return { catalog, begun: () => begun };
  }

  let other: pg.Client;
  beforeAll(async () => {
    const { host, port, user, password, database: name } = database;
    other = new pg.Client({ host, port, user, password, database: name });
    await other.connect();
  });
  afterAll(async () => other.end());

  const find = (of: CatalogSnapshot, name: string) => of.relations.find((relation) => relation.name === name);

  test('is wholly in or wholly out', async () => {
    const { catalog: stopped, begun } = stoppedBefore('pg_get_indexdef', () =>
      other.query(
        'begin; create table public.made (a integer primary key); create index made_a on public.made (a); commit',
      ),
    );
    expect(find(await stopped.snapshot(reading), 'made')).toBeUndefined();
    expect(begun()).toBe(1);
    expect(find(await catalog.snapshot(reading), 'made')).toMatchObject({ columns: [{}], indexes: [{}, {}] });
    await other.query('drop table public.made');
  });

  test.each([
    [
      'renames what a definition names',
      'alter table shop.places rename column altitude to height',
      'alter table shop.places rename column height to altitude',
    ],
    ['renames a table', 'alter table shop.places rename to spots', 'alter table shop.spots rename to places'],
    ['drops what is to be printed', 'drop view public.high', ''],
    [
      'replaces a function',
      `create or replace function shop.add(a text, b text) returns text language sql as 'select b'`,
      '',
    ],
  ])('that %s makes it begin anew, and definitions are of one moment', async (_what, ddl, undo) => {
    await other.query('create or replace view public.high as select name from shop.places where altitude > 1');
    await other.query('create index places_idx on shop.places (altitude)');
    const { catalog: stopped, begun } = stoppedBefore('pg_get_viewdef', () => other.query(ddl));
    const found = await stopped.snapshot(reading);
    expect(begun()).toBe(2);
    // Roles are the server's, where others make and drop some.
    expect({ ...found, roles: [] }).toEqual({ ...(await catalog.snapshot(reading)), roles: [] });
    await other.query(`drop view if exists public.high; drop index shop.places_idx; ${undo}`);
  });

  test('that only touches rows, grants or tables for a session does not make it begin anew', async () => {
    const { catalog: stopped, begun } = stoppedBefore('pg_get_viewdef', () =>
      other.query(
        `create temporary table scratch (a integer); drop table scratch; truncate shop.bookings; analyze shop.places; grant select on shop.places to public`,
      ),
    );
    await stopped.snapshot(reading);
    expect(begun()).toBe(1);
    await other.query('revoke all on shop.places from public');
  });

  test('that never ends is told', async () => {
    let step = 0;
    const { catalog: stopped } = catalogOf(database.client, async (statement) => {
      if (!statement.includes('pg_get_partkeydef')) return;
      step += 1;
      const [from, to] = step % 2 ? ['name', 'label'] : ['label', 'name'];
      await other.query(`alter table shop.places rename column ${from} to ${to}`);
    });
    await expect(stopped.snapshot(reading)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(step).toBe(5);
    await other.query('alter table shop.places rename column label to name');
  });
});
