/** A session for live queries: describes them and runs them, one thing at a time, each in a transaction that is undone. */
import pg from 'pg';
import { AppError } from '../../../lib/errors.ts';
import type { OpenOptions, Target } from '../../engine.ts';
import type { LiveAnswer, LiveRunOptions, LiveSession } from '../../live.ts';
import { createColumns } from '../columns.ts';
import { type ConnectDeps, connect, type Wire } from '../connect.ts';
import { type Place, toRunError } from '../errors.ts';
import { runAhead } from '../exchange.ts';
import { toParameters } from '../parameters.ts';
import type { Parser } from '../parser.ts';
import { createRounds, type RoundResult } from '../round.ts';
import { rowDecoder } from '../rows.ts';
import { createStopper, type Stopper } from '../stop.ts';
import { describe, isCurrent, type OneQuery, oneQuery, type Prepared } from './describe.ts';
import { isVisible, parseSnapshot } from './visible.ts';

export interface LiveDeps extends ConnectDeps {
  readonly parser: Parser;
}

/** Undoing costs a server next to nothing: one that is silent for so long is gone. */
const rollbackTimeoutMs = 5_000;
/** The longest message, hence row, that such a session takes. */
const maxMessageBytes = 16 * 2 ** 20;
/** Queries, and descriptions of results, that a session remembers. */
const maxRemembered = 200;

/**
 * All that follows sees the snapshot that the first query tells; and from that query on nothing can make the transaction
 * read and write.
 */
