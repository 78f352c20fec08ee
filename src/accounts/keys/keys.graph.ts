/** API keys: what their users, and administrators, see of them, and making and ending one. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { z } from 'zod';
import { DatabaseType } from '../../databases/databases.graph.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { registerRow } from '../../graph/nodes.ts';
import { notFound } from '../../lib/errors.ts';
import { encodeId, uuidOf } from '../../lib/ids.ts';
import { displayName } from '../inputs.ts';
import { seesAccess, UserType } from '../users.graph.ts';
import { apiKeyScopes } from '../viewer.ts';
import type { ApiKey, NewApiKey } from './api-keys.ts';
import { prefixOf } from './secrets.ts';
import { scopesOfText } from './store.ts';

const ApiKeyScopeEnum = builder.enumType('ApiKeyScope', {
  description: 'What a key may; each allows what those before it do.',
  values: {
    ANONYMOUS: {
      value: apiKeyScopes[0],
      description: 'What is public, and nothing of its user: the sample’s catalogue and changes. Stands alone.',
    },
    READ: { value: apiKeyScopes[1], description: 'Queries and subscriptions; rows; no SQL.' },
    QUERY: {
      value: apiKeyScopes[2],
      description: 'And SQL, as read-only jobs, live queries and exports to new files.',
    },
    WRITE: { value: apiKeyScopes[3], description: 'And SQL that writes, saved queries, files, messages.' },
    ADMIN: {
      value: apiKeyScopes[4],
      description:
        'And what only its user may: connections, members, buckets, settings. Never keys, passwords or sessions. Only an administrator makes one, and it ends with the role.',
    },
  },
});

// Batches and keeps nothing: the next mutation of the same document may change it.
const keys = createContextCache(
  ({ services }: Context) =>
    new DataLoader<string, ApiKey[]>(
      async (userIds) => {
        const found = await services.apiKeys.keysOf(userIds);
        return userIds.map((id) => found.get(id) ?? []);
      },
      { cache: false },
    ),
);

const narrowed = createContextCache(
  ({ services }: Context) =>
    new DataLoader<string, string[] | null>(
      async (keyIds) => {
        const found = await services.apiKeys.databasesOf(keyIds);
        return keyIds.map((id) => found.get(id) ?? null);
      },
      { cache: false },
    ),
);

const ApiKeyType = builder.prismaObject('ApiKey', {
  rights: 'user:see-access',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'A key for programs, for `Authorization: Bearer`; it acts for its user, within its scopes.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('ApiKey', id) }),
    name: t.exposeString('name'),
    prefix: t.string({
      description: 'What the key begins with, up to its dot; no secret.',
      resolve: ({ id }) => prefixOf(id),
    }),
    databases: t.field({
      type: [DatabaseType],
      nullable: true,
      description: 'Nothing but what is of these, as far as its user still sees them; null: all that he reaches.',
      resolve: async ({ id }, _args, context) => {
        const ids = await narrowed(context).load(id);
        const found = ids?.map((each) => context.services.databases.load(context, context.viewer, each));
        return found ? (await Promise.all(found)).filter((database) => database !== null) : null;
      },
    }),
    scopes: t.field({ type: [ApiKeyScopeEnum], resolve: ({ scopes }) => scopesOfText(scopes) }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true, description: 'To the minute.' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
});

registerRow('ApiKey', ({ viewer, services }, id) => services.apiKeys.find(viewer, id));

builder.prismaObjectFields(UserType, (t) => ({
  apiKeys: t.field({
    type: [ApiKeyType],
    nullable: true,
    description: 'The newest first; the last that ended are among them. Null with a key.',
    resolve: (user, _args, context) => (seesAccess(user, context) ? keys(context).load(user.id) : null),
  }),
}));

const CreateApiKeyInput = builder.inputType('CreateApiKeyInput', {
  validate: z.object({
    name: displayName,
    scopes: z.array(z.string()),
    databaseIds: z.array(z.string()).nullish(),
    expiresAt: z.date().nullish(),
  }),
  fields: (t) => ({
    name: t.string({ required: true }),
    scopes: t.field({ type: [ApiKeyScopeEnum], required: true }),
    databaseIds: t.idList({
      description:
        'Nothing but what is of these is there for the key: no project, no bucket, no other database. Absent: all that the viewer reaches.',
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'Absent: it does not end by itself.' }),
  }),
});

const CreateApiKeyPayload = builder.objectRef<{ apiKey: ApiKey; secret: string }>('CreateApiKeyPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    apiKey: t.field({ type: ApiKeyType, resolve: ({ apiKey }) => apiKey }),
    secret: t.exposeString('secret', { description: 'The key, for `Authorization: Bearer`. Shown once.' }),
  }),
});

const RevokeApiKeyInput = builder.inputType('RevokeApiKeyInput', {
  fields: (t) => ({ id: t.id({ required: true }) }),
});

const RevokeApiKeyPayload = builder.objectRef<{ apiKey: ApiKey }>('RevokeApiKeyPayload').implement({
  rights: 'parent',
  fields: (t) => ({ apiKey: t.field({ type: ApiKeyType, resolve: ({ apiKey }) => apiKey }) }),
});

/** @throws AppError NOT_FOUND for what is not the id of a key */
function keyUuid(id: string): string {
  const uuid = uuidOf('ApiKey', id);
  if (!uuid) throw notFound('API key');
  return uuid;
}

/** What is no id of a database is seen by nobody. */
const keyOf = ({ name, scopes, databaseIds, expiresAt }: typeof CreateApiKeyInput.$inferInput): NewApiKey => ({
  name,
  scopes,
  databaseIds: databaseIds?.map((id) => uuidOf('Database', id) ?? '') ?? null,
  expiresAt: expiresAt ?? null,
});

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: CreateApiKeyPayload,
    description: 'By who is signed in: no key makes another.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: CreateApiKeyInput, required: true }) },
    resolve: (_root, { input }, { viewer, services, caller }) => services.apiKeys.create(viewer, keyOf(input), caller),
  }),
  revokeApiKey: t.field({
    type: RevokeApiKeyPayload,
    description: 'Its streams end within seconds. Administrators revoke anybody’s.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: RevokeApiKeyInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => ({
      apiKey: await services.apiKeys.revoke(viewer, keyUuid(input.id), caller),
    }),
  }),
}));
