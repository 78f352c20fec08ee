/** Watches how much room a cluster's disk has: a PostgreSQL that cannot write its log ends itself. */
import { statfs } from 'node:fs/promises';
import type { Log } from '../lib/log.ts';

export interface DiskLimits {
  /** Low is less than this part of the disk … */
  readonly lowFraction: number;
  /** … but not more than this much, in bytes: a tenth of a large disk is plenty, … */
  readonly lowMaxBytes: number;
  /** … and not less than this: a log segment takes 16 MiB at once. */
  readonly lowMinBytes: number;
  readonly intervalMs: number;
}

export const diskLimits: DiskLimits = {
  lowFraction: 0.1,
  lowMaxBytes: 1024 ** 3,
  lowMinBytes: 64 * 1024 ** 2,
  intervalMs: 5_000,
};

export interface DiskWatch extends Disposable {
  readonly low: boolean;
}

/** Looks at once and then at an interval; reports each change. */
export async function watchDisk({
  directory,
  limits,
  log,
  changed,
}: {
  directory: string;
  limits: DiskLimits;
  log: Log;
  changed: (low: boolean) => void;
}): Promise<DiskWatch> {
  let low = false;
  const look = async () => {
    const { bavail, blocks, bsize } = await statfs(directory);
    const freeBytes = bavail * bsize;
    const threshold = Math.min(blocks * bsize * limits.lowFraction, limits.lowMaxBytes);
    const now = freeBytes < Math.max(threshold, limits.lowMinBytes);
    if (now === low) return;
    low = now;
    if (low) log.error({ directory, freeBytes }, 'disk.low');
    else log.info({ directory, freeBytes }, 'disk.recovered');
    changed(low);
  };
  await look();
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn({ err: error, directory }, 'disk.unreadable'));
  }, limits.intervalMs);
  timer.unref();
  return {
    get low() {
      return low;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
