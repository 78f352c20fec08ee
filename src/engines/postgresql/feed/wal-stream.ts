/**
 * The log of a database as its server sends it: frames, pulled a chunk of the socket at a time. While nobody pulls, the
 * socket is paused and the server waits. What is in the frames is feed.ts' business.
 * https://www.postgresql.org/docs/current/protocol-replication.html
 */
import { once } from 'node:events';
import { untilAborted } from '../../../lib/until-aborted.ts';
import type { Connection } from '../connect.ts';

/** A message from `start` to `end`, valid until the next pull. */
export type FrameReader = (bytes: Buffer, start: number, end: number) => Promise<void> | undefined;

export interface WalStream {
  /**
   * Hands over the frames that have come, one after the other; waits for the first, or to be woken. One caller at a time.
   * @throws whatever ended the stream, or the reader has thrown
   */
  read(reader: FrameReader): Promise<void>;
  /** Lets go whoever waits for frames, or waits next: there is other news. */
  wake(): void;
  /** Whether somebody waits for frames just now: only then is silence the server's. */
  readonly listening: boolean;
  /** When bytes came last, by `performance.now()`. */
  readonly heardAtMs: number;
  /** @param flushed all before it is needed no longer */
  feedback(flushed: bigint): void;
}

/** 2000-01-01, from which PostgreSQL counts microseconds. */
const epochMs = 946_684_800_000;
const statusTag = 0x72; // r
/** Frames beyond this, in bytes, pause the socket: about four of its chunks. */
const maxQueuedBytes = 2 ** 18;

/**
 * Begins to send what is behind the slot's confirmed place, or behind `from` where that is later.
 * @param command START_REPLICATION, complete
 * @throws DatabaseError, whatever ended the connection; the signal's reason
 */
export async function startWalStream(
  { client, wire, closed }: Connection,
  command: string,
  { signal }: { signal: AbortSignal },
): Promise<WalStream> {
  const frames = new FrameQueue();
  let failure: unknown = null;
  let wake: (() => void) | null = null;
  let woken = false;
  let heardAtMs = performance.now();
  const fail = (error: unknown) => {
    failure ??= error;
    wake?.();
  };
  wire.stream.copyTaker = {
    begin: (bytes) => frames.begin(bytes),
    piece: (chunk, start, end) => {
      heardAtMs = performance.now();
      frames.piece(chunk, start, end);
    },
    end: () => {
      frames.end();
      if (frames.bytes > maxQueuedBytes) wire.stream.pause();
      wake?.();
    },
  };
  const replication = client.query(command).then(
    () => fail(new Error('The server has ended the replication')),
    (error: unknown) => fail(error),
  );
  closed.addEventListener('abort', () => fail(closed.reason), { once: true });
  const begun = new AbortController();
  const started = once(wire, 'replicationStart', { signal: begun.signal });
  try {
    await untilAborted(Promise.race([started, replication]), signal);
  } finally {
    started.catch(() => undefined);
    begun.abort();
  }
  if (failure !== null) throw failure;

  const status = Buffer.alloc(34);
  status[0] = statusTag;
  let flushedMost = 0n;

  return {
    async read(reader) {
      while (frames.count === 0 && !woken) {
        if (failure !== null) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
          wire.stream.resume();
        });
        wake = null;
      }
      woken = false;
      await frames.drain(reader);
    },
    wake() {
      woken = true;
      wake?.();
    },
    get listening() {
      return wake !== null;
    },
    get heardAtMs() {
      return heardAtMs;
    },
    feedback(flushed) {
      if (failure !== null) return;
      if (flushed > flushedMost) flushedMost = flushed;
      status.writeBigUInt64BE(flushedMost, 1);
      status.writeBigUInt64BE(flushedMost, 9);
      status.writeBigUInt64BE(flushedMost, 17);
      status.writeBigInt64BE(BigInt(Date.now() - epochMs) * 1_000n, 25);
      wire.sendCopyFromChunk(status);
    },
  };
}

/** Whole messages as they lie in the chunks of the socket; only one that is cut is copied. */
class FrameQueue {
  bytes = 0;
  #chunks: Buffer[] = [];
  #starts: number[] = [];
  #ends: number[] = [];
  #expected = 0;
  #cut: Buffer | null = null;
  #filled = 0;

  get count(): number {
    return this.#chunks.length;
  }

  begin(bytes: number): void {
    this.#expected = bytes;
  }

  piece(chunk: Buffer, start: number, end: number): void {
    if (this.#cut === null && end - start === this.#expected) return void this.#push(chunk, start, end);
    this.#cut ??= Buffer.allocUnsafeSlow(this.#expected);
    this.#filled += chunk.copy(this.#cut, this.#filled, start, end);
  }

  end(): void {
    if (this.#cut === null) return;
    this.#push(this.#cut, 0, this.#filled);
    this.#cut = null;
    this.#filled = 0;
  }

  /** Also what a reader leaves by throwing is gone: it has ended the stream then. */
  async drain(reader: FrameReader): Promise<void> {
    const [chunks, starts, ends] = [this.#chunks, this.#starts, this.#ends];
    this.#chunks = [];
    this.#starts = [];
    this.#ends = [];
    this.bytes = 0;
    for (let index = 0; index < chunks.length; index++) {
      const waits = reader(chunks[index]!, starts[index]!, ends[index]!);
      // Few do: a frame in a hundred thousand must not make the others asynchronous.
      if (waits !== undefined) await waits;
    }
  }

  #push(chunk: Buffer, start: number, end: number): void {
    this.#chunks.push(chunk);
    this.#starts.push(start);
    this.#ends.push(end);
    this.bytes += end - start;
  }
}
