/** What accounts do by mail: AUTH-5 (nobody learns who has an account) and AUTH-8 (links that are good once), with real mails. */
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { maxTokenMailsPerHour } from '../../src/accounts/account-mails.ts';
import type { Admission } from '../../src/accounts/admission.ts';
import { badInput } from '../../src/lib/errors.ts';
import { createGraph } from './graph.ts';
import { createMailedWorld, type MailedWorld, readerOf, tokenOf } from './mailed.ts';
import { caller, issuer, password, type World } from './world.ts';

const newPassword = 'staple battery horse';
const badToken = (message: string) => ({
  code: 'BAD_USER_INPUT',
  details: { fields: [{ path: 'input.token', message }] },
});

let world: MailedWorld;
/** On the same database: addresses are confirmed before anybody is signed in. */
let strict: Awaited<ReturnType<World['startReplica']>>;
beforeAll(async () => {
  world = await createMailedWorld();
  strict = await world.startReplica({ requireVerifiedEmail: true });
  await confirmed('first');
});
afterAll(() => world?.[Symbol.asyncDispose]());

const userOf = async (email: string) =>
  (
    await world.sql<{ id: string; email_verified_at: Date | null; password_hash: string; name: string | null }>(
      'SELECT * FROM users WHERE email_key = $1',
      [email],
    )
  )[0];

/** Registered, and as if the mail had been answered. */
async function confirmed(name: string) {
  const person = await world.person(name);
  await world.sql('UPDATE users SET email_verified_at = now() WHERE id = $1', [person.userId]);
  await world.forgetMails();
  return person;
}

const login = (email: string, given = password, on: Pick<World, 'accounts'> = world) =>
  on.accounts.login({ email, password: given }, caller);

/** By who reads the mail and has the password. */
const confirm = (token: string, on: Pick<World, 'accounts'> = world, given: string | null = password) =>
  on.accounts.verifyEmail(null, { token, password: given }, caller);

/** Keeps everybody from issuing a token of this purpose to this account. */
async function holdTokens(purpose: string, userId: string) {
  const client = await world.pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`one_time_tokens ${purpose} ${userId}`]);
  const release = () => client.query('ROLLBACK');
  return {
    release,
    async untilSomebodyWaits() {
      const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
      while ((await world.sql(waiting)).length === 0) await setImmediate();
    },
    async [Symbol.asyncDispose]() {
      await release();
      client.release();
    },
  };
}

/** Of the error; undefined where there is none. */
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    ({ code }) => code as unknown,
  );

