/** Kept changes on real metadata and a real target behind a line that can be cut: processes that listen, and what is left. */
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createTrackingStore } from '../../../src/catalog/tracking/store.ts';
import { createTracking } from '../../../src/catalog/tracking/tracking.ts';
import type { Database, VisibleDatabase } from '../../../src/databases/databases.ts';
import { type KeeperLimits, startKeeper } from '../../../src/realtime/feeds/keeper.ts';
import { createKeeping } from '../../../src/realtime/feeds/keeping.ts';
import type { LeaseLimits } from '../../../src/realtime/feeds/leases.ts';
import { createRemains } from '../../../src/realtime/feeds/remains.ts';
import type { HubLimits } from '../../../src/realtime/hub.ts';
import type { GroupBatch, RowChange } from '../../../src/realtime/reader-group.ts';
import { removeFeed } from '../../../src/realtime/remove-feed.ts';
import { createRowChanges } from '../../../src/realtime/row-changes.ts';
import { createViewerRights } from '../../../src/realtime/viewer-rights.ts';
import { asked, createWorld, type World } from '../../databases/world.ts';
import { createTestDatabase, type TestDatabase, type TestServer } from '../../support/databases.ts';
import { silent } from '../../support/metadata.ts';
import { openProxy } from '../../support/proxy.ts';
import { startProcess as startSharing } from '../process.ts';

export interface ProcessLimits {
  hub?: Partial<HubLimits>;
  keeper?: Partial<KeeperLimits>;
  leases?: Partial<LeaseLimits>;
}

export interface KeptStage extends AsyncDisposable {
  readonly world: World;
  readonly viewer: Viewer;
  readonly target: TestDatabase;
  readonly proxy: Awaited<ReturnType<typeof openProxy>>;
  readonly database: Database;
  start(limits?: ProcessLimits): Process;
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Slots, publications and schemas of ours in the target. */
  left(): Promise<string[]>;
}

export type Process = ReturnType<typeof startProcess>;

/** Metadata that stages can share, one after the other. */
export interface KeptWorld extends AsyncDisposable {
  readonly world: World;
  /** Of the stage that is there. */
  processes: Process[];
}

export async function createKeptWorld(): Promise<KeptWorld> {
  const kept: Omit<KeptWorld, 'world' | keyof AsyncDisposable> = { processes: [] };
  const world = await createWorld({
    onLeaving: (database, reach, options) => {
      const [first] = kept.processes;
      return first
        ? removeFeed({ ...first, pool: world.pool }, database, reach, options)
        : Promise.resolve(async () => undefined);
    },
  });
  return Object.assign(kept, { world, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() });
}

/** @param shared absent: the stage has metadata of its own */
export async function createKeptStage(
  sql: string,
  { server, shared }: { server?: TestServer; shared?: KeptWorld } = {},
): Promise<KeptStage> {
  const kept = shared ?? (await createKeptWorld());
  const { world } = kept;
  const processes: Process[] = [];
  kept.processes = processes;
  const target = await createTestDatabase(sql, server);
  const proxy = await openProxy(target);
  const viewer = await world.person();
  const { host, user, password, database: name } = target;
  const connection = { host, port: proxy.port, user, password, database: name, ssl: 'DISABLE' as const };
  const input = { name: 'target', connection, projectId: null, readOnly: false };
  const { database } = await world.databases.connect(viewer, input, asked());
  const stage: KeptStage = {
    world,
    viewer,
    target,
    proxy,
    database,
    start(limits = {}) {
      const process = startProcess(stage, limits);
      processes.push(process);
      return process;
    },
    sql: async (text, values = []) => (await target.client.query(text, values)).rows,
    async left() {
      const rows = await stage.sql(
        `SELECT slot_name::text AS name FROM pg_replication_slots WHERE database = current_database()
         UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT nspname FROM pg_namespace WHERE nspname ~ '^quarry'
         UNION ALL SELECT tgname FROM pg_trigger ORDER BY 1`,
      );
      return rows.map((row) => String(row.name));
    },
    async [Symbol.asyncDispose]() {
      for (const process of processes) await process.stop();
      await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked()).catch(() => undefined);
      if (!shared) await kept[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      const slots = await stage.sql(`SELECT slot_name FROM pg_replication_slots WHERE database = current_database()`);
      for (const { slot_name } of slots)
        await stage.sql('SELECT pg_drop_replication_slot($1)', [slot_name]).catch(() => undefined);
      await target[Symbol.asyncDispose]();
    },
  };
  return stage;
}

/** All of a server that has to do with changes. */
function startProcess({ world, viewer, database }: KeptStage, limits: ProcessLimits) {
  const { databases, pool, keyring, engines } = world;
  const {
    bus,
    feeds: store,
    leases,
    hub,
    stop: stopProcess,
  } = startSharing(world, {
    leases: { leaseMs: 1_500, renewMs: 100, ...limits.leases },
    relay: { reportMs: 100, pollMs: 50, graceMs: 200 },
    hub: {
      lasting: { retryMs: 20, maxRetryMs: 200 },
      feed: { checkMs: 100, silentMs: 1_000 },
      ...limits.hub,
    },
  });
  const remains = createRemains({
    db: pool,
    keyring,
    engines,
    store,
    databases,
    log: silent,
    limits: { retryMs: 100, cleanMs: 500 },
  });
  const keeper = startKeeper<Database>({
    leases,
    store,
    remains,
    databases,
    hub,
    pool,
    bus,
    log: silent,
    limits: { tickMs: 50, retryMs: 50, maxRetryMs: 200, ...limits.keeper },
  });
  const rows = createKeeping<Database>({ store, hub, databases, pool, bus });
  const tracking = createTracking<Database>({ pool, store: createTrackingStore({ db: pool }), databases, rows, bus });
  const changes = createRowChanges<VisibleDatabase>({ hub, rights: createViewerRights({ load: databases.load }) });
  const readers: (() => Promise<void>)[] = [];
  let stopped = false;

  async function stop(): Promise<void> {
    if (stopped) return;
    stopped = true;
    await Promise.all(readers.map((end) => end()));
    await keeper.stop();
    await stopProcess();
  }

  return {
    hub,
    store,
    leases,
    remains,
    tracking,
    stop,
    enable: () => tracking.enable({ viewer, ...asked() }, database.id, ['ROWS']),
    disable: () => tracking.disable({ viewer, ...asked() }, database.id, ['ROWS']),
    /** Listens, whether anybody reads or not. */
    async kept(): Promise<void> {
      while (!hub.status(database.id)?.kept) await new Promise((resolve) => setImmediate(resolve));
    },
    read(tables: readonly string[], after: string | null = null) {
      const left = new AbortController();
      const sources = tables.map((name) => ({ table: { schema: 'public', name } }));
      const stream = changes.follow(
        viewer,
        { databaseId: database.id, tables: sources, after, batchSize: 500 },
        left.signal,
      );
      readers.push(async () => {
        left.abort();
        await stream.return().catch(() => undefined);
      });
      const next = async (): Promise<GroupBatch> => {
        const { value, done } = await stream.next();
        if (done) throw new Error('the stream has ended');
        return value;
      };
      return {
        next,
        async take(count: number): Promise<RowChange[]> {
          const taken: RowChange[] = [];
          while (taken.length < count) taken.push(...(await next()).changes);
          return taken;
        },
      };
    },
  };
}
