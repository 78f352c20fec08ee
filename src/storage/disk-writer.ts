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
  /** A file is written from so many in turn now: one is filled while the others are on their way. */
  readonly buffers: number;
  /** Memory to write from. */
  buffer(bytes: number): Buffer;
  /** Of a file that may be there in part. @param file the same one, open to be written */
  open(path: string, file: FileHandle): WrittenFile;
}

export interface WrittenFile extends Disposable {
  /**
   * Appends what there is room for. Others may follow before it has ended: they are written in their order, and nothing of
   * what follows one that was cut short, until that has been given again.
   * @param bytes of a buffer(); it stays as it is until this has ended
   * @param at where the file ends when all that was given before is written
   * @returns how many bytes; 0 where what was given before is not all written. @throws the file system's error
   */
  write(bytes: Buffer, at: number): Promise<number>;
  /** Hex, over the first so many bytes, when all is written. @throws the file system's error, Error when there are fewer */
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
      let end: number | null = null;
      let last: Promise<unknown> = Promise.resolve();

      async function append(given: Buffer, at: number): Promise<number> {
        end ??= at;
        if (at !== end) return 0;
        const { bytesWritten } = await file.write(given, 0, given.length, at);
        end += bytesWritten;
        // What was there before is read in the end, and all that follows it.
        if (at === done) {
          hash.update(given.subarray(0, bytesWritten));
          done += bytesWritten;
        }
        return bytesWritten;
      }

      return {
        write(bytes, at) {
          const writing = last.then(() => append(bytes, at));
          last = writing.catch(() => undefined);
          return writing;
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
  /** Of each file what is asked, in the order in which it is answered. */
  const asking = new Map<number, PromiseWithResolvers<WriterAnswer>[]>();
  let worker: Worker | null = null;
  let files = 0;
  let names = 0;
  let ending: NodeJS.Timeout | undefined;

  function start(): Worker {
    // It needs nothing of this process: neither its environment nor its flags.
    const started = new Worker(new URL('./disk-writer-thread.ts', import.meta.url), { env: {}, execArgv: [] });
    started.on('message', (answer: WriterAnswer) => {
      const { id, fault } = answer;
      const asked = asking.get(id)?.shift();
      if (fault) asked?.reject(Object.assign(new Error(fault.message), { code: fault.code }));
      else asked?.resolve(answer);
    });
    const lost = (error: unknown) => {
      if (worker !== started) return;
      worker = null;
      for (const { reject } of [...asking.values()].flat()) reject(error);
      asking.clear();
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
    // With three, each given when the one before it had come back, an upload took a sixth longer: whoever fills them waits
    // for his processor, too. Of many files at once the thread has enough.
    get buffers() {
      return files > 2 ? 3 : 6;
    },
    buffer: (bytes) => Buffer.from(new SharedArrayBuffer(bytes)),
    open(path) {
      const id = ++names;
      files += 1;
      clearTimeout(ending);
      worker ??= start();
      const own = worker;
      const asked: PromiseWithResolvers<WriterAnswer>[] = [];
      const memories: ArrayBufferLike[] = [];
      let ended = false;
      const tell = (task: WriterTask) => own.postMessage(task);

      async function ask(task: WriterTask): Promise<WriterAnswer> {
        if (own !== worker) throw endedError();
        const answer = Promise.withResolvers<WriterAnswer>();
        asked.push(answer);
        asking.set(id, asked);
        own.ref();
        tell(task);
        try {
          return await answer.promise;
        } finally {
          if (asked.length === 0) asking.delete(id);
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
