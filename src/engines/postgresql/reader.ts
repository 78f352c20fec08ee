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

export interface Reader {
  /** Runs one statement that only reads. @throws AppError CONNECTION_FAILED, SQL_ERROR, TIMEOUT; the signal's reason */
  query(sql: string, values: readonly unknown[], options: { readonly signal: AbortSignal }): Promise<TextRow[]>;
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
      return { connection: await connect(deps, target, { signal, label: 'quarry catalogue' }), fresh: true };
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

  function release(connection: Connection): void {
    if (ending.signal.aborted) void connection[Symbol.asyncDispose]();
    else if (!connection.closed.aborted) {
      const timer = setTimeout(() => {
        idle.delete(connection);
        void connection[Symbol.asyncDispose]();
      }, idleMs);
      timer.unref();
      idle.set(connection, timer);
    }
    leave();
  }

  /** Null where another connection may do better. */
  async function attempt(sql: string, values: readonly unknown[], signal: AbortSignal): Promise<TextRow[] | null> {
    const { connection, fresh } = await acquire(signal);
    const onAbort = () => connection.destroy(new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const query = { text: sql, values: [...values], rowMode: 'array' as const, types: { getTypeParser } };
      return (await connection.client.query(query)).rows as TextRow[];
    } catch (error) {
      signal.throwIfAborted();
      // It was lost while it lay idle, as after a restart of the server.
      if (!fresh && connection.closed.aborted) return null;
      throw toAppError(target, error);
    } finally {
      signal.removeEventListener('abort', onAbort);
      release(connection);
    }
  }

  return {
    async query(sql, values, options) {
      const signal = AbortSignal.any([options.signal, ending.signal]);
      for (;;) {
        const rows = await attempt(sql, values, signal);
        if (rows !== null) return rows;
      }
    },
    async close() {
      ending.abort(new AppError('CONNECTION_FAILED', 'The catalogue was closed'));
      const connections = [...idle];
      idle.clear();
      for (const [, timer] of connections) clearTimeout(timer);
      await Promise.all(connections.map(([connection]) => connection[Symbol.asyncDispose]()));
    },
  };
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
