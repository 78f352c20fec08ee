/** Gathers what asks for a live query to be run again, until somebody takes all of it at once. */
import { type Bell, createBell } from './bell.ts';

/** What has come since it was last taken. */
export interface Triggered {
  /** Transactions that the answer has to hold. */
  readonly transactions: ReadonlySet<string>;
  /** Tables that they changed, as schema.name. */
  readonly tables: ReadonlySet<string>;
  /** Whatever has happened, it is to be run. */
  readonly again: boolean;
  /** So it is, since commits may have gone untold. */
  readonly attached: boolean;
  /** What is read may be something else now. */
  readonly reshaped: boolean;
}

export interface Trigger {
  commit(transactionId: string, tables: readonly string[]): void;
  again(): void;
  /** Commits are told from now on; those before may not have been. */
  attach(): void;
  reshape(): void;
  /** Resolves when something has come since the last call, or after so long, or when the signal has aborted. */
  wait: Bell['wait'];
  take(): Triggered;
}

/** Between two runs. Of more the oldest have long been visible, unless a standby has to confirm them first. */
const maxTransactions = 10_000;

export function createTrigger(signal: AbortSignal): Trigger {
  const bell = createBell();
  signal.addEventListener('abort', bell.ring, { once: true });
  let transactions = new Set<string>();
  let tables = new Set<string>();
  let again = false;
  let attached = false;
  let reshaped = false;

  return {
    commit(transactionId, changed) {
      for (const table of changed) tables.add(table);
      transactions.add(transactionId);
      if (transactions.size > maxTransactions) transactions.delete(transactions.values().next().value!);
      bell.ring();
    },

    again() {
      again = true;
      bell.ring();
    },

    attach() {
      again = true;
      attached = true;
      bell.ring();
    },

    reshape() {
      reshaped = true;
      bell.ring();
    },

    wait: bell.wait,

    take() {
      const taken = { transactions, tables, again, attached, reshaped };
      transactions = new Set();
      tables = new Set();
      again = false;
      attached = false;
      reshaped = false;
      return taken;
    },
  };
}
