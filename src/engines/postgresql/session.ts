/** One session on a server, for one principal: runs scripts one after the other, and can be told to stop. */
import pg from 'pg';
import { type OpenOptions, RunError, type RunEvent, type RunOptions, type Session, type Target } from '../engine.ts';
import { createColumns, type Query } from './columns.ts';
import { type ConnectDeps, connect } from './connect.ts';
import { createNotices } from './notices.ts';
import type { Parser } from './parser.ts';
import { createRounds } from './round.ts';
import { checkScript, runScript } from './script.ts';
import { split } from './split.ts';
import { createStopper, type Stopper } from './stop.ts';

/** Undoing costs a server next to nothing: one that is silent for so long is gone. */
const rollbackTimeoutMs = 5_000;

export interface SessionDeps extends ConnectDeps {
  readonly parser: Parser;
}

/** @throws AppError CONNECTION_FAILED with the stage in `details.reason` */
export async function openSession(deps: SessionDeps, target: Target, options: OpenOptions): Promise<Session> {
  const connection = await connect(deps, target, { ...options, bulk: true });
  const { client, closed } = connection;
  const rounds = createRounds(connection);
  const notices = createNotices({ client, wake: () => rounds.current?.wake() });
  const ask: Query = async (text, values) => {
    const query = { text, values: [...values], rowMode: 'array' as const, types: { getTypeParser } };
    const answer = client.query(query);
    asking = Promise.allSettled([answer]).finally(() => {
      asking = null;
    });
    const { rows } = await answer.catch((error: unknown) => {
      // A place in our SQL is none in the script.
      if (error instanceof pg.DatabaseError) error.position = undefined;
      throw error;
    });
    return rows as (string | null)[][];
  };
  const columns = createColumns({ query: ask });
  let asking: Promise<unknown> | null = null;
  let running: Stopper | null = null;
  let disposed = false;

  /** Whatever the script left, the next one finds a session without a transaction and without a late cancel. */
  async function settle(stopper: Stopper): Promise<void> {
    // The loop was left while rows were coming.
    if (rounds.current !== null) await stopper.stop('CANCELLED');
    await stopper.settled();
    if (closed.aborted || (stopper.fault === null && client.getTransactionStatus() === 'I')) return;
    const rollback = () => client.query('ROLLBACK');
    const timer = setTimeout(
      () => connection.destroy(new Error('The server did not answer in time')),
      rollbackTimeoutMs,
    );
    // A cancel that came late may still hit the first of them; it cannot hit both.
    await rollback()
      .catch(rollback)
      .catch(connection.destroy)
      .finally(() => clearTimeout(timer));
  }

  return {
    identity: connection.identity,
    serverVersion: connection.serverVersion,
    closed,

    async *run(script: string, options: RunOptions): AsyncGenerator<RunEvent, void> {
      if (running !== null || disposed)
        throw new TypeError('A session runs one script at a time, until it is disposed');
      const stopper = createStopper({ connect: deps, target, connection, rounds, asking: () => asking });
      running = stopper;
      const onAbort = () => stopper.stop(isTimeout(options.signal.reason) ? 'TIMEOUT' : 'CANCELLED');
      options.signal.addEventListener('abort', onAbort, { once: true });
      if (options.signal.aborted) onAbort();
      notices.reset();
      try {
        if (stopper.fault !== null) throw stopper.fault;
        const statements = await split(deps, script);
        checkScript(script, statements, options);
        yield* runScript({ connection, rounds, columns, ask, notices, stopper }, script, statements, options);
      } finally {
        options.signal.removeEventListener('abort', onAbort);
        await settle(stopper);
        running = null;
      }
    },

    async cancel() {
      await running?.stop('CANCELLED');
    },

    async [Symbol.asyncDispose]() {
      disposed = true;
      if (rounds.current !== null)
        connection.destroy(new RunError({ code: 'CANCELLED', message: 'The session was closed' }));
      await connection[Symbol.asyncDispose]();
    },
  };
}

/** Values as the server prints them. */
const getTypeParser = () => (text: string) => text;

const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';
