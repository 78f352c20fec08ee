/** AUTH-1, 2, 3 and 6 as anybody can try them from outside: two servers on one metadata database, over both transports. */
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createKeyring } from '../../src/lib/keyring.ts';
import { Secret } from '../../src/lib/secret.ts';
import { audience, startIssuer } from '../accounts/oidc-issuer.ts';
import { graphql } from '../generated/gql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import {
  ConnectDocument,
  CreateApiKeyDocument,
  RefreshDocument,
  RegisterDocument,
  RevokeApiKeyDocument,
  SubmitDocument,
} from '../support/operations.ts';
import { openProxy } from '../support/proxy.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { masterKey, urlOf } from './support.ts';

const MeDocument = graphql(`
  query Me {
    viewer {
      id
    }
  }
`);

const LoginDocument = graphql(`
  mutation Login($input: LoginInput!) {
    login(input: $input) {
      accessToken
      user {
        id
      }
    }
  }
`);

let metadata: TestDatabase;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let quarries: [Quarry, Quarry];
/** Each server seals with another one. */
const [keys, others] = [masterKey('k1'), masterKey('k2')];

beforeAll(async () => {
  [metadata, issuer] = await Promise.all([createTestDatabase(), startIssuer()]);
  const env = {
    DATABASE_URL: urlOf(metadata),
    PLAYGROUND_URL: 'off',
    PUBLIC_URL: 'http://127.0.0.1',
    OIDC_ISSUER: issuer.issuer,
    OIDC_AUDIENCE: audience,
  };
  quarries = await Promise.all([
    startQuarry({ env: { ...env, MASTER_KEYS: `${keys},${others}` } }),
    startQuarry({ env: { ...env, MASTER_KEYS: `${others},${keys}` } }),
  ]);
});

afterAll(async () => {
  await Promise.all(quarries?.map((quarry) => quarry[Symbol.asyncDispose]()) ?? []);
  await metadata[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

const refresh = (refreshToken: string, on: Quarry) => on.execute(RefreshDocument, { input: { refreshToken } });

/** @returns the new pair @throws Error for a token that is refused */
async function refreshed(refreshToken: string, on: Quarry) {
  return (await on.ask(RefreshDocument, { input: { refreshToken } })).refreshSession;
}

/** That of the first server, by its master key. */
function signingKey(): KeyObject {
  const [id = '', encoded = ''] = keys.split(':');
  const keyring = createKeyring([{ id, key: new Secret(Buffer.from(encoded, 'base64')) }]);
  return createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), keyring.derive('jwt')]),
    format: 'der',
    type: 'pkcs8',
  });
}

async function isAlive(token: string, on: Quarry): Promise<boolean> {
  return (await on.execute(MeDocument, {}, { token })).data?.viewer != null;
}

