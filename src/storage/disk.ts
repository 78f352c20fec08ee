/** Blobs as files below one folder. Keys are of our making: lower-case letters, digits, `-` and `/`. */
import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore } from './blob-store.ts';

const sound = /^[a-z0-9-]+(\/[a-z0-9-]+)*$/;

export function createDiskStore({ directory }: { directory: string }): BlobStore {
  const made = new Map<string, Promise<unknown>>();

  function pathOf(key: string): string {
    if (!sound.test(key)) throw new Error('not a key of the blob store');
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

  return {
    async put(key, bytes) {
      const path = pathOf(key);
      await makeFolder(dirname(path));
      const partial = `${path}.partial`;
      try {
        await writeFile(partial, bytes, { mode: 0o600 });
        await rename(partial, path);
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
    },
    async get(key) {
      try {
        return await readFile(pathOf(key));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    async check() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK);
    },
  };
}
