/** Reads of a whole catalogue that are of one moment, though what prints definitions looks at the catalogues of now. */
import { AppError } from '../../lib/errors.ts';
import type { ReadOptions } from '../catalog.ts';
import type { SqlValue, TextRow } from './catalog/rows.ts';
import { isGone } from './snapshot/moved.ts';

/** Does its work in one REPEATABLE READ READ ONLY transaction, to be asked one statement at a time. */
export type CatalogTransaction = <Value>(
  work: (ask: (sql: string, values: readonly SqlValue[]) => Promise<TextRow[]>) => Promise<Value>,
  options: ReadOptions,
) => Promise<Value>;

/** How often a catalogue that changes while it is read is read anew. */
const maxAttempts = 5;

/**
 * Reads in a transaction, and in another one where `work` gives null since definitions may be of another moment.
 * @throws AppError CONFLICT for a catalogue that changes faster than it can be read
 */
export async function readConsistently<Value>(
  transaction: CatalogTransaction,
  work: (ask: (sql: string, values: readonly SqlValue[]) => Promise<TextRow[]>) => Promise<Value | null>,
  options: ReadOptions,
): Promise<Value> {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    try {
      const value = await transaction(work, options);
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
