/** Says what went wrong with a target: reaching it as AppError, running on it as RunError. */
import pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { RunError, type RunFault, type Target } from '../engine.ts';

/** How far a connection came. */
export type Stage = 'DNS' | 'TCP' | 'TLS' | 'AUTHENTICATION' | 'DATABASE';

/** A message of the target that is longer than a session takes. */
export class MessageTooLong extends Error {
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`The server sent a message of more than ${Math.floor(maxBytes / 2 ** 20)} MiB`);
    this.name = 'MessageTooLong';
    this.maxBytes = maxBytes;
  }
}

/** Bytes that are no message of the PostgreSQL protocol. */
export class NotPostgresql extends Error {
  constructor(options?: { cause?: unknown }) {
    super('The server does not speak the PostgreSQL protocol', options);
    this.name = 'NotPostgresql';
  }
}

export function connectFailure(
  { host, port }: Pick<Target, 'host' | 'port'>,
  reason: Stage,
  message: string,
  { hint, sqlState, cause }: { hint: string; sqlState?: string | undefined; cause?: unknown },
): AppError {
  return new AppError('CONNECTION_FAILED', message, {
    cause,
    details: { host, port, reason, hint, ...(sqlState === undefined ? {} : { sqlState }) },
  });
}

/** What a server says when it refuses a session, by SQLSTATE. */
const refusals: Readonly<Record<string, readonly [Stage, string]>> = {
  '28P01': ['AUTHENTICATION', 'Check user and password.'],
  '28000': [
    'AUTHENTICATION',
    'Check the user, and pg_hba.conf of the server: it may ask for TLS or refuse this address.',
  ],
  '3D000': ['DATABASE', 'Check the name of the database.'],
  '42501': ['DATABASE', 'The user needs the CONNECT privilege on the database.'],
  '53300': ['DATABASE', 'The server has no connection left: close some, or raise the limit of the role or the server.'],
  '55000': ['DATABASE', 'The database does not accept connections.'],
  '57P03': ['DATABASE', 'The server is starting up or shutting down: try again.'],
  '0A000': ['DATABASE', 'The server, or a pooler before it, refuses something that Quarry asked for at the start.'],
  '08P01': ['DATABASE', 'The server, or a pooler before it, did not understand the start of the session.'],
};

/** Turns whatever ended the start of a session into one error that names its stage. */
export function toConnectFailure(target: Target, stage: Stage, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  if (cause instanceof pg.DatabaseError) {
    const [reason, hint] = refusals[cause.code ?? ''] ?? ['DATABASE', 'See the message of the server.'];
    return connectFailure(target, reason, cause.message, { hint, sqlState: cause.code, cause });
  }
  if (cause instanceof NotPostgresql || cause instanceof MessageTooLong) {
    return connectFailure(target, 'TCP', `${target.host}:${target.port} does not speak PostgreSQL`, {
      hint: 'Check the port: something else listens there.',
      cause,
    });
  }
  const [message, hint] = silence[stage];
  return connectFailure(target, stage, `${target.host}:${target.port} ${message}`, { hint, cause });
}

const silence: Readonly<Record<Stage, readonly [string, string]>> = {
  DNS: ['has no address', 'Check the spelling of the host name.'],
  TCP: ['closed the connection or said nothing', 'Check that a PostgreSQL server listens on this port.'],
  TLS: ['did not agree on TLS', 'Check the SSL mode and the certificates of the server.'],
  AUTHENTICATION: ['did not let the user in', 'Check user and password, and which methods the server asks for.'],
  DATABASE: ['ended the session at its start', 'Look into the log of the server.'],
};

/** Where a statement stands in its script, so that its errors can be told in the script's own terms. */
export interface Place {
  readonly script: string;
  /** 0-based index of UTF-16 units. */
  readonly offset: number;
  readonly statement: number;
}

/** Turns what ended a statement into a RunError. @param readOnly refusals of a read-only transaction are READ_ONLY */
export function toRunError(cause: unknown, place: Place | null, readOnly: boolean): RunError {
  const at = place === null ? {} : { statement: place.statement };
  if (cause instanceof RunError) return new RunError({ ...at, ...cause.fault }, { cause: cause.cause });
  if (cause instanceof pg.DatabaseError) {
    return new RunError(
      {
        ...at,
        code: codeOf(cause, readOnly),
        message: cause.message,
        sqlState: cause.code,
        detail: cause.detail,
        hint: cause.hint ?? hints[cause.code ?? ''],
        // An error of running names no place: it is then that of its statement.
        ...(place !== null ? positionIn(place, Number(cause.position ?? 1)) : {}),
      },
      { cause },
    );
  }
  if (cause instanceof MessageTooLong) {
    const hint =
      'Ask for less of a value at once, e.g. by substring() or pg_read_binary_file() with offset and length.';
    return new RunError({ ...at, code: 'LIMIT_EXCEEDED', message: cause.message, hint }, { cause });
  }
  if (cause instanceof TypeError || cause instanceof RangeError || cause instanceof ReferenceError) {
    return new RunError({ ...at, code: 'INTERNAL_SERVER_ERROR', message: 'The result could not be read' }, { cause });
  }
  return new RunError({ ...at, code: 'CONNECTION_LOST', message: 'The connection to the server was lost' }, { cause });
}

const readOnlyTransaction = '25006';
const activeTransaction = '25001';
const queryCanceled = '57014';

function codeOf({ code: sqlState = '', message }: pg.DatabaseError, readOnly: boolean): RunFault['code'] {
  if (sqlState === readOnlyTransaction) return 'READ_ONLY';
  // The first query of the transaction is ours: whoever now asks for read and write comes too late.
  if (readOnly && sqlState === activeTransaction) return 'READ_ONLY';
  // Not stopped by us. Only the text tells a timeout from somebody else's pg_cancel_backend(); it may be translated.
  if (sqlState === queryCanceled) return /user request/i.test(message) ? 'SQL_ERROR' : 'TIMEOUT';
  // Not by class 08: that is also what a parameter that is missing raises, and a foreign server that is gone.
  return codes[sqlState] ?? 'SQL_ERROR';
}

const codes: Readonly<Record<string, RunFault['code']>> = {
  '25P03': 'TIMEOUT', // idle_in_transaction_session_timeout
  '25P04': 'TIMEOUT', // transaction_timeout
  '57P05': 'TIMEOUT', // idle_session_timeout
  '57P01': 'CONNECTION_LOST', // terminated by an administrator
  '57P02': 'CONNECTION_LOST', // a crash of another session
  '57P03': 'CONNECTION_LOST',
  '57P04': 'CONNECTION_LOST', // the database was dropped
  '53400': 'LIMIT_EXCEEDED', // temp_file_limit and the like
};

const hints: Readonly<Record<string, string>> = {
  '08P01': 'Each parameter, $1 and so on, needs a value.',
  '25001': 'The statement cannot run inside a transaction; run it with transaction PER_STATEMENT and without BEGIN.',
  '2D000': 'A procedure that ends transactions itself needs transaction PER_STATEMENT and no BEGIN around it.',
};

/** Position and line in the script of a character (1-based code point) of the statement. */
export function positionIn({ script, offset }: Place, character: number): { position: number; line: number } {
  const before = codePoints(script.slice(0, offset));
  const end = indexOfCodePoint(script, offset, character - 1);
  return { position: before + character, line: script.slice(0, end).split('\n').length };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function indexOfCodePoint(text: string, from: number, count: number): number {
  let index = from;
  for (let left = count; left > 0 && index < text.length; left--) {
    index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}
