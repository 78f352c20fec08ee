/** The process that runs jobs: beside the API as its child, or anywhere with the metadata database's URL. */
import { createAttemptSweeper } from './accounts/attempts.ts';
import { createTokenSweeper } from './accounts/one-time-tokens.ts';
import type { Config } from './config.ts';
import { buildCore } from './core.ts';
import { connect } from './db/connection.ts';
import { checkMasterKeys } from './db/master-keys.ts';
import { playgroundOfUrl } from './db/playground-url.ts';
import { StartError } from './db/start-error.ts';
import { connectionOfUrl } from './db/url.ts';
import { createExportSweeper } from './exports/sweeper.ts';
import { createTasks } from './jobs/tasks.ts';
import { startWorker } from './jobs/worker.ts';
import type { MasterKey } from './lib/keyring.ts';
import { stopAll } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';
import { Secret } from './lib/secret.ts';
import { createExporters } from './queries/exporters.ts';
import { startJanitor } from './queries/janitor.ts';
import { createLeftovers } from './queries/leftovers.ts';
import { aborted, type RunOptions } from './run.ts';
import { createSweeper } from './storage/files/sweeper.ts';
import type { WorkerHandover } from './worker-process.ts';

/** Connections for the claims, the heartbeats and the results of so many jobs. */
const poolOf = (concurrency: number) => Math.min(4 + concurrency, 40);

export async function run({ config, log, signal }: RunOptions): Promise<void> {
  const handover = process.send ? await receive() : null;
  const stop = handover ? AbortSignal.any([signal, parentGone()]) : signal;
  const { metadata, playground, masterKeys } = handover ? ofParent(handover) : await ofConfig(config, log);
  const core = await buildCore({
    config,
    log,
    metadata,
    playground,
    masterKeys,
    poolSize: poolOf(config.workerConcurrency),
    as: 'worker',
  });
  const exporters = createExporters({
    storage: config.storage,
    allowPrivateHosts: config.allowPrivateHosts,
    denied: core.denied,
    moduleCache: config.moduleCache,
  });
  const worker = startWorker({
    store: core.jobStore,
    bus: core.bus,
    log,
    tasks: createTasks({ ...core, exporters }),
    concurrency: config.workerConcurrency,
    mail: core.mail,
  });
  const janitor = startJanitor({
    leftovers: createLeftovers(core.pool),
    blobs: core.blobs,
    log,
    others: {
      ...createSweeper({ store: core.fileStore, blobs: core.blobs, log }),
      exportFolders: createExportSweeper(core),
      oneTimeTokens: createTokenSweeper(core),
      attempts: createAttemptSweeper(core),
    },
  });
  await aborted(stop);
  await stopAll([...core.running, exporters, worker, janitor]);
}

const receive = (): Promise<WorkerHandover> =>
  new Promise((resolve) => process.once('message', (message) => resolve(message as WorkerHandover)));

/** A parent that was killed cannot tell: its channel closes. */
function parentGone(): AbortSignal {
  const gone = new AbortController();
  process.once('disconnect', () => gone.abort());
  return gone.signal;
}

const ofParent = ({ metadata, playground, masterKeys }: WorkerHandover) => ({
  metadata,
  playground,
  masterKeys: masterKeys.map(({ id, key }) => ({ id, key: new Secret(Buffer.from(key, 'base64')) })) as [
    MasterKey,
    ...MasterKey[],
  ],
});

async function ofConfig(config: Config, log: Log) {
  if (!config.databaseUrl || !config.masterKeys) {
    throw new StartError(
      'A worker of its own needs DATABASE_URL and MASTER_KEYS: without them it is started by `npm start`',
    );
  }
  const { masterKeys } = config;
  const metadata = connectionOfUrl(config.databaseUrl.reveal(), 'DATABASE_URL');
  // Before the playground is: the passwords of its roles are derived from the keys.
  await using connected = await connect(metadata);
  await checkMasterKeys(connected.client, masterKeys, config.lostKeys);
  return {
    metadata,
    playground: await playgroundOfUrl({ playground: config.playground, masterKeys, metadata, log }),
    masterKeys,
  };
}
