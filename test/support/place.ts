/**
 * The folder of a test run, in which everything that its tests and their servers write is. Nothing of it has to outlive
 * the machine, so it is in memory where there is plenty: syncing to a disk is a quarter of what the tests cost.
 */
import { mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
const prefix = 'quarry-tests-';
/** Several times what the tests were seen to have at once. */
const plentyBytes = 8 * 2 ** 30;

function hasPlenty(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize >= plentyBytes && freemem() >= plentyBytes;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Makes it, and removes those of runs that were killed. Disposing removes it with all that is in it. */
export function makePlace(): Disposable & { readonly path: string } {
  const parent = hasPlenty() ? memory : tmpdir();
  for (const name of readdirSync(parent)) {
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
  const path = join(parent, `${prefix}${process.pid}`);
  // The clusters run as another user where the tests run as root: he has to get in.
  mkdirSync(path, { mode: 0o711 });
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