describe('of forged access tokens none is accepted', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  const theirs = generateKeyPairSync('ed25519');
  const theirRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const theirEc = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const seconds = () => Math.floor(Date.now() / 1_000);

  let account: Account;
  let other: Account;
  let forgeries: Record<string, string>;

  beforeAll(async () => {
    [account, other] = await Promise.all([quarries[0].register(), quarries[0].register()]);
    forgeries = await forge(account, other);
  });

  /** As an attacker who holds everything that is public, and, to try each claim alone, one who can sign like us. */
  async function forge({ token, refreshToken }: Account, stranger: Account): Promise<Record<string, string>> {
    const [head = '', body = '', signature = ''] = token.split('.');
    const header = decode(head);
    const claims = decode(body);
    const { keys: published } = (await (
      await fetch(new URL('/.well-known/jwks.json', quarries[0].url))
    ).json()) as never as {
      keys: { kty: string; crv: string; x: string; kid: string }[];
    };
    const [jwk] = published;
    expect(published).toHaveLength(2);
    for (const each of published) expect(Object.keys(each)).not.toContain('d');
    const publicKey = createPublicKey({ key: jwk!, format: 'jwk' });
    const ours = signingKey();

    const keyFor = async (by: Pick<Account, 'token'>) =>
      (await quarries[0].ask(CreateApiKeyDocument, { input: { name: 'key', scopes: ['READ'] } }, by)).createApiKey;
    const [{ secret, apiKey }, strangers, revoked] = [
      await keyFor({ token }),
      await keyFor(stranger),
      await keyFor({ token }),
    ];
    await quarries[0].ask(RevokeApiKeyDocument, { id: revoked.apiKey.id }, { token });

    function made(changes: { header?: object; claims?: object; key?: KeyObject } = {}): string {
      const signed = `${encode({ ...header, ...changes.header })}.${encode({ ...claims, ...changes.claims })}`;
      return `${signed}.${sign(null, Buffer.from(signed), changes.key ?? ours).toString('base64url')}`;
    }
    function signedBy(alg: string, key: KeyObject): string {
      const signed = `${encode({ ...header, alg })}.${body}`;
      const bytes = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
      return `${signed}.${bytes.toString('base64url')}`;
    }
    function hmac(secret: string | Buffer): string {
      const signed = `${encode({ ...header, alg: 'HS256' })}.${body}`;
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
    }
    // Else every forgery below would be refused for the wrong reason.
    expect(await isAlive(made(), quarries[0])).toBe(true);
    const theirJwk = createPublicKey(theirs.privateKey).export({ format: 'jwk' });
    return {
      'alg none': `${encode({ ...header, alg: 'none' })}.${body}.`,
      'alg NONE': `${encode({ ...header, alg: 'NONE' })}.${body}.`,
      'alg none with the genuine signature': `${encode({ ...header, alg: 'none' })}.${body}.${signature}`,
      'no alg': `${encode({ ...header, alg: undefined })}.${body}.${signature}`,
      'no signature': `${head}.${body}.`,
      'a changed signature': `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
      'somebody else’s claims under the genuine signature': `${head}.${stranger.token.split('.')[1]}.${signature}`,
      'HS256 with the public key as PEM': hmac(publicKey.export({ type: 'spki', format: 'pem' }) as string),
      'HS256 with the public key as DER': hmac(publicKey.export({ type: 'spki', format: 'der' })),
      'HS256 with x of the key set': hmac(Buffer.from(jwk!.x, 'base64url')),
      'HS256 with x of the key set as text': hmac(jwk!.x),
      'HS256 with nothing': hmac(''),
      'RS256 under our kid': signedBy('RS256', theirRsa.privateKey),
      'ES256 under our kid': signedBy('ES256', theirEc.privateKey),
      'another key under our kid': made({ key: theirs.privateKey }),
      'another key, embedded': made({ key: theirs.privateKey, header: { jwk: theirJwk } }),
      'another key, embedded, no kid': made({ key: theirs.privateKey, header: { jwk: theirJwk, kid: undefined } }),
      'a jku': made({ key: theirs.privateKey, header: { jku: 'http://127.0.0.1:1/jwks.json' } }),
      'an x5u': made({ key: theirs.privateKey, header: { x5u: 'http://127.0.0.1:1/cert.pem' } }),
      'a kid that is a path': made({ key: theirs.privateKey, header: { kid: '../../../dev/null' } }),
      'a kid that is SQL': made({ key: theirs.privateKey, header: { kid: "x' UNION SELECT 'k" } }),
      'no kid': made({ header: { kid: undefined } }),
      'an unknown critical extension': made({ header: { crit: ['exp2'], exp2: 1 } }),
      'an unencoded payload': made({ header: { crit: ['b64'], b64: false } }),
      'typ JWT': made({ header: { typ: 'JWT' } }),
      'no typ': made({ header: { typ: undefined } }),
      'another issuer': made({ claims: { iss: 'https://evil.example.com' } }),
      'the issuer and one more slash': made({ claims: { iss: `${claims.iss}/` } }),
      'no issuer': made({ claims: { iss: undefined } }),
      'another audience': made({ claims: { aud: 'other' } }),
      'no audience': made({ claims: { aud: undefined } }),
      expired: made({ claims: { exp: seconds() - 1 } }),
      'no expiry': made({ claims: { exp: undefined } }),
      'not yet valid': made({ claims: { nbf: seconds() + 600 } }),
      'another subject': made({ claims: { sub: decode(stranger.token.split('.')[1]!).sub } }),
      'no subject': made({ claims: { sub: undefined } }),
      'a session that is not there': made({ claims: { sid: crypto.randomUUID() } }),
      'no session': made({ claims: { sid: undefined } }),
      'a refresh token': refreshToken,
      'an API key with another secret': `${apiKey.prefix}.${'A'.repeat(43)}`,
      'an API key of somebody else’s with one’s own secret': `${strangers.apiKey.prefix}.${secret.split('.')[1]}`,
      'an API key without its secret': apiKey.prefix,
      'an API key in the place of a signature': `${head}.${body}.${secret.split('.')[1]}`,
      'an API key that was revoked': revoked.secret,
      'five parts': `${token}.AAAA.AAAA`,
      'two tokens': `${token},${token}`,
      'the JSON serialization': JSON.stringify({ protected: head, payload: body, signature }),
      'ten thousand letters': `${head}.${'A'.repeat(10_000)}.${signature}`,
      'no token': '',
    };
  }

  const attempts = () =>
    Object.entries(forgeries).flatMap(([name, token]) => quarries.map((on) => ({ name, token, on })));

  test('as a bearer', async () => {
    const accepted: string[] = [];
    for (const { name, token, on } of attempts()) {
      const { status, code, data } = await on.execute(MeDocument, {}, { token });
      if (status !== 401 || code !== 'UNAUTHENTICATED' || data?.viewer) accepted.push(name);
    }
    console.log(`AUTH-1 bearer tried=${attempts().length} accepted=${accepted.length}`);
    expect(accepted).toEqual([]);
    expect(attempts().length).toBeGreaterThanOrEqual(2 * 22);
    expect(await isAlive(account.token, quarries[1])).toBe(true);
  });

  /** What a server answers `connection_init` with: an acknowledgement, or the code with which it closes. */
  async function initiate(token: string, on: Quarry): Promise<string> {
    const socket = new WebSocket(on.wsUrl, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    const answer = await new Promise<string>((resolve) => {
      socket.once('message', (data) => resolve(JSON.parse(String(data)).type));
      socket.once('close', (code) => resolve(String(code)));
    });
    socket.terminate();
    return answer;
  }

  test('at the start of a socket', async () => {
    const accepted: string[] = [];
    for (const { name, token, on } of attempts()) if ((await initiate(token, on)) !== '4403') accepted.push(name);
    console.log(`AUTH-1 socket tried=${attempts().length} accepted=${accepted.length}`);
    expect(accepted).toEqual([]);
    expect(await initiate(account.token, quarries[1])).toBe('connection_ack');
  });
});

describe('a refresh token', () => {
  test('that is used again ends its whole family on every server, and no other session', async () => {
    const [here, there] = quarries;
    const first = await here.register();
    const { login: beside } = await there.ask(LoginDocument, {
      input: { email: first.email, password: 'correct horse battery' },
    });
    const second = await refreshed(first.refreshToken, here);
    const third = await refreshed(second.refreshToken, there);
    for (const on of quarries) expect(await isAlive(third.accessToken, on)).toBe(true);

    const since = performance.now();
    expect((await refresh(first.refreshToken, here)).code).toBe('UNAUTHENTICATED');

    for (const on of quarries) {
      // The promise is five seconds, and that there is no way back.
      await vi.waitFor(async () => expect(await isAlive(third.accessToken, on)).toBe(false), 5_000);
      expect((await refresh(third.refreshToken, on)).code).toBe('UNAUTHENTICATED');
      expect(await isAlive(third.accessToken, on)).toBe(false);
      expect(await isAlive(beside.accessToken, on)).toBe(true);
    }
    const seconds = (performance.now() - since) / 1_000;
    console.info(`AUTH-2 replayed=1 familyDead=${quarries.length}/${quarries.length} seconds=${seconds.toFixed(2)}`);
    const { rows } = await metadata.client.query(
      `SELECT outcome FROM audit_entries WHERE action = 'session.reuse_detected'`,
    );
    expect(rows).toEqual([{ outcome: 'failure' }]);
  });

  test('has one child, whichever of two servers fifty at once ask for it', async () => {
    let { refreshToken } = await quarries[0].register();
    let accessToken = '';
    let most = 0;
    const rounds = 20;
    for (let round = 0; round < rounds; round += 1) {
      const parent = refreshToken;
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => refreshed(parent, quarries[i % 2]!)));
      const children = new Set(answers.map((answer) => answer.refreshToken)).size;
      most = Math.max(most, children);
      expect(children).toBe(1);
      ({ refreshToken, accessToken } = answers[0]!);
      expect(refreshToken).not.toBe(parent);
    }
    for (const on of quarries) expect(await isAlive(accessToken, on)).toBe(true);
    console.info(`AUTH-3 rounds=${rounds} atOnce=50 childrenOfOneAtMost=${most} signedOut=0`);
  });

  test('whose answer was lost on the way gives the same child on the other server', async () => {
    const { refreshToken } = await quarries[0].register();
    const { hostname, port } = new URL(quarries[0].url);
    const query = `mutation { refreshSession(input: { refreshToken: "${refreshToken}" }) { refreshToken } }`;
    const body = JSON.stringify({ query });
    const line = dial(Number(port), hostname);
    line.write(
      `POST /graphql HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const [answer] = await once(line, 'data');
    line.destroy();
    // The client never read it; the test does, to know what was lost.
    const [, lost] = /"refreshToken":"([\w-]+)"/.exec(String(answer)) ?? [];
    const again = await refreshed(refreshToken, quarries[1]);
    expect(again.refreshToken).toBe(lost);
    const next = await refreshed(again.refreshToken, quarries[0]);
    expect(await isAlive(next.accessToken, quarries[1])).toBe(true);
  });
});

