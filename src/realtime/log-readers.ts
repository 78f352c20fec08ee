/**
 * Who reads a log, and how far they are. The log goes on as fast as the fastest of them takes what is in it; who falls too
 * far behind the others, or takes nothing while much waits for him, is ended while his place is still in the log.
 */
import { AppError } from '../lib/errors.ts';
import type { ChangeLog } from './change-log.ts';

export interface LogReaderLimits {
  /** Who takes nothing for so long is slow, where more than `slowBytes` wait for him. */
  readonly slowMs: number;
  readonly slowBytes: number;
}

export interface LogReader extends Disposable {
  /** He has taken all before this change, up to that position, and comes for more. */
  takes(ordinal: number, position: string): void;
  /** He has all that there is, and waits. */
  waits(): void;
  /** He was given something, and has to take it first. */
  given(): void;
  /** Aborts with SLOW_CONSUMER. */
  readonly ended: AbortSignal;
}

export interface LogReaders {
  /** Reads from this change on, behind that position. */
  add(ordinal: number, position: string): LogReader;
  /** Looks for those who are too slow; after each growth of the log, and from time to time. */
  look(): void;
  /** Resolves when the log may grow: at once unless all who read it are half of it behind, and nobody hurries it. */
  room(signal: AbortSignal): Promise<void>;
  /** Somebody takes all as it comes: until he is gone the log waits for nobody. */
  hurry(): Disposable;
  readonly size: number;
}

interface Reading {
  ordinal: number;
  state: 'TAKING' | 'WAITING' | 'GIVEN';
  since: number;
  /** He was near the end once: who begins far back may first catch up. */
  near: boolean;
  position: string;
  readonly end: AbortController;
}

export function createLogReaders({ log, limits }: { log: ChangeLog; limits: LogReaderLimits }): LogReaders {
  const all = new Set<Reading>();
  /** Those who do not wait; most do, most of the time. */
  const busy = new Set<Reading>();
  let wake: (() => void) | null = null;
  let hurried = 0;

  function slow(reading: Reading): boolean {
    if (reading.ordinal < log.firstOrdinal) return true;
    const behind = log.bytesBehind(reading.ordinal);
    const far = behind > (log.maxBytes * 3) / 4;
    reading.near ||= !far;
    if (reading.state !== 'GIVEN') return false;
    return (far && reading.near) || (behind > limits.slowBytes && performance.now() - reading.since >= limits.slowMs);
  }

  function leave(reading: Reading): void {
    all.delete(reading);
    busy.delete(reading);
    wake?.();
  }

  function isNear({ ordinal }: Reading): boolean {
    return log.bytesBehind(ordinal) <= log.maxBytes / 2;
  }

  return {
    add(ordinal, position) {
      const end = new AbortController();
      const reading: Reading = { ordinal, state: 'TAKING', since: 0, near: false, position, end };
      all.add(reading);
      busy.add(reading);
      return {
        ended: end.signal,
        takes(next, behind) {
          reading.ordinal = next;
          reading.position = behind;
          reading.state = 'TAKING';
          if (all.has(reading)) busy.add(reading);
          wake?.();
        },
        waits() {
          reading.state = 'WAITING';
          reading.near = true;
          busy.delete(reading);
          wake?.();
        },
        given() {
          reading.state = 'GIVEN';
          reading.since = performance.now();
        },
        [Symbol.dispose]: () => leave(reading),
      };
    },

    look() {
      for (const reading of busy) {
        if (!slow(reading)) continue;
        leave(reading);
        reading.end.abort(tooSlow(reading.position));
      }
    },

    async room(signal) {
      const blocked = () =>
        hurried === 0 &&
        log.bytes > log.maxBytes / 2 &&
        busy.size > 0 &&
        busy.size === all.size &&
        ![...busy].some(isNear);
      while (!signal.aborted && blocked()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const onAbort = () => resolve();
        signal.addEventListener('abort', onAbort);
        await promise;
        signal.removeEventListener('abort', onAbort);
        wake = null;
      }
    },

    hurry() {
      hurried += 1;
      wake?.();
      let over = false;
      return {
        [Symbol.dispose]() {
          if (!over) hurried -= 1;
          over = true;
        },
      };
    },

    get size() {
      return all.size;
    },
  };
}

const tooSlow = (position: string): AppError =>
  new AppError('SLOW_CONSUMER', 'Changes come faster than they are taken: subscribe again behind this position', {
    details: { position },
  });
