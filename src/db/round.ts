/**
 * Several statements in one trip to the server and one transaction: the extended query protocol up to one Sync, which
 * commits. Each statement has a snapshot of its own, so that one behind a lock sees what was committed before it got it.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
import type { EventEmitter } from 'node:events';
import pg from 'pg';

/** A statement that is prepared once a connection. */
export interface Prepared {
  /** Unique among the statements of this process. */
  readonly name: string;
  readonly text: string;
}

export interface Step {
  readonly statement: Prepared;
  readonly values: readonly (Value | readonly Value[])[];
}

export type Value = string | number | boolean | null;

/**
 * In SQL, for the first step of a round of short statements, which may return something else besides: each row is found by its key, whatever the planner knows of the table. A
 * plan is made once a connection, maybe when the table was empty. No scan is a bitmap scan: unlike the others it marks no
 * index entry as dead, and where jobs come and go quickly most of them are.
 */
export const byKey = (others: readonly string[] = []): string => {
  const off = ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin'].map(
    (way) => `set_config('enable_${way}', 'off', true)`,
  );
  return `SELECT ${[`set_config('plan_cache_mode', 'force_generic_plan', true)`, ...off, ...others].join(', ')}`;
};

type Row = Record<string, unknown>;

/** The messages that `pg` writes. */
interface Wire extends EventEmitter {
  readonly stream: { cork?: () => void; uncork?: () => void };
  parse(message: Prepared): void;
  bind(message: { statement: string; values: readonly (string | null)[] }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  sync(): void;
}

interface FieldDescription {
  readonly name: string;
  readonly dataTypeID: number;
}

/** @returns the rows of each step. @throws what the server said of the first that failed: then none of them was done */
export async function runRound(pool: pg.Pool, steps: readonly Step[]): Promise<Row[][]> {
  const client = await pool.connect();
  // A connection that breaks while it is held says so by the round that fails; unheard, its event would end the process.
  const onError = () => undefined;
  client.on('error', onError);
  let broken = true;
  try {
    const rows = await new Promise<Row[][]>((resolve, reject) => {
      client.query(new Round(steps, resolve, reject));
    });
    broken = false;
    return rows;
  } finally {
    client.off('error', onError);
    // What is prepared on a connection after a failure is not known.
    client.release(broken);
  }
}

/** As the server reads it. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function textOf(value: Value | readonly Value[]): string | null {
  if (value === null) return null;
  if (typeof value !== 'object') return String(value);
  return `{${value.map(elementOf).join()}}`;
}

const elementOf = (value: Value): string =>
  typeof value === 'string' ? `"${value.replace(/["\\]/g, '\\$&')}"` : String(value);

/** How to read the columns of a statement's rows; none where it has no rows. */
type Columns = readonly { readonly name: string; readonly parse: (text: string) => unknown }[];

/** What is prepared on a connection, by name; null until the server has described its rows, which stay as they are. */
const preparedOn = new WeakMap<Wire, Map<string, Columns | null>>();

/** Called by `pg` with each message. */
class Round implements pg.Submittable {
  readonly #steps: readonly Step[];
  readonly #resolve: (rows: Row[][]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #rows: Row[][] = [];
  #row: Row[] = [];
  #prepared = new Map<string, Columns | null>();
  /** Of the step whose rows come now. */
  #columns: Columns = [];

  constructor(steps: readonly Step[], resolve: (rows: Row[][]) => void, reject: (error: unknown) => void) {
    this.#steps = steps;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as Wire;
    const prepared = preparedOn.get(wire) ?? new Map();
    preparedOn.set(wire, prepared);
    this.#prepared = prepared;
    wire.stream.cork?.();
    for (const { statement, values } of this.#steps) {
      const { name } = statement;
      if (!prepared.has(name)) {
        wire.parse(statement);
        prepared.set(name, null);
      }
      wire.bind({ statement: name, values: values.map(textOf) });
      if (!prepared.get(name)) wire.describe({ type: 'P', name: '' });
      wire.execute({ portal: '', rows: 0 });
    }
    this.#begin();
    wire.sync();
    wire.stream.uncork?.();
  }

  /** The next step's rows. */
  #begin(): void {
    const step = this.#steps[this.#rows.length];
    this.#columns = (step && this.#prepared.get(step.statement.name)) ?? [];
    this.#row = [];
  }

  handleRowDescription({ fields }: { fields: readonly FieldDescription[] }): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({
      name,
      parse: pg.types.getTypeParser(dataTypeID) as (text: string) => unknown,
    }));
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    const row: Row = {};
    for (const [i, { name, parse }] of this.#columns.entries()) {
      const text = fields[i]!;
      row[name] = text === null ? null : parse(text);
    }
    this.#row.push(row);
  }

  handleCommandComplete(): void {
    this.#prepared.set(this.#steps[this.#rows.length]!.statement.name, this.#columns);
    this.#rows.push(this.#row);
    this.#begin();
  }

  handleError(error: unknown): void {
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#rows);
  }

  // What no statement of ours brings about.
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
