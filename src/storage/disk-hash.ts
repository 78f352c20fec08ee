/**
 * SHA-256 of files while they grow, so that little is left to do at their end: by a thread of its own, which begins with
 * the first file and ends with the last, or by whoever writes.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { HashAnswer, HashTask } from './disk-hash-worker.ts';

export interface FileHasher {
  /** Smaller ones are sooner read at their end. */
  readonly worthBytes: number;
  /** Of a file that may grow. */
  follow(path: string): FollowedFile;
}

export interface FollowedFile extends Disposable {
  /** These are written, and with them the file is there up to so many bytes; what is there stays as it is. */
  wrote(bytes: Uint8Array, upTo: number): void;
  /** Hex, over the first so many bytes. @throws the file system's error, Error when there are fewer */
  digest(bytes: number): Promise<string>;
}

const pieceBytes = 2 ** 20;

/** Takes the time of who writes, and none of the eight megabytes of a thread. */
export function createOwnHasher(): FileHasher {
  return {
    worthBytes: 0,
    follow(path) {
      const hash = createHash('sha256');
      let done = 0;
      return {
        wrote(bytes, upTo) {
          // What was there before it was followed is read in the end.
          if (upTo - bytes.length !== done) return;
          hash.update(bytes);
          done = upTo;
        },
        async digest(bytes) {
          if (done < bytes) {
            const rest = createReadStream(path, { start: done, end: bytes - 1, highWaterMark: pieceBytes });
            for await (const piece of rest as AsyncIterable<Buffer>) {
              hash.update(piece);
              done += piece.length;
            }
          }
          if (done !== bytes) throw new Error('the file has fewer bytes than were written');
          return hash.digest('hex');
        },
        [Symbol.dispose]() {},
      };
    },
  };
}

/** Reads what was written from the disk, of which it is still in memory. */
export function createFileHasher(): FileHasher {
  const asking = new Map<number, PromiseWithResolvers<string>>();
  let worker: Worker | null = null;
  let files = 0;
  let names = 0;

  function start(): Worker {
    // It needs nothing of this process: neither its environment nor its flags.
    const started = new Worker(new URL('./disk-hash-worker.ts', import.meta.url), { env: {}, execArgv: [] });
    started.on('message', ({ id, sha256, fault }: HashAnswer) => {
      if (sha256 !== undefined) asking.get(id)?.resolve(sha256);
      else asking.get(id)?.reject(Object.assign(new Error(fault?.message), { code: fault?.code }));
    });
    const lost = (error: unknown) => {
      if (worker !== started) return;
      worker = null;
      for (const { reject } of asking.values()) reject(error);
    };
    started.on('error', lost);
    started.on('exit', () => lost(new Error('the thread that hashes files ended')));
    started.unref();
    return started;
  }

  return {
    worthBytes: pieceBytes,
    follow(path) {
      const id = ++names;
      files += 1;
      worker ??= start();
      const own = worker;
      let ended = false;
      const tell = (task: HashTask) => own.postMessage(task);
      tell({ id, path });
      return {
        wrote: (_bytes, upTo) => tell({ id, upTo }),
        async digest(bytes) {
          if (own !== worker) throw new Error('the thread that hashes files ended');
          const answer = Promise.withResolvers<string>();
          asking.set(id, answer);
          own.ref();
          tell({ id, digest: bytes });
          try {
            return await answer.promise;
          } finally {
            asking.delete(id);
            if (asking.size === 0) own.unref();
          }
        },
        [Symbol.dispose]() {
          if (ended) return;
          ended = true;
          files -= 1;
          tell({ id, end: true });
          if (files > 0) return;
          void worker?.terminate();
          worker = null;
        },
      };
    },
  };
}
