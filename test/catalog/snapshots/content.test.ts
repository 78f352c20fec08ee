/** Snapshots as they are kept: the same when they are opened, small, and another version for anything that differs. */
import { expect, test } from 'vitest';
import { packSnapshot, unpackSnapshot } from '../../../src/catalog/snapshots/content.ts';
import { createTestDatabase } from '../../support/databases.ts';
import { catalogOf, fixture } from '../target.ts';

const options = { signal: new AbortController().signal, reach: 'SERVER' } as const;

test('a snapshot is the same when it is opened again, and smaller meanwhile', async () => {
  await using database = await createTestDatabase(
    `${fixture}; ${Array.from({ length: 250 }, (_, n) => `create table t${n} (id integer primary key, name text)`).join(';')}`,
  );
  const snapshot = await catalogOf(database.client).catalog.snapshot(options);
  const packed = await packSnapshot(snapshot);
  expect(await unpackSnapshot(packed.content)).toEqual(snapshot);
  expect(packed.bytes).toBeLessThan(JSON.stringify(snapshot).length);
  expect(packed.content.length).toBeLessThan(packed.bytes / 3);
});

test('an owner makes another version of the same fingerprint', async () => {
  await using database = await createTestDatabase('create table a ()');
  const read = () => catalogOf(database.client).catalog.snapshot(options);
  const { version } = await packSnapshot(await read());
  expect((await packSnapshot(await read())).version).toBe(version);
  await database.client.query('grant select on a to public');
  expect((await packSnapshot(await read())).version).not.toBe(version);
});
