/**
 * Where an unfinished upload is on a disk: `KEY.upload/`, a folder with one file in it, whose name is a number. Each writer
 * takes it over under the next number and for himself alone, so that one who was held up and comes back finds nothing under
 * his own: neither what he writes nor what he renames is ever the other's.
 */
import { constants, type Stats } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../lib/errors.ts';
import { holderName, isDead } from './disk-holder.ts';

/** Of the folder beside the blob. */
export const uploadEnding = '.upload';
/** Of the file while somebody writes, who is named before it: found later, he may still write. */
const heldEnding = '.held';
/** Of a copy that is not whole yet. */
const copyEnding = '.copy';

interface Found {
  number: number;
  /** Who wrote it when it was last seen (disk-holder.ts); null when he had left it. */
  holder: string | null;
  path: string;
}

/** The newest; null for none, also where the folder is not there. */
async function newestIn(folder: string): Promise<Found | null> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const found = names.flatMap((name): Found[] => {
    const [, number, held, holder = ''] = /^(\d{1,15})(\.(?:([a-z0-9-]+)\.)?held)?$/.exec(name) ?? [];
    if (number === undefined) return [];
    return [{ number: Number(number), holder: held === undefined ? null : holder, path: join(folder, name) }];
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
 * Takes the upload in this folder over, or begins it. What another one was writing when he was last seen is copied, unless
 * he is surely dead: he may still be there, with the file open.
 * @param options.anew nothing of what is there is wanted
 * @returns the path of the file, which is this caller's until he leaves it or somebody takes it over
 * @throws AppError CONFLICT when somebody took it over meanwhile
 */
export async function takePartial(folder: string, { anew }: { anew: boolean }): Promise<string> {
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
  // Of those who died in the middle of it: there may be no room for one more.
  await removeFrom(folder, (name) => name.endsWith(copyEnding));
  const newest = await newestIn(folder);
  const holder = await holderName();
  const own = `${(newest?.number ?? 0) + 1}.${holder}${heldEnding}`;
  const path = join(folder, own);
  if (!newest || anew) await writeFile(path, '', { flag: 'wx', mode: 0o600 });
  else if (newest.holder === null || (await isDead(newest.holder))) await rename(newest.path, path);
  else await copyTo(newest.path, path);
  await removeFrom(folder, (name) => name !== own);
  return path;
}

async function removeFrom(folder: string, isLeft: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    if (isLeft(name)) await rm(join(folder, name), { force: true });
  }
}

/** Half a copy never has the name of a whole one, and takes no room that others need. */
async function copyTo(from: string, to: string): Promise<void> {
  const copy = `${to}${copyEnding}`;
  try {
    await copyFile(from, copy, constants.COPYFILE_FICLONE);
  } catch (error) {
    await rm(copy, { force: true });
    throw error;
  }
  await rename(copy, to).catch((cause: unknown) => {
    throw isMissing(cause) ? new AppError('CONFLICT', 'The upload was taken over', { cause }) : cause;
  });
}

/** Its writer has closed it: the next one goes on with it as it is. Nothing where somebody took it over. */
export async function leavePartial(path: string): Promise<void> {
  const [number = ''] = basename(path).split('.');
  await rename(path, join(dirname(path), number)).catch(unlessMissing);
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
