/**
 * What the server and a worker stand on alike: the metadata, the bus, the engines, people's databases, the queue. Each
 * process builds its own; app.ts and worker.ts add what makes them one or the other.
 */
import { join } from 'node:path';
import type pg from 'pg';
import { sealBeginning } from './audit/chain.ts';
import { submittedStep } from './audit/jobs.ts';
import { dropChanges } from './catalog/drift/store.ts';
import { createSnapshotStore, type SnapshotStore } from './catalog/snapshots/store.ts';
import { createTrackingStore, type TrackingStore } from './catalog/tracking/store.ts';
import { removeTracking } from './catalog/tracking/tracking.ts';
import type { Config } from './config.ts';
import { createDatabases, type Database, type Databases } from './databases/databases.ts';
import { startLostPasswords } from './databases/lost-passwords.ts';
import { createTypedConnections, type TypedConnections } from './databases/typed-connections.ts';
import type { ConnectionConfig } from './db/connection.ts';
import { installationId } from './db/installation.ts';
import { checkMasterKeys, verifyKeyring } from './db/master-keys.ts';
import { createPool, createPrisma, type Prisma } from './db/metadata.ts';
import { createMoments, type Moments } from './db/moments.ts';
import { type Mail, startNotify } from './db/notify.ts';
import { createPlayground } from './db/playground.ts';
import type { PlaygroundConnections } from './db/playground-setup.ts';
import { createEngines, type Engines } from './engines/registry.ts';
import { createJobStore, type JobStore } from './jobs/store.ts';
import { type Bus, createBus } from './lib/bus.ts';
import { createEgress } from './lib/egress.ts';
import type { Keyring, MasterKey } from './lib/keyring.ts';
import type { Service } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';
import { redisAddress, startRedisBus } from './lib/redis-bus.ts';
import { openRedisRates, type RedisRates } from './lib/redis-rates.ts';
import type { Topic } from './lib/topics.ts';
import { type Access, createAccess } from './projects/access.ts';
import { letGoOf } from './queries/saved/store.ts';
import { createResultStore, type ResultStore } from './queries/store.ts';
import { createLeases, type Leases } from './realtime/feeds/leases.ts';
import { createRemains, type Remains } from './realtime/feeds/remains.ts';
import { createFeedStore, type FeedStore } from './realtime/feeds/store.ts';
import { createHub, type Hub } from './realtime/hub.ts';
import { createRelay } from './realtime/relay/relay.ts';
import { createRelayStore } from './realtime/relay/store.ts';
import { removeFeed } from './realtime/remove-feed.ts';
import type { BlobStore } from './storage/blob-store.ts';
import { type BucketAccess, createBucketAccess } from './storage/files/access.ts';
import { type StorageLimits, storageLimits } from './storage/files/limits.ts';
import { createReservations, type Reservations } from './storage/files/reservations.ts';
import { createFileStore, type FileStore } from './storage/files/store.ts';
import { addressesOf } from './storage/place.ts';
import { openStorage } from './storage/registry.ts';

export interface CoreDeps {
  config: Config;
  log: Log;
  metadata: ConnectionConfig;
  playground: PlaygroundConnections | null;
  masterKeys: readonly [MasterKey, ...MasterKey[]];
  /** Connections to the metadata at the most. */
  poolSize: number;
  /** Which key seals, and what is made anew where one is lost, servers decide. */
  as: 'server' | 'worker';
}

export interface Core {
  readonly log: Log;
  readonly pool: pg.Pool;
  readonly prisma: Prisma;
  readonly moments: Moments;
  readonly bus: Bus<Topic>;
  readonly mail: Mail;
  readonly keyring: Keyring;
  /** Null without Redis. */
  readonly sharedRates: RedisRates | null;
  readonly engines: Engines;
  /** Quarry's own servers. */
  readonly denied: readonly { readonly host: string; readonly port: number }[];
  readonly projectAccess: Access;
  readonly databases: Databases;
  readonly hub: Hub<Database>;
  readonly feedStore: FeedStore;
  readonly leases: Leases;
  readonly remains: Remains;
  readonly connections: TypedConnections;
  readonly jobStore: JobStore;
  readonly snapshotStore: SnapshotStore;
  readonly trackingStore: TrackingStore;
  readonly resultStore: ResultStore;
  readonly blobs: BlobStore;
  readonly storageLimits: StorageLimits;
  readonly fileStore: FileStore;
  readonly bucketAccess: BucketAccess;
  readonly reservations: Reservations;
  /** Where exports put what they cannot stream. */
  readonly exportFolder: string;
  /** In the order in which they were started. */
  readonly running: Service[];
}

