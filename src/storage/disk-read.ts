/**
 * Reads a file in two buffers in turn: one is filled while the other one is on its way. New buffers for every piece cost
 * the collector more than the reading.
 */
import type { FileHandle } from 'node:fs/promises';
import type { BlobRange, BlobReading } from './blob-store.ts';

/** Two of them a download. With a quarter of it, what goes from thread to thread took as long as the bytes. */
const bufferBytes = 2 ** 20;

/** @param file closed at the end, by disposal, or by an abort */
export function readInTurns(file: FileHandle, { start = 0, end }: BlobRange, signal: AbortSignal): BlobReading {
  const behind = end === undefined ? Number.POSITIVE_INFINITY : end + 1;
  const buffers: Buffer[] = [];
  let at = start;
  let reading: Promise<number> = Promise.resolve(0);
  let closing: Promise<void> | null = null;

  /** Never under a read. */
  function close(): Promise<void> {
    signal.removeEventListener('abort', close);
    closing ??= reading.then(
      () => file.close(),
      () => file.close(),
    );
    return closing;
  }

  async function read(turn: number): Promise<number> {
    const wanted = Math.min(bufferBytes, behind - at);
    if (wanted <= 0) return 0;
    buffers[turn] ??= Buffer.allocUnsafeSlow(wanted);
    const { bytesRead } = await file.read(buffers[turn], 0, wanted, at);
    at += bytesRead;
    return bytesRead;
  }

  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      signal.throwIfAborted();
      reading = read(0);
      for (let turn = 0; ; turn = 1 - turn) {
        const bytes = await reading;
        signal.throwIfAborted();
        if (bytes === 0) return;
        reading = read(1 - turn);
        // Told to whoever asks for the next piece; nobody may.
        reading.catch(() => undefined);
        yield buffers[turn]!.subarray(0, bytes);
      }
    } finally {
      await close();
    }
  }

  signal.addEventListener('abort', close, { once: true });
  const all = pieces();
  return { [Symbol.asyncIterator]: () => all, [Symbol.asyncDispose]: close };
}
