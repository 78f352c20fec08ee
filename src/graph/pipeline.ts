/**
 * The one GraphQL pipeline: authenticate, limits, validation, cost, authorisation, execution, masking. HTTP and SSE come
 * through yoga's handler, WebSocket through the same enveloped functions.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention';
import { type ExecutionResult, GraphQLError, type GraphQLSchema, NoSchemaIntrospectionCustomRule } from 'graphql';
import { type CORSOptions, createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import type { Bus } from '../lib/bus.ts';
import type { ByteBudget } from '../lib/byte-budget.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import { rateHeaders } from '../lib/rates.ts';
import type { Topic } from '../lib/topics.ts';
import type { Services } from '../services.ts';
import { maxBodyBytes, useBoundedBodies } from './bodies.ts';
import { type Context, end } from './context.ts';
import { createDocumentCache } from './document-cache.ts';
import { publicError, refused, useErrorCodes } from './errors.ts';
import { createKeptAnswers } from './kept-answers.ts';
import type { Lifetime } from './lifetime.ts';
import { createLimits, type DocumentLimits } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { createPersistedDocuments, type PersistedDocuments, usePersistedDocuments } from './persisted-documents.ts';
import { createProvenAnswers } from './proven-answers.ts';
import type { RateGate } from './rate-gate.ts';
import { requestIdOf } from './request-id.ts';
import { createShortPath, type Handed, useHanded } from './short-path.ts';
import { createSubscribe } from './subscribe.ts';
import { createPlans, usePlans } from './use-plans.ts';

/** What node:http, and `ws` under it, give a request. */
export interface ServerContext {
  req: IncomingMessage;
  res?: ServerResponse;
  /** Aborts when nobody waits any more, where no request of fetch's tells. */
  signal?: AbortSignal;
  /** Set for an operation over WebSocket, whose headers are those of the socket. */
  socket?: {
    authorization: string | null;
    signal: AbortSignal;
    lifetime: Lifetime | null;
    tellNow: Context['tellNow'];
  };
}

export interface PipelineDeps {
  schema: GraphQLSchema;
  services: Services;
  bus: Bus<Topic>;
  log: Log;
  limits: DocumentLimits;
  introspection: boolean;
  persistedDocuments: { manifest: Manifest; only: boolean };
  corsOrigins: readonly string[];
  callerOf(request: IncomingMessage): Caller;
  gate: RateGate;
  /** Room for bodies that are still coming. */
  unfinished: ByteBudget;
}

type Yoga = YogaServerInstance<ServerContext, Context>;

export interface Pipeline {
  /** Answers one request at `/graphql`. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Which document a request means that comes otherwise. @throws GraphQLError */
  readonly queryOf: PersistedDocuments['queryOf'];
  /** For an operation that comes otherwise. */
  readonly getEnveloped: Yoga['getEnveloped'];
  readonly gate: Pick<RateGate, 'enter'>;
}

const bearer = /^Bearer +([^\s]+)$/i;

/** @throws AppError UNAUTHENTICATED for a header that is not one of ours */
export async function authenticate(services: Services, authorization: string | null): Promise<Viewer | null> {
  if (authorization === null) return null;
  const [, token] = bearer.exec(authorization) ?? [];
  if (!token) throw new AppError('UNAUTHENTICATED', 'The authorization header is not “Bearer TOKEN”');
  return services.bearer(token);
}

type Masked = <R extends ExecutionResult>(result: R, context: Context) => R;

const createMasked =
  (log: Log): Masked =>
  (result, { requestId }) =>
    result.errors
      ? { ...result, errors: result.errors.map((error) => publicError(error, { log, requestId })) }
      : result;

/** Errors of execution, with the request's id; what fails before there is a context is masked by yoga's own hook. */
function useMasking(masked: Masked, log: Log): Plugin<Context> {
  return {
    onExecute: ({ args }) => ({
      onExecuteDone: ({ result, setResult }) => {
        if (!(Symbol.asyncIterator in result)) setResult(masked(result, args.contextValue));
      },
    }),
    onSubscribe: ({ args }) => ({
      onSubscribeResult: ({ result, setResult }) => {
        if (!(Symbol.asyncIterator in result)) setResult(masked(result, args.contextValue));
      },
      onSubscribeError: ({ error, setError }) =>
        setError(publicError(error, { log, requestId: args.contextValue.requestId })),
    }),
  };
}

/** What an operation held for its answer is others' again. */
const useEnds = (): Plugin<Context> => ({
  onExecute: ({ args }) => ({ onExecuteDone: () => end(args.contextValue) }),
});

const useSubscribe = (subscribe: ReturnType<typeof createSubscribe>): Plugin => ({
  onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe as never),
});

/** Asks once more what was asked at the door, where it can be answered. */
const useRateGate = (gate: Pick<RateGate, 'enter'>): Plugin => ({
  async onRequestParse({ serverContext }) {
    const { req, res } = serverContext as unknown as ServerContext;
    try {
      await gate.enter({ request: req, response: res });
    } catch (error) {
      throw error instanceof AppError ? refused(error) : error;
    }
  },
});

const useNoIntrospection = (): Plugin => ({
  onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule),
});

/** A browser asks first before it lets another page send one of these; clients of GraphQL send one or the other. */
const preflightedHeaders = [
  'authorization',
  'graphql-require-preflight',
  'apollo-require-preflight',
  'x-graphql-yoga-csrf',
];

