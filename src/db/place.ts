/** Decides where the embedded clusters live and which user runs them. PostgreSQL refuses to run as root. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '../lib/log.ts';
import { type Binaries, childEnvironment, findBinaries, type Identity } from './binaries.ts';
import { StartError } from './start-error.ts';

const run = promisify(execFile);

export interface Place {
  /** Holds one directory a cluster; entered by the user that runs them. */
  readonly directory: string;
  /** In DATA_DIR, for Quarry alone: the passwords. */
  readonly secrets: string;
  readonly identity: Identity | undefined;
  readonly binaries: Binaries;
}

/** Users to run as when we are root, best first. */
const users = ['postgres', 'nobody'];

/**
 * As an ordinary user the clusters are in DATA_DIR and run as that user. As root they run as an unprivileged one; where
 * that one cannot enter DATA_DIR, they go to a directory outside, which DATA_DIR remembers.
 * @throws StartError when there is no such place or no such user
 */
export async function findPlace({ dataDir, log }: { dataDir: string; log: Log }): Promise<Place> {
  const root = process.getuid?.() === 0;
  let home = join(dataDir, 'postgres');
  try {
    await mkdir(home, { recursive: true, mode: root ? 0o711 : 0o700 });
    home = await realpath(home);
  } catch (cause) {
    throw new StartError(`DATA_DIR ${dataDir} cannot be written`, { cause });
  }
  if (!root) {
    const owner = (await stat(home)).uid;
    if (owner !== process.getuid?.() && process.platform !== 'win32')
      throw new StartError(`DATA_DIR ${dataDir} was made by another user (uid ${owner}): run Quarry as that user`);
    const binaries = await findBinaries({ identity: undefined, directory: home, log });
    return { directory: home, secrets: home, identity: undefined, binaries };
  }
  await chmod(home, 0o711);
  const remembered = await readFile(join(home, 'location'), 'utf8').catch(() => undefined);
  if (remembered && !(await stat(remembered).catch(() => undefined)))
    throw new StartError(
      `The clusters of DATA_DIR ${dataDir} were in ${remembered}, which is gone: restore it, or delete ${home}`,
    );
  const identity = (await ownerOfClusters(remembered ?? home)) ?? (await unprivilegedUser());
  const directory = remembered ?? ((await enters(identity, home)) ? home : await outside({ dataDir, home, identity }));
  if (directory !== home) log.warn({ dataDir, directory, uid: identity.uid }, 'cluster.placed_outside_data_dir');
  const binaries = await findBinaries({ identity, directory, log });
  return { directory, secrets: home, identity, binaries };
}

/** Whoever made the clusters goes on running them, whatever users the machine has got since. */
async function ownerOfClusters(directory: string): Promise<Identity | undefined> {
  for (const name of ['meta', 'playground']) {
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found && found.uid !== 0) return { uid: found.uid, gid: found.gid };
  }
  return undefined;
}

async function unprivilegedUser(): Promise<Identity> {
  for (const name of users) {
    const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, name]))).catch(() => undefined);
    const [uid, gid] = ids?.map(({ stdout }) => Number(stdout)) ?? [];
    if (uid && gid) return { uid, gid };
  }
  throw new StartError(
    `PostgreSQL does not run as root and there is no user ${users.join(' or ')}: run Quarry as an ordinary user`,
  );
}

/** Asked of the kernel and not of the mode bits: access lists and mounts have their say too. */
const enters = ({ uid, gid }: Identity, directory: string): Promise<boolean> =>
  run('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { uid, gid, cwd: '/', env: childEnvironment }).then(
    () => true,
    () => false,
  );

async function outside({
  dataDir,
  home,
  identity,
}: {
  dataDir: string;
  home: string;
  identity: Identity;
}): Promise<string> {
  const hash = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 12);
  // The random end keeps a DATA_DIR that was deleted and made again from meeting clusters whose passwords are gone.
  const name = `${hash}-${randomBytes(4).toString('hex')}`;
  for (const directory of [join('/var/lib/quarry', name), join(tmpdir(), `quarry-${name}`)]) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o711 });
      await chmod(directory, 0o711);
      const made = await lstat(directory);
      if (made.uid !== 0 || !made.isDirectory() || !(await enters(identity, directory))) continue;
      await writeFile(join(home, 'location'), directory);
      return directory;
    } catch {
      /* Read-only or not ours: the next one. */
    }
  }
  throw new StartError(
    `The user that runs PostgreSQL (uid ${identity.uid}) cannot enter DATA_DIR ${dataDir}, /var/lib/quarry or ${tmpdir()}`,
  );
}

/** A new directory of the user that runs the clusters, empty, for that user alone. */
export async function makeOwnDirectory(path: string, identity: Identity | undefined): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { mode: 0o700 });
  if (identity) await chown(path, identity.uid, identity.gid);
}
