/** Accounts of an OpenID Connect issuer, by its access tokens: whose they are, and AUTH-1 against this door. */
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createBearer } from '../../src/accounts/bearer.ts';
import { createIssuedAccounts } from '../../src/accounts/oidc/issued-accounts.ts';
import { createIssuer, type IssuerLimits } from '../../src/accounts/oidc/issuer.ts';
import { encodeId } from '../../src/lib/ids.ts';
import { createGraph } from './graph.ts';
import { createMailedWorld, type MailedWorld, tokenOf } from './mailed.ts';
import { audience, type Minted, startIssuer } from './oidc-issuer.ts';
import { caller, password } from './world.ts';

let world: MailedWorld;
let run: ReturnType<typeof createGraph>;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let door: ReturnType<typeof open>;
const opened: { stop(): Promise<void> }[] = [];
let people = 0;

/** Another process of the same installation. */
function open(
  limits: Partial<IssuerLimits> = {},
  registration: 'open' | 'closed' = 'open',
  clock: () => Date = () => new Date(),
) {
  const { pool, bus, outbox, accounts, apiKeys } = world;
  const at = createIssuer({ issuer: issuer.issuer, audience, clock, limits });
  const issued = createIssuedAccounts({ pool, bus, outbox, issuer: at, settings: { registration }, clock });
  opened.push(issued);
  return createBearer({ accounts, apiKeys, issued });
}

beforeAll(async () => {
  [world, issuer] = await Promise.all([createMailedWorld(), startIssuer()]);
  run = createGraph(world);
  await world.person('administrator');
});
afterAll(async () => {
  for (const each of opened) await each.stop();
  await issuer?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  door = open();
});

/** Somebody whom the issuer knows, with a verified address. */
function somebody(changes: Record<string, unknown> = {}): Minted & { email: string } {
  people += 1;
  const email = `issued${people}@example.com`;
  return { subject: `auth0|${people}`, email, claims: { email, email_verified: true, name: 'Ida', ...changes } };
}

const refused = { code: 'UNAUTHENTICATED' };

