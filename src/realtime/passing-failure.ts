/**
 * What kept somebody from the changes of a database and may not the next time, in codes of the contract: a question that took
 * too long, or Quarry's own metadata that were away. Whoever reads comes again, behind the last position that he has.
 */
import { isPassing } from '../db/patience.ts';
import { AppError } from '../lib/errors.ts';

/** Does the work. @throws AppError TIMEOUT, CONNECTION_FAILED for such a failure; whatever else it throws */
export async function inCodes<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw codedFailure(error);
  }
}

function codedFailure(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new AppError('TIMEOUT', 'The database took too long to answer: try again', { cause: error });
  if (!isPassing(error)) return error;
  return new AppError('CONNECTION_FAILED', 'What Quarry knows of the database cannot be read just now: try again', {
    cause: error,
    details: { reason: 'METADATA' },
  });
}
