/** An upload to a file beside its final name: appended to, and made visible by a rename when all of it is on the disk. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import type { BlobUpload, FinishedBlob } from './blob-store.ts';

export interface DiskUploadDeps {
  /** Of the whole store: what lies above it is not ours. */
  directory: string;
  /** Of the blob when it is finished; its folder is there. */
  path: string;
  /** Of the unfinished upload, in the same folder. */
  partialPath: string;
  signal: AbortSignal;
}

export async function openDiskUpload({ directory, path, partialPath, signal }: DiskUploadDeps): Promise<BlobUpload> {
  signal.throwIfAborted();
  const file = await open(partialPath, 'a', 0o600);
  let hash: Hash;
  let offset: number;
  try {
    ({ size: offset } = await file.stat());
    hash = await hashOf(partialPath, offset, signal);
  } catch (error) {
    await file.close();
    throw error;
  }
  let state: 'open' | 'ended' = 'open';
  let working: Promise<unknown> | null = null;
  let visible = false;
  let finished: FinishedBlob | null = null;

  /** One thing at a time: two appends at once would land in either order. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    if (state === 'ended') throw new Error('this upload has ended');
    if (working) throw new Error('one write at a time');
    signal.throwIfAborted();
    const result = work();
    working = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      working = null;
    }
  }

  async function append(bytes: Uint8Array): Promise<void> {
    if (visible) throw new Error('this upload is visible already');
    for (let rest = bytes; rest.length > 0; ) {
      const writing = file.write(rest);
      // Hashed while the disk writes. A short write, as on a disk that is nearly full, counts as far as it went.
      const ahead = hash.copy().update(rest);
      const { bytesWritten } = await writing;
      hash = bytesWritten === rest.length ? ahead : hash.update(rest.subarray(0, bytesWritten));
      offset += bytesWritten;
      rest = rest.subarray(bytesWritten);
    }
  }

  async function show(): Promise<FinishedBlob> {
    if (!visible) {
      await file.datasync();
      await rename(partialPath, path);
      visible = true;
    }
    await syncFolders(directory, dirname(path));
    await file.close();
    state = 'ended';
    return { bytes: offset, sha256: hash.digest('hex') };
  }

  async function end(): Promise<void> {
    await working;
    if (state === 'ended') return;
    state = 'ended';
    await file.close();
  }

  return {
    get offset() {
      return offset;
    },
    write: (bytes) => alone(() => append(bytes)),
    async finish() {
      finished ??= await alone(show);
      return finished;
    },
    async abandon() {
      await end();
      if (!visible) await rm(partialPath, { force: true });
    },
    async [Symbol.asyncDispose]() {
      await end();
      // As if it had never begun.
      if (offset === 0 && !visible) await rm(partialPath, { force: true });
    },
  };
}

async function hashOf(path: string, bytes: number, signal: AbortSignal): Promise<Hash> {
  const hash = createHash('sha256');
  if (bytes === 0) return hash;
  for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: 2 ** 20, signal }))
    hash.update(chunk);
  return hash;
}

/** The new name is safe when its folder is, and that in the folders above, of which any may be new. */
async function syncFolders(root: string, folder: string): Promise<void> {
  for (let above = folder; above === root || above.startsWith(`${root}${sep}`); above = dirname(above)) {
    await using handle = await open(above);
    await handle.sync();
  }
}
