/** Ends what a Quarry that was killed has left running in a data directory, and nothing else. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';
import { pidTaken, sendSignal, serversIn } from './processes.ts';
import { StartError } from './start-error.ts';

/** How long each kind of shutdown may take before the next, harder one. */
const steps = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const;

/**
 * Stops the servers of a data directory that no living Quarry holds. A pid in `postmaster.pid` that now belongs to
 * another program is left alone and only the file is removed, as PostgreSQL would otherwise refuse to start.
 * @throws StartError when they cannot be ended
 */
export async function clearLeftovers({ directory, log }: { directory: string; log: Log }): Promise<void> {
  const file = join(directory, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const postmaster = Number.parseInt(text, 10);
  let left = await serversIn(directory);
  for (const { signal, waitMs } of steps) {
    if (left.length === 0) break;
    log.warn({ directory, postmaster, left: left.length, signal }, 'cluster.stopping_orphan');
    // Only the postmaster understands a fast shutdown; without it each process is told by itself.
    for (const pid of left.includes(postmaster) && signal !== 'SIGKILL' ? [postmaster] : left) sendSignal(pid, signal);
    const deadline = Date.now() + waitMs;
    // They are not our children, so that the kernel tells us nothing: we have to look.
    do {
      await sleep(10);
      left = await serversIn(directory);
    } while (left.length > 0 && Date.now() < deadline);
  }
  if (left.length > 0) throw new StartError(`A PostgreSQL in ${directory} does not end (pids ${left.join(', ')})`);
  // Not only another program counts here but also a zombie that nobody has waited for: to PostgreSQL both are alive.
  if (Number.isInteger(postmaster) && pidTaken(postmaster)) {
    log.warn({ directory, pid: postmaster }, 'cluster.stale_pid_file_removed');
    await rm(file, { force: true });
  }
}
