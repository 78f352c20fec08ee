/** How long a process believes what it knows of a session, when nobody rings. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createLiveSessions } from '../../src/accounts/live-sessions.ts';
import type { UserRole } from '../../src/accounts/viewer.ts';
import { createBus } from '../../src/lib/bus.ts';
import type { Topic } from '../../src/lib/topics.ts';

let timeMs: number;
let loads: string[];
let roles: Map<string, UserRole | Error>;
let bus: ReturnType<typeof createBus<Topic>>;
const elapsedMs = () => timeMs;

async function load(sessionId: string): Promise<UserRole | null> {
  loads.push(sessionId);
  const role = roles.get(sessionId) ?? null;
  if (role instanceof Error) throw role;
  return role;
}

beforeEach(() => {
  timeMs = 0;
  loads = [];
  roles = new Map([['s1', 'member']]);
  bus = createBus<Topic>();
});

describe('a session', () => {
  test('is read once for many who ask at once, and again after four seconds', async () => {
    using sessions = createLiveSessions({ bus, load, elapsedMs });
    await Promise.all([sessions.roleIn('s1', 'u1'), sessions.roleIn('s1', 'u1')]);
    timeMs = 3_999;
    roles.delete('s1');
    expect(await sessions.roleIn('s1', 'u1')).toBe('member');
    expect(loads).toEqual(['s1']);
    timeMs = 4_000;
    expect(await sessions.roleIn('s1', 'u1')).toBeNull();
  });

  test('is read again when it was rung about, also when it was being read then', async () => {
    using sessions = createLiveSessions({ bus, load, elapsedMs });
    const asked = sessions.roleIn('s1', 'u1');
    roles.delete('s1');
    bus.ring('session.revoked', 's1');
    expect(await asked).toBe('member');
    expect(await sessions.roleIn('s1', 'u1')).toBeNull();
    bus.ring('session.revoked', 's2');
    await sessions.roleIn('s1', 'u1');
    expect(loads).toEqual(['s1', 's1']);
  });

  test('of one user tells nothing about the same session of another', async () => {
    using sessions = createLiveSessions({ bus, load, elapsedMs });
    await sessions.roleIn('s1', 'u1');
    await sessions.roleIn('s1', 'u2');
    expect(loads).toEqual(['s1', 's1']);
  });

  test('that could not be read is read again by the next who asks', async () => {
    using sessions = createLiveSessions({ bus, load, elapsedMs });
    roles.set('s1', new Error('no database'));
    await expect(sessions.roleIn('s1', 'u1')).rejects.toThrow('no database');
    roles.set('s1', 'admin');
    expect(await sessions.roleIn('s1', 'u1')).toBe('admin');
  });
});

test('only so many are known, the oldest is forgotten', async () => {
  using sessions = createLiveSessions({ bus, load, elapsedMs, maxEntries: 2 });
  for (const id of ['s1', 's2', 's3', 's3', 's2', 's1']) await sessions.roleIn(id, 'u1');
  expect(loads).toEqual(['s1', 's2', 's3', 's1']);
});