describe('a new account', () => {
  test('is mailed a link below the public address that confirms its own, once', async () => {
    const person = await world.person('new');
    const mail = await world.mail();
    expect(mail).toMatchObject({ subject: 'Confirm your address', to: [{ address: person.email }] });
    expect(mail.text).toContain(`${issuer}/#/verify-email?token=`);
    const token = tokenOf(mail);
    expect((await confirm(token)).emailVerifiedAt).toBeInstanceOf(Date);
    await expect(confirm(token)).rejects.toMatchObject(badToken('this token has been used'));
    expect((await world.auditOf('user.email_verified')).at(-1)).toMatchObject({ actor_id: person.userId });
  });

  test('is confirmed once by a hundred that come at once, on two replicas', async () => {
    await world.person('hundred');
    const token = tokenOf(await world.mail());
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => confirm(token, i % 2 === 0 ? world : strict)),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('is sent another link, which voids the first', async () => {
    const { email } = await world.person('again');
    const first = tokenOf(await world.mail());
    await world.accounts.resendVerification(email, caller);
    const second = tokenOf(await world.mail());
    const replaced = badToken('this token has been replaced by a newer one');
    await expect(confirm(first)).rejects.toMatchObject(replaced);
    await confirm(second);
    // Nothing to confirm any more.
    await world.accounts.resendVerification(email, caller);
    expect(await world.mails()).toEqual([]);
  });

  test(`is mailed ${maxTokenMailsPerHour} times an hour and not more, and the last link stays good`, async () => {
    const { email } = await world.person('flooded');
    await Promise.all(Array.from({ length: 20 }, () => world.accounts.resendVerification(email, caller)));
    const mails = await world.mails();
    expect(mails).toHaveLength(maxTokenMailsPerHour);
    const answers = await Promise.all(mails.map((mail) => codeOf(confirm(tokenOf(mail)))));
    expect(answers.filter((code) => code === undefined)).toHaveLength(1);
  });

  test('is confirmed for who has its password or a session of it, and for nobody else who reads the mail', async () => {
    // Somebody has registered an address that is not his, and hopes for its owner to confirm it.
    const { viewer } = await world.person('taken-first');
    const { apiKey } = await world.apiKeys.create(viewer, { name: 'x', scopes: ['write'], expiresAt: null }, caller);
    const token = tokenOf(await world.mail());
    const owner = await confirmed('its-reader');
    const asked = (message: string) => ({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.password', message }] },
    });
    const without = asked('the password of the account, unless it is signed in');
    const key = { id: apiKey.id, scope: 'write' } as const;
    for (const by of [null, owner.viewer, { ...viewer, sessionId: apiKey.id, key }])
      await expect(world.accounts.verifyEmail(by, { token }, caller)).rejects.toMatchObject(without);
    const wrong = asked('not the password of this account');
    for (const given of ['not the one', '', `${password}\ud800`])
      await expect(confirm(token, world, given)).rejects.toMatchObject(wrong);
    expect((await userOf('taken-first@example.com'))?.email_verified_at).toBeNull();
    // The link is as good as before.
    expect((await world.accounts.verifyEmail(viewer, { token }, caller)).emailVerifiedAt).toBeInstanceOf(Date);
  });

  test('that was disabled is not confirmed', async () => {
    const { userId } = await world.person('disabled-early');
    const token = tokenOf(await world.mail());
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect(await codeOf(confirm(token))).toBe('FORBIDDEN');
  });

  test('that is gone has links that open nothing', async () => {
    const { userId } = await world.person('gone');
    const token = tokenOf(await world.mail());
    await world.sql('DELETE FROM users WHERE id = $1', [userId]);
    const gone = badToken('this token is of an account that is gone');
    await expect(confirm(token)).rejects.toMatchObject(gone);
  });
});

describe('where addresses are confirmed first', () => {
  const register = (email: string, change: { password?: string; name?: string } = {}) =>
    strict.accounts.register({ email, password, ...change }, caller);

  test('nobody is signed in before, and who knows the password is told why', async () => {
    expect(await register('strict@example.com')).toBeNull();
    expect(await codeOf(login('strict@example.com', password, strict))).toBe('EMAIL_NOT_VERIFIED');
    expect(await codeOf(login('strict@example.com', 'not the one', strict))).toBe('UNAUTHENTICATED');
    await confirm(tokenOf(await world.mail()), strict);
    expect((await login('strict@example.com', password, strict)).viewer.role).toBe('member');
  });

  test('registering answers alike for every address, and only its owner is mailed', async () => {
    const run = createGraph({ ...world, ...strict });
    await confirmed('known');
    const { userId } = await confirmed('locked');
    await world.person('unconfirmed');
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    await world.forgetMails();
    const before = await world.sql('SELECT * FROM users ORDER BY id');
    const document = `mutation ($email: String!) { register(input: { email: $email, password: "${newPassword}" }) { auth { accessToken } } }`;
    const answers = [];
    for (const name of ['fresh', 'known', 'unconfirmed', 'locked'])
      answers.push(JSON.stringify(await run(null, document, { email: `${name}@example.com` })));
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0]!)).toMatchObject({ data: { register: { auth: null } } });
    const mails = await world.mails();
    expect(mails.map((mail) => [readerOf(mail), mail.subject]).sort()).toEqual([
      ['fresh@example.com', 'Confirm your address'],
      ['known@example.com', 'You have an account already'],
      ['unconfirmed@example.com', 'Confirm your address'],
    ]);
    // Nobody's password is another one now.
    expect(await world.sql(`SELECT * FROM users WHERE email_key <> 'fresh@example.com' ORDER BY id`)).toEqual(before);
    const known = mails.find((mail) => readerOf(mail) === 'known@example.com')!;
    await strict.accounts.resetPassword({ token: tokenOf(known), newPassword }, caller);
    await login('known@example.com', newPassword, strict);
    await world.forgetMails();
  });

  test('an address that somebody took first is his who reads its mail, with the password that he chose', async () => {
    await register('victim@example.com', { password: 'chosen by a thief', name: 'Thief' });
    await register('Victim@example.com', { password, name: 'Victim' });
    const links = (await world.mails()).map(tokenOf);
    const answers = await Promise.all(links.map((token) => codeOf(confirm(token, strict))));
    expect(answers.sort()).toEqual(['BAD_USER_INPUT', undefined]);
    expect(await codeOf(login('victim@example.com', 'chosen by a thief', strict))).toBe('UNAUTHENTICATED');
    expect(await strict.accounts.self((await login('victim@example.com', password, strict)).viewer)).toMatchObject({
      email: 'Victim@example.com',
      name: 'Victim',
    });
  });

  test('who takes an address again and again gets no password into it that its owner confirms', async () => {
    const thiefs = 'chosen by a thief';
    await register('besieged@example.com', { password: 'another one before' });
    for (let i = 2; i < maxTokenMailsPerHour; i += 1) await register('besieged@example.com', { password: thiefs });
    await register('besieged@example.com');
    // Beyond what is mailed; the last mail stays the owner's.
    for (let i = 0; i < 3; i += 1) await register('besieged@example.com', { password: thiefs });
    const mails = await world.mails();
    expect(mails).toHaveLength(maxTokenMailsPerHour);
    const answers = await Promise.all(mails.map((mail) => codeOf(confirm(tokenOf(mail), strict, thiefs))));
    expect(new Set(answers)).toEqual(new Set(['BAD_USER_INPUT']));
    const confirmations = await Promise.all(mails.map((mail) => codeOf(confirm(tokenOf(mail), strict))));
    expect(confirmations.filter((code) => code === undefined)).toHaveLength(1);
    expect(await codeOf(login('besieged@example.com', thiefs, strict))).toBe('UNAUTHENTICATED');
    await login('besieged@example.com', password, strict);
  });

  test('what takes long is done for every address, so that time tells nothing', async () => {
    await confirmed('timed');
    const { userId } = await confirmed('timed-locked');
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    await world.forgetMails();
    const rows = async () =>
      (
        await world.sql<{ tokens: number; mails: number; bytes: number; entries: number }>(
          `SELECT (SELECT count(*) FROM one_time_tokens)::int AS tokens, (SELECT count(*) FROM outgoing_mails)::int AS mails,
           (SELECT coalesce(sum(length(sealed)), 0) FROM outgoing_mails)::int AS bytes,
           (SELECT count(*) FROM audit_entries)::int AS entries`,
        )
      )[0]!;
    for (const ask of [strict.accounts.requestPasswordReset, strict.accounts.resendVerification]) {
      const written = [];
      for (const name of ['timed', 'timed-locked', 'nobody-at-all']) {
        const before = await rows();
        await ask(`${name}@example.com`, caller);
        const after = await rows();
        written.push([after.tokens - before.tokens, after.mails - before.mails, after.entries - before.entries]);
        expect(after.bytes - before.bytes).toBeGreaterThan(2_000);
      }
      expect(written).toEqual([
        [1, 1, 1],
        [1, 1, 1],
        [1, 1, 1],
      ]);
    }
    expect((await world.mails()).map(readerOf)).toEqual(['timed@example.com']);
  });
});

