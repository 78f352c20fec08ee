/** Connections for reading a catalogue: opened when asked, few at a time, closed when nobody has asked for a while. */
import pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import type { Target } from '../engine.ts';
import { type ConnectDeps, type Connection, connect } from './connect.ts';
import { connectFailure } from './errors.ts';

/** A nested GraphQL query asks for many kinds at once; a target's connections are its owner's. */
const maxConnections = 2;
const idleMs = 30_000;

type TextRow = (string | null)[];

interface Options {
  readonly signal: AbortSignal;
}

type Ask = (sql: string, values: readonly unknown[]) => Promise<TextRow[]>;

export interface Reader {
  /** Runs one statement that only reads. @throws AppError CONNECTION_FAILED, SQL_ERROR, TIMEOUT; the signal's reason */
  query(sql: string, values: readonly unknown[], options: Options): Promise<TextRow[]>;
  /**
   * Lends a connection in one REPEATABLE READ READ ONLY transaction, to be asked one statement at a time: all of them
   * see one moment, and what SET LOCAL sets ends with it. @throws as `query`, and whatever `work` throws
   */
  transaction<Value>(work: (ask: Ask) => Promise<Value>, options: Options): Promise<Value>;
  close(): Promise<void>;
}

export function createReader(deps: ConnectDeps, target: Target): Reader {
  const idle = new Map<Connection, NodeJS.Timeout>();
  const waiting: (() => void)[] = [];
  const ending = new AbortController();
  let lent = 0;

  async function acquire(signal: AbortSignal): Promise<{ connection: Connection; fresh: boolean }> {
    while (lent >= maxConnections) await turn(signal);
    lent++;
    try {
      for (const [connection, timer] of idle) {
        idle.delete(connection);
        clearTimeout(timer);
        if (!connection.closed.aborted) return { connection, fresh: false };
      }
      return { connection: await connectForReading(deps, target, signal), fresh: true };
    } catch (error) {
      leave();
      throw error;
    }
  }

  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => () => {
        signal.removeEventListener('abort', onAbort);
        const place = waiting.indexOf(onTurn);
        if (place >= 0) waiting.splice(place, 1);
        done();
      };
      const onTurn = settle(resolve);
      const onAbort = settle(() => reject(signal.reason));
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      waiting.push(onTurn);
    });
  }

  function leave(): void {
    lent--;
    waiting.at(0)?.();
  }

  function release(connection: Connection, { lost }: { lost: boolean }): void {
    if (ending.signal.aborted) void connection[Symbol.asyncDispose]();
    else if (!lost && !connection.closed.aborted) {
      const timer = setTimeout(() => {
        idle.delete(connection);
        void connection[Symbol.asyncDispose]();
      }, idleMs);
      timer.unref();
      idle.set(connection, timer);
    }
    leave();
  }

  /** Does `work` on a connection: on another one where that was lost while it lay idle. */
  async function lend<Value>(options: Options, work: (ask: Ask) => Promise<Value>): Promise<Value> {
    const signal = AbortSignal.any([options.signal, ending.signal]);
    for (;;) {
      const { connection, fresh } = await acquire(signal);
      const onAbort = () => connection.destroy(new Error('aborted'));
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      let alive = fresh;
      let lost = false;
      try {
        return await work(async (text, values) => {
          try {
            const query = { text, values: [...values], rowMode: 'array' as const, types: { getTypeParser } };
            const { rows } = await connection.client.query(query);
            alive = true;
            return rows as TextRow[];
          } catch (error) {
            throw toAppError(target, error);
          }
        });
      } catch (error) {
        signal.throwIfAborted();
        // As after a restart of the server, whose last words may come before its end.
        lost = !alive && error instanceof AppError && error.code === 'CONNECTION_FAILED';
        if (!lost) throw error;
      } finally {
        signal.removeEventListener('abort', onAbort);
        if (lost) connection.destroy(new Error('lost while it lay idle'));
        release(connection, { lost });
      }
    }
  }

  return {
    query: (sql, values, options) => lend(options, (ask) => ask(sql, values)),
    transaction: (work, options) =>
      lend(options, async (ask) => {
        await ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', []);
        let value: Awaited<ReturnType<typeof work>>;
        try {
          value = await work(ask);
        } catch (error) {
          await ask('ROLLBACK', []).catch(() => undefined); // The connection is gone, and the transaction with it.
          throw error;
        }
        await ask('COMMIT', []);
        return value;
      }),
    async close() {
      ending.abort(new AppError('CONNECTION_FAILED', 'The catalogue was closed'));
      const connections = [...idle];
      idle.clear();
      for (const [, timer] of connections) clearTimeout(timer);
      await Promise.all(connections.map(([connection]) => connection[Symbol.asyncDispose]()));
    },
  };
}

/**
 * Texts that the server prints name everything with its schema then, as a snapshot does, and no function of a user's is
 * found in place of the server's own.
 */
async function connectForReading(deps: ConnectDeps, target: Target, signal: AbortSignal): Promise<Connection> {
  const connection = await connect(deps, target, { signal, label: 'quarry catalogue' });
  const onAbort = () => connection.destroy(new Error('aborted'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await connection.client.query(`SELECT pg_catalog.set_config('search_path', '', false)`);
    return connection;
  } catch (error) {
    connection.destroy(new Error('It could not be made ready', { cause: error }));
    signal.throwIfAborted();
    throw toAppError(target, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const getTypeParser = () => (text: string) => text;

function toAppError(target: Target, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  // Its SQLSTATE tells a lost session; the severity may be translated.
  if (cause instanceof pg.DatabaseError && !/^(57P|08)/.test(cause.code ?? '')) {
    const code = cause.code === '57014' ? 'TIMEOUT' : 'SQL_ERROR';
    return new AppError(code, cause.message, { cause, details: { sqlState: cause.code } });
  }
  const hint = 'Try again; look into the log of the server where it happens often.';
  return connectFailure(target, 'DATABASE', 'The connection to the server was lost', { hint, cause });
}
