/** Blobs as files below one folder. What is unfinished has a name with an ending, which no key has. */
import { constants, type Dirent, type Stats } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { BlobEntry, BlobStore } from './blob-store.ts';
import { statPartial, uploadEnding } from './disk-partial.ts';
import { readInTurns } from './disk-read.ts';
import { openDiskUpload } from './disk-upload.ts';
import { createWriterThread, type DiskWriter } from './disk-writer.ts';
import { checkKey, checkRange } from './keys.ts';

/** Of a put, which does not go on; that of an upload is a folder. */
const putEnding = '.partial';
const endings = ['', putEnding, uploadEnding];

export interface DiskStoreDeps {
  /** Absolute; made when it is first needed. */
  readonly directory: string;
  readonly writer?: DiskWriter;
}

export function createDiskStore({ directory, writer = createWriterThread() }: DiskStoreDeps): BlobStore {
  const made = new Map<string, Promise<unknown>>();

  function pathOf(key: string): string {
    checkKey(key);
    return join(directory, key);
  }

  /** One mkdir a folder and process, not one a file. */
  function makeFolder(folder: string): Promise<unknown> {
    const known = made.get(folder);
    if (known) return known;
    if (made.size > 1_000) made.clear();
    const making = mkdir(folder, { recursive: true, mode: 0o700 });
    made.set(folder, making);
    making.catch(() => made.delete(folder));
    return making;
  }

  /** @param work makes a file in this folder */
  async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
    await makeFolder(folder);
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Somebody deleted the folder behind our memory of it.
      made.delete(folder);
      await makeFolder(folder);
      return work();
    }
  }

  async function* entriesNamed(key: string, among: readonly string[]): AsyncGenerator<BlobEntry> {
    for (const ending of among) {
      const path = `${pathOf(key)}${ending}`;
      const found = await (ending === uploadEnding ? uploadAt(path) : fileAt(path));
      if (found) yield { key, modifiedAt: found.mtime, ...(ending && { partial: true }) };
    }
  }

  async function* entriesBelow(folder: string, signal: AbortSignal): AsyncGenerator<BlobEntry> {
    const found = (await orNull(readdir(pathOf(folder), { withFileTypes: true }))) ?? [];
    for (const { name, among } of inOrderOfKeys(found)) {
      signal.throwIfAborted();
      if (among) yield* entriesNamed(`${folder}/${name}`, among);
      else yield* entriesBelow(`${folder}/${name}`, signal);
    }
  }

  return {
    maxBytes: Number.POSITIVE_INFINITY,
    async put(key, bytes) {
      const path = pathOf(key);
      const partial = `${path}${putEnding}`;
      await inFolder(dirname(path), async () => {
        try {
          await writeFile(partial, bytes, { mode: 0o600 });
          await rename(partial, path);
        } catch (error) {
          await rm(partial, { force: true });
          throw error;
        }
      });
    },
    get: async (key) => orNull(readFile(pathOf(key))),
    async read(key, range, signal) {
      const path = pathOf(key);
      checkRange(range);
      signal.throwIfAborted();
      const file = await orNull(open(path));
      if (!file) return null;
      try {
        if ((await file.stat()).isFile()) return readInTurns(file, range, signal);
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
      return null;
    },
    async size(key) {
      return (await fileAt(pathOf(key)))?.size ?? null;
    },
    async *list(prefix, signal) {
      signal.throwIfAborted();
      yield* entriesNamed(prefix, endings);
      yield* entriesBelow(prefix, signal);
    },
    async upload(key, signal, { anew = false } = {}) {
      const path = pathOf(key);
      return inFolder(dirname(path), () =>
        openDiskUpload({ directory, path, partialFolder: `${path}${uploadEnding}`, writer, signal, anew }),
      );
    },
    async uploadOffset(key) {
      return (await statPartial(`${pathOf(key)}${uploadEnding}`))?.size ?? null;
    },
    async deletePrefix(prefix, signal) {
      const path = pathOf(prefix);
      signal.throwIfAborted();
      for (const folder of made.keys()) {
        if (folder === path || folder.startsWith(`${path}${sep}`)) made.delete(folder);
      }
      // With what a killed process left half-written. Not stopped in between: 10,000 files are gone within a second.
      for (const ending of endings) await rm(`${path}${ending}`, { recursive: true, force: true });
    },
    async check() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK);
    },
  };
}

interface Found {
  name: string;
  /** Endings with which it is there; null for a folder. */
  among: string[] | null;
}

/** A folder's keys have a `/` behind its name, and `-` comes before that. What is not of our making is left out. */
function inOrderOfKeys(found: readonly Dirent[]): Found[] {
  const byKey = new Map<string, Found>();
  for (const entry of found) {
    const [, name, ending = ''] = /^([a-z0-9-]+)(\.partial|\.upload)?$/.exec(entry.name) ?? [];
    if (name === undefined) continue;
    if (entry.isDirectory() && ending !== uploadEnding) byKey.set(`${name}/`, { name, among: null });
    else byKey.set(name, { name, among: [...(byKey.get(name)?.among ?? []), ending] });
  }
  for (const { among } of byKey.values()) among?.sort();
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

async function fileAt(path: string): Promise<Stats | null> {
  const found = await orNull(stat(path));
  return found?.isFile() ? found : null;
}

/** Also one with nothing in it, which a process left that was killed. */
async function uploadAt(folder: string): Promise<Stats | null> {
  const found = await orNull(stat(folder));
  return found && ((await statPartial(folder)) ?? found);
}

/** Also where a folder has the name, or a blob that of a folder above. */
async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(String(codeOf(error)))) return null;
    throw error;
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