export async function buildCore(deps: CoreDeps): Promise<Core> {
  const { config, log, metadata, playground, masterKeys, poolSize } = deps;
  const bus = createBus<Topic>();
  const pool = createPool({ connection: metadata, log, max: poolSize });
  const running: Service[] = [{ stop: () => pool.end() }];
  const keyring =
    deps.as === 'server'
      ? await verifyKeyring({ pool, log }, masterKeys, config.lostKeys)
      : await checkMasterKeys(pool, masterKeys, config.lostKeys);
  await sealBeginning(pool, keyring);
  const notify = await startNotify({ connection: metadata, pool, bus, log });
  running.push(notify);
  const { redisUrl } = config;
  let sharedRates: RedisRates | null = null;
  if (redisUrl) {
    const own = `quarry:${await installationId(pool)}`;
    const channel = `${own}:bus`;
    sharedRates = openRedisRates({ url: redisUrl, prefix: `${own}:rates`, log });
    running.push(sharedRates);
    running.push(await startRedisBus({ url: redisUrl, channel, bus, otherwise: notify.transport, log }));
  }
  const prisma = createPrisma(pool);
  const moments = createMoments({ pool });
  const redisAddresses = redisUrl ? [redisAddress(redisUrl.reveal())] : [];
  // Quarry's own servers are nobody's target, whatever the operator allows.
  const denied = [
    metadata,
    ...(playground ? [playground.admin] : []),
    ...addressesOf(config.storage),
    ...redisAddresses,
  ].map(({ host, port }) => ({ host, port }));
  const dial = createEgress({ allowPrivateHosts: config.allowPrivateHosts, denied: () => denied });
  const engines = createEngines({ dial });
  const jobStore = createJobStore({
    pool,
    bus,
    log,
    limits: {
      maxParallelJobs: config.maxParallelJobs,
      maxParallelJobsPerDatabase: config.maxParallelJobsPerDatabase,
    },
    resultsRetentionMs: config.resultsRetentionMs,
    noteStep: submittedStep,
  });
  const trackingStore = createTrackingStore({ db: pool });
  const feedStore = createFeedStore({ pool });
  const snapshotStore = createSnapshotStore({ pool });
  const projectAccess = createAccess({ pool });
  const hosting = playground && createPlayground({ ...playground, log });
  if (hosting && deps.as === 'server' && config.lostKeys.length > 0)
    running.push(startLostPasswords({ pool, keyring, playground: hosting, lost: config.lostKeys, log }));
  const databases = createDatabases({
    pool,
    prisma,
    moments,
    engines,
    keyring,
    playground: hosting,
    projects: projectAccess,
    onRightsLost: jobStore.cancelWithoutRight,
    onLeaving: async (database, reach, options) => {
      const settled = await removeFeed({ hub, store: feedStore, remains, pool }, database, reach, options);
      try {
        await removeTracking({ store: trackingStore, pool }, database, reach, options);
      } catch (error) {
        await settled();
        throw error;
      }
      return settled;
    },
    onDisconnect: [
      (databaseId, client) => jobStore.cancelAllOf(client, databaseId),
      (databaseId, client) => letGoOf(client, databaseId),
      (databaseId, client) => snapshotStore.drop(client, databaseId),
      (databaseId, client) => dropChanges(client, databaseId),
    ],
    log,
  });
  running.push(databases);
  const remains = createRemains({ db: pool, keyring, engines, store: feedStore, databases, log });
  const leases = createLeases({ store: feedStore, log });
  const relay = createRelay({ leases, store: createRelayStore({ db: pool }), keyring, bus, log });
  const hub = createHub<Database>({ databases, relay, store: feedStore, log });
  running.push(leases, relay, hub);
  const fileStore = createFileStore({ db: pool, prisma });
  const bucketAccess = createBucketAccess({ store: fileStore });
  const blobs = await openStorage(config.storage);
  const limits = { ...storageLimits, bytesOfUser: config.storageOfUserBytes };
  return {
    log,
    pool,
    prisma,
    moments,
    bus,
    mail: notify,
    keyring,
    sharedRates,
    engines,
    denied,
    projectAccess,
    databases,
    hub,
    feedStore,
    leases,
    remains,
    connections: createTypedConnections({ keyring, engines }),
    jobStore,
    snapshotStore,
    trackingStore,
    resultStore: createResultStore(pool),
    blobs,
    storageLimits: limits,
    fileStore,
    bucketAccess,
    reservations: createReservations({ pool, store: fileStore, access: bucketAccess, blobs, limits }),
    exportFolder: join(config.dataDir, 'tmp', 'exports'),
    running,
  };
}
