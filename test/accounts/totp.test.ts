/** A second factor: set up, asked for at every sign-in, good once, and the way back for who lost it. */
import { generate } from 'otplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wrongCodes } from '../../src/accounts/attempts.ts';
import { newRecoveryCode, parseCode } from '../../src/accounts/totp/codes.ts';
import { boundTo } from '../../src/accounts/totp/store.ts';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { createGraph } from './graph.ts';
import { createMailedWorld, type MailedWorld, readerOf, tokenOf } from './mailed.ts';
import { caller, password, type World } from './world.ts';

let world: MailedWorld;
/** The first account of all. */
let admin: Person;
let replica: Awaited<ReturnType<World['startReplica']>>;
let run: ReturnType<typeof createGraph>;
/** All codes of this test are of the times that it says. */
let now = Date.parse('2030-01-01T00:00:00Z');
const clock = () => new Date(now);

type Person = Awaited<ReturnType<World['person']>>;

beforeAll(async () => {
  world = await createMailedWorld();
  admin = await world.person('root');
  // Its access tokens are of another time: who signs in is asked for by the world's own.
  replica = await world.startReplica({ clock });
  run = createGraph({ ...world, ...replica });
});
afterAll(() => world[Symbol.asyncDispose]());

const codeAt = (secret: string, ms = now) => generate({ secret, epoch: Math.floor(ms / 1_000) });
const later = () => {
  now += 30_000;
};
const login = ({ email }: Person, code?: string | null, on: Pick<World, 'accounts'> = replica) =>
  on.accounts.login({ email, password, code }, caller);
const idOf = ({ userId }: Pick<Person, 'userId'>) => encodeId('User', userId);
const asked = { code: 'UNAUTHENTICATED', details: { secondFactor: 'TOTP' } };

const setUp = 'mutation { setUpTotp { secret uri } }';
const confirm = `mutation ($code: String!, $password: String = "${password}") {
  confirmTotp(input: { code: $code, password: $password }) { recoveryCodes user { totpEnabled } } }`;
const disable = 'mutation ($code: String!) { disableTotp(input: { code: $code }) { user { totpEnabled } } }';

/** Somebody with a second factor, whose last code was of the time that has just passed. */
async function guarded(): Promise<Person & { secret: string; recoveryCodes: string[] }> {
  const person = await world.person();
  const { secret } = (await run(person.viewer, setUp)).data.setUpTotp;
  const { data } = await run(person.viewer, confirm, { code: await codeAt(secret) });
  later();
  return { ...person, secret, recoveryCodes: data.confirmTotp.recoveryCodes };
}

