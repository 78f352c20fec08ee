/** Lets so many of each user and of all through at once; the others wait, for so long. */
import { AppError } from './errors.ts';
import { createGate, type Gate } from './gate.ts';

export interface FairGate {
  /**
   * What `work` needs of time begins when it does: `maxWaitMs` holds for the line alone.
   * @throws the signal's reason when it aborts while waiting; AppError TIMEOUT where no turn comes
   */
  run<T>(userId: string, work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface FairGateLimits {
  readonly max: number;
  readonly maxOfUser: number;
  readonly maxWaitMs: number;
}

export function createFairGate({ max, maxOfUser, maxWaitMs }: FairGateLimits): FairGate {
  const all = createGate({ max });
  const users = new Map<string, { gate: Gate; inside: number }>();

  return {
    async run(userId, work, signal) {
      const own = users.get(userId) ?? { gate: createGate({ max: maxOfUser }), inside: 0 };
      users.set(userId, own);
      own.inside += 1;
      const patience = AbortSignal.timeout(maxWaitMs);
      const waiting = AbortSignal.any([signal, patience]);
      let begun = false;
      const begin = () => {
        begun = true;
        return work();
      };
      try {
        // First among the user's own, so that one user never fills the line of all.
        return await own.gate.run(() => all.run(begin, waiting), waiting);
      } catch (cause) {
        if (begun || signal.aborted || !patience.aborted) throw cause;
        throw new AppError('TIMEOUT', `Too much is asked for at once: there was no turn within ${maxWaitMs} ms`, {
          cause,
          details: { timeoutMs: maxWaitMs },
        });
      } finally {
        own.inside -= 1;
        if (own.inside === 0) users.delete(userId);
      }
    },
  };
}