test('a password is compared as often for every address, and hashed as often, so that time tells nothing', async () => {
  const names = ['hashed', 'hashed-locked', 'hashed-issued', 'hashed-unconfirmed', 'hashed-nobody'];
  for (const name of names.slice(0, 3)) await confirmed(name);
  await world.person('hashed-unconfirmed');
  await world.sql(`UPDATE users SET disabled_at = now() WHERE email_key = 'hashed-locked@example.com'`);
  await world.sql(`UPDATE users SET password_hash = '' WHERE email_key = 'hashed-issued@example.com'`);
  const verify = vi.spyOn(strict.hasher, 'verify');
  const hash = vi.spyOn(strict.hasher, 'hash');
  onTestFinished(() => void vi.restoreAllMocks());
  for (const name of names) {
    for (const given of [password, 'not it at all', '', 'a'.repeat(2_000)]) {
      verify.mockClear();
      await login(`${name}@example.com`, given, strict).catch(() => undefined);
      expect(verify, `${name} ${given.length}`).toHaveBeenCalledOnce();
    }
    hash.mockClear();
    await strict.accounts.register({ email: `${name}@example.com`, password }, caller);
    expect(hash, name).toHaveBeenCalledOnce();
  }
  await world.forgetMails();
});

test('a password that was shown opens nothing when another one was set before it is used', async () => {
  const change = { email: 'elsewhere@example.com', password };
  for (const [name, code] of [
    ['confirming', 'BAD_USER_INPUT'],
    ['moving', 'CONFLICT'],
  ] as const) {
    const person = await world.person(name);
    const token = tokenOf(await world.mail());
    await using other = await world.begun();
    await other.holdUser(person.userId);
    const asked = codeOf(
      name === 'confirming' ? confirm(token) : world.accounts.updateProfile(person.viewer, change, caller),
    );
    await other.untilSomebodyWaits();
    await other.query(`UPDATE users SET password_hash = 'another' WHERE id = $1`, [person.userId]);
    await other.commit();
    expect(await asked).toBe(code);
    expect(await userOf(person.email)).toMatchObject({ email_verified_at: null });
    expect(await world.mails()).toEqual([]);
  }
});

describe('by invitation', () => {
  const admission: Admission = {
    async admit(client, { token, email }) {
      if (token !== 'good') throw badInput({ path: 'input.invitationToken', message: 'not an invitation' });
      await client.query(`INSERT INTO key_checks VALUES (gen_random_uuid(), 'an invitation that was used')`);
      return { role: 'admin', verified: email.startsWith('invited-') };
    },
  };

  test('whom it names is let in, whether registration is by invitation or closed', async () => {
    for (const registration of ['invite', 'closed'] as const) {
      const { accounts } = await world.startReplica({ registration, requireVerifiedEmail: true, admission });
      const register = (email: string, invitationToken?: string) =>
        accounts.register({ email, password, invitationToken }, caller);
      expect(await codeOf(register('late@example.com'))).toBe('FORBIDDEN');
      await expect(register('late@example.com', 'bad')).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        details: { fields: [{ path: 'input.invitationToken' }] },
      });
      // Of another address than it was mailed to, which is still to be confirmed.
      expect(await register(`other-${registration}@example.com`, 'good')).toBeNull();
      const invited = await register(`invited-${registration}@example.com`, 'good');
      expect(invited?.viewer.role).toBe('admin');
      expect((await accounts.self(invited!.viewer)).emailVerifiedAt).toBeInstanceOf(Date);
      // What opens no account uses up no invitation.
      const used = () => world.sql('SELECT * FROM key_checks');
      const before = await used();
      expect(await codeOf(register(`invited-${registration}@example.com`, 'good'))).toBe('CONFLICT');
      expect(await used()).toEqual(before);
    }
    await world.forgetMails();
  });
});