describe('a token of the issuer', () => {
  test('opens an account at first sight, and is the same account ever after', async () => {
    const ida = somebody();
    const token = await issuer.mint(ida);
    const viewer = await door(token);
    expect(viewer).toMatchObject({ role: 'member' });
    expect(viewer.expiresAt!.getTime()).toBeGreaterThan(Date.now());
    const { data } = await run(viewer, '{ viewer { email name emailVerified sessions { current userAgent } } }');
    const sessions = [{ current: true, userAgent: 'OpenID Connect web' }];
    expect(data.viewer).toEqual({ email: ida.email, name: 'Ida', emailVerified: true, sessions });
    expect(await door(token)).toEqual(viewer);
    // Another process, another token, and an address that has changed: the subject counts.
    const later = await issuer.mint({ ...ida, claims: { email: 'other@example.com', email_verified: false } });
    expect(await open()(later)).toMatchObject({ userId: viewer.userId });
    expect((await world.auditOf('user.registered')).at(-1)).toMatchObject({ actor_id: viewer.userId });
    // No password is right.
    for (const password of ['', 'x'.repeat(8)])
      await expect(world.accounts.login({ email: ida.email, password }, caller)).rejects.toMatchObject(refused);
  });

  test('is one account and one session, however many show it at once', async () => {
    const token = await issuer.mint(somebody());
    const other = open();
    const viewers = await Promise.all([door(token), door(token), other(token), other(token)]);
    expect(new Set(viewers.map(({ userId, sessionId }) => `${userId} ${sessionId}`)).size).toBe(1);
  });

  test('has its address from userinfo where it names none', async () => {
    const ida = somebody();
    issuer.people.set(ida.subject, ida.claims!);
    const viewer = await door(await issuer.mint({ subject: ida.subject }));
    expect((await run(viewer, '{ viewer { email } }')).data.viewer.email).toBe(ida.email);
  });

  test('is refused where userinfo tells of another subject', async () => {
    const [ida, other] = [somebody(), somebody()];
    issuer.people.set(ida.subject, { ...other.claims, sub: other.subject });
    await expect(door(await issuer.mint({ subject: ida.subject }))).rejects.toMatchObject(refused);
    expect(await world.sql('SELECT FROM users WHERE email_key = $1', [other.email])).toEqual([]);
  });

  test('of a client whose name is no text opens a session that names none', async () => {
    for (const client_id of ['we\0b', 'we\nb', 'we\ud800b']) {
      const { subject: sub, claims } = somebody({ client_id, azp: client_id });
      const viewer = await door(await forged({ claims: { ...claims, sub }, key: issuer.privateKey() }));
      const { data } = await run(viewer, '{ viewer { sessions { userAgent } } }');
      expect(data.viewer.sessions).toEqual([{ userAgent: 'OpenID Connect' }]);
    }
  });

  test('is refused with an address that the issuer has not verified, or without one', async () => {
    for (const claims of [
      { email_verified: false },
      { email_verified: 'true' },
      { email_verified: undefined },
      { email: 'no address' },
    ]) {
      const token = await issuer.mint(somebody(claims));
      await expect(door(token)).rejects.toMatchObject({ code: 'FORBIDDEN', message: expect.stringMatching(/address/) });
    }
    const nothing = await issuer.mint({ subject: 'without' });
    await expect(door(nothing)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('finds the account with its address where that is verified, and never one that is not', async () => {
    const ida = somebody();
    const local = (await world.accounts.register(
      { email: ida.email.toUpperCase(), password: 'correct horse' },
      caller,
    ))!;
    const token = await issuer.mint(ida);
    await expect(door(token)).rejects.toMatchObject({ code: 'FORBIDDEN', message: expect.stringMatching(/verif/) });
    await world.sql('UPDATE users SET email_verified_at = now() WHERE id = $1', [local.viewer.userId]);
    expect(await door(token)).toMatchObject({ userId: local.viewer.userId });
    expect((await world.auditOf('user.linked')).at(-1)).toMatchObject({ actor_id: local.viewer.userId });
  });

  test('that is linked to an account is told to its owner, another subject is no way in, and a new password ends the link', async () => {
    const [first, second] = [somebody(), somebody()];
    const { email } = first;
    const { viewer: local } = (await world.accounts.register({ email, password }, caller))!;
    await world.sql('UPDATE users SET email_verified_at = now() WHERE id = $1', [local.userId]);
    await world.forgetMails();
    const minted = await issuer.mint(first);
    expect(await door(minted)).toMatchObject({ userId: local.userId });
    const told = await world.mail();
    expect(told.to).toMatchObject([{ address: email }]);
    expect(told.text).toContain(`signed in at ${issuer.issuer}`);
    const claims = { ...second.claims, email };
    const others = {
      code: 'FORBIDDEN',
      message: expect.stringMatching(/sign in there as before, or set a new password/),
    };
    const attempts = await Promise.allSettled([1, 2].map(async () => door(await issuer.mint({ ...second, claims }))));
    expect(attempts).toMatchObject([{ reason: others }, { reason: others }]);
    // Once, however often it is shown.
    const refusals = await world.auditOf('user.link_refused');
    expect(refusals.filter(({ subject }) => subject === encodeId('User', local.userId))).toHaveLength(1);
    expect(await door(await issuer.mint(first))).toMatchObject({ userId: local.userId });

    await world.accounts.requestPasswordReset(email, caller);
    const token = tokenOf(await world.mail());
    await world.accounts.resetPassword({ token, newPassword: 'another horse battery' }, caller);
    // What was open has ended, also for the token that had opened it; the next subject with the address is the account's.
    for (const at of [door, open()]) await expect(at(minted)).rejects.toMatchObject(refused);
    await world.forgetMails();
    expect(await door(await issuer.mint({ ...second, claims }))).toMatchObject({ userId: local.userId });
    expect((await world.mail()).subject).toBe('Another sign-in leads to your account');
    await expect(open()(await issuer.mint(first))).rejects.toMatchObject(others);
  });

  test('that comes while its link ends opens nothing, then or later', async () => {
    const ida = somebody();
    const { viewer: local } = (await world.accounts.register({ email: ida.email, password }, caller))!;
    await world.sql('UPDATE users SET email_verified_at = now() WHERE id = $1', [local.userId]);
    await door(await issuer.mint(ida));
    // By its address it would be linked anew.
    const late = await issuer.mint({
      ...ida,
      claims: { email: `other.${ida.email}`, email_verified: false, sid: 'late' },
    });
    const token = await world.resetToken({ userId: local.userId, email: ida.email });
    await using first = await world.begun();
    await first.holdUser(local.userId);
    const reset = world.accounts.resetPassword({ token, newPassword: 'another horse battery' }, caller);
    await first.untilSomebodyWaits();
    const behind = expect(door(late)).rejects.toMatchObject(refused);
    await first.untilSomebodyWaits(2);
    await first.commit();
    await Promise.all([reset, behind]);
    await expect(door(late)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('opens no account where registration is closed, and those that are there', async () => {
    const ida = somebody();
    const closed = open({}, 'closed');
    const token = await issuer.mint(ida);
    await expect(closed(token)).rejects.toMatchObject({ code: 'FORBIDDEN', message: 'Registration is closed' });
    const { userId } = await door(token);
    expect(await closed(token)).toMatchObject({ userId });
  });

  test('of a disabled account is refused', async () => {
    const ida = somebody();
    const { userId } = await door(await issuer.mint(ida));
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    await expect(open()(await issuer.mint(ida))).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('its session', () => {
  test('can be ended, and the token is refused for as long as it would have held', async () => {
    const ida = somebody();
    const token = await issuer.mint(ida);
    const viewer = await door(token);
    const out = 'mutation ($id: ID!) { logout(input: { sessionId: $id }) { ok } }';
    const id = encodeId('Session', viewer.sessionId);
    expect((await run(viewer, out, { id })).errors).toBeUndefined();
    for (const at of [door, open()]) await expect(at(token)).rejects.toMatchObject(refused);
    // Another sign-in at the issuer is another session.
    expect((await door(await issuer.mint(ida))).sessionId).not.toBe(viewer.sessionId);
  });

  test('is the issuer’s where it names one: its next token is ended with it', async () => {
    const ida = somebody();
    const mint = () => issuer.mint({ ...ida, claims: { ...ida.claims, sid: 'at the issuer' } });
    const viewer = await door(await mint());
    expect((await door(await mint())).sessionId).toBe(viewer.sessionId);
    await world.accounts.logout(viewer, {}, caller);
    await expect(door(await mint())).rejects.toMatchObject(refused);
  });

  test('that has run out is not prolonged by its next token when a new password has ended it', async () => {
    const ida = somebody({ sid: 'long unused' });
    const { viewer: local } = (await world.accounts.register({ email: ida.email, password }, caller))!;
    await world.sql('UPDATE users SET email_verified_at = now() WHERE id = $1', [local.userId]);
    const { sessionId } = await door(await issuer.mint(ida));
    const runOut = `UPDATE sessions SET expires_at = now() - interval '1 minute' WHERE id = $1`;
    await world.sql(runOut, [sessionId]);
    // It is: nothing has ended it.
    expect(await door(await issuer.mint(ida))).toMatchObject({ sessionId });
    await world.sql(runOut, [sessionId]);
    const token = await world.resetToken({ userId: local.userId, email: ida.email });
    await world.accounts.resetPassword({ token, newPassword: 'another horse battery' }, caller);
    for (const at of [door, open()]) await expect(at(await issuer.mint(ida))).rejects.toMatchObject(refused);
  });

  test('displaces the issuer’s own when there are many, and none that a password opened', async () => {
    const ida = somebody();
    const viewer = await door(await issuer.mint(ida));
    await world.sql(
      'UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email_key = $2) WHERE id = $1',
      [viewer.userId, 'administrator@example.com'],
    );
    const own = await world.accounts.login({ email: ida.email, password }, caller);
    await world.sql(
      `INSERT INTO sessions (id, user_id, origin_hash, last_used_at, expires_at)
       SELECT gen_random_uuid(), $1, sha256(n::text::bytea), now() + n * interval '1 second', now() + interval '1 day'
       FROM generate_series(1, 99) n`,
      [viewer.userId],
    );
    await door(await issuer.mint(ida));
    await expect(door(await issuer.mint(ida))).resolves.toMatchObject({ userId: viewer.userId });
    await expect(world.accounts.authenticate(own.accessToken)).resolves.toMatchObject({ userId: viewer.userId });
    const live = 'SELECT count(*)::int AS count FROM sessions WHERE user_id = $1 AND revoked_at IS NULL';
    expect(await world.sql(live, [viewer.userId])).toEqual([{ count: 101 }]);
  });

  test('ends with the token', async () => {
    const token = await issuer.mint(somebody());
    let now = Date.now();
    const at = open({}, 'open', () => new Date(now));
    await at(token);
    now += 3_600_000;
    await expect(at(token)).rejects.toMatchObject(refused);
  });
});

describe('the issuer', () => {
  test('that does not answer lets nobody in, says so, and is asked again', async () => {
    const token = await issuer.mint(somebody());
    const at = open({ retryMs: 0 });
    issuer.silence();
    await expect(at(token)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/issuer/),
    });
    issuer.speak();
    // A timer of nothing lies between the two.
    await new Promise((resolve) => setTimeout(resolve));
    await at(token);
    // Who was let in stays so without it.
    issuer.silence();
    await at(token);
    issuer.speak();
  });

  test('that does not answer is asked once for all who come', async () => {
    const token = await issuer.mint(somebody());
    const at = open();
    issuer.silence();
    const before = issuer.asked.length;
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => at(`${token.slice(0, -2)}${i + 10}`)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(issuer.asked.length - before).toBe(1);
    issuer.speak();
  });

  test('that has other keys is followed, and what the old ones signed is refused', async () => {
    const ida = somebody();
    const at = open({ keysCooldownMs: 0 });
    await at(await issuer.mint(ida));
    const old = await issuer.mint(ida);
    await issuer.rotate('second');
    await at(await issuer.mint(ida));
    await expect(at(old)).rejects.toMatchObject(refused);
  });

  test('that calls itself by another name is not believed', async () => {
    const { pool, bus, outbox, accounts, apiKeys } = world;
    const renamed = `${issuer.issuer}/`;
    const at = createIssuer({ issuer: renamed, audience, clock: () => new Date() });
    const issued = createIssuedAccounts({ pool, bus, outbox, issuer: at, settings: { registration: 'open' } });
    opened.push(issued);
    const token = await forged({ claims: { iss: renamed } });
    await expect(createBearer({ accounts, apiKeys, issued })(token)).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
    });
  });
});

const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ida = somebody();

/** As an attacker writes it, who has a key of his own. */
const forged = ({ header = {}, claims = {}, key = theirs.privateKey as KeyObject | CryptoKey, alg = 'RS256' } = {}) =>
  new SignJWT({
    iss: issuer.issuer,
    aud: audience,
    sub: ida.subject,
    iat: Math.floor(Date.now() / 1_000),
    exp: Math.floor(Date.now() / 1_000) + 600,
    ...ida.claims,
    ...claims,
  } as JWTPayload)
    .setProtectedHeader({ alg, typ: 'at+jwt', kid: issuer.kid(), ...header })
    .sign(key);

test('of forged tokens of the issuer none is accepted', async () => {
  const genuine = await issuer.mint(ida);
  await door(genuine);
  const [head = '', body = '', signature = ''] = genuine.split('.');
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const published = createPublicKey({
    key: await crypto.subtle.exportKey('jwk', issuer.publicKey()),
    format: 'jwk',
  } as never);
  const hmac = (secret: string | Buffer) => {
    const signed = `${encode({ ...decode(head), alg: 'HS256' })}.${body}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const theirJwk = theirs.publicKey.export({ format: 'jwk' });
  const forgeries: Record<string, string> = {
    'alg none': `${encode({ ...decode(head), alg: 'none' })}.${body}.`,
    'alg none with the genuine signature': `${encode({ ...decode(head), alg: 'none' })}.${body}.${signature}`,
    'no signature': `${head}.${body}.`,
    'other claims under the genuine signature': `${head}.${encode({ ...decode(body), sub: 'other' })}.${signature}`,
    'HS256 with the public key as PEM': hmac(published.export({ type: 'spki', format: 'pem' }) as string),
    'HS256 with the public key as DER': hmac(published.export({ type: 'spki', format: 'der' })),
    'HS256 with n of the key set': hmac(String(published.export({ format: 'jwk' }).n)),
    'another key under its kid': await forged(),
    'another key, embedded': await forged({ header: { jwk: theirJwk } }),
    'another key under another kid': await forged({ header: { kid: 'other' } }),
    'no kid': await forged({ header: { kid: undefined } }),
    'a jku': await forged({ header: { jku: 'http://127.0.0.1:1/jwks' } }),
    'another issuer': await forged({ claims: { iss: 'https://evil.example.com' } }),
    'no issuer': await forged({ claims: { iss: undefined } }),
    'another audience': await issuer.mint({ ...ida, audience: 'https://other.test' }),
    'several audiences, none of them this': await forged({ claims: { aud: ['a', 'b'] } }),
    'an ID token of the client': await forged({ header: { typ: 'JWT' }, claims: { aud: 'web' } }),
    expired: await issuer.mint({ ...ida, seconds: -60 }),
    'bound to a key that was not shown': await issuer.mint({ ...ida, claims: { ...ida.claims, cnf: { jkt: 'x' } } }),
    'Quarry’s own key under the issuer’s name': (await world.person()).accessToken.replace(
      /^[^.]*\.[^.]*/,
      `${head}.${body}`,
    ),
    'ten thousand letters': `${head}.${'A'.repeat(10_000)}.${signature}`,
  };
  const accepted: string[] = [];
  for (const [name, token] of Object.entries(forgeries)) {
    const code = await door(token).then(
      () => 'in',
      (error) => error.code,
    );
    if (code !== 'UNAUTHENTICATED') accepted.push(`${name}: ${code}`);
  }
  expect(accepted).toEqual([]);
  expect(Object.keys(forgeries).length).toBeGreaterThan(20);
  // And the issuer's token is none of Quarry's own.
  await expect(world.accounts.authenticate(genuine)).rejects.toMatchObject(refused);
});
