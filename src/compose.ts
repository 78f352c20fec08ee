/** The composition root of the server: every service in order, then the port, then the worker beside it. */
import { join } from 'node:path';
import { createAccounts } from './accounts/accounts.ts';
import { createAdministration } from './accounts/administration/administration.ts';
import { createAttempts } from './accounts/attempts.ts';
import { createBearer } from './accounts/bearer.ts';
import { type ApiKeys, createApiKeys } from './accounts/keys/api-keys.ts';
import { createIssuedAccounts } from './accounts/oidc/issued-accounts.ts';
import { createIssuer } from './accounts/oidc/issuer.ts';
import { createPasswordHasher } from './accounts/password-hasher.ts';
import { createPasswordProof } from './accounts/password-proof.ts';
import type { Settings } from './accounts/settings.ts';
import { roleOfLinks } from './accounts/store.ts';
import { createSecondFactors } from './accounts/totp/second-factors.ts';
import type { Viewer } from './accounts/viewer.ts';
import { createAuditLog } from './audit/audit-log.ts';
import { startChaining } from './audit/chain.ts';
import { noteJob } from './audit/jobs.ts';
import { createCatalogService } from './catalog/catalog.ts';
import { createCatalogChanges } from './catalog/drift/changes.ts';
import { createChangeStore } from './catalog/drift/store.ts';
import { reachOf } from './catalog/reads/opening.ts';
import { createFirstReads } from './catalog/search/first-reads.ts';
import { createIndexes } from './catalog/search/indexes.ts';
import { createSearch } from './catalog/search/search.ts';
import { createSnapshots, type Snapshots } from './catalog/snapshots/snapshots.ts';
import { startTracker } from './catalog/tracking/tracker.ts';
import { createTracking } from './catalog/tracking/tracking.ts';
import type { Config } from './config.ts';
import { buildCore, type Core, type CoreDeps } from './core.ts';
import { createActivity } from './databases/activity.ts';
import type { Database, VisibleDatabase } from './databases/databases.ts';
import { startRotation } from './db/rotation.ts';
import { createDestinations } from './exports/destination.ts';
import { createExportStore } from './exports/store.ts';
import { featuresOf } from './features.ts';
import { documentLimits } from './graph/limits.ts';
import type { Manifest } from './graph/manifest.ts';
import { graphiqlTabs } from './graph/tabs.ts';
import { createJobs } from './jobs/jobs.ts';
import { createPlaces } from './jobs/places.ts';
import { createJobQuota } from './jobs/quota.ts';
import type { Service } from './lib/lifecycle.ts';
import { openTransport } from './mail/open.ts';
import { createOutbox, type Outbox } from './mail/outbox.ts';
import { startPostman } from './mail/postman.ts';
import { createMailStore } from './mail/store.ts';
import { createMetrics } from './metrics.ts';
import { createInvitations } from './projects/invitations/invitations.ts';
import { createProjects } from './projects/projects.ts';
import { createTaskStore } from './projects/tasks/store.ts';
import { createTasks } from './projects/tasks/tasks.ts';
import { createEndWorkOfKeys } from './queries/ended-keys.ts';
import { createExplain } from './queries/explain.ts';
import { createExports } from './queries/exports.ts';
import { createJobRows } from './queries/job-rows.ts';
import { createLongReads } from './queries/long-reads.ts';
import { createQueries } from './queries/queries.ts';
import { createDueStore } from './queries/saved/due.ts';
import { createSavedQueries } from './queries/saved/saved-queries.ts';
import { startScheduler } from './queries/saved/scheduler.ts';
import { createSavedQueryStore } from './queries/saved/store.ts';
import { createReadiness } from './readiness.ts';
import { createChannels } from './realtime/channels/channels.ts';
import { createMessageStore } from './realtime/channels/store.ts';
import { createFeedHealths } from './realtime/feeds/feed-health.ts';
import { startKeeper } from './realtime/feeds/keeper.ts';
import { createKeeping } from './realtime/feeds/keeping.ts';
import { createLiveQueries } from './realtime/live/live-queries.ts';
import { createRowChanges } from './realtime/row-changes.ts';
import { createViewerRights } from './realtime/viewer-rights.ts';
import { createWatching } from './realtime/watching.ts';
import { sealedColumns } from './sealed-columns.ts';
import { type RunningServer, startServer } from './server.ts';
import type { Services } from './services.ts';
import { createAddresses } from './storage/files/addresses.ts';
import { createBuckets } from './storage/files/buckets.ts';
import { createFiles } from './storage/files/files.ts';
import { createLinks } from './storage/files/links.ts';
import { createFileRoutes } from './storage/files/routes.ts';
import { createUploads } from './storage/files/uploads.ts';
import { startWorkerProcess } from './worker-process.ts';

