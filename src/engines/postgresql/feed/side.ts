/** The second session of a feed, for SQL: the first one sends the log and does nothing else. One statement at a time. */
import pg from 'pg';
import { AppError } from '../../../lib/errors.ts';
import { untilAborted } from '../../../lib/until-aborted.ts';
import type { Target } from '../../engine.ts';
import { type ConnectDeps, type Connection, connect } from '../connect.ts';
import { unlessGone } from './failures.ts';

export interface Side extends AsyncDisposable {
  readonly connection: Connection;
  /** Rows as text. @throws DatabaseError; AppError CONNECTION_FAILED where the session is gone; the signal's reason */
  query(text: string, values: readonly unknown[], options: { signal: AbortSignal }): Promise<(string | null)[][]>;
  /** One transaction, and nobody else's statements in between. */
  transaction<T>(work: (query: SideQuery) => Promise<T>, options: { signal: AbortSignal }): Promise<T>;
}

export type SideQuery = (text: string, values?: readonly unknown[]) => Promise<(string | null)[][]>;

/** No statement of ours takes long, but one that waits for a lock. */
const settings = `
  SET search_path = pg_catalog;
  SET lock_timeout = '5s';
  SET statement_timeout = '30s';
  SET default_transaction_read_only = off`;
const raw = { getTypeParser: () => (text: string) => text };

/** @throws AppError CONNECTION_FAILED; the signal's reason */
export async function openSide(
  deps: ConnectDeps,
  target: Target,
  options: { signal: AbortSignal; label: string },
): Promise<Side> {
  const connection = await connect(deps, target, options);
  const { client, closed } = connection;
  try {
    await untilAborted(client.query(settings), options.signal);
  } catch (error) {
    connection.destroy(new Error('The session was not set up', { cause: error }));
    options.signal.throwIfAborted();
    throw unlessGone(error, connection);
  }
  let last: Promise<unknown> = Promise.resolve();

  /** After those that were asked before; one that is given up goes on behind, as nothing may come in between. */
  function inTurn<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const done = last.then(() => {
      signal.throwIfAborted();
      return work();
    });
    last = done.catch(() => undefined);
    const answered = untilAborted(done, closed).catch((error: unknown) => {
      throw unlessGone(error, connection);
    });
    return untilAborted(answered, signal);
  }

  const ask: SideQuery = async (text, values = []) =>
    (await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array', types: raw })).rows;

  return {
    connection,
    query: (text, values, { signal }) => inTurn(() => ask(text, values), signal),
    transaction: (work, { signal }) =>
      inTurn(async () => {
        await ask('BEGIN');
        try {
          const result = await work(ask);
          await ask('COMMIT');
          return result;
        } catch (error) {
          await ask('ROLLBACK').catch(() => undefined); // The connection is gone then.
          throw error;
        }
      }, signal),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

/** What a target has refused, as the contract says it. */
export function refusalOf(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const details = { sqlState: error.code };
  // An administrator has ended the session, or the server goes down.
  if (/^57P/.test(error.code ?? ''))
    return new AppError('CONNECTION_FAILED', error.message, {
      cause: error,
      details: { reason: 'DATABASE', ...details },
    });
  return new AppError('SQL_ERROR', error.message, { cause: error, details });
}
