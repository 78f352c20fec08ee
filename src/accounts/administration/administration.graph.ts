/** Accounts as administrators see and change them. */
import { z } from 'zod';
import { builder } from '../../graph/builder.ts';
import { UserRoleEnum } from '../../graph/enums.ts';
import { notFound } from '../../lib/errors.ts';
import { uuidOf } from '../../lib/ids.ts';
import { settingsBounds } from '../settings.ts';
import type { User } from '../store.ts';
import { UserType } from '../users.graph.ts';

const UserEdge = builder.edgeObject({ type: UserType, name: 'UserEdge' });
const UserConnection = builder.connectionObject({ type: UserType, name: 'UserConnection' }, UserEdge);

builder.queryField('users', (t) =>
  t.connection(
    {
      type: UserType,
      description: 'All accounts, newest first, for administrators.',
      authScopes: { admin: true },
      args: { search: t.arg.string({ description: 'A part of the address or the name, in whatever case.' }) },
      resolve: (_root, args, { viewer, services }) => services.administration.users(viewer, args),
    },
    UserConnection,
    UserEdge,
  ),
);

const { min, max } = settingsBounds.maxParallelJobs;

const UpdateUserInput = builder.inputType('UpdateUserInput', {
  validate: z.object({
    id: z.string(),
    role: z.enum(['admin', 'member']).optional(),
    disabled: z.boolean().optional(),
    maxParallelJobs: z.int().min(min, `from ${min} to ${max}`).max(max, `from ${min} to ${max}`).nullish(),
  }),
  description: 'What is absent stays.',
  fields: (t) => ({
    id: t.id({ required: true }),
    role: t.field({ type: UserRoleEnum, description: 'Who is no administrator any more signs in anew.' }),
    disabled: t.boolean({ description: 'His sessions, streams and jobs end at once.' }),
    maxParallelJobs: t.int({ description: 'The ceiling of what he may set; null: that of the server.' }),
  }),
});

const DeleteUserInput = builder.inputType('DeleteUserInput', {
  fields: (t) => ({
    id: t.id({ required: true }),
    successorId: t.id({
      description: 'Becomes an OWNER of each project that would have none and that he is a member of already.',
    }),
  }),
});

const UpdateUserPayload = builder.objectRef<{ user: User }>('UpdateUserPayload').implement({
  rights: 'parent',
  fields: (t) => ({ user: t.field({ type: UserType, resolve: ({ user }) => user }) }),
});

const DeleteUserPayload = builder.objectRef<{ id: string }>('DeleteUserPayload').implement({
  rights: 'parent',
  fields: (t) => ({ deletedUserId: t.exposeID('id') }),
});

/** @throws AppError NOT_FOUND for what is not the id of a user */
function userUuid(id: string): string {
  const uuid = uuidOf('User', id);
  if (!uuid) throw notFound('User');
  return uuid;
}

builder.mutationFields((t) => ({
  updateUser: t.field({
    type: UpdateUserPayload,
    description: 'For administrators, of whom one stays: CONFLICT.',
    authScopes: { admin: true },
    args: { input: t.arg({ type: UpdateUserInput, required: true }) },
    resolve: async (_root, { input: { id, role, disabled, maxParallelJobs } }, { viewer, services, caller }) => ({
      user: await services.administration.update(
        viewer,
        userUuid(id),
        { role: role ?? undefined, disabled: disabled ?? undefined, maxParallelJobs },
        caller,
      ),
    }),
  }),
  deleteUser: t.field({
    type: DeleteUserPayload,
    description:
      'For administrators. His jobs, files and databases go, hosted ones with what is in them; what is in a project stays there, and the audit stays. A project that nobody else is in goes with him; the only OWNER of another one is a CONFLICT (`details.projectIds`), unless a successor is named who is in it, and so is the last administrator.',
    authScopes: { admin: true },
    args: { input: t.arg({ type: DeleteUserInput, required: true }) },
    resolve: async (_root, { input: { id, successorId } }, { viewer, services, caller, signal }) => {
      const successor = successorId == null ? null : userUuid(successorId);
      await services.administration.delete(viewer, userUuid(id), { caller, signal, successorId: successor });
      return { id };
    },
  }),
}));
