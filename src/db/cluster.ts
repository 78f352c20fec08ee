/** One embedded PostgreSQL cluster: made once, started, kept running, stopped. What is in it is made by others. */
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { chown, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { childEnvironment } from './binaries.ts';
import type { ConnectionConfig } from './connection.ts';
import { type DiskLimits, diskLimits, watchDisk } from './disk.ts';
import { clearLeftovers } from './leftovers.ts';
import { makeOwnDirectory, type Place } from './place.ts';
import {
  exited,
  host,
  launchOnFreePort,
  launchServer,
  type Settings,
  sendFastShutdown,
  shutDown,
} from './postmaster.ts';
import { openSecrets, type Secrets } from './secrets.ts';
import { StartError } from './start-error.ts';

const run = promisify(execFile);

export type ClusterName = 'meta' | 'playground';

export interface ClusterLimits {
  /** Recovery after a crash replays the log; this is for a server that hangs. */
  readonly startMs: number;
  /** A fast shutdown writes a checkpoint; then it is ended without one. */
  readonly stopMs: number;
  /** The pause before a restart doubles from the first to the last. */
  readonly restartFirstMs: number;
  readonly restartLastMs: number;
  readonly disk: DiskLimits;
}

export const clusterLimits: ClusterLimits = {
  startMs: 120_000,
  stopMs: 10_000,
  restartFirstMs: 100,
  restartLastMs: 15_000,
  disk: diskLimits,
};

export interface ClusterOptions<Label extends string> {
  readonly name: ClusterName;
  readonly place: Place;
  readonly log: Log;
  /** Server settings on top of the common ones. */
  readonly settings?: Settings | undefined;
  /** Passwords that whoever sets up the cluster needs beside the superuser's. */
  readonly secrets: readonly Label[];
  readonly limits?: ClusterLimits | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface ClusterEvents {
  /** The server ended by itself; a restart follows. */
  exited: [];
  /** It accepts connections again, on the same port. */
  restarted: [];
  /** The disk has become low, or is no longer. */
  diskLow: [boolean];
}

export interface Cluster<Label extends string = string> extends Service {
  readonly name: ClusterName;
  readonly host: string;
  readonly port: number;
  /** For whoever sets the cluster up; nothing at run time connects with it. */
  readonly superuser: ConnectionConfig;
  readonly secrets: Secrets<Label>;
  /** Of the postmaster that runs now. */
  readonly pid: number;
  readonly restarts: number;
  readonly diskLow: boolean;
  readonly events: EventEmitter<ClusterEvents>;
}

/** Small enough for two of them on a laptop; nothing but loopback, no Unix socket, no password in clear. */
const commonSettings: Settings = {
  listen_addresses: host,
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  shared_buffers: '32MB',
  max_connections: 100,
  max_wal_size: '512MB',
  min_wal_size: '32MB',
  // Nobody subscribes here, and asynchronous readers would be three more processes a cluster.
  max_logical_replication_workers: 0,
  io_method: 'sync',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_destination: 'stderr',
  log_line_prefix: '',
  // Statements and their values stay out of the log: they may be anybody's data.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

/**
 * Makes the cluster if there is none, ends what a killed Quarry left of it, starts it on a free port and keeps it
 * running until `stop`. Resolves when it accepts connections.
 * @throws StartError
 */
export async function startCluster<Label extends string>({
  name,
  place,
  log: parentLog,
  settings = {},
  secrets: labels,
  limits = clusterLimits,
  signal,
}: ClusterOptions<Label>): Promise<Cluster<Label>> {
  const log = parentLog.child({ cluster: name });
  const directory = join(place.directory, name);
  const all = { ...commonSettings, ...settings };
  const secrets = await preparedSecrets({ name, place, directory, labels });
  await initialise({ directory, place, password: secrets.superuser, log, signal });
  await clearLeftovers({ directory, log });

  const events = new EventEmitter<ClusterEvents>();
  const stopping = new AbortController();
  const launch = (port: number, options: { signal: AbortSignal | undefined }) =>
    launchServer({ place, directory, settings: { ...all, port }, startMs: limits.startMs, log, ...options });
  const first = await launchOnFreePort((port) => launch(port, { signal }));
  const { port } = first;
  let server = first.server;
  let restarts = 0;

  const endWithUs = () => {
    sendFastShutdown(server);
  };
  process.once('exit', endWithUs);

  const restart = async () => {
    for (let pauseMs = limits.restartFirstMs; ; pauseMs = Math.min(pauseMs * 2, limits.restartLastMs)) {
      await sleep(pauseMs, undefined, { signal: stopping.signal });
      try {
        // The postmaster alone may have died: what it started would keep a new one out.
        await clearLeftovers({ directory, log });
        server = await launch(port, { signal: stopping.signal });
        restarts++;
        log.warn({ restarts, pid: server.pid }, 'cluster.restarted');
        events.emit('restarted');
        return;
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error({ err: error, nextPauseMs: Math.min(pauseMs * 2, limits.restartLastMs) }, 'cluster.restart_failed');
      }
    }
  };
  const keepRunning = async () => {
    while (!stopping.signal.aborted) {
      await exited(server);
      if (stopping.signal.aborted) return;
      log.error({ exitCode: server.exitCode, signal: server.signalCode }, 'cluster.exited');
      events.emit('exited');
      await restart();
    }
  };
  const kept = keepRunning().catch((error: unknown) => {
    if (!stopping.signal.aborted) log.fatal({ err: error }, 'cluster.supervision_failed');
  });
  const disk = await watchDisk({
    directory,
    limits: limits.disk,
    log,
    changed: (low) => events.emit('diskLow', low),
  });

  log.info({ port, pid: server.pid, directory }, 'cluster.ready');
  return {
    name,
    host,
    port,
    superuser: { host, port, user: 'postgres', password: secrets.superuser, database: 'postgres' },
    secrets,
    get pid() {
      return server.pid ?? 0;
    },
    get restarts() {
      return restarts;
    },
    get diskLow() {
      return disk.low;
    },
    events,
    async stop() {
      if (stopping.signal.aborted) return;
      disk[Symbol.dispose]();
      stopping.abort(new Error('the cluster is stopping'));
      await shutDown(server, limits.stopMs);
      await kept;
      // A restart that was just done when we began to stop has put a new one here.
      await shutDown(server, limits.stopMs);
      process.off('exit', endWithUs);
      log.info('cluster.stopped');
    },
  };
}

async function preparedSecrets<Label extends string>({
  name,
  place,
  directory,
  labels,
}: {
  name: ClusterName;
  place: Place;
  directory: string;
  labels: readonly Label[];
}): Promise<Secrets<Label | 'superuser'>> {
  const file = join(place.secrets, `${name}.secrets.json`);
  const exists = (await readdir(directory).catch((): string[] => [])).includes('PG_VERSION');
  if (exists && !(await readdir(place.secrets)).includes(`${name}.secrets.json`))
    throw new StartError(`${file} is missing: restore it, or delete ${directory} with all that is in it`);
  return openSecrets(file, ['superuser', ...labels]);
}

/** Makes the data directory aside and renames it, so that one that was interrupted never looks like a cluster. */
async function initialise({
  directory,
  place,
  password,
  log,
  signal,
}: {
  directory: string;
  place: Place;
  password: string;
  log: Log;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const { identity, binaries } = place;
  const version = await readFile(join(directory, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version !== undefined) {
    if (Number.parseInt(version, 10) === binaries.major) return;
    throw new StartError(
      `${directory} was made by PostgreSQL ${version.trim()}, and this Quarry brings ${binaries.major}: go back, or dump and restore it`,
    );
  }
  const draft = `${directory}.new`;
  await makeOwnDirectory(draft, identity);
  const passwordFile = join(draft, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (identity) await chown(passwordFile, identity.uid, identity.gid);
  const data = join(draft, 'data');
  const options = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'];
  // The builtin provider sorts by code point and is the same on every machine, whatever its C library.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  try {
    await run(binaries.initdb, [`--pgdata=${data}`, ...options, ...locale], {
      ...identity,
      cwd: '/',
      env: childEnvironment,
      signal,
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new StartError(`PostgreSQL could not make a cluster in ${directory}`, { cause });
  }
  await rename(data, directory);
  await rm(draft, { recursive: true, force: true });
  log.info({ directory }, 'cluster.made');
}
