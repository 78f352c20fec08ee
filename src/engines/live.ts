/** The contract of an engine that keeps the answer to a query live: what the query reads, and its answer at a moment that surely holds given transactions. */
import type { QualifiedName } from './catalog.ts';
import type { Cell, OpenOptions, ResultColumn, Target } from './engine.ts';

export interface LiveSource {
  /** @throws AppError CONNECTION_FAILED with the stage in `details.reason` */
  open(target: Target, options: OpenOptions): Promise<LiveSession>;
}

export interface LiveQuery {
  /** One query: SELECT, VALUES, TABLE, WITH. */
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A table whose changes change the answer. Of a partition: the root of its table. */
export interface ReadTable extends QualifiedName {
  /** The engine's own; stays over renames. */
  readonly id: string;
}

/** Rows of a table in which the column has another text, or is null, add nothing to the answer. */
export interface ReadFilter {
  /** As `ReadTable` has it. */
  readonly tableId: string;
  readonly column: string;
  /** As the engine prints it. */
  readonly equals: string;
}

/** What a query reads, and by what its rows are known again. */
export interface QueryReads {
  readonly tables: readonly ReadTable[];
  /** As far as they are certain; a row that fails one of them is left out. */
  readonly filters: readonly ReadFilter[];
  /** In plain sentences, why the answer may change while no row of `tables` does; empty: it does not. */
  readonly polled: readonly string[];
  /** As the result has them. */
  readonly columns: readonly string[];
  /** Places of the columns that identify a row, as far as the catalogue tells; none: there is one row. Null: nothing does. */
  readonly key: readonly number[] | null;
  /** Another text where the catalogue was another. */
  readonly revision: string;
}

export interface LiveRunOptions {
  readonly signal: AbortSignal;
  /** Changes that have to be in the answer: `transactionId` as the engine's change feed names it. */
  readonly transactions: Iterable<string>;
  /** More rows than this are LIMIT_EXCEEDED. */
  readonly maxRows: number;
  /** Of the rows on their way here; more are LIMIT_EXCEEDED. */
  readonly maxBytes: number;
  /** Of what was described. */
  readonly revision: string;
}

/** Rows as raw text, exact and fit to be compared. */
export interface LiveAnswer {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** Of a row of this answer. */
  decode(row: readonly (string | null)[]): readonly Cell[];
  /** Those of `transactions` that this answer is too old to hold: to be asked for again in a moment. */
  readonly missing: readonly string[];
  /** Transactions that had begun and are not held. The log may tell of one before it is seen. */
  readonly underWay: readonly string[];
}

/** One connection, for one principal. Everything it runs only reads, in a transaction that is rolled back; one thing at a time. */
export interface LiveSession extends AsyncDisposable {
  /**
   * @throws NotOneStatement; NotAQuery; RunError READ_ONLY, SQL_ERROR and the others of a run
   */
  describe(query: LiveQuery, options: { signal: AbortSignal }): Promise<QueryReads>;
  /** Whether `describe` would say the same, as far as the objects that it found tell. @throws RunError */
  isCurrent(reads: QueryReads, options: { signal: AbortSignal }): Promise<boolean>;
  /** @throws RunError; stopped by the signal: CANCELLED, or TIMEOUT where its reason is a TimeoutError */
  run(query: LiveQuery, options: LiveRunOptions): Promise<LiveAnswer>;
  /** Aborts when the connection is gone. */
  readonly closed: AbortSignal;
}

/** Thrown by `LiveSession.describe`: what only reads, and still has no rows that could be kept live. */
export class NotAQuery extends Error {
  constructor(command: string) {
    super(`must be a query (SELECT, VALUES, TABLE or WITH), and is ${command}`);
    this.name = 'NotAQuery';
  }
}
