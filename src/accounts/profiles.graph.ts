/** Confirming an address, and changing what one is called and reached by. */
import { builder } from '../graph/builder.ts';
import { oneAddress, profileChange } from './inputs.ts';
import type { User } from './store.ts';
import { UserType } from './users.graph.ts';

const VerifyEmailInput = builder.inputType('VerifyEmailInput', {
  fields: (t) => ({
    token: t.string({ required: true, description: 'From the mail; good once.' }),
    password: t.string({ description: 'Of the account; not needed by who is signed in to it.' }),
  }),
});

const VerifyEmailPayload = builder.objectRef<{ user: User }>('VerifyEmailPayload').implement({
  rights: 'parent',
  fields: (t) => ({ user: t.field({ type: UserType, resolve: ({ user }) => user }) }),
});

const ResendVerificationInput = builder.inputType('ResendVerificationInput', {
  validate: oneAddress,
  fields: (t) => ({ email: t.string({ required: true }) }),
});

const ResendVerificationPayload = builder.objectRef<{ ok: boolean }>('ResendVerificationPayload').implement({
  rights: 'parent',
  fields: (t) => ({ ok: t.exposeBoolean('ok') }),
});

const UpdateProfileInput = builder.inputType('UpdateProfileInput', {
  validate: profileChange,
  description: 'What is absent stays.',
  fields: (t) => ({
    name: t.string({ description: 'Null: none.' }),
    email: t.string({
      description: 'Used once it is confirmed by the mail that is sent there; until then the present one stays.',
    }),
    password: t.string({
      description:
        'Of the account: for another address. An account of another issuer has none until one is set by `requestPasswordReset`.',
    }),
  }),
});

const UpdateProfilePayload = builder.objectRef<{ user: User }>('UpdateProfilePayload').implement({
  rights: 'parent',
  fields: (t) => ({ user: t.field({ type: UserType, resolve: ({ user }) => user }) }),
});

builder.mutationFields((t) => ({
  verifyEmail: t.field({
    type: VerifyEmailPayload,
    description:
      'Confirms the address that the token was mailed to, for who is signed in to the account or has its password. Signs nobody in. Who has neither sets a new password by mail, which confirms the address as well.',
    authScopes: { public: true },
    args: { input: t.arg({ type: VerifyEmailInput, required: true }) },
    resolve: async (_root, { input }, { services, viewer, caller, signal }) => ({
      user: await services.accounts.verifyEmail(viewer, input, caller, signal),
    }),
  }),
  resendVerification: t.field({
    type: ResendVerificationPayload,
    description: 'Mails another token where an account waits for one; the answer is always the same.',
    authScopes: { public: true },
    args: { input: t.arg({ type: ResendVerificationInput, required: true }) },
    resolve: async (_root, { input }, { services, caller }) => {
      await services.accounts.resendVerification(input.email, caller);
      return { ok: true };
    },
  }),
  updateProfile: t.field({
    type: UpdateProfilePayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateProfileInput, required: true }) },
    resolve: async (_root, { input }, { services, viewer, caller, signal }) => ({
      user: await services.accounts.updateProfile(viewer, input, caller, signal),
    }),
  }),
}));
