/** Files as people see them, and how they bring, move and delete them. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { seesPrivate, UserType } from '../../accounts/users.graph.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { enumOf } from '../../graph/enums.ts';
import { registerRow } from '../../graph/nodes.ts';
import { notFound } from '../../lib/errors.ts';
import { encodeId, uuidOf } from '../../lib/ids.ts';
import { BucketType } from './buckets.graph.ts';
import type { VisibleBucket } from './buckets.ts';
import type { StorageUsage, StoredFile } from './files.ts';
import { keyLinkTtlMs, linkTtlMs, storageLimits } from './limits.ts';
import { fileStatuses } from './store.ts';
import type { UploadTarget } from './uploads.ts';

const FileStatusEnum = enumOf(
  'FileStatus',
  fileStatuses,
  'PENDING: its bytes are not all there. READY: it can be fetched.',
);

export const StoredFileType = builder.objectRef<StoredFile>('StoredFile').implement({
  rights: 'bucket:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'A file in a bucket. Another one that takes its place has an id of its own.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('StoredFile', id) }),
    status: t.field({
      type: FileStatusEnum,
      description: 'PENDING until the PUT of createUpload is answered; nobody ends it within a day, and it is gone.',
      resolve: ({ status }) => status,
    }),
    bucket: t.field({
      type: BucketType,
      resolve: async ({ bucketId }, _args, context) => {
        const bucket = await context.services.buckets.loadBucket(context, context.viewer, bucketId);
        if (!bucket) throw notFound('Bucket'); // Deleted in this moment.
        return bucket;
      },
    }),
    path: t.exposeString('path'),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt' }),
    mimeType: t.exposeString('mimeType', { description: 'As it was declared; nobody looked inside.' }),
    sha256: t.exposeString('sha256', { nullable: true, description: 'Hex, of all bytes; null while it is PENDING.' }),
    publicUrl: t.string({
      nullable: true,
      description:
        'Does not expire, and stays when the file is moved or overwritten; null unless the bucket is public.',
      resolve: async (file, _args, context) => {
        const bucket = await context.services.buckets.loadBucket(context, context.viewer, file.bucketId);
        return bucket && context.services.files.publicUrlOf(bucket, file);
      },
    }),
    owner: t.field({
      type: UserType,
      nullable: true,
      description: 'Who brought it: it counts for his quota. Null when the account is gone.',
      resolve: ({ ownerId }, _args, { services }) => (ownerId === null ? null : services.accounts.account(ownerId)),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
    url: t.string({
      nullable: true,
      description: `A link of the viewer’s, for at most ${linkTtlMs.max} ms, with an API key ${keyLinkTtlMs} ms; what he may do is asked again when it is used. It is shown in a browser where nothing of it can run, else saved; with \`download\` always saved. Null for one that is PENDING, or whose bytes are lost.`,
      args: {
        expiresInMs: t.arg.int({ defaultValue: linkTtlMs.default }),
        download: t.arg.boolean({ defaultValue: false }),
      },
      resolve: (file, { expiresInMs, download }, { viewer, services }) =>
        services.files.urlOf(viewer, file, {
          expiresInMs: expiresInMs ?? linkTtlMs.default,
          download: download ?? false,
        }),
    }),
  }),
});

registerRow('StoredFile', (context, id) => context.services.files.loadFile(context, context.viewer, id));

const StoredFileEdge = builder.edgeObject({ type: StoredFileType, name: 'StoredFileEdge' });
const StoredFileConnection = builder.connectionObject(
  { type: StoredFileType, name: 'StoredFileConnection' },
  StoredFileEdge,
);

// Both batch and keep nothing: the next mutation of the same document may change it.
const pending = createContextCache(
  ({ services, viewer }: Context) =>
    new DataLoader<VisibleBucket, StoredFile[]>((buckets) => services.files.pending(viewer, buckets), { cache: false }),
);
const usage = createContextCache(
  ({ services }: Context) =>
    new DataLoader<string, StorageUsage>((userIds) => services.files.usage(userIds), { cache: false }),
);

const StorageUsageType = builder.objectRef<StorageUsage>('StorageUsage').implement({
  rights: 'parent',
  description: 'What a user has in all buckets, and may have.',
  fields: (t) => ({
    usedBytes: t.expose('usedBytes', { type: 'BigInt', description: 'Of files that are READY.' }),
    reservedBytes: t.expose('reservedBytes', { type: 'BigInt', description: 'Kept free for those that are PENDING.' }),
    limitBytes: t.expose('limitBytes', { type: 'BigInt', description: 'Of both together.' }),
    files: t.exposeInt('files', { description: 'READY and PENDING ones.' }),
    filesLimit: t.exposeInt('filesLimit'),
  }),
});

builder.prismaObjectFields(UserType, (t) => ({
  storage: t.field({
    type: StorageUsageType,
    nullable: true,
    resolve: (user, _args, context) => (seesPrivate(user, context) ? usage(context).load(user.id) : null),
  }),
}));

const UploadTargetType = builder.objectRef<UploadTarget>('UploadTarget').implement({
  rights: 'parent',
  description:
    'Where the bytes go. HEAD answers `Upload-Offset`; a PUT with `Content-Range` goes on there, one without begins anew. One request at a time.',
  fields: (t) => ({
    file: t.expose('file', { type: StoredFileType }),
    url: t.exposeString('url'),
    method: t.string({ resolve: () => 'PUT' }),
    headers: t.field({ type: 'JSON', description: 'To send with it, by name.', resolve: () => ({}) }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
  }),
});

builder.objectFields(StoredFileType, (t) => ({
  upload: t.field({
    type: UploadTargetType,
    nullable: true,
    description:
      'With a fresh URL, for who made it by createUpload, as long as it is PENDING: HEAD says how much is there. What follows has to be of the same content. Null for all others.',
    resolve: (file, _args, { viewer, services }) => services.uploads.targetOf(viewer, file),
  }),
}));

builder.objectFields(BucketType, (t) => ({
  uploads: t.field({
    type: [StoredFileType],
    description: `What is PENDING, uploads and exports, the newest first: at most ${storageLimits.pendingListed}. deleteFile ends one, its \`upload\` goes on with it. Empty for who may not write here.`,
    resolve: (bucket, _args, context) => pending(context).load(bucket),
  }),
  file: t.field({
    type: StoredFileType,
    nullable: true,
    description: 'The READY file at exactly this path.',
    args: { path: t.arg.string({ required: true }) },
    resolve: (bucket, { path }, { services }) => services.files.at(bucket, path),
  }),
  files: t.connection(
    {
      type: StoredFileType,
      description: 'READY files by the bytes of their paths; those that begin with `prefix`.',
      args: { prefix: t.arg.string() },
      resolve: (bucket, args, { services }) => services.files.list(bucket, args),
    },
    StoredFileConnection,
    StoredFileEdge,
  ),
}));

/** An id of something else names no row. */
const nowhere = '00000000-0000-0000-0000-000000000000';
const rowOf = (kind: string, id: string) => uuidOf(kind, id) ?? nowhere;

