/**
 * Runs a SELECT as COPY … TO STDOUT, for raw text: the server prints the rows, plans in parallel and waits for nobody.
 * By the extended protocol alone: by the simple one the text could end its own statement and begin another, and with it
 * leave a read-only transaction. What becomes of the rows of any other statement is statement.ts'.
 */
import pg from 'pg';
import { parseCopyText } from '../copy-text.ts';
import type { RunEvent, RunOptions } from '../engine.ts';
import type { Columns } from './columns.ts';
import type { Connection } from './connect.ts';
import { NotPostgresql } from './errors.ts';
import { explainAhead, forgetExplain, mayExplain, plannedRows } from './estimate.ts';
import { type Exchange, runAhead } from './exchange.ts';
import type { ScriptStatement } from './split.ts';

export interface CopyDeps {
  readonly connection: Connection;
  readonly columns: Columns;
  readonly exchange: Exchange;
  /** Sent before a statement that needs a transaction and has none, and behind it. */
  readonly begin: readonly string[];
  readonly finish: string;
}

/**
 * Whether COPY gives what the statement alone gives. Of others than those that only read the portal runs all, also behind
 * the last row that is kept; COPY takes no parameters; and the server has to take strings apart as our parser does.
 */
export const isCopyable = (
  { streams, reads, sql }: ScriptStatement,
  { raw, parameters }: Pick<RunOptions, 'raw' | 'parameters'>,
  connection: Pick<Connection, 'standardStrings'>,
): boolean =>
  raw !== undefined && streams && reads && parameters === undefined && !/\$\d/.test(sql) && connection.standardStrings;

const formats = { CSV: 'csv', TSV: 'text', ROWS: 'text' } as const;

/** @returns the events of the statement after its first one, its `end` included */
export async function* runCopy(
  { connection, columns, exchange, begin, finish }: CopyDeps,
  index: number,
  { sql, estimable, command }: ScriptStatement,
  { raw = 'ROWS', maxRows }: Pick<RunOptions, 'raw' | 'maxRows'>,
): AsyncGenerator<RunEvent, void> {
  const startedMs = exchange.busyMs;
  const own = connection.client.getTransactionStatus() === 'I';
  const explains = estimable && mayExplain(sql, []);

  const fields = yield* describe();
  const described = await columns.describe(fields);
  yield { type: 'columns', index, columns: described.columns };
  const expected = plannedRows(exchange.last?.plan ?? '');
  if (expected !== null) yield { type: 'estimate', index, rows: expected };

  // Behind a line feed, since the text may end in a comment. One more than is kept tells whether there are more.
  const [before, after] = Number.isFinite(maxRows)
    ? ['COPY (SELECT * FROM (', `\n) AS "quarry export" LIMIT ${maxRows + 1})`]
    : ['COPY (', '\n)'];
  const text = `${before}${sql}${after} TO STDOUT (FORMAT ${formats[raw]})`;
  let kept = 0;
  const copying = exchange.round((wire) => runAhead(wire, text), {
    copies: { maxRows },
    take: ({ copied }) => {
      if (copied === null) return null;
      kept += copied.rows;
      if (raw !== 'ROWS') return { type: 'lines', index, ...copied };
      return { type: 'raw', index, rows: rowsOf(copied.lines, fields.length), bytes: copied.lines.length };
    },
  });
  let tag: string | null;
  try {
    ({ tag } = yield* copying);
  } catch (cause) {
    throw inStatement(cause, before.length);
  }
  if (own) yield* exchange.round((wire) => runAhead(wire, finish));
  const [, count] = /^COPY (\d+)$/.exec(tag ?? '') ?? [];
  // Neither a row that is missing nor one that was cut off is hidden.
  if (kept !== Math.min(Number(count), maxRows)) throw new NotPostgresql();
  const durationMs = exchange.busyMs - startedMs;
  yield { type: 'end', index, command, rowCount: kept, truncated: Number(count) > kept, durationMs };

  /** Also where only the EXPLAIN of the statement fails: nothing of it has run. */
  async function* describe(): AsyncGenerator<RunEvent, readonly pg.FieldDef[]> {
    try {
      const { fields } = yield* exchange.round(
        (wire) => {
          if (own) runAhead(wire, ...begin);
          wire.parse({ text: sql });
          wire.describe({ type: 'S', name: '' });
          if (explains) explainAhead(wire, sql, { types: [], values: [] });
        },
        { own: explains ? 'EXPLAINED' : 'DESCRIBED', take: () => null },
      );
      return fields ?? [];
    } catch (cause) {
      const failed = exchange.last;
      const explained = !explains || failed === null || failed.fields === null || failed.plan !== null;
      if (explained || !(cause instanceof pg.DatabaseError)) throw cause;
      yield* exchange.round(forgetExplain);
      return failed.fields;
    }
  }
}

/** @throws NotPostgresql */
function rowsOf(lines: Buffer, columns: number): (string | null)[][] {
  try {
    return parseCopyText(lines, columns);
  } catch (cause) {
    throw new NotPostgresql({ cause });
  }
}

/** A place in the COPY is one in its statement, which begins behind so many characters. */
function inStatement(cause: unknown, offset: number): unknown {
  if (cause instanceof pg.DatabaseError && cause.position !== undefined) {
    cause.position = String(Math.max(1, Number(cause.position) - offset));
  }
  return cause;
}
