/** Reaching a server: every stage at which it can fail, servers that mean ill, and lines that are lost. TLS: tls.test.ts. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Session, Target } from '../../../src/engines/engine.ts';
import { createEgress } from '../../../src/lib/egress.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { collect, faultOf, rowsOf, runOptions, untilEvent } from '../../support/describe-engine.ts';
import { openProxy } from '../../support/proxy.ts';
import { openSession, postgresql, targetOf } from './support.ts';

let database: TestDatabase;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  target = targetOf(database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

async function open(to: Target): Promise<Session> {
  const session = await openSession(to);
  onTestFinished(() => session[Symbol.asyncDispose]());
  return session;
}

/** The error of an attempt to open a session; the engine waits shortly, so that silence is one too. */
async function failureOf(changes: Partial<Target>, connectTimeoutMs = 10_000): Promise<unknown> {
  const engine = postgresql({ limits: { connectTimeoutMs } });
  return openSession({ ...target, ...changes }, engine).then(
    async (session) => {
      await session[Symbol.asyncDispose]();
      throw new Error('a session was opened');
    },
    (error: unknown) => error,
  );
}

/** A server that is none: says what it is given, to each message that it hears, and keeps what it heard. */
async function startFake(...answers: (Buffer | string | null)[]) {
  const heard: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const left = [...answers];
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard.push(data);
      const answer = left.shift();
      if (answer === null) socket.end();
      else if (answer !== undefined) socket.write(answer);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as { port: number }).port,
    said: () => Buffer.concat(heard).toString('latin1'),
  };
}

/** A message of the server: its type, its length, its body. */
function message(type: string, ...parts: (string | number | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(`${part}\0`);
      if (typeof part !== 'number') return part;
      const four = Buffer.alloc(4);
      four.writeInt32BE(part);
      return four;
    }),
  );
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

const ask = {
  cleartext: message('R', 3),
  md5: message('R', 5, Buffer.from('salt')),
  scram: message('R', 10, 'SCRAM-SHA-256', ''),
};
const welcome = message('R', 0);
const noTls = 'N';

