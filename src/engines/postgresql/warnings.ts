/** What looks like a mistake in a statement that was explained, or could not be known of it: plain sentences. */
import type { ExplainOptions } from '../engine.ts';
import { hasSideEffect } from './classify.ts';
import { crossJoins, filteredScans, type PlanNode } from './plan.ts';
import type { References } from './references.ts';
import type { FunctionReport } from './routines.ts';
import type { ScriptStatement } from './split.ts';
import type { Relation, Trigger } from './touched.ts';

/** Of rows, as the planner counts them: to read fewer one by one costs little. */
const largeTableRows = 100_000;
const maxWarnings = 50;
const maxExpressionCharacters = 200;

export interface Findings {
  readonly options: ExplainOptions;
  readonly statement: ScriptStatement;
  readonly references: References;
  readonly plan: unknown;
  /** Of the plan. */
  readonly nodes: readonly PlanNode[];
  readonly relations: readonly Relation[];
  readonly triggers: readonly Trigger[];
  readonly inside: FunctionReport;
  readonly called: readonly string[];
}

/** Side effects that are undone with their transaction, or end with their session. */
const undone = /^(set_config|pg_notify|lo_(?!export)|lowrite|pg_(try_)?advisory_|pg_export_snapshot)/;

export function warningsOf({
  options,
  statement,
  references,
  plan,
  nodes,
  relations,
  triggers,
  inside,
  called,
}: Findings): string[] {
  const { analyze, readOnly } = options;
  const warnings: string[] = [];
  if (readOnly && !statement.reads) {
    warnings.push('The statement may write, and this database may only be read here: to run it would be refused.');
  }
  for (const { command, table } of references.unbounded) {
    warnings.push(`${command} without WHERE ${command === 'UPDATE' ? 'changes' : 'removes'} every row of ${table}.`);
  }
  for (const { left, right } of crossJoins(nodes)) {
    const sides = `Every row of ${left.join(', ')} is joined with every row of ${right.join(', ')}`;
    warnings.push(`${cut(sides)}: no condition connects them.`);
  }
  for (const { schema, name, filter, rows } of filteredScans(plan)) {
    const table = relations.find((relation) => relation.schema === schema && relation.name === name);
    if (!table || table.rows < largeTableRows || rows > table.rows / 2) continue;
    const count = Math.round(table.rows).toLocaleString('en');
    warnings.push(`${table.label} has about ${count} rows and is read from end to end for ${cut(filter)}.`);
  }
  const listed = (names: readonly string[]) => cut(names.map((name) => `${name}()`).join(', '));
  if (analyze && inside.mayWrite.length > 0) {
    const names = listed(inside.mayWrite);
    warnings.push(
      `Volatile functions that are not SQL have run; sequences that they moved are not put back: ${names}.`,
    );
  }
  // A run has shown what they touch.
  if (!analyze) {
    for (const { table, trigger, function: name } of triggers) {
      warnings.push(`The trigger ${trigger} on ${table} calls ${name}(): what that reads and writes is not listed.`);
    }
    if (inside.mayWrite.length > 0) {
      const names = listed(inside.mayWrite);
      warnings.push(`What volatile functions read and write is not listed where they are not SQL: ${names}.`);
    }
    if (inside.mayRead.length > 0) {
      warnings.push(`What functions read is not listed where they are not SQL: ${listed(inside.mayRead)}.`);
    }
    if (inside.incomplete)
      warnings.push('There are more functions than are looked into: reads and writes may be more.');
  }
  for (const name of analyze ? [...new Set(called)].sort().filter((it) => hasSideEffect(it) && !undone.test(it)) : []) {
    warnings.push(`${name}() acts outside of transactions: what it did is not undone.`);
  }
  if (warnings.length <= maxWarnings) return warnings;
  return [...warnings.slice(0, maxWarnings), `There are ${warnings.length - maxWarnings} more warnings.`];
}

const cut = (text: string): string =>
  text.length > maxExpressionCharacters ? `${text.slice(0, maxExpressionCharacters)}…` : text;
