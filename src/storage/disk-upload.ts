/**
 * An upload to a file beside its final name, made visible by a rename when all of it is on the disk (disk-partial.ts says
 * where it is until then). Some buffers are written while the next one is filled, so that who writes waits only for a disk
 * that is slower than he is.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { AppError } from '../lib/errors.ts';
import type { BlobUpload, FinishedBlob } from './blob-store.ts';
import { isMissing, leavePartial, removeFolder, removePartial, takePartial } from './disk-partial.ts';
import type { DiskWriter, WrittenFile } from './disk-writer.ts';

/** Some of them an upload. Pieces of 16 KiB, written one by one, went at a fifth of the speed. */
const bufferBytes = 2 ** 20;
/** So much at the most waits in memory for the disk: left to itself it would all be written at the end, with somebody waiting. */
const syncBytes = 64 * 2 ** 20;

export interface DiskUploadDeps {
  /** Of the whole store: what lies above it is not ours. */
  directory: string;
  /** Of the blob when it is finished; its folder is there. */
  path: string;
  /** Of the unfinished upload, in the same folder. */
  partialFolder: string;
  writer: DiskWriter;
  signal: AbortSignal;
  /** Of what is there of an unfinished upload nothing is wanted. */
  anew: boolean;
}

export async function openDiskUpload(deps: DiskUploadDeps): Promise<BlobUpload> {
  const { directory, path, partialFolder, writer, signal, anew } = deps;
  signal.throwIfAborted();
  const partialPath = await takePartial(partialFolder, { anew });
  const file = await open(partialPath, 'r+');
  let offset: number;
  try {
    ({ size: offset } = await file.stat());
  } catch (error) {
    await file.close();
    throw error;
  }
  let written: WrittenFile | null = null;
  /** Made one by one, when they are needed: an upload that only looks needs none. */
  let buffers = 0;
  const spare: Buffer[] = [];
  let filling: Buffer | null = null;
  let filled = 0;
  /** Where that goes: behind all that is on its way. */
  let fillsAt = offset;
  /** Buffers on their way, the first one first, and all of them. */
  const underWay: Promise<void>[] = [];
  let flushing: Promise<void> = Promise.resolve();
  let syncedTo = 0;
  let syncing: Promise<void> | null = null;
  let failure: { error: unknown } | null = null;
  /** Until the next write says that its caller knows. */
  let lost: { error: unknown } | null = null;
  let state: 'open' | 'ended' = 'open';
  let working: Promise<unknown> | null = null;
  let sha256: string | null = null;
  let visible = false;
  let finished: FinishedBlob | null = null;

  /** One thing at a time: two writes at once would have the same place. */
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
      filling ??= await nextBuffer();
      const piece = rest.subarray(0, bufferBytes - filled);
      filling.set(piece, filled);
      filled += piece.length;
      rest = rest.subarray(piece.length);
      if (filled === bufferBytes) flush();
    }
  }

  async function nextBuffer(): Promise<Buffer> {
    while (spare.length === 0 && buffers >= writer.buffers) {
      await underWay[0];
      if (failure) await flushed();
    }
    const known = spare.pop();
    if (known) return known;
    buffers += 1;
    return writer.buffer(bufferBytes);
  }

  /** Begins to write what is filled. */
  function flush(): void {
    const full = filling!;
    flushing = append(full.subarray(0, filled), fillsAt, flushing)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => {
        spare.push(full);
        underWay.shift();
      });
    underWay.push(flushing);
    fillsAt += filled;
    filling = null;
    filled = 0;
  }

  /** What lies behind a failure is not kept: the next write begins at the offset. */
  async function flushed(): Promise<void> {
    await flushing;
    if (!failure) return;
    lost = failure;
    failure = null;
    filled = 0;
    fillsAt = offset;
    throw lost.error;
  }

  async function drain(): Promise<void> {
    if (filled > 0) flush();
    await flushed();
  }

  /** @param before all that was to be written earlier */
  async function append(bytes: Buffer, at: number, before: Promise<void>): Promise<void> {
    if (written === null) await succeeded(before);
    for (let done = 0; done < bytes.length; ) {
      signal.throwIfAborted();
      const rest = bytes.subarray(done);
      // A short write, as on a disk that is nearly full, counts as far as it went.
      const bytesWritten = (await write(rest, at + done)) || (await writeBehind(before, rest, at + done));
      offset += bytesWritten;
      done += bytesWritten;
    }
    if (offset - syncedTo >= syncBytes) syncing ??= sync();
  }

  async function write(bytes: Buffer, at: number): Promise<number> {
    if (at >= writer.worthBytes) written ??= writer.open(partialPath, file);
    if (written) return await written.write(bytes, at).catch(rethrow);
    return (await file.write(bytes, 0, bytes.length, at)).bytesWritten;
  }

  /** What came before was cut short, and is tried again. */
  async function writeBehind(before: Promise<void>, bytes: Buffer, at: number): Promise<number> {
    await succeeded(before);
    const bytesWritten = await write(bytes, at);
    if (bytesWritten === 0) throw new Error('the file does not end where it was written to');
    return bytesWritten;
  }

  async function succeeded(flush: Promise<void>): Promise<void> {
    await flush;
    if (failure) throw failure.error;
  }

  /** Ahead of the last one, which is the one that counts: what fails here fails there. */
  async function sync(): Promise<void> {
    syncedTo = offset;
    await file.datasync().catch(() => undefined);
    syncing = null;
  }

  /** Of what is there, whoever wrote it. */
  async function hashed(): Promise<string> {
    const { size } = await file.stat();
    if (size !== offset) throw new Error(`the upload has ${size} bytes where ${offset} were written`);
    if (written === null && offset <= bufferBytes) return await hashOf(file, offset);
    written ??= writer.open(partialPath, file);
    try {
      return await written.digest(offset).catch(rethrow);
    } finally {
      written[Symbol.dispose]();
      written = null;
    }
  }

  async function show(): Promise<FinishedBlob> {
    if (lost) throw lost.error;
    if (!visible) {
      await drain();
      // The disk writes what is left while it is read.
      const [sum, synced] = await Promise.allSettled([hashed(), file.datasync()]);
      if (sum.status === 'rejected') throw sum.reason;
      if (synced.status === 'rejected') throw synced.reason;
      signal.throwIfAborted();
      await rename(partialPath, path).catch(rethrow);
      sha256 = sum.value;
      visible = true;
    }
    await removeFolder(partialFolder);
    await syncFolders(directory, dirname(path));
    await syncing;
    await file.close();
    state = 'ended';
    return { bytes: offset, sha256: sha256! };
  }

  async function end(): Promise<void> {
    await working;
    if (state === 'ended') return;
    state = 'ended';
    await flushing;
    await syncing;
    written?.[Symbol.dispose]();
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
      if (!visible) await removePartial(partialFolder, partialPath);
    },
    async [Symbol.asyncDispose]() {
      await working;
      const left = state === 'open' && !visible;
      // What does not get there is not in the offset either: the next upload() asks for it.
      if (left && !signal.aborted) await drain().catch(() => undefined);
      await end();
      if (!left) return;
      // As if it had never begun.
      if (offset === 0) await removePartial(partialFolder, partialPath);
      else await leavePartial(partialPath);
    },
  };
}

/** @throws AppError CONFLICT where its own name is gone */
function rethrow(cause: unknown): never {
  throw isMissing(cause) ? new AppError('CONFLICT', 'The upload was ended or taken over', { cause }) : cause;
}

async function hashOf(file: FileHandle, bytes: number): Promise<string> {
  const whole = Buffer.allocUnsafe(bytes);
  for (let read = 0; read < bytes; ) {
    const { bytesRead } = await file.read(whole, read, bytes - read, read);
    if (bytesRead === 0) throw new Error('the upload has fewer bytes than were written');
    read += bytesRead;
  }
  return createHash('sha256').update(whole).digest('hex');
}

/** The new name is safe when its folder is, and that in the folders above, of which any may be new. */
async function syncFolders(root: string, folder: string): Promise<void> {
  for (let above = folder; above === root || above.startsWith(`${root}${sep}`); above = dirname(above)) {
    await using handle = await open(above);
    await handle.sync();
  }
}
