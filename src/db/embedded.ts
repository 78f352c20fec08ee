/** The embedded servers of a Quarry that was given none: the metadata cluster and the playground, side by side. */
import type { Service } from '../lib/lifecycle.ts';
import { stopAll } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { type Cluster, type ClusterLimits, startCluster } from './cluster.ts';
import { lockDataDir } from './lock.ts';
import { type MetadataConnections, metadataSecrets, prepareMetadata } from './metadata-roles.ts';
import { findPlace, type Place } from './place.ts';
import { type PlaygroundConnections, playgroundSecrets, preparePlayground } from './playground-setup.ts';
import type { Settings } from './postmaster.ts';

export interface EmbeddedOptions {
  /** Absolute. */
  readonly dataDir: string;
  readonly log: Log;
  /** Which are wanted: the others were given by their URLs. */
  readonly clusters: { readonly meta: boolean; readonly playground: boolean };
  readonly limits?: ClusterLimits | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EmbeddedMeta extends MetadataConnections {
  readonly cluster: Cluster;
}

export interface EmbeddedPlayground extends PlaygroundConnections {
  readonly cluster: Cluster;
}

export interface Embedded extends Service {
  readonly meta: EmbeddedMeta | null;
  readonly playground: EmbeddedPlayground | null;
  /** A disk is nearly full: nothing that writes much should begin. */
  readonly diskLow: boolean;
}

/** Row changes need logical WAL; a reader that stays away may keep so much of it and no more. */
const playgroundSettings: Settings = {
  wal_level: 'logical',
  max_replication_slots: 64,
  max_wal_senders: 64,
  max_slot_wal_keep_size: '1GB',
  temp_file_limit: '2GB',
  max_connections: 200,
  // Room for the administrator when users' jobs have taken the rest.
  reserved_connections: 10,
};

/**
 * Locks DATA_DIR, starts the wanted clusters at once and sets up who may do what in them.
 * @throws StartError when another Quarry holds DATA_DIR or a cluster does not start; then nothing is left running
 */
export async function startEmbedded({ dataDir, log, clusters, limits, signal }: EmbeddedOptions): Promise<Embedded> {
  const lock = await lockDataDir({ dataDir, signal });
  const started: Service[] = [{ stop: async () => await lock[Symbol.asyncDispose]() }];
  const place = await findPlace({ dataDir, log }).catch(async (error: unknown) => {
    await stopAll(started);
    throw error;
  });
  const deps = { place, log, limits, signal, started };
  const [meta, playground] = await Promise.allSettled([
    clusters.meta ? startMeta(deps) : null,
    clusters.playground ? startPlayground(deps) : null,
  ]);
  if (meta.status === 'rejected' || playground.status === 'rejected') {
    await stopAll(started);
    throw meta.status === 'rejected' ? meta.reason : (playground as PromiseRejectedResult).reason;
  }
  return {
    meta: meta.value,
    playground: playground.value,
    get diskLow() {
      return (meta.value?.cluster.diskLow || playground.value?.cluster.diskLow) ?? false;
    },
    async stop() {
      const [held, ...running] = started;
      // Both at once, as each may take its time over a checkpoint; the lock goes last.
      const stopped = await Promise.allSettled(running.map((service) => service.stop()));
      await held?.stop();
      const faults = stopped.filter((result) => result.status === 'rejected').map((result) => result.reason);
      if (faults.length > 0) throw new AggregateError(faults, 'a cluster did not stop cleanly');
    },
  };
}

interface StartDeps {
  place: Place;
  log: Log;
  limits: ClusterLimits | undefined;
  signal: AbortSignal | undefined;
  /** What runs is put here before anything else can fail. */
  started: Service[];
}

async function startMeta({ started, ...deps }: StartDeps): Promise<EmbeddedMeta> {
  const cluster = await startCluster({ name: 'meta', secrets: metadataSecrets, ...deps });
  started.push(cluster);
  const { superuser, secrets: passwords } = cluster;
  return { cluster, ...(await prepareMetadata({ superuser, passwords, signal: deps.signal })) };
}

async function startPlayground({ started, ...deps }: StartDeps): Promise<EmbeddedPlayground> {
  const cluster = await startCluster({
    name: 'playground',
    secrets: playgroundSecrets,
    settings: playgroundSettings,
    ...deps,
  });
  started.push(cluster);
  const { superuser: administrator, secrets: passwords } = cluster;
  return { cluster, ...(await preparePlayground({ administrator, passwords, log: deps.log, signal: deps.signal })) };
}
