/**
 * The contract that every SQL engine implements: how to reach a server, run SQL on it and read its catalogue.
 * What an engine can do is its capabilities; nothing outside this folder asks which engine it is.
 */
import type { EgressTarget } from '../lib/egress.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Catalog } from './catalog.ts';
import type { ChangeSource } from './changes.ts';
import type { ExportType } from './export-type.ts';
import type { LiveSource } from './live.ts';

export type { Dial, DialOptions } from '../lib/egress.ts';

export const capabilities = [
  'CANCEL',
  'CURSOR',
  'EXPLAIN',
  'TRANSACTIONAL_DDL',
  'ROW_CHANGES',
  'LIVE_QUERY',
  'FUNCTIONS',
  'ROW_SECURITY',
  'FAST_EXPORT',
] as const;
export type Capability = (typeof capabilities)[number];

export const sslModes = ['DISABLE', 'PREFER', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'] as const;
export type SslMode = (typeof sslModes)[number];

/** A server to reach, already taken apart: never a URL, never a path. */
export interface Target extends EgressTarget {
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly ssl: SslMode;
  /** PEM. */
  readonly sslRootCertificate?: string | undefined;
  /** Answer a server that asks for the password in clear or by MD5 without TLS. */
  readonly allowInsecureAuthentication: boolean;
}

/** A value as it goes into JSON, exact: int8, numeric and every type without a JSON form are text. */
export type Cell = null | boolean | number | string | Cell[];

export interface ResultColumn {
  name: string;
  /** As the engine prints it, e.g. `character varying(50)`. */
  dataType: string;
  /** The same in the words of no engine. */
  type: ExportType;
  /** The catalogue column it comes from, where the engine tells. */
  origin: { schema: string; table: string; column: string } | null;
}

export interface Statement {
  sql: string;
  /** Where it begins in the script, as a 0-based index of UTF-16 units. */
  offset: number;
  /** Only reads, as far as its text tells: a function may still write. */
  reads: boolean;
}

export interface RunOptions {
  parameters?: readonly unknown[] | undefined;
  readOnly: boolean;
  /** PER_STATEMENT: one transaction a statement unless the script holds its own. WHOLE: one for all. */
  transaction: 'PER_STATEMENT' | 'WHOLE';
  /**
   * Rows kept of each result set. Behind them a statement is stopped that only reads; one that may do something, also by a
   * function that it calls, runs to its end. Infinity: all of them.
   */
  maxRows: number;
  /**
   * Rows come as raw text, for a file, printed under our settings but for the time zone, whatever the script has set. ROWS: as values. CSV, TSV: as bytes of lines, without a line of names, where the
   * engine makes them by itself, and else as values. Absent: as cells.
   */
  raw?: 'ROWS' | 'CSV' | 'TSV' | undefined;
  /** Rows of one `rows` event at the most. */
  batchRows?: number | undefined;
  /** Stops the script: TIMEOUT where its reason is a TimeoutError (`AbortSignal.timeout`), else CANCELLED. */
  signal: AbortSignal;
}

/** What a running script reports, in order. The reader pulls: while it does not, the target waits. */
export type RunEvent =
  | {
      type: 'statement';
      index: number;
      /** Statements of the script. */
      count: number;
      sql: string;
      /** May change the catalogue, as far as its text tells. */
      alters: boolean;
    }
  /** Rows that the planner expects of a statement that only reads, where the engine tells; before its first row. */
  | { type: 'estimate'; index: number; rows: number }
  | { type: 'columns'; index: number; columns: ResultColumn[] }
  | { type: 'rows'; index: number; rows: Cell[][]; bytes: number }
  /** Instead of `rows` where raw text was asked for: as PostgreSQL prints it under our settings, whatever the engine. */
  | { type: 'raw'; index: number; rows: (string | null)[][]; bytes: number }
  /** Instead of `raw` where lines were asked for: so many whole rows of COPY's CSV or text format. */
  | { type: 'lines'; index: number; lines: Buffer; rows: number }
  | { type: 'notice'; message: string }
  | { type: 'end'; index: number; command: string; rowCount: number | null; truncated: boolean; durationMs: number };

/** The error of a script: what the engine said and where. Codes are those of JobErrorCode, and CANCELLED, which is none. */
export interface RunFault {
  code:
    | Extract<
        ErrorCode,
        'SQL_ERROR' | 'TIMEOUT' | 'CONNECTION_FAILED' | 'READ_ONLY' | 'LIMIT_EXCEEDED' | 'INTERNAL_SERVER_ERROR'
      >
    | 'CONNECTION_LOST'
    /** We stopped it: `cancel()`, or the signal of the run. */
    | 'CANCELLED';
  message: string;
  sqlState?: string | undefined;
  engineCode?: string | undefined;
  /** 1-based character (code point) of the whole script; where the engine names none, the first of the statement. */
  position?: number | undefined;
  line?: number | undefined;
  detail?: string | undefined;
  hint?: string | undefined;
  /** Index of the statement that failed. */
  statement?: number | undefined;
}

/** Thrown by `Session.run` for whatever the target, its rules or its limits refused. */
export class RunError extends Error {
  readonly fault: RunFault;
  constructor(fault: RunFault, options?: { cause?: unknown }) {
    super(fault.message, options);
    this.name = 'RunError';
    this.fault = fault;
  }
}

/** Names one session of a target for good: a pid alone is used again. */
export interface SessionIdentity {
  /** As the engine names it: a pid, a thread. */
  sessionId: string;
  /** When the target started it, as the target prints it. */
  startedAt: string;
}

/** One physical connection, for one principal; never shared between users. */
export interface Session extends AsyncDisposable {
  readonly identity: SessionIdentity;
  readonly serverVersion: string;
  /**
   * Runs a script, one at a time. Leaving the loop early stops what runs and undoes what is open.
   * @throws RunError, at the first failure
   */
  run(script: string, options: RunOptions): AsyncIterable<RunEvent>;
  /**
   * Asks the target to stop what runs, from a second connection; the run ends with CANCELLED. No-op when nothing runs:
   * a late cancel never meets the next script. Resolves when the request was handed over; never throws.
   */
  cancel(): Promise<void>;
  /** Aborts when the connection is gone, with the cause as its reason. */
  readonly closed: AbortSignal;
}

export interface ConnectionProblem {
  /** DNS, TCP, TLS, AUTHENTICATION, DATABASE, or a warning such as SUPERUSER. */
  code: string;
  message: string;
  hint: string | null;
}

/** What a look at a server found. `ok` is false when a problem keeps it from being used. */
export interface Probe {
  ok: boolean;
  serverVersion: string | null;
  latencyMs: number | null;
  capabilities: Capability[];
  problems: ConnectionProblem[];
}

export interface OpenOptions {
  signal: AbortSignal;
  /** `application_name`: ids only, never a name or an address of a person. */
  label: string;
}

/** What one session does, as far as the target shows it to these credentials; the rest is null. */
export interface ActiveSession {
  sessionId: string;
  /** As `SessionIdentity` has it. */
  startedAt: string | null;
  user: string | null;
  applicationName: string | null;
  state: string | null;
  /** What it runs, or ran last; cut, and its secrets hidden. */
  query: string | null;
  waitEvent: string | null;
  /** Ids of the sessions that it waits for; 0 is a prepared transaction. */
  blockedBy: string[];
  /** When `query` began; of a session that has run nothing, when it connected. */
  since: Date | null;
}

export interface ActivityOptions {
  signal: AbortSignal;
  /** Sessions at the most, the busy ones first. */
  limit: number;
  /** Those alone; absent: all that are connected to the database. */
  only?: readonly SessionIdentity[] | undefined;
}

export interface ExplainOptions extends OpenOptions {
  parameters?: readonly unknown[] | undefined;
  /** Runs the statement as well, and undoes it. */
  analyze: boolean;
  /** The statement would only be let read: one that writes gets a warning, and is not run. */
  readOnly: boolean;
  /** Of the plan, in either form. */
  maxPlanBytes: number;
}

/** How a statement would be run, or was. */
export interface QueryPlan {
  /** As JSON; a number that a double would not hold digit for digit is its text. */
  plan: unknown;
  /** As the engine prints it. */
  text: string;
  /** In the planner's own unit. */
  estimatedCost: number | null;
  estimatedRows: number | null;
  /** Tables by schema and name, quoted where SQL needs it, in order. */
  reads: string[];
  writes: string[];
  warnings: string[];
}

/** Thrown by `Engine.explain`: a plan is that of one statement. */
export class NotOneStatement extends Error {
  constructor(count: number) {
    super(`must hold one statement, and holds ${count === 0 ? 'none' : count}`);
    this.name = 'NotOneStatement';
  }
}

/** Names what is installed: another one does not touch it. */
export interface TrackingOptions extends OpenOptions {
  readonly trackingId: string;
}

/** What is installed in a target so that it tells of DDL. It is no part of the catalogue that is read. */
export interface SchemaTracking {
  /** Again is no change. @throws AppError UNSUPPORTED where the credentials or the server do not allow it, CONNECTION_FAILED, SQL_ERROR */
  install(target: Target, options: TrackingOptions): Promise<void>;
  /** Leaves nothing; no-op where nothing is. @throws AppError CONNECTION_FAILED, SQL_ERROR */
  remove(target: Target, options: TrackingOptions): Promise<void>;
  /** @param told a transaction with DDL has been committed. @throws AppError CONNECTION_FAILED */
  listen(target: Target, options: TrackingOptions & { told: () => void }): Promise<SchemaListener>;
}

export interface SchemaListener extends AsyncDisposable {
  /** Aborts when nothing will be told any more. */
  readonly closed: AbortSignal;
  /** Whether what tells is still installed. @throws Error where the target does not answer; it is closed then */
  check(): Promise<boolean>;
}

export interface Engine {
  readonly kind: string;
  readonly displayName: string;
  readonly defaultPort: number | null;
  readonly capabilities: readonly Capability[];
  /** Never throws for what is wrong with the target: that is its answer. */
  probe(target: Target, options: { signal: AbortSignal }): Promise<Probe>;
  /** @throws AppError CONNECTION_FAILED with the stage in `details.reason` */
  open(target: Target, options: OpenOptions): Promise<Session>;
  /** Takes a script apart without running it. @throws RunError SQL_ERROR where it does not parse */
  split(script: string): Promise<Statement[]>;
  /** Ends a session by its identity, from a connection of its own; no-op when it is gone. */
  terminate(target: Target, identity: SessionIdentity, options: { signal: AbortSignal }): Promise<void>;
  /**
   * Plans one statement without running it, or runs it in a transaction that is rolled back.
   * @throws NotOneStatement; RunError; AppError CONNECTION_FAILED, LIMIT_EXCEEDED; the signal's reason while it connects
   */
  explain(target: Target, sql: string, options: ExplainOptions): Promise<QueryPlan>;
  /** Who is connected to the database and what runs there now, but for the session that asks. @throws AppError CONNECTION_FAILED */
  activity(target: Target, options: ActivityOptions): Promise<ActiveSession[]>;
  /** Tells of DDL as it happens; null where the engine cannot. */
  readonly tracking: SchemaTracking | null;
  /** Tells of changed rows; null where the engine cannot. */
  readonly changes: ChangeSource | null;
  /** Keeps answers live; null where the engine cannot. */
  readonly live: LiveSource | null;
  /** The catalogue of a target; each read is one statement a kind, for as many objects as asked. */
  catalog(target: Target): Catalog;
}
