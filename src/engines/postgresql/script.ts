/** Runs a script statement by statement: what it may hold, and what goes into which transaction. */
import type { RunEvent, RunOptions } from '../engine.ts';
import { RunError } from '../engine.ts';
import type { Columns, Query } from './columns.ts';
import { type Connection, printSettings } from './connect.ts';
import { isCopyable, runCopy } from './copy.ts';
import { mayAct } from './effects.ts';
import { type Place, positionIn, toRunError } from './errors.ts';
import { createExchange, runAhead } from './exchange.ts';
import type { Notices } from './notices.ts';
import type { Rounds } from './round.ts';
import type { ScriptStatement } from './split.ts';
import { runStatement } from './statement.ts';
import type { Stopper } from './stop.ts';

export interface ScriptDeps {
  readonly connection: Connection;
  readonly rounds: Rounds;
  readonly columns: Columns;
  readonly ask: Query;
  readonly notices: Notices;
  readonly stopper: Stopper;
}

const maxBatchRows = 1_000;
const maxBatchBytes = 2 ** 20;
/** The query that follows fixes the transaction: from then on nothing can make it read and write. */
const beginReadOnly = ['BEGIN READ ONLY', 'SELECT 1'] as const;

/** Refuses, before anything has run, what the options do not allow. @throws RunError */
export function checkScript(script: string, statements: readonly ScriptStatement[], options: RunOptions): void {
  for (const [index, statement] of statements.entries()) {
    // Only of a statement that is refused: to count the characters before each of them is the square of the script.
    const at = () => ({ statement: index, ...positionIn({ script, offset: statement.offset, statement: index }, 1) });
    if (statement.refusal !== null) throw new RunError({ ...at(), code: 'SQL_ERROR', ...statement.refusal });
    if (options.readOnly && !statement.reads) {
      const hint = 'Only statements that read are run here: SELECT, SHOW and EXPLAIN.';
      throw new RunError({ ...at(), code: 'READ_ONLY', message: 'The statement may write', hint });
    }
    if (options.transaction === 'WHOLE' && statement.transaction) {
      const hint = 'Leave it out, or choose the transaction PER_STATEMENT.';
      const message = 'The script is one transaction already';
      throw new RunError({ ...at(), code: 'SQL_ERROR', message, hint });
    }
  }
  if ((options.parameters?.length ?? 0) > 0 && statements.length > 1) {
    const hint = 'Run the statements one by one.';
    throw new RunError({ code: 'SQL_ERROR', message: 'Parameters need a script of one statement', hint });
  }
}

/** @throws RunError, at the first failure; what is open then is left to the caller */
export async function* runScript(
  { connection, rounds, columns, ask, notices, stopper }: ScriptDeps,
  script: string,
  statements: readonly ScriptStatement[],
  options: RunOptions,
): AsyncGenerator<RunEvent, void> {
  const limits = {
    batchRows: Math.max(1, Math.min(options.batchRows ?? maxBatchRows, maxBatchRows)),
    batchBytes: maxBatchBytes,
  };
  const whole = options.transaction === 'WHOLE';
  const begin = options.readOnly ? beginReadOnly : (['BEGIN'] as const);
  const finish = options.readOnly ? 'ROLLBACK' : 'COMMIT';
  const exchange = createExchange({ rounds, notices, stopper, ...limits });
  const deps = { connection, columns, ask, exchange, begin, finish, ...limits };
  let place: Place | null = null;
  try {
    if (whole) yield* exchange.round((wire) => runAhead(wire, ...begin));
    for (const [index, statement] of statements.entries()) {
      place = { script, offset: statement.offset, statement: index };
      yield { type: 'statement', index, count: statements.length, sql: statement.sql, alters: statement.alters };
      // A session begins with them; a statement before this one may have set others.
      if (options.raw !== undefined && statement.rows && index > 0)
        yield* exchange.round((wire) => runAhead(wire, ...printSettings));
      const cuts = Number.isFinite(options.maxRows);
      const copies = isCopyable(statement, options, connection) && !(cuts && (await mayAct(ask, statement, options)));
      const run = copies ? runCopy : runStatement;
      yield* run(deps, index, statement, options);
    }
    if (whole) {
      place = null;
      yield* exchange.round((wire) => runAhead(wire, finish));
    }
  } catch (cause) {
    throw toRunError(stopper.fault ?? cause, place, options.readOnly);
  }
  if (connection.client.getTransactionStatus() !== 'I') {
    const message = 'The script left its transaction open; it was rolled back';
    throw new RunError({ code: 'SQL_ERROR', message, hint: 'End it with COMMIT.', statement: statements.length - 1 });
  }
}
