import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEgress, type EgressDeps, type EgressTarget } from '../../src/lib/egress.ts';
import { AppError } from '../../src/lib/errors.ts';

let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => {}).end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as { port: number }).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const policy = (deps: Partial<EgressDeps> = {}) =>
  createEgress({ allowPrivateHosts: false, denied: () => [], connectTimeoutMs: 3_000, ...deps });

async function fault(dialling: Promise<{ destroy(): void }>): Promise<AppError> {
  const socket = await dialling.catch((error: unknown) => error);
  if (!(socket instanceof AppError)) throw new Error(`let through: ${String(socket)}`);
  return socket;
}

const to = (host: unknown, hosted = false): EgressTarget => ({ host: host as string, port, hosted });
const signal = () => new AbortController().signal;
const answer =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address }));

const evil: unknown[] = [
  '127.0.0.1',
  '127.1',
  '0',
  '0.0.0.0',
  '0x7f.1',
  '2130706433',
  '017700000001',
  'localhost',
  'localhost.',
  '::1',
  '::',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '169.254.169.254',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%lo',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  '10.1.2.3',
  '172.31.255.255',
  '192.168.1.1',
  '100.100.100.200',
  '224.0.0.1',
  '255.255.255.255',
  'ff02::1',
  '/var/run/postgresql',
  '/var/run',
  '\0/abstract',
  '@abs',
  '',
  ' ',
  'a b',
  '127.0.0.1/x',
  'user@127.0.0.1',
  '127.0.0.1#',
  '127.0.0.1:5432',
  '[::1]',
  'postgres://u:secret@127.0.0.1/db',
  '127。0。0。1',
  '127.0.0.1',
  'ⓛocalhost',
  '%31',
  'a'.repeat(300),
  '..',
  'a..b',
  '-oProxyCommand=x',
  'localhost\n',
  null,
  undefined,
  5432,
  ['127.0.0.1'],
  { toString: () => '8.8.8.8' },
];

describe('the egress policy', () => {
  test.each(evil.map((host) => [host]))('lets nobody through to %j', async (host) => {
    const error = await fault(policy()(to(host), { signal: signal() }));
    expect(error.code).toBe('CONNECTION_FAILED');
    expect(['DENIED', 'DNS']).toContain(error.details?.reason);
    expect(JSON.stringify([error.message, error.details])).not.toContain('secret');
  });

  test('says which setting would open a private address', async () => {
    const error = await fault(policy()(to('127.0.0.1'), { signal: signal() }));
    expect(error.details).toMatchObject({ host: '127.0.0.1', port, reason: 'DENIED' });
    expect(error.details?.hint).toContain('ALLOW_PRIVATE_HOSTS=127.0.0.1/32');
  });

  test('opens what the operator listed, and nothing beside it', async () => {
    const dial = policy({ allowPrivateHosts: ['127.0.0.1/32'] });
    (await dial(to('127.0.0.1'), { signal: signal() })).destroy();
    expect((await fault(dial(to('127.0.0.2'), { signal: signal() }))).details?.reason).toBe('DENIED');
  });

  test('opens this machine with true, yet not the metadata service of a cloud', async () => {
    const dial = policy({ allowPrivateHosts: true });
    (await dial(to('127.0.0.1'), { signal: signal() })).destroy();
    expect((await fault(dial(to('169.254.169.254'), { signal: signal() }))).details?.reason).toBe('DENIED');
  });

  test('looks a name up once and connects to the address that it checked', async () => {
    let lookUps = 0;
    const dial = policy({
      allowPrivateHosts: ['127.0.0.1/32'],
      resolve: async () => [{ address: lookUps++ === 0 ? '127.0.0.1' : '169.254.169.254' }],
    });
    const socket = await dial(to('rebind.example'), { signal: signal() });
    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(lookUps).toBe(1);
    socket.destroy();
  });

  test('refuses a name when one of its addresses is forbidden', async () => {
    const dial = policy({ resolve: answer('93.184.216.34', '10.0.0.1') });
    expect((await fault(dial(to('mixed.example'), { signal: signal() }))).details?.reason).toBe('DENIED');
  });

  test('goes on to the next address when one does not answer', async () => {
    const dial = policy({ allowPrivateHosts: ['127.0.0.0/8'], resolve: answer('127.0.0.9', '127.0.0.1') });
    const socket = await dial(to('two.example'), { signal: signal() });
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
  });

  test.each(['127.0.0.1', 'localhost', '127.0.0.2', '::1', 'own.example'])(
    'denies its own infrastructure as %s even where private hosts are open',
    async (host) => {
      const dial = policy({
        allowPrivateHosts: true,
        denied: () => [{ host: 'metadata.example', port }],
        resolve: async () => [{ address: '127.0.0.1' }],
      });
      const error = await fault(dial(to(host), { signal: signal() }));
      expect(error.details).toMatchObject({ reason: 'DENIED', hint: 'No setting opens it.' });
    },
  );

  test('leaves another port of the same machine alone', async () => {
    const dial = policy({ allowPrivateHosts: true, denied: () => [{ host: 'localhost', port: port + 1 }] });
    (await dial(to('127.0.0.1'), { signal: signal() })).destroy();
  });

  test('passes a hosted database unchecked', async () => {
    (await policy()(to('127.0.0.1', true), { signal: signal() })).destroy();
  });

  test('names DNS when a name has no address, TCP when nothing listens', async () => {
    const nowhere = policy({ resolve: () => Promise.reject(new Error('ENOTFOUND')) });
    expect((await fault(nowhere(to('nowhere.example'), { signal: signal() }))).details?.reason).toBe('DNS');
    const empty = policy({ resolve: answer() });
    expect((await fault(empty(to('empty.example'), { signal: signal() }))).details?.reason).toBe('DNS');
    const closed = policy({ allowPrivateHosts: true })(
      { host: '127.0.0.1', port: 1, hosted: false },
      { signal: signal() },
    );
    expect((await fault(closed)).details?.reason).toBe('TCP');
  });

  test.each([0, -1, 65_536, 1.5, Number.NaN])('refuses port %d', async (bad) => {
    const dialling = policy({ allowPrivateHosts: true })(
      { host: '127.0.0.1', port: bad, hosted: false },
      { signal: signal() },
    );
    expect((await fault(dialling)).details?.reason).toBe('DENIED');
  });

  test('gives up when a resolver never answers', async () => {
    const dial = policy({ connectTimeoutMs: 50, resolve: () => new Promise(() => {}) });
    expect((await fault(dial(to('slow.example'), { signal: signal() }))).details?.reason).toBe('DNS');
  });

  test('ends with the reason of the caller who aborted', async () => {
    const controller = new AbortController();
    const dialling = policy({ resolve: () => new Promise(() => {}) })(to('slow.example'), {
      signal: controller.signal,
    });
    controller.abort(new Error('enough'));
    await expect(dialling).rejects.toThrow('enough');
  });
});
