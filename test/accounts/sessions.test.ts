/** AUTH-2 and AUTH-3: refreshing a session, losing the answer, somebody else with the token, and signing out. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchangeRefreshToken } from '../../src/accounts/refresh-tokens.ts';
import { encodeId } from '../../src/lib/ids.ts';
import { caller, createWorld, heardBy, password, type World } from './world.ts';

let world: World;
let replica: Awaited<ReturnType<World['startReplica']>>;
beforeAll(async () => {
  world = await createWorld();
  replica = await world.startReplica();
});
afterAll(() => world[Symbol.asyncDispose]());

const unauthenticated = { code: 'UNAUTHENTICATED' };
const refresh = (token: string, on: Pick<World, 'accounts'> = world) => on.accounts.refreshSession(token, caller);
/** As if the tokens of this session had been exchanged that long ago. */
const age = (sessionId: string, seconds: number) =>
  world.sql('UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $2) WHERE session_id = $1', [
    sessionId,
    seconds,
  ]);

describe('refreshing', () => {
  test('gives a new pair for the same session, thirty days from now', async () => {
    const first = await world.person();
    await world.sql(
      `UPDATE sessions SET expires_at = now() + interval '1 day', last_used_at = '2020-01-01' WHERE id = $1`,
      [first.viewer.sessionId],
    );
    const second = await refresh(first.refreshToken, replica);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(second.viewer).toMatchObject({ userId: first.userId, sessionId: first.viewer.sessionId });
    const [row] = await world.sql<{ days: number; used: Date; expiresAt: Date }>(
      `SELECT extract(epoch FROM expires_at - last_used_at)::int / 86400 AS days, last_used_at AS used,
              expires_at AS "expiresAt" FROM sessions WHERE id = $1`,
      [first.viewer.sessionId],
    );
    expect(row).toMatchObject({ days: 30, expiresAt: second.refreshTokenExpiresAt });
    expect(row!.used.getFullYear()).toBeGreaterThan(2020);
    await world.accounts.authenticate(second.accessToken);
  });

  test('keeps no token that a reader of the database could use', async () => {
    const first = await world.person();
    const second = await refresh(first.refreshToken);
    const rows = await world.sql('SELECT t::text AS text FROM refresh_tokens t WHERE session_id = $1', [
      first.viewer.sessionId,
    ]);
    expect(rows).toHaveLength(2);
    for (const token of [first.refreshToken, second.refreshToken]) {
      const forms = [Buffer.from(token), Buffer.from(token, 'base64url')].map((bytes) => bytes.toString('hex'));
      for (const form of [token, ...forms]) expect(JSON.stringify(rows)).not.toContain(form);
    }
  });

  test('gives one child to fifty at once on two replicas, in twenty rounds, and signs nobody out', async () => {
    let { refreshToken } = await world.person();
    for (let round = 0; round < 20; round += 1) {
      const parent = refreshToken;
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => refresh(parent, i % 2 === 0 ? world : replica)),
      );
      const children = new Set(answers.map((answer) => answer.refreshToken));
      expect(children.size).toBe(1);
      [refreshToken = ''] = children;
      expect(refreshToken).not.toBe(parent);
    }
  });

  test('gives the same child again to a caller whose answer was lost', async () => {
    const { refreshToken, viewer } = await world.person();
    const lost = await refresh(refreshToken);
    await age(viewer.sessionId, 8);
    const again = await refresh(refreshToken, replica);
    expect(again.refreshToken).toBe(lost.refreshToken);
    expect(again.refreshTokenExpiresAt).toEqual(lost.refreshTokenExpiresAt);
    await refresh(again.refreshToken);
  });

  test.each([
    ['text', 'hello'],
    ['nothing', ''],
    ['a token that was never issued', 'A'.repeat(43)],
    ['a NUL', `\0${'A'.repeat(42)}`],
    ['a megabyte', 'A'.repeat(1_000_000)],
  ])('refuses %s', async (_name, token) => {
    await expect(refresh(token)).rejects.toMatchObject(unauthenticated);
  });

  test('refuses an access token', async () => {
    await expect(refresh((await world.person()).accessToken)).rejects.toMatchObject(unauthenticated);
  });

  test('refuses a token whose thirty days are over', async () => {
    const { refreshToken, viewer } = await world.person();
    await world.sql('UPDATE refresh_tokens SET expires_at = now() WHERE session_id = $1', [viewer.sessionId]);
    await expect(refresh(refreshToken)).rejects.toMatchObject(unauthenticated);
  });

  test('refuses the token of a disabled user', async () => {
    const { refreshToken, userId } = await world.person();
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [userId]);
    await expect(refresh(refreshToken)).rejects.toMatchObject(unauthenticated);
  });

  test('forgets tokens that have expired', async () => {
    const { refreshToken, viewer } = await world.person();
    const { refreshToken: child } = await refresh(refreshToken);
    await world.sql(`UPDATE refresh_tokens SET expires_at = now() - interval '1 s' WHERE used_at IS NOT NULL`);
    await refresh(child);
    const rows = await world.sql('SELECT FROM refresh_tokens WHERE session_id = $1', [viewer.sessionId]);
    expect(rows).toHaveLength(2);
  });
});

