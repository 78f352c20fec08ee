/** Stops what a session runs, from outside: by the protocol's CancelRequest, or by ending its backend. */
import pg from 'pg';
import type { OpenOptions, SessionIdentity, Target } from '../engine.ts';
import { type ConnectDeps, type Connection, connect } from './connect.ts';
import { connectFailure } from './errors.ts';
import { openTransport } from './transport.ts';

const cancelTimeoutMs = 5_000;
const cancelRequestCode = 80_877_102;

/**
 * Asks the server to stop the running statement. Resolves when the server has closed this connection: the signal is
 * then on its way to the backend. @throws AppError CONNECTION_FAILED
 */
export async function requestCancel(
  deps: ConnectDeps,
  target: Target,
  { processId, secretKey }: Connection['cancelKey'],
): Promise<void> {
  const signal = AbortSignal.timeout(cancelTimeoutMs);
  const { socket } = await openTransport(deps, target, { signal });
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(cancelRequestCode, 4);
  request.writeInt32BE(processId, 8);
  request.writeInt32BE(secretKey, 12);
  await new Promise<void>((resolve) => {
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', () => {}); // `close` follows
    socket.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    socket.resume();
    socket.end(request);
  });
}

/**
 * Ends the session of that identity; no-op when it is gone, also when its pid now belongs to another.
 * @throws AppError CONNECTION_FAILED, also where the user may not end it; the signal's reason when it aborts
 */
export async function terminate(
  deps: ConnectDeps,
  target: Target,
  { sessionId, startedAt }: SessionIdentity,
  options: OpenOptions,
): Promise<void> {
  await using connection = await connect(deps, target, options);
  const onAbort = () => connection.destroy(new Error('aborted'));
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await connection.client.query(
      `SELECT pg_catalog.pg_terminate_backend(pid)
         FROM pg_catalog.pg_stat_get_activity($1::integer)
        WHERE backend_start = $2::timestamptz`,
      [sessionId, startedAt],
    );
  } catch (cause) {
    options.signal.throwIfAborted();
    throw connectFailure(target, 'DATABASE', 'The server did not end the session', {
      hint: 'Ask as the role that the session is of, or as a member of pg_signal_backend.',
      sqlState: cause instanceof pg.DatabaseError ? cause.code : undefined,
      cause,
    });
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
}
