/** A schema of a test's own behind the whole pipeline, over HTTP and WebSocket, without limits of rate and without a database. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Caller } from '../../src/accounts/viewer.ts';
import { documentLimits } from '../../src/graph/limits.ts';
import { createPipeline, type PipelineDeps } from '../../src/graph/pipeline.ts';
import { createRateGate } from '../../src/graph/rate-gate.ts';
import { startSocket } from '../../src/graph/socket.ts';
import type { ByteBudget } from '../../src/lib/byte-budget.ts';
import { silent } from '../support/metadata.ts';

export interface BareGraphDeps extends Pick<PipelineDeps, 'schema' | 'services' | 'bus'> {
  callerOf(request: IncomingMessage): Caller;
  unfinished: ByteBudget;
}

export async function startBareGraph({ schema, services, bus, callerOf, unfinished }: BareGraphDeps) {
  const server = createServer();
  const pipeline = createPipeline({
    schema,
    services,
    bus,
    log: silent,
    limits: documentLimits,
    introspection: true,
    persistedDocuments: { manifest: new Map(), only: false },
    corsOrigins: [],
    callerOf,
    gate: createRateGate({ limits: { address: 0, user: 0, key: 0, cost: 0 }, callerOf }),
    unfinished,
  });
  server.on('request', (request, response) => void pipeline.handle(request, response));
  const addressOf = (request: IncomingMessage) => callerOf(request).ipAddress;
  const isOwnHost = () => true;
  const door = { server, pipeline, services, bus, log: silent, corsOrigins: [] };
  const sockets = startSocket({ ...door, isOwnHost, unfinished, addressOf });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await sockets.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}