const begin = ['BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'SELECT pg_catalog.pg_current_snapshot()'] as const;

type TextRow = (string | null)[];

/** @throws AppError CONNECTION_FAILED with the stage in `details.reason` */
export async function openLiveSession(deps: LiveDeps, target: Target, options: OpenOptions): Promise<LiveSession> {
  const connection = await connect({ ...deps, limits: { maxMessageBytes, ...deps.limits } }, target, options);
  const { client, closed } = connection;
  const rounds = createRounds(connection);
  const columns = createColumns({ query: ask });
  const statements = new Map<string, Statement>();
  const described = new Map<string, Meaning>();
  let asking: Promise<unknown> | null = null;
  let running: Stopper | null = null;

  function goOn(): void {
    if (running?.fault) throw running.fault;
  }

  async function ask(text: string, values: readonly unknown[]): Promise<TextRow[]> {
    goOn();
    const answer = client.query({ text, values: [...values], rowMode: 'array', types: { getTypeParser } });
    asking = Promise.allSettled([answer]).finally(() => {
      asking = null;
    });
    const { rows } = await answer.catch((error: unknown) => {
      // A place in our SQL is none in the query.
      if (error instanceof pg.DatabaseError) error.position = undefined;
      throw error;
    });
    goOn();
    return rows as TextRow[];
  }

  /** One round, and all its rows. @throws AppError LIMIT_EXCEEDED; the connection is gone then */
  async function exchange(
    send: (wire: Wire) => void,
    { maxRows, maxBytes }: Pick<LiveRunOptions, 'maxRows' | 'maxBytes'> = ownLimits,
  ): Promise<{ rows: TextRow[]; result: RoundResult }> {
    goOn();
    const round = rounds.start({ send, own: 'ALL', batchRows: 1_000, batchBytes: 2 ** 20 });
    const rows: TextRow[] = [];
    let bytes = 0;
    for (;;) {
      const batch = await round.next();
      goOn();
      if (batch === null) return { rows, result: round.result };
      bytes += batch.bytes;
      for (const row of batch.rows) rows.push(row);
      if (bytes <= maxBytes && rows.length <= maxRows) continue;
      const fault = rows.length > maxRows ? tooLarge('rows', maxRows) : tooLarge('bytes', maxBytes);
      connection.destroy(fault); // whatever is still to come would have to be waited for
      throw fault;
    }
  }

  async function askAll(...statements: readonly string[]): Promise<TextRow[]> {
    try {
      return (await exchange((wire) => runAhead(wire, ...statements))).rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError && !closed.aborted) await ask('ROLLBACK', []);
      throw error;
    }
  }

  async function prepare(statement: Statement): Promise<Prepared> {
    const { result } = await exchange((wire) => {
      wire.parse({ text: statement.sql });
      wire.describe({ type: 'S', name: '' });
    });
    statement.parameterTypes = result.parameterTypes;
    return { parameterTypes: result.parameterTypes, fields: result.fields };
  }

  const valuesOf = async (given: readonly unknown[], types: readonly number[]) =>
    toParameters(given, await columns.types(types));

  /** Does one thing, and leaves the session without a transaction and without a late cancel. */
  async function within<Value>(place: Place | null, signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    if (running !== null) throw new TypeError('A session does one thing at a time');
    const stopper = createStopper({ connect: deps, target, connection, rounds, asking: () => asking });
    running = stopper;
    const onAbort = () => void stopper.stop(isTimeout(signal.reason) ? 'TIMEOUT' : 'CANCELLED');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      goOn();
      return await work();
    } catch (cause) {
      throw stopper.fault === null && cause instanceof AppError
        ? cause
        : toRunError(stopper.fault ?? cause, place, true);
    } finally {
      signal.removeEventListener('abort', onAbort);
      await settle(stopper);
      running = null;
    }
  }

  async function settle(stopper: Stopper): Promise<void> {
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

  async function run(
    statement: Statement,
    parameters: readonly unknown[],
    options: LiveRunOptions,
  ): Promise<LiveAnswer> {
    const types = statement.parameterTypes ?? (await prepare(statement)).parameterTypes;
    const values = await valuesOf(parameters, types);
    // No limit on rows here: with one the server would plan without parallel workers.
    const { rows, result } = await exchange(
      (wire) => {
        runAhead(wire, ...begin);
        wire.parse({ text: statement.sql });
        wire.bind({ portal: '', values });
        wire.describe({ type: 'P', name: '' });
        wire.execute({ portal: '', rows: 0 });
        runAhead(wire, 'ROLLBACK');
      },
      { maxRows: options.maxRows + 1, maxBytes: options.maxBytes },
    );
    const snapshot = parseSnapshot(rows.shift()?.[0] ?? '');
    const fields = result.fields ?? [];
    const known = JSON.stringify([
      options.revision,
      fields.map((f) => [f.name, f.tableID, f.columnID, f.dataTypeID, f.dataTypeModifier]),
    ]);
    const meaning = described.get(known) ?? (await meaningOf(fields));
    remember(described, known, meaning);
    const missing = [...options.transactions].filter((id) => !isVisible(snapshot, id));
    return { ...meaning, rows, missing, underWay: Array.from(snapshot.running, String) };
  }

  async function meaningOf(fields: readonly pg.FieldDef[]): Promise<Meaning> {
    const { columns: named, types } = await columns.describe(fields);
    const decode = rowDecoder(types);
    return { columns: named, decode: (row) => decode([[...row]])[0]! };
  }

  return {
    closed,

    async describe({ sql, parameters }, { signal }) {
      const query = await oneQuery(deps, sql, signal);
      const statement: Statement = { ...query, parameterTypes: null };
      remember(statements, sql, statement);
      return await within(placeOf(sql, statement), signal, async () => {
        const prepared = await prepare(statement);
        const values = await valuesOf(parameters, prepared.parameterTypes);
        const reads = await describe({ parser: deps.parser, ask, askAll }, query, prepared, values);
        // What our parser takes for a text is another one in a session that takes strings apart otherwise.
        return connection.standardStrings ? reads : { ...reads, filters: [] };
      });
    },

    isCurrent: (reads, { signal }) => within(null, signal, () => isCurrent(ask, reads)),

    async run({ sql, parameters }, options) {
      const { signal } = options;
      const statement = statements.get(sql) ?? { ...(await oneQuery(deps, sql, signal)), parameterTypes: null };
      remember(statements, sql, statement);
      return await within(placeOf(sql, statement), signal, () => run(statement, parameters, options));
    },

    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

interface Statement extends Pick<OneQuery, 'sql' | 'offset'> {
  /** Oids; null until the server has told. */
  parameterTypes: readonly number[] | null;
}

type Meaning = Pick<LiveAnswer, 'columns' | 'decode'>;

const placeOf = (script: string, { offset }: Statement): Place => ({ script, offset, statement: 0 });

function remember<Value>(kept: Map<string, Value>, key: string, value: Value): void {
  kept.delete(key);
  kept.set(key, value);
  if (kept.size > maxRemembered) kept.delete(kept.keys().next().value!);
}

/** Of what is asked about a query. */
const ownLimits = { maxRows: 100_000, maxBytes: maxMessageBytes } as const;

/** The first row is ours. */
const tooLarge = (what: 'rows' | 'bytes', limit: number): AppError => {
  const most = what === 'rows' ? limit - 1 : limit;
  return new AppError('LIMIT_EXCEEDED', `The result has more than ${most} ${what}`, { details: { limit: most } });
};

const getTypeParser = () => (text: string) => text;
const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';
