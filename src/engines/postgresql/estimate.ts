/** Asks the planner how many rows a statement gives, ahead of it and in the same round; in a savepoint, whatever becomes of it. */
import type { Wire } from './connect.ts';
import { runAhead } from './exchange.ts';

const savepoint = '"quarry estimate"';
/** A line of a plan prints the values of parameters, and a message that is too long ends the session. */
const maxExplainedBytes = 65_536;

export const mayExplain = (sql: string, values: readonly (string | null)[]): boolean =>
  printedBytes(sql, values) <= maxExplainedBytes;

export function explainAhead(
  wire: Wire,
  sql: string,
  { types, values }: { types: readonly number[]; values: readonly (string | null)[] },
): void {
  runAhead(wire, `SAVEPOINT ${savepoint}`);
  wire.parse({ text: `EXPLAIN ${sql}`, types });
  wire.bind({ portal: '', values });
  wire.execute({ portal: '', rows: 0 });
  runAhead(wire, `RELEASE ${savepoint}`);
}

/** The EXPLAIN failed, and nothing else. */
export const forgetExplain = (wire: Wire): void => runAhead(wire, `ROLLBACK TO ${savepoint}`, `RELEASE ${savepoint}`);

/** `Seq Scan on t  (cost=0.00..1.05 rows=5 width=4)`: of the whole plan, since its top comes first. */
export function plannedRows(plan: string): number | null {
  const [, rows] = /\brows=(\d+)/.exec(plan) ?? [];
  return rows === undefined ? null : Number(rows);
}

/** Each value as often as the statement names one: which one does not matter, as this only refuses too much. */
function printedBytes(sql: string, values: readonly (string | null)[]): number {
  const valueBytes = values.reduce((sum, value) => sum + Buffer.byteLength(value ?? ''), 0);
  return Buffer.byteLength(sql) + valueBytes * Math.max(1, sql.match(/\$\d/g)?.length ?? 0);
}
