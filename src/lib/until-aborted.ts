/** Waits for work that cannot be stopped, for as long as anybody wants it. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Rejects with the signal's reason when it aborts first; the work goes on */
export function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  if (signal.aborted) {
    work.catch(() => undefined); // Nobody else may listen: its failure would end the process.
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Rejects with the signal's reason, as all that waits does, and not with an error of the timer's own */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
