/** The keys by which a submission that is made again is the same job. A schedule's runs have theirs, which no client takes. */
import { badInput } from '../lib/errors.ts';

const ofSchedules = 'schedule:';

export const scheduledKey = (savedQueryId: string, at: Date): string =>
  `${ofSchedules}${savedQueryId}:${at.toISOString()}`;

/** @throws AppError BAD_USER_INPUT for one that may be a schedule's */
export function clientKey(given: string | null | undefined): string | null {
  if (given?.startsWith(ofSchedules))
    throw badInput({ path: 'input.idempotencyKey', message: `one that does not begin with ${ofSchedules}` });
  return given ?? null;
}
