/**
 * The body of a request in pieces of up to 256 KiB, gathered in two buffers that are used in turn: one is filled while the
 * other one is read. What the network brings comes in a buffer of its own for each 64 KiB, which is freed at once.
 */
import type { IncomingMessage } from 'node:http';

const bufferBytes = 256 * 1_024;

export interface Gathered {
  /** A piece is the reader's until he asks for the next one. One reader. @throws the reason it was stopped for */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** That have come, whoever has read them. */
  readonly bytes: number;
  /** Of what came, nothing is left that is not read. */
  readonly isEmpty: boolean;
  /** Takes no more, and gives no more. */
  stop(reason: Error): void;
}

export function gather(request: IncomingMessage): Gathered {
  const spare: Buffer[] = [];
  let made = 0;
  let bytes = 0;
  let filling: Buffer | null = null;
  let filled = 0;
  let full: Buffer | null = null;
  /** Of a chunk, what no buffer has room for yet: from `taken` on. */
  let rest: Buffer | null = null;
  let taken = 0;
  let stopped: { reason: Error } | null = null;
  let reader: PromiseWithResolvers<void> | null = null;
  let waking = false;

  const wake = () => {
    waking = false;
    reader?.resolve();
    reader = null;
  };

  /** Once for all that one turn of the event loop brings: at a gigabyte a second waking him costs as much as his work. */
  function wakeSoon(): void {
    if (waking) return;
    waking = true;
    setImmediate(wake);
  }

  function nextBuffer(): Buffer | null {
    const known = spare.pop();
    if (known || made === 2) return known ?? null;
    made += 1;
    return Buffer.allocUnsafeSlow(bufferBytes);
  }

  function pour(): void {
    while (rest !== null) {
      filling ??= nextBuffer();
      if (filling === null) return;
      const copied = rest.copy(filling, filled, taken);
      filled += copied;
      taken += copied;
      if (taken === rest.length) {
        free(rest);
        rest = null;
      }
      if (filled < bufferBytes) continue;
      // Both are full: nothing more until one is read.
      if (full !== null) return;
      full = filling;
      filling = null;
      filled = 0;
    }
  }

  function take(chunk: Buffer): void {
    bytes += chunk.length;
    // Null until now: while anything is left in it the request is paused, and gives nothing.
    rest = chunk;
    taken = 0;
    pour();
    if (rest !== null) request.pause();
    wakeSoon();
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
    if (rest === null && request.isPaused()) request.resume();
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
    get bytes() {
      return bytes;
    },
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

/**
 * Of a chunk nobody reads any more. V8 counts what is outside of its heap for little, and left to itself it goes over all of
 * the heap for each forty megabytes of it: of the processor's time for a gigabyte that took three parts in four.
 */
function free({ buffer, length }: Buffer): void {
  // One that was cut out of a larger one is not this request's alone.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0);
}
