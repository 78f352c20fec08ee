/** How long what is open lasts where many of it depend on one token. */
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { UserRole, Viewer } from '../../src/accounts/viewer.ts';
import { createLifetimes } from '../../src/graph/lifetime.ts';
import { createBus } from '../../src/lib/bus.ts';
import { AppError } from '../../src/lib/errors.ts';
import type { Topic } from '../../src/lib/topics.ts';

const viewer: Viewer = { userId: 'u', role: 'member', sessionId: 's', expiresAt: null };
const token = 'Bearer token';

function world() {
  const bus = createBus<Topic>();
  const asked: string[] = [];
  let answer: () => { role: UserRole } | null = () => viewer;
  const begin = createLifetimes({
    bus,
    async check(authorization) {
      asked.push(authorization);
      return answer();
    },
  });
  return {
    asked,
    open(as: Viewer = viewer, authorization = token) {
      const lifetime = begin();
      lifetime.renew(as, authorization);
      return lifetime;
    },
    /** From now on, when it is asked. */
    say(said: typeof answer) {
      answer = said;
    },
    ring(said: typeof answer) {
      answer = said;
      bus.ring('session.revoked', viewer.sessionId);
    },
  };
}

const revoked = () => {
  throw new AppError('UNAUTHENTICATED', 'The session has ended');
};
const ended = (lifetime: { ended: AbortSignal }) => once(lifetime.ended, 'abort');

test('a token that many depend on is asked about once, and all of them end with it', async () => {
  const { asked, open, ring } = world();
  const all = Array.from({ length: 100 }, () => open());
  const ends = Promise.all(all.map(ended));
  ring(revoked);
  await ends;
  expect(asked).toEqual([token]);
});

test('each is asked about again before five seconds are over, so that one whose ring was lost ends by then', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const { asked, open, say } = world();
  const tokens = Array.from({ length: 40 }, (_, n) => `${token} ${n}`);
  const ends = Promise.all(tokens.map((each) => ended(open(viewer, each))));
  say(revoked);
  vi.advanceTimersByTime(4_900);
  expect(new Set(asked)).toEqual(new Set(tokens));
  await ends;
});

test('of those who depend on one token only they end who began in another role', async () => {
  const { open, ring } = world();
  const [before, now] = [open({ ...viewer, role: 'admin' }), open()];
  const end = ended(before);
  ring(() => viewer);
  await end;
  expect(now.ended.aborted).toBe(false);
});

test('one that is renewed ends with its new token, and no longer with the one before', async () => {
  const { asked, open, ring } = world();
  const [renewed, other] = [open(), open()];
  renewed.renew({ ...viewer, sessionId: 'another' }, 'Bearer another');
  const end = ended(other);
  ring(revoked);
  await end;
  expect(renewed.ended.aborted).toBe(false);
  expect(asked).toEqual([token]);
});

test('one that was let go is not ended by what others depend on', async () => {
  const { open, ring } = world();
  const [gone, other] = [open(), open()];
  gone[Symbol.dispose]();
  const end = ended(other);
  ring(revoked);
  await end;
  expect(gone.ended.aborted).toBe(false);
});

test('a check that fails for another reason ends nothing', async () => {
  const { asked, open, ring } = world();
  const lifetime = open();
  ring(() => {
    throw new AppError('CONNECTION_FAILED', 'The metadata are away');
  });
  const end = ended(lifetime);
  ring(revoked);
  await end;
  expect(asked).toHaveLength(2);
});
