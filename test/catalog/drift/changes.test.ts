/** Changes of catalogues that are kept: written once, with the snapshot that shows them, and followed from any place. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createCatalogService } from '../../../src/catalog/catalog.ts';
import { type ChangeLimits, createCatalogChanges } from '../../../src/catalog/drift/changes.ts';
import { type CatalogChange, createChangeStore, dropChanges } from '../../../src/catalog/drift/store.ts';
import { contentFormat } from '../../../src/catalog/snapshots/content.ts';
import type { Snapshots } from '../../../src/catalog/snapshots/snapshots.ts';
import { createSnapshotStore } from '../../../src/catalog/snapshots/store.ts';
import type { Database } from '../../../src/databases/databases.ts';
import { createBus } from '../../../src/lib/bus.ts';
import { formatPosition } from '../../../src/lib/positions.ts';
import type { Topic } from '../../../src/lib/topics.ts';
import { asked, createWorld, failure, testConnection, type World } from '../../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { snapshotsIn } from '../ways.ts';

let world: World;
let viewer: Viewer;
let target: TestDatabase;
let database: Database;
let snapshots: Snapshots<Database>;
let changes: ReturnType<typeof changesWith>;
const bus = createBus<Topic>();

function changesWith(of: Snapshots<Database>, limits: Partial<ChangeLimits> = {}) {
  const { databases, pool } = world;
  const catalog = createCatalogService({ databases, snapshots: of });
  return createCatalogChanges({
    store: createChangeStore({ db: pool }),
    databases,
    catalog,
    snapshots: of,
    bus,
    limits: { pollMs: 50, ...limits },
  });
}

const request = (who: Viewer | null = viewer) => ({ viewer: who, signal: new AbortController().signal });
const refresh = async (of = changes) => (await of.refresh(request(), database.id)).changes.map(shown);
const shown = ({ kind, object, names }: CatalogChange) => `${kind} ${object} ${names.join('.')}`;
const pageOf = async (args = {}) => await changes.list(request(), database.id, args);
const ddl = (sql: string) => target.client.query(sql);

/** What somebody reads, one after the other. */
function follow(after: string | null = null, { of = changes, who = viewer } = {}) {
  const stop = new AbortController();
  const stream = of.follow(who, database.id, after, stop.signal);
  return {
    next: async () => {
      const { value } = await stream.next();
      return value as CatalogChange;
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}

beforeAll(async () => {
  world = await createWorld({ onDisconnect: [(id, client) => dropChanges(client, id)] });
  viewer = await world.person();
});
afterAll(async () => world[Symbol.asyncDispose]());

beforeEach(async () => {
  target = await createTestDatabase('create table first (id integer primary key)');
  const connection = { ...testConnection(), database: target.database };
  ({ database } = await world.databases.connect(
    viewer,
    { name: 'watched', connection, projectId: null, readOnly: false },
    asked(),
  ));
  snapshots = snapshotsIn(world, { bus });
  changes = changesWith(snapshots);
  return async () => {
    await snapshots.stop();
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked()).catch(() => undefined);
    await target[Symbol.asyncDispose]();
  };
});

describe('a refresh', () => {
  test('tells what has changed since the last one, and nothing of the first', async () => {
    expect(await refresh()).toEqual([]);
    await ddl('create table second (); alter table first add column late date');
    expect(await refresh()).toEqual(['ADDED TABLE public.second', 'ADDED COLUMN public.first.late']);
    expect(await refresh()).toEqual([]);
    const { edges, totalCount } = await pageOf();
    expect(edges.map(({ node }) => shown(node))).toEqual([
      'ADDED TABLE public.second',
      'ADDED COLUMN public.first.late',
    ]);
    expect(await totalCount()).toBe(2);
    const [state] = await snapshots.states([database.id]);
    expect(edges[0]!.node).toMatchObject({ fingerprint: state!.fingerprint, before: null, after: { name: 'second' } });
  });

  test('tells it from the snapshot that another process has kept', async () => {
    await refresh();
    await ddl('drop table first');
    const replica = snapshotsIn(world);
    expect(await refresh(changesWith(replica))).toEqual(['REMOVED TABLE public.first']);
    await replica.stop();
  });

  test('of several replicas at once writes it once, and tells each of them', async () => {
    await refresh();
    await ddl('create table second ()');
    const replicas = [snapshots, snapshotsIn(world, { bus }), snapshotsIn(world)];
    const told = await Promise.all(replicas.map((replica) => refresh(changesWith(replica))));
    expect(told).toEqual(Array.from({ length: 3 }, () => ['ADDED TABLE public.second']));
    expect((await pageOf()).edges).toHaveLength(1);
    await Promise.all(replicas.slice(1).map((replica) => replica.stop()));
  });

  test('that does not know the last snapshot any more keeps the new one, and tells nothing', async () => {
    await refresh();
    await world.rows(
      `UPDATE catalog_snapshots SET content = 'x', version = '${contentFormat}x' WHERE database_id = $1`,
      [database.id],
    );
    await ddl('create table second ()');
    expect(await refresh()).toEqual([]);
    await ddl('create table third ()');
    expect(await refresh()).toEqual(['ADDED TABLE public.third']);
  });

  test('that is not the viewer’s is not found', async () => {
    await failure(changes.refresh(request(await world.person()), database.id), 'NOT_FOUND');
    await failure(changes.list(request(await world.person()), database.id, {}), 'NOT_FOUND');
  });
});

describe('what is kept', () => {
  test('comes in pages, the oldest first, and a cursor is a position', async () => {
    await refresh();
    for (const name of ['a', 'b', 'c']) {
      await ddl(`create table ${name} ()`);
      await refresh();
    }
    const page = await pageOf({ first: 2 });
    expect(page.edges.map(({ node }) => node.names[1])).toEqual(['a', 'b']);
    expect(page.pageInfo).toMatchObject({ hasNextPage: true });
    expect(page.edges.map(({ cursor }) => cursor)).toEqual(page.edges.map(({ node }) => formatPosition(node.position)));
    const rest = await pageOf({ first: 2, after: page.pageInfo.endCursor });
    expect(rest.edges.map(({ node }) => node.names[1])).toEqual(['c']);
    await failure(pageOf({ after: 'bm90IG9uZQ' }), 'BAD_USER_INPUT');
  });

  test('goes when it is old, and who had left off before that is told', async () => {
    await refresh();
    for (const name of ['a', 'b', 'c']) {
      await ddl(`create table ${name} ()`);
      await refresh();
    }
    const positions = (await pageOf()).edges.map(({ cursor }) => cursor);
    await world.rows(`UPDATE catalog_changes SET detected_at = now() - interval '1 year' WHERE names[2] IN ('a', 'b')`);
    await refresh();
    expect((await pageOf()).edges.map(({ node }) => node.names[1])).toEqual(['c']);
    await failure(pageOf({ after: positions[0] }), 'POSITION_LOST');
    using lost = follow(positions[0]!);
    await failure(lost.next(), 'POSITION_LOST');
    using kept = follow(positions[1]!);
    expect((await kept.next()).names[1]).toBe('c');
  });

  test('of an object that is very large are its short fields, and the names of the others', async () => {
    await refresh();
    const values = Array.from({ length: 3_000 }, (_, n) => `'value ${n} of a list that is long'`);
    await ddl(`create type long as enum (${values.join()})`);
    await refresh();
    const [edge] = (await pageOf()).edges;
    expect(edge!.node.after).toEqual({ name: 'long', schema: 'public', leftOut: ['values'] });
  });

  test('goes with the place that it was about, and its positions are lost', async () => {
    await refresh();
    await ddl('create table second ()');
    await refresh();
    const [edge] = (await pageOf()).edges;
    await using other = await createTestDatabase();
    const { user, password } = testConnection();
    const connection = { database: other.database, user, password } as never;
    await world.databases.update(viewer, { id: database.id, connection }, asked());
    expect((await pageOf()).edges).toEqual([]);
    await failure(pageOf({ after: formatPosition(edge!.node.position - 1n) }), 'POSITION_LOST');
  });
});

describe('who follows a catalogue', () => {
  test('is told what changes from then on, one after the other, and goes on where he left off', async () => {
    await refresh();
    using reader = follow();
    const first = reader.next();
    await ddl('create table a (); create table b ()');
    await refresh();
    expect(shown(await first)).toBe('ADDED TABLE public.a');
    const { position } = await first;
    expect(shown(await reader.next())).toBe('ADDED TABLE public.b');
    await ddl('drop table a');
    await refresh();
    using again = follow(formatPosition(position));
    expect(shown(await again.next())).toBe('ADDED TABLE public.b');
    expect(shown(await again.next())).toBe('REMOVED TABLE public.a');
    expect(shown(await reader.next())).toBe('REMOVED TABLE public.a');
  });

  test('is told what a job may have changed, though nobody else asks', async () => {
    await refresh();
    using reader = follow();
    const first = reader.next();
    await ddl('create table a ()');
    await createSnapshotStore({ pool: world.pool }).changed(database.id);
    expect(shown(await first)).toBe('ADDED TABLE public.a');
  });

  test('is told by a replica whose rings do not reach him', async () => {
    await refresh();
    using reader = follow();
    const first = reader.next();
    await ddl('create table a ()');
    const deaf = snapshotsIn(world);
    await refresh(changesWith(deaf));
    expect(shown(await first)).toBe('ADDED TABLE public.a');
    await deaf.stop();
  });

  test('is let go when he falls behind, with the place where he goes on', async () => {
    await refresh();
    await ddl(`create table a (); create table b (); create table c ()`);
    await refresh();
    using slow = follow(formatPosition(0n), { of: changesWith(snapshots, { batch: 2, slowMs: 0 }) });
    const { position } = await slow.next();
    const { details } = await failure(slow.next(), 'SLOW_CONSUMER');
    expect(details).toEqual({ position: formatPosition(position) });
    using again = follow((details as { position: string }).position);
    expect([shown(await again.next()), shown(await again.next())]).toEqual([
      'ADDED TABLE public.b',
      'ADDED TABLE public.c',
    ]);
  });

  test('is told nothing more when the right to it goes, and hears of it', async () => {
    const guest = await world.person();
    const projectId = await world.project({ owner: viewer, viewer: guest });
    await world.databases.update(viewer, { id: database.id, projectId }, asked());
    await refresh();
    using reader = follow(null, { who: guest });
    const first = reader.next();
    await ddl('create table a (); create table b ()');
    await refresh();
    expect(shown(await first)).toBe('ADDED TABLE public.a');
    await world.rows('DELETE FROM project_members WHERE user_id = $1', [guest.userId]);
    await failure(reader.next(), 'NOT_FOUND');
    using waiting = follow();
    const ended = failure(waiting.next(), 'NOT_FOUND');
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked());
    await ended;
  });

  test('must be somebody, name a database of his and a position of its', async () => {
    await failure(follow(null, { who: null as never }).next(), 'UNAUTHENTICATED');
    await failure(follow(null, { who: await world.person() }).next(), 'NOT_FOUND');
    await failure(follow('nonsense').next(), 'BAD_USER_INPUT');
    await failure(follow(formatPosition(10n ** 18n)).next(), 'BAD_USER_INPUT');
  });
});
