/** Users, their settings and their sessions: who sees which part of whom. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { ExportFormatEnum } from '../exports/enums.graph.ts';
import { builder } from '../graph/builder.ts';
import type { Context } from '../graph/context.ts';
import { UserRoleEnum } from '../graph/enums.ts';
import { registerRow } from '../graph/nodes.ts';
import { encodeId } from '../lib/ids.ts';
import type { Session, User } from './accounts.ts';
import { can } from './policy.ts';
import type { Settings } from './settings.ts';
import { roleOfText, type Viewer } from './viewer.ts';

/** A user or a session in the answer to a sign-in is seen by who has just signed in, and not by who asked. */
export interface Seen {
  readonly seenBy?: Viewer;
}

const audience = (object: Seen, { viewer }: Context): Viewer | null => object.seenBy ?? viewer;

// Both only batch and keep nothing: the next mutation of the same document may see another world.
const fellows = createContextCache(
  ({ services, viewer }: Context) =>
    new DataLoader<string, boolean>(
      async (ids) => {
        const found = viewer ? await services.access.fellowsOf(viewer.userId, ids) : new Set();
        return ids.map((id) => found.has(id));
      },
      { cache: false },
    ),
);

const sessions = createContextCache(
  ({ services }: Context) =>
    new DataLoader<string, Session[]>(
      async (userIds) => {
        const found = await services.accounts.sessionsOf(userIds);
        return userIds.map((id) => found.get(id) ?? []);
      },
      { cache: false },
    ),
);

/** What only the user himself and administrators see. */
export const seesPrivate = (user: User & Seen, context: Context): boolean =>
  can(audience(user, context), 'user:see-private', { kind: 'user', userId: user.id, fellow: false });

/** What leads to the account: its sessions and keys. */
export const seesAccess = (user: User & Seen, context: Context): boolean =>
  can(audience(user, context), 'user:see-access', { kind: 'user', userId: user.id, fellow: false });

async function seesAddress(user: User & Seen, context: Context): Promise<boolean> {
  if (seesPrivate(user, context)) return true;
  const fellow = await fellows(context).load(user.id);
  return can(audience(user, context), 'user:see', { kind: 'user', userId: user.id, fellow });
}

export const SettingsType = builder.objectRef<Settings>('Settings').implement({
  rights: 'parent',
  fields: (t) => ({
    maxParallelJobs: t.exposeInt('maxParallelJobs', {
      description: 'How many jobs of this user run at once; the rest wait. An administrator sets the ceiling.',
    }),
    maxParallelJobsLimit: t.exposeInt('maxParallelJobsLimit', { description: 'The ceiling.' }),
    queuePriority: t.exposeInt('queuePriority', {
      description: 'Priority of a job that names none: higher runs first.',
    }),
    statementTimeoutMs: t.exposeInt('statementTimeoutMs', { description: 'Of a job that names none.' }),
    maxRows: t.exposeInt('maxRows', {
      description: 'Kept of each result set of a job that names none; no limit of what is exported.',
    }),
    defaultExportFormat: t.expose('defaultExportFormat', { type: ExportFormatEnum }),
    defaultExportPrefix: t.exposeString('defaultExportPrefix', {
      description: 'What the paths of exports begin with that name none.',
    }),
  }),
});

export const SessionType = builder.prismaObject('Session', {
  rights: 'user:see-access',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'One sign-in.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('Session', id) }),
    userAgent: t.exposeString('userAgent', { nullable: true }),
    ipAddress: t.exposeString('ipAddress', { nullable: true }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', description: 'When it was last refreshed.' }),
    current: t.boolean({
      description: 'The one that asks.',
      resolve: (session: Session & Seen, _args, context) => session.id === audience(session, context)?.sessionId,
    }),
  }),
});

export const UserType = builder.prismaObject('User', {
  rights: 'user:see',
  interfaces: [builder.nodeInterfaceRef()],
  description:
    'Somebody with an account. Beside name and createdAt, fields are null except for the viewer and administrators.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('User', id) }),
    email: t.string({
      nullable: true,
      description: 'Also for those who share a project.',
      resolve: async (user, _args, context) => ((await seesAddress(user, context)) ? user.email : null),
    }),
    name: t.exposeString('name', { nullable: true }),
    role: t.field({
      type: UserRoleEnum,
      nullable: true,
      resolve: (user, _args, context) => (seesPrivate(user, context) ? roleOfText(user.role) : null),
    }),
    emailVerified: t.boolean({
      nullable: true,
      resolve: (user, _args, context) => (seesPrivate(user, context) ? user.emailVerifiedAt !== null : null),
    }),
    disabled: t.boolean({
      nullable: true,
      resolve: (user, _args, context) => (seesPrivate(user, context) ? user.disabledAt !== null : null),
    }),
    settings: t.field({
      type: SettingsType,
      nullable: true,
      resolve: (user, _args, context) =>
        seesPrivate(user, context) ? context.services.accounts.settingsOf(user) : null,
    }),
    sessions: t.field({
      type: [SessionType],
      nullable: true,
      description: 'The live ones, the last used first. Null with a key.',
      resolve: async (user: User & Seen, _args, context) => {
        if (!seesAccess(user, context)) return null;
        const found = await sessions(context).load(user.id);
        return user.seenBy ? found.map((session) => ({ ...session, seenBy: user.seenBy })) : found;
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    lastLoginAt: t.field({
      type: 'DateTime',
      nullable: true,
      resolve: (user, _args, context) => (seesPrivate(user, context) ? user.lastLoginAt : null),
    }),
  }),
});

registerRow('User', ({ viewer, services }, id) => services.accounts.user(viewer, id));
registerRow('Session', ({ viewer, services }, id) => services.accounts.session(viewer, id));

builder.queryField('viewer', (t) =>
  t.field({
    type: UserType,
    nullable: true,
    description: 'The signed-in user, or whose key it is; null for an anonymous caller.',
    authScopes: { public: true },
    resolve: (_root, _args, { viewer, services }) => services.accounts.viewer(viewer),
  }),
);