test('a token that is exchanged while the password of its session changes leaves no other that is good', async () => {
  const { refreshToken, viewer } = await world.person();
  await using thief = await world.begun();
  const { keyring } = world;
  const exchanged = await exchangeRefreshToken(thief, { keyring, requireVerifiedEmail: false }, refreshToken);
  if (exchanged.outcome !== 'exchanged') throw new Error(exchanged.outcome);
  const change = { currentPassword: password, newPassword: 'another horse battery' };
  const changed = world.accounts.changePassword(viewer, change, caller);
  await thief.untilSomebodyWaits();
  await thief.commit();
  const own = await changed;
  for (const token of [exchanged.token, refreshToken])
    await expect(refresh(token)).rejects.toMatchObject(unauthenticated);
  expect((await refresh(own.refreshToken)).viewer.sessionId).toBe(viewer.sessionId);
});

describe('a reused refresh token ends its whole family', () => {
  async function expectEnded(r0: string, last: { refreshToken: string; accessToken: string }, sessionId: string) {
    // Both replicas know the session by heart.
    await world.accounts.authenticate(last.accessToken);
    await replica.accounts.authenticate(last.accessToken);
    const heard = heardBy(replica, sessionId);
    await expect(refresh(r0)).rejects.toMatchObject(unauthenticated);
    await expect(world.accounts.authenticate(last.accessToken)).rejects.toMatchObject(unauthenticated);
    await heard;
    await expect(replica.accounts.authenticate(last.accessToken)).rejects.toMatchObject(unauthenticated);
    await expect(refresh(last.refreshToken)).rejects.toMatchObject(unauthenticated);
    await expect(refresh(last.refreshToken, replica)).rejects.toMatchObject(unauthenticated);
    const entries = await world.auditOf('session.reuse_detected');
    expect(entries.at(-1)).toMatchObject({ subject: encodeId('Session', sessionId), outcome: 'failure' });
    expect(entries.filter((entry) => entry.subject === encodeId('Session', sessionId))).toHaveLength(1);
  }

  test('the one before the last, although within the grace', async () => {
    const first = await world.person();
    const r1 = await refresh(first.refreshToken);
    const r2 = await refresh(r1.refreshToken);
    await expectEnded(first.refreshToken, r2, first.viewer.sessionId);
  });

  test('the last one, after the grace', async () => {
    const first = await world.person();
    const r1 = await refresh(first.refreshToken);
    await age(first.viewer.sessionId, 11);
    await expectEnded(first.refreshToken, r1, first.viewer.sessionId);
  });

  test('and no other session of the user', async () => {
    const first = await world.person();
    const other = await world.accounts.login({ email: first.email, password: 'correct horse battery' }, caller);
    const r1 = await refresh(first.refreshToken);
    await refresh(r1.refreshToken);
    await expect(refresh(first.refreshToken)).rejects.toMatchObject(unauthenticated);
    await world.accounts.authenticate(other.accessToken);
    await refresh(other.refreshToken);
  });
});

