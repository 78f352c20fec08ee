/** SQL-3 and SQL-4: where a user can make Quarry connect to, what it tells whoever answers there, and how it says no. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import type { ConnectionInput } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument } from '../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { masterKey, urlOf } from './support.ts';

const ProbeDocument = graphql(`
  mutation Probe($input: TestConnectionInput!) {
    testConnection(input: $input) {
      report {
        ok
        problems {
          code
          message
          hint
        }
      }
    }
  }
`);

const canaries = {
  PGHOST: '127.0.0.1',
  PGUSER: 'canary-user',
  PGPASSWORD: 'canary-password',
  PGDATABASE: 'canary-database',
  PGOPTIONS: '-c application_name=canary-options',
  PGAPPNAME: 'canary-name',
  PGSERVICEFILE: '/tmp/canary-service',
  PGPASSFILE: '/tmp/canary-passfile',
  PGSSLROOTCERT: '/tmp/canary-root',
  AWS_ACCESS_KEY_ID: 'canary-key',
  AWS_SECRET_ACCESS_KEY: 'canary-secret',
  AWS_SESSION_TOKEN: 'canary-session',
};

let target: TestDatabase;
let metadata: TestDatabase;
/** As careful as it comes, and with every private network opened by its operator. */
let closed: Quarry;
let open: Quarry;
let visitor: Account;
let user: Account;

beforeAll(async () => {
  [target, metadata] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const env = { DATABASE_URL: urlOf(metadata), MASTER_KEYS: masterKey(), PLAYGROUND_URL: 'off' };
  [closed, open] = await Promise.all([
    startQuarry({ env: { ...env, ALLOW_PRIVATE_HOSTS: 'false' } }),
    startQuarry({ env: { ...canaries, ALLOW_PRIVATE_HOSTS: 'true' } }),
  ]);
  [visitor, user] = await Promise.all([closed.register(), open.register()]);
});

afterAll(async () => {
  await Promise.all([closed, open].map((quarry) => quarry?.[Symbol.asyncDispose]()));
  await Promise.all([target, metadata].map((database) => database[Symbol.asyncDispose]()));
});

/** Listens on a port of every address of this machine, and keeps what is said there. */
async function listen(onData: (socket: Socket, data: Buffer) => void = () => undefined) {
  const heard: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      heard.push(data);
      onData(socket, data);
    });
  }).listen(0, '::');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as { port: number }).port,
    connections: () => sockets.size,
    text: () => Buffer.concat(heard).toString('latin1'),
  };
}

const anybody = { database: 'shop', user: 'somebody', password: 'canary-own' };
const reachable = () => {
  const { host, port, user, password, database } = target;
  return { host, port, user, password, database };
};

/** What both ways of reaching out say: the codes of a test, and of an attempt to connect. */
async function attempt(quarry: Quarry, account: Account, connection: ConnectionInput) {
  const [probe, kept] = await Promise.all([
    quarry.execute(ProbeDocument, { input: { connection } }, account),
    quarry.execute(ConnectDocument, { input: { name: 'Elsewhere', connection } }, account),
  ]);
  expect(kept.data?.connectDatabase ?? null).toBeNull();
  expect(probe.data?.testConnection.report.ok ?? false).toBe(false);
  const [problem] = probe.data?.testConnection.report.problems ?? [];
  const { reason } = (kept.errors?.[0]?.extensions.details ?? {}) as { reason?: string };
  return {
    probe: problem?.code ?? probe.code,
    kept: reason ?? kept.code,
    hint: problem?.hint,
    text: JSON.stringify([probe.data, probe.errors, kept.errors]),
  };
}

const elsewhere = [
  '127.0.0.1',
  '127.1',
  '0',
  '0.0.0.0',
  '0x7f.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  'localhost',
  'LOCALHOST',
  'localhost.',
  '::1',
  '::',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  '10.1.2.3',
  '172.16.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.169.254',
  'fd00:ec2::254',
  'fe80::1',
  '224.0.0.1',
  '255.255.255.255',
  'ff02::1',
];

const noHosts = [
  '/var/run',
  '/var/run/postgresql',
  '@abstract',
  '\0/abstract',
  'postgres://u:canary-url@127.0.0.1/db',
  'user@127.0.0.1',
  '127.0.0.1:5432',
  '127.0.0.1/x',
  '127.0.0.1#',
  '[::1]',
  'fe80::1%lo',
  '１２７.0.0.1',
  '127。0。0。1',
  'ⓛocalhost',
  'a,127.0.0.1',
  '-oProxyCommand=x',
  'localhost\n',
  'a b',
  '..',
  ' ',
  '',
];

