/** The second factor of an account: setting it up, switching it on and off. Signing in with it: accounts.graph.ts. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { z } from 'zod';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { notFound } from '../../lib/errors.ts';
import { uuidOf } from '../../lib/ids.ts';
import type { User } from '../accounts.ts';
import { typedCode } from '../inputs.ts';
import { seesAccess, UserType } from '../users.graph.ts';

// Batches and keeps nothing: the next mutation of the same document may change it.
const factors = createContextCache(
  ({ services }: Context) =>
    new DataLoader<string, boolean>(
      async (userIds) => {
        const found = await services.secondFactors.withFactor(userIds);
        return userIds.map((id) => found.has(id));
      },
      { cache: false },
    ),
);

builder.prismaObjectFields(UserType, (t) => ({
  totpEnabled: t.field({
    type: 'Boolean',
    nullable: true,
    description: 'Whether `login` asks for a code. Null with a key.',
    resolve: (user, _args, context) => (seesAccess(user, context) ? factors(context).load(user.id) : null),
  }),
}));

const SetUpTotpPayload = builder.objectRef<{ secret: string; uri: string }>('SetUpTotpPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    secret: t.exposeString('secret', { description: 'In Base32, to be typed.' }),
    uri: t.exposeString('uri', { description: '`otpauth:`, for a QR code.' }),
  }),
});

const ConfirmTotpInput = builder.inputType('ConfirmTotpInput', {
  validate: z.object({ code: typedCode, password: z.string().nullish() }),
  fields: (t) => ({
    code: t.string({ required: true, description: 'Of the authenticator.' }),
    password: t.string({ description: 'Of the account, where it has one.' }),
  }),
});

const DisableTotpInput = builder.inputType('DisableTotpInput', {
  validate: z.object({ code: typedCode }),
  fields: (t) => ({
    code: t.string({ required: true, description: 'Of the authenticator, or a recovery code.' }),
  }),
});

const ResetTotpInput = builder.inputType('ResetTotpInput', {
  fields: (t) => ({ id: t.id({ required: true, description: 'Of a user.' }) }),
});

interface Confirmed {
  recoveryCodes: string[];
  user: User;
}

const ConfirmTotpPayload = builder.objectRef<Confirmed>('ConfirmTotpPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    recoveryCodes: t.exposeStringList('recoveryCodes', {
      description: 'Each is good once in place of a code. Shown once.',
    }),
    user: t.field({ type: UserType, resolve: ({ user }) => user }),
  }),
});

const DisableTotpPayload = builder.objectRef<{ user: User }>('DisableTotpPayload').implement({
  rights: 'parent',
  fields: (t) => ({ user: t.field({ type: UserType, resolve: ({ user }) => user }) }),
});

const ResetTotpPayload = builder.objectRef<{ user: User }>('ResetTotpPayload').implement({
  rights: 'parent',
  fields: (t) => ({ user: t.field({ type: UserType, resolve: ({ user }) => user }) }),
});

builder.mutationFields((t) => ({
  setUpTotp: t.field({
    type: SetUpTotpPayload,
    description: 'A secret for an authenticator; it counts when `confirmTotp` has shown that the authenticator has it.',
    authScopes: { signedIn: true },
    resolve: async (_root, _args, { viewer, services }) =>
      services.secondFactors.setUp(viewer, (await services.accounts.viewer(viewer))?.email ?? ''),
  }),
  confirmTotp: t.field({
    type: ConfirmTotpPayload,
    description: 'From now on `login` asks for a code.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: ConfirmTotpInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller, signal }) => ({
      recoveryCodes: await services.secondFactors.confirm(viewer, input, caller, signal),
      user: await services.accounts.self(viewer!),
    }),
  }),
  disableTotp: t.field({
    type: DisableTotpPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: DisableTotpInput, required: true }) },
    resolve: async (_root, { input: { code } }, { viewer, services, caller }) => {
      await services.secondFactors.disable(viewer, code, caller);
      return { user: await services.accounts.self(viewer!) };
    },
  }),
  resetTotp: t.field({
    type: ResetTotpPayload,
    description:
      'For administrators: switches off the second factor of somebody who lost it, and mails him that it was. Not with a key, and not their own. CONFLICT where none is on.',
    authScopes: { admin: true },
    args: { input: t.arg({ type: ResetTotpInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => {
      const id = uuidOf('User', input.id);
      if (!id) throw notFound('User');
      await services.secondFactors.reset(viewer, id, caller);
      const user = await services.accounts.account(id);
      if (!user) throw notFound('User');
      return { user };
    },
  }),
}));
