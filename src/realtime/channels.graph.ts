/** Channels of a project: broadcast, and what is heard. */
import { z } from 'zod';
import { UserType } from '../accounts/users.graph.ts';
import { builder } from '../graph/builder.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { formatPosition } from '../lib/positions.ts';
import type { ChannelMessage } from './channels/store.ts';

const MessageType = builder.objectRef<ChannelMessage>('Message').implement({
  rights: 'parent',
  answers: 'told',
  fields: (t) => ({
    position: t.string({
      description: 'Give it as `after` to resume.',
      resolve: ({ position }) => formatPosition(position),
    }),
    channel: t.exposeString('channel'),
    payload: t.field({ type: 'JSON', resolve: ({ payload }) => payload }),
    sender: t.field({
      type: UserType,
      nullable: true,
      answers: 'live',
      description: 'Null when the account is gone.',
      resolve: ({ senderId }, _args, { services }) => (senderId === null ? null : services.accounts.account(senderId)),
    }),
    sentAt: t.expose('sentAt', { type: 'DateTime' }),
  }),
});

const BroadcastInput = builder.inputType('BroadcastInput', {
  validate: z.object({ projectId: z.string(), channel: z.string(), payload: z.unknown() }),
  fields: (t) => ({
    projectId: t.id({ required: true }),
    channel: t.string({
      required: true,
      description: 'Any name of 1 to 200 characters; nothing has to be made first.',
    }),
    payload: t.field({ type: 'JSON', required: true, description: 'At most 64 KiB.' }),
  }),
});

const BroadcastPayload = builder.objectRef<true>('BroadcastPayload').implement({
  rights: 'public',
  fields: (t) => ({ ok: t.boolean({ resolve: (ok) => ok }) }),
});

/** @throws AppError NOT_FOUND for what is not an id of a project */
function projectIdOf(id: string): string {
  const uuid = uuidOf('Project', id);
  if (!uuid) throw notFound('Project');
  return uuid;
}

builder.mutationField('broadcast', (t) =>
  t.field({
    type: BroadcastPayload,
    description:
      'Says something to all who listen to a channel of the project, for its EDITORs and OWNERs. When it is answered, the message is safe, and everybody hears the messages of a project in the same order.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: BroadcastInput, required: true }) },
    resolve: async (_root, { input: { projectId, channel, payload } }, { viewer, services }) => {
      await services.channels.broadcast(viewer, { projectId: projectIdOf(projectId), channel, payload });
      return true as const;
    },
  }),
);

builder.subscriptionField('messages', (t) =>
  t.field({
    type: MessageType,
    answers: 'told',
    description:
      'What is broadcast on a channel of the project from now on, or behind `after`, for its members. Kept are the newest 1,000 messages of a channel, for a day, and 64 MiB of a project: POSITION_LOST behind that. A reader who falls far behind is ended with SLOW_CONSUMER and goes on from its position.',
    authScopes: { signedIn: true },
    args: {
      projectId: t.arg.id({ required: true }),
      channel: t.arg.string({ required: true }),
      after: t.arg.string(),
    },
    subscribe: (_root, { projectId, channel, after }, { viewer, services, signal }) =>
      services.channels.follow(viewer, { projectId: projectIdOf(projectId), channel, after: after ?? null }, signal),
    resolve: (message) => message,
  }),
);
