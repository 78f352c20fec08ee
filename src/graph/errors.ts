/** What a client is told of a failure: an AppError with its code and details, anything else only a request id. */
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { AppError, type ErrorCode, errorCodes } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Context } from './context.ts';

/** Refused before anything is executed, these have a status of their own over `application/graphql-response+json`. */
const statuses: Partial<Record<ErrorCode, number>> = { UNAUTHENTICATED: 401, RATE_LIMITED: 429 };

export const httpStatusOf = (code: ErrorCode): number => statuses[code] ?? 200;

function appErrorOf(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (error instanceof GraphQLError && error.originalError) return appErrorOf(error.originalError);
  return null;
}

/** What a client is told of an expected failure beside its message. */
function extensionsOf({ code, details }: AppError): Record<string, unknown> {
  const told = { code, ...(details && { details }) };
  const retryAfterMs = details?.retryAfterMs;
  if (code !== 'RATE_LIMITED' || typeof retryAfterMs !== 'number') return told;
  const headers = { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) };
  return { ...told, retryAfterMs, http: { status: httpStatusOf(code), headers } };
}

/** Why a request was refused before it was executed, with the status that the specification gives it. */
export const refused = (error: AppError): GraphQLError =>
  new GraphQLError(error.message, {
    extensions: { http: { status: httpStatusOf(error.code) }, ...extensionsOf(error) },
  });

export interface MaskDeps {
  log: Log;
  requestId: string;
}

/** The public form of any error; what was not expected is logged whole, under the id that the client gets. */
export function publicError(error: unknown, { log, requestId }: MaskDeps): GraphQLError {
  const located = error instanceof GraphQLError ? error : null;
  const place = { nodes: located?.nodes, source: located?.source, positions: located?.positions, path: located?.path };
  const expected = appErrorOf(error);
  if (expected) {
    return new GraphQLError(expected.message, { ...place, extensions: extensionsOf(expected) });
  }
  if (located && !located.originalError) {
    return inContract(located.extensions.code) ? located : refusedRequest(located);
  }
  const code: ErrorCode = 'INTERNAL_SERVER_ERROR';
  if (located && (isCoerced(located) || isArgument(located))) return withCode(located, 'BAD_USER_INPUT');
  log.error({ requestId, err: located?.originalError ?? error, path: located?.path }, 'request.failed');
  return new GraphQLError('Something went wrong here; the log has more under this request id', {
    ...place,
    extensions: { code, details: { requestId } },
  });
}

/** Of an input object graphql repeats the whole, with whatever password is in it; its path and what is wrong stay. */
function withoutValue(message: string): string {
  const begin = message.indexOf(beforeValue);
  const value = begin + beforeValue.length;
  if (begin < 0 || !'[{'.includes(message.charAt(value) || ' ')) return message;
  const reason = Math.max(message.lastIndexOf('; '), value);
  const path = message.lastIndexOf(' at "', reason);
  const told = path > value && message.indexOf('"', path + ' at "'.length) === reason - 1 ? path : reason;
  return `${message.slice(0, begin)} got an invalid value${message.slice(told)}`;
}

const beforeValue = ' got invalid value ';

const inContract = (code: unknown): boolean => (errorCodes as readonly unknown[]).includes(code);

/** By the status that yoga gives to what it refuses itself. */
const refusals: Readonly<Record<number, ErrorCode>> = { 403: 'FORBIDDEN', 413: 'LIMIT_EXCEEDED' };

interface Refusal {
  status?: number;
  /** Only for `application/graphql-response+json`. */
  spec?: boolean;
}

/**
 * Refused by the libraries below: a body that is no request, a missing variable, an unknown operation. Their codes are
 * not the contract's, and what else they say of it repeats the body.
 */
function refusedRequest(error: GraphQLError): GraphQLError {
  const { http, originalError } = error.extensions as { http?: Refusal; originalError?: unknown };
  const code = refusals[http?.status ?? 0] ?? 'BAD_USER_INPUT';
  const { nodes, source, positions, path } = error;
  return new GraphQLError(withoutValue(error.message), {
    nodes,
    source,
    positions,
    path,
    // A body that is not JSON is no GraphQL request: its status holds for application/json too.
    extensions: { ...(http && { http: originalError ? { ...http, spec: false } : http }), code },
  });
}

/** A scalar's own refusal comes wrapped in the coercion's error. */
const isCoerced = (error: GraphQLError): boolean => error.originalError instanceof GraphQLError && !error.path;

/** A variable that may be null where it stands, as it has a default, and is: the executor finds it when it comes there. */
const isArgument = ({ originalError, message }: GraphQLError): boolean =>
  originalError instanceof GraphQLError && message.startsWith('Argument "');

function withCode(error: GraphQLError, code: ErrorCode): GraphQLError {
  return new GraphQLError(withoutValue(error.message), {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: { ...error.extensions, code },
  });
}

/** In time of its length, as what was sent may be in it. */
function withoutSuggestion(message: string): string {
  const begin = message.indexOf('Did you mean ');
  const end = message.lastIndexOf('?');
  return begin < 0 || end < begin ? message : message.slice(0, begin).trimEnd() + message.slice(end + 1);
}

/** Gives parse and validation errors their codes; with `suggestions: false` they do not tell names of the schema. */
export function useErrorCodes({ suggestions }: { suggestions: boolean }): Plugin<Context> {
  const quiet = (error: GraphQLError) =>
    suggestions
      ? error
      : new GraphQLError(withoutSuggestion(error.message), {
          nodes: error.nodes,
          extensions: error.extensions,
        });
  return {
    onParse:
      () =>
      ({ result, replaceParseResult }) => {
        if (!(result instanceof GraphQLError) || result.extensions.code) return;
        replaceParseResult(withCode(result, 'GRAPHQL_PARSE_FAILED') as never);
      },
    onValidate:
      () =>
      ({ result, setResult }) => {
        if (result.length > 0) {
          setResult(
            result.map((error) =>
              error.extensions?.code ? error : withCode(quiet(error as GraphQLError), 'GRAPHQL_VALIDATION_FAILED'),
            ),
          );
        }
      },
  };
}
