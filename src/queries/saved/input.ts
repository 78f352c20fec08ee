/** What may be said of a saved query: parsed here once. */
import { badInput } from '../../lib/errors.ts';
import { faultsOfSql, queryLimits } from '../queries.ts';

export const savedQueryLimits = {
  /** As of a job, which takes its name from it. */
  nameLength: queryLimits.nameLength,
  /** Saved queries that one user owns. */
  owned: 1_000,
} as const;

/** @throws AppError BAD_USER_INPUT */
export function parseName(name: string): string {
  const trimmed = name.trim();
  const { nameLength } = savedQueryLimits;
  if (trimmed === '' || trimmed.length > nameLength || /\p{Cc}/u.test(trimmed) || !trimmed.isWellFormed()) {
    throw badInput({ path: 'input.name', message: `1 to ${nameLength} characters, on one line` });
  }
  return trimmed;
}

/** @throws AppError BAD_USER_INPUT */
export function parseSql(sql: string): string {
  const [fault, ...rest] = faultsOfSql(sql);
  if (fault) throw badInput(fault, ...rest);
  return sql;
}

/** What an update does not clear. @throws AppError BAD_USER_INPUT */
export function given<T>(value: T | null | undefined, path: string, now: T): T {
  if (value === null) throw badInput({ path: `input.${path}`, message: 'cannot be cleared' });
  return value === undefined ? now : value;
}