const pathRules = `Names with / between them, at most ${storageLimits.pathBytes} bytes of UTF-8; kept in NFC.`;
const overwriting =
  'Take the place of the file at this path, once all of this one is there; else that is a CONFLICT, as is the path of an export that runs without it.';

const UploadFileInput = builder.inputType('UploadFileInput', {
  fields: (t) => ({
    bucketId: t.id({ required: true }),
    path: t.string({ required: true, description: pathRules }),
    file: t.field({ type: 'File', required: true }),
    overwrite: t.boolean({ defaultValue: false, description: overwriting }),
  }),
});

const CreateUploadInput = builder.inputType('CreateUploadInput', {
  fields: (t) => ({
    bucketId: t.id({ required: true }),
    path: t.string({ required: true, description: pathRules }),
    sizeBytes: t.field({ type: 'BigInt', required: true, description: 'Exactly what will come.' }),
    mimeType: t.string({ description: 'application/octet-stream when absent.' }),
    overwrite: t.boolean({ defaultValue: false, description: overwriting }),
  }),
});

const MoveFileInput = builder.inputType('MoveFileInput', {
  fields: (t) => ({
    id: t.id({ required: true }),
    path: t.string({ required: true, description: pathRules }),
    bucketId: t.id({ description: 'Absent: where it is.' }),
  }),
});

