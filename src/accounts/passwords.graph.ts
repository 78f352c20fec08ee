/** Another password: by the present one, or by mail. */
import { builder } from '../graph/builder.ts';
import { AuthPayload } from './accounts.graph.ts';
import { oneAddress, passwordChange, passwordReset } from './inputs.ts';

const newPassword = 'At least 8 characters, at most 1,024 bytes of UTF-8.';

const ChangePasswordInput = builder.inputType('ChangePasswordInput', {
  validate: passwordChange,
  fields: (t) => ({
    currentPassword: t.string({ required: true }),
    newPassword: t.string({ required: true, description: newPassword }),
  }),
});

const RequestPasswordResetInput = builder.inputType('RequestPasswordResetInput', {
  validate: oneAddress,
  fields: (t) => ({ email: t.string({ required: true }) }),
});

const ResetPasswordInput = builder.inputType('ResetPasswordInput', {
  validate: passwordReset,
  fields: (t) => ({
    token: t.string({ required: true, description: 'From the mail; good once.' }),
    newPassword: t.string({ required: true, description: newPassword }),
  }),
});

const RequestPasswordResetPayload = builder.objectRef<{ ok: boolean }>('RequestPasswordResetPayload').implement({
  rights: 'parent',
  fields: (t) => ({ ok: t.exposeBoolean('ok') }),
});

const ResetPasswordPayload = builder.objectRef<{ ok: boolean }>('ResetPasswordPayload').implement({
  rights: 'parent',
  fields: (t) => ({ ok: t.exposeBoolean('ok') }),
});

builder.mutationFields((t) => ({
  changePassword: t.field({
    type: AuthPayload,
    description: 'Ends all other sessions; the one that asks goes on with the tokens of the answer.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: ChangePasswordInput, required: true }) },
    resolve: (_root, { input }, { services, viewer, caller, signal }) =>
      services.accounts.changePassword(viewer, input, caller, signal),
  }),
  requestPasswordReset: t.field({
    type: RequestPasswordResetPayload,
    description: 'Mails a token for `resetPassword` where there is such an account; the answer is always the same.',
    authScopes: { public: true },
    args: { input: t.arg({ type: RequestPasswordResetInput, required: true }) },
    resolve: async (_root, { input }, { services, caller }) => {
      await services.accounts.requestPasswordReset(input.email, caller);
      return { ok: true };
    },
  }),
  resetPassword: t.field({
    type: ResetPasswordPayload,
    description: 'Ends all sessions and API keys of the account. Its address counts as confirmed.',
    authScopes: { public: true },
    args: { input: t.arg({ type: ResetPasswordInput, required: true }) },
    resolve: async (_root, { input }, { services, caller, signal }) => {
      await services.accounts.resetPassword(input, caller, signal);
      return { ok: true };
    },
  }),
}));
