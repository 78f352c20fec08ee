/** One who waits, and others who ring: many rings while nobody waits are one. */

export interface Bell {
  ring(): void;
  /** Resolves when it has rung since the last call, or after so long, or when the signal aborts. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | null = null;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(timeoutMs, signal) {
      if (!rung && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, timeoutMs);
        const onAbort = () => resolve();
        signal.addEventListener('abort', onAbort, { once: true });
        wake = resolve;
        await promise;
        // A reader waits here for hours, time and again: neither may outlive its wait.
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        wake = null;
      }
      rung = false;
    },
  };
}
