/**
 * The body of a request in pieces of up to 256 KiB, gathered in two buffers that are used in turn: one is filled while the
 * other one is read. What the network brings comes in a buffer of its own for each 64 KiB, which is let go at once.
 */
import type { IncomingMessage } from 'node:http';
import { collectYoung } from '../../lib/collect.ts';

const bufferBytes = 256 * 1_024;
/**
 * So much of the network's buffers may lie. Left to itself V8 goes over the whole heap for each forty megabytes of them:
 * of the processor's time for a gigabyte that took three parts in four.
 */
const garbageBytes = 16 * 2 ** 20;

export interface Gathered {
  /** A piece is the reader's until he asks for the next one. One reader. @throws the reason it was stopped for */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Of what came, nothing is left that is not read. */
  readonly isEmpty: boolean;
  /** Takes no more, and gives no more. */
  stop(reason: Error): void;
}

export function gather(request: IncomingMessage): Gathered {
  const spare: Buffer[] = [];
  let made = 0;
  let garbage = 0;
  let filling: Buffer | null = null;
  let filled = 0;
  let full: Buffer | null = null;
  /** Of a chunk, what no buffer has room for yet. */
  let rest: Buffer = Buffer.alloc(0);
  let stopped: { reason: Error } | null = null;
  let reader: PromiseWithResolvers<void> | null = null;

  const wake = () => {
    reader?.resolve();
    reader = null;
  };

  function nextBuffer(): Buffer | null {
    const known = spare.pop();
    if (known || made === 2) return known ?? null;
    made += 1;
    return Buffer.allocUnsafeSlow(bufferBytes);
  }

  function pour(): void {
    while (rest.length > 0) {
      filling ??= nextBuffer();
      if (filling === null) return;
      const copied = rest.copy(filling, filled);
      filled += copied;
      rest = rest.subarray(copied);
      if (filled < bufferBytes) continue;
      // Both are full: nothing more until one is read.
      if (full !== null) return;
      full = filling;
      filling = null;
      filled = 0;
    }
  }

  function take(chunk: Buffer): void {
    // Empty until now: while anything is left in it the request is paused, and gives nothing.
    rest = chunk;
    pour();
    if (rest.length > 0) request.pause();
    wake();
    garbage += chunk.length;
    if (garbage < garbageBytes) return;
    garbage = 0;
    collectYoung();
  }

  /** A whole buffer first; else what there is. */
  function give(): { buffer: Buffer; bytes: number } | null {
    if (full !== null) {
      const buffer = full;
      full = null;
      return { buffer, bytes: bufferBytes };
    }
    if (filling === null || filled === 0) return null;
    const given = { buffer: filling, bytes: filled };
    filling = null;
    filled = 0;
    return given;
  }

  function takeBack(buffer: Buffer): void {
    spare.push(buffer);
    pour();
    if (rest.length === 0 && request.isPaused()) request.resume();
  }

  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (stopped) throw stopped.reason;
      const given = give();
      if (given) {
        yield given.buffer.subarray(0, given.bytes);
        takeBack(given.buffer);
      } else if (request.readableEnded) return;
      else {
        reader = Promise.withResolvers();
        await reader.promise;
      }
    }
  }

  request.on('data', take).once('end', wake);
  return {
    pieces: pieces(),
    get isEmpty() {
      return full === null && filled === 0;
    },
    stop(reason) {
      request.off('data', take).off('end', wake);
      request.pause();
      stopped ??= { reason };
      wake();
    },
  };
}
