/** The PostgreSQL of the benchmark: embedded like Quarry's own and as durable, a database for each who asks. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { createLog } from '../../src/lib/log.ts';
import type { Place } from './system.ts';

/** For every system's pool at once. */
const maxConnections = 300;

export interface DurableServer extends AsyncDisposable {
  /** Makes it, empty. */
  database(name: string): Promise<Place['postgres']>;
}

export async function startDurable(): Promise<DurableServer> {
  const log = createLog({ level: 'warn', format: 'pretty' });
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-bench-pg-'));
  // As root the server runs as another user, who has to get in.
  await chmod(dataDir, 0o711);
  const place = await findPlace({ dataDir, log });
  const cluster = await startCluster({
    name: 'meta',
    place,
    log,
    secrets: [],
    settings: { max_connections: maxConnections },
  });
  const { host, port, user, password } = cluster.superuser;
  return {
    async database(name) {
      const admin = new pg.Client({ host, port, user, password, database: 'postgres' });
      await admin.connect();
      await admin.query(`CREATE DATABASE ${name}`);
      await admin.end();
      return { host, port, user, password, database: name };
    },
    async [Symbol.asyncDispose]() {
      await cluster.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
