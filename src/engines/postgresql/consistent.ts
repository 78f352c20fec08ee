/** Reads of a whole catalogue that are of one moment, though what prints definitions looks at the catalogues of now. */
import { AppError } from '../../lib/errors.ts';
import type { ReadOptions } from '../catalog.ts';
import type { SqlValue, TextRow } from './catalog/rows.ts';
import type { EachRow } from './row-texts.ts';
import { isGone } from './snapshot/moved.ts';

/**
 * One statement of a transaction. What is asked before an answer is there waits behind it on the wire, and is answered in
 * that order. @param each takes the rows as they come; the answer has none then
 */
export type AskInTransaction = (sql: string, values: readonly SqlValue[], each?: EachRow) => Promise<TextRow[]>;

/** Does its work in one REPEATABLE READ READ ONLY transaction. */
export type CatalogTransaction = <Value>(
  work: (ask: AskInTransaction) => Promise<Value>,
  options: ReadOptions,
) => Promise<Value>;

/**
 * Where several statements are under way, the first that fails is told, and those behind it fail with it: of themselves
 * they would tell that the transaction is aborted, and be heard first where fewer promises lie between.
 */
function heard(ask: AskInTransaction): AskInTransaction {
  let first: { readonly error: unknown } | null = null;
  return (...statement) => {
    const answer = ask(...statement).catch((error: unknown) => {
      first ??= { error };
      throw first.error;
    });
    answer.catch(() => undefined);
    return answer;
  };
}

/** How often a catalogue that changes while it is read is read anew. */
const maxAttempts = 5;

/**
 * Reads in a transaction, and in another one where `work` gives null since definitions may be of another moment.
 * @throws AppError CONFLICT for a catalogue that changes faster than it can be read
 */
export async function readConsistently<Value>(
  transaction: CatalogTransaction,
  work: (ask: AskInTransaction) => Promise<Value | null>,
  options: ReadOptions,
): Promise<Value> {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    try {
      const value = await transaction((ask) => work(heard(ask)), options);
      if (value !== null) return value;
    } catch (error) {
      // It was dropped while it was to be printed; one that stays broken is told as it is.
      if (!(error instanceof AppError && isGone(error)) || attempt === maxAttempts) throw error;
    }
  }
  throw new AppError('CONFLICT', 'The catalogue changes faster than it can be read; try again when it is quiet', {
    details: { attempts: maxAttempts },
  });
}
