/** One port: GraphQL over HTTP, SSE and WebSocket, GraphiQL, files, health, readiness, metrics and the keys of the tokens. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, BlockList } from 'node:net';
import type { Caller } from './accounts/viewer.ts';
import { createAuditRoute } from './audit/routes.ts';
import { maxUnfinishedBytes } from './graph/bodies.ts';
import { createGraphiql, type GraphiqlTab, graphiqlPolicy } from './graph/graphiql.ts';
import type { DocumentLimits } from './graph/limits.ts';
import type { Manifest } from './graph/manifest.ts';
import { authenticate, createPipeline } from './graph/pipeline.ts';
import { createRateGate, type RateGateDeps, type RateLimits } from './graph/rate-gate.ts';
import { requestIdOf } from './graph/request-id.ts';
import { createSchema } from './graph/schema.ts';
import { startSocket } from './graph/socket.ts';
import type { Bus } from './lib/bus.ts';
import { createByteBudget } from './lib/byte-budget.ts';
import { clientAddress } from './lib/client-address.ts';
import type { Service } from './lib/lifecycle.ts';
import type { Log } from './lib/log.ts';
import { createOwnHost } from './lib/own-host.ts';
import type { Topic } from './lib/topics.ts';
import { version } from './lib/version.ts';
import type { Metrics } from './metrics.ts';
import type { Services } from './services.ts';

export interface ServerDeps {
  services: Services;
  bus: Bus<Topic>;
  log: Log;
  limits: DocumentLimits;
  metrics: Metrics;
  /** Empty for none: GraphiQL is then not served. */
  graphiqlTabs: readonly GraphiqlTab[] | null;
  introspection: boolean;
  persistedDocuments: { manifest: Manifest; only: boolean };
  corsOrigins: readonly string[];
  trustProxy: BlockList;
  rateLimits: RateLimits;
  /** Of all replicas; null: each counts for itself. */
  sharedRates: RateGateDeps['shared'] | null;
  host: string;
  port: number;
  /** Of https where clients come by TLS, which a proxy ends. */
  publicUrl: URL;
  /** What does not answer, by name; empty when all is well. */
  readiness(): Promise<string[]>;
}

export interface RunningServer extends Service {
  readonly port: number;
}

/** A request that has not ended when the server stops may take so long. */
const drainMs = 10_000;
/** Headers that come slower than this are an attack or a broken client. */
const headersTimeoutMs = 15_000;
const requestTimeoutMs = 300_000;

/** Of what is no page: nothing of it runs or is shown in a frame, whatever a browser takes it for. */
const dataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/** Browsers come by TLS alone for a year; for this host, as of others below it nothing is known here. */
const hstsSeconds = 31_536_000;
/** Of an address: beside what a browser accepts, a document to execute. */
const asksSomething = /[?&](query|documentId|extensions)=/;