describe('a session that cannot be opened names the stage', () => {
  const stages: readonly [title: string, changes: Partial<Target>, reason: string, sqlState?: string][] = [
    ['a name without an address', { host: 'no-such-host.invalid' }, 'DNS'],
    ['a port where nobody listens', { port: 1 }, 'TCP'],
    ['a server without TLS where it is required', { ssl: 'REQUIRE' }, 'TLS'],
    ['a server without TLS where it is to be verified', { ssl: 'VERIFY_FULL' }, 'TLS'],
    ['a wrong password', { password: 'wrong' }, 'AUTHENTICATION', '28P01'],
    ['no password', { password: '' }, 'AUTHENTICATION'],
    ['an unknown user', { user: 'nobody "of" that name' }, 'AUTHENTICATION', '28P01'],
    ['an empty user', { user: '' }, 'AUTHENTICATION'],
    ['an empty database', { database: '' }, 'AUTHENTICATION'],
    ['a user with another parameter inside', { user: 'postgres\0options\0-c work_mem=1' }, 'AUTHENTICATION'],
    ['an unknown database', { database: 'no_such_database' }, 'DATABASE', '3D000'],
  ];
  test.each(stages)('%s', async (_, changes, reason, sqlState) => {
    const error = await failureOf(changes);
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', details: { reason, hint: expect.any(String) } });
    if (sqlState !== undefined) expect(error).toMatchObject({ details: { sqlState } });
    expect(String((error as Error).message)).not.toContain(database.password);
  });

  test.each([
    ['/var/run/postgresql'],
    ['./socket'],
    ['@abstract'],
    ['postgres://localhost'],
    ['localhost:5432'],
    ['user@localhost'],
    ['a'.repeat(300)],
    [`${'a'.repeat(60)}.`.repeat(5)],
    [''],
    [' '],
    ['local\0host'],
    ['127.0.0.1,127.0.0.2'],
    ['%2Fvar%2Frun'],
  ])('what is no host: %j', async (host) => {
    const error = await failureOf({ host });
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(['DENIED', 'DNS']).toContain((error as { details: { reason: string } }).details.reason);
  });

  test('a role without any connection left', async () => {
    const role = `single_${database.database}`;
    await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1`);
    const session = await openSession({ ...target, user: role, password: 'secret' });
    expect(await failureOf({ user: role, password: 'secret' })).toMatchObject({
      details: { reason: 'DATABASE', sqlState: '53300', hint: expect.stringContaining('connection') },
    });
    await session[Symbol.asyncDispose]();
    await database.client.query(`DROP ROLE ${role}`);
  });

  test('a role that may not log in, or not into this database', async () => {
    const role = `outside_${database.database}`;
    await database.client.query(
      `CREATE ROLE ${role} PASSWORD 'secret'; REVOKE CONNECT ON DATABASE ${database.database} FROM PUBLIC`,
    );
    const who = { user: role, password: 'secret' };
    expect(await failureOf(who)).toMatchObject({ details: { reason: 'AUTHENTICATION', sqlState: '28000' } });
    await database.client.query(`ALTER ROLE ${role} LOGIN`);
    expect(await failureOf(who)).toMatchObject({ details: { reason: 'DATABASE', sqlState: '42501' } });
    await database.client.query(`DROP ROLE ${role}; GRANT CONNECT ON DATABASE ${database.database} TO PUBLIC`);
  });

  test('a database that takes no connections', async () => {
    const name = `${database.database}_closed`;
    await database.client.query(`CREATE DATABASE ${name} ALLOW_CONNECTIONS false`);
    expect(await failureOf({ database: name })).toMatchObject({ details: { reason: 'DATABASE', sqlState: '55000' } });
    await database.client.query(`DROP DATABASE ${name}`);
  });

  test.each<[string, (Buffer | string)[], Partial<Target>, string]>([
    ['before it says anything', [], {}, 'TCP'],
    ['before it says anything, without TLS', [], { ssl: 'DISABLE' }, 'TCP'],
    ['behind its word on TLS', [noTls], {}, 'AUTHENTICATION'],
    ['in the middle of a password', [noTls, ask.scram], {}, 'AUTHENTICATION'],
    ['behind its welcome', [noTls, welcome], {}, 'DATABASE'],
    ['in the middle of its welcome', [noTls, welcome.subarray(0, 7)], {}, 'AUTHENTICATION'],
  ])('a server that falls silent %s', async (_, answers, changes, reason) => {
    const { port } = await startFake(...answers);
    expect(await failureOf({ port, ...changes }, 300)).toMatchObject({
      code: 'CONNECTION_FAILED',
      details: { reason, hint: expect.any(String) },
    });
  });

  test.each<[string, (Buffer | string | null)[], string]>([
    ['at once', [null], 'TCP'],
    ['behind its word on TLS', [noTls, null], 'AUTHENTICATION'],
    ['behind its welcome', [noTls, welcome, null], 'DATABASE'],
  ])('a server that hangs up %s', async (_, answers, reason) => {
    const { port } = await startFake(...answers);
    expect(await failureOf({ port }, 1_000)).toMatchObject({ code: 'CONNECTION_FAILED', details: { reason } });
  });

  const http = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';
  test.each<[string, (Buffer | string)[], Partial<Target>]>([
    ['a web server', [http], {}],
    ['a web server, without TLS', [http], { ssl: 'DISABLE' }],
    ['a mail server', ['220 mail ESMTP\r\n'], {}],
    ['something that answers with noise', [Buffer.alloc(4_096, 0xff)], { ssl: 'DISABLE' }],
    ['something that sends zeros', [Buffer.alloc(64)], { ssl: 'DISABLE' }],
    ['a message of two gigabytes', [noTls, Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff])], {}],
    ['a message shorter than its own length', [noTls, Buffer.from([0x52, 0, 0, 0, 3])], {}],
    ['bytes behind the word on TLS', ['Nmore'], {}],
    ['a request for an unknown kind of password', [noTls, message('R', 99)], {}],
  ])('what does not speak PostgreSQL: %s', async (_, answers, changes) => {
    const { port } = await startFake(...answers);
    expect(await failureOf({ port, ...changes })).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringContaining('does not speak PostgreSQL'),
      details: { reason: 'TCP' },
    });
  });

  test('a caller who has left is told his own reason', async () => {
    const { port } = await startFake();
    const controller = new AbortController();
    const opening = postgresql().open({ ...target, port }, { signal: controller.signal, label: 'quarry test' });
    const reason = new Error('somebody left');
    controller.abort(reason);
    await expect(opening).rejects.toBe(reason);
    const late = postgresql().open(target, { signal: AbortSignal.abort(reason), label: 'quarry test' });
    await expect(late).rejects.toBe(reason);
  });
});

describe('a server that means ill', () => {
  const row = (...cells: string[]) =>
    message('D', Buffer.from([0, cells.length]), ...cells.flatMap((cell) => [cell.length, Buffer.from(cell)]));
  const ready = message('Z', Buffer.from('I'));
  const opened = Buffer.concat([welcome, message('K', 1, 2), ready]);

  test.each<[string, (Buffer | string | null)[]]>([
    ['gives rows that nobody asked for', [noTls, Buffer.concat([welcome, row('a'), ready])]],
    ['is ready before it has asked who is there', [noTls, ready]],
    ['answers the first question with nothing', [noTls, opened, ready]],
    ['answers the first question with a row of another shape', [noTls, opened, Buffer.concat([row('a'), ready])]],
    ['offers no way to prove a password that it knows', [noTls, message('R', 10, 'SCRAM-UNKNOWN', '')]],
    ['goes on with a proof that nobody began', [noTls, message('R', 11, Buffer.from('r=a,s=b,i=1'))]],
    ['wants a proof that takes an hour', [noTls, ask.scram, message('R', 11, Buffer.from('r=x,s=YQ==,i=2147483647'))]],
    ['asks for data at the start', [noTls, opened, message('G', Buffer.from([0, 0, 0]))]],
    ['says an error without any field', [noTls, message('E', Buffer.from([0]))]],
  ])('and %s ends its own session alone', async (_, answers) => {
    const { port } = await startFake(...answers);
    expect(await failureOf({ port }, 1_000)).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(rowsOf(await collect(await open(target), 'select 1'))).toEqual([[1]]);
  });
});

describe('a password', () => {
  const secret = 'canary-of-the-password';

  test.each([
    ['in clear', ask.cleartext],
    ['as an MD5 hash', ask.md5],
  ])('that a server asks for %s without TLS is not given', async (how, request) => {
    const { port, said } = await startFake(noTls, request, welcome);
    expect(await failureOf({ port, password: secret })).toMatchObject({
      message: expect.stringContaining(how),
      details: { reason: 'AUTHENTICATION', hint: expect.stringContaining('allowInsecureAuthentication') },
    });
    expect(said()).not.toContain(secret);
    expect(said()).not.toMatch(/md5[0-9a-f]{32}/);
  });

  test('is not given either where SCRAM was asked for before', async () => {
    const { port, said } = await startFake(noTls, Buffer.concat([ask.scram, ask.cleartext]), welcome);
    expect(await failureOf({ port, password: secret })).toMatchObject({ details: { reason: 'AUTHENTICATION' } });
    expect(said()).not.toContain(secret);
  });

  test.each([
    ['in clear', ask.cleartext, secret],
    ['as an MD5 hash', ask.md5, /md5[0-9a-f]{32}/],
  ])('is given %s where that is allowed', async (_, request, expected) => {
    const { port, said } = await startFake(noTls, request, null);
    await failureOf({ port, password: secret, allowInsecureAuthentication: true });
    expect(said()).toMatch(expected);
  });

  test('of the environment or of a file goes to nobody, nor does anything else of theirs', async () => {
    const canaries = {
      ...{ PGUSER: 'canary-user', PGPASSWORD: 'canary-password', PGDATABASE: 'canary-database', PGHOST: 'canary-host' },
      ...{ PGOPTIONS: '-c canary.options=1', PGAPPNAME: 'canary-app', PGSSLMODE: 'require', PGPORT: '1' },
      ...{ PGPASSFILE: '/nowhere/canary-pass', PGSERVICE: 'canary-service', PGREPLICATION: 'canary', USER: 'canary' },
      ...{ PGCLIENTENCODING: 'canary', PGCONNECT_TIMEOUT: '1', AWS_SECRET_ACCESS_KEY: 'canary-aws' },
    };
    const before = { ...process.env };
    Object.assign(process.env, canaries);
    onTestFinished(() => {
      for (const name of Object.keys(canaries)) delete process.env[name];
      Object.assign(process.env, before);
    });
    for (const password of ['', 'own']) {
      const { port, said } = await startFake(noTls, ask.cleartext, null);
      await failureOf({ port, user: 'somebody', database: 'shop', password, allowInsecureAuthentication: true });
      expect(said()).not.toContain('canary');
      const [, started = ''] = /user\0(.*?)\0\0/s.exec(said()) ?? [];
      expect(started.split('\0')).toEqual(
        expect.arrayContaining(['somebody', 'database', 'shop', 'application_name', 'quarry test', 'UTF8']),
      );
      expect(started).not.toContain('options');
    }
    expect(rowsOf(await collect(await open(target), 'select current_user::text'))).toEqual([[target.user]]);
  });
});

describe('a line that is lost', () => {
  const rows = `select n, repeat('x', 1000) from generate_series(1, 100000) n`;

  async function openBehindProxy() {
    const proxy = await openProxy(database);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    return { proxy, session: await open({ ...target, port: proxy.port }) };
  }

  test.each(['PER_STATEMENT', 'WHOLE'] as const)(
    'in the middle of a row is CONNECTION_LOST: %s',
    async (transaction) => {
      const { proxy, session } = await openBehindProxy();
      let last = 0;
      const reading = (async () => {
        for await (const event of session.run(`select 1; ${rows}`, runOptions({ transaction }))) {
          if (event.type === 'columns' && event.index === 1) proxy.cutAfter(3_000_500);
          if (event.type === 'rows' && event.index === 1) {
            expect(event.rows.map(([n]) => n)).toEqual(event.rows.map((_, i) => last + i + 1));
            last += event.rows.length;
          }
        }
      })();
      expect(await faultOf(reading)).toMatchObject({ code: 'CONNECTION_LOST', statement: 1 });
      expect(last).toBeGreaterThan(0);
      expect(last).toBeLessThan(3_000);
      expect(session.closed.aborted).toBe(true);
      expect((await faultOf(collect(session, 'select 1'))).code).toBe('CONNECTION_LOST');
    },
  );

  test.each(['cut', 'halfClose'] as const)('while a statement runs is CONNECTION_LOST: %s', async (how) => {
    const { proxy, session } = await openBehindProxy();
    const { ended } = await untilEvent(session, 'select pg_sleep(600)', 'statement');
    proxy[how]();
    expect((await faultOf(ended)).code).toBe('CONNECTION_LOST');
    expect(session.closed.aborted).toBe(true);
  });

  test('while nothing runs is told by the session, and by its next script', async () => {
    const { proxy, session } = await openBehindProxy();
    const closed = once(session.closed, 'abort');
    proxy.cut();
    await closed;
    expect((await faultOf(collect(session, 'select 1'))).code).toBe('CONNECTION_LOST');
    await session.cancel();
  });

  test('while its reader looks elsewhere is told at the next pull', async () => {
    const { proxy, session } = await openBehindProxy();
    const closed = once(session.closed, 'abort');
    const reading = (async () => {
      for await (const event of session.run(rows, runOptions())) {
        if (event.type !== 'rows' || session.closed.aborted) continue;
        proxy.cut();
        await closed;
      }
    })();
    expect((await faultOf(reading)).code).toBe('CONNECTION_LOST');
  });

  test('by an administrator tells what the server said', async () => {
    const session = await open(target);
    const { ended } = await untilEvent(session, 'select 1; select pg_sleep(600)', 'end');
    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`;
    while ((await database.client.query(terminate, [session.identity.sessionId])).rowCount === 0);
    expect(await faultOf(ended)).toMatchObject({ code: 'CONNECTION_LOST', sqlState: '57P01', statement: 1 });
  });

  test('that is slow is none: messages may come in any pieces', async () => {
    const { proxy, session } = await openBehindProxy();
    for (const piece of [1, 2, 3, 5, 7, 4_096]) {
      proxy.throttle(piece);
      const events = await collect(session, `select n, 'äöü\u{1f427}' from generate_series(1, 50) n`);
      expect(rowsOf(events)).toEqual(Array.from({ length: 50 }, (_, i) => [i + 1, 'äöü\u{1f427}']));
    }
  });

  test('that a script loses on purpose, by another encoding, ends the session and says why', async () => {
    const session = await open(target);
    const fault = await faultOf(collect(session, `select set_config('client_encoding', 'LATIN1', false); select 'é'`));
    expect(fault).toMatchObject({ code: 'SQL_ERROR', message: expect.stringContaining('client_encoding') });
    expect(session.closed.aborted).toBe(true);
  });
});

test('a session shows the server its label, and no more than that of us', async () => {
  const session = await open(target);
  const { rows } = await database.client.query(
    'SELECT application_name, datname, usename FROM pg_stat_activity WHERE pid = $1',
    [session.identity.sessionId],
  );
  expect(rows).toEqual([{ application_name: 'quarry test', datname: database.database, usename: target.user }]);
  expect(session.serverVersion).toMatch(/^18/);
});

test('a server is reached at the address that was checked, under every name it has', async () => {
  const dial = createEgress({
    allowPrivateHosts: ['127.0.0.1/32'],
    denied: () => [],
    resolve: async () => [{ address: '127.0.0.1' }],
  });
  await using session = await openSession({ ...target, host: 'shop.example' }, postgresql({ dial }));
  expect(rowsOf(await collect(session, 'select 1'))).toEqual([[1]]);
});
