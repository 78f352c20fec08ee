/** A disk in memory over a folder, small enough to be full. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why a test is skipped where there is none. */
export const noSmallDisk = 'this machine lets nobody mount a tmpfs';

export interface SmallDisk extends AsyncDisposable {
  /** What is on it stays. */
  resize(size: string): Promise<void>;
}

/**
 * @param size as mount(8) takes it, e.g. `5m`
 * @returns null where nobody may mount
 */
export async function mountSmallDisk(directory: string, size: string): Promise<SmallDisk | null> {
  const mount = (options: string) => run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
  try {
    await mount(`size=${size},mode=0711`);
  } catch {
    return null;
  }
  return {
    async resize(next) {
      await mount(`remount,size=${next}`);
    },
    async [Symbol.asyncDispose]() {
      // Also while a process that is being ended has a file of it open.
      await run('umount', ['-l', directory]);
    },
  };
}
