/** Stops a session's script: asks the server, and where that does not help ends the backend and the connection. */
import { RunError, type Target } from '../engine.ts';
import { requestCancel, terminate } from './cancel.ts';
import type { ConnectDeps, Connection } from './connect.ts';
import type { Rounds } from './round.ts';

/** A statement may swallow a cancel, or the server be out of reach: from then on asking is over. */
const cancelGraceMs = 1_000;
const terminateTimeoutMs = 10_000;

export interface Stopper {
  /** Once a script; nothing after the first call changes why. Resolves when the request was handed over. */
  stop(code: 'CANCELLED' | 'TIMEOUT'): Promise<void>;
  /** Why the script is to end; null while it may go on. */
  readonly fault: RunError | null;
  /** No request of ours is on its way any more, and the statement that it was for has ended. */
  settled(): Promise<void>;
}

export interface StopperDeps {
  readonly connect: ConnectDeps;
  readonly target: Target;
  readonly connection: Connection;
  readonly rounds: Rounds;
  /** What we ask the server between two rounds, if anything; settles when it has answered, never rejects. */
  readonly asking: () => Promise<unknown> | null;
}

/** For one script. */
export function createStopper({ connect, target, connection, rounds, asking }: StopperDeps): Stopper {
  let fault: RunError | null = null;
  let request: Promise<void> = Promise.resolve();
  let ended: Promise<void> = Promise.resolve();

  function escalate(): void {
    connection.destroy(new Error('The server did not stop the statement in time'));
    const signal = AbortSignal.timeout(terminateTimeoutMs);
    terminate(connect, target, connection.identity, { signal, label: 'quarry terminate' }).catch(() => {
      // The backend ends itself when it finds its client gone (client_connection_check_interval).
    });
  }

  return {
    async stop(code) {
      if (fault === null) {
        const message = code === 'TIMEOUT' ? 'The script took longer than it may' : 'The script was cancelled';
        fault = new RunError({ code, message });
        const answered = rounds.current?.drain() ?? asking();
        // Nobody waits for the server: the script hears of it before it sends the next message.
        if (answered === null) return;
        const timer = setTimeout(escalate, cancelGraceMs);
        ended = answered.then(() => clearTimeout(timer));
        request = requestCancel(connect, target, connection.cancelKey).catch(() => {
          // The timer follows.
        });
      }
      await Promise.race([request, ended]);
    },
    get fault() {
      return fault;
    },
    async settled() {
      await ended;
      if (!connection.closed.aborted) await request;
    },
  };
}