describe('setting one up', () => {
  test('gives an authenticator what it takes, and counts when it has shown a code', async () => {
    const ann = await world.person('ann');
    const { data } = await run(ann.viewer, setUp);
    const { secret, uri } = data.setUpTotp;
    const url = new URL(uri);
    expect(url.protocol).toBe('otpauth:');
    expect(decodeURIComponent(url.pathname)).toContain(ann.email);
    expect(url.searchParams.get('secret')).toBe(secret);
    const [row] = await world.sql('SELECT sealed_secret, s::text AS text FROM second_factors s WHERE user_id = $1', [
      ann.userId,
    ]);
    expect(row!.text).not.toContain(secret);
    expect(world.keyring.open(row!.sealed_secret, boundTo(ann.userId))).toBe(secret);
    // Not yet.
    await login(ann);
    const wrong = await run(ann.viewer, confirm, { code: '000000' });
    expect(wrong).toMatchObject({ code: 'BAD_USER_INPUT', details: { fields: [{ path: 'input.code' }] } });
    const right = await run(ann.viewer, confirm, { code: ` ${(await codeAt(secret)).replace(/(...)/, '$1 ')}` });
    expect(right.data.confirmTotp.user).toEqual({ totpEnabled: true });
    const { recoveryCodes } = right.data.confirmTotp;
    expect(new Set(recoveryCodes).size).toBe(10);
    const kept = await world.sql('SELECT c::text AS text FROM recovery_codes c WHERE user_id = $1', [ann.userId]);
    expect(kept).toHaveLength(10);
    expect(JSON.stringify(kept)).not.toContain(recoveryCodes[0].replaceAll('-', ''));
    await expect(login(ann)).rejects.toMatchObject(asked);
    // Once more would take it out of the hands of who has it.
    expect((await run(ann.viewer, setUp)).code).toBe('CONFLICT');
    expect((await run(ann.viewer, confirm, { code: await codeAt(secret) })).code).toBe('CONFLICT');
    expect(await world.auditOf('second_factor.enabled')).toHaveLength(1);
  });

  test('takes the password, so that a session alone shuts nobody out', async () => {
    const person = await world.person();
    const code = await codeAt((await run(person.viewer, setUp)).data.setUpTotp.secret);
    for (const shown of [null, 'not it at all']) {
      const refused = await run(person.viewer, confirm, { code, password: shown });
      expect(refused).toMatchObject({ code: 'BAD_USER_INPUT', details: { fields: [{ path: 'input.password' }] } });
    }
    const failures = await world.auditOf('second_factor.enable_failed');
    expect(failures.filter(({ actor_id }) => actor_id === person.userId)).toHaveLength(1);
    await login(person);
    // One that came by another issuer has none.
    const other = await world.person();
    await world.sql(`UPDATE users SET password_hash = '' WHERE id = $1`, [other.userId]);
    const { secret } = (await run(other.viewer, setUp)).data.setUpTotp;
    const { data } = await run(other.viewer, confirm, { code: await codeAt(secret), password: null });
    expect(data.confirmTotp.user).toEqual({ totpEnabled: true });
  });

  test('is nobody’s with a key, nor of who is not signed in', async () => {
    const person = await world.person();
    const key = { name: 'k', scopes: ['write'], expiresAt: null } as const;
    const by = await world.bearer((await world.apiKeys.create(person.viewer, key, caller)).secret);
    for (const document of [setUp, confirm, disable]) {
      expect((await run(by, document, { code: '000000' })).code).toBe('FORBIDDEN');
      expect((await run(null, document, { code: '000000' })).code).toBe('UNAUTHENTICATED');
    }
    expect((await run(by, '{ viewer { totpEnabled } }')).data.viewer).toEqual({ totpEnabled: null });
    expect((await run(person.viewer, confirm, { code: '000000' })).code).toBe('CONFLICT');
    expect((await run(person.viewer, disable, { code: '000000' })).code).toBe('CONFLICT');
  });
});

