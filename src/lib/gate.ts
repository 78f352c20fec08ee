/** Lets so many through at once; the others wait in line. */

export interface Gate {
  /** @throws the signal's reason when it aborts while waiting */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function createGate({ max }: { max: number }): Gate {
  let inside = 0;
  const line = new Set<() => void>();

  function enter(signal: AbortSignal): Promise<void> | void {
    signal.throwIfAborted();
    if (inside < max) {
      inside += 1;
      return;
    }
    return new Promise((resolve, reject) => {
      const onTurn = () => {
        line.delete(onTurn);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        line.delete(onTurn);
        reject(signal.reason);
      };
      line.add(onTurn);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Whoever leaves hands his place on, so that nobody who comes later takes it first. */
  function leave(): void {
    const [next] = line;
    if (next) next();
    else inside -= 1;
  }

  return {
    async run(work, signal) {
      await enter(signal);
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
