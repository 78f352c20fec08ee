/**
 * Which document a request means that names one: by `documentId`, or by Apollo's `extensions.persistedQuery`. Asked before
 * anything is parsed, in the same words on every transport.
 */
import { hash } from 'node:crypto';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { ErrorCode } from '../lib/errors.ts';
import { createDocumentCache } from './document-cache.ts';
import type { Manifest } from './manifest.ts';

export interface PersistedDocumentsDeps {
  /** Empty where the operator gave none. */
  readonly manifest: Manifest;
  /** Nothing else is executed. */
  readonly only: boolean;
}

/** What of a request says which document it is; nothing of it is believed. */
export interface Naming {
  readonly query?: unknown;
  readonly documentId?: unknown;
  readonly extensions?: unknown;
}

export interface PersistedDocuments {
  /**
   * The text to execute; what the request has as `query` where it names no document.
   * @throws GraphQLError PERSISTED_QUERY_NOT_FOUND; BAD_USER_INPUT for a request that names two; FORBIDDEN for one that
   * brings a document of its own where only persisted ones are executed
   */
  queryOf(request: Naming): unknown;
}

/** The specification's own prefix of an id that is a hash. */
const sha256Prefix = 'sha256:';

export function createPersistedDocuments({ manifest, only }: PersistedDocumentsDeps): PersistedDocuments {
  /** By their hashes: what clients of Apollo's automatic persisted queries have sent once. */
  const registered = createDocumentCache<string>();

  function known(id: string): string | undefined {
    const document = manifest.get(id);
    if (document !== undefined || !id.startsWith(sha256Prefix)) return document;
    return manifest.get(id.slice(sha256Prefix.length));
  }

  return {
    queryOf({ query, documentId, extensions }) {
      // Over WebSocket a request always has a `query`, if only an empty one.
      const own = query === '' || query === null ? undefined : query;
      const hashed = hashOf(extensions);
      if (documentId != null) {
        if (typeof documentId !== 'string') throw wrong('documentId', 'a text');
        if (own !== undefined || hashed !== undefined) throw wrong('documentId', 'not beside another document');
        return known(documentId) ?? notFound();
      }
      if (hashed !== undefined) {
        if (typeof hashed !== 'string') throw wrong('extensions.persistedQuery.sha256Hash', 'a text');
        const document = known(hashed);
        if (own === undefined) return document ?? registered.get(hashed) ?? notFound();
        if (typeof own === 'string' && hash('sha256', own) !== hashed)
          throw wrong('extensions.persistedQuery.sha256Hash', 'not the SHA-256 of the query');
        if (document !== undefined) return document;
        if (!only && typeof own === 'string') registered.set(hashed, own);
      }
      if (only && own !== undefined) {
        throw refusal('FORBIDDEN', 'This server executes persisted documents only: name one by its documentId', 403);
      }
      return query;
    },
  };
}

/** Of Apollo's `persistedQuery`, which has but one version. */
function hashOf(extensions: unknown): unknown {
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } | null };
  return persistedQuery?.sha256Hash ?? undefined;
}

/** `application/json` has its errors with 200, but for what was never a request. */
const refusal = (code: ErrorCode, message: string, status: number, details?: object) =>
  new GraphQLError(message, {
    extensions: { code, ...(details && { details }), http: { status, spec: status === 400 } },
  });

const wrong = (path: string, message: string) =>
  refusal('BAD_USER_INPUT', `${path}: ${message}`, 400, { fields: [{ path, message }] });

function notFound(): never {
  // Clients that send the text when a hash is not known go by these very words.
  throw refusal('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound', 400);
}

/** For what comes through yoga: by POST, GET, SSE or multipart. */
export const usePersistedDocuments = ({ queryOf }: PersistedDocuments): Plugin => ({
  onRequestParse: ({ request }) => ({
    onRequestParseDone({ requestParserResult, setRequestParserResult }) {
      // A batch is refused as what it is.
      if (typeof requestParserResult !== 'object' || Array.isArray(requestParserResult)) return;
      const { documentId, ...params } = requestParserResult as Naming & typeof requestParserResult;
      const named = documentId ?? (request.method === 'GET' ? inAddress(request.url) : undefined);
      const query = queryOf({ ...params, documentId: named });
      if (query !== params.query || documentId !== undefined) {
        setRequestParserResult({ ...params, query: query as string });
      }
    },
  }),
});

const inAddress = (url: string) => new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('documentId') ?? undefined;