describe('signing in', () => {
  test('takes the password and a code, and tells of the code only who knows the password', async () => {
    const person = await guarded();
    await expect(login(person)).rejects.toMatchObject(asked);
    await expect(login(person, null)).rejects.toMatchObject(asked);
    for (const code of ['', '000000', 'abc', '٠٠٠٠٠٠', await codeAt(person.secret, now - 90_000)])
      await expect(login(person, code), code).rejects.toMatchObject(asked);
    const code = await codeAt(person.secret);
    const wrong = replica.accounts.login({ email: person.email, password: 'not it at all', code }, caller);
    await expect(wrong).rejects.toMatchObject({ code: 'UNAUTHENTICATED', details: undefined });
    const { viewer } = await login(person, code);
    expect(viewer.userId).toBe(person.userId);
    // The tokens that it has go on without one.
    await world.accounts.refreshSession(person.refreshToken, caller);
  });

  test('takes no code twice, on whichever replica, nor two at once', async () => {
    const person = await guarded();
    const other = await world.startReplica({ clock });
    const code = await codeAt(person.secret);
    const tries = await Promise.allSettled([login(person, code), login(person, code, other), login(person, code)]);
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    // So many wrong ones wait.
    await world.sql('DELETE FROM rate_limits');
    await expect(login(person, code, other)).rejects.toMatchObject(asked);
    // Nor one that is older than the last.
    await expect(login(person, await codeAt(person.secret, now - 30_000))).rejects.toMatchObject(asked);
    later();
    await login(person, await codeAt(person.secret));
  });

  test('takes each recovery code once, however it is written', async () => {
    const person = await guarded();
    const [first = '', second = ''] = person.recoveryCodes;
    await login(person, first.toLowerCase().replaceAll('-', ' '));
    await expect(login(person, first)).rejects.toMatchObject(asked);
    await expect(login(person, newRecoveryCode())).rejects.toMatchObject(asked);
    const tries = await Promise.allSettled([login(person, second), login(person, second)]);
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const used = await world.auditOf('second_factor.recovery_used');
    expect(used.filter(({ actor_id }) => actor_id === person.userId)).toHaveLength(2);
    // Somebody else's are nobody's.
    const stranger = await guarded();
    await expect(login(person, stranger.recoveryCodes[0])).rejects.toMatchObject(asked);
  });

  test('waits after ten wrong codes, and whoever knows the password alone keeps its owner out of nothing', async () => {
    const person = await guarded();
    const elsewhere = (n: number) => ({ ipAddress: `198.51.100.${n}`, userAgent: 'elsewhere' });
    const from = (n: number, code: string | undefined, on: Pick<World, 'accounts'> = replica) =>
      on.accounts.login({ email: person.email, password, code }, elsewhere(n));
    const other = await world.startReplica({ clock });
    const waits = { code: 'RATE_LIMITED', details: { secondFactor: 'TOTP', retryAfterMs: expect.any(Number) } };
    const codesOf = async (tries: Promise<unknown>[]) =>
      (await Promise.allSettled(tries)).map((each) => each.status === 'rejected' && each.reason.code);
    const thief = await codesOf(Array.from({ length: 30 }, (_, n) => from(n, '000000', n % 2 ? other : replica)));
    expect(thief.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(wrongCodes.codeElsewhere);
    expect(thief.filter((code) => code === 'RATE_LIMITED')).toHaveLength(30 - wrongCodes.codeElsewhere);
    await expect(from(50, await codeAt(person.secret))).rejects.toMatchObject(waits);
    const told = (await world.auditOf('user.login_limited')).filter(({ subject }) => subject === idOf(person));
    expect(told).toMatchObject([{ outcome: 'refused', details: { limit: 'codeElsewhere' } }]);
    // From where he is signed in, by a recovery code from anywhere, and in his session.
    await login(person, await codeAt(person.secret));
    await from(51, person.recoveryCodes[0]);
    await expect(from(52, newRecoveryCode())).rejects.toMatchObject(asked);
    later();
    const atHome = await codesOf(Array.from({ length: 10 }, () => login(person, '000000')));
    expect(atHome.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(wrongCodes.codeKnown);
    const inSession = [];
    for (let n = 0; n < 10; n += 1) inSession.push((await run(person.viewer, disable, { code: '000000' })).code);
    expect(inSession.filter((code) => code === 'BAD_USER_INPUT')).toHaveLength(wrongCodes.codeSession);
    const code = await codeAt(person.secret);
    await expect(login(person, code)).rejects.toMatchObject(waits);
    expect(await run(person.viewer, disable, { code })).toMatchObject(waits);
    expect((await run(person.viewer, disable, { code: newRecoveryCode() })).code).toBe('BAD_USER_INPUT');
    // Whatever may be wrong together is what the chance of a guess is computed of.
    expect(Object.values(wrongCodes).reduce<number>((sum, each) => sum + each, 0)).toBe(10);
    await from(53, person.recoveryCodes[1]);
    await world.sql('UPDATE rate_limits SET expire = 0');
    await login(person, code);
  });

  test('counts no code that was right', async () => {
    const person = await guarded();
    for (let n = 0; n < 5; n += 1) {
      await login(person, await codeAt(person.secret));
      later();
    }
  });

  test('says so where the secret does not open, and takes a recovery code', async () => {
    const [person, other] = [await guarded(), await guarded()];
    // Of another row it is bound to that.
    await world.sql(
      `UPDATE second_factors SET sealed_secret = (SELECT sealed_secret FROM second_factors WHERE user_id = $2)
       WHERE user_id = $1`,
      [person.userId, other.userId],
    );
    await expect(login(person, await codeAt(other.secret))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await login(person, person.recoveryCodes[0]);
  });
});

test('it is put down by a code of either kind, and its recovery codes go with it', async () => {
  for (const kind of ['totp', 'recovery']) {
    const person = await guarded();
    expect((await run(person.viewer, disable, { code: '000000' })).code).toBe('BAD_USER_INPUT');
    const code = kind === 'totp' ? await codeAt(person.secret) : person.recoveryCodes[0];
    const { data } = await run(person.viewer, disable, { code });
    expect(data.disableTotp.user).toEqual({ totpEnabled: false });
    await login(person);
    expect(await world.sql('SELECT FROM recovery_codes WHERE user_id = $1', [person.userId])).toEqual([]);
  }
  expect(await world.auditOf('second_factor.disabled')).toHaveLength(2);
});

describe('one that its owner lost', () => {
  const reset = 'mutation ($id: ID!) { resetTotp(input: { id: $id }) { user { id totpEnabled } } }';

  const mailsTo = async (email: string) => (await world.mails()).filter((mail) => readerOf(mail) === email);

  test('is switched off by an administrator, who stands in the audit, and its owner is mailed', async () => {
    const person = await guarded();
    await world.forgetMails();
    const { data } = await run(admin.viewer, reset, { id: idOf(person) });
    expect(data.resetTotp.user).toEqual({ id: idOf(person), totpEnabled: false });
    await login(person);
    expect(await world.sql('SELECT FROM recovery_codes WHERE user_id = $1', [person.userId])).toEqual([]);
    expect(await mailsTo(person.email)).toMatchObject([
      { subject: 'Your second factor was switched off', text: expect.stringContaining('An administrator') },
    ]);
    expect(await world.auditOf('second_factor.reset')).toMatchObject([
      { actor_id: admin.userId, subject: idOf(person), outcome: 'success' },
    ]);
    // There is nothing to switch off any more, and he sets up another one.
    expect((await run(admin.viewer, reset, { id: idOf(person) })).code).toBe('CONFLICT');
    await run(person.viewer, setUp);
    expect((await run(admin.viewer, reset, { id: idOf(person) })).code).toBe('CONFLICT');
  });

  test('is nobody else’s to switch off, an administrator’s own and with a key neither', async () => {
    const person = await guarded();
    const { secret } = await world.apiKeys.create(
      admin.viewer,
      { name: 'root', scopes: ['admin'], expiresAt: null },
      caller,
    );
    const key = await world.bearer(secret);
    const own = (await run(admin.viewer, setUp)).data.setUpTotp.secret;
    await run(admin.viewer, confirm, { code: await codeAt(own) });
    later();
    const id = idOf(person);
    const cases: [Viewer | null, string, string][] = [
      [null, id, 'UNAUTHENTICATED'],
      [person.viewer, id, 'FORBIDDEN'],
      [(await guarded()).viewer, id, 'FORBIDDEN'],
      [key, id, 'FORBIDDEN'],
      [admin.viewer, idOf(admin), 'FORBIDDEN'],
      [admin.viewer, encodeId('User', uuidv7()), 'NOT_FOUND'],
      [admin.viewer, 'nonsense', 'NOT_FOUND'],
    ];
    for (const [viewer, of, code] of cases) expect((await run(viewer, reset, { id: of })).code).toBe(code);
    await expect(login(person)).rejects.toMatchObject(asked);
    await run(admin.viewer, disable, { code: await codeAt(own) });
  });

  test('is told to its owner as well when it is switched on, and off by himself', async () => {
    await world.forgetMails();
    const person = await guarded();
    await run(person.viewer, disable, { code: await codeAt(person.secret) });
    const subjects = (await mailsTo(person.email)).map(({ subject }) => subject);
    expect(subjects.filter((subject) => subject?.includes('second factor'))).toEqual([
      'Your second factor was switched on',
      'Your second factor was switched off',
    ]);
  });
});

test('of whoever took an address before its owner does not keep him out: it goes with the new password, and no confirmed one does', async () => {
  for (const confirmed of [false, true]) {
    const person = await guarded();
    if (confirmed) await world.sql('UPDATE users SET email_verified_at = now() WHERE id = $1', [person.userId]);
    await world.forgetMails();
    await world.accounts.requestPasswordReset(person.email, caller);
    const newPassword = 'another horse battery';
    await world.accounts.resetPassword({ token: tokenOf(await world.mail()), newPassword }, caller);
    const entered = replica.accounts.login({ email: person.email, password: newPassword }, caller);
    if (confirmed) await expect(entered).rejects.toMatchObject(asked);
    else await expect(entered).resolves.toMatchObject({ viewer: { userId: person.userId } });
    const codes = await world.sql('SELECT FROM recovery_codes WHERE user_id = $1', [person.userId]);
    expect(codes.length > 0).toBe(confirmed);
    const told = (await world.auditOf('second_factor.reset')).filter((entry) => entry.actor_id === person.userId);
    expect(told).toHaveLength(confirmed ? 0 : 1);
    const subjects = (await world.mails()).map(({ subject }) => subject).sort();
    const changed = 'Your password was changed';
    expect(subjects).toEqual(confirmed ? [changed] : [changed, 'Your second factor was switched off']);
  }
});

test('a code is told from all other texts', () => {
  expect(parseCode('123 456')).toEqual({ kind: 'totp', text: '123456' });
  expect(parseCode(newRecoveryCode())).toMatchObject({ kind: 'recovery' });
  for (const text of ['', '12345', '1234567', '12345a', 'A'.repeat(15), '1'.repeat(16)])
    expect(parseCode(text)).toBeNull();
});
