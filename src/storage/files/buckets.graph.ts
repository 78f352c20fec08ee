/** Buckets as people see them. What is in them is added by files.graph.ts. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { UserType } from '../../accounts/users.graph.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { ProjectRoleEnum } from '../../graph/enums.ts';
import { registerRow } from '../../graph/nodes.ts';
import { encodeId, uuidOf } from '../../lib/ids.ts';
import type { VisibleBucket } from './buckets.ts';
import { storageLimits } from './limits.ts';

// Batches and keeps nothing: the next mutation of the same document may change it.
const usedBytes = createContextCache(
  ({ services }: Context) => new DataLoader<string, number>((ids) => services.buckets.usedBytes(ids), { cache: false }),
);

export const BucketType = builder.objectRef<VisibleBucket>('Bucket').implement({
  rights: 'bucket:see',
  interfaces: [builder.nodeInterfaceRef()],
  description:
    'Where files are kept. In a project its VIEWERs read them, EDITORs write, and OWNERs change and delete the bucket; elsewhere it is its owner’s alone. Administrators may all.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('Bucket', id) }),
    name: t.exposeString('name', { description: 'Once among the owner’s own, and once in a project.' }),
    owner: t.field({
      type: UserType,
      nullable: true,
      description: 'Who made it; null when the account is gone.',
      resolve: ({ ownerId }, _args, { services }) => (ownerId === null ? null : services.accounts.account(ownerId)),
    }),
    project: t.prismaField({
      type: 'Project',
      nullable: true,
      description: 'Null where the viewer is not in it, too.',
      resolve: (query, bucket, _args, { services }) => services.buckets.projectOf(bucket, query),
    }),
    viewerRole: t.field({
      type: ProjectRoleEnum,
      resolve: (bucket, _args, { viewer, services }) => services.buckets.roleIn(viewer, bucket),
    }),
    public: t.exposeBoolean('public', { description: 'Anyone with its `publicUrl` reads a file; nobody lists.' }),
    maxFileSizeBytes: t.expose('maxFileSizeBytes', { type: 'BigInt', nullable: true }),
    allowedMimeTypes: t.stringList({
      nullable: true,
      description: 'Such as `text/csv` or `image/*`; checked against the type that an upload declares. Null: any.',
      resolve: ({ allowedMimeTypes }) => allowedMimeTypes && [...allowedMimeTypes],
    }),
    usedBytes: t.field({
      type: 'BigInt',
      description: 'Of its files that are READY.',
      resolve: ({ id }, _args, context) => usedBytes(context).load(id),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
});

registerRow('Bucket', (context, id) => context.services.buckets.loadBucket(context, context.viewer, id));

const BucketEdge = builder.edgeObject({ type: BucketType, name: 'BucketEdge' });
const BucketConnection = builder.connectionObject({ type: BucketType, name: 'BucketConnection' }, BucketEdge);

/** An id of something else names no row. */
const nowhere = '00000000-0000-0000-0000-000000000000';
const rowOf = (kind: string, id: string) => uuidOf(kind, id) ?? nowhere;

builder.queryField('buckets', (t) =>
  t.connection(
    {
      type: BucketType,
      authScopes: { signedIn: true },
      description: 'The viewer’s own and those of his projects, the oldest first; of one project where it is named.',
      args: { projectId: t.arg.id() },
      resolve: (_root, { projectId, ...args }, { viewer, services }) =>
        services.buckets.list(viewer, { ...args, projectId: projectId == null ? null : rowOf('Project', projectId) }),
    },
    BucketConnection,
    BucketEdge,
  ),
);

const sizeLimit = 'Bytes of one file at the most.';
const types = 'Such as `text/csv` or `image/*`; null: any.';

const CreateBucketInput = builder.inputType('CreateBucketInput', {
  fields: (t) => ({
    name: t.string({ required: true, description: `1 to ${storageLimits.bucketNameCharacters} characters.` }),
    projectId: t.id(),
    public: t.boolean({ defaultValue: false }),
    maxFileSizeBytes: t.field({ type: 'BigInt', description: sizeLimit }),
    allowedMimeTypes: t.stringList({ description: types }),
  }),
});

const UpdateBucketInput = builder.inputType('UpdateBucketInput', {
  description: 'What is absent stays. It holds for what comes from now on.',
  fields: (t) => ({
    id: t.id({ required: true }),
    public: t.boolean(),
    maxFileSizeBytes: t.field({ type: 'BigInt', description: sizeLimit }),
    allowedMimeTypes: t.stringList({ description: types }),
  }),
});

const DeleteBucketInput = builder.inputType('DeleteBucketInput', {
  description:
    'Its files are deleted with it, and what is on its way there ends: without `force: true` one that is not empty is a CONFLICT.',
  fields: (t) => ({ id: t.id({ required: true }), force: t.boolean({ defaultValue: false }) }),
});

const payloadOf = (name: string) =>
  builder.objectRef<{ bucket: VisibleBucket }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ bucket: t.expose('bucket', { type: BucketType }) }),
  });
const CreateBucketPayload = payloadOf('CreateBucketPayload');
const UpdateBucketPayload = payloadOf('UpdateBucketPayload');

const DeleteBucketPayload = builder.objectRef<{ id: string }>('DeleteBucketPayload').implement({
  rights: 'parent',
  fields: (t) => ({ deletedBucketId: t.id({ resolve: ({ id }) => id }) }),
});

builder.mutationFields((t) => ({
  createBucket: t.field({
    type: CreateBucketPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: CreateBucketInput, required: true }) },
    resolve: async (_root, { input: { projectId, public: isPublic, ...input } }, { viewer, services, caller }) => ({
      bucket: await services.buckets.create(
        viewer,
        { ...input, public: isPublic ?? false, projectId: projectId == null ? null : rowOf('Project', projectId) },
        caller,
      ),
    }),
  }),
  updateBucket: t.field({
    type: UpdateBucketPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateBucketInput, required: true }) },
    resolve: async (_root, { input: { id, ...change } }, { viewer, services, caller }) => ({
      bucket: await services.buckets.update(viewer, rowOf('Bucket', id), change, caller),
    }),
  }),
  deleteBucket: t.field({
    type: DeleteBucketPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: DeleteBucketInput, required: true }) },
    resolve: async (_root, { input: { id, force } }, { viewer, services, caller }) => {
      await services.buckets.delete(viewer, rowOf('Bucket', id), { force: force ?? false }, caller);
      return { id };
    },
  }),
}));
