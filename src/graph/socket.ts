/**
 * graphql-transport-ws over the same pipeline as HTTP. A socket belongs to one user: the token of `connection_init`, of a
 * `subscribe` (`extensions.headers.authorization`, as GraphiQL sends it) or of a `ping` that renews it.
 */
import type { IncomingMessage, Server } from 'node:http';
import {
  type ExecutionArgs,
  type execute,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  getOperationAST,
  type subscribe,
} from 'graphql';
import { CloseCode, type Context as SocketContext, type SubscribePayload } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Viewer } from '../accounts/viewer.ts';
import type { Bus } from '../lib/bus.ts';
import type { ByteBudget } from '../lib/byte-budget.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { onAborted } from '../lib/on-aborted.ts';
import type { Topic } from '../lib/topics.ts';
import type { Services } from '../services.ts';
import { publicError } from './errors.ts';
import { JsonData } from './json-data.ts';
import { createLifetimes, type Lifetime } from './lifetime.ts';
import { authenticate, type Pipeline } from './pipeline.ts';
import { headOf, TellingSocket } from './telling-socket.ts';

export interface SocketDeps {
  server: Server;
  pipeline: Pipeline;
  services: Services;
  bus: Bus<Topic>;
  log: Log;
  /** Origins beside the server's own that a browser may connect from. */
  corsOrigins: readonly string[];
  /** Of the header `Host`: false where another server is meant. */
  isOwnHost(header: string | undefined): boolean;
  /** Room for messages that are still coming. */
  unfinished: ByteBudget;
  addressOf(request: IncomingMessage): string | null;
}

/** A message of more ends the socket. */
const maxMessageBytes = 1_000_000;
const keepAliveMs = 12_000;
/** Operations of one socket at once. */
const maxOperations = 500;
const closeMs = 3_000;
/** A close code that clients do not take for the end: https://www.iana.org/assignments/websocket */
const tryAgainLater = 1013;

type Extra = {
  socket: TellingSocket;
  request: IncomingMessage;
};

/** What a socket may do now. */
interface Held {
  viewer: Viewer | null;
  authorization: string | null;
  lifetime: Lifetime;
  operations: Map<string, Operation>;
}

interface Operation {
  /** Ends what it waits for. */
  readonly ended: AbortController;
  /** Resolves when it is gone on with no longer. Only who has its id next waits for it. */
  readonly gone: PromiseWithResolvers<void>;
  /** What it waits for before it begins: that the one of its id before is gone. */
  before: Promise<void> | null;
  /** Its id is another's. */
  replaced: boolean;
}

type Connection = SocketContext<Record<string, unknown>, Extra>;

function sameOrigin({ headers }: IncomingMessage): boolean {
  // Only browsers send it; other clients hold a token or nothing.
  return headers.origin === undefined || URL.parse(headers.origin)?.host === headers.host;
}

function authorizationOf(value: unknown): string | null {
  const authorization = (value as { authorization?: unknown } | null | undefined)?.authorization;
  return typeof authorization === 'string' ? authorization : null;
}

