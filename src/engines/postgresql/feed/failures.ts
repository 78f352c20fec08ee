/** What ended a feed, or the opening of one, as its reader is told. */
import pg from 'pg';
import { AppError } from '../../../lib/errors.ts';
import type { Connection } from '../connect.ts';
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

/** What was asked of a session that is gone now; an answer of the server, and anything else, stays as it is. */
export function unlessGone(error: unknown, ...sessions: readonly Pick<Connection, 'closed'>[]): unknown {
  const isSaid = error instanceof AppError || error instanceof pg.DatabaseError;
  if (isSaid || !sessions.some(({ closed }) => closed.aborted)) return error;
  return new AppError('CONNECTION_FAILED', 'The connection to the server was lost', {
    cause: error,
    details: { reason: 'TCP' },
  });
}

/** A kept feed cannot go on: what ended it is gone for good, or would end it again. It begins anew then. */
export const isFinal = (reason: unknown): boolean =>
  reason instanceof AppError && (reason.code === 'POSITION_LOST' || reason.code === 'LIMIT_EXCEEDED');

export const feedClosed = (): AppError => new AppError('CONNECTION_FAILED', 'The feed was closed');
