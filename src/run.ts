/** How a process runs until it is told to stop. */
import type { Config } from './config.ts';
import type { Log } from './lib/log.ts';

export interface RunOptions {
  config: Config;
  log: Log;
  /** Aborts when the process is to stop. */
  signal: AbortSignal;
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
