/** The thread of disk-hash.ts: reads files up to where they are known to be whole, a piece of each in turn. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

export type HashTask = { readonly id: number } & (
  | { readonly path: string }
  | { readonly upTo: number }
  | { readonly digest: number }
  | { readonly end: true }
);

export interface HashAnswer {
  readonly id: number;
  readonly sha256?: string;
  readonly fault?: { readonly message: string; readonly code: string | undefined };
}

interface Followed {
  readonly fd: number;
  readonly hash: Hash;
  done: number;
  upTo: number;
  /** Where it ends; null while it may grow. */
  end: number | null;
}

const piece = Buffer.allocUnsafeSlow(2 ** 20);
const files = new Map<number, Followed>();
const failed = new Map<number, NonNullable<HashAnswer['fault']>>();
let reading = false;

const answer = (message: HashAnswer) => parentPort?.postMessage(message);

parentPort?.on('message', (task: HashTask) => {
  const { id } = task;
  try {
    take(task);
  } catch (error) {
    fail(id, error);
  }
  const fault = failed.get(id);
  if (fault && 'digest' in task) answer({ id, fault });
  if (!reading) round();
});

function take(task: HashTask): void {
  const { id } = task;
  const file = files.get(id);
  if ('path' in task) {
    files.set(id, { fd: openSync(task.path, 'r'), hash: createHash('sha256'), done: 0, upTo: 0, end: null });
  } else if ('end' in task) {
    close(id);
    failed.delete(id);
  } else if (file && 'upTo' in task) file.upTo = Math.max(file.upTo, task.upTo);
  else if (file && 'digest' in task) file.upTo = file.end = task.digest;
}

function close(id: number): void {
  const file = files.get(id);
  files.delete(id);
  if (file) closeSync(file.fd);
}

function fail(id: number, error: unknown): void {
  const { message, code } = error as NodeJS.ErrnoException;
  failed.set(id, { message, code });
  if (files.get(id)?.end != null) answer({ id, fault: { message, code } });
  close(id);
}

/** One piece of each; messages are heard between two rounds. */
function round(): void {
  reading = false;
  for (const [id, file] of files) {
    try {
      read(id, file);
    } catch (error) {
      fail(id, error);
    }
  }
  if (reading) setImmediate(round);
}

function read(id: number, file: Followed): void {
  const wanted = Math.min(piece.length, file.upTo - file.done);
  if (wanted > 0) {
    const bytes = readSync(file.fd, piece, 0, wanted, file.done);
    if (bytes === 0) throw new Error('the file has fewer bytes than were written');
    file.hash.update(piece.subarray(0, bytes));
    file.done += bytes;
  }
  if (file.done === file.end) {
    const sha256 = file.hash.digest('hex');
    close(id);
    answer({ id, sha256 });
  } else if (file.done < file.upTo) reading = true;
}
