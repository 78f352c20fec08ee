/** Runs a script statement by statement: what goes into which transaction, and how the rows of each are fetched. */
import type { RunEvent, RunOptions } from '../engine.ts';
import { RunError } from '../engine.ts';
import type { Columns } from './columns.ts';
import type { Connection, Wire } from './connect.ts';
import { type Place, positionIn, toRunError } from './errors.ts';
import type { Notices } from './notices.ts';
import { toParameters } from './parameters.ts';
import type { Batch, RoundResult, Rounds } from './round.ts';
import { rowDecoder } from './rows.ts';
import type { ScriptStatement } from './split.ts';
import type { Stopper } from './stop.ts';

export interface ScriptDeps {
  readonly connection: Connection;
  readonly rounds: Rounds;
  readonly columns: Columns;
  readonly notices: Notices;
  readonly stopper: Stopper;
}

const maxBatchRows = 1_000;
const maxBatchBytes = 2 ** 20;
/** Not a name that somebody gives a cursor. */
const portal = 'quarry portal';
/** The query that follows fixes the transaction: from then on nothing can make it read and write. */
const beginReadOnly = ['BEGIN READ ONLY', 'SELECT 1'] as const;

/** Refuses, before anything has run, what the options do not allow. @throws RunError */
export function checkScript(script: string, statements: readonly ScriptStatement[], options: RunOptions): void {
  for (const [index, statement] of statements.entries()) {
    const place = { script, offset: statement.offset, statement: index };
    const fault = { statement: index, ...positionIn(place, 1) };
    if (statement.refusal !== null) throw new RunError({ ...fault, code: 'SQL_ERROR', ...statement.refusal });
    if (options.readOnly && !statement.reads) {
      const hint = 'Only statements that read are run here: SELECT, SHOW and EXPLAIN.';
      throw new RunError({ ...fault, code: 'READ_ONLY', message: 'The statement may write', hint });
    }
    if (options.transaction === 'WHOLE' && statement.transaction) {
      const hint = 'Leave it out, or choose the transaction PER_STATEMENT.';
      const message = 'The script is one transaction already';
      throw new RunError({ ...fault, code: 'SQL_ERROR', message, hint });
    }
  }
  if ((options.parameters?.length ?? 0) > 0 && statements.length > 1) {
    const hint = 'Run the statements one by one.';
    throw new RunError({ code: 'SQL_ERROR', message: 'Parameters need a script of one statement', hint });
  }
}

