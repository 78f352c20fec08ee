/** Channels of a project: what its editors say, every member hears, in one order a project, also who was away for a while. */
import { createHash } from 'node:crypto';
import { requireCan } from '../../accounts/policy.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import { createPatience } from '../../db/patience.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError, badInput } from '../../lib/errors.ts';
import { formatPosition, parsePosition } from '../../lib/positions.ts';
import type { Topic } from '../../lib/topics.ts';
import type { Access } from '../../projects/access.ts';
import { createAppender } from './appender.ts';
import type { ChannelMessage, MessageStore } from './store.ts';

export interface ChannelsDeps {
  readonly store: MessageStore;
  readonly access: Pick<Access, 'roleOf'>;
  readonly bus: Bus<Topic>;
  readonly limits?: Partial<ChannelLimits>;
}

export interface ChannelLimits {
  /** Between two looks whether the reader may go on, and for messages whose ring was lost. */
  readonly pollMs: number;
  /** What was asked about a reader's right holds for so long. */
  readonly rightMs: number;
  /** Who takes longer for one message is slow: he is let go when more wait behind it than are read at once. */
  readonly slowMs: number;
  /** Read at once. */
  readonly batch: number;
}

const defaultLimits: ChannelLimits = { pollMs: 3_000, rightMs: 1_000, slowMs: 10_000, batch: 100 };

export const channelLimits = {
  nameCharacters: 200,
  /** As JSON. */
  payloadBytes: 64 * 2 ** 10,
} as const;

interface Heard {
  readonly messages: readonly ChannelMessage[];
  /** Before it something may be missing. */
  readonly lost: bigint;
}

export interface Broadcast {
  readonly projectId: string;
  readonly channel: string;
  readonly payload: unknown;
}

export type Channels = ReturnType<typeof createChannels>;

export function createChannels({ store, access, bus, ...deps }: ChannelsDeps) {
  const limits = { ...defaultLimits, ...deps.limits };
  const append = createAppender({
    append: (projectId, messages) => {
      const keys = new Set(messages.map(({ channel }) => bellKey(projectId, channel)));
      const rings = Array.from(keys, (key) => ['channel.sent' satisfies Topic, key] as const);
      return store.append(projectId, messages, rings);
    },
  });
  /** Readers who go on from the same place at the same moment read once. */
  const underWay = new Map<string, Promise<Heard>>();

  function read(projectId: string, channel: string, position: bigint): Promise<Heard> {
    const key = JSON.stringify([projectId, channel, String(position)]);
    const known = underWay.get(key);
    if (known) return known;
    const reading = readNow(projectId, channel, position).finally(() => underWay.delete(key));
    underWay.set(key, reading);
    return reading;
  }

  async function readNow(projectId: string, channel: string, position: bigint): Promise<Heard> {
    const messages = await store.after(projectId, channel, position, limits.batch);
    // Asked behind the messages: what was forgotten between the two is told.
    return { messages, ...(await store.ends(projectId)) };
  }

  async function requireRole(viewer: Viewer | null, action: 'project:see' | 'project:broadcast', projectId: string) {
    const role = viewer && (await access.roleOf(viewer.userId, projectId));
    requireCan(viewer, action, { kind: 'project', role });
  }

  return {
    /** @throws AppError UNAUTHENTICATED, NOT_FOUND, FORBIDDEN, BAD_USER_INPUT, LIMIT_EXCEEDED */
    async broadcast(viewer: Viewer | null, { projectId, channel, payload }: Broadcast): Promise<void> {
      await requireRole(viewer, 'project:broadcast', projectId);
      requireName(channel, 'input.channel');
      const text = JSON.stringify(payload);
      const bytes = Buffer.byteLength(text);
      if (bytes > channelLimits.payloadBytes)
        throw new AppError('LIMIT_EXCEEDED', `A message is at most ${channelLimits.payloadBytes} bytes`, {
          details: { limit: channelLimits.payloadBytes, actual: bytes },
        });
      await append(projectId, { channel, payload: text, bytes, senderId: viewer!.userId });
    },

    /**
     * What is sent from now on, or was behind `after`, while the viewer is in the project.
     * @throws AppError UNAUTHENTICATED, NOT_FOUND also when the right or the project goes; BAD_USER_INPUT; POSITION_LOST;
     * SLOW_CONSUMER with the position behind which the reader goes on
     */
    async *follow(
      viewer: Viewer | null,
      { projectId, channel, after }: { projectId: string; channel: string; after: string | null },
      signal: AbortSignal,
    ): AsyncGenerator<ChannelMessage, void> {
      const patience = createPatience(signal);
      let askedAt = Number.NEGATIVE_INFINITY;
      async function mayGoOn(): Promise<void> {
        if (performance.now() - askedAt < limits.rightMs) return;
        await patience(() => requireRole(viewer, 'project:see', projectId));
        askedAt = performance.now();
      }
      await mayGoOn();
      requireName(channel, 'channel');
      const asked = after === null ? null : parsePosition(after);
      using bell = createDoorbell(bus, 'channel.sent', bellKey(projectId, channel));
      const { newest } = await patience(() => store.ends(projectId));
      if (asked !== null && asked > newest)
        throw badInput({ path: 'after', message: 'not a position of this project' });
      let position = asked ?? newest;
      while (!signal.aborted) {
        const from: bigint = position;
        const { messages, lost } = await patience(() => read(projectId, channel, from));
        if (from < lost || (messages[0]?.previous ?? 0n) > from) throw positionLost();
        for (const [place, message] of messages.entries()) {
          await mayGoOn();
          if (signal.aborted) return;
          const since = performance.now();
          yield message;
          position = message.position;
          const full = messages.length === limits.batch && place < messages.length - 1;
          if (full && performance.now() - since >= limits.slowMs) throw tooSlow(position);
        }
        if (messages.length === limits.batch) continue;
        await bell.wait(limits.pollMs, signal);
        await mayGoOn();
      }
    },
  };
}

/** A name may be any text; what goes with the bus may not. */
const bellKey = (projectId: string, channel: string): string =>
  `${projectId}/${createHash('sha256').update(channel).digest('base64url').slice(0, 22)}`;

function requireName(channel: string, path: string): void {
  const characters = [...channel].length;
  if (characters === 0 || characters > channelLimits.nameCharacters || /\p{Cc}|\p{Cs}/u.test(channel))
    throw badInput({ path, message: `1 to ${channelLimits.nameCharacters} characters, without control characters` });
}

const positionLost = (): AppError =>
  new AppError('POSITION_LOST', 'Messages behind this position are kept no longer: begin anew, without `after`');

const tooSlow = (position: bigint): AppError =>
  new AppError('SLOW_CONSUMER', 'More messages wait than are read at once: subscribe again behind this position', {
    details: { position: formatPosition(position) },
  });
