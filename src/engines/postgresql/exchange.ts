/** One round after the other for a script, its rows and remarks made into events, until somebody stops it. */
import type { RunEvent } from '../engine.ts';
import type { Wire } from './connect.ts';
import type { Notices } from './notices.ts';
import type { Batch, BatchLimits, OwnRows, RoundOptions, RoundResult, Rounds } from './round.ts';
import type { Stopper } from './stop.ts';

/** Makes an event of a batch and of what the answers have said so far; also called where that alone is new. */
export type Take = (batch: Batch, soFar: RoundResult) => RunEvent | null;

export interface ExchangeOptions {
  readonly take: Take | null;
  /** Nothing is taken of the others. Absent: all of them. */
  readonly own?: OwnRows;
  readonly copies?: RoundOptions['copies'];
}

export interface Exchange {
  /** @throws RunError when the script was stopped, DatabaseError, or what ended the connection */
  round(send: (wire: Wire) => void, options?: ExchangeOptions): AsyncGenerator<RunEvent, RoundResult>;
  /** Time in which the server had the word. */
  readonly busyMs: number;
  /** What the answers of the last round have said, also where it failed. */
  readonly last: RoundResult | null;
}

export interface ExchangeDeps extends BatchLimits {
  readonly rounds: Rounds;
  readonly notices: Notices;
  readonly stopper: Stopper;
}

export function createExchange({ rounds, notices, stopper, batchRows, batchBytes }: ExchangeDeps): Exchange {
  let busyMs = 0;
  let last: RoundResult | null = null;
  return {
    async *round(send, { take, own = 'ALL', copies } = { take: null }) {
      if (stopper.fault !== null) throw stopper.fault;
      const round = rounds.start({ send, batchRows, batchBytes, own: take === null ? 'NONE' : own, copies });
      try {
        for (;;) {
          const since = performance.now();
          const batch = await round.next();
          busyMs += performance.now() - since;
          for (const message of notices.take()) yield { type: 'notice', message };
          // What the server has done, and said so, was not stopped; the next round is.
          if (batch === null && round.result.whole) return round.result;
          if (stopper.fault !== null) throw stopper.fault;
          if (batch === null) return round.result;
          const event = take?.(batch, round.result) ?? null;
          if (event !== null) yield event;
        }
      } finally {
        last = round.result;
      }
    },
    get busyMs() {
      return busyMs;
    },
    get last() {
      return last;
    },
  };
}

/** Statements of ours, in the same round as what follows them. */
export function runAhead(wire: Wire, ...texts: string[]): void {
  for (const text of texts) {
    wire.parse({ text });
    wire.bind({ portal: '', values: [] });
    wire.execute({ portal: '', rows: 0 });
  }
}
