/** Opening an account, signing in, and what a user may set. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeId } from '../../src/lib/ids.ts';
import { caller, createWorld, password, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.person('first');
});
afterAll(() => world[Symbol.asyncDispose]());

describe('the first account', () => {
  test('is the only administrator when several come at once, on two replicas', async () => {
    for (let round = 0; round < 3; round += 1) {
      await using fresh = await createWorld();
      const replica = await fresh.startReplica();
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          (i % 2 === 0 ? fresh : replica).accounts.register({ email: `p${i}@example.com`, password }, caller),
        ),
      );
      expect(answers.filter((answer) => answer?.viewer.role === 'admin')).toHaveLength(1);
      expect(await fresh.sql(`SELECT FROM users WHERE role = 'admin'`)).toHaveLength(1);
      expect(await fresh.sql('SELECT FROM users')).toHaveLength(12);
    }
  });

  test('may be opened where registration is closed, and no other, also at once', async () => {
    await using fresh = await createWorld();
    const { accounts } = await fresh.startReplica({ registration: 'closed' });
    const answers = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) => accounts.register({ email: `p${i}@example.com`, password }, caller)),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'FORBIDDEN' });
    await expect(accounts.register({ email: 'late@example.com', password }, caller)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    expect(await fresh.sql('SELECT FROM users')).toHaveLength(1);
  });
});

describe('registering', () => {
  test('opens an account that is signed in, and leaves no password behind', async () => {
    const signedIn = (await world.accounts.register({ email: 'New@Example.com', password, name: 'New' }, caller))!;
    expect(await world.accounts.authenticate(signedIn.accessToken)).toMatchObject({ role: 'member' });
    const user = await world.accounts.self(signedIn.viewer);
    expect(user).toMatchObject({ email: 'New@Example.com', emailKey: 'new@example.com', name: 'New' });
    expect(user.lastLoginAt).toBeInstanceOf(Date);
    expect(JSON.stringify(user)).not.toContain(password);
    const [entry] = (await world.auditOf('user.registered')).slice(-1);
    expect(entry).toMatchObject({
      actor_id: user.id,
      subject: encodeId('User', user.id),
      outcome: 'success',
      ip_address: '192.0.2.1',
      details: { role: 'member' },
    });
  });

  test.each(['first@example.com', 'FIRST@example.COM', ' first@example.com ', 'ｆｉｒｓｔ@example.com'])(
    'refuses a taken address: %j',
    async (email) => {
      await expect(world.accounts.register({ email, password }, caller)).rejects.toMatchObject({ code: 'CONFLICT' });
    },
  );

  test('opens one account for one address that ten ask for at once', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 10 }, () => world.accounts.register({ email: 'race@example.com', password }, caller)),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await world.sql(`SELECT FROM users WHERE email_key = 'race@example.com'`)).toHaveLength(1);
  });
});

describe('signing in', () => {
  test('takes the address in any case, and notes when and from where', async () => {
    const { userId } = await world.person('casey');
    await world.sql('UPDATE users SET last_login_at = NULL WHERE id = $1', [userId]);
    const { viewer } = await world.accounts.login({ email: ' CASEY@EXAMPLE.COM', password }, caller);
    expect((await world.accounts.self(viewer)).lastLoginAt).toBeInstanceOf(Date);
    expect(await world.accounts.session(viewer, viewer.sessionId)).toMatchObject(caller);
    expect((await world.auditOf('user.login')).at(-1)).toMatchObject({ actor_id: userId, outcome: 'success' });
  });

  test('says the same for a wrong password, an unknown address and a password that cannot be', async () => {
    const { userId } = await world.person('wrong');
    const attempts = [
      { email: 'wrong@example.com', password: 'not the one' },
      { email: 'nobody@example.com', password },
      { email: 'wrong@example.com', password: '' },
      { email: 'wrong@example.com', password: 'a'.repeat(2_000) },
      { email: 'wrong@example.com', password: `${password}\ud800` },
    ];
    const answers = await Promise.allSettled(attempts.map((attempt) => world.accounts.login(attempt, caller)));
    const reasons = answers.map((answer) => answer.status === 'rejected' && answer.reason);
    expect(new Set(reasons.map(({ code, message, details }) => JSON.stringify({ code, message, details }))).size).toBe(
      1,
    );
    expect(reasons[0]).toMatchObject({ code: 'UNAUTHENTICATED' });
    const failures = await world.auditOf('user.login_failed');
    expect(failures.filter((entry) => entry.actor_id === userId)).toHaveLength(4);
    expect(failures.filter((entry) => entry.actor_id === null)).toHaveLength(1);
    expect(JSON.stringify(failures)).not.toContain('not the one');
  });

  test('tells a disabled user only when the password is right', async () => {
    const { userId, email } = await world.person();
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    await expect(world.accounts.login({ email, password }, caller)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(world.accounts.login({ email, password: 'wrong' }, caller)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });

  test('is none where the password is changed, or the account disabled, while it is under way', async () => {
    for (const change of [`password_hash = 'another'`, 'disabled_at = now()']) {
      const { email, userId } = await world.person();
      await using other = await world.begun();
      await other.holdUser(userId);
      const entered = expect(world.accounts.login({ email, password }, caller), change).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
      await other.untilSomebodyWaits();
      await other.query(`UPDATE users SET ${change} WHERE id = $1`, [userId]);
      await other.commit();
      await entered;
      expect((await world.accounts.sessionsOf([userId])).get(userId)).toHaveLength(1);
    }
  });

  test('is given up with its caller', async () => {
    const { email } = await world.person();
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(world.accounts.login({ email, password }, caller, signal)).rejects.toThrow('gone');
  });
});

describe('settings', () => {
  const settings = async (person: Awaited<ReturnType<World['person']>>) =>
    world.accounts.settingsOf(await world.accounts.self(person.viewer));

  test('hold their defaults until they are set, stay when absent, and go back with null', async () => {
    const person = await world.person();
    const defaults = {
      maxParallelJobs: 4,
      maxParallelJobsLimit: 4,
      queuePriority: 0,
      statementTimeoutMs: 60_000,
      maxRows: 10_000,
      defaultExportFormat: 'csv',
      defaultExportBucketId: null,
      defaultExportPrefix: '',
    };
    expect(await settings(person)).toEqual(defaults);
    await world.accounts.updateSettings(person.viewer, { maxParallelJobs: 2, maxRows: 5 }, caller);
    expect(await settings(person)).toEqual({ ...defaults, maxParallelJobs: 2, maxRows: 5 });
    await world.accounts.updateSettings(person.viewer, { maxRows: null, statementTimeoutMs: 1_000 }, caller);
    expect(await settings(person)).toEqual({ ...defaults, maxParallelJobs: 2, statementTimeoutMs: 1_000 });
    await world.accounts.updateSettings(person.viewer, {}, caller);
    expect((await world.auditOf('settings.updated')).at(-2)).toMatchObject({
      actor_id: person.userId,
      details: { maxRows: null, statementTimeoutMs: 1_000 },
    });
  });

  test('keep to the ceiling, also to one that sank', async () => {
    const person = await world.person();
    await expect(world.accounts.updateSettings(person.viewer, { maxParallelJobs: 5 }, caller)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.maxParallelJobs', message: 'at most 4, the ceiling of this account' }] },
    });
    await world.sql('UPDATE users SET max_parallel_jobs_limit = 9 WHERE id = $1', [person.userId]);
    await world.accounts.updateSettings(person.viewer, { maxParallelJobs: 9 }, caller);
    expect(await settings(person)).toMatchObject({ maxParallelJobs: 9, maxParallelJobsLimit: 9 });
    await world.sql('UPDATE users SET max_parallel_jobs_limit = 1 WHERE id = $1', [person.userId]);
    expect(await settings(person)).toMatchObject({ maxParallelJobs: 1, maxParallelJobsLimit: 1 });
  });

  test('are nobody else’s', async () => {
    await expect(world.accounts.updateSettings(null, { maxRows: 5 }, caller)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });
});