export interface ComposeDeps extends Omit<CoreDeps, 'poolSize' | 'as'> {
  startedAt: Date;
  /** Of persisted documents; empty where there is none. */
  manifest: Manifest;
  /** True while a disk that Quarry writes to is nearly full. */
  diskLow: () => boolean;
  /** What is started is put here, in its order, before anything else can fail. */
  running: Service[];
}

/** Connections of the API to the metadata. */
const poolSize = 20;

export async function compose({ startedAt, manifest, diskLow, running, ...deps }: ComposeDeps): Promise<RunningServer> {
  const { config, log, metadata, playground, masterKeys } = deps;
  const core = await buildCore({ ...deps, poolSize, as: 'server' });
  running.push(...core.running);
  // Its port is known when the server listens, where the configuration leaves it open.
  const publicUrl = new URL(config.publicUrl);
  const outbox = createOutbox({ keyring: core.keyring, publicUrl });
  const postman = startPostman({
    store: createMailStore({ db: core.pool }),
    outbox,
    transport: openTransport({ ...config.mail, directory: join(config.dataDir, 'outbox'), log }),
    bus: core.bus,
    log,
  });
  running.push(postman);
  const services = buildServices({ config, core, startedAt, diskLow, running, publicUrl, outbox });
  const rotation = startRotation({ pool: core.pool, keyring: core.keyring, columns: sealedColumns, log });
  running.push(rotation);
  const server = await startServer({
    services,
    bus: core.bus,
    log,
    limits: documentLimits,
    metrics: createMetrics({
      liveQueries: services.liveQueries.counts,
      changeFeeds: core.hub.counts,
      mails: postman.counts,
      sealedSecrets: rotation.counts,
    }),
    graphiqlTabs: config.graphiql ? graphiqlTabs : null,
    introspection: config.introspection,
    persistedDocuments: { manifest, only: config.persistedDocumentsOnly },
    corsOrigins: config.corsOrigins,
    trustProxy: config.trustProxy,
    rateLimits: config.rateLimits,
    sharedRates: core.sharedRates && ((kind) => core.sharedRates!.of(kind)),
    publicUrl,
    host: config.host,
    port: config.port,
    readiness: createReadiness(core),
  });
  if (config.port === 0) publicUrl.port = String(server.port);
  const worker = startWorkerProcess({ log, metadata, playground, masterKeys, moduleCache: config.moduleCache });
  // Both drain at the same time, before what they stand on goes.
  running.push({ stop: async () => void (await Promise.all([server.stop(), worker.stop()])) });
  const scheduler = startScheduler({
    due: createDueStore(core.pool),
    queries: services.queries,
    databases: core.databases,
    roleOfOwner: core.jobStore.roleOfOwner,
    bus: core.bus,
    log,
  });
  running.push(scheduler);
  core.databases.start();
  return server;
}

interface BuildServices {
  config: Config;
  core: Core;
  startedAt: Date;
  diskLow: () => boolean;
  running: Service[];
  publicUrl: URL;
  outbox: Outbox;
}

