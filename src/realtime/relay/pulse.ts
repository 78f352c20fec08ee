/** Wakes all who wait for something of this process to change; each looks for himself whether it has. */

export interface Pulse {
  beat(): void;
  /** Resolves at the next beat, or when the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
}

export function createPulse(): Pulse {
  let next = Promise.withResolvers<void>();
  return {
    beat() {
      next.resolve();
      next = Promise.withResolvers<void>();
    },
    async wait(signal) {
      if (signal.aborted) return;
      const aborted = Promise.withResolvers<void>();
      const onAbort = () => aborted.resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      await Promise.race([next.promise, aborted.promise]);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
