/** Sessions of live queries: few a database, never shared between users, and gone with who wanted them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveSession } from '../../src/engines/live.ts';
import { createLiveSessions, type LivePlace } from '../../src/realtime/live/sessions.ts';
import { postgresql, targetOf } from '../engines/postgresql/support.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';

let database: TestDatabase;
const label = 'quarry live session';
const { signal } = new AbortController();

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
});

const place = (userId: string, revision = '1'): LivePlace => ({
  databaseId: 'd',
  userId,
  revision,
  open: (options) => postgresql().live!.open(targetOf(database), { ...options, label }),
});

async function connections(): Promise<number> {
  const { rows } = await database.client.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [label]);
  return rows.length;
}

async function untilThereAre(count: number): Promise<void> {
  while ((await connections()) !== count) await sleep(10);
}

async function pidOf(session: LiveSession): Promise<string> {
  const options = { signal, transactions: [], maxRows: 1, maxBytes: 1_000, revision: '' };
  const { rows } = await session.run({ sql: 'SELECT pg_backend_pid()', parameters: [] }, options);
  return rows[0]![0]!;
}

describe('a session', () => {
  test('is kept for its user while he has live queries, and for nobody else', async () => {
    const sessions = createLiveSessions();
    const [anna, bert] = [place('anna'), place('bert')];
    const held = [sessions.hold(anna), sessions.hold(anna), sessions.hold(bert)];
    const first = await sessions.use(anna, pidOf, signal);
    expect(await sessions.use(anna, pidOf, signal)).toBe(first);
    expect(await sessions.use(bert, pidOf, signal)).not.toBe(first);
    expect(await connections()).toBe(2);
    held[0]![Symbol.dispose]();
    held[0]![Symbol.dispose]();
    expect(await sessions.use(anna, pidOf, signal)).toBe(first);
    held[1]![Symbol.dispose]();
    await untilThereAre(1);
    held[2]![Symbol.dispose]();
    await untilThereAre(0);
  });

  test('is another one where the credentials are others', async () => {
    const sessions = createLiveSessions();
    using _old = sessions.hold(place('anna'));
    using _new = sessions.hold(place('anna', '2'));
    const first = await sessions.use(place('anna'), pidOf, signal);
    expect(await sessions.use(place('anna', '2'), pidOf, signal)).not.toBe(first);
    await sessions.stop();
    await untilThereAre(0);
  });

  test('is one of so many of a database; who has to wait gets the place of one that is idle', async () => {
    const sessions = createLiveSessions({ limits: { ofDatabase: 2, ofAll: 10 } });
    const users = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => place(name));
    const held = users.map((one) => sessions.hold(one));
    let inside = 0;
    let most = 0;
    const work = async (session: LiveSession) => {
      inside += 1;
      most = Math.max(most, inside, await connections());
      const pid = await pidOf(session);
      inside -= 1;
      return pid;
    };
    const pids = await Promise.all([...users, ...users].map((one) => sessions.use(one, work, signal)));
    expect(new Set(pids).size).toBeGreaterThanOrEqual(users.length);
    expect(most).toBe(2);
    for (const one of held) one[Symbol.dispose]();
    await untilThereAre(0);
  });

  test('is one of so many of the process', async () => {
    const sessions = createLiveSessions({ limits: { ofDatabase: 2, ofAll: 2 } });
    const places = ['1', '2', '3'].map((databaseId) => ({ ...place('anna'), databaseId }));
    const held = places.map((one) => sessions.hold(one));
    for (const one of places) await sessions.use(one, pidOf, signal);
    expect(await connections()).toBeLessThanOrEqual(2);
    for (const one of held) one[Symbol.dispose]();
    await untilThereAre(0);
  });

  test('that was ended is replaced', async () => {
    const sessions = createLiveSessions();
    using _held = sessions.hold(place('anna'));
    const first = await sessions.use(place('anna'), pidOf, signal);
    await database.client.query('SELECT pg_terminate_backend($1)', [first]);
    await untilThereAre(0);
    await sleep(20);
    expect(await sessions.use(place('anna'), pidOf, signal)).not.toBe(first);
    await sessions.stop();
    await untilThereAre(0);
  });

  test('is not given to who no longer waits, nor when all is stopped', async () => {
    const sessions = createLiveSessions({ limits: { ofDatabase: 1, ofAll: 1 } });
    const leaving = new AbortController();
    const order: string[] = [];
    await sessions.use(
      place('anna'),
      async () => {
        const waiting = sessions
          .use(place('bert'), async () => order.push('bert'), leaving.signal)
          .catch(() => {
            order.push('left');
          });
        leaving.abort();
        await waiting;
      },
      signal,
    );
    expect(order).toEqual(['left']);
    await sessions.stop();
    await expect(sessions.use(place('anna'), pidOf, signal)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await untilThereAre(0);
  });

  test('that cannot be opened leaves its place to others', async () => {
    const sessions = createLiveSessions({ limits: { ofDatabase: 1, ofAll: 1 } });
    const broken: LivePlace = { ...place('anna'), open: async () => Promise.reject(new Error('no way')) };
    await expect(sessions.use(broken, pidOf, signal)).rejects.toThrow('no way');
    expect(await sessions.use(place('anna'), pidOf, signal)).toMatch(/^\d+$/);
    await untilThereAre(0);
  });
});
