/**
 * One Quarry a data directory. Each process announces itself under a name that only it can have (pid, start time, boot)
 * and then looks for others: whoever announces first and looks second can never overlook another who did the same.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootId, processStart } from './processes.ts';
import { StartError } from './start-error.ts';

const attempts = 20;

/** Holds DATA_DIR until it is disposed of or the process ends. @throws StartError when another Quarry holds it */
export async function lockDataDir({
  dataDir,
  signal,
}: {
  dataDir: string;
  signal?: AbortSignal | undefined;
}): Promise<AsyncDisposable> {
  const directory = join(dataDir, 'running');
  const boot = await bootId();
  const own = `${process.pid}-${await processStart(process.pid)}-${boot}`;
  const starting = join(directory, `${own}.starting`);
  for (let attempt = 1; ; attempt++) {
    try {
      // 0711: as root another user passes through on its way to the clusters.
      await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFile(starting, '');
    } catch (cause) {
      throw new StartError(`DATA_DIR ${dataDir} cannot be written`, { cause });
    }
    const others = await alive(directory, own, boot);
    if (others.length === 0) {
      const held = join(directory, `${own}.held`);
      await rename(starting, held);
      return { [Symbol.asyncDispose]: () => rm(held, { force: true }) };
    }
    await rm(starting, { force: true });
    const holder = others.find((other) => other.held);
    if (holder || attempt === attempts)
      throw new StartError(
        `Another Quarry (pid ${(holder ?? others[0])?.pid}) uses DATA_DIR ${dataDir}: stop it, or give this one a DATA_DIR of its own`,
      );
    // Two that start at once see each other and both step back; unequal pauses let one of them through.
    await sleep(10 + Math.random() * 50 * attempt, undefined, { signal });
  }
}

/** Announcements of processes that still run; those of dead ones are removed, as their names never come again. */
async function alive(directory: string, own: string, boot: string): Promise<{ pid: number; held: boolean }[]> {
  const found = [];
  for (const entry of await readdir(directory)) {
    const match = /^(\d+)-(\w+)-(\w+)\.(starting|held)$/.exec(entry);
    if (!match || entry === `${own}.starting`) continue;
    const pid = Number(match[1]);
    if (match[3] === boot && (await processStart(pid)) === match[2]) found.push({ pid, held: match[4] === 'held' });
    else await rm(join(directory, entry), { force: true });
  }
  return found;
}
