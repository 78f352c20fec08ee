/** A whole catalogue at one moment: that it holds what the reads by name give, and nothing that is not the user's. */
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
    expect(snapshot.roles).toEqual(await catalog.roles('SERVER', options));
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
