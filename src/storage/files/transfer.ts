/**
 * Bytes between a client and the blob store, as fast as the slower of them, and never slower than a limit: who stalls is
 * let go.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../lib/errors.ts';

export interface Pace {
  /** In each such time … */
  readonly withinMs: number;
  /** … at least so many bytes. */
  readonly bytes: number;
}

/** A kilobyte a second: slower is a broken line, or somebody who wants to hold a place. */
export const slowest: Pace = { withinMs: 30_000, bytes: 30_000 };

/** Handed on in pieces of up to so much. */
const bufferBytes = 256 * 1_024;

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
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when nobody brings the rest any more. */
  readonly signal: AbortSignal;
  /** Nobody wants the rest any more. */
  stop(reason: Error): void;
}

/** The body of a request, of which the answer can still be sent when it stalls. */
export function receiveBody(request: IncomingMessage, pace: Pace): Incoming {
  const ended = new AbortController();
  const body = new PassThrough({ highWaterMark: bufferBytes });
  // Who reads hears of it; nobody else has to.
  body.on('error', () => undefined);
  let bytes = 0;
  const stop = (reason: Error) => {
    request.unpipe(body);
    body.destroy(reason);
    ended.abort(reason);
  };
  const broken = () => {
    if (!request.complete) stop(new AppError('CONNECTION_FAILED', 'The client went away'));
  };
  request.once('close', broken).once('error', broken);
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.pipe(body);
  // Gone before anybody listened.
  if (request.destroyed) broken();
  const watching = watch(
    { ...pace, ahead: 1 },
    () => ({ bytes, waiting: !request.complete && body.readableLength === 0 }),
    () => stop(new AppError('TIMEOUT', 'Too few bytes for too long', { details: { timeoutMs: pace.withinMs } })),
  );
  return {
    body,
    signal: ended.signal,
    stop,
    [Symbol.dispose]() {
      watching[Symbol.dispose]();
      request
        .off('close', broken)
        .off('error', broken)
        .on('error', () => undefined);
      request.unpipe(body);
      body.destroy();
    },
  };
}

const clientGone = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR', 'ECONNRESET', 'EPIPE']);

/**
 * To its end, or until the client is gone or stalls, which is nobody's error.
 * @returns the bytes that the store had. Fewer than `bytes` break the connection off: never a shorter file that looks whole
 * @throws the store's own error
 */
export async function sendBody(
  source: Readable,
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
  source.on('data', (chunk: Buffer) => {
    had += chunk.length;
  });
  try {
    await pipeline(source, response, { end: false });
    if (had === bytes) response.end();
    else response.destroy();
    return had;
  } catch (error) {
    if (!clientGone.has(String((error as NodeJS.ErrnoException).code))) throw error;
    return bytes;
  }
}
