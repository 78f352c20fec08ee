/** Errors of the process that exports as its channel can carry them. */
import { RunError, type RunFault } from '../engines/engine.ts';
import { ExportFailed } from '../exports/export-failed.ts';
import type { JobError } from '../jobs/states.ts';
import { AppError, type ErrorCode } from '../lib/errors.ts';
import { StorageFailed } from '../storage/storage-failed.ts';

interface Fault {
  readonly what:
    | { readonly type: 'run'; readonly fault: RunFault }
    | { readonly type: 'export'; readonly fault: JobError }
    | { readonly type: 'storage'; readonly message: string }
    | { readonly type: 'app'; readonly code: ErrorCode; readonly message: string; readonly details: unknown }
    | { readonly type: 'stopped' }
    | { readonly type: 'other'; readonly message: string };
  /** For the log alone. */
  readonly story: string;
  /** The connection to the target is gone. */
  readonly closed: boolean;
}

/** What was asked was stopped from here, and nothing else is to be said of it. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** Thrown beside what it is about: the connection to the target was cut off. */
const cutOff = new WeakSet<object>();
export const wasCutOff = (error: unknown): boolean => typeof error === 'object' && error !== null && cutOff.has(error);

/** @param stop what is thrown where something was stopped */
export function encodeFault(error: unknown, { closed, stop }: { closed: boolean; stop: unknown }): Fault {
  const story =
    error instanceof Error ? `${error.stack}${error.cause ? `\n${String(error.cause)}` : ''}` : String(error);
  return { what: stop !== undefined && error === stop ? { type: 'stopped' } : wordsOf(error), story, closed };
}

function wordsOf(error: unknown): Fault['what'] {
  if (error instanceof RunError) return { type: 'run', fault: error.fault };
  if (error instanceof ExportFailed) return { type: 'export', fault: error.fault };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof StorageFailed) return { type: 'storage', message };
  if (error instanceof AppError) return { type: 'app', code: error.code, message, details: error.details };
  return { type: 'other', message };
}

export function decodeFault(given: unknown): Error {
  const { what, story, closed } = given as Fault;
  const error = errorOf(what, new Error(story));
  if (closed) cutOff.add(error);
  return error;
}

function errorOf(what: Fault['what'], cause: Error): Error {
  switch (what.type) {
    case 'run':
      return new RunError(what.fault, { cause });
    case 'export':
      return new ExportFailed(what.fault, { cause });
    case 'storage':
      return new StorageFailed(what.message, { cause });
    case 'app':
      return new AppError(what.code, what.message, { cause, details: what.details as Record<string, unknown> });
    case 'stopped':
      return new Stopped();
    case 'other':
      return new Error(what.message, { cause });
  }
}
