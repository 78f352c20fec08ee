/** What a target or its rules refused, in the words of a request. */
import { NotOneStatement, RunError } from '../../engines/engine.ts';
import { NotAQuery } from '../../engines/live.ts';
import { AppError, badInput } from '../../lib/errors.ts';

/** A target may put a whole cell into its error. */
const maxTextCharacters = 8_192;
const cut = (text: string): string => (text.length > maxTextCharacters ? `${text.slice(0, maxTextCharacters)}…` : text);

/** Anything that is none of theirs stays as it is. */
export function refusalOf(cause: unknown, { timeoutMs }: { timeoutMs: number }): unknown {
  if (cause instanceof NotOneStatement || cause instanceof NotAQuery)
    return badInput({ path: 'sql', message: cause.message });
  if (!(cause instanceof RunError)) return cause;
  const { code, message, sqlState, engineCode, position, line, detail, hint } = cause.fault;
  switch (code) {
    case 'CONNECTION_LOST':
      return new AppError('CONNECTION_FAILED', message, { cause, details: { reason: 'LOST', sqlState, hint } });
    case 'TIMEOUT':
      return new AppError('TIMEOUT', `The query took longer than ${timeoutMs} ms`, { cause, details: { timeoutMs } });
    case 'CANCELLED':
    case 'INTERNAL_SERVER_ERROR':
      return cause;
    default:
      return new AppError(code, cut(message), {
        cause,
        details: { sqlState, engineCode, position, line, detail: detail && cut(detail), hint: hint && cut(hint) },
      });
  }
}

/** Of a connection that went, or a transaction that was in another one's way: the next attempt may work. */
export function isPassing(error: unknown): boolean {
  if (error instanceof AppError) return error.code === 'CONNECTION_FAILED';
  if (!(error instanceof RunError)) return false;
  return error.fault.code === 'CONNECTION_LOST' || /^40/.test(error.fault.sqlState ?? '');
}
