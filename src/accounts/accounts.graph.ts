/** Registering, signing in and out, staying signed in, and setting what one may set. */
import { bucketUuid, ExportFormatEnum } from '../exports/enums.graph.ts';
import { builder } from '../graph/builder.ts';
import type { Context } from '../graph/context.ts';
import { priorities } from '../jobs/job.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import type { SettingsChange, SignedIn, User } from './accounts.ts';
import { loginInput, registerInput, settingsInput } from './inputs.ts';
import { UserType } from './users.graph.ts';

export const AuthPayload = builder.objectRef<SignedIn>('AuthPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    accessToken: t.exposeString('accessToken', { description: 'For `Authorization: Bearer`.' }),
    accessTokenExpiresAt: t.expose('accessTokenExpiresAt', { type: 'DateTime' }),
    refreshToken: t.exposeString('refreshToken', { description: 'For `refreshSession`, once.' }),
    refreshTokenExpiresAt: t.expose('refreshTokenExpiresAt', { type: 'DateTime' }),
    user: t.field({
      type: UserType,
      resolve: async ({ viewer }, _args, { services }) => ({
        ...(await services.accounts.self(viewer)),
        seenBy: viewer,
      }),
    }),
  }),
});

const RegisterInput = builder.inputType('RegisterInput', {
  validate: registerInput,
  fields: (t) => ({
    email: t.string({ required: true }),
    password: t.string({
      required: true,
      description: 'At least 8 characters, at most 1,024 bytes of UTF-8; every one of them counts.',
    }),
    name: t.string(),
    invitationToken: t.string({
      description:
        'Of the mail that invited this address: needed with REGISTRATION=invite and closed; it confirms the address as well.',
    }),
  }),
});

const RegisterPayload = builder.objectRef<{ auth: SignedIn | null }>('RegisterPayload').implement({
  rights: 'parent',
  description:
    'Null `auth`: the address must be confirmed first, and the answer is the same for an address that was known.',
  fields: (t) => ({ auth: t.expose('auth', { type: AuthPayload, nullable: true }) }),
});

const LoginInput = builder.inputType('LoginInput', {
  validate: loginInput,
  fields: (t) => ({
    email: t.string({ required: true }),
    password: t.string({ required: true }),
    code: t.string({
      description:
        'Where the account has a second factor: of the authenticator, or a recovery code. Without it login is UNAUTHENTICATED with `{ secondFactor: "TOTP" }` in the details.',
    }),
  }),
});

const RefreshSessionInput = builder.inputType('RefreshSessionInput', {
  fields: (t) => ({ refreshToken: t.string({ required: true }) }),
});

const LogoutInput = builder.inputType('LogoutInput', {
  fields: (t) => ({
    everywhere: t.boolean({ defaultValue: false, description: 'Every session of the viewer.' }),
    sessionId: t.id({ description: 'One of the viewer’s sessions; absent: the one that asks.' }),
  }),
});

const LogoutPayload = builder.objectRef<{ ok: boolean }>('LogoutPayload').implement({
  rights: 'parent',
  fields: (t) => ({ ok: t.exposeBoolean('ok') }),
});

const UpdateSettingsInput = builder.inputType('UpdateSettingsInput', {
  validate: settingsInput,
  description: 'What is absent stays; null sets the default again.',
  fields: (t) => ({
    maxParallelJobs: t.int(),
    queuePriority: t.int({ description: `From ${priorities.min} to ${priorities.max}.` }),
    statementTimeoutMs: t.int(),
    maxRows: t.int(),
    defaultExportFormat: t.field({ type: ExportFormatEnum }),
    defaultExportBucketId: t.id({ description: 'One that the viewer may write to.' }),
    defaultExportPrefix: t.string({ description: 'Such as `reports/`; may hold what a path of an export may hold.' }),
  }),
});

const UpdateSettingsPayload = builder.objectRef<{ user: User }>('UpdateSettingsPayload').implement({
  rights: 'parent',
  fields: (t) => ({ user: t.field({ type: UserType, resolve: ({ user }) => user }) }),
});

/** Undefined for the session that asks. @throws AppError NOT_FOUND for what is not the id of a session */
function sessionId(id: string | null | undefined): string | undefined {
  if (id == null) return undefined;
  const uuid = uuidOf('Session', id);
  if (!uuid) throw notFound('Session');
  return uuid;
}

/** @throws AppError NOT_FOUND for what is not the id of a bucket */
const settingsOf = ({
  defaultExportBucketId: id,
  ...input
}: typeof UpdateSettingsInput.$inferInput): SettingsChange => ({
  ...input,
  defaultExportBucketId: typeof id === 'string' ? bucketUuid(id) : id,
});

const accountsOf = ({ services }: Context) => services.accounts;

builder.mutationFields((t) => ({
  register: t.field({
    type: RegisterPayload,
    description:
      'Opens an account and signs it in, or mails what confirms the address where that comes first. The first one of all is the administrator.',
    authScopes: { public: true },
    args: { input: t.arg({ type: RegisterInput, required: true }) },
    resolve: async (_root, { input }, context) => ({
      auth: await accountsOf(context).register(input, context.caller, context.signal),
    }),
  }),
  login: t.field({
    type: AuthPayload,
    authScopes: { public: true },
    args: { input: t.arg({ type: LoginInput, required: true }) },
    resolve: (_root, { input }, context) => accountsOf(context).login(input, context.caller, context.signal),
  }),
  refreshSession: t.field({
    type: AuthPayload,
    description: 'Exchanges a refresh token for a new pair. A token used twice ends every session of its family.',
    authScopes: { public: true },
    args: { input: t.arg({ type: RefreshSessionInput, required: true }) },
    resolve: (_root, { input }, context) => accountsOf(context).refreshSession(input.refreshToken, context.caller),
  }),
  logout: t.field({
    type: LogoutPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: LogoutInput }) },
    resolve: async (_root, { input }, context) => {
      const which = { everywhere: input?.everywhere, sessionId: sessionId(input?.sessionId) };
      await accountsOf(context).logout(context.viewer, which, context.caller);
      return { ok: true };
    },
  }),
  updateSettings: t.field({
    type: UpdateSettingsPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateSettingsInput, required: true }) },
    resolve: async (_root, { input }, context) => ({
      user: await accountsOf(context).updateSettings(context.viewer, settingsOf(input), context.caller),
    }),
  }),
}));