export function startSocket({
  server,
  pipeline,
  services,
  bus,
  log,
  corsOrigins,
  isOwnHost,
  unfinished,
  addressOf,
}: SocketDeps): Service {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    WebSocket: TellingSocket,
  });
  const held = new WeakMap<TellingSocket, Held>();
  const operationOf = new WeakMap<SubscribePayload, Operation>();
  const check = (authorization: string) => authenticate(services, authorization);
  const beginLifetime = createLifetimes({ bus, check });
  // 4403: 4401 would stop clients from connecting again with a new token.
  const forbid = ({ extra }: Connection) => extra.socket.close(CloseCode.Forbidden, 'Forbidden');
  /** Each time somebody shows a token is a request. False: the socket is closed, and its client comes again later. */
  const mayEnter = async ({ extra }: Connection): Promise<boolean> => {
    try {
      await pipeline.gate.enter({ request: extra.request, response: undefined });
      return true;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      extra.socket.close(tryAgainLater, 'Too many requests');
      return false;
    }
  };

  server.on('upgrade', (request: IncomingMessage, socket, head) => {
    socket.on('error', () => socket.destroy());
    const refuse = (status: string) =>
      void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    if (request.url?.split('?')[0] !== '/graphql') return refuse('404 Not Found');
    if (!isOwnHost(request.headers.host)) return refuse('421 Misdirected Request');
    if (!sameOrigin(request) && !corsOrigins.includes(request.headers.origin ?? '')) return refuse('403 Forbidden');
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.tellsOver(socket);
      const address = addressOf(request) ?? '';
      client.hearsOver(socket, (end) => unfinished.hold(address, maxMessageBytes, end));
      sockets.emit('connection', client, request);
    });
  });

  async function connect(connection: Connection): Promise<boolean> {
    const authorization = authorizationOf(connection.connectionParams);
    if (!(await mayEnter(connection))) return false;
    try {
      const viewer = await authenticate(services, authorization);
      const { socket } = connection.extra;
      // Nobody would end the lifetime of one that is gone.
      if (socket.readyState !== socket.OPEN) return false;
      const lifetime = beginLifetime();
      lifetime.ended.addEventListener('abort', () => forbid(connection));
      held.set(socket, {
        viewer,
        authorization,
        lifetime,
        operations: new Map(),
      });
      if (viewer && authorization) lifetime.renew(viewer, authorization);
      return true;
    } catch (error) {
      if (error instanceof AppError) return false; // Closes with 4403.
      throw error;
    }
  }

  /** For the same user, with the same API key or none: what is open was authorised so, and ends with it. */
  async function renew(connection: Connection, authorization: string): Promise<void> {
    if (!(await mayEnter(connection))) return;
    const state = held.get(connection.extra.socket);
    const viewer = await check(authorization).catch(() => null);
    if (!state || !viewer || (state.viewer && !speaksFor(state.viewer, viewer))) return forbid(connection);
    Object.assign(state, { viewer, authorization });
    state.lifetime.renew(viewer, authorization);
  }

  async function prepare(
    connection: Connection,
    id: string,
    params: SubscribePayload,
  ): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const state = held.get(connection.extra.socket)!;
    const own = authorizationOf((params.extensions as { headers?: unknown } | null | undefined)?.headers);
    if (state.operations.size >= maxOperations) {
      const error = new AppError('LIMIT_EXCEEDED', `At most ${maxOperations} operations on one socket`, {
        details: { limit: maxOperations, actual: state.operations.size + 1 },
      });
      return [publicError(error, { log, requestId: uuidv7() })];
    }
    const operation = enter(state, id, params);
    const { ended } = operation;
    if (operation.before) {
      await eitherOf(operation.before, ended.signal);
      operation.before = null;
      // Completed, replaced, or without its socket by now.
      if (ended.signal.aborted || !(id in connection.subscriptions)) {
        finish(connection, id, params);
        return heldForEver();
      }
    }
    const messageHead = headOf(id);
    const { socket: wire } = connection.extra;
    const socket = {
      authorization: own ?? state.authorization,
      // A token of the operation's own decides for it alone.
      lifetime: own === null ? state.lifetime : null,
      signal: ended.signal,
      tellNow: ({ result }: JsonData) => wire.tellNow(messageHead, result),
    };
    try {
      await pipeline.gate.enter({ request: connection.extra.request, response: undefined });
      const enveloped = pipeline.getEnveloped({ req: connection.extra.request, socket, params: params as never });
      const document = enveloped.parse(pipeline.queryOf(params));
      const errors = enveloped.validate(enveloped.schema, document);
      if (errors.length > 0) {
        finish(connection, id, params);
        return errors as GraphQLError[];
      }
      if (!getOperationAST(document, params.operationName)) {
        finish(connection, id, params);
        return [noOperation()];
      }
      return {
        schema: enveloped.schema,
        document,
        operationName: params.operationName ?? null,
        variableValues: params.variables ?? null,
        contextValue: await enveloped.contextFactory(),
        rootValue: enveloped,
      };
    } catch (error) {
      // A document that does not parse, a token that does not hold: the operation's error, not the socket's end.
      finish(connection, id, params);
      return [publicError(error, { log, requestId: uuidv7() })];
    }
  }

  /** An id is free again as soon as its operation is completed, which may be still ending then. */
  function enter({ operations }: Held, id: string, params: SubscribePayload): Operation {
    const predecessor = operations.get(id);
    const operation: Operation = {
      ended: new AbortController(),
      gone: Promise.withResolvers(),
      // One that has not begun has nothing to end.
      before: predecessor ? (predecessor.before ?? predecessor.gone.promise) : null,
      replaced: false,
    };
    operations.set(id, operation);
    operationOf.set(params, operation);
    if (predecessor) predecessor.replaced = true;
    predecessor?.ended.abort();
    return operation;
  }

  /**
   * graphql-ws tells operations apart by their ids alone: one that is replaced would take the next for itself, answer in
   * its name and end it. So it is held wherever graphql-ws would look.
   * @returns null for any other
   */
  function heldIfReplaced(params: SubscribePayload): Promise<never> | null {
    const operation = operationOf.get(params);
    if (!operation?.replaced) return null;
    operation.gone.resolve();
    return heldForEver();
  }

  function finish(connection: Connection, id: string, params: SubscribePayload): void {
    const operations = held.get(connection.extra.socket)?.operations;
    const operation = operationOf.get(params);
    if (operation && operations?.get(id) === operation) operations.delete(id);
    operation?.ended.abort();
  }

  function close(connection: Connection): void {
    const state = held.get(connection.extra.socket);
    state?.lifetime[Symbol.dispose]();
    for (const operation of state?.operations.values() ?? []) operation.ended.abort();
  }

  const transport = useServer<Record<string, unknown>, Extra>(
    {
      execute: (args) => (args as unknown as EnvelopedArgs).rootValue.execute(args),
      subscribe: (args) => (args as unknown as EnvelopedArgs).rootValue.subscribe(args),
      onConnect: connect,
      onPing: (connection, payload) => {
        const authorization = authorizationOf(payload);
        return authorization === null ? undefined : renew(connection, authorization);
      },
      onSubscribe: async (connection, id, params) => {
        const prepared = await prepare(connection, id, params);
        return heldIfReplaced(params) ?? prepared;
      },
      onOperation: (_connection, _id, params, _args, result) => {
        const hold = heldIfReplaced(params);
        // graphql-ws does not know this stream yet: nobody else ends it.
        if (hold && 'return' in result) void result.return(undefined);
        return hold ?? undefined;
      },
      onError: (_connection, _id, params, errors) => heldIfReplaced(params) ?? errors.map(told),
      onNext: ({ extra }, id, params, _args, { errors, data, ...result }) => {
        const hold = heldIfReplaced(params);
        if (hold) return hold;
        if (errors) return { errors: errors.map(told), data, ...result } as FormattedExecutionResult;
        return data instanceof JsonData ? (extra.socket.tell(id, data.result) as never) : undefined;
      },
      onComplete: (connection, id, params) => heldIfReplaced(params) ?? finish(connection, id, params),
      onClose: close,
    },
    sockets,
    keepAliveMs,
  );

  return {
    async stop() {
      // Whoever does not answer the close is not waited for.
      const force = setTimeout(() => {
        for (const client of sockets.clients) client.terminate();
      }, closeMs);
      await transport.dispose();
      clearTimeout(force);
    },
  };
}

/** Nobody holds what waits for it, so that it is collected; one promise for all of them would hold them. */
const heldForEver = (): Promise<never> => new Promise(() => undefined);

/** Resolves with the promise, or when the signal aborts. */
const eitherOf = (promise: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    void promise.then(resolve);
    onAborted(signal, resolve);
  });

const speaksFor = (before: Viewer, now: Viewer): boolean =>
  before.userId === now.userId && before.key?.id === now.key?.id;

/** In the words of HTTP. */
const noOperation = (): GraphQLError =>
  new GraphQLError('Could not determine what operation to execute.', { extensions: { code: 'BAD_USER_INPUT' } });

/** As over HTTP, where the status that an error asks for is the response's, and no part of what is told. */
function told(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...formatted } = error.toJSON();
  const { http: _status, ...kept } = extensions ?? {};
  return Object.keys(kept).length === 0 ? formatted : { ...formatted, extensions: kept };
}

interface EnvelopedArgs {
  rootValue: { execute: typeof execute; subscribe: typeof subscribe };
}
