/** Who finds what: people, projects and real databases, in real metadata. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createFirstReads } from '../../../src/catalog/search/first-reads.ts';
import { createIndexes, type Indexes } from '../../../src/catalog/search/indexes.ts';
import { createSearch, type SearchArguments } from '../../../src/catalog/search/search.ts';
import { contentFormat } from '../../../src/catalog/snapshots/content.ts';
import type { Snapshots } from '../../../src/catalog/snapshots/snapshots.ts';
import { createSnapshotStore } from '../../../src/catalog/snapshots/store.ts';
import type { Database, VisibleDatabase } from '../../../src/databases/databases.ts';
import { createBus } from '../../../src/lib/bus.ts';
import { uuidv7 } from '../../../src/lib/ids.ts';
import { type Service, stopAll } from '../../../src/lib/lifecycle.ts';
import type { Topic } from '../../../src/lib/topics.ts';
import { asked, createWorld, testConnection, type World } from '../../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { silent } from '../../support/metadata.ts';
import { snapshotsIn } from '../ways.ts';

const bus = createBus<Topic>();
const targets: TestDatabase[] = [];
const running: Service[] = [];
let world: World;
let snapshots: Snapshots<Database>;
let indexes: Indexes;
let search: ReturnType<typeof createSearch>;

beforeAll(async () => {
  world = await createWorld();
  snapshots = snapshotsIn(world, { bus });
  ({ indexes, search } = startReplica());
});
afterAll(async () => {
  await stopAll([snapshots, ...running]);
  await world[Symbol.asyncDispose]();
  for (const target of targets) await target[Symbol.asyncDispose]();
});

/** The search of one more process on the same metadata. */
function startReplica() {
  const made = createIndexes({
    snapshots: createSnapshotStore({ pool: world.pool }),
    log: silent,
    limits: { firstWaitMs: 60_000, newerWaitMs: 60_000 },
  });
  const { readLater, ...reads } = createFirstReads<VisibleDatabase>({
    load: (viewer, id) => world.databases.load({}, viewer, id),
    refresh: snapshots.refresh,
    log: silent,
  });
  running.push(made, reads);
  return { indexes: made, search: createSearch({ databases: world.databases, snapshots, indexes: made, readLater }) };
}

interface Connected {
  readonly row: VisibleDatabase;
  readonly target: TestDatabase;
  refresh(): Promise<void>;
}

async function connect(owner: Viewer, name: string, sql: string, projectId: string | null = null): Promise<Connected> {
  const target = await createTestDatabase(sql);
  targets.push(target);
  const { database: row } = await world.databases.connect(
    owner,
    { name, connection: { ...testConnection(), database: target.database }, projectId, readOnly: false },
    asked(),
  );
  return { row, target, refresh: () => snapshots.refresh(row, asked()) };
}

async function found(viewer: Viewer | null, args: Partial<SearchArguments> = {}, by = search) {
  const page = await by.search({ viewer, signal: new AbortController().signal }, { text: 'walrus', ...args });
  return {
    paths: page.edges.map(({ node }) => node.path),
    total: await page.totalCount(),
    cursor: page.pageInfo.endCursor,
  };
}

