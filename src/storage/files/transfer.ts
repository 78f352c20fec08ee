/**
 * Bytes between a client and the blob store, as fast as the slower of them, and never slower than a limit: who stalls is
 * let go.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../../lib/errors.ts';
import type { BlobReading } from '../blob-store.ts';
import { gather } from './gather.ts';

export interface Pace {
  /** In each such time … */
  readonly withinMs: number;
  /** … at least so many bytes. */
  readonly bytes: number;
}

/** A kilobyte a second: slower is a broken line, or somebody who wants to hold a place. */
export const slowest: Pace = { withinMs: 30_000, bytes: 30_000 };

/**
 * Of the times of a pace. Who reads takes what is sent in steps that the systems between make, of up to a megabyte or two:
 * each pays for the time until the next one. So 5 kB a second are enough, and who stops is let go within five minutes.
 */
const aheadWhileSending = 10;

interface Progress {
  readonly bytes: number;
  /** On the client; else it is not his slowness. */
  readonly waiting: boolean;
}

interface Watch extends Pace {
  /** For so many of its times bytes that came at once may pay. */
  readonly ahead: number;
}

/** Calls `stalled` once when the client keeps the rest waiting for too long. */
function watch(pace: Watch, progress: () => Progress, stalled: () => void): Disposable {
  let before = progress().bytes;
  let left = pace.ahead;
  const timer = setInterval(() => {
    const { bytes, waiting } = progress();
    const paid = Math.floor((bytes - before) / pace.bytes);
    left = waiting ? Math.min(left - 1 + paid, pace.ahead) : pace.ahead;
    before = bytes;
    if (left > 0) return;
    clearInterval(timer);
    stalled();
  }, pace.withinMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

export interface Incoming extends Disposable {
  /** A piece is the reader's until he asks for the next one. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when nobody brings the rest any more. */
  readonly signal: AbortSignal;
  /** Nobody wants the rest any more. */
  stop(reason: Error): void;
}

/** The body of a request, of which the answer can still be sent when it stalls. */
export function receiveBody(request: IncomingMessage, pace: Pace): Incoming {
  const ended = new AbortController();
  const gathered = gather(request);
  const stop = (reason: Error) => {
    gathered.stop(reason);
    ended.abort(reason);
  };
  const broken = () => {
    if (!request.complete) stop(new AppError('CONNECTION_FAILED', 'The client went away'));
  };
  request.once('close', broken).once('error', broken);
  // Gone before anybody listened.
  if (request.destroyed) broken();
  const watching = watch(
    { ...pace, ahead: 1 },
    () => ({ bytes: gathered.bytes, waiting: !request.complete && gathered.isEmpty }),
    () => stop(new AppError('TIMEOUT', 'Too few bytes for too long', { details: { timeoutMs: pace.withinMs } })),
  );
  return {
    body: gathered.pieces,
    signal: ended.signal,
    stop,
    [Symbol.dispose]() {
      watching[Symbol.dispose]();
      request
        .off('close', broken)
        .off('error', broken)
        .on('error', () => undefined);
      gathered.stop(new Error('nobody reads the body any more'));
    },
  };
}

class ClientGone extends Error {}

/**
 * To its end, or until the client is gone or stalls, which is nobody's error.
 * @returns the bytes that the store had. Fewer than `bytes` break the connection off: never a shorter file that looks whole
 * @throws the store's own error
 */
export async function sendBody(
  source: BlobReading,
  response: ServerResponse,
  { bytes, pace }: { bytes: number; pace: Pace },
): Promise<number> {
  const { socket } = response;
  using _watching = watch(
    { ...pace, ahead: aheadWhileSending },
    () => ({
      bytes: socket ? socket.bytesWritten - socket.writableLength : 0,
      waiting: response.writableLength > 0,
    }),
    () => response.destroy(),
  );
  let had = 0;
  try {
    for await (const piece of source) {
      await send(response, piece);
      had += piece.length;
    }
    if (had === bytes) response.end();
    else response.destroy();
    return had;
  } catch (error) {
    // Who has gone also ended the reading.
    const gone = response.destroyed || error instanceof ClientGone;
    response.destroy();
    if (!gone) throw error;
    return bytes;
  }
}

/** Resolves when the system between has taken all of it. @throws ClientGone */
function send(response: ServerResponse, piece: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const gone = (cause?: Error) => reject(new ClientGone('the client is gone', { cause }));
  const onClose = () => gone();
  response.once('close', onClose);
  if (response.destroyed) onClose();
  response.write(piece, (error) => {
    response.off('close', onClose);
    if (error) gone(error);
    else resolve();
  });
  return promise;
}
