/**
 * SHA-256 of files by a thread of its own, read from where they were written: also while they grow, so that little is left
 * to do at their end. The thread begins with the first file and ends with the last.
 */
import { Worker } from 'node:worker_threads';
import type { HashAnswer, HashTask } from './disk-hash-worker.ts';

export interface FileHasher {
  /** Of a file that may grow. */
  follow(path: string): FollowedFile;
}

export interface FollowedFile extends Disposable {
  /** So many bytes of it are there, and stay as they are. */
  upTo(bytes: number): void;
  /** Hex, over the first so many bytes. @throws the file system's error, Error when there are fewer */
  digest(bytes: number): Promise<string>;
}

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
    follow(path) {
      const id = ++names;
      files += 1;
      worker ??= start();
      const own = worker;
      let ended = false;
      const tell = (task: HashTask) => own.postMessage(task);
      tell({ id, path });
      return {
        upTo: (bytes) => tell({ id, upTo: bytes }),
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
