/** The thread of disk-writer.ts: writes what it is given and hashes it, while its giver fills other buffers. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { collectAll } from '../lib/collect.ts';

export type WriterTask = { readonly id: number } & (
  | { readonly path: string }
  | { readonly memory: SharedArrayBuffer }
  | { readonly write: Piece }
  | { readonly digest: number }
  | { readonly end: true }
);

/** Of the memory that the file was given as the `memory`-th. */
export interface Piece {
  readonly memory: number;
  readonly start: number;
  readonly bytes: number;
  /** Where the file ends when all that was given before is written. */
  readonly at: number;
}

export interface WriterAnswer {
  readonly id: number;
  /** 0 where what was given before is not all written. */
  readonly written?: number;
  readonly sha256?: string;
  readonly fault?: { readonly message: string; readonly code: string | undefined };
}

interface OpenFile {
  readonly fd: number;
  readonly memories: Uint8Array[];
  readonly hash: Hash;
  /** So far it is written; null until something is. */
  written: number | null;
  /** So far it is hashed. */
  done: number;
  /** Where it ends; null while it may grow. */
  end: number | null;
}

/**
 * Of one write. The system keeps what is written in blocks of this size where the file begins one, and smaller ones are
 * there more often: where a machine is given its memory by a host as it first touches it, a megabyte that nobody has had
 * costs ten times its writing.
 */
const writeBytes = 64 * 1_024;
/** Read at once, of what others have written. */
const piece = Buffer.allocUnsafeSlow(2 ** 20);
const files = new Map<number, OpenFile>();
const failed = new Map<number, NonNullable<WriterAnswer['fault']>>();
let reading = false;

const answer = (message: WriterAnswer) => parentPort?.postMessage(message);

parentPort?.on('message', (task: WriterTask) => {
  const { id } = task;
  try {
    take(task);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const fault = { message, code };
    // A disk that is full may have room again.
    if ('write' in task) answer({ id, fault });
    else fail(id, fault);
  }
});

function take(task: WriterTask): void {
  const { id } = task;
  if ('path' in task) {
    files.set(id, {
      fd: openSync(task.path, 'r+'),
      memories: [],
      hash: createHash('sha256'),
      written: null,
      done: 0,
      end: null,
    });
    return;
  }
  if ('end' in task) {
    close(id);
    failed.delete(id);
    // The memory of what was written is let go with the file, and not when this thread has much of it.
    collectAll();
    return;
  }
  const file = files.get(id);
  if (!file) answerFailed(task);
  else if ('memory' in task) file.memories.push(new Uint8Array(task.memory));
  else if ('write' in task) write(id, file, task.write);
  else {
    file.end = task.digest;
    if (!reading) round();
  }
}

function answerFailed(task: WriterTask): void {
  const fault = failed.get(task.id);
  if (fault && !('memory' in task)) answer({ id: task.id, fault });
}

function close(id: number): void {
  const file = files.get(id);
  files.delete(id);
  if (file) closeSync(file.fd);
}

/** Whoever waits is told, else who asks next. */
function fail(id: number, fault: NonNullable<WriterAnswer['fault']>): void {
  failed.set(id, fault);
  if (files.get(id)?.end != null) answer({ id, fault });
  close(id);
}

/** @throws the file system's error where nothing could be written */
function write(id: number, file: OpenFile, { memory, start, bytes, at }: Piece): void {
  file.written ??= at;
  // Behind what was cut short it would leave a hole.
  if (at !== file.written) return void answer({ id, written: 0 });
  const given = file.memories[memory]!.subarray(start, start + bytes);
  let written = 0;
  try {
    while (written < bytes) {
      written += writeSync(file.fd, given, written, Math.min(writeBytes, bytes - written), at + written);
    }
  } catch (error) {
    if (written === 0) throw error;
  }
  file.written += written;
  // Its beginning was too small to be worth a thread; more than that is read when it is asked for.
  if (at - file.done <= piece.length) while (file.done < at && read(file, at)) {}
  if (file.done === at) {
    file.hash.update(given.subarray(0, written));
    file.done += written;
  }
  // Not sooner: its giver fills it again.
  answer({ id, written });
}

/** One piece of each that is asked for; messages are heard between two rounds. */
function round(): void {
  reading = false;
  for (const [id, file] of files) {
    if (file.end === null) continue;
    try {
      readOn(id, file, file.end);
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      fail(id, { message, code });
    }
  }
  if (reading) setImmediate(round);
}

function readOn(id: number, file: OpenFile, end: number): void {
  if (file.done < end && !read(file, end)) throw new Error('the file has fewer bytes than were written');
  if (file.done < end) {
    reading = true;
    return;
  }
  const sha256 = file.hash.digest('hex');
  close(id);
  answer({ id, sha256 });
}

/** @returns whether there was anything */
function read(file: OpenFile, end: number): boolean {
  const bytes = readSync(file.fd, piece, 0, Math.min(piece.length, end - file.done), file.done);
  file.hash.update(piece.subarray(0, bytes));
  file.done += bytes;
  return bytes > 0;
}
