/** Look-ups in the metadata that are not repeated while nothing is committed there: what was read would be read again. */
import type { Moments } from './moments.ts';

export interface RememberedDeps {
  readonly moments: Moments;
  readonly maxKeys?: number;
}

/** Look-ups in a row that do not ask which moment it is, where something is committed all the time, or somebody comes seldom. */
const maxUnasked = 63;

/**
 * @returns gives what `read` would give if it were called now; what depends on the time may be a second late. It reads
 * anew what the key stands for; undefined where there is none
 */
export function createRemembered<Value>({ moments, maxKeys = 2_000 }: RememberedDeps) {
  /** Read since this moment, which was the newest when they were. */
  const values = new Map<string, Value | undefined>();
  let moment: string | null = null;
  let unasked = 0;
  let pause = 0;

  function begin(now: string): void {
    values.clear();
    moment = now;
    pause = Math.min(2 * pause + 1, maxUnasked);
    unasked = pause;
  }

  return async (key: string, read: (key: string) => Promise<Value | undefined>): Promise<Value | undefined> => {
    if (unasked > 0) {
      unasked -= 1;
      return await read(key);
    }
    const now = await moments.now();
    if (now !== moment) begin(now);
    if (values.has(key)) {
      pause = 0;
      return values.get(key);
    }
    const value = await read(key);
    // Another moment may have begun: what was read before is not of it.
    if (now === moment) {
      if (values.size >= maxKeys) values.clear();
      values.set(key, value);
    }
    return value;
  };
}
