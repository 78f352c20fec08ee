/** Several processes that listen to one database: each has its own connections to the metadata, its own bus and its hub. */
import type { VisibleDatabase } from '../../../src/databases/databases.ts';
import { createPool } from '../../../src/db/metadata.ts';
import { startNotify } from '../../../src/db/notify.ts';
import { createBus } from '../../../src/lib/bus.ts';
import { startRedisBus } from '../../../src/lib/redis-bus.ts';
import type { Secret } from '../../../src/lib/secret.ts';
import type { Topic } from '../../../src/lib/topics.ts';
import type { RelayLimits } from '../../../src/realtime/relay/limits.ts';
import { createRowChanges } from '../../../src/realtime/row-changes.ts';
import { createViewerRights } from '../../../src/realtime/viewer-rights.ts';
import { createWorld } from '../../databases/world.ts';
import { createTestDatabase } from '../../support/databases.ts';
import { silent } from '../../support/metadata.ts';
import { openProxy } from '../../support/proxy.ts';
import { startProcess } from '../process.ts';
import { connectTo, createReading } from '../stage.ts';

export interface ReplicaOptions {
  readonly redis?: Secret<URL>;
  readonly relay?: Partial<RelayLimits>;
  readonly lingerMs?: number;
}

export async function createRelayWorld(sql: string) {
  const [world, target] = await Promise.all([createWorld(), createTestDatabase(sql)]);
  const viewer = await world.person();
  const database = await connectTo(world, viewer, target, {});
  const running = new Set<() => Promise<void>>();

  async function replica({ redis, relay, lingerMs = 30_000 }: ReplicaOptions = {}) {
    const metadata = world.metadata.database;
    const proxy = await openProxy(metadata);
    const connection = { ...metadata, port: proxy.port, host: '127.0.0.1' };
    const pool = createPool({ connection, log: silent, max: 8 });
    const bus = createBus<Topic>();
    const notify = await startNotify({ connection, pool, bus, log: silent });
    const channel = `quarry:${world.metadata.database.database}`;
    const byRedis =
      redis && (await startRedisBus({ url: redis, channel, bus, otherwise: notify.transport, log: silent }));
    const own = startProcess(world, { bus, pool, hub: { lingerMs }, relay });
    const changes = createRowChanges<VisibleDatabase>({
      hub: own.hub,
      rights: createViewerRights({ load: world.databases.load }),
    });
    const { read, leave } = createReading({ changes, viewer, databaseId: database.id });
    let vanished = false;
    async function stop(): Promise<void> {
      if (!running.delete(stop)) return;
      // Who waits for an answer learns that there is none.
      if (vanished) await proxy[Symbol.asyncDispose]();
      await leave();
      await own.stop();
      await byRedis?.stop();
      await notify.stop();
      await pool.end();
      if (!vanished) await proxy[Symbol.asyncDispose]();
    }
    /** Neither hears of the metadata from now on, nor is heard of there. */
    function vanish(): void {
      vanished = true;
      proxy.blackhole();
    }
    running.add(stop);
    return { ...own, proxy, pool, read, stop, vanish };
  }

  return {
    world,
    target,
    viewer,
    database,
    replica,
    sql: (text: string, values: unknown[] = []) => target.client.query(text, values),
    /** Of the metadata. */
    rows: world.rows,
    async stopAll() {
      for (const stop of [...running]) await stop();
    },
    async [Symbol.asyncDispose]() {
      for (const stop of [...running]) await stop();
      await world[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}

export type RelayWorld = Awaited<ReturnType<typeof createRelayWorld>>;