function buildServices({ config, core, startedAt, diskLow, running, publicUrl, outbox }: BuildServices): Services {
  const { pool, prisma, keyring, bus, databases, connections, jobStore, resultStore, blobs } = core;
  const { registration, requireVerifiedEmail, maxParallelJobs } = config;
  const settings = { registration, requireVerifiedEmail, maxParallelJobs };
  const hasher = createPasswordHasher();
  const access = core.projectAccess;
  const invitations = createInvitations({ pool, prisma, access, outbox, registration });
  const attempts = createAttempts({ pool, limits: config.attempts });
  const proof = createPasswordProof({ pool, hasher, attempts });
  const secondFactors = createSecondFactors({ pool, keyring, outbox, proof, attempts });
  const endWorkOfKeys = createEndWorkOfKeys({ jobs: jobStore });
  const accounts = createAccounts({
    secondFactors,
    pool,
    prisma,
    keyring,
    bus,
    access,
    buckets: core.bucketAccess,
    hasher,
    outbox,
    admission: invitations,
    attempts,
    proof,
    endWorkOfKeys,
    issuer: config.publicUrl.origin,
    settings,
  });
  const apiKeys = createApiKeys({
    pool,
    prisma,
    bus,
    endWorkOfKeys,
    settings,
    requireDatabase: databases.requireDatabase,
  });
  const issued = issuedAccountsOf({ config, core, outbox });
  if (issued) running.push(issued);
  running.push(hasher, accounts, apiKeys, startChaining({ pool, keyring, log: core.log }));
  const settingsOf = async (viewer: Viewer) => accounts.settingsOf(await accounts.self(viewer));
  const jobs = createJobs({
    store: jobStore,
    places: createPlaces({ pool, maxParallelJobs: config.maxParallelJobs }),
    bus,
    settingsOf,
    note: noteJob,
  });
  const snapshots = createSnapshots({
    store: core.snapshotStore,
    read: (database: Database, options) =>
      databases.readCatalog(database, (catalog) => catalog.snapshot({ ...options, reach: reachOf(database) }), options),
    bus,
    log: core.log,
    ttlMs: config.catalogTtlMs,
  });
  running.push(snapshots);
  const catalog = createCatalogService({ databases, snapshots, moments: core.moments });
  const { trackingStore, log } = core;
  const forget = (databaseId: string) => trackingStore.remove(pool, databaseId);
  running.push(startTracker({ store: trackingStore, databases, snapshots, forget, bus, log }));
  const changeStore = createChangeStore({ db: pool });
  const { feedStore, hub, leases, remains } = core;
  const keeping = createKeeping<Database>({ store: feedStore, hub, databases, pool, bus });
  running.push(startKeeper({ leases, store: feedStore, remains, databases, hub, pool, bus, log }));
  const destinations = createDestinations({
    access: core.bucketAccess,
    files: core.fileStore,
    store: createExportStore({ pool, files: core.fileStore }),
  });
  const longReads = createLongReads();
  const queries = createQueries({
    jobs: jobStore,
    quota: createJobQuota({ pool }),
    diskLow,
    results: resultStore,
    blobs,
    longReads,
    databases,
    connections,
    destinations,
    settingsOf,
  });
  return {
    startedAt,
    settings,
    features: featuresOf(config),
    prisma,
    moments: core.moments,
    engines: core.engines,
    access,
    accounts,
    auditLog: createAuditLog({ pool, keyring, log, maxRefusals: config.auditedRefusals }),
    apiKeys,
    secondFactors,
    bearer: createBearer({ accounts, apiKeys, issued }),
    administration: createAdministration({ pool, prisma, bus, jobs: jobStore, databases }),
    invitations,
    projects: createProjects({ pool, prisma, access, onRightsLost: jobStore.cancelWithoutRight, settings }),
    tasks: createTasks({ pool, store: createTaskStore({ db: pool, prisma }), bus }),
    databases,
    activity: createActivity({ databases, jobs: jobStore }),
    catalog,
    tracking: createTracking({ pool, store: trackingStore, databases, rows: keeping, bus }),
    catalogChanges: createCatalogChanges({ store: changeStore, databases, catalog, snapshots, bus }),
    search: buildSearch({ core, snapshots, running }),
    jobs,
    jobRows: createJobRows({ results: resultStore, blobs, longReads, bus }),
    queries,
    exports: createExports({
      jobs: jobStore,
      results: resultStore,
      queries,
      destinations,
      access: core.bucketAccess,
      settingsOf,
    }),
    savedQueries: createSavedQueries({
      pool,
      store: createSavedQueryStore({ db: pool, prisma }),
      access,
      databases,
      queries,
      destinations,
      jobs,
    }),
    explain: createExplain({ databases, connections, settingsOf }),
    channels: createChannels({ store: createMessageStore({ pool }), access, bus }),
    ...buildRealtime({ core, running, settingsOf }),
    ...buildFiles({ config, core, publicUrl, apiKeys }),
  };
}

