/** DDL seen as it happens: whoever made it and however, never at the cost of who makes it, and without a trace afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createCatalogService } from '../../../src/catalog/catalog.ts';
import { createCatalogChanges } from '../../../src/catalog/drift/changes.ts';
import { type CatalogChange, createChangeStore } from '../../../src/catalog/drift/store.ts';
import { createSnapshotStore } from '../../../src/catalog/snapshots/store.ts';
import { createTrackingStore } from '../../../src/catalog/tracking/store.ts';
import { startTracker, type TrackerLimits } from '../../../src/catalog/tracking/tracker.ts';
import { createTracking, removeTracking } from '../../../src/catalog/tracking/tracking.ts';
import type { Database } from '../../../src/databases/databases.ts';
import { createBus } from '../../../src/lib/bus.ts';
import type { Topic } from '../../../src/lib/topics.ts';
import { createKeeping } from '../../../src/realtime/feeds/keeping.ts';
import { asked, createWorld, failure, testConnection, type World } from '../../databases/world.ts';
import { startProcess } from '../../realtime/process.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { silent } from '../../support/metadata.ts';
import { dumpOf, hasPostgres15, startPostgres15 } from '../../support/postgres-15.ts';
import { snapshotsIn } from '../ways.ts';
import { openWire, type Wire } from '../wire.ts';

const bus = createBus<Topic>();
let world: World;
let viewer: Viewer;
let target: TestDatabase;
let wire: Wire;
let database: Database;
let tracking: ReturnType<typeof createTracking<Database>>;
const started: { stop(): Promise<void> }[] = [];

/** A process that listens. */
function startReplica(limits: Partial<TrackerLimits> = {}) {
  const { databases, pool } = world;
  const snapshots = snapshotsIn(world, { bus });
  const store = createTrackingStore({ db: pool });
  const tracker = startTracker({
    store,
    databases,
    snapshots,
    forget: (id) => store.remove(pool, id),
    bus,
    log: silent,
    limits: { tickMs: 100, retryMs: 50, ...limits },
  });
  const stop = async () => {
    await tracker.stop();
    await snapshots.stop();
  };
  started.push({ stop });
  const catalog = createCatalogService({ databases, snapshots });
  const changes = createCatalogChanges({ store: createChangeStore({ db: pool }), databases, catalog, snapshots, bus });
  return { stop, snapshots, changes };
}

const by = (who: Viewer | null = viewer) => ({ viewer: who, ...asked() });
const shown = ({ kind, object, names }: CatalogChange) => `${kind} ${object} ${names.join('.')}`;

/** Everything of the target's catalogues that somebody has made. */
async function trace(): Promise<unknown> {
  const { rows } = await target.client.query(
    `select (select array_agg(nspname order by 1) from pg_namespace) as schemas,
       (select array_agg(oid order by 1) from pg_proc where oid >= 16384) as functions,
       (select array_agg(evtname order by 1) from pg_event_trigger) as triggers,
       (select array_agg(description order by 1) from pg_description where objoid >= 16384) as comments,
       (select count(*) from pg_depend where objid >= 16384) as dependencies`,
  );
  return rows[0];
}

/** Follows from now on: what is made after this is told. */
async function follow({ changes, snapshots }: ReturnType<typeof startReplica>) {
  await snapshots.refresh(database, by());
  const stop = new AbortController();
  const stream = changes.follow(viewer, database.id, null, stop.signal);
  const first = stream.next();
  const next = async () => shown((await stream.next()).value as CatalogChange);
  return {
    first: async () => shown((await first).value as CatalogChange),
    next,
    [Symbol.dispose]: () => stop.abort(),
  };
}

beforeAll(async () => {
  let pool: pg.Pool | undefined;
  world = await createWorld({
    async onLeaving(gone, reach, options) {
      await removeTracking({ store: createTrackingStore({ db: pool! }), pool: pool! }, gone, reach, options);
      return async () => undefined;
    },
  });
  pool = world.pool;
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
  const { pool, databases } = world;
  const process = startProcess(world, { bus });
  const { feeds, hub } = process;
  started.push(process);
  const rows = createKeeping<Database>({ store: feeds, hub, databases, pool, bus });
  tracking = createTracking({ pool, store: createTrackingStore({ db: pool }), databases, rows, bus });
  return async () => {
    for (const replica of started.splice(0)) await replica.stop();
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked()).catch(() => undefined);
    await wire[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  };
});