describe('three people and two projects', () => {
  let people: Viewer[];
  let databases: Connected[];
  let projects: string[];

  beforeAll(async () => {
    people = await Promise.all([world.person(), world.person(), world.person()]);
    const [ann, bob, cleo] = people as [Viewer, Viewer, Viewer];
    projects = [await world.project({ owner: ann, viewer: bob }), await world.project({ owner: bob, editor: cleo })];
    databases = [
      await connect(ann, 'own', 'CREATE TABLE walrus (id int)'),
      await connect(ann, 'shared', 'CREATE TABLE walrus (id int); CREATE TABLE walrus_b (id int)', projects[0]),
      await connect(bob, 'team', `CREATE TABLE t (walrus int); COMMENT ON TABLE t IS 'Where a walrus is'`, projects[1]),
    ];
    for (const database of databases) await database.refresh();
  });

  test('find what is in the databases that they see, and count no more', async () => {
    const [ann, bob, cleo] = people as [Viewer, Viewer, Viewer];
    expect(await found(ann)).toMatchObject({
      paths: ['own.public.walrus', 'shared.public.walrus', 'shared.public.walrus_b'],
      total: 3,
    });
    expect(await found(bob)).toMatchObject({
      paths: ['shared.public.walrus', 'team.public.t.walrus', 'shared.public.walrus_b', 'team.public.t'],
      total: 4,
    });
    expect(await found(cleo)).toMatchObject({ paths: ['team.public.t.walrus', 'team.public.t'], total: 2 });
    expect(await found(await world.person())).toMatchObject({ paths: [], total: 0 });
  });

  test('a database that somebody does not see is one that is not there, by its name as well', async () => {
    const [, , cleo] = people as [Viewer, Viewer, Viewer];
    for (const id of [databases[0]!.row.id, uuidv7()]) {
      await expect(found(cleo, { databaseIds: [id] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    await expect(found(cleo, { databaseIds: [databases[2]!.row.id, databases[1]!.row.id] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect((await found(cleo, { text: 'shared' })).total).toBe(0);
    await expect(found(null)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('a right that is taken away between two pages is gone on the second', async () => {
    const [, bob] = people as [Viewer, Viewer];
    const first = await found(bob, { first: 1 });
    expect(first.paths).toEqual(['shared.public.walrus']);
    await world.rows('DELETE FROM project_members WHERE project_id = $1 AND user_id = $2', [projects[0], bob.userId]);
    expect(await found(bob, { after: first.cursor })).toMatchObject({
      paths: ['team.public.t.walrus', 'team.public.t'],
      total: 2,
    });
    expect((await found(bob, {}, startReplica().search)).total).toBe(2);
  });
});

test('a database that was never read is found by its name, read behind the search, and searched then', async () => {
  const dora = await world.person();
  const { row } = await connect(dora, 'narwhal', 'CREATE TABLE walrus (id int)');
  const read = new Promise<void>((resolve) => {
    bus.listen('catalog.read', row.id, () => resolve());
  });
  expect(await found(dora, { text: 'narwhal' })).toMatchObject({ paths: ['narwhal'] });
  await read;
  expect(await found(dora)).toMatchObject({ paths: ['narwhal.public.walrus'] });
});

test('a database that cannot be read keeps nobody from searching the others', async () => {
  const emil = await world.person();
  const broken = await connect(emil, 'broken', 'CREATE TABLE walrus (id int)');
  const whole = await connect(emil, 'whole', 'CREATE TABLE walrus (id int)');
  await whole.refresh();
  await broken.refresh();
  await world.rows(
    `UPDATE catalog_snapshots SET content = 'nothing', version = '${contentFormat}x' WHERE database_id = $1`,
    [broken.row.id],
  );
  expect((await found(emil)).paths).toEqual(['whole.public.walrus']);
  expect((await found(emil, { text: 'broken' })).paths).toEqual(['broken']);
});

test('a name that is changed is found at once, and a database that is gone is not', async () => {
  const finn = await world.person();
  const { row, refresh } = await connect(finn, 'before', 'CREATE TABLE walrus (id int)');
  await refresh();
  expect((await found(finn)).paths).toEqual(['before.public.walrus']);
  await world.databases.update(finn, { id: row.id, name: 'after' }, asked());
  expect((await found(finn)).paths).toEqual(['after.public.walrus']);
  expect((await found(finn, { text: 'before' })).total).toBe(0);
  await world.databases.disconnect(finn, { id: row.id, drop: false }, asked());
  expect((await found(finn)).total).toBe(0);
});

test('searches while a catalogue changes see it before or after, and never in between; one after a refresh sees it after', async () => {
  const gus = await world.person();
  const { target, refresh } = await connect(gus, 'moving', 'CREATE TABLE walrus_one (id int)');
  await refresh();
  const allowed = [[], ['moving.public.walrus_one'], ['moving.public.walrus_two']];
  for (const [from, to] of [
    ['one', 'two'],
    ['two', 'one'],
    ['one', 'two'],
  ] as const) {
    await target.client.query(`ALTER TABLE walrus_${from} RENAME TO walrus_${to}`);
    const [, ...during] = await Promise.all([refresh(), found(gus), found(gus), found(gus, { text: 'walrus' })]);
    for (const { paths, total } of during) {
      expect(allowed).toContainEqual(paths);
      expect(total).toBe(paths.length);
    }
    expect((await found(gus)).paths).toEqual([`moving.public.walrus_${to}`]);
  }
});

test('a search that nobody waits for any more ends', async () => {
  const hana = await world.person();
  const { refresh } = await connect(hana, 'slow', 'CREATE TABLE walrus (id int)');
  await refresh();
  const gone = new AbortController();
  gone.abort(new Error('gone'));
  const { search: fresh } = startReplica();
  await expect(fresh.search({ viewer: hana, signal: gone.signal }, { text: 'walrus' })).rejects.toThrow('gone');
  expect((await found(hana, {}, fresh)).total).toBe(1);
  expect(indexes.bytes()).toBeGreaterThan(0);
});
