/** The session that explains: rounds and questions of ours on one connection, stopped by a signal also while the server is busy. */
import pg from 'pg';
import type { ExplainOptions, RunError, Target } from '../engine.ts';
import type { ConnectDeps, Connection, Wire } from './connect.ts';
import { MessageTooLong } from './errors.ts';
import { createRounds, type OwnRows, type RoundResult } from './round.ts';
import { createStopper } from './stop.ts';
import type { Ask } from './touched.ts';

/** What a message has beside the plan in it. */
const messageBytes = 65_536;

/** The longest answer that is worth waiting for. */
export const answerBytes = ({ maxPlanBytes }: Pick<ExplainOptions, 'maxPlanBytes'>): number =>
  maxPlanBytes + messageBytes;

export interface Rows {
  readonly rows: readonly (string | null)[][];
  readonly result: RoundResult;
}

export interface ExplainSession {
  /** One round. */
  exchange(send: (wire: Wire) => void, options?: { own?: OwnRows }): Promise<Rows>;
  readonly ask: Ask;
  /** Why it was stopped. */
  readonly fault: RunError | null;
  end(): Promise<void>;
}

/** A session that the signal stops, also while the server is busy. */
export function startExplaining(
  deps: ConnectDeps,
  target: Target,
  connection: Connection,
  { signal, maxPlanBytes }: ExplainOptions,
): ExplainSession {
  const { client } = connection;
  const rounds = createRounds(connection);
  let asking: Promise<unknown> | null = null;
  const stopper = createStopper({ connect: deps, target, connection, rounds, asking: () => asking });
  const onAbort = () => void stopper.stop(isTimeout(signal.reason) ? 'TIMEOUT' : 'CANCELLED');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const goOn = () => {
    if (stopper.fault !== null) throw stopper.fault;
  };

  return {
    async exchange(send, { own = 'ALL' } = {}) {
      goOn();
      const round = rounds.start({ send, batchRows: 1_000, batchBytes: 2 ** 20, own });
      const rows: (string | null)[][] = [];
      let bytes = 0;
      for (;;) {
        const batch = await round.next();
        goOn();
        if (batch === null) return { rows, result: round.result };
        bytes += batch.bytes;
        if (bytes > answerBytes({ maxPlanBytes })) {
          const fault = new MessageTooLong(maxPlanBytes);
          connection.destroy(fault); // whatever is still to come would have to be waited for
          throw fault;
        }
        rows.push(...batch.rows);
      }
    },

    async ask(text, values) {
      goOn();
      const answer = client.query({ text, values: [...values], rowMode: 'array', types: { getTypeParser } });
      asking = Promise.allSettled([answer]).finally(() => {
        asking = null;
      });
      const { rows } = await answer.catch((error: unknown) => {
        // A place in our SQL is none in the statement.
        if (error instanceof pg.DatabaseError) error.position = undefined;
        throw error;
      });
      goOn();
      return rows as (string | null)[][];
    },

    get fault() {
      return stopper.fault;
    },

    async end() {
      signal.removeEventListener('abort', onAbort);
      await stopper.settled();
      if (rounds.current !== null) connection.destroy(new Error('The plan is no longer wanted'));
    },
  };
}

const getTypeParser = () => (text: string) => text;
const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';