describe('a tracked database', () => {
  test('tells of DDL without being asked, a burst of it at once, and of what is dropped', async () => {
    const replica = startReplica();
    await tracking.enable(by(), database.id, ['DDL']);
    expect(await tracking.of([database.id, viewer.userId])).toEqual([['DDL'], []]);
    using reader = await follow(replica);
    await target.client.query('create table second (); alter table first add column late date');
    expect(await reader.first()).toBe('ADDED TABLE public.second');
    expect(await reader.next()).toBe('ADDED COLUMN public.first.late');
    await target.client.query('begin; drop table second; create view seen as select 1 as a; commit');
    expect(await reader.next()).toBe('REMOVED TABLE public.second');
    expect(await reader.next()).toBe('ADDED TABLE public.seen');
  });

  test('tells of DDL by a role that may do nothing with what tells of it', async () => {
    const replica = startReplica();
    await tracking.enable(by(), database.id, ['DDL']);
    using reader = await follow(replica);
    const role = `plain_${database.id.slice(-12)}`;
    await target.client.query(
      `create role ${role} nosuperuser; grant create on schema public to ${role}; set role ${role};
       create table theirs (); reset role`,
    );
    expect(await reader.first()).toBe('ADDED TABLE public.theirs');
    await target.client.query(`drop owned by ${role}; drop role ${role}`);
  });

  test('tells nothing of DDL that is undone, and of the next that is not', async () => {
    const replica = startReplica();
    await tracking.enable(by(), database.id, ['DDL']);
    using reader = await follow(replica);
    await target.client.query('begin; create table never (); rollback');
    await target.client.query('create table second ()');
    expect(await reader.first()).toBe('ADDED TABLE public.second');
  });

  test('shows nothing of what tells in its catalogue, its fingerprint, its changes or its DDL', async () => {
    const { snapshots, changes } = startReplica();
    await snapshots.refresh(database, by());
    const [before] = await snapshots.states([database.id]);
    await tracking.enable(by(), database.id, ['DDL']);
    const { changes: found } = await changes.refresh(by(), database.id);
    expect(found).toEqual([]);
    const [after] = await snapshots.states([database.id]);
    expect(after!.fingerprint).toBe(before!.fingerprint);
    const read = await world.databases.readCatalog(
      database,
      async (catalog) => ({
        schemas: await catalog.schemas({ includeSystem: false }, asked()),
        functions: await catalog.routinePages({ database: true }, {}, {}, asked()),
        snapshot: await catalog.snapshot({ ...asked(), reach: 'SERVER' }),
        ddl: await catalog.ddl(asked()),
      }),
      asked(),
    );
    expect(JSON.stringify(read)).not.toContain('quarry_tracking');
    expect(JSON.stringify(await trace())).toContain('quarry_tracking');
  });

  test('is left without a trace, by switching it off and by letting the database go', async () => {
    const before = await trace();
    await tracking.enable(by(), database.id, ['DDL']);
    await tracking.enable(by(), database.id, ['DDL']);
    expect(await trace()).not.toEqual(before);
    await tracking.disable(by(), database.id, ['DDL']);
    expect(await trace()).toEqual(before);
    expect(await tracking.of([database.id])).toEqual([[]]);
    await tracking.disable(by(), database.id, ['DDL']);
    await tracking.enable(by(), database.id, ['DDL']);
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked());
    expect(await trace()).toEqual(before);
  });

  test('that another Quarry tracks, too, goes on to tell it', async () => {
    const replica = startReplica();
    const connection = { ...testConnection(), database: target.database };
    const input = { name: 'again', connection, projectId: null, readOnly: false };
    const { database: other } = await world.databases.connect(viewer, input, asked());
    await Promise.all([database, other].map(({ id }) => tracking.enable(by(), id, ['DDL'])));
    await tracking.disable(by(), other.id, ['DDL']);
    using reader = await follow(replica);
    await target.client.query('create table second ()');
    expect(await reader.first()).toBe('ADDED TABLE public.second');
    await world.databases.disconnect(viewer, { id: other.id, drop: false }, asked());
  });

  test('is tracked no longer when somebody takes out what tells, whose DDL goes on', async () => {
    startReplica({ checkMs: 50 });
    await tracking.enable(by(), database.id, ['DDL']);
    await target.client.query('drop schema quarry_tracking cascade; create table second ()');
    while ((await tracking.of([database.id]))[0]!.length > 0) await sleep(20);
    await tracking.enable(by(), database.id, ['DDL']);
    expect(await tracking.of([database.id])).toEqual([['DDL']]);
  });

  test('that cannot be reached can be let go', async () => {
    await tracking.enable(by(), database.id, ['DDL']);
    await wire.cut();
    await failure(tracking.disable(by(), database.id, ['DDL']), 'CONNECTION_FAILED');
    expect(await tracking.of([database.id])).toEqual([['DDL']]);
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked());
    expect(await world.rows('SELECT FROM catalog_trackings')).toEqual([]);
  });
});