describe('a password that was forgotten', () => {
  test('is set anew by who reads the mail: every session ends, every other link too, and the owner is told', async () => {
    const person = await world.person('forgot');
    const verification = tokenOf(await world.mail());
    const elsewhere = await login(person.email);
    await strict.accounts.requestPasswordReset(' FORGOT@example.com', caller);
    const mail = await world.mail();
    expect(mail).toMatchObject({ subject: 'Set a new password', to: [{ address: person.email }] });
    const token = tokenOf(mail);
    await world.accounts.resetPassword({ token, newPassword }, caller);
    for (const { accessToken, refreshToken } of [person, elsewhere]) {
      expect(await codeOf(world.accounts.authenticate(accessToken))).toBe('UNAUTHENTICATED');
      expect(await codeOf(world.accounts.refreshSession(refreshToken, caller))).toBe('UNAUTHENTICATED');
    }
    expect(await codeOf(login(person.email))).toBe('UNAUTHENTICATED');
    // The mail has shown whose the address is.
    await login(person.email, newPassword, strict);
    expect((await world.mail()).subject).toBe('Your password was changed');
    expect(await codeOf(confirm(verification))).toBe('BAD_USER_INPUT');
    const used = badToken('this token has been used');
    await expect(world.accounts.resetPassword({ token, newPassword }, caller)).rejects.toMatchObject(used);
    expect((await world.auditOf('user.password_reset')).at(-1)).toMatchObject({ actor_id: person.userId });
  });

  test('ends the API keys of the account, with whom it leaves in the audit', async () => {
    const person = await confirmed('keyed');
    const { apiKey, secret } = await world.apiKeys.create(
      person.viewer,
      { name: 'left by a thief', scopes: ['read', 'query', 'write'], expiresAt: null },
      caller,
    );
    expect((await world.apiKeys.authenticate(secret)).userId).toBe(person.userId);
    const job = await world.job(person.userId, { keyId: apiKey.id });
    const told = new Promise<void>((resolve) => strict.bus.listen('session.revoked', apiKey.id, () => resolve()));
    await world.accounts.requestPasswordReset(person.email, caller);
    await world.accounts.resetPassword({ token: tokenOf(await world.mail()), newPassword }, caller);
    expect(await codeOf(world.apiKeys.authenticate(secret))).toBe('UNAUTHENTICATED');
    await told;
    expect(await codeOf(strict.apiKeys.authenticate(secret))).toBe('UNAUTHENTICATED');
    expect(await world.jobs.find(job)).toMatchObject({ status: 'cancelled' });
    expect((await world.auditOf('api_key.revoked')).at(-1)).toMatchObject({
      actor_id: person.userId,
      details: { name: 'left by a thief' },
    });
    await world.forgetMails();
  });

  test('that was asked for while the address changed opens nothing for the old mailbox', async () => {
    const person = await confirmed('old-box');
    await world.accounts.updateProfile(person.viewer, { email: 'new-box@example.com', password }, caller);
    const link = (await world.mails()).filter((mail) => readerOf(mail) === 'new-box@example.com').map(tokenOf)[0]!;
    // Holds the request between its reading the account and its issuing the token.
    await using held = await holdTokens('password.reset', person.userId);
    const asked = world.accounts.requestPasswordReset(person.email, caller);
    await held.untilSomebodyWaits();
    await confirm(link);
    await held.release();
    await asked;
    const mail = await world.mail();
    expect(readerOf(mail)).toBe(person.email);
    const before = badToken('this token was mailed to an address that the account had before');
    await expect(world.accounts.resetPassword({ token: tokenOf(mail), newPassword }, caller)).rejects.toMatchObject(
      before,
    );
    await login('new-box@example.com');
  });

  test('is set, or the address is another, and both at once end', async () => {
    const person = await confirmed('both');
    await world.accounts.requestPasswordReset(person.email, caller);
    await world.accounts.updateProfile(person.viewer, { email: 'both-new@example.com', password }, caller);
    const mails = await world.mails();
    const reset = tokenOf(mails.find(({ subject }) => subject === 'Set a new password')!);
    const link = tokenOf(mails.find(({ subject }) => subject === 'Confirm your new address')!);
    const codes = await Promise.all([
      codeOf(world.accounts.resetPassword({ token: reset, newPassword }, caller)),
      codeOf(confirm(link, strict)),
    ]);
    // Whoever is second finds his token void.
    expect(codes.sort()).toEqual(['BAD_USER_INPUT', undefined]);
    await world.forgetMails();
  });

  test('is set once by many that come at once', async () => {
    const { email } = await confirmed('many');
    await world.accounts.requestPasswordReset(email, caller);
    const token = tokenOf(await world.mail());
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) =>
        (i % 2 === 0 ? world : strict).accounts.resetPassword({ token, newPassword: `${newPassword} ${i}` }, caller),
      ),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const winner = answers.findIndex(({ status }) => status === 'fulfilled');
    await login(email, `${newPassword} ${winner}`);
    await world.forgetMails();
  });

  test('of a disabled account stays, also when it was disabled after the mail, and the link is not used up', async () => {
    const { email, userId } = await confirmed('locked-later');
    await world.accounts.requestPasswordReset(email, caller);
    const token = tokenOf(await world.mail());
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    expect(await codeOf(world.accounts.resetPassword({ token, newPassword }, caller))).toBe('FORBIDDEN');
    await world.sql('UPDATE users SET disabled_at = NULL WHERE id = $1', [userId]);
    await world.accounts.resetPassword({ token, newPassword }, caller);
    await world.forgetMails();
  });

  test('leaves no token in the database that opens anything', async () => {
    const { email } = await confirmed('dumped');
    await world.accounts.requestPasswordReset(email, caller);
    const dump = async () =>
      (
        await world.sql<{ content: string }>(
          `SELECT string_agg(query_to_xml(format('SELECT * FROM %I', tablename), true, true, '')::text, '') AS content
         FROM pg_tables WHERE schemaname = 'public'`,
        )
      )[0]!.content;
    const waiting = await dump();
    const token = tokenOf(await world.mail());
    expect(waiting).not.toContain(token);
    expect(await dump()).not.toContain(token);
  });
});