const DeleteFileInput = builder.inputType('DeleteFileInput', {
  fields: (t) => ({ id: t.id({ required: true }) }),
});

const payloadOf = (name: string) =>
  builder.objectRef<{ file: StoredFile }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ file: t.expose('file', { type: StoredFileType }) }),
  });
const UploadFilePayload = payloadOf('UploadFilePayload');
const MoveFilePayload = payloadOf('MoveFilePayload');

const CreateUploadPayload = builder.objectRef<{ upload: UploadTarget }>('CreateUploadPayload').implement({
  rights: 'parent',
  fields: (t) => ({ upload: t.expose('upload', { type: UploadTargetType }) }),
});

const DeleteFilePayload = builder.objectRef<{ id: string; bucket: VisibleBucket }>('DeleteFilePayload').implement({
  rights: 'parent',
  fields: (t) => ({
    deletedFileId: t.id({ resolve: ({ id }) => id }),
    bucket: t.expose('bucket', { type: BucketType }),
  }),
});

builder.mutationFields((t) => ({
  uploadFile: t.field({
    type: UploadFilePayload,
    authScopes: { signedIn: true },
    description: `A file inside of the request, of at most ${storageLimits.inlineBytes} bytes; larger ones by createUpload.`,
    args: { input: t.arg({ type: UploadFileInput, required: true }) },
    resolve: async (_root, { input: { bucketId, overwrite, ...input } }, context) => ({
      file: await context.services.uploads.uploadInline(
        context.viewer,
        { ...input, bucketId: rowOf('Bucket', bucketId), overwrite: overwrite ?? false },
        context,
      ),
    }),
  }),
  createUpload: t.field({
    type: CreateUploadPayload,
    authScopes: { signedIn: true },
    description:
      'A signed URL for files too large for a GraphQL request; an upload that broke goes on where it stopped. Each time another upload: one whose answer was lost is among `Bucket.uploads`.',
    args: { input: t.arg({ type: CreateUploadInput, required: true }) },
    resolve: async (_root, { input: { bucketId, overwrite, ...input } }, { viewer, services }) => ({
      upload: await services.uploads.create(viewer, {
        ...input,
        bucketId: rowOf('Bucket', bucketId),
        overwrite: overwrite ?? false,
      }),
    }),
  }),
  moveFile: t.field({
    type: MoveFilePayload,
    authScopes: { signedIn: true },
    description: 'To another path, or another bucket. Its addresses stay.',
    args: { input: t.arg({ type: MoveFileInput, required: true }) },
    resolve: async (_root, { input: { id, path, bucketId } }, { viewer, services, caller }) => ({
      file: await services.files.move(
        viewer,
        { id: rowOf('StoredFile', id), path, bucketId: bucketId == null ? null : rowOf('Bucket', bucketId) },
        caller,
      ),
    }),
  }),
  deleteFile: t.field({
    type: DeleteFilePayload,
    authScopes: { signedIn: true },
    description: 'Of one that is PENDING, ends the upload.',
    args: { input: t.arg({ type: DeleteFileInput, required: true }) },
    resolve: async (_root, { input: { id } }, { viewer, services, caller }) => ({
      id,
      bucket: await services.files.delete(viewer, rowOf('StoredFile', id), caller),
    }),
  }),
}));
