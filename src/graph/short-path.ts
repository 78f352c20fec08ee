/**
 * The way that most requests take: a query as JSON by POST, from a client that is no other page, goes through the same
 * pipeline without the emulation of fetch around it; where it came before and has a plan, without what is the same each
 * time. Whatever is not that, or does not end in plain data, is yoga's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DocumentNode, type ExecutionResult, type GraphQLSchema, getOperationAST } from 'graphql';
import type { GraphQLParams, Plugin } from 'graphql-yoga';
import type { Viewer } from '../accounts/viewer.ts';
import type { Context } from './context.ts';
import { createDocumentCache } from './document-cache.ts';
import { JsonData } from './json-data.ts';
import type { Basis, KeptAnswers } from './kept-answers.ts';
import type { Limits } from './limits.ts';
import type { PersistedDocuments } from './persisted-documents.ts';
import type { Pipeline, ServerContext } from './pipeline.ts';
import type { ProvenAnswers } from './proven-answers.ts';
import type { Plans } from './use-plans.ts';

export interface ShortPathDeps {
  readonly schema: GraphQLSchema;
  readonly queryOf: PersistedDocuments['queryOf'];
  readonly getEnveloped: Pipeline['getEnveloped'];
  /** Of whoever was authenticated and admitted. */
  contextOf(request: IncomingMessage, viewer: Viewer | null, signal: AbortSignal): Context;
  readonly check: Limits['check'];
  readonly plans: Pick<Plans, 'made'>;
  /** @throws AppError UNAUTHENTICATED, RATE_LIMITED */
  authenticate(request: IncomingMessage, response: ServerResponse): Promise<Viewer | null>;
  /** Counts what a viewer asks who was known before. @throws AppError RATE_LIMITED */
  admit(viewer: Viewer, request: IncomingMessage, response: ServerResponse): Promise<void>;
  readonly answers: KeptAnswers;
  readonly proven: ProvenAnswers;
  /** What the answer of this operation was made of; null where that is not known, or moves. */
  basisOf(
    context: Context,
    operation: { document: DocumentNode; operationName: string | null | undefined },
  ): Basis | null;
  readonly handed: Handed;
}

/** Results that yoga has but to send, by their request. */
export type Handed = WeakMap<IncomingMessage, ExecutionResult>;

/** True when it was answered; otherwise the request, whose body may be in its `body` by now, is yoga's. */
export type ShortPath = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

/** A longer one takes so long that the way to it does not matter. */
const maxBodyBytes = 65_536;

type Query = GraphQLParams & { query: string };

interface Asking {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly viewer: Viewer | null;
  readonly signal: AbortSignal;
}

interface Executed {
  readonly result: ExecutionResult;
  readonly context: Context;
  readonly document: DocumentNode;
}

export function createShortPath({
  schema,
  queryOf,
  getEnveloped,
  contextOf,
  check,
  plans,
  authenticate,
  admit,
  answers,
  proven,
  basisOf,
  handed,
}: ShortPathDeps): ShortPath {
  /** By their texts, documents that were parsed and validated: the next time both would say the same. */
  const valid = createDocumentCache<DocumentNode>();

  async function executed(params: Query, asking: Asking): Promise<Executed | null> {
    const { query, variables, operationName } = params;
    const known = valid.get(query);
    const plan = known && isQuery(known, operationName) ? plans.made(known, operationName) : null;
    if (!known || !plan) return await executedWhole(params, asking, null);
    const context = contextOf(asking.request, asking.viewer, asking.signal);
    context.reads = true;
    const operation = { schema, document: known, operationName, variableValues: variables, contextValue: context };
    const fault = await check(operation);
    if (fault) return { result: { errors: [fault] }, context, document: known };
    const text = await plan.run(operation);
    if (text === null) return await executedWhole(params, asking, context);
    return { result: { data: new JsonData(text) as never }, context, document: known };
  }

  /** @param begun the context of what was begun otherwise, and goes on */
  async function executedWhole(
    params: Query,
    { request, response, signal }: Asking,
    begun: Context | null,
  ): Promise<Executed | null> {
    const { query, variables, operationName } = params;
    const server: ServerContext = { req: request, res: response, signal };
    const enveloped = getEnveloped({ ...server, params } as never);
    const document = enveloped.parse(query);
    if (!isQuery(document, operationName)) return null;
    if (enveloped.validate(enveloped.schema, document).length > 0) return null;
    valid.set(query, document);
    const context = begun ?? ((await enveloped.contextFactory()) as Context);
    const result = await enveloped.execute({
      schema: enveloped.schema,
      document,
      contextValue: context,
      variableValues: variables,
      operationName,
    });
    return { result, context, document };
  }

  return async (request, response) => {
    const mediaType = isPlain(request) ? mediaTypeOf(request.headers.accept) : null;
    if (mediaType === null) return false;
    const body = await bodyOf(request);
    if (body === null) return true;
    // For yoga, should it come to that: a stream is read once.
    Object.assign(request, { body });
    const question = body.toString();
    try {
      const { authorization } = request.headers;
      const asked = authorization === undefined ? null : await proven.ask(authorization, question);
      if (asked?.proven) {
        await admit(asked.proven.viewer, request, response);
        send(response, mediaType, asked.proven.answer);
        return true;
      }
      const viewer = await authenticate(request, response);
      const kept = viewer && (await answers.find(viewer, question));
      if (kept) {
        send(response, mediaType, kept);
        asked?.prove({ viewer, answer: kept });
        return true;
      }
      const params = paramsOf(question, queryOf);
      const done = params && (await executed(params, { request, response, viewer, signal: closingOf(response) }));
      if (!done) return false;
      const { result, context, document } = done;
      if (result.errors || result.extensions || !result.data) {
        handed.set(request, result);
        return false;
      }
      const { data } = result;
      const answer = data instanceof JsonData ? data.result : Buffer.from(JSON.stringify(result));
      send(response, mediaType, answer);
      // What is asked but once need not be kept.
      const basis = viewer && asked?.again && basisOf(context, { document, operationName: params.operationName });
      if (basis) answers.keep(viewer, question, answer, basis);
      return true;
    } catch (error) {
      if (response.headersSent) throw error;
      // Refused before it was executed: yoga comes to the same, and says so in its own words. Unless nobody listens.
      return response.destroyed;
    }
  };
}