describe('changing a password', () => {
  const change = (
    person: { viewer: Awaited<ReturnType<MailedWorld['person']>>['viewer'] },
    currentPassword = password,
  ) => world.accounts.changePassword(person.viewer, { currentPassword, newPassword }, caller);

  test('ends every other session, and goes on in this one with other tokens', async () => {
    const person = await confirmed('changer');
    const elsewhere = await login(person.email);
    await world.accounts.requestPasswordReset(person.email, caller);
    const reset = tokenOf(await world.mail());
    const next = await change(person);
    expect(next.viewer.sessionId).toBe(person.viewer.sessionId);
    expect(await world.accounts.authenticate(next.accessToken)).toMatchObject({ userId: person.userId });
    expect(await codeOf(world.accounts.authenticate(elsewhere.accessToken))).toBe('UNAUTHENTICATED');
    for (const { refreshToken } of [person, elsewhere])
      expect(await codeOf(world.accounts.refreshSession(refreshToken, caller))).toBe('UNAUTHENTICATED');
    await world.accounts.refreshSession(next.refreshToken, caller);
    expect(await codeOf(world.accounts.resetPassword({ token: reset, newPassword }, caller))).toBe('BAD_USER_INPUT');
    expect(await world.mail()).toMatchObject({ subject: 'Your password was changed', to: [{ address: person.email }] });
    expect(await codeOf(login(person.email))).toBe('UNAUTHENTICATED');
    await login(person.email, newPassword);
  });

  test.each(['not the one', '', 'a'.repeat(2_000), `${password}\ud800`])('takes the present one: %#', async (given) => {
    const person = await world.person();
    await expect(change(person, given)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.currentPassword', message: 'not the password of this account' }] },
    });
    expect((await world.auditOf('user.password_change_failed')).at(-1)).toMatchObject({ actor_id: person.userId });
    await login(person.email);
    await world.forgetMails();
  });

  test('sends whose account has none to the mail that sets one', async () => {
    const person = await confirmed('issued');
    await world.sql(`UPDATE users SET password_hash = '' WHERE id = $1`, [person.userId]);
    await expect(change(person, '')).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ message: expect.stringContaining('requestPasswordReset') }] },
    });
    await world.accounts.requestPasswordReset(person.email, caller);
    await world.accounts.resetPassword({ token: tokenOf(await world.mail()), newPassword }, caller);
    await login(person.email, newPassword);
    await world.forgetMails();
  });

  test('is done by one of two at once, and the other is told', async () => {
    const person = await confirmed('twice');
    const codes = await Promise.all([codeOf(change(person)), codeOf(change(person))]);
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    // Read before or behind the other's write.
    expect(['CONFLICT', 'BAD_USER_INPUT']).toContain(codes.find((code) => code !== undefined));
    await world.forgetMails();
  });

  test('takes somebody who is signed in still', async () => {
    const person = await confirmed('left');
    await world.accounts.logout(person.viewer, {}, caller);
    expect(await codeOf(change(person))).toBe('UNAUTHENTICATED');
    expect(await codeOf(world.accounts.changePassword(null, { currentPassword: password, newPassword }, caller))).toBe(
      'UNAUTHENTICATED',
    );
    await login(person.email);
  });
});

