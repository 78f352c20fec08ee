/** A metadata database that is away for a moment must not undo what was done meanwhile: its writes are tried again. */
import { setTimeout as sleep } from 'node:timers/promises';

const retryMs = 500;

/**
 * SQLSTATEs of a server that is going, coming or not there, and of two that were in each other's way: deadlock, lock not
 * available, serialization. An error without one came from the connection.
 */
const passing = /^(08|57P0[1-3]|53300|40001|40P01|55P03)/;

export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return passing.test(code);
  return /connection|timeout|ECONN|EPIPE|terminated/i.test(`${String(code)} ${error.message}`);
}

export type Patience = <T>(work: () => Promise<T>) => Promise<T>;

/** Tries again until it works, what failed does not pass, or the signal aborts. `work` must bear being done twice. */
export const createPatience =
  (signal: AbortSignal): Patience =>
  async (work) => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error;
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  };
