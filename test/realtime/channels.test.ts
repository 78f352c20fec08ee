/** Channels of a project on the metadata: one order, nothing missed, what is kept, and who may say and hear. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProjectRole } from '../../src/accounts/policy.ts';
import { type ChannelLimits, channelLimits, createChannels } from '../../src/realtime/channels/channels.ts';
import { type ChannelMessage, createMessageStore, keptMessages } from '../../src/realtime/channels/store.ts';
import { caller, createWorld, type World } from '../accounts/world.ts';

type Person = Awaited<ReturnType<World['person']>>;
let world: World;
let owner: Person;
let listener: Person;
let projectId: string;

beforeAll(async () => {
  world = await createWorld();
  owner = await world.person('owner');
  listener = await world.person('listener');
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(async () => {
  projectId = (await world.projects.create(owner.viewer, { name: 'Talk' }, caller)).id;
});

const channelsOf = (replica: Pick<World, 'pool' | 'access' | 'bus'>, limits: Partial<ChannelLimits> = {}) =>
  createChannels({
    store: createMessageStore({ pool: replica.pool }),
    access: replica.access,
    bus: replica.bus,
    limits: { pollMs: 200, rightMs: 0, ...limits },
  });
const join = async (person: Person, role: ProjectRole) =>
  (await world.projects.addMember(owner.viewer, { projectId, email: person.email, role }, caller)).id;
const say = (payload: unknown, channel = 'room', channels = channelsOf(world)) =>
  channels.broadcast(owner.viewer, { projectId, channel, payload });

interface Listening {
  person?: Person;
  channel?: string;
  after?: string | null;
  channels?: ReturnType<typeof channelsOf>;
}

function listen({ person = owner, channel = 'room', after = null, channels = channelsOf(world) }: Listening = {}) {
  const stop = new AbortController();
  const events = channels.follow(person.viewer, { projectId, channel, after }, stop.signal);
  return {
    next: async (): Promise<ChannelMessage> => (await events.next()).value as ChannelMessage,
    async take(count: number): Promise<ChannelMessage[]> {
      const taken: ChannelMessage[] = [];
      while (taken.length < count) taken.push((await events.next()).value as ChannelMessage);
      return taken;
    },
    stop: () => stop.abort(),
  };
}

const formatted = (position: bigint) => Buffer.from(String(position)).toString('base64url');

/** Behind everything that has been said, as a reader knows it who has heard all of it. */
async function endOf(): Promise<string> {
  const [row] = await world.sql<{ newest: string }>('SELECT newest FROM channel_logs WHERE project_id = $1', [
    projectId,
  ]);
  return formatted(BigInt(row?.newest ?? 0));
}

describe('a channel', () => {
  test('brings what is said from now on', async () => {
    await say('before');
    const reader = listen();
    let heard: ChannelMessage | undefined;
    const first = reader.next().then((message) => {
      heard = message;
    });
    for (let i = 0; !heard; i++) await say(i);
    await first;
    expect(heard?.payload).toEqual(expect.any(Number));
    reader.stop();
  });

  test('brings everybody the same, with who said it, in one order', async () => {
    const after = await endOf();
    const readers = [listen({ after }), listen({ after })];
    const heard = readers.map((reader) => reader.take(3));
    for (const payload of [1, { two: [2] }, 'three']) await say(payload);
    const [first, second] = await Promise.all(heard);
    expect(first!.map(({ payload }) => payload)).toEqual([1, { two: [2] }, 'three']);
    expect(first!.every(({ senderId, channel }) => senderId === owner.userId && channel === 'room')).toBe(true);
    expect(second).toEqual(first);
    for (const reader of readers) reader.stop();
  });

  test('goes on behind a position, and knows no other channel and no other project', async () => {
    const after = await endOf();
    await say(1);
    await say('elsewhere', 'other room');
    await say(2);
    const reader = listen({ after });
    const [one, two] = await reader.take(2);
    expect([one!.payload, two!.payload]).toEqual([1, 2]);
    reader.stop();
    const again = listen({ after: formatted(one!.position) });
    expect((await again.next()).payload).toBe(2);
    again.stop();
  });

  test('loses nothing and keeps one order when many say something at once in two processes', async () => {
    const other = await world.startReplica();
    const [here, there] = [channelsOf(world), channelsOf(other)];
    const readers = [
      listen({ after: await endOf(), channels: here }),
      listen({ after: await endOf(), channels: there }),
    ];
    const heard = Promise.all(readers.map((reader) => reader.take(400)));
    await Promise.all(Array.from({ length: 400 }, (_, i) => say(i, 'room', i % 2 === 0 ? here : there)));
    const [first, second] = await heard;
    expect(new Set(first!.map(({ payload }) => payload)).size).toBe(400);
    expect(second!.map(({ payload }) => payload)).toEqual(first!.map(({ payload }) => payload));
    expect(first!.every(({ position }, i) => i === 0 || position > first![i - 1]!.position)).toBe(true);
    for (const reader of readers) reader.stop();
  });

  test('takes any JSON as it is, and any name', async () => {
    const names = ['Zoë’s room / 1\\2', '🎈'.repeat(channelLimits.nameCharacters), "'; DROP TABLE users; --"];
    const payloads = [false, 0, '', [], { '\u0000': '\ud800 \\u0000' }, [[[null]]], '\u2028'];
    for (const channel of names) {
      const after = await endOf();
      for (const payload of payloads) await say(payload, channel);
      const reader = listen({ after, channel });
      expect((await reader.take(payloads.length)).map(({ payload }) => payload)).toEqual(payloads);
      reader.stop();
    }
  });
});