/** @throws RunError, at the first failure; what is open then is left to the caller */
export async function* runScript(
  deps: ScriptDeps,
  script: string,
  statements: readonly ScriptStatement[],
  options: RunOptions,
): AsyncGenerator<RunEvent, void> {
  const { connection, rounds, columns, notices, stopper } = deps;
  const batchRows = Math.max(1, Math.min(options.batchRows ?? maxBatchRows, maxBatchRows));
  const whole = options.transaction === 'WHOLE';
  const begin = options.readOnly ? beginReadOnly : (['BEGIN'] as const);
  const finish = options.readOnly ? 'ROLLBACK' : 'COMMIT';
  let place: Place | null = null;
  /** Of the statement: time in which the server had the word. */
  let busyMs = 0;

  /** One round; `take` makes an event of each batch. */
  async function* exchange(
    send: (wire: Wire) => void,
    take: ((batch: Batch) => RunEvent | null) | null = null,
  ): AsyncGenerator<RunEvent, RoundResult> {
    if (stopper.fault !== null) throw stopper.fault;
    const round = rounds.start({ send, batchRows, batchBytes: maxBatchBytes, skipRows: take === null });
    for (;;) {
      const since = performance.now();
      const batch = await round.next();
      busyMs += performance.now() - since;
      for (const message of notices.take()) yield { type: 'notice', message };
      if (stopper.fault !== null) throw stopper.fault;
      if (batch === null) return round.result;
      const event = batch.rows.length === 0 ? null : (take?.(batch) ?? null);
      if (event !== null) yield event;
    }
  }

  async function* runStatement(index: number, statement: ScriptStatement): AsyncGenerator<RunEvent, void> {
    yield { type: 'statement', index, sql: statement.sql, estimatedRows: null };
    busyMs = 0;
    const parse = { text: statement.sql };
    let values: (string | null)[] = [];
    let fields: RoundResult['fields'] = null;
    if (options.parameters !== undefined || statement.call) {
      const prepared = yield* exchange((wire) => {
        wire.parse(parse);
        wire.describe({ type: 'S', name: '' });
      });
      values = toParameters(options.parameters ?? [], await columns.types(prepared.parameterTypes));
      fields = prepared.fields;
    }
    // A portal lives as long as its transaction; what returns no rows is its own, as VACUUM and its like need it.
    const own = statement.rows && connection.client.getTransactionStatus() === 'I';
    if (statement.rows) {
      const described = yield* exchange((wire) => {
        if (own) runAhead(wire, ...begin);
        wire.parse(parse);
        wire.bind({ portal, values });
        wire.describe({ type: 'P', name: portal });
      });
      fields = described.fields;
    }

    let kept = 0;
    let seen = 0;
    let bytes = 0;
    let take: ((batch: Batch) => RunEvent | null) | null = null;
    if (fields !== null) {
      const described = await columns.describe(fields);
      yield { type: 'columns', index, columns: described.columns };
      const decode = rowDecoder(described.types);
      take = (batch) => {
        seen += batch.rows.length;
        bytes += batch.bytes;
        const rows = batch.rows.slice(0, options.maxRows - kept);
        kept += rows.length;
        return rows.length === 0 ? null : { type: 'rows', index, rows: decode(rows), bytes: batch.bytes };
      };
    }

    let result: RoundResult;
    if (statement.rows) {
      do {
        // One more than is kept tells whether there are more. Without columns there is nothing to count.
        const ahead = Math.min(batchRows, Math.ceil((maxBatchBytes * Math.max(seen, 1)) / Math.max(bytes, 1)));
        const rows = take === null ? 0 : Math.min(ahead, options.maxRows + 1 - seen);
        result = yield* exchange((wire) => wire.execute({ portal, rows }), take);
      } while (result.suspended && seen <= options.maxRows);
      // Also one that has given all its rows: the next statement needs its name, and the tables that it holds open.
      yield* exchange((wire) => {
        wire.close({ type: 'P', name: portal });
        if (own) runAhead(wire, finish);
      });
    } else {
      result = yield* exchange((wire) => {
        wire.parse(parse);
        wire.bind({ portal: '', values });
        wire.execute({ portal: '', rows: 0 });
      }, take);
    }
    const { command, count } = readTag(result.tag);
    yield {
      type: 'end',
      index,
      command: command ?? statement.command,
      rowCount: fields === null ? count : kept,
      truncated: seen > kept,
      durationMs: busyMs,
    };
  }

  try {
    if (whole) yield* exchange((wire) => runAhead(wire, ...begin));
    for (const [index, statement] of statements.entries()) {
      place = { script, offset: statement.offset, statement: index };
      yield* runStatement(index, statement);
    }
    if (whole) {
      place = null;
      yield* exchange((wire) => runAhead(wire, finish));
    }
  } catch (cause) {
    throw toRunError(stopper.fault ?? cause, place, options.readOnly);
  }
  if (connection.client.getTransactionStatus() !== 'I') {
    const message = 'The script left its transaction open; it was rolled back';
    throw new RunError({ code: 'SQL_ERROR', message, hint: 'End it with COMMIT.', statement: statements.length - 1 });
  }
}

/** Statements of ours, in the same round as what follows them. */
function runAhead(wire: Wire, ...texts: string[]): void {
  for (const text of texts) {
    wire.parse({ text });
    wire.bind({ portal: '', values: [] });
    wire.execute({ portal: '', rows: 0 });
  }
}

/** `INSERT 0 5`, `CREATE TABLE`, `SELECT 5`. */
function readTag(tag: string | null): { command: string | null; count: number | null } {
  if (tag === null) return { command: null, count: null };
  const [, command = tag, count] = /^(\D+?)(?: \d+)*? (\d+)$/.exec(tag) ?? [];
  return { command, count: count === undefined ? null : Number(count) };
}
