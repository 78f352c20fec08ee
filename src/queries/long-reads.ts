/** Turns of those who read rows that are longer than a page: one at a time, since each is several times that in memory. */
import { createFairGate } from '../lib/fair-gate.ts';

export interface LongReads {
  /**
   * @returns how to leave; whoever does not is taken to have left after a while
   * @throws the signal's reason when it aborts while waiting; AppError TIMEOUT where no turn comes
   */
  enter(userId: string, signal: AbortSignal): Promise<() => void>;
}

interface LongReadsLimits {
  readonly maxWaitMs: number;
  /** Who takes his rows slowly, or waits for something else beside them, keeps the others waiting only so long. */
  readonly maxStayMs: number;
}

/** The longest row is a second or two on its way into an answer. */
const longReadsLimits: LongReadsLimits = { maxWaitMs: 30_000, maxStayMs: 10_000 };

export function createLongReads({ maxWaitMs, maxStayMs } = longReadsLimits): LongReads {
  const gate = createFairGate({ max: 1, maxOfUser: 1, maxWaitMs });
  return {
    enter(userId, signal) {
      const entered = Promise.withResolvers<() => void>();
      const stay = () => {
        const left = Promise.withResolvers<void>();
        const timer = setTimeout(left.resolve, maxStayMs).unref();
        entered.resolve(() => {
          clearTimeout(timer);
          left.resolve();
        });
        return left.promise;
      };
      gate.run(userId, stay, signal).catch(entered.reject);
      return entered.promise;
    },
  };
}