describe('a profile', () => {
  const update = (
    person: { viewer: Awaited<ReturnType<MailedWorld['person']>>['viewer'] },
    input: object,
    on = world as Pick<World, 'accounts'>,
  ) => on.accounts.updateProfile(person.viewer, { ...('email' in input && { password }), ...input }, caller);

  test('has the name that one gives it, none with null, and the old one where nothing is said', async () => {
    const person = await confirmed('named');
    expect((await update(person, { name: 'Ann' })).name).toBe('Ann');
    expect((await update(person, {})).name).toBe('Ann');
    expect((await update(person, { name: null })).name).toBeNull();
    expect((await update(person, { email: person.email })).email).toBe(person.email);
    expect(await world.mails()).toEqual([]);
  });

  test('gets another address when that one is confirmed, and the old one is told before', async () => {
    const person = await confirmed('mover');
    await world.accounts.requestPasswordReset(person.email, caller);
    const reset = tokenOf(await world.mail());
    expect((await update(person, { email: 'Moved@example.com' })).email).toBe(person.email);
    const mails = await world.mails();
    const told = mails.find((mail) => readerOf(mail) === person.email);
    expect(told?.text).toContain('Moved@example.com');
    expect(told?.text).not.toContain('token=');
    await login(person.email);
    const asked = mails.find((mail) => readerOf(mail) === 'Moved@example.com')!;
    expect(asked.subject).toBe('Confirm your new address');
    expect(await confirm(tokenOf(asked))).toMatchObject({ email: 'Moved@example.com' });
    expect(mails).toHaveLength(2);
    await login('moved@example.com');
    expect(await codeOf(login(person.email))).toBe('UNAUTHENTICATED');
    // What the old address was mailed opens nothing now.
    expect(await codeOf(world.accounts.resetPassword({ token: reset, newPassword }, caller))).toBe('BAD_USER_INPUT');
  });

  test('gets another address by its password alone, and what is tried for it counts as at a sign-in', async () => {
    const person = await confirmed('guarded');
    const limited = await world.startReplica({ attempts: { perAccount: 3, perAddress: 0, registrations: 0 } });
    const wanted = { email: 'thief@example.com', name: 'Thief' };
    const faultOf = async (given: object) =>
      update(person, { ...wanted, ...given }, limited).then(
        () => null,
        ({ code, details }) => details?.fields?.[0]?.path ?? code,
      );
    for (const given of [
      { password: undefined },
      { password: null },
      { password: 'wrong' },
      { password: 'x'.repeat(100) },
    ])
      expect(await faultOf(given)).toBe('input.password');
    expect(await faultOf({ password: 'wrong again' })).toBe('input.password');
    expect(await faultOf({ password })).toBe('RATE_LIMITED');
    expect(await userOf(person.email)).toMatchObject({ name: null });
    expect(await world.mails()).toEqual([]);
    // What was tried is in the audit, as a wrong password of anywhere is.
    const failures = (await world.auditOf('profile.update_failed')).filter((entry) => entry.actor_id === person.userId);
    expect(failures.map(({ outcome }) => outcome)).toEqual(['failure', 'failure', 'failure']);
    // What is his already, or is no address, asks for nothing.
    expect((await update(person, { name: 'Ann', email: person.email, password: null })).name).toBe('Ann');
  });

  test('of an account that has no password gets another address behind one that the present address was mailed for', async () => {
    const person = await confirmed('passwordless');
    await world.sql(`UPDATE users SET password_hash = '' WHERE id = $1`, [person.userId]);
    const wanted = { email: 'passwordless-new@example.com' };
    for (const given of [{ password: null }, { password: '' }, { password }])
      await expect(update(person, { ...wanted, ...given })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        details: { fields: [{ path: 'input.password', message: expect.stringContaining('requestPasswordReset') }] },
      });
    expect(await world.mails()).toEqual([]);
    expect((await update(person, { name: 'Ann', email: person.email, password: null })).name).toBe('Ann');

    await world.accounts.requestPasswordReset(person.email, caller);
    await world.accounts.resetPassword({ token: tokenOf(await world.mail()), newPassword }, caller);
    await world.forgetMails();
    await update(await login(person.email, newPassword), { ...wanted, password: newPassword });
    expect((await world.mails()).map(readerOf).sort()).toEqual(['passwordless-new@example.com', person.email].sort());
  });

  test('that gets another address while its own of before is asked for takes the password for that, too', async () => {
    const person = await confirmed('between');
    await using other = await world.begun();
    await other.query(`UPDATE users SET email = 'away@example.com', email_key = 'away@example.com' WHERE id = $1`, [
      person.userId,
    ]);
    const asked = codeOf(update(person, { email: person.email, password: null }));
    await Promise.race([asked, other.untilSomebodyWaits()]);
    await other.query('COMMIT');
    expect(await asked).toBe('CONFLICT');
    expect(await world.mails()).toEqual([]);
  });

  test('gets no address that another account has, and where accounts are no secret that is said', async () => {
    await confirmed('owner');
    const person = await confirmed('wisher');
    expect(await codeOf(update(person, { name: 'Half', email: 'OWNER@example.com' }))).toBe('CONFLICT');
    expect((await userOf(person.email))?.name).toBeNull();
    expect(await world.mails()).toEqual([]);
    expect((await update(person, { email: 'owner@example.com' }, strict)).email).toBe(person.email);
    const mails = (await world.mails()).map((mail) => [readerOf(mail), mail.subject]);
    expect(mails).toContainEqual(['owner@example.com', 'You have an account already']);
  });

  test('that wants an address learns neither from the answers nor from its own mails whether it is taken', async () => {
    await confirmed('sought');
    const asked = [];
    for (const address of ['sought', 'free-of-anybody']) {
      const person = await confirmed(`seeker-of-${address}`);
      const codes = [];
      for (let i = 0; i <= maxTokenMailsPerHour; i += 1)
        codes.push(await codeOf(update(person, { email: `${address}@example.com` }, strict)));
      const mails = await world.mails();
      const own = mails.filter((mail) => readerOf(mail) === person.email).map(({ subject }) => subject);
      const others = [
        ...new Set(mails.filter((mail) => readerOf(mail) !== person.email).map(({ subject }) => subject)),
      ];
      asked.push({ codes, own, others });
    }
    const [taken, free] = asked;
    expect(taken).toEqual({ ...free, others: ['You have an account already'] });
    expect(free?.others).toEqual(['Confirm your new address']);
    // The link of his registration was the first of them.
    expect(free?.own).toHaveLength(maxTokenMailsPerHour - 1);
    expect(free?.codes.at(-1)).toBe('RATE_LIMITED');
  });

  test('gets no address that another account was given meanwhile, and the link stays as it was', async () => {
    const person = await confirmed('slow');
    await update(person, { email: 'wanted@example.com' });
    const token = (await world.mails()).filter((mail) => readerOf(mail) === 'wanted@example.com').map(tokenOf)[0]!;
    const { userId } = await world.person('wanted');
    expect(await codeOf(confirm(token))).toBe('CONFLICT');
    await world.sql('DELETE FROM users WHERE id = $1', [userId]);
    await confirm(token);
    await login('wanted@example.com');
    await world.forgetMails();
  });

  test.each(['changed', 'set anew'])(
    'keeps its address when the password is %s before the other one is confirmed',
    async (how) => {
      const person = await confirmed(`stolen-${how.length}`);
      await update(person, { email: 'thief@example.com' });
      const token = (await world.mails()).filter((mail) => readerOf(mail) === 'thief@example.com').map(tokenOf)[0]!;
      if (how === 'changed') {
        await world.accounts.changePassword(person.viewer, { currentPassword: password, newPassword }, caller);
      } else {
        await world.accounts.requestPasswordReset(person.email, caller);
        await world.accounts.resetPassword({ token: tokenOf(await world.mail()), newPassword }, caller);
      }
      await expect(world.accounts.verifyEmail(person.viewer, { token }, caller)).rejects.toMatchObject(
        badToken('this token has been replaced by a newer one'),
      );
      expect((await world.mail()).subject).toBe('Your password was changed');
    },
  );

  test('asks for other addresses so often an hour, and says when there were too many', async () => {
    const person = await world.person('restless');
    await world.forgetMails();
    // The link of its registration is the first of them.
    for (let i = 1; i < maxTokenMailsPerHour; i += 1) await update(person, { email: `restless${i}@example.com` });
    await expect(update(person, { email: 'restless@example.org' })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      details: { retryAfterMs: 3_600_000 },
    });
    expect((await world.mails()).map(readerOf)).not.toContain('restless@example.org');
  });
});

