/** Invitations as those who send them see them, and how they are accepted. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { z } from 'zod';
import { emailAddress } from '../../accounts/inputs.ts';
import { projectRoles } from '../../accounts/policy.ts';
import { UserType } from '../../accounts/users.graph.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { ProjectRoleEnum, UserRoleEnum } from '../../graph/enums.ts';
import { registerRow } from '../../graph/nodes.ts';
import { notFound } from '../../lib/errors.ts';
import { encodeId, uuidOf } from '../../lib/ids.ts';
import { projectRoleOfText } from '../access.ts';
import { ProjectType } from '../projects.graph.ts';
import { type Invitation, invitationLimits } from './invitations.ts';

const days = invitationLimits.lifetimeHours / 24;

const InvitationType = builder.objectRef<Invitation>('Invitation').implement({
  rights: 'invitation:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: `Into a project, or to this server. The token that was mailed is good once, for the address, for ${days} days, and for as long as who invited could do it again.`,
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('Invitation', id) }),
    email: t.exposeString('email'),
    project: t.prismaField({
      type: ProjectType,
      nullable: true,
      description: 'Null: to this server.',
      resolve: (query, invitation, _args, { services }) => services.invitations.projectOf(invitation, query),
    }),
    role: t.field({
      type: ProjectRoleEnum,
      nullable: true,
      description: 'In the project.',
      resolve: ({ projectId, role }) => (projectId === null ? null : projectRoleOfText(role)),
    }),
    invitedBy: t.field({
      type: UserType,
      nullable: true,
      description: 'Null when the account is gone.',
      resolve: ({ invitedById }, _args, { services }) =>
        invitedById === null ? null : services.accounts.account(invitedById),
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
    acceptedAt: t.expose('acceptedAt', { type: 'DateTime', nullable: true }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
  }),
});

registerRow('Invitation', ({ viewer, services }, id) => services.invitations.find(viewer, id));

// It only batches and keeps nothing: the next mutation of the same document may see another world.
const ofProjects = createContextCache(
  ({ services, viewer }: Context) =>
    new DataLoader<string, Invitation[]>(
      async (ids) => {
        const found = await services.invitations.ofProjects(viewer, ids);
        return ids.map((id) => found.get(id) ?? []);
      },
      { cache: false, maxBatchSize: 100 },
    ),
);

builder.prismaObjectFields(ProjectType, (t) => ({
  invitations: t.field({
    type: [InvitationType],
    description: `For its OWNERs, the newest first, at most ${invitationLimits.shown}; for others none.`,
    resolve: ({ id }, _args, context) => ofProjects(context).load(id),
  }),
}));

builder.queryField('invitations', (t) =>
  t.field({
    type: [InvitationType],
    description: `Those to open an account, for administrators: the newest first, at most ${invitationLimits.shown}.`,
    authScopes: { admin: true },
    resolve: (_root, _args, { viewer, services }) => services.invitations.ofServer(viewer),
  }),
);

const InviteMemberInput = builder.inputType('InviteMemberInput', {
  validate: z.object({ projectId: z.string(), email: emailAddress, role: z.enum(projectRoles) }),
  fields: (t) => ({
    projectId: t.id({ required: true }),
    email: t.string({ required: true, description: 'With an account or without.' }),
    role: t.field({ type: ProjectRoleEnum, required: true }),
  }),
});

const InviteUserInput = builder.inputType('InviteUserInput', {
  validate: z.object({ email: emailAddress, role: z.enum(['admin', 'member']).nullish() }),
  fields: (t) => ({
    email: t.string({ required: true }),
    role: t.field({ type: UserRoleEnum, defaultValue: 'member' }),
  }),
});

const AcceptInvitationInput = builder.inputType('AcceptInvitationInput', {
  fields: (t) => ({ token: t.string({ required: true }) }),
});

const RevokeInvitationInput = builder.inputType('RevokeInvitationInput', {
  fields: (t) => ({ id: t.id({ required: true }) }),
});

const invitationPayload = (name: string) =>
  builder.objectRef<{ invitation: Invitation }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ invitation: t.expose('invitation', { type: InvitationType }) }),
  });
const InviteMemberPayload = invitationPayload('InviteMemberPayload');
const InviteUserPayload = invitationPayload('InviteUserPayload');
const RevokeInvitationPayload = invitationPayload('RevokeInvitationPayload');

const AcceptInvitationPayload = builder.objectRef<{ projectId: string }>('AcceptInvitationPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    project: t.prismaField({
      type: ProjectType,
      resolve: async (query, payload, _args, { services }) => {
        const project = await services.invitations.projectOf(payload, query);
        if (!project) throw notFound('Project');
        return project;
      },
    }),
  }),
});

/** @throws AppError NOT_FOUND for what is not an id of this kind */
function uuidIn(kind: 'Project' | 'Invitation', id: string): string {
  const uuid = uuidOf(kind, id);
  if (!uuid) throw notFound(kind);
  return uuid;
}

const mails = `At most ${invitationLimits.mailsPerHour} mails an hour to one address: RATE_LIMITED.`;

builder.mutationFields((t) => ({
  inviteMember: t.field({
    type: InviteMemberPayload,
    description: `Mails an invitation into a project, for its OWNERs; another one to the same address takes the place of the first. ${mails}`,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: InviteMemberInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => ({
      invitation: await services.invitations.inviteMember(
        viewer,
        { ...input, projectId: uuidIn('Project', input.projectId) },
        caller,
      ),
    }),
  }),
  inviteUser: t.field({
    type: InviteUserPayload,
    description: `Mails an invitation to open an account, for administrators; the way in when registration is closed. ${mails}`,
    authScopes: { admin: true },
    args: { input: t.arg({ type: InviteUserInput, required: true }) },
    resolve: async (_root, { input: { email, role } }, { viewer, services, caller }) => ({
      invitation: await services.invitations.inviteUser(viewer, { email, role: role ?? 'member' }, caller),
    }),
  }),
  acceptInvitation: t.field({
    type: AcceptInvitationPayload,
    description:
      'Into a project, for the account of the address that was invited. Who has none registers with the token.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: AcceptInvitationInput, required: true }) },
    resolve: async (_root, { input: { token } }, { viewer, services, caller }) => ({
      projectId: await services.invitations.accept(viewer, token, caller),
    }),
  }),
  revokeInvitation: t.field({
    type: RevokeInvitationPayload,
    description: 'For OWNERs of its project, or administrators where it is to the server.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: RevokeInvitationInput, required: true }) },
    resolve: async (_root, { input: { id } }, { viewer, services, caller }) => ({
      invitation: await services.invitations.revoke(viewer, uuidIn('Invitation', id), caller),
    }),
  }),
}));
