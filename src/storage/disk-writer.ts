/**
 * Who writes files to a disk and hashes them meanwhile, so that little is left to do at their end: a thread of its own,
 * which begins with the first large file and ends a while after the last, or whoever has the bytes.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { WriterAnswer, WriterTask } from './disk-writer-thread.ts';

export interface DiskWriter {
  /** Smaller files are sooner written, and read at their end, by whoever has their bytes. */
  readonly worthBytes: number;
  /** A file is written from so many in turn: one is filled while the others are on their way. */
  readonly buffers: number;
  /** Memory to write from. */
  buffer(bytes: number): Buffer;
  /** Of a file that may be there in part. @param file the same one, open to be written */
  open(path: string, file: FileHandle): WrittenFile;
}

/** One call at a time. */
export interface WrittenFile extends Disposable {
  /**
   * Appends of a buffer() what there is room for; it stays as it is until the next write of another one has ended.
   * @param at where the file ends
   * @returns how many bytes. @throws the file system's error
   */
  write(bytes: Buffer, at: number): Promise<number>;
  /** Hex, over the first so many bytes. @throws the file system's error, Error when there are fewer */
  digest(bytes: number): Promise<string>;
}

const pieceBytes = 2 ** 20;

/** Takes the time of who has the bytes, and none of the eight megabytes of a thread. */
export function createOwnWriter(): DiskWriter {
  return {
    worthBytes: 0,
    buffers: 2,
    buffer: (bytes) => Buffer.allocUnsafeSlow(bytes),
    open(path, file) {
      const hash = createHash('sha256');
      let done = 0;
      return {
        async write(bytes, at) {
          const { bytesWritten } = await file.write(bytes, 0, bytes.length, at);
          // What was there before is read in the end, and all that follows it.
          if (at === done) {
            hash.update(bytes.subarray(0, bytesWritten));
            done += bytesWritten;
          }
          return bytesWritten;
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

/** So long the thread waits for the next file. */
const idleMs = 10_000;

const endedError = () => new Error('the thread that writes files ended');

export function createWriterThread(): DiskWriter {
  const asking = new Map<number, PromiseWithResolvers<WriterAnswer>>();
  let worker: Worker | null = null;
  let files = 0;
  let names = 0;
  let ending: NodeJS.Timeout | undefined;

  function start(): Worker {
    // It needs nothing of this process: neither its environment nor its flags.
    const started = new Worker(new URL('./disk-writer-thread.ts', import.meta.url), { env: {}, execArgv: [] });
    started.on('message', (answer: WriterAnswer) => {
      const { id, fault } = answer;
      if (fault) asking.get(id)?.reject(Object.assign(new Error(fault.message), { code: fault.code }));
      else asking.get(id)?.resolve(answer);
    });
    const lost = (error: unknown) => {
      if (worker !== started) return;
      worker = null;
      for (const { reject } of asking.values()) reject(error);
    };
    started.on('error', lost);
    started.on('exit', () => lost(endedError()));
    started.unref();
    return started;
  }

  function end(): void {
    void worker?.terminate();
    worker = null;
  }

  return {
    worthBytes: pieceBytes,
    // The last one but one is hashed while the last one is on its way.
    buffers: 3,
    buffer: (bytes) => Buffer.from(new SharedArrayBuffer(bytes)),
    open(path) {
      const id = ++names;
      files += 1;
      clearTimeout(ending);
      worker ??= start();
      const own = worker;
      const memories: ArrayBufferLike[] = [];
      let ended = false;
      const tell = (task: WriterTask) => own.postMessage(task);

      async function ask(task: WriterTask): Promise<WriterAnswer> {
        if (own !== worker) throw endedError();
        const answer = Promise.withResolvers<WriterAnswer>();
        asking.set(id, answer);
        own.ref();
        tell(task);
        try {
          return await answer.promise;
        } finally {
          asking.delete(id);
          if (asking.size === 0) own.unref();
        }
      }

      /** Told once: each time the thread would make an object of it anew. */
      function nameOf(memory: ArrayBufferLike): number {
        const known = memories.indexOf(memory);
        if (known >= 0) return known;
        tell({ id, memory: memory as SharedArrayBuffer });
        return memories.push(memory) - 1;
      }

      tell({ id, path });
      return {
        async write({ buffer, byteOffset, length }, at) {
          const piece = { memory: nameOf(buffer), start: byteOffset, bytes: length, at };
          const { written } = await ask({ id, write: piece });
          return written!;
        },
        async digest(bytes) {
          const { sha256 } = await ask({ id, digest: bytes });
          return sha256!;
        },
        [Symbol.dispose]() {
          if (ended) return;
          ended = true;
          files -= 1;
          tell({ id, end: true });
          if (files === 0) ending = setTimeout(end, idleMs).unref();
        },
      };
    },
  };
}