describe('a careful Quarry', () => {
  test('connects to no address that is not public, however it is written', async () => {
    const trap = await listen();
    for (const host of elsewhere) {
      const { probe, kept, text } = await attempt(closed, visitor, { ...anybody, host, port: trap.port });
      // A resolver may not know the odd ones as names at all.
      expect.soft({ host, probe, kept }).toEqual({ host, probe: expect.stringMatching(/^(DENIED|DNS)$/), kept: probe });
      expect.soft(text).not.toContain('canary');
    }
    expect(trap.connections()).toBe(0);
  });

  test('takes nothing for a host that is none', async () => {
    for (const host of noHosts) {
      const { probe, kept, text } = await attempt(closed, visitor, { ...anybody, host, port: 5432 });
      expect.soft({ host, probe, kept }).toEqual({ host, probe: 'BAD_USER_INPUT', kept: 'BAD_USER_INPUT' });
      expect.soft(text).not.toContain('canary');
    }
  });

  test('says what its operator can do about a private address, once, and no more', async () => {
    const { hint } = await attempt(closed, visitor, { ...anybody, host: '127.0.0.1', port: 5432 });
    expect(hint).toContain('ALLOW_PRIVATE_HOSTS=127.0.0.1/32');
  });
});

describe('a Quarry whose operator opened the private networks', () => {
  test('connects there', async () => {
    const { data } = await open.execute(ProbeDocument, { input: { connection: reachable() } }, user);
    expect(data?.testConnection.report.ok).toBe(true);
  });

  test('connects to nothing of its own, under no name that this machine has', async () => {
    const ports = open.log.filter(({ msg }) => msg === 'cluster.ready').map(({ port }) => Number(port));
    expect(ports).toHaveLength(2);
    const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const names = new Set([
      ...['127.0.0.1', 'localhost', 'LocalHost', 'localhost.', '127.1', '2130706433', '127.0.0.2', '0.0.0.0', '::1'],
      ...own.map(({ address }) => address).filter((address) => !address.includes('%')),
    ]);
    for (const port of ports) {
      for (const host of names) {
        const { probe, kept } = await attempt(open, user, { ...anybody, host, port });
        // Under a name that nothing resolves, or an address that even this operator has not opened, nobody is reached.
        expect.soft({ host, probe }).toEqual({ host, probe: expect.stringMatching(/^(DENIED|DNS)$/) });
        expect.soft({ host, kept }).toEqual({ host, kept: probe });
      }
    }
  });

  test('connects to no address of a cloud’s metadata', async () => {
    for (const host of ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1']) {
      expect(await attempt(open, user, { ...anybody, host, port: 80 })).toMatchObject({
        probe: 'DENIED',
        kept: 'DENIED',
      });
    }
  });

  test('tells whoever asks for a password in clear nothing, and nobody anything of its environment', async () => {
    // AuthenticationCleartextPassword; TLS is refused with one letter before it.
    const ask = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);
    const thief = await listen((socket, data) => {
      if (data.length === 8) socket.write('N');
      else if (data[0] === 0) socket.write(ask);
      else socket.end();
    });
    const at = { host: '127.0.0.1', port: thief.port, database: 'shop', user: 'somebody' };
    for (const connection of [
      { ...at, password: 'canary-own' },
      { ...at, password: '' },
      at,
      { ...at, allowInsecureAuthentication: true },
      { ...at, password: '', allowInsecureAuthentication: true },
      { host: at.host, port: at.port, allowInsecureAuthentication: true },
      { url: `postgresql://somebody@127.0.0.1:${thief.port}/shop`, allowInsecureAuthentication: true },
    ]) {
      const { text } = await attempt(open, user, connection);
      expect.soft(text).not.toContain('canary');
    }
    expect(thief.connections()).toBeGreaterThan(4);
    for (const value of [...Object.values(canaries).slice(1), 'canary']) expect(thief.text()).not.toContain(value);
    const environment = await readFile(`/proc/${open.workerPid}/environ`, 'latin1');
    // Nor has the process that runs users' SQL any of pg's.
    expect(environment).not.toContain('PGPASSWORD');
    expect(JSON.stringify(open.log)).not.toContain('canary');
  });

  test.each([
    ['a wrong password', { password: 'canary-wrong' }, 'AUTHENTICATION'],
    ['an unknown user', { user: 'nobody_of_that_name' }, 'AUTHENTICATION'],
    ['an unknown database', { database: 'no_such_database' }, 'DATABASE'],
    ['an unknown host', { host: 'no-such-host.invalid' }, 'DNS'],
    ['TLS where there is none', { ssl: 'REQUIRE' as const }, 'TLS'],
    ['TLS to be verified where there is none', { ssl: 'VERIFY_FULL' as const }, 'TLS'],
    ['a port where nobody listens', { port: 1 }, 'TCP'],
  ])('says at which stage %s ends', async (_what, change, stage) => {
    const { probe, kept, hint, text } = await attempt(open, user, { ...reachable(), ...change });
    expect({ probe, kept, hint }).toEqual({ probe: stage, kept: stage, hint: expect.any(String) });
    expect(text).not.toContain('canary-wrong');
    expect(text).not.toContain(target.password);
  });

  test('gives a host up that takes the connection and says nothing, and one that speaks something else', async () => {
    const silent = await listen();
    const other = await listen((socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const answers = await Promise.all(
      [silent, other].map(({ port }) => attempt(open, user, { ...anybody, host: '127.0.0.1', port })),
    );
    for (const { probe, kept, hint } of answers) {
      expect(probe).toMatch(/^(TCP|TLS)$/);
      expect(kept).toBe(probe);
      expect(hint).toEqual(expect.any(String));
    }
    expect((await open.execute('{ __typename }')).status).toBe(200);
  });
});
