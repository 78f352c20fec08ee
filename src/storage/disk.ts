/** Blobs as files below one folder. Keys are of our making: lower-case letters, digits, `-` and `/`. */
import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
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

  async function write(path: string, bytes: Uint8Array): Promise<void> {
    await makeFolder(dirname(path));
    const partial = `${path}.partial`;
    try {
      await writeFile(partial, bytes, { mode: 0o600 });
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  return {
    async put(key, bytes) {
      const path = pathOf(key);
      try {
        await write(path, bytes);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
        // Somebody deleted the folder behind our memory of it.
        made.delete(dirname(path));
        await write(path, bytes);
      }
    },
    async get(key) {
      try {
        return await readFile(pathOf(key));
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null;
        throw error;
      }
    },
    async deletePrefix(prefix, signal) {
      const path = pathOf(prefix);
      signal.throwIfAborted();
      for (const folder of made.keys()) {
        if (folder === path || folder.startsWith(`${path}${sep}`)) made.delete(folder);
      }
      // With what a killed process left half-written. Not stopped in between: 10,000 files are gone within a second.
      await rm(path, { recursive: true, force: true });
    },
    async check() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK);
    },
  };
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
