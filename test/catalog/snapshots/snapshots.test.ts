/** Snapshots that are kept: read once for all who want one, on every replica, never older than what is known to have changed. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createCatalogService } from '../../../src/catalog/catalog.ts';
import type { Snapshots } from '../../../src/catalog/snapshots/snapshots.ts';
import { createSnapshotStore } from '../../../src/catalog/snapshots/store.ts';
import type { Database } from '../../../src/databases/databases.ts';
import { createBus } from '../../../src/lib/bus.ts';
import type { Topic } from '../../../src/lib/topics.ts';
import { asked, createWorld, failure, testConnection, type World } from '../../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { snapshotsIn } from '../ways.ts';
import { openWire, type Wire } from '../wire.ts';

const options = { signal: new AbortController().signal };

let world: World;
let viewer: Viewer;
let target: TestDatabase;
let wire: Wire;
let database: Database;
let snapshots: Snapshots<Database>;
const bus = createBus<Topic>();

const stateOf = async (of = snapshots) => (await of.states([database.id]))[0]!;
const reads = () => wire.statements.filter((statement) => statement.includes('nspacl')).length;
const tables = async (of = snapshots) => {
  const index = await of.open(database, await stateOf(of));
  return index?.relations.all.map(({ name }) => name);
};

beforeAll(async () => {
  world = await createWorld();
  viewer = await world.person();
});
afterAll(async () => world[Symbol.asyncDispose]());

beforeEach(async () => {
  target = await createTestDatabase('create table first (id integer primary key)');
  wire = await openWire(target);
  const connection = { ...testConnection(), port: wire.port, database: target.database };
  ({ database } = await world.databases.connect(
    viewer,
    { name: 'watched', connection, projectId: null, readOnly: false },
    asked(),
  ));
  snapshots = snapshotsIn(world, { bus });
  return async () => {
    await snapshots.stop();
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked()).catch(() => undefined);
    await wire[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  };
});

describe('a refresh', () => {
  test('keeps what it has read, for every replica', async () => {
    expect(await stateOf()).toBeNull();
    await snapshots.refresh(database, options);
    expect(await stateOf()).toMatchObject({ fresh: true, fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const replica = snapshotsIn(world);
    expect(await tables(replica)).toEqual(['first']);
    expect(reads()).toBe(1);
    await target.client.query('create table second ()');
    await replica.refresh(database, options);
    expect(await tables()).toEqual(['first', 'second']);
    await replica.stop();
  });

  test('takes nothing from what an older Quarry kept in another form', async () => {
    await snapshots.refresh(database, options);
    await world.rows(`UPDATE catalog_snapshots SET version = '1.' || version, content = 'x' WHERE database_id = $1`, [
      database.id,
    ]);
    expect(await stateOf()).toBeNull();
    await target.client.query('create table second ()');
    await snapshots.refresh(database, options);
    expect(await tables()).toEqual(['first', 'second']);
    expect(await world.rows('SELECT count(*)::int AS count FROM catalog_changes')).toEqual([{ count: 0 }]);
  });

  test('is one read for all who ask before it begins, and never two at once', async () => {
    const replica = snapshotsIn(world, { bus });
    await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? replica : snapshots).refresh(database, options)));
    // One for the first who came, and one for those who came while it ran; on each of the two.
    expect(reads()).toBeLessThanOrEqual(4);
    const begun = wire.statements.filter((text) => /^(BEGIN ISOLATION|COMMIT)/.test(text));
    for (const [place, text] of begun.entries()) expect(text).toMatch(place % 2 ? 'COMMIT' : 'BEGIN');
    await replica.stop();
  });

  test('that comes while one runs is read after it, so that it has what was made before it was asked for', async () => {
    const first = snapshots.refresh(database, options);
    await target.client.query('create table late ()');
    await snapshots.refresh(database, options);
    await first;
    expect(await tables()).toEqual(['first', 'late']);
  });

  test('that fails says why, and leaves the last one with its age', async () => {
    await snapshots.refresh(database, options);
    const before = await stateOf();
    await wire.cut();
    await failure(snapshots.refresh(database, options), 'CONNECTION_FAILED');
    expect(await stateOf()).toEqual(before);
    expect(await tables()).toEqual(['first']);
  });

  test('that takes too long ends, and the next one may read', async () => {
    const hasty = snapshotsIn(world, { limits: { readTimeoutMs: 300 } });
    await target.client.query('create view seen as select * from first');
    await target.client.query('begin; lock table first in access exclusive mode');
    await failure(hasty.refresh(database, options), 'TIMEOUT');
    await target.client.query('rollback');
    await snapshots.refresh(database, options);
    expect(await tables()).toEqual(['first', 'seen']);
    await hasty.stop();
  });

  test('is not waited for by who has gone', async () => {
    const gone = new AbortController();
    const waiting = snapshots.refresh(database, gone);
    gone.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await snapshots.refresh(database, options);
    expect(await tables()).toEqual(['first']);
  });

  test('of a replica that was killed is taken over when its lease has ended', async () => {
    const store = createSnapshotStore({ pool: world.pool });
    expect(await store.begin(database, { id: crypto.randomUUID(), leaseMs: 200 })).toHaveProperty('startedAt');
    expect(await store.begin(database, { id: crypto.randomUUID(), leaseMs: 200 })).toBe('TAKEN');
    const waiting = snapshotsIn(world, { limits: { pollMs: 50 } });
    await waiting.refresh(database, options);
    expect(await tables()).toEqual(['first']);
    await waiting.stop();
  });

  test('that began with credentials which were changed meanwhile keeps nothing', async () => {
    const store = createSnapshotStore({ pool: world.pool });
    const reader = { id: crypto.randomUUID(), leaseMs: 60_000 };
    const begun = await store.begin(database, reader);
    const { user, password } = testConnection();
    await world.databases.update(
      viewer,
      { id: database.id, connection: { user, password: password } as never },
      asked(),
    );
    expect(begun).toHaveProperty('startedAt');
    const read = { version: 'v', fingerprint: 'f', content: Buffer.from('x'), bytes: 1, startedAt: 'now', changes: [] };
    expect(await store.keep(database.id, reader.id, read)).toBe(false);
    expect(await store.begin(database, reader)).toBe('GONE');
  });
});

describe('a snapshot', () => {
  test('goes with the credentials that it was read with, and with its database', async () => {
    await snapshots.refresh(database, options);
    const { user, password } = testConnection();
    await world.databases.update(viewer, { id: database.id, connection: { user, password } as never }, asked());
    expect(await stateOf()).toBeNull();
    await failure(snapshots.refresh(database, options), 'NOT_FOUND');
  });

  test('is fresh until a job may have changed the catalogue', async () => {
    await snapshots.refresh(database, options);
    await createSnapshotStore({ pool: world.pool }).changed(database.id);
    expect(await stateOf()).toMatchObject({ fresh: false });
    await snapshots.refresh(database, options);
    expect(await stateOf()).toMatchObject({ fresh: true });
  });

  test('that is not there or not fresh is read behind the answer, once for all', async () => {
    const read = Promise.withResolvers<void>();
    const stop = bus.listen('catalog.read', database.id, () => read.resolve());
    const catalog = createCatalogService({ databases: world.databases, snapshots });
    const request = () => ({ viewer, signal: options.signal });
    const pages = await Promise.all(
      Array.from({ length: 5 }, () => catalog.tables(request(), database.id, { first: 5 })),
    );
    expect(pages.map(({ edges }) => edges.length)).toEqual([1, 1, 1, 1, 1]);
    await read.promise;
    stop();
    expect(reads()).toBe(1);
    wire.statements.length = 0;
    const { edges } = await catalog.tables(request(), database.id, { first: 5 });
    expect(edges).toHaveLength(1);
    expect(wire.statements).toEqual([]);
  });

  test('is seen by nobody who may not see the database', async () => {
    await snapshots.refresh(database, options);
    const catalog = createCatalogService({ databases: world.databases, snapshots });
    const stranger = { viewer: await world.person(), signal: options.signal };
    await failure(catalog.tables(stranger, database.id, {}), 'NOT_FOUND');
    await failure(catalog.refresh(stranger, database.id), 'NOT_FOUND');
  });
});