describe('through GraphQL', () => {
  test('what is bad is told by field, and a link that is not good by what became of it', async () => {
    const run = createGraph(world);
    const { viewer } = await world.person('graphed');
    await world.forgetMails();
    const cases: [string, object, string, string][] = [
      ['verifyEmail', { token: 'x' }, 'input.token', '{ user { id } }'],
      ['resetPassword', { token: 'x', newPassword: 'short' }, 'input.newPassword', '{ ok }'],
      ['resetPassword', { token: 'x', newPassword }, 'input.token', '{ ok }'],
      ['changePassword', { currentPassword: password, newPassword: 'short' }, 'input.newPassword', '{ accessToken }'],
      ['updateProfile', { email: 'no address' }, 'input.email', '{ user { id } }'],
      ['updateProfile', { name: 'a\0b' }, 'input.name', '{ user { id } }'],
      ['requestPasswordReset', { email: 'a\0@example.com' }, 'input.email', '{ ok }'],
      ['resendVerification', { email: 'a'.repeat(300) }, 'input.email', '{ ok }'],
    ];
    for (const [field, input, path, selection] of cases) {
      const type = `${field[0]!.toUpperCase()}${field.slice(1)}Input`;
      const document = `mutation ($input: ${type}!) { ${field}(input: $input) ${selection} }`;
      expect(await run(viewer, document, { input })).toMatchObject({
        code: 'BAD_USER_INPUT',
        details: { fields: [{ path }] },
      });
    }
    expect(await world.mails()).toEqual([]);
  });

  test('asking for a mail is answered alike for whom there is and whom there is not', async () => {
    const run = createGraph(world);
    await world.person('alike');
    await world.forgetMails();
    for (const field of ['requestPasswordReset', 'resendVerification']) {
      const document = `mutation ($email: String!) { ${field}(input: { email: $email }) { ok } }`;
      const answers = await Promise.all(
        ['alike@example.com', 'nobody@example.com', 'no address'].map((email) => run(null, document, { email })),
      );
      expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
        new Set([JSON.stringify({ data: { [field]: { ok: true } } })]),
      );
    }
    expect((await world.mails()).map(readerOf)).toEqual(['alike@example.com', 'alike@example.com']);
  });

  test('confirming an address signs nobody in and shows nothing private', async () => {
    const run = createGraph(world);
    await world.person('private');
    const token = tokenOf(await world.mail());
    const { data } = await run(
      null,
      'mutation ($input: VerifyEmailInput!) { verifyEmail(input: $input) { user { name email role sessions { id } } } }',
      { input: { token, password } },
    );
    expect(data.verifyEmail.user).toEqual({ name: null, email: null, role: null, sessions: null });
  });

  test('a password that was changed answers with the tokens of the session that goes on', async () => {
    const run = createGraph(world);
    const { viewer } = await world.person('graph-changer');
    const { data } = await run(
      viewer,
      `mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { accessToken user { sessions { current } } } }`,
      { input: { currentPassword: password, newPassword } },
    );
    expect(data.changePassword.user.sessions).toEqual([{ current: true }]);
    await world.accounts.authenticate(data.changePassword.accessToken);
  });
});

