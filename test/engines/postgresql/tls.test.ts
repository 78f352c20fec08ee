/** The five SSL modes against servers that offer TLS, refuse it, or show a certificate that proves nothing. */
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine, SslMode, Target } from '../../../src/engines/engine.ts';
import { createEgress } from '../../../src/lib/egress.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { type Certificate, createAuthority } from '../../support/certificates.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, rowsOf, untilEvent } from '../../support/describe-engine.ts';
import { openSession, postgresql, targetOf } from './support.ts';

const authority = createAuthority('Test Root');
const stranger = createAuthority('Somebody Else');

let database: TestDatabase;
let engine: Engine;
const servers: Server[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  engine = postgresql({
    dial: createEgress({
      allowPrivateHosts: ['127.0.0.1/32'],
      denied: () => [],
      resolve: async () => [{ address: '127.0.0.1' }],
    }),
  });
});
afterAll(async () => {
  for (const server of servers) server.close();
  await database?.[Symbol.asyncDispose]();
});

/** The real server, with TLS put before it: `answer` is what it says when it is asked for TLS. */
async function startServer(certificate: Certificate, answer = 'S'): Promise<{ port: number; encrypted: () => number }> {
  let encrypted = 0;
  const server = createServer({ noDelay: true }, (client) => {
    client.on('error', () => {});
    client.once('data', (first) => {
      client.pause();
      if (first.length !== 8) return forward(client, first, database.port);
      client.write(answer);
      if (answer !== 'S') return answer === 'N' ? forward(client, null, database.port) : client.resume();
      encrypted++;
      const { certificate: cert, key } = certificate;
      forward(new TLSSocket(client, { isServer: true, cert, key }), null, database.port);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, encrypted: () => encrypted };
}

function forward(client: Socket, first: Buffer | null, port: number): void {
  const upstream = connectTcp({ port, host: '127.0.0.1', noDelay: true });
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
  if (first !== null) upstream.write(first);
  client.pipe(upstream).pipe(client);
  client.resume();
}

const target = (port: number, ssl: SslMode, changes: Partial<Target> = {}): Target =>
  targetOf(database, { host: 'db.example', port, ssl, sslRootCertificate: authority.certificate, ...changes });

async function answers(to: Target): Promise<unknown> {
  await using session = await openSession(to, engine);
  return rowsOf(await collect(session, 'select 1'));
}

async function failure(to: Target): Promise<AppError> {
  const error = await openSession(to, engine).catch((error: unknown) => error);
  if (!(error instanceof AppError)) throw new Error(`let in: ${String(error)}`);
  expect(error.code).toBe('CONNECTION_FAILED');
  return error;
}

describe('a server that offers TLS with a good certificate', () => {
  test.each<SslMode>(['PREFER', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'])('is reached encrypted by %s', async (ssl) => {
    const { port, encrypted } = await startServer(authority.issue(['db.example']));
    expect(await answers(target(port, ssl))).toEqual([[1]]);
    expect(encrypted()).toBe(1);
    expect(
      (await engine.probe(target(port, ssl), { signal: AbortSignal.timeout(10_000) })).problems,
    ).not.toContainEqual(expect.objectContaining({ code: 'NO_TLS' }));
  });

  test('is reached in clear by DISABLE, and the probe warns of it', async () => {
    const { port, encrypted } = await startServer(authority.issue(['db.example']));
    expect(await answers(target(port, 'DISABLE'))).toEqual([[1]]);
    const { problems } = await engine.probe(target(port, 'DISABLE'), { signal: AbortSignal.timeout(10_000) });
    expect(problems).toContainEqual(expect.objectContaining({ code: 'NO_TLS' }));
    expect(encrypted()).toBe(0);
  });

  test('is asked over TLS to cancel, too', async () => {
    const { port, encrypted } = await startServer(authority.issue(['db.example']));
    await using session = await openSession(target(port, 'VERIFY_FULL'), engine);
    const running = `do $$ begin raise notice 'it runs'; perform pg_sleep(600); end $$`;
    const { ended } = await untilEvent(session, running, 'notice');
    await session.cancel();
    await expect(ended).rejects.toMatchObject({ fault: { code: 'CANCELLED' } });
    expect(encrypted()).toBe(2);
  });

  test('is known by its address where the target names one', async () => {
    const { port } = await startServer(authority.issue(['127.0.0.1']));
    expect(await answers(target(port, 'VERIFY_FULL', { host: '127.0.0.1' }))).toEqual([[1]]);
    const other = await startServer(authority.issue(['127.0.0.2']));
    expect((await failure(target(other.port, 'VERIFY_FULL', { host: '127.0.0.1' }))).details?.reason).toBe('TLS');
  });
});

describe('a certificate', () => {
  test('of another host passes VERIFY_CA and not VERIFY_FULL', async () => {
    const { port } = await startServer(authority.issue(['other.example']));
    expect(await answers(target(port, 'VERIFY_CA'))).toEqual([[1]]);
    expect((await failure(target(port, 'VERIFY_FULL'))).details).toMatchObject({
      reason: 'TLS',
      hint: expect.stringContaining('another host name'),
    });
  });

  test.each<SslMode>(['VERIFY_CA', 'VERIFY_FULL'])('of an unknown authority does not pass %s', async (ssl) => {
    const { port } = await startServer(stranger.issue(['db.example']));
    const expected = { reason: 'TLS', hint: expect.stringContaining('root certificate') };
    expect((await failure(target(port, ssl))).details).toMatchObject(expected);
    // Without a root of its own, those of the system decide.
    expect((await failure(target(port, ssl, { sslRootCertificate: undefined }))).details).toMatchObject(expected);
  });

  test('that has expired does not pass VERIFY_CA', async () => {
    const { port } = await startServer(authority.issue(['db.example'], { expired: true }));
    expect((await failure(target(port, 'VERIFY_CA'))).details?.hint).toContain('expired');
  });

  test('proves nothing to REQUIRE, which encrypts all the same', async () => {
    const { port, encrypted } = await startServer(stranger.issue(['other.example'], { expired: true }));
    expect(await answers(target(port, 'REQUIRE'))).toEqual([[1]]);
    expect(encrypted()).toBe(1);
  });

  test('of an authority that is no PEM fails the connect and nothing else', async () => {
    const { port } = await startServer(authority.issue(['db.example']));
    const broken = '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----';
    expect((await failure(target(port, 'VERIFY_CA', { sslRootCertificate: broken }))).details?.reason).toBe('TLS');
  });
});

describe('a server without TLS', () => {
  test('is reached in clear by PREFER', async () => {
    const { port } = await startServer(authority.issue([]), 'N');
    expect(await answers(target(port, 'PREFER'))).toEqual([[1]]);
  });

  test.each<SslMode>(['REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'])('is not reached by %s', async (ssl) => {
    const { port } = await startServer(authority.issue([]), 'N');
    expect((await failure(target(port, ssl))).details).toMatchObject({ reason: 'TLS' });
  });

  test('that says more than yes is not believed: it could be somebody between', async () => {
    const { port } = await startServer(authority.issue(['db.example']), 'S\x45rest in clear');
    expect((await failure(target(port, 'REQUIRE'))).details?.reason).toBe('TCP');
  });

  test('that agrees and then speaks no TLS fails at TLS', async () => {
    const server = createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', () => {
          socket.write('S');
          socket.once('data', () => socket.end('no such thing here'));
        });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect((await failure(target(port, 'REQUIRE'))).details?.reason).toBe('TLS');
  });
});
