/** What ended a feed, as its reader is told. */
import { AppError } from '../../../lib/errors.ts';
import { MessageTooLong } from '../errors.ts';
import { streamFailure } from './requirements.ts';

export function failureOf(error: unknown): unknown {
  const failure = streamFailure(error);
  if (failure instanceof AppError) return failure;
  if (failure instanceof MessageTooLong)
    return new AppError('LIMIT_EXCEEDED', `A changed row is too long: ${failure.message}`, {
      cause: failure,
      details: { maxBytes: failure.maxBytes },
    });
  return new AppError('CONNECTION_FAILED', 'The server no longer tells of changes', {
    cause: failure,
    details: { reason: 'TCP' },
  });
}

export const feedClosed = (): AppError => new AppError('CONNECTION_FAILED', 'The feed was closed');
