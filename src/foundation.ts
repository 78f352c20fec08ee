/**
 * What the server and a worker stand on alike: the metadata, the bus, the engines, the queue and the way to a target.
 * Each process builds its own.
 */

import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from './config.ts';
import type { ConnectionConfig } from './db/connection.ts';
import { createPool } from './db/metadata.ts';
import { startNotify } from './db/notify.ts';
import type { PlaygroundConnections } from './db/playground-setup.ts';
import { createEngines, type Engines } from './engines/registry.ts';
import { createJobStore, type JobStore } from './jobs/store.ts';
import { type Bus, createBus } from './lib/bus.ts';
import { createEgress } from './lib/egress.ts';
import type { Keyring } from './lib/keyring.ts';
import type { Service } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';
import type { Topic } from './lib/topics.ts';
import { createResultStore, type ResultStore } from './queries/store.ts';
import type { BlobStore } from './storage/blob-store.ts';
import { createDiskStore } from './storage/disk.ts';

export interface FoundationDeps {
  config: Config;
  log: Log;
  metadata: ConnectionConfig;
  playground: PlaygroundConnections | null;
  keyring: Keyring;
  poolSize: number;
}

export interface Foundation {
  readonly pool: pg.Pool;
  readonly bus: Bus<Topic>;
  readonly engines: Engines;
  readonly jobs: JobStore;
  readonly results: ResultStore;
  readonly blobs: BlobStore;
  /** In the order in which they were started. */
  readonly services: Service[];
}

export async function createFoundation({
  config,
  log,
  metadata,
  playground,
  poolSize,
}: FoundationDeps): Promise<Foundation> {
  const bus = createBus<Topic>();
  const pool = createPool({ connection: metadata, log, max: poolSize });
  const notify = await startNotify({ connection: metadata, pool, bus, log });
  const dial = createEgress({
    allowPrivateHosts: config.allowPrivateHosts,
    // Quarry's own servers are nobody's target, whatever the operator allows.
    denied: () => [metadata, ...(playground ? [playground.admin] : [])],
  });
  return {
    pool,
    bus,
    engines: createEngines({ dial }),
    jobs: createJobStore(pool),
    results: createResultStore(pool),
    blobs: createDiskStore({ directory: join(config.dataDir, 'files') }),
    services: [{ stop: () => pool.end() }, notify],
  };
}