const events = 'subscription { jobEvents { position } }';

/** A socket and a stream that are open with this token. @returns how they ended: the code, what was told, and when */
async function opened(token: string, on: Quarry) {
  const socket = await openSocket(on.wsUrl);
  await socket.init(token);
  socket.subscribe('1', events);
  const stream = await fetch(on.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: events }),
  });
  expect(stream.status).toBe(200);
  return async () => {
    const [code, told] = await Promise.all([socket.closed, stream.text()]);
    return { code, told, endedAt: Date.now() };
  };
}

test.each(['an access token', 'an API key'])(
  'what %s has opened ends with it, over SSE and WebSocket',
  async (kind) => {
    const [here, there] = quarries;
    const account = await here.register();
    const endsAt = Math.ceil(Date.now() / 1_000) * 1_000 + 2_000;
    let token: string;
    if (kind === 'an API key') {
      const input = { name: 'short', scopes: ['READ' as const], expiresAt: new Date(endsAt).toISOString() };
      token = (await here.ask(CreateApiKeyDocument, { input }, account)).createApiKey.secret;
    } else {
      // The same one, but for its end: signed by who has the keys, as nobody waits for ten minutes.
      const [head = '', body = ''] = account.token.split('.');
      const claims = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), exp: endsAt / 1_000 };
      const signed = `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
      token = `${signed}.${sign(null, Buffer.from(signed), signingKey()).toString('base64url')}`;
    }
    const ends = await opened(token, there);
    const { code, told, endedAt } = await ends();
    console.log(`AUTH-4 (a) ${kind} seconds=${((endedAt - endsAt) / 1_000).toFixed(2)}`);
    expect(code).toBe(4403);
    expect(told).toContain('UNAUTHENTICATED');
    // A timer may be early by a millisecond.
    expect(endedAt - endsAt).toBeGreaterThan(-100);
    expect(endedAt - endsAt).toBeLessThan(5_000);
  },
);

describe('an API key', () => {
  const key = async (by: Account) =>
    (await quarries[0].ask(CreateApiKeyDocument, { input: { name: 'key', scopes: ['READ'] } }, by)).createApiKey;

  test('opens every door that takes a bearer, on every server', async () => {
    const account = await quarries[0].register();
    const { secret } = await key(account);
    for (const on of quarries) {
      expect((await on.ask(MeDocument, {}, { token: secret })).viewer).toEqual({ id: account.user.id });
      using socket = await openSocket(on.wsUrl);
      await socket.init(secret);
      socket.subscribe('1', '{ viewer { id } }');
      expect((await socket.next()).payload).toEqual({ data: { viewer: { id: account.user.id } } });
    }
  });

  test('that is revoked elsewhere ends what is open within five seconds, over SSE and WebSocket', async () => {
    const [here, there] = quarries;
    const account = await here.register();
    const { secret, apiKey } = await key(account);
    const ends = await opened(secret, there);
    const since = Date.now();
    await here.ask(RevokeApiKeyDocument, { id: apiKey.id }, account);
    const { code, told, endedAt } = await ends();
    const seconds = (endedAt - since) / 1_000;
    console.log(`AUTH-4 (e) seconds=${seconds.toFixed(2)}`);
    expect(code).toBe(4403);
    expect(told).toContain('UNAUTHENTICATED');
    expect(seconds).toBeLessThan(5);
    for (const on of quarries) expect((await on.execute(MeDocument, {}, { token: secret })).status).toBe(401);
  });
});

test('a token of the operator’s issuer opens the same account on every server, over HTTP and WebSocket', async () => {
  const claims = { email: 'issued@example.com', email_verified: true };
  const token = await issuer.mint({ subject: 'issued', claims });
  const ids = new Set<unknown>();
  for (const on of quarries) {
    ids.add((await on.ask(MeDocument, {}, { token })).viewer?.id);
    using socket = await openSocket(on.wsUrl);
    await socket.init(token);
    socket.subscribe('1', '{ viewer { id } }');
    ids.add((await socket.next()).payload.data.viewer.id);
  }
  expect([...ids]).toEqual([expect.any(String)]);
  const elsewhere = await issuer.mint({ subject: 'issued', claims, audience: 'https://elsewhere.test' });
  expect((await quarries[0].execute(MeDocument, {}, { token: elsewhere })).status).toBe(401);
});

describe('with the keys of the ring in another order on each', () => {
  test('what one server has sealed the other opens', async () => {
    await using target = await createTestDatabase();
    await using proxy = await openProxy(target);
    const { user, password, database } = target;
    const connection = { host: '127.0.0.1', port: proxy.port, user, password, database, ssl: 'DISABLE' } as const;
    const health = 'query ($id: ID!) { database(id: $id) { health(maxAgeMs: 0) { ok } } }';
    for (const [sealing, opening] of [quarries, quarries.toReversed()] as [Quarry, Quarry][]) {
      const account = await sealing.register();
      const { connectDatabase } = await sealing.ask(ConnectDocument, { input: { name: 'shop', connection } }, account);
      const { id } = connectDatabase.database;
      const answer = await opening.execute(health, { id }, account);
      expect(answer).toMatchObject({ status: 200, data: { database: { health: { ok: true } } } });
    }
    const metrics = await Promise.all(quarries.map(async ({ url }) => (await fetch(new URL('/metrics', url))).text()));
    for (const text of metrics) expect(text).toContain('# TYPE quarry_sealed_secrets gauge');
  });
});

describe('what somebody reads who has a copy of everything but the master keys,', () => {
  const password = 'canary of an account';
  /** As a dump or a file may have it. */
  const forms = (secret: string) => [
    secret,
    Buffer.from(secret).toString('hex'),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('base64url'),
  ];

  async function dump(): Promise<string> {
    const { rows } = await metadata.client.query<{ content: string }>(
      `SELECT string_agg(query_to_xml(format('SELECT * FROM %I', tablename), true, true, '')::text, '') AS content
       FROM pg_tables WHERE schemaname = 'public'`,
    );
    return rows[0]!.content;
  }

  /** All files of a server but its compiled modules, and the mails that are files where there is no mail server. */
  async function filesOf({ dataDir }: Quarry): Promise<string[]> {
    const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && !/[/](cache|outbox)([/]|$)/.test(entry.parentPath));
    return Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')));
  }

  test('is no password, token, key or code of anybody, neither in the metadata nor on a disk', async () => {
    const [here, there] = quarries;
    await using target = await createTestDatabase();
    const stored = 'canary-of-a-connection';
    await target.client.query(`CREATE ROLE canary_${target.database} LOGIN PASSWORD '${stored}'`);
    await using proxy = await openProxy(target);
    const { database } = target;
    const connection = {
      host: '127.0.0.1',
      port: proxy.port,
      database,
      user: `canary_${database}`,
      password: stored,
    } as const;
    const account = { email: 'canary@example.com', password };
    const { register } = await here.ask(RegisterDocument, { input: account });
    const { accessToken: token, refreshToken } = register.auth!;
    const next = await refreshed(refreshToken, there);
    const by = { token };
    const { apiKey, secret } = (await here.ask(CreateApiKeyDocument, { input: { name: 'key', scopes: ['WRITE'] } }, by))
      .createApiKey;
    await here.ask(ConnectDocument, { input: { name: 'shop', connection: { ...connection, ssl: 'DISABLE' } } }, by);
    const typed = { ...connection, password: 'canary-that-was-typed', ssl: 'DISABLE' } as const;
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    await here.ask(SubmitDocument, { input: { target: { connection: typed }, sql: 'SELECT 1', runAt } }, by);
    const { data } = await here.execute('mutation { setUpTotp { secret } }', {}, by);
    const factor = (data as never as { setUpTotp: { secret: string } }).setUpTotp.secret;
    await here.execute(`mutation { requestPasswordReset(input: { email: "${account.email}" }) { ok } }`);

    const secrets = [password, stored, typed.password, token, refreshToken, next.refreshToken, next.accessToken];
    secrets.push(secret.split('.')[1]!, factor, keys.split(':')[1]!, others.split(':')[1]!);
    const copies = [await dump(), ...(await filesOf(here)), ...(await filesOf(there))];
    // What is looked for would be found: the key's row is there, and so is the account's.
    expect(copies[0]).toContain('canary@example.com');
    expect(copies[0]).toContain('canary_');
    expect(apiKey.prefix).toMatch(/^quarry_/);
    const found = secrets.filter((each) => forms(each).some((form) => copies.some((copy) => copy.includes(form))));
    console.log(`KEY-1 secrets=${secrets.length} copies=${copies.length} found=${found.length}`);
    expect(found).toEqual([]);
  });
});

describe('a password', () => {
  test.each([
    ['differs behind byte 72', `${'a'.repeat(72)}X`, `${'a'.repeat(72)}Y`],
    ['is the beginning of another', 'a'.repeat(73), 'a'.repeat(72)],
    ['is of nineteen emoji', '😀'.repeat(19), `${'😀'.repeat(18)}😁`],
    ['holds a NUL', 'before\0behind it', 'before\0before it'],
  ])('that %s opens its account, and the other one does not', async (_how, right, wrong) => {
    const email = `${crypto.randomUUID()}@example.com`;
    await quarries[0].ask(RegisterDocument, { input: { email, password: right } });
    const logIn = (password: string) => quarries[1].execute(LoginDocument, { input: { email, password } });
    expect((await logIn(wrong)).code).toBe('UNAUTHENTICATED');
    expect((await logIn(right)).data?.login.user.id).toEqual(expect.any(String));
  });

  test('that is being hashed keeps nobody waiting who asks for something else', async () => {
    const { email } = await quarries[0].register();
    let answered = 0;
    const logins = Array.from({ length: 8 }, async () => {
      await quarries[0].ask(LoginDocument, { input: { email, password: 'correct horse battery' } });
      answered += 1;
    });
    for (let i = 0; i < 10; i += 1) {
      expect((await quarries[0].execute('{ __typename }')).data).toEqual({ __typename: 'Query' });
    }
    // On the event loop they would all have been hashed before the last of ten.
    expect(answered).toBeLessThan(8);
    await Promise.all(logins);
  });
});
