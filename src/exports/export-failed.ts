/** What the file store refuses to an export, as the fault of its job. */

import { LostHold } from '../jobs/lost-hold.ts';
import type { JobError } from '../jobs/states.ts';
import { AppError, type ErrorCode } from '../lib/errors.ts';
import { StorageFailed } from '../storage/storage-failed.ts';

/** The file store refused: the fault is the job's. */
export class ExportFailed extends Error {
  override readonly name = 'ExportFailed';
  readonly fault: JobError;
  constructor(fault: JobError, options?: { cause?: unknown }) {
    super(fault.message, options);
    this.fault = fault;
  }
}

/** None of them is passing: another attempt would be refused as well. */
const faults: Readonly<Partial<Record<ErrorCode, (message: string) => JobError>>> = {
  LIMIT_EXCEEDED: (message) => ({ code: 'LIMIT_EXCEEDED', message }),
  CONFLICT: (message) => ({
    code: 'FORBIDDEN',
    message: `${message}: export to another path, or with overwrite: true`,
  }),
  // Nor does the server have what the format needs.
  NOT_CONFIGURED: (message) => ({ code: 'FORBIDDEN', message }),
  // The bucket takes no such files any more.
  BAD_USER_INPUT: (message) => ({ code: 'FORBIDDEN', message }),
};

const gone: JobError = {
  code: 'FORBIDDEN',
  message: 'The bucket or the file of the export is gone, or the right to write there',
};

export const isGone = ({ code }: AppError): boolean =>
  code === 'NOT_FOUND' || code === 'FORBIDDEN' || code === 'UNAUTHENTICATED';

export function refusedBy(cause: AppError): ExportFailed {
  const { code, message } = cause;
  const fault = isGone(cause) ? gone : (faults[code]?.(message) ?? { code: 'STORAGE_FAILED' as const, message });
  return new ExportFailed(fault, { cause });
}

/** Whatever kept an export from going on, as its job tells it. */
export function refusalOf(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (cause instanceof ExportFailed || cause instanceof StorageFailed || cause instanceof LostHold) return cause;
  if (!(cause instanceof AppError)) return new StorageFailed('the export could not be stored', { cause });
  return refusedBy(cause);
}