describe('an address that was not confirmed', () => {
  beforeEach(() => world.forgetMails());

  test('signs nobody in any more, by a session or a key of before, once it has to be', async () => {
    const person = await world.person('lax');
    const token = tokenOf(await world.mail());
    const { secret } = await world.apiKeys.create(
      person.viewer,
      { name: 'lax', scopes: ['read'], expiresAt: null },
      caller,
    );
    const doors = [
      () => strict.bearer(person.accessToken),
      () => strict.bearer(secret),
      () => strict.accounts.refreshSession(person.refreshToken, caller),
      () => strict.accounts.changePassword(person.viewer, { currentPassword: password, newPassword }, caller),
    ];
    for (const door of doors) expect(await codeOf(door())).toBe('UNAUTHENTICATED');
    expect(await codeOf(login(person.email, password, strict))).toBe('EMAIL_NOT_VERIFIED');
    // Where it need not be, all of them are good; and confirmed, they are good again, however long they waited for it.
    await world.bearer(person.accessToken);
    await confirm(token, strict);
    await login(person.email, password, strict);
    const later = await world.startReplica({ requireVerifiedEmail: true });
    await later.bearer(person.accessToken);
    await later.bearer(secret);
    const ago = `UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' WHERE session_id = $1`;
    await world.sql(ago, [person.viewer.sessionId]);
    await later.bearer((await later.accounts.refreshSession(person.refreshToken, caller)).accessToken);
    expect(await world.auditOf('session.reuse_detected')).toEqual([]);
  });

  test('is confirmed by a password that is tried no oftener than at a sign-in', async () => {
    const limited = await world.startReplica({ attempts: { perAccount: 3, perAddress: 0, registrations: 0 } });
    const person = await world.person('tried');
    const token = tokenOf(await world.mail());
    const tried = (given: string) => codeOf(confirm(token, limited, given));
    const codes = await Promise.all(Array.from({ length: 12 }, (_, n) => tried(`wrong ${n}`)));
    expect(codes.filter((code) => code === 'BAD_USER_INPUT')).toHaveLength(3);
    expect(new Set(codes)).toEqual(new Set(['BAD_USER_INPUT', 'RATE_LIMITED']));
    const failures = await world.auditOf('user.email_verification_failed');
    expect(failures.filter(({ actor_id }) => actor_id === person.userId)).toHaveLength(3);
    expect(await tried(password)).toBe('RATE_LIMITED');
    expect(await codeOf(login(person.email, password, limited))).toBe('RATE_LIMITED');
    // Who is signed in need not try.
    await limited.accounts.verifyEmail(person.viewer, { token }, caller);
  });
});
