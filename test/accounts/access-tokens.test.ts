/** AUTH-1: what is not a token of ours, of this session, for this purpose and of this time is refused. */
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAccessTokens } from '../../src/accounts/access-tokens.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createWorld, issuer, type World } from './world.ts';

let world: World;
let ours: KeyObject;
let genuine: string;
let claims: JWTPayload & Record<string, unknown>;
let header: Record<string, unknown>;
let refreshToken: string;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const parts = (token: string) => token.split('.') as [string, string, string];
const decodePart = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());

beforeAll(async () => {
  world = await createWorld();
  const person = await world.person();
  genuine = person.accessToken;
  refreshToken = person.refreshToken;
  [header, claims] = parts(genuine).slice(0, 2).map(decodePart) as [typeof header, typeof claims];
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  ours = createPrivateKey({
    key: Buffer.concat([prefix, world.keyring.derive('jwt')]),
    format: 'der',
    type: 'pkcs8',
  });
});
afterAll(() => world[Symbol.asyncDispose]());

const theirs = generateKeyPairSync('ed25519');
const theirRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const theirEc = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const now = () => Math.floor(Date.now() / 1_000);

/** Signed with Ed25519 whatever the header says. */
function made(changes: { header?: object; claims?: object; key?: KeyObject } = {}): string {
  const body = `${encode({ ...header, ...changes.header })}.${encode({ ...claims, ...changes.claims })}`;
  return `${body}.${sign(null, Buffer.from(body), changes.key ?? ours).toString('base64url')}`;
}

