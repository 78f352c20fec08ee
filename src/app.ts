/** The composition root of the server: clusters, migrations, services, the port, the worker; stopped in reverse. */
import { createAccounts } from './accounts/accounts.ts';
import { createPasswordHasher } from './accounts/password-hasher.ts';
import type { Config } from './config.ts';
import { buildCore, type Core } from './core.ts';
import type { ConnectionConfig } from './db/connection.ts';
import { startEmbedded } from './db/embedded.ts';
import { localMasterKeys } from './db/master-keys.ts';
import { migrate } from './db/migrate.ts';
import type { PlaygroundConnections } from './db/playground-setup.ts';
import { connectionOfUrl } from './db/url.ts';
import { documentLimits } from './graph/limits.ts';
import { graphiqlTabs } from './graph/tabs.ts';
import { createJobs } from './jobs/jobs.ts';
import type { MasterKey } from './lib/keyring.ts';
import { type Service, stopAll } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';
import { createMetrics } from './metrics.ts';
import { playgroundOfUrl } from './playground.ts';
import { createProjects } from './projects/projects.ts';
import { createQueries } from './queries/queries.ts';
import { type RunningServer, startServer } from './server.ts';
import type { Services } from './services.ts';
import { aborted, type RunOptions } from './worker.ts';
import { startWorkerProcess } from './worker-process.ts';

const poolSize = 20;
const migrations = new URL('../prisma/migrations/', import.meta.url).pathname;

export interface App extends Service {
  readonly url: URL;
  readonly port: number;
}

/** @throws Error with everything stopped again that had been started */
export async function startApp({ config, log }: Omit<RunOptions, 'signal'>): Promise<App> {
  const running: Service[] = [];
  try {
    return await build({ config, log, running });
  } catch (error) {
    await stopAll(running).catch((fault) => log.warn({ err: fault }, 'stop.failed'));
    throw error;
  }
}

async function build({ config, log, running }: { config: Config; log: Log; running: Service[] }): Promise<App> {
  const startedAt = new Date();
  const { owner, metadata, playground, masterKeys } = await open({ config, log, running });
  const applied = await migrate({ connection: owner, directory: migrations });
  if (applied.length > 0) log.info({ applied }, 'metadata.migrated');
  const core = await buildCore({ config, log, metadata, playground, masterKeys, poolSize });
  running.push(...core.running);
  const services = buildServices({ config, core, startedAt, running });
  const server = await startServer({
    services,
    bus: core.bus,
    log,
    limits: documentLimits,
    metrics: await createMetrics(),
    graphiqlTabs: config.graphiql ? graphiqlTabs : null,
    introspection: config.introspection,
    corsOrigins: config.corsOrigins,
    trustProxy: config.trustProxy,
    host: config.host,
    port: config.port,
    readiness: () => readiness(core),
  });
  running.push(server, startWorkerProcess({ log, metadata, playground, masterKeys }));
  core.databases.start();
  return { url: config.publicUrl, port: server.port, stop: () => stopInOrder(running, server) };
}

interface Opened {
  /** Owns the tables; for migrations. */
  owner: ConnectionConfig;
  metadata: ConnectionConfig;
  playground: PlaygroundConnections | null;
  masterKeys: readonly [MasterKey, ...MasterKey[]];
}

async function open({ config, log, running }: { config: Config; log: Log; running: Service[] }): Promise<Opened> {
  const masterKeys = config.masterKeys ?? (await localMasterKeys(config.dataDir));
  const clusters = { meta: config.databaseUrl === null, playground: config.playground === 'embedded' };
  const embedded =
    clusters.meta || clusters.playground ? await startEmbedded({ dataDir: config.dataDir, log, clusters }) : null;
  if (embedded) running.push(embedded);
  const playground = embedded?.playground ?? (await playgroundOfUrl({ config, masterKeys, log }));
  if (embedded?.meta) return { owner: embedded.meta.owner, metadata: embedded.meta.app, playground, masterKeys };
  const metadata = connectionOfUrl(config.databaseUrl!.reveal(), 'DATABASE_URL');
  return { owner: metadata, metadata, playground, masterKeys };
}

function buildServices({
  config,
  core,
  startedAt,
  running,
}: {
  config: Config;
  core: Core;
  startedAt: Date;
  running: Service[];
}): Services {
  const { pool, prisma, keyring, bus, databases, jobStore, resultStore, blobs } = core;
  const settings = { registration: config.registration, maxParallelJobs: config.maxParallelJobs };
  const hasher = createPasswordHasher();
  const accounts = createAccounts({
    pool,
    prisma,
    keyring,
    bus,
    access: core.projectAccess,
    hasher,
    issuer: config.publicUrl.origin,
    settings,
  });
  running.push(hasher, accounts);
  return {
    startedAt,
    settings,
    prisma,
    engines: core.engines,
    accounts,
    access: core.projectAccess,
    projects: createProjects({ pool, prisma, access: core.projectAccess }),
    databases,
    jobs: createJobs({ store: jobStore, bus }),
    queries: createQueries({
      jobs: jobStore,
      results: resultStore,
      blobs,
      databases,
      settingsOf: async (viewer) => accounts.settingsOf(await accounts.self(viewer)),
    }),
  };
}

/** What does not answer, by name. */
async function readiness({ pool, blobs }: Core): Promise<string[]> {
  const checks = { metadata: pool.query('SELECT 1'), storage: blobs.get('ready') };
  const results = await Promise.allSettled(Object.values(checks));
  return Object.keys(checks).filter((_, i) => results[i]?.status === 'rejected');
}

/** No new requests first, then the jobs drain, then what both stand on. */
async function stopInOrder(running: readonly Service[], server: RunningServer): Promise<void> {
  await stopAll([...running.filter((service) => service !== server), server]);
}

export async function run({ config, log, signal }: RunOptions): Promise<void> {
  const app = await startApp({ config, log });
  const url = new URL(app.url);
  if (config.port === 0) url.port = String(app.port);
  log.info({ url: url.href, graphiql: config.graphiql ? new URL('/graphql', url).href : undefined }, 'quarry.ready');
  if (config.logFormat === 'pretty') process.stdout.write(`\n  Quarry is ready: ${new URL('/graphql', url).href}\n\n`);
  await aborted(signal);
  await app.stop();
  log.info({}, 'quarry.stopped');
}
