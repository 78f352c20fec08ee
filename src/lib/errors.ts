/** Expected failure: an AppError with a code of the public contract. Everything else is a bug and is masked at the edge. */

export const errorCodes = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'CONFLICT',
  'RATE_LIMITED',
  'LIMIT_EXCEEDED',
  'CONNECTION_FAILED',
  'SQL_ERROR',
  'TIMEOUT',
  'READ_ONLY',
  'EMAIL_NOT_VERIFIED',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'PERSISTED_QUERY_NOT_FOUND',
  'UNSUPPORTED',
  'NOT_CONFIGURED',
  'SLOW_CONSUMER',
  'POSITION_LOST',
  'INTERNAL_SERVER_ERROR',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface AppErrorOptions {
  cause?: unknown;
  /** Goes to the client as `extensions.details`: never a secret, never a row. */
  details?: Record<string, unknown>;
}

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, { cause, details }: AppErrorOptions = {}) {
    super(message, { cause });
    this.name = 'AppError';
    this.code = code;
    this.details = details;
  }
}

export interface FieldFault {
  /** Where in the input, e.g. `input.connection.host`. */
  path: string;
  message: string;
}

/** Absent and not visible cannot be told apart. */
export const notFound = (what: string): AppError => new AppError('NOT_FOUND', `${what} not found`);

export const badInput = (...fields: [FieldFault, ...FieldFault[]]): AppError =>
  new AppError('BAD_USER_INPUT', fields.map((f) => `${f.path}: ${f.message}`).join('; '), { details: { fields } });