export async function startServer(deps: ServerDeps): Promise<RunningServer> {
  const { services, bus, log, metrics, trustProxy, corsOrigins } = deps;
  const from = (request: IncomingMessage) => callerOf(request, trustProxy);
  const unfinished = createByteBudget(maxUnfinishedBytes);
  const gate = createRateGate({
    limits: deps.rateLimits,
    callerOf: from,
    shared: deps.sharedRates,
  });
  const pipeline = createPipeline({
    schema: createSchema(),
    services,
    bus,
    log,
    limits: deps.limits,
    introspection: deps.introspection,
    persistedDocuments: deps.persistedDocuments,
    corsOrigins,
    callerOf: from,
    gate,
    unfinished,
  });
  const isOwnHost = createOwnHost(deps);
  const graphiql = deps.graphiqlTabs && createGraphiql(deps.graphiqlTabs);

  const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void> | void> = {
    '/health': (_request, response) => sendJson(response, 200, { status: 'ok', version }),
    '/ready': async (_request, response) => {
      const failing = await deps.readiness();
      sendJson(response, failing.length > 0 ? 503 : 200, {
        status: failing.length > 0 ? 'unavailable' : 'ok',
        failing,
      });
    },
    '/metrics': async (_request, response) => {
      const { contentType, text } = await metrics.read();
      response.writeHead(200, { 'content-type': contentType }).end(text);
    },
    '/audit': createAuditRoute({
      auditLog: services.auditLog,
      async admit(request, response) {
        await gate.enter({ request, response });
        const viewer = await authenticate(services, request.headers.authorization ?? null);
        await gate.admit(viewer, { request, response });
        return viewer;
      },
      callerOf: from,
    }),
    '/.well-known/jwks.json': async (_request, response) => {
      response.setHeader('cache-control', 'public, max-age=300');
      sendJson(response, 200, await services.accounts.jwks());
    },
  };

  async function graphql(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (
      graphiql &&
      request.method === 'GET' &&
      !asksSomething.test(request.url ?? '') &&
      request.headers.accept?.includes('text/html')
    ) {
      const { html, gzipped, etag } = await graphiql();
      response.setHeader('content-security-policy', graphiqlPolicy);
      response.setHeader('etag', etag);
      response.setHeader('cache-control', 'no-cache');
      response.appendHeader('vary', 'accept, accept-encoding');
      if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
      const packed = request.headers['accept-encoding']?.includes('gzip') ?? false;
      if (packed) response.setHeader('content-encoding', 'gzip');
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(packed ? gzipped : html);
      return;
    }
    await pipeline.handle(request, response);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('x-request-id', requestIdOf(request));
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('referrer-policy', 'no-referrer');
    response.setHeader('cross-origin-resource-policy', corsOrigins.length > 0 ? 'cross-origin' : 'same-origin');
    response.setHeader('content-security-policy', dataPolicy);
    response.setHeader('x-frame-options', 'DENY');
    if (deps.publicUrl.protocol === 'https:') response.setHeader('strict-transport-security', `max-age=${hstsSeconds}`);
    if (corsOrigins.length > 0) response.setHeader('vary', 'origin');
    if (!isOwnHost(request.headers.host)) {
      return sendJson(response, 421, { error: 'this server is not known by that name: PUBLIC_URL is to name it' });
    }
    const path = request.url?.split('?')[0] ?? '/';
    if (path.startsWith('/files/')) {
      const enter = () => gate.enter({ request, response });
      return services.fileRoutes.handle(request, response, { caller: from(request), enter });
    }
    endSlowBody(request);
    if (path === '/graphql') return graphql(request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return sendJson(response, 405, { error: 'method not allowed' });
    }
    if (path === '/' && graphiql) return void response.writeHead(302, { location: '/graphql' }).end();
    const route = routes[path];
    return route ? route(request, response) : sendJson(response, 404, { error: 'not found' });
  }

  const server = createServer(
    // A file may take hours, as long as it comes: its routes look after that themselves.
    { headersTimeout: headersTimeoutMs, requestTimeout: 0 },
    (request, response) => {
      const done = metrics.request();
      response.once('close', () => done(response.statusCode));
      handle(request, response).catch((error) => {
        const requestId = requestIdOf(request);
        log.error({ requestId, err: error }, 'request.failed');
        if (!response.headersSent) sendJson(response, 500, { error: 'internal', requestId });
        else response.destroy();
      });
    },
  );
  const socket = startSocket({
    server,
    pipeline,
    services,
    bus,
    log,
    corsOrigins,
    isOwnHost,
    unfinished,
    addressOf: (request) => from(request).ipAddress,
  });
  const port = await listen(server, deps);

  return {
    port,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      const force = setTimeout(() => server.closeAllConnections(), drainMs);
      await socket.stop();
      server.closeIdleConnections();
      await closed;
      clearTimeout(force);
      await gate.stop();
    },
  };
}

/** For a body that does not come. */
function endSlowBody(request: IncomingMessage): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.complete || request.destroy(), requestTimeoutMs).unref();
  request.once('close', () => clearTimeout(timer));
}

async function listen(server: Server, { host, port }: Pick<ServerDeps, 'host' | 'port'>): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

function callerOf({ headers, socket }: IncomingMessage, trustProxy: BlockList): Caller {
  const addresses = { remote: socket.remoteAddress ?? '', forwardedFor: String(headers['x-forwarded-for'] ?? '') };
  return { ipAddress: clientAddress(addresses, trustProxy), userAgent: headers['user-agent']?.slice(0, 500) ?? null };
}
