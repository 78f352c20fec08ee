/**
 * Where an unfinished upload is on a disk: `KEY.upload/`, a folder with one file in it, whose name is a number. Each writer
 * takes it over under the next number and for himself alone, so that one who was held up and comes back finds nothing under
 * his own: neither what he writes nor what he renames is ever the other's.
 */
import { constants, type Stats } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Of the folder beside the blob. */
export const uploadEnding = '.upload';
/** Of the file, while somebody writes: found later, nobody knows whether he still does. */
const heldEnding = '.held';
/** Of a copy that is not whole yet. */
const copyEnding = '.copy';

interface Found {
  number: number;
  held: boolean;
  path: string;
}

/** The newest; null for none, also where the folder is not there. */
async function newestIn(folder: string): Promise<Found | null> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const found = names.flatMap((name): Found[] => {
    const [, number, ending] = /^(\d{1,15})(\.held)?$/.exec(name) ?? [];
    return number === undefined
      ? []
      : [{ number: Number(number), held: ending !== undefined, path: join(folder, name) }];
  });
  return found.sort((a, b) => b.number - a.number)[0] ?? null;
}

export const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code));

/** Names that change while they are looked at are looked at again. */
const looks = 5;

/** What is there of the upload in this folder; null where there is none. */
export async function statPartial(folder: string): Promise<Stats | null> {
  for (let look = 1; ; look += 1) {
    const newest = await newestIn(folder);
    if (!newest) return null;
    try {
      return await stat(newest.path);
    } catch (error) {
      if (!isMissing(error) || look === looks) throw error;
    }
  }
}

/**
 * Takes the upload in this folder over, or begins it. What another one was writing when he was last seen is copied: he may
 * still be there, with the file open.
 * @returns the path of the file, which is this caller's until he leaves it or somebody takes it over
 */
export async function takePartial(folder: string): Promise<string> {
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
  const newest = await newestIn(folder);
  const own = `${(newest?.number ?? 0) + 1}${heldEnding}`;
  const path = join(folder, own);
  if (!newest) await writeFile(path, '', { flag: 'wx', mode: 0o600 });
  else if (newest.held) await copyTo(newest.path, path);
  else await rename(newest.path, path);
  for (const name of await readdir(folder)) {
    if (name !== own) await rm(join(folder, name), { force: true });
  }
  return path;
}

/** Half a copy never has the name of a whole one. */
async function copyTo(from: string, to: string): Promise<void> {
  const copy = `${to}${copyEnding}`;
  await copyFile(from, copy, constants.COPYFILE_FICLONE);
  await rename(copy, to);
}

/** Its writer has closed it: the next one goes on with it as it is. Nothing where somebody took it over. */
export async function leavePartial(path: string): Promise<void> {
  await rename(path, path.slice(0, -heldEnding.length)).catch(unlessMissing);
}

/** Only what is this writer's own: the folder stays where there is another's in it. */
export async function removePartial(folder: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await removeFolder(folder);
}

/** When the upload is no longer in it. */
export async function removeFolder(folder: string): Promise<void> {
  await rmdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') unlessMissing(error);
  });
}

function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
