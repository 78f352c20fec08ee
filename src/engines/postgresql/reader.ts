/** Connections for reading a catalogue: opened when asked, few at a time, closed when nobody has asked for a while. */
import pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import type { Target } from '../engine.ts';
import { type ConnectDeps, type Connection, connect } from './connect.ts';
import { connectFailure } from './errors.ts';
import type { RowTaker } from './guard.ts';
import { createPrepared } from './prepared.ts';
import { createRowTexts, type EachRow } from './row-texts.ts';

/** A nested GraphQL query asks for many kinds at once; a target's connections are its owner's. */
const maxConnections = 2;
const idleMs = 30_000;

type TextRow = (string | null)[];

interface Options {
  readonly signal: AbortSignal;
}

type Ask = (sql: string, values: readonly unknown[], each?: EachRow) => Promise<TextRow[]>;

/** As `Ask`. @param given `name`: prepared under it */
type AskOn = (
  sql: string,
  values: readonly unknown[],
  given?: { readonly name?: string | undefined; readonly rows?: Rows | undefined },
) => Promise<TextRow[]>;

/** Rows that are handed out as they come. */
interface Rows {
  readonly each: EachRow;
  readonly takerOf: (each: EachRow) => RowTaker;
}

export interface Reader {
  /** Runs one statement that only reads. @throws AppError CONNECTION_FAILED, SQL_ERROR, TIMEOUT; the signal's reason */
  query(sql: string, values: readonly unknown[], options: Options): Promise<TextRow[]>;
  /**
   * Lends a connection in one REPEATABLE READ READ ONLY transaction: all of its statements see one moment, and what SET
   * LOCAL sets ends with it. They may be asked several at once, and are answered in their order; with `each` row by row.
   * @throws as `query`, and whatever `work` throws
   */
  transaction<Value>(work: (ask: Ask) => Promise<Value>, options: Options): Promise<Value>;
  close(): Promise<void>;
}

export function createReader(deps: ConnectDeps, target: Target): Reader {
  const idle = new Map<Connection, NodeJS.Timeout>();
  const waiting: (() => void)[] = [];
  const ending = new AbortController();
  const prepared = createPrepared<Connection>();
  let lent = 0;

  async function queryPrepared(sql: string, values: readonly unknown[], options: Options): Promise<TextRow[]> {
    let name: string | undefined;
    try {
      return await lend(options, (ask, connection) => {
        name = prepared.nameOf(connection, sql, values);
        return ask(sql, values, { name });
      });
    } catch (error) {
      if (name === undefined || !(error instanceof AppError && prepared.isLost(error))) throw error;
      return await lend(options, (ask) => ask(sql, values));
    }
  }

  async function acquire(signal: AbortSignal): Promise<{ connection: Connection; fresh: boolean }> {
    while (lent >= maxConnections) await turn(signal);
    lent++;
    try {
      // The one that was used last: it has plans.
      for (const [connection, timer] of [...idle].reverse()) {
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
  async function lend<Value>(
    options: Options,
    work: (ask: AskOn, connection: Connection) => Promise<Value>,
  ): Promise<Value> {
    const signal = AbortSignal.any([options.signal, ending.signal]);
    for (;;) {
      const { connection, fresh } = await acquire(signal);
      const onAbort = () => connection.destroy(new Error('aborted'));
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      let alive = fresh;
      let lost = false;
      try {
        return await work(async (text, values, { name, rows: handedOut } = {}) => {
          const query = { name, text, values: [...values], rowMode: 'array' as const, types: { getTypeParser } };
          let taken: Taken | null = null;
          try {
            if (handedOut) taken = await readEach(connection, query, handedOut);
            const rows = handedOut ? [] : (await connection.client.query(query)).rows;
            alive = true;
            if (taken?.failure === undefined) return rows as TextRow[];
          } catch (error) {
            throw toAppError(target, error);
          }
          throw taken.failure;
        }, connection);
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
    query: queryPrepared,
    transaction: (work, options) =>
      lend(options, async (ask) => {
        const takerOf = createRowTexts();
        await ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', []);
        let value: Awaited<ReturnType<typeof work>>;
        try {
          value = await work((sql, values, each) => ask(sql, values, { rows: each && { each, takerOf } }));
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

interface Taken {
  /** What `each` threw. */
  readonly failure: unknown;
}

/** Hands out rows as they come, from their bytes, and keeps none: `pg` would make texts and an array of all. */
function readEach(
  { client, wire: { stream } }: Connection,
  query: pg.QueryConfig,
  { each, takerOf }: Rows,
): Promise<Taken> {
  return new Promise((resolve, reject) => {
    const reading = new pg.Query(query);
    let failure: unknown;
    const taker = takerOf({
      ways: each.ways ?? [],
      take(row) {
        if (failure !== undefined) return;
        try {
          each.take(row);
        } catch (error) {
          failure = error; // What is behind it in the answer is another statement's.
        }
      },
    });
    Object.assign(reading, {
      handleRowDescription() {
        stream.rowTaking = { taker };
      },
    });
    const settle = (done: () => void) => {
      stream.rowTaking = { taker: null };
      done();
    };
    reading.on('end', () => settle(() => resolve({ failure })));
    reading.on('error', (error) => settle(() => reject(error)));
    client.query(reading);
  });
}

/**
 * Texts that the server prints name everything with its schema then, and are those of a snapshot, whatever the database or
 * the role is set to: ids are made of some. No function of a user's is found in place of the server's own.
 */
async function connectForReading(deps: ConnectDeps, target: Target, signal: AbortSignal): Promise<Connection> {
  const connection = await connect(deps, target, { signal, label: 'quarry catalogue', bulk: true });
  const onAbort = () => connection.destroy(new Error('aborted'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await connection.client.query(
      // A large catalogue looks dear enough to be compiled for, and to have workers started for, which take longer to begin
      // than they save: the rows go through one session in any case.
      `SELECT pg_catalog.set_config('search_path', '', false), pg_catalog.set_config('quote_all_identifiers', 'off', false),
        pg_catalog.set_config('standard_conforming_strings', 'on', false), pg_catalog.set_config('jit', 'off', false),
        pg_catalog.set_config('max_parallel_workers_per_gather', '0', false)`,
    );
    // A statement need not wait for the answer to the one before it: a catalogue is dozens of them.
    Object.assign(connection.client, { pipeline: true });
    connection.wire.stream.rowTaking = { taker: null };
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