/** Null where the operator named no issuer. */
function issuedAccountsOf({ config, core: { pool, bus }, outbox }: Pick<BuildServices, 'config' | 'core' | 'outbox'>) {
  if (!config.oidc) return null;
  const issuer = createIssuer({ ...config.oidc, clock: () => new Date() });
  return createIssuedAccounts({ pool, bus, issuer, outbox, settings: { registration: config.registration } });
}

function buildRealtime({
  core,
  running,
  settingsOf,
}: Pick<BuildServices, 'core' | 'running'> & { settingsOf: (viewer: Viewer) => Promise<Settings> }) {
  const { databases, hub, log } = core;
  const rights = createViewerRights<VisibleDatabase>({ load: databases.load });
  const watching = createWatching<VisibleDatabase>({ hub, log });
  const liveQueries = createLiveQueries({ databases, rights, watching, settingsOf, log });
  running.push(liveQueries);
  return {
    rowChanges: createRowChanges<VisibleDatabase>({ hub, rights }),
    feedHealths: createFeedHealths({ hub, store: core.feedStore }),
    liveQueries,
  };
}

function buildSearch({
  core,
  snapshots,
  running,
}: Pick<BuildServices, 'core' | 'running'> & { snapshots: Snapshots<Database> }) {
  const { databases, snapshotStore, log } = core;
  const indexes = createIndexes({ snapshots: snapshotStore, log });
  const { readLater, ...reads } = createFirstReads<Database>({
    load: (viewer, id) => databases.load({}, viewer, id),
    refresh: snapshots.refresh,
    log,
  });
  running.push(indexes, reads);
  return createSearch({ databases, snapshots, moments: core.moments, indexes, readLater });
}

function buildFiles({
  config,
  core,
  publicUrl,
  apiKeys,
}: Pick<BuildServices, 'config' | 'core' | 'publicUrl'> & { apiKeys: ApiKeys }) {
  const { pool, blobs, log, fileStore: store, bucketAccess: access, reservations } = core;
  const links = createLinks({ keyring: core.keyring });
  const addresses = createAddresses({ links, publicUrl });
  const uploads = createUploads({ store, access, reservations, blobs, addresses });
  return {
    buckets: createBuckets({ pool, store, access, projects: core.projectAccess }),
    files: createFiles({ pool, store, access, addresses, limits: core.storageLimits }),
    uploads,
    fileRoutes: createFileRoutes({
      store,
      access,
      blobs,
      uploads,
      links,
      roleOf: (userId, linksMadeAt) => roleOfLinks(pool, userId, linksMadeAt),
      isKeyLive: apiKeys.isLive,
      corsOrigins: config.corsOrigins,
      log,
    }),
  };
}