function hmac(secret: string | Buffer): string {
  const body = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

const jwkOf = (key: KeyObject) => createPublicKey(key).export({ format: 'jwk' });
const flip = (text: string) => (text.startsWith('A') ? `B${text.slice(1)}` : `A${text.slice(1)}`);

const forgeries: [string, () => string | Promise<string>][] = [
  ['no signature, alg none', () => `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`],
  ['alg nOnE', () => `${encode({ ...header, alg: 'nOnE' })}.${encode(claims)}.`],
  [
    'alg none with the genuine signature',
    () => `${encode({ ...header, alg: 'none' })}.${parts(genuine)[1]}.${parts(genuine)[2]}`,
  ],
  ['the signature cut off', () => `${parts(genuine)[0]}.${parts(genuine)[1]}.`],
  ['a bit of the signature changed', () => `${parts(genuine)[0]}.${parts(genuine)[1]}.${flip(parts(genuine)[2])}`],
  [
    'other claims under the genuine signature',
    () => `${parts(genuine)[0]}.${encode({ ...claims, sub: crypto.randomUUID() })}.${parts(genuine)[2]}`,
  ],
  [
    'HS256 keyed with the public key in PEM',
    () => hmac(createPublicKey(ours).export({ type: 'spki', format: 'pem' }) as string),
  ],
  ['HS256 keyed with the public key in DER', () => hmac(createPublicKey(ours).export({ type: 'spki', format: 'der' }))],
  ['HS256 keyed with x of the key set', () => hmac(Buffer.from(jwkOf(ours).x!, 'base64url'))],
  ['HS256 keyed with nothing', () => hmac('')],
  ['another Ed25519 key under our kid', () => made({ key: theirs.privateKey })],
  [
    'RS256 under our kid',
    () => new SignJWT(claims).setProtectedHeader({ ...header, alg: 'RS256' }).sign(theirRsa.privateKey),
  ],
  [
    'ES256 under our kid',
    () => new SignJWT(claims).setProtectedHeader({ ...header, alg: 'ES256' }).sign(theirEc.privateKey),
  ],
  ['an embedded jwk', () => made({ key: theirs.privateKey, header: { jwk: jwkOf(theirs.privateKey) } })],
  ['a jku', () => made({ key: theirs.privateKey, header: { jku: 'http://127.0.0.1:1/jwks.json' } })],
  ['an x5u', () => made({ key: theirs.privateKey, header: { x5u: 'http://127.0.0.1:1/cert.pem' } })],
  ['an unknown kid, our key', () => made({ header: { kid: 'other' } })],
  ['no kid, our key', () => made({ header: { kid: undefined } })],
  ['a kid that is a path', () => made({ key: theirs.privateKey, header: { kid: '../../../dev/null' } })],
  ['a kid that is SQL', () => made({ key: theirs.privateKey, header: { kid: "x' UNION SELECT 'key" } })],
  ['an unknown critical extension', () => made({ header: { crit: ['exp2'], exp2: 1 } })],
  ['an unencoded payload (b64)', () => made({ header: { crit: ['b64'], b64: false } })],
  ['alg Ed448', () => made({ header: { alg: 'Ed448' } })],
  ['typ JWT', () => made({ header: { typ: 'JWT' } })],
  ['typ of an ID token', () => made({ header: { typ: 'id+jwt' } })],
  ['no typ', () => made({ header: { typ: undefined } })],
  ['another issuer', () => made({ claims: { iss: 'http://evil.test' } })],
  ['our issuer and one more slash', () => made({ claims: { iss: `${issuer}/` } })],
  ['no issuer', () => made({ claims: { iss: undefined } })],
  ['another audience', () => made({ claims: { aud: 'other' } })],
  ['no audience', () => made({ claims: { aud: undefined } })],
  ['expired', () => made({ claims: { exp: now() - 1 } })],
  ['no expiry', () => made({ claims: { exp: undefined } })],
  ['an expiry that is text', () => made({ claims: { exp: String(now() + 600) } })],
  ['not yet valid', () => made({ claims: { nbf: now() + 60 } })],
  ['no time of issue', () => made({ claims: { iat: undefined } })],
  ['no subject', () => made({ claims: { sub: undefined } })],
  ['a subject that is no id', () => made({ claims: { sub: "' OR true --" } })],
  ['no session', () => made({ claims: { sid: undefined } })],
  ['a session that is not there', () => made({ claims: { sid: crypto.randomUUID() } })],
  ['a session of somebody else', () => made({ claims: { sub: crypto.randomUUID() } })],
  ['a session that is an array', () => made({ claims: { sid: [claims.sid] } })],
  ['a refresh token', () => refreshToken],
  ['five parts, as an encrypted token has', () => `${genuine}.AAAA.AAAA`],
  ['whitespace after it', () => `${genuine} `],
  ['two tokens', () => `${genuine},${genuine}`],
  [
    'the JSON serialization',
    () => JSON.stringify({ protected: parts(genuine)[0], payload: parts(genuine)[1], signature: parts(genuine)[2] }),
  ],
  ['a megabyte', () => `${parts(genuine)[0]}.${'A'.repeat(1_000_000)}.${parts(genuine)[2]}`],
  ['nothing', () => ''],
];

describe('an access token is refused', () => {
  test.each(forgeries)('%s', async (_name, forge) => {
    const token = await forge();
    await expect(world.accounts.authenticate(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

test('the genuine token is accepted, also when it was put together by the same rules as the forgeries', async () => {
  const viewer = { userId: claims.sub, sessionId: claims.sid, role: 'admin', expiresAt: new Date(claims.exp! * 1_000) };
  expect(await world.accounts.authenticate(genuine)).toEqual(viewer);
  expect(await world.accounts.authenticate(made())).toEqual(viewer);
});

test('a token of another installation is refused, even of the same address', async () => {
  await using other = await createWorld();
  const { accessToken } = await other.person();
  await expect(world.accounts.authenticate(accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a token holds for ten minutes', async () => {
  let time = Date.now();
  const replica = await world.startReplica({ clock: () => new Date(time) });
  expect(claims.exp! - claims.iat!).toBe(600);
  time = claims.exp! * 1_000 - 1;
  await replica.accounts.authenticate(genuine);
  time += 1;
  await expect(replica.accounts.authenticate(genuine)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('the key set has the public half alone, and verifies what was issued, on every replica', async () => {
  const other = await world.startReplica();
  const { keys } = world.accounts.jwks();
  expect(keys).toEqual([{ ...jwkOf(ours), use: 'sig', alg: 'EdDSA', kid: header.kid }]);
  expect(keys[0]).not.toHaveProperty('d');
  expect(other.accounts.jwks()).toEqual({ keys });
  await other.accounts.authenticate(genuine);
});

test('a disabled user is refused by a process that has not seen him yet', async () => {
  const { accessToken, userId } = await world.person();
  await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
  await expect(world.accounts.authenticate(accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a role is read anew for a session that was rung about', async () => {
  const { accessToken, userId, viewer } = await world.person();
  expect(await world.accounts.authenticate(accessToken)).toMatchObject({ role: 'member' });
  await world.sql(`UPDATE users SET role = 'admin' WHERE id = $1`, [userId]);
  world.bus.ringHere('session.revoked', viewer.sessionId);
  expect(await world.accounts.authenticate(accessToken)).toMatchObject({ role: 'admin' });
});

describe('a token that was verified before', () => {
  const at = { ms: Date.UTC(2026, 0, 1) };
  const tokensOf = () =>
    createAccessTokens({ keyring: world.keyring, issuer, clock: () => new Date(at.ms), maxVerified: 2 });
  const subject = { userId: uuidv7(), sessionId: uuidv7() };

  test('holds until it ends, and not a second longer', async () => {
    const tokens = tokensOf();
    const { token, expiresAt } = await tokens.issue(subject);
    const claims = { ...subject, expiresAt };
    expect(await tokens.verify(token)).toEqual(claims);
    at.ms = expiresAt.getTime() - 1;
    expect(await tokens.verify(token)).toEqual(claims);
    at.ms = expiresAt.getTime();
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(tokensOf().verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('says nothing for one like it, and is verified anew where too many came between', async () => {
    const tokens = tokensOf();
    const issued = await Promise.all([1, 2, 3].map(() => tokens.issue({ userId: uuidv7(), sessionId: uuidv7() })));
    for (const { token } of issued) await tokens.verify(token);
    for (const { token } of issued) {
      expect(await tokens.verify(token)).toMatchObject({ expiresAt: issued[0]?.expiresAt });
      const [first, second, signature = ''] = parts(token);
      await expect(tokens.verify(`${first}.${second}.${flip(signature)}`)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
  });
});
