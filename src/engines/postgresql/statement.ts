/**
 * Runs one statement of a script. What returns rows is a portal, described before it is fetched from in rounds; all else
 * is one round. What is around it, a transaction of the script or none, is script.ts'.
 */
import pg from 'pg';
import type { RunEvent, RunOptions } from '../engine.ts';
import type { Columns, Query } from './columns.ts';
import { type Connection, sessionSettings, type Wire } from './connect.ts';
import { mayAct } from './effects.ts';
import { explainAhead, forgetExplain, mayExplain, plannedRows } from './estimate.ts';
import { type Exchange, runAhead } from './exchange.ts';
import { createPace, inPortions } from './pace.ts';
import { toParameters } from './parameters.ts';
import type { Batch, BatchLimits, RoundResult } from './round.ts';
import { rowDecoder } from './rows.ts';
import type { ScriptStatement } from './split.ts';

export interface StatementDeps extends BatchLimits {
  readonly connection: Connection;
  readonly columns: Columns;
  readonly ask: Query;
  readonly exchange: Exchange;
  /** Sent before a statement that needs a transaction and has none, and behind it. */
  readonly begin: readonly string[];
  readonly finish: string;
}

/** Not a name that somebody gives a cursor. */
const portal = 'quarry portal';

/** @returns the events of the statement after its first one, its `end` included */
export async function* runStatement(
  { connection, columns, ask, exchange, begin, finish, batchRows, batchBytes }: StatementDeps,
  index: number,
  statement: ScriptStatement,
  options: Pick<RunOptions, 'parameters' | 'maxRows' | 'raw' | 'readOnly'>,
): AsyncGenerator<RunEvent, void> {
  const startedMs = exchange.busyMs;
  const pace = createPace({
    firstRows: statement.streams ? 1 : batchRows,
    maxRows: batchRows,
    latencyMs: connection.latencyMs,
  });
  // A portal lives as long as its transaction; what returns no rows is its own, as VACUUM and its like need it.
  const own = statement.rows && connection.client.getTransactionStatus() === 'I';
  const parse = { text: statement.sql };
  let values: (string | null)[] = [];
  let parameterTypes: readonly number[] = [];
  let fields: RoundResult['fields'] = null;

  async function* prepare(): AsyncGenerator<RunEvent, void> {
    const prepared = yield* exchange.round((wire) => {
      wire.parse(parse);
      wire.describe({ type: 'S', name: '' });
    });
    parameterTypes = prepared.parameterTypes;
    values = toParameters(options.parameters ?? [], await columns.types(parameterTypes));
    fields = prepared.fields;
  }

  /** Describes the portal; of one that streams, its estimate and first row come in the same round. */
  async function* open(): AsyncGenerator<RunEvent, { batches: Batch[]; more: boolean }> {
    const explains = statement.estimable && mayExplain(statement.sql, values);
    const batches: Batch[] = [];
    /** When it was described and its rows had yet to be made. */
    let describedMs: number | null = null;
    const estimate = ({ fields, plan }: RoundResult): RunEvent | null => {
      if (describedMs !== null || fields === null || (explains && plan === null)) return null;
      describedMs = exchange.busyMs;
      const expected = plannedRows(plan ?? '');
      return expected === null ? null : { type: 'estimate', index, rows: expected };
    };
    const round = exchange.round(
      (wire) => {
        if (own) runAhead(wire, ...begin);
        wire.parse(parse);
        wire.bind({ portal, values });
        wire.describe({ type: 'P', name: portal });
        if (explains) explainAhead(wire, statement.sql, { types: parameterTypes, values });
        if (!statement.streams) return;
        // One, since it is held until its columns are known, and may be as large as a message is.
        wire.flush();
        wire.execute({ portal, rows: 1 });
      },
      {
        own: explains ? 'EXPLAINED' : 'DESCRIBED',
        // Kept until their columns are known, which is asked between two rounds.
        take: (batch, soFar) => {
          if (batch.rows.length > 0) batches.push(batch);
          return estimate(soFar);
        },
      },
    );
    try {
      const described = yield* round;
      const told = estimate(described);
      if (told !== null) yield told;
      fields = described.fields;
      const rows = batches.reduce((sum, batch) => sum + batch.rows.length, 0);
      if (rows > 0) pace.took(rows, exchange.busyMs - (describedMs ?? 0) + connection.latencyMs);
      return { batches, more: !statement.streams || described.suspended };
    } catch (cause) {
      const failed = exchange.last;
      // Not the statement failed but what was asked about it; nothing of it has run.
      const explained = !explains || failed === null || failed.fields === null || failed.plan !== null;
      if (explained || !(cause instanceof pg.DatabaseError)) throw cause;
      fields = failed.fields;
      yield* exchange.round(forgetExplain);
      return { batches, more: true };
    }
  }

  if (options.parameters !== undefined || statement.call) yield* prepare();
  const first = statement.rows ? yield* open() : null;

  let kept = 0;
  let seen = 0;
  /** Rows behind those that were seen, of a statement that had made all. */
  let passed = 0;
  let bytes = 0;
  let take: ((batch: Batch) => RunEvent | null) | null = null;
  if (fields !== null) {
    const described = await columns.describe(fields);
    yield { type: 'columns', index, columns: described.columns };
    const decode = options.raw === undefined ? rowDecoder(described.types) : null;
    take = (batch) => {
      seen += batch.rows.length;
      bytes += batch.bytes;
      const rows = batch.rows.slice(0, options.maxRows - kept);
      kept += rows.length;
      if (rows.length === 0) return null;
      return decode === null
        ? { type: 'raw', index, rows, bytes: batch.bytes }
        : { type: 'rows', index, rows: decode(rows), bytes: batch.bytes };
    };
  }

  let tag: string | null;
  /** All of its rows were made, whether they are kept or not. */
  let whole = !statement.streams;
  if (first !== null) {
    for (const batch of first.batches) {
      const event = take?.(batch) ?? null;
      if (event !== null) yield event;
    }
    let { more } = first;
    tag = more ? null : (exchange.last?.tag ?? null);
    while (more && seen <= options.maxRows) {
      const [before, since] = [seen, exchange.busyMs];
      // One more than is kept tells whether there are more. Without columns there is nothing to count.
      const ahead = Math.min(pace.rows, Math.ceil((batchBytes * Math.max(seen, 1)) / Math.max(bytes, 1)));
      const rows = take === null ? 0 : Math.min(ahead, options.maxRows + 1 - seen);
      const ask = (wire: Wire) => {
        for (const [i, portion] of (statement.streams ? inPortions(rows, seen) : [rows]).entries()) {
          if (i > 0) wire.flush();
          wire.execute({ portal, rows: portion });
        }
      };
      const fetched = yield* exchange.round(ask, { take });
      if (seen > before) pace.took(seen - before, exchange.busyMs - since);
      tag = fetched.tag;
      more = fetched.suspended;
    }
    // It has run whole, and only its rows were left: how many they are is what it affected. Or it does something with each
    // row, and is not left half done.
    whole ||= more && (await mayAct(ask, statement, options));
    if (more && whole && fields !== null) {
      const moved = yield* exchange.round((wire) => runAhead(wire, `MOVE FORWARD ALL IN "${portal}"`));
      passed = readTag(moved.tag).count ?? 0;
    }
    // Also one that has given all its rows: the next statement needs its name, and the tables that it holds open.
    yield* exchange.round((wire) => {
      wire.close({ type: 'P', name: portal });
      if (own) runAhead(wire, finish);
    });
  } else {
    const result = yield* exchange.round(
      (wire) => {
        wire.parse(parse);
        wire.bind({ portal: '', values });
        wire.execute({ portal: '', rows: 0 });
      },
      { take },
    );
    tag = result.tag;
  }
  // Values are read as these settings print them.
  if (statement.resets) yield* exchange.round((wire) => runAhead(wire, sessionSettings));
  const { command, count } = readTag(tag);
  yield {
    type: 'end',
    index,
    command: command ?? statement.command,
    rowCount: fields === null ? count : whole ? seen + passed : kept,
    truncated: seen > kept,
    durationMs: exchange.busyMs - startedMs,
  };
}

/** `INSERT 0 5`, `CREATE TABLE`, `SELECT 5`. */
function readTag(tag: string | null): { command: string | null; count: number | null } {
  if (tag === null) return { command: null, count: null };
  const [, command = tag, count] = /^(\D+?)(?: \d+)*? (\d+)$/.exec(tag) ?? [];
  return { command, count: count === undefined ? null : Number(count) };
}
