/** A real PostgreSQL 18 that ends with whoever asked for it, in a folder that goes with it. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { createLog } from '../../src/lib/log.ts';
import type { TestServer } from './databases.ts';

export async function startPostgres(): Promise<TestServer & AsyncDisposable> {
  const log = createLog({ level: 'warn', format: 'pretty' });
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-pg-'));
  // As root the server runs as another user, who has to get in.
  await chmod(dataDir, 0o711);
  const cluster = await startCluster({
    name: 'playground',
    place: await findPlace({ dataDir, log }),
    log,
    secrets: [],
    settings: {
      wal_level: 'logical',
      max_connections: 300,
      max_slot_wal_keep_size: '1GB',
      fsync: 'off',
      track_activity_query_size: '16kB',
    },
  });
  const { host, port, user, password } = cluster.superuser;
  return {
    host,
    port,
    user,
    password,
    async [Symbol.asyncDispose]() {
      await cluster.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
