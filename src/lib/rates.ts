/** What is told to whoever does too much in too short a time. */
import { AppError } from './errors.ts';

/** @param waitMs until it may be tried again */
export const rateLimited = (waitMs: number, message: string): AppError => {
  const retryAfterMs = Math.max(Math.ceil(waitMs), 1);
  return new AppError('RATE_LIMITED', `${message}: try again in ${Math.ceil(retryAfterMs / 1_000)} s`, {
    details: { retryAfterMs },
  });
};