describe('who listens', () => {
  test('is one process, and another one when it goes, which reads what was missed', async () => {
    const [one, other] = [startReplica(), startReplica()];
    await tracking.enable(by(), database.id, ['DDL']);
    using reader = await follow(other);
    const listeners = async () => {
      const { rows } = await target.client.query(
        `select count(*)::int as n from pg_stat_activity where datname = $1 and application_name = 'quarry tracking'`,
        [target.database],
      );
      return rows[0].n as number;
    };
    while ((await listeners()) === 0) await sleep(20);
    expect(await listeners()).toBe(1);
    await one.stop();
    await target.client.query('create table second ()');
    expect(await reader.first()).toBe('ADDED TABLE public.second');
  });

  test('takes over from one that was killed, when its lease has ended', async () => {
    const store = createTrackingStore({ db: world.pool });
    await tracking.enable(by(), database.id, ['DDL']);
    expect(await store.hold(crypto.randomUUID(), { leaseMs: 300, limit: 10 })).toEqual([database.id]);
    expect(await store.hold(crypto.randomUUID(), { leaseMs: 300, limit: 10 })).toEqual([]);
    const replica = startReplica();
    using reader = await follow(replica);
    await target.client.query('create table second ()');
    expect(await reader.first()).toBe('ADDED TABLE public.second');
  });

  test('connects again when the connection breaks, and reads what was missed', async () => {
    const replica = startReplica();
    await tracking.enable(by(), database.id, ['DDL']);
    using reader = await follow(replica);
    await target.client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'quarry tracking'`,
      [target.database],
    );
    await target.client.query('create table second ()');
    expect(await reader.first()).toBe('ADDED TABLE public.second');
  });

  test('hears of what a job has changed in a hosted database from the job', async () => {
    await world.rows('UPDATE databases SET hosted = true WHERE id = $1', [database.id]);
    const reached = { ...world.databases, readCatalog: world.databases.readCatalog };
    const store = createTrackingStore({ db: world.pool });
    await store.begin(database.id);
    await store.installed(world.pool, database.id);
    const told = Promise.withResolvers<void>();
    let refreshes = 0;
    const tracker = startTracker({
      store,
      databases: reached,
      snapshots: {
        refresh: async () => {
          refreshes += 1;
          if (refreshes > 1) told.resolve();
        },
      },
      forget: async () => undefined,
      bus,
      log: silent,
      limits: { tickMs: 50 },
    });
    started.push(tracker);
    while (refreshes === 0) await sleep(10);
    await world.rows(
      `INSERT INTO catalog_snapshots (database_id, version, fingerprint, content, bytes, read_at) VALUES ($1, 'v', 'f', 'c', 1, now())`,
      [database.id],
    );
    await createSnapshotStore({ pool: world.pool }).changed(database.id);
    await told.promise;
    await world.rows('UPDATE databases SET hosted = false WHERE id = $1', [database.id]);
  });
});

describe('tracking is refused', () => {
  test('to who may not manage the database, and for nothing', async () => {
    const guest = await world.person();
    const projectId = await world.project({ owner: viewer, editor: guest });
    await world.databases.update(viewer, { id: database.id, projectId }, asked());
    await failure(tracking.enable(by(guest), database.id, ['DDL']), 'FORBIDDEN');
    await failure(tracking.disable(by(guest), database.id, ['DDL']), 'FORBIDDEN');
    await failure(tracking.enable(by(await world.person()), database.id, ['DDL']), 'NOT_FOUND');
    await failure(tracking.enable(by(), database.id, []), 'BAD_USER_INPUT');
    expect(JSON.stringify(await trace())).not.toContain('quarry_tracking');
  });

  test('where the database is connected for reading', async () => {
    await world.databases.update(viewer, { id: database.id, readOnly: true }, asked());
    await failure(tracking.enable(by(), database.id, ['DDL']), 'READ_ONLY');
  });

  test('where the credentials are no superuser’s, with nothing left behind', async () => {
    const before = await trace();
    const role = `owner_${database.id.slice(-12)}`;
    await target.client.query(
      `create role ${role} login password 'secret'; grant create on database ${target.database} to ${role}`,
    );
    const connection = { user: role, password: 'secret' } as never;
    await world.databases.update(viewer, { id: database.id, connection }, asked());
    const error = await failure(tracking.enable(by(), database.id, ['DDL']), 'UNSUPPORTED');
    expect(error.message).toMatch(/superuser/);
    expect(await trace()).toEqual(before);
    expect(await tracking.of([database.id])).toEqual([[]]);
    expect(await world.rows('SELECT FROM catalog_trackings')).toEqual([]);
    await target.client.query(`revoke create on database ${target.database} from ${role}; drop role ${role}`);
  });
});

describe.skipIf(!hasPostgres15)('on PostgreSQL 15', () => {
  test('a dump is the same before it is tracked and afterwards', async () => {
    await using server = await startPostgres15();
    await using old = await createTestDatabase('create table first (id integer primary key)', server);
    const { host, port, user } = server;
    const connection = { host, port, user, password: 'any', database: old.database, ssl: 'DISABLE' } as const;
    const input = { name: 'old', connection, projectId: null, readOnly: false };
    const { database: connected } = await world.databases.connect(viewer, input, asked());
    const before = await dumpOf(server, old.database);
    await tracking.enable(by(), connected.id, ['DDL']);
    expect(await dumpOf(server, old.database)).toContain('CREATE EVENT TRIGGER quarry_tracking_');
    await old.client.query('create table second (); drop table second');
    await tracking.disable(by(), connected.id, ['DDL']);
    expect(await dumpOf(server, old.database)).toBe(before);
    await world.databases.disconnect(viewer, { id: connected.id, drop: false }, asked());
  });
});
