/** Takes away the temporary folders of exports whose worker was killed on this machine; its janitor calls it. */
import { readdir, rm } from 'node:fs/promises';
import type { Hold, JobStore } from '../jobs/store.ts';
import { temporaryFolderOf } from './temporary-folder.ts';

export interface ExportSweeperDeps {
  readonly jobStore: Pick<JobStore, 'heldOf'>;
  /** Of all exports on this machine. */
  readonly exportFolder: string;
}

const atOnce = 500;

/** As temporaryFolderOf() names them; what is not of our making stays. */
const named = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,9})$/;

/** @returns a duty: how many it took away. What belongs to a running attempt stays, whichever worker has that */
export function createExportSweeper({ jobStore, exportFolder }: ExportSweeperDeps) {
  return async (signal: AbortSignal): Promise<number> => {
    const holds = await found(exportFolder);
    let total = 0;
    for (let at = 0; at < holds.length && !signal.aborted; at += atOnce) {
      const some = holds.slice(at, at + atOnce);
      // Asked behind the look: an attempt has its job before it has its folder, and once it has ended it is over for good.
      const live = new Set((await jobStore.heldOf(some)).map((hold) => temporaryFolderOf(exportFolder, hold)));
      for (const folder of some.map((hold) => temporaryFolderOf(exportFolder, hold))) {
        if (live.has(folder)) continue;
        await rm(folder, { recursive: true, force: true });
        total += 1;
      }
    }
    return total;
  };
}

async function found(folder: string): Promise<Hold[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.flatMap((name) => {
    const [, id, fence] = named.exec(name) ?? [];
    return id === undefined ? [] : [{ id, fence: Number(fence) }];
  });
}
