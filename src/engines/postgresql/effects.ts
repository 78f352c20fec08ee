/** Whether a SELECT may do something with each row that it makes, so that it must not be left half done. */
import type { RunOptions } from '../engine.ts';
import type { Query } from './columns.ts';
import type { ScriptStatement } from './split.ts';

/** A function that may do something is volatile. What is behind views and operators is not looked for. */
export async function mayAct(
  ask: Query,
  { calls }: Pick<ScriptStatement, 'calls'>,
  { readOnly }: Pick<RunOptions, 'readOnly'>,
): Promise<boolean> {
  if (readOnly || calls.length === 0) return false;
  const found = await ask(
    `SELECT FROM pg_catalog.pg_proc WHERE proname = ANY ($1::name[]) AND provolatile = 'v' LIMIT 1`,
    [calls],
  );
  return found.length > 0;
}
