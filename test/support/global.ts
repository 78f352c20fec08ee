/**
 * Starts the server that every test file shares: one real PostgreSQL 18, whose superuser the tests hold. Names the
 * folder in which the processes of all tests keep their compiled modules: a second of work for each of them.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { createLog } from '../../src/lib/log.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { host: string; port: number; user: string; password: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.env.NODE_COMPILE_CACHE = join(import.meta.dirname, '../../node_modules/.cache/test-modules');
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
  project.provide('postgres', { host, port, user, password });
  return async () => {
    await cluster.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
