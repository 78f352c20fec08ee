/** The server's life: metadata and playground opened while the rest of the program is loaded, then composed, then stopped. */
import { fileURLToPath } from 'node:url';
import type { Config } from './config.ts';
import type { ConnectionConfig } from './db/connection.ts';
import { startEmbedded } from './db/embedded.ts';
import { checkMasterKeys, localMasterKeys } from './db/master-keys.ts';
import { migrate } from './db/migrate.ts';
import type { PlaygroundConnections } from './db/playground-setup.ts';
import { playgroundOfUrl } from './db/playground-url.ts';
import { connectionOfUrl } from './db/url.ts';
import { readManifest } from './graph/manifest.ts';
import type { MasterKey } from './lib/keyring.ts';
import { type Service, stopAll } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';
import { aborted, type RunOptions } from './run.ts';

const migrations = fileURLToPath(new URL('../prisma/migrations/', import.meta.url));

export async function run({ config, log, signal }: RunOptions): Promise<void> {
  const startedAt = new Date();
  const running: Service[] = [];
  try {
    // Before anything is opened: a server without its documents would refuse whoever asks.
    const manifest =
      config.persistedDocuments === null ? new Map<string, string>() : await readManifest(config.persistedDocuments);
    const opening = open({ config, log, running });
    // Half a second of modules: loaded while the clusters start.
    const [opened, { compose }] = await Promise.all([opening, import('./compose.ts')]);
    const server = await compose({ config, log, startedAt, manifest, running, ...opened });
    announce({ config, log, port: server.port });
    await aborted(signal);
  } finally {
    await stopAll(running);
    log.info({}, 'quarry.stopped');
  }
}

interface Opened {
  metadata: ConnectionConfig;
  playground: PlaygroundConnections | null;
  masterKeys: readonly [MasterKey, ...MasterKey[]];
  /** Of the clusters here; who brings a server of his own looks after its disk. */
  diskLow: () => boolean;
}

/** The databases that Quarry itself stands on, up and migrated. */
async function open({ config, log, running }: { config: Config; log: Log; running: Service[] }): Promise<Opened> {
  if (config.lostKeys.length > 0) log.warn({ keyIds: config.lostKeys }, 'keys.given_up');
  const clusters = { meta: config.databaseUrl === null, playground: config.playground === 'embedded' };
  const embedded =
    clusters.meta || clusters.playground ? await startEmbedded({ dataDir: config.dataDir, log, clusters }) : null;
  if (embedded) running.push(embedded);
  const own = config.databaseUrl && connectionOfUrl(config.databaseUrl.reveal(), 'DATABASE_URL');
  const { owner, app } = embedded?.meta ?? { owner: own!, app: own! };
  const masterKeys =
    config.masterKeys ?? (await localMasterKeys({ dataDir: config.dataDir, metadata: owner, lost: config.lostKeys }));
  const applied = await migrate({
    connection: owner,
    directory: migrations,
    // Later would be too late: the playground's passwords are derived from the keys as well.
    check: (client) => checkMasterKeys(client, masterKeys, config.lostKeys),
  });
  if (applied.length > 0) log.info({ applied }, 'metadata.migrated');
  return {
    metadata: app,
    playground:
      embedded?.playground ??
      (await playgroundOfUrl({ playground: config.playground, masterKeys, metadata: app, log })),
    masterKeys,
    diskLow: () => embedded?.diskLow ?? false,
  };
}

function announce({ config, log, port }: { config: Config; log: Log; port: number }): void {
  const url = new URL(config.publicUrl);
  if (config.port === 0) url.port = String(port);
  log.info({ url: url.href, port }, 'quarry.ready');
  if (config.logFormat === 'pretty') process.stdout.write(`\n  Quarry is ready: ${new URL('/graphql', url).href}\n\n`);
}