/** Lets yoga send what was executed on the short path. */
export const useHanded = (handed: Handed): Plugin => ({
  onParams({ context, setResult }) {
    const result = handed.get((context as unknown as ServerContext).req);
    if (result) setResult(result);
  },
});

const isQuery = (document: DocumentNode, operationName: string | null | undefined): boolean =>
  getOperationAST(document, operationName)?.operation === 'query';

/** No page of another origin, no form, no packed or endless body. */
function isPlain({ method, headers }: IncomingMessage): boolean {
  const type = headers['content-type'];
  const length = headers['content-length'];
  return (
    method === 'POST' &&
    (type === 'application/json' || type === 'application/json; charset=utf-8') &&
    headers.origin === undefined &&
    headers['content-encoding'] === undefined &&
    headers.expect === undefined &&
    length !== undefined &&
    /^\d{1,5}$/.test(length) &&
    Number(length) <= maxBodyBytes
  );
}

const answered = ['application/graphql-response+json', 'application/json'];

/** As yoga chooses: the first that fits, whatever its weight; null for what asks for more. */
function mediaTypeOf(accept = '*/*'): string | null {
  if (accept.includes('charset')) return null;
  for (const part of accept.toLowerCase().split(',')) {
    const type = part.split(';')[0]?.trim() ?? '';
    if (answered.includes(type)) return type;
    if (type === '*/*' || type === 'application/*') return 'application/json';
  }
  return null;
}

/** Null where it does not come whole. */
function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.once('error', () => resolve(null));
    request.once('close', () => resolve(null));
  });
}

const known: ReadonlySet<string> = new Set(['query', 'documentId', 'variables', 'operationName', 'extensions']);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Null for what yoga would refuse. @throws GraphQLError where the document is none that may be executed */
function paramsOf(text: string, queryOf: ShortPathDeps['queryOf']): Query | null {
  const params: unknown = JSON.parse(text);
  if (!isObject(params) || Object.keys(params).some((key) => !known.has(key))) return null;
  const { variables, operationName, extensions } = params;
  const query = queryOf(params);
  if (typeof query !== 'string' || (extensions != null && !isObject(extensions))) return null;
  if (variables != null && !isObject(variables)) return null;
  if (operationName != null && typeof operationName !== 'string') return null;
  return { query, ...(variables && { variables }), ...(operationName != null && { operationName }) };
}

/** Aborts when nobody waits for the answer any more. */
function closingOf(response: ServerResponse): AbortSignal {
  const closing = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) closing.abort();
  });
  return closing.signal;
}

function send(response: ServerResponse, mediaType: string, answer: Buffer): void {
  response
    .writeHead(200, { 'content-type': `${mediaType}; charset=utf-8`, 'content-length': answer.length })
    .end(answer);
}