describe('signing out', () => {
  test('ends this session on every replica, and no other', async () => {
    const one = await world.person();
    const two = await world.accounts.login({ email: one.email, password: 'correct horse battery' }, caller);
    await replica.accounts.authenticate(one.accessToken);
    const heard = heardBy(replica, one.viewer.sessionId);
    await world.accounts.logout(one.viewer, {}, caller);
    await expect(world.accounts.authenticate(one.accessToken)).rejects.toMatchObject(unauthenticated);
    await heard;
    await expect(replica.accounts.authenticate(one.accessToken)).rejects.toMatchObject(unauthenticated);
    await expect(refresh(one.refreshToken)).rejects.toMatchObject(unauthenticated);
    await world.accounts.authenticate(two.accessToken);
    expect(await world.auditOf('session.ended')).toContainEqual(
      expect.objectContaining({ subject: encodeId('Session', one.viewer.sessionId), actor_id: one.userId }),
    );
  });

  test('ends another session of the viewer by its id', async () => {
    const one = await world.person();
    const two = await world.accounts.login({ email: one.email, password: 'correct horse battery' }, caller);
    await world.accounts.logout(one.viewer, { sessionId: two.viewer.sessionId }, caller);
    await expect(world.accounts.authenticate(two.accessToken)).rejects.toMatchObject(unauthenticated);
    await world.accounts.authenticate(one.accessToken);
  });

  test('ends all sessions of the viewer, and of nobody else', async () => {
    const one = await world.person();
    const other = await world.person();
    const two = await world.accounts.login({ email: one.email, password: 'correct horse battery' }, caller);
    await world.accounts.logout(one.viewer, { everywhere: true }, caller);
    for (const { accessToken } of [one, two])
      await expect(world.accounts.authenticate(accessToken)).rejects.toMatchObject(unauthenticated);
    await world.accounts.authenticate(other.accessToken);
  });

  test('finds no session of somebody else, and none that has ended', async () => {
    const one = await world.person();
    const other = await world.person();
    const gone = await world.accounts.login({ email: one.email, password: 'correct horse battery' }, caller);
    await world.accounts.logout(gone.viewer, {}, caller);
    for (const sessionId of [other.viewer.sessionId, gone.viewer.sessionId, one.userId])
      await expect(world.accounts.logout(one.viewer, { sessionId }, caller)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    await world.accounts.authenticate(other.accessToken);
  });

  test('refuses one session and all at once, and an anonymous caller', async () => {
    const { viewer } = await world.person();
    const { sessionId } = viewer;
    await expect(world.accounts.logout(viewer, { everywhere: true, sessionId }, caller)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
    });
    await expect(world.accounts.logout(null, {}, caller)).rejects.toMatchObject(unauthenticated);
  });
});

test('a hundred sessions live at once; one more ends the one that was longest unused', async () => {
  const first = await world.person();
  await world.sql(
    `INSERT INTO sessions (id, user_id, last_used_at, expires_at)
     SELECT gen_random_uuid(), $1, now() + interval '1 min', now() + interval '1 day' FROM generate_series(1, 99)`,
    [first.userId],
  );
  await world.accounts.authenticate(first.accessToken);
  const heard = heardBy(replica, first.viewer.sessionId);
  const next = await world.accounts.login({ email: first.email, password: 'correct horse battery' }, caller);
  await expect(world.accounts.authenticate(first.accessToken)).rejects.toMatchObject(unauthenticated);
  await heard;
  const sessions = await world.accounts.sessionsOf([first.userId]);
  expect(sessions.get(first.userId)).toHaveLength(100);
  await world.accounts.authenticate(next.accessToken);
});
