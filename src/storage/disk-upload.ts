/**
 * An upload to a file beside its final name: appended to, and made visible by a rename when all of it is on the disk. The
 * disk writes one buffer while the next one is filled, so that who writes waits only for a disk that is slower than he is.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import type { BlobUpload, FinishedBlob } from './blob-store.ts';

/** Two of them an upload. Pieces of 16 KiB, written one by one, went at a fifth of the speed. */
const bufferBytes = 512 * 1_024;

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
  let filling = Buffer.alloc(0);
  let spare = Buffer.alloc(0);
  let filled = 0;
  let flushing: Promise<void> = Promise.resolve();
  let failure: { error: unknown } | null = null;
  /** Until the next write says that its caller knows. */
  let lost: { error: unknown } | null = null;
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

  async function take(bytes: Uint8Array): Promise<void> {
    if (visible) throw new Error('this upload is visible already');
    if (failure) await flushed();
    lost = null;
    for (let rest = bytes; rest.length > 0; ) {
      // With the first byte: an upload that only looks needs none.
      if (filling.length === 0) filling = Buffer.allocUnsafe(bufferBytes);
      const piece = rest.subarray(0, bufferBytes - filled);
      filling.set(piece, filled);
      filled += piece.length;
      rest = rest.subarray(piece.length);
      if (filled === bufferBytes) await flush();
    }
  }

  /** Begins to write what is filled, when what was before it is written. */
  async function flush(): Promise<void> {
    await flushed();
    const full = filling.subarray(0, filled);
    [filling, spare] = [spare, filling];
    filled = 0;
    flushing = append(full).catch((error: unknown) => {
      failure = { error };
    });
  }

  /** What lies behind a failure is not kept: the next write begins at the offset. */
  async function flushed(): Promise<void> {
    await flushing;
    if (!failure) return;
    lost = failure;
    failure = null;
    filled = 0;
    throw lost.error;
  }

  async function drain(): Promise<void> {
    if (filled > 0) await flush();
    await flushed();
  }

  async function append(bytes: Uint8Array): Promise<void> {
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
    if (lost) throw lost.error;
    if (!visible) {
      await drain();
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
    await flushing;
    await file.close();
  }

  return {
    get offset() {
      return offset;
    },
    write: (bytes) => alone(() => take(bytes)),
    async finish() {
      finished ??= await alone(show);
      return finished;
    },
    async abandon() {
      await end();
      if (!visible) await rm(partialPath, { force: true });
    },
    async [Symbol.asyncDispose]() {
      await working;
      // What does not get there is not in the offset either: the next upload() asks for it.
      await drain().catch(() => undefined);
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