describe('what is kept of a channel', () => {
  test('is the newest of it: who comes back behind that is told that something is missing', async () => {
    const start = await endOf();
    await say('first');
    const channels = channelsOf(world);
    await Promise.all(Array.from({ length: keptMessages.count }, (_, i) => say(i, 'room', channels)));
    await expect(listen({ after: start }).next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
    const [oldest] = await world.sql<{ previous: string }>(
      'SELECT previous FROM channel_messages WHERE project_id = $1 ORDER BY position LIMIT 1',
      [projectId],
    );
    const reader = listen({ after: formatted(BigInt(oldest!.previous)) });
    expect(await reader.take(keptMessages.count)).toHaveLength(keptMessages.count);
    reader.stop();
  });

  test('does not depend on how much is said on another', async () => {
    const start = await endOf();
    await say('quiet', 'quiet');
    const channels = channelsOf(world);
    await Promise.all(Array.from({ length: keptMessages.count + 1 }, (_, i) => say(i, 'loud', channels)));
    const reader = listen({ after: start, channel: 'quiet' });
    expect((await reader.next()).payload).toBe('quiet');
    reader.stop();
  });

  test('ends with the day, and with the room of the project', async () => {
    const start = await endOf();
    await say('old');
    await world.sql(`UPDATE channel_messages SET sent_at = sent_at - interval '25 hours' WHERE project_id = $1`, [
      projectId,
    ]);
    const between = await endOf();
    await say('new');
    await expect(listen({ after: start }).next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
    const reader = listen({ after: between });
    expect((await reader.next()).payload).toBe('new');
    reader.stop();
    await world.sql('UPDATE channel_messages SET bytes = $2 WHERE project_id = $1', [projectId, keptMessages.bytes]);
    await world.sql('UPDATE channel_logs SET bytes = $2 WHERE project_id = $1', [projectId, keptMessages.bytes]);
    await say('newest');
    const left = await world.sql('SELECT payload, bytes FROM channel_messages WHERE project_id = $1', [projectId]);
    expect(left).toEqual([{ payload: 'newest', bytes: 8 }]);
    const [log] = await world.sql('SELECT bytes FROM channel_logs WHERE project_id = $1', [projectId]);
    expect(log).toEqual({ bytes: '8' });
  });

  test('goes with the project', async () => {
    await say('gone');
    const reader = listen();
    const fault = reader.next().catch((error: unknown) => error);
    await world.projects.delete(owner.viewer, projectId, caller);
    expect(await fault).toMatchObject({ code: 'NOT_FOUND' });
    await expect(say('too late')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await world.sql('SELECT 1 FROM channel_messages WHERE project_id = $1', [projectId])).toEqual([]);
  });
});

describe('of a channel', () => {
  test('editors speak, viewers listen, and strangers do not know that it is there', async () => {
    const stranger = await world.person();
    const said = (person: Person) =>
      channelsOf(world).broadcast(person.viewer, { projectId, channel: 'room', payload: 1 });
    await join(listener, 'viewer');
    await expect(said(listener)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(said(stranger)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(listen({ person: stranger }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const anonymous = channelsOf(world).follow(
      null,
      { projectId, channel: 'room', after: null },
      new AbortController().signal,
    );
    await expect(anonymous.next()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('whoever is removed from the project hears nothing any more', async () => {
    const memberId = await join(listener, 'viewer');
    const reader = listen({ person: listener, after: await endOf() });
    await say('for all');
    expect((await reader.next()).payload).toBe('for all');
    const fault = reader.next().catch((error: unknown) => error);
    await world.projects.removeMember(owner.viewer, memberId, caller);
    await say('not for him');
    expect(await fault).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a reader who takes too long is let go with the place where he goes on', async () => {
    const after = await endOf();
    for (let i = 0; i < 5; i++) await say(i);
    const channels = channelsOf(world, { batch: 2, slowMs: 0 });
    const reader = listen({ after, channels });
    const first = await reader.next();
    const fault = await reader.next().catch((error) => error);
    expect(fault).toMatchObject({ code: 'SLOW_CONSUMER', details: { position: formatted(first.position) } });
    const again = listen({ after: fault.details.position });
    expect((await again.take(4)).map(({ payload }) => payload)).toEqual([1, 2, 3, 4]);
    again.stop();
  });

  test.each([
    ['no name', { channel: '' }, 'BAD_USER_INPUT'],
    ['too long a name', { channel: 'x'.repeat(channelLimits.nameCharacters + 1) }, 'BAD_USER_INPUT'],
    ['a name with a control character', { channel: 'a\tb' }, 'BAD_USER_INPUT'],
    ['half a character', { channel: '\ud800' }, 'BAD_USER_INPUT'],
    ['too much to say', { payload: 'x'.repeat(channelLimits.payloadBytes) }, 'LIMIT_EXCEEDED'],
  ])('%s is refused', async (_what, given, code) => {
    const message = { projectId, channel: 'room', payload: 1 as unknown, ...given };
    await expect(channelsOf(world).broadcast(owner.viewer, message)).rejects.toMatchObject({ code });
  });

  test.each(['', 'x', 'LTE', formatted(10n ** 17n), `${formatted(0n)}=`])(
    '%j is no position to go on from',
    async (after) => {
      await expect(listen({ after }).next()).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    },
  );
});