/**
 * A form on another page can send these without asking first; only a header that it cannot send shows that the page may.
 * Reading needs none: GET changes nothing, and no cookie speaks for its sender.
 */
function useSimpleRequestRefusal(): Plugin {
  const { onRequestParse } = useCSRFPrevention({ requestHeaders: preflightedHeaders });
  return {
    onRequestParse(payload) {
      if (payload.request.method === 'GET') return;
      try {
        return onRequestParse?.(payload);
      } catch {
        const message = `A form, or plain text, has to come with one of the headers ${preflightedHeaders.join(', ')}`;
        throw new GraphQLError(message, { extensions: { http: { status: 403 } } });
      }
    },
  };
}

/** An origin that may not call is told nothing: yoga would name it another one, or `null`, which a sandbox is. */
const corsOf =
  (origins: readonly string[]) =>
  ({ headers }: Request): CORSOptions => {
    const origin = headers.get('origin');
    if (origin === null || !origins.includes(origin)) return false;
    return {
      origin: [origin],
      credentials: false,
      methods: ['POST', 'GET'],
      exposedHeaders: ['x-request-id', ...rateHeaders],
    };
  };

/** The one that is made by yoga has a status of HTTP, which one of a socket has not: it is no answer for the other. */
const noErrors = { get: () => undefined, set: () => undefined };

export function createPipeline({
  schema,
  services,
  bus,
  log,
  limits,
  introspection,
  persistedDocuments,
  corsOrigins,
  callerOf,
  gate,
  unfinished,
}: PipelineDeps): Pipeline {
  const plans = createPlans(schema);
  const masked = createMasked(log);
  const subscribe = createSubscribe({
    bus,
    plans,
    masked,
    check: (authorization) => authenticate(services, authorization),
  });
  const handed: Handed = new WeakMap();
  const documents = createPersistedDocuments(persistedDocuments);
  const limiting = createLimits({
    limits,
    suggestions: introspection,
    charge: ({ viewer, caller }, cost) => gate.charge(viewer, caller, cost),
  });
  const contextOf = (request: IncomingMessage, viewer: Viewer | null, signal: AbortSignal): Context => ({
    viewer,
    authorization: request.headers.authorization ?? null,
    lifetime: null,
    services,
    caller: {
      ...callerOf(request),
      ...(viewer && (viewer.key ? { keyId: viewer.key.id } : { userId: viewer.userId })),
    },
    requestId: requestIdOf(request),
    signal,
    tellNow: undefined,
  });
  const yoga = createYoga<ServerContext, Context>({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    batching: false,
    logging: false,
    graphiql: false,
    maxRequestBodySize: maxBodyBytes,
    parserAndValidationCache: { documentCache: createDocumentCache(), errorCache: noErrors },
    cors: corsOf(corsOrigins),
    maskedErrors: { maskError: (error) => publicError(error, { log, requestId: uuidv7() }) },
    plugins: [
      useRateGate(gate),
      useSimpleRequestRefusal(),
      useBoundedBodies({ unfinished, addressOf: (request) => callerOf(request).ipAddress }),
      usePersistedDocuments(documents),
      useErrorCodes({ suggestions: introspection }),
      limiting.plugin,
      ...(introspection ? [] : [useNoIntrospection()]),
      useSubscribe(subscribe),
      useHanded(handed),
      usePlans(plans),
      useEnds(),
      useMasking(masked, log),
    ],
    context: async ({ req, res, socket, signal, request }) => {
      try {
        const authorization = socket ? socket.authorization : (req.headers.authorization ?? null);
        const viewer = await authenticate(services, authorization);
        await gate.admit(viewer, { request: req, response: socket ? undefined : res });
        return {
          ...contextOf(req, viewer, socket?.signal ?? signal ?? request.signal),
          authorization,
          lifetime: socket?.lifetime ?? null,
          tellNow: socket?.tellNow,
        };
      } catch (error) {
        // Under the id that the answer has as its header.
        throw error instanceof AppError ? refused(error) : publicError(error, { log, requestId: requestIdOf(req) });
      }
    },
  });
  const shortPath = createShortPath({
    schema,
    queryOf: documents.queryOf,
    getEnveloped: yoga.getEnveloped,
    contextOf,
    check: limiting.check,
    plans,
    async authenticate(request, response) {
      const viewer = await authenticate(services, request.headers.authorization ?? null);
      await gate.admit(viewer, { request, response });
      return viewer;
    },
    admit: (viewer, request, response) => gate.admit(viewer, { request, response }),
    proven: createProvenAnswers({ moments: services.moments }),
    answers: createKeptAnswers({
      stands: async (viewer, { databases, snapshots }) =>
        (
          await Promise.all([
            services.databases.stillLoads(viewer, databases),
            services.catalog.stillAnswers(snapshots),
          ])
        ).every(Boolean),
    }),
    basisOf(context, { document, operationName }) {
      if (!plans.made(document, operationName)?.kept) return null;
      const databases = services.databases.loadedBy(context);
      const snapshots = services.catalog.snapshotsOf(context);
      return databases && snapshots && { databases, snapshots };
    },
    handed,
  });
  return {
    async handle(request, response) {
      const mayEnter = await gate.enter({ request, response }).then(
        () => true,
        () => false,
      );
      // Who may not is told so by yoga, in its words.
      if (mayEnter && (await shortPath(request, response))) return;
      await yoga(request, response, { req: request, res: response });
    },
    queryOf: documents.queryOf,
    getEnveloped: yoga.getEnveloped,
    gate,
  };
}
