/** STO-1 and the rights: several people and an anonymous one at each other’s files, names that want out, and lists. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  AddMemberDocument,
  BucketsDocument,
  CreateProjectDocument,
  DeleteBucketDocument,
  DeleteFileDocument,
  FileAtDocument,
  FilesDocument,
  MoveFileDocument,
  RemoveMemberDocument,
  UpdateBucketDocument,
} from '../../support/operations.ts';
import { startPlainQuarry } from '../../support/plain-server.ts';
import type { Account, Quarry } from '../../support/server.ts';
import { createFileClient, type FileClient, put } from './client.ts';
import { hostilePaths, refusedPaths } from './names.ts';

let quarry: Quarry;
let admin: Account;
let ann: Account;
let bob: Account;
let anns: FileClient;
let bobs: FileClient;
let names = 0;
const next = () => `name-${++names}`;

beforeAll(async () => {
  quarry = await startPlainQuarry();
  admin = await quarry.register();
  [ann, bob] = await Promise.all([quarry.register(), quarry.register()]);
  anns = createFileClient(quarry, ann);
  bobs = createFileClient(quarry, bob);
});
afterAll(() => quarry?.[Symbol.asyncDispose]());

async function shared(role: 'VIEWER' | 'EDITOR') {
  const { createProject } = await quarry.ask(CreateProjectDocument, { input: { name: next() } }, ann);
  const projectId = createProject.project.id;
  const { addMember } = await quarry.ask(AddMemberDocument, { input: { projectId, email: bob.email, role } }, ann);
  const bucket = await anns.bucket({ name: next(), projectId });
  return { projectId, memberId: addMember.member.id, bucketId: bucket.id };
}

const statusOf = (url: string, init?: RequestInit) => fetch(url, init).then(({ status }) => status);

describe('of a bucket of one’s own', () => {
  test('a stranger and an anonymous caller learn nothing and change nothing', async () => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    const { id } = await anns.file(bucketId, 'secret.txt', 'secret');
    const nobody = createFileClient(quarry);
    expect(await bobs.find(id)).toBeNull();
    expect(await nobody.find(id)).toBeNull();
    for (const [who, code] of [
      [bob, 'NOT_FOUND'],
      [{}, 'UNAUTHENTICATED'],
    ] as const) {
      const codes = [
        (await quarry.execute(MoveFileDocument, { input: { id, path: 'mine' } }, who)).code,
        (await quarry.execute(DeleteFileDocument, { input: { id } }, who)).code,
        (await quarry.execute(UpdateBucketDocument, { input: { id: bucketId, public: true } }, who)).code,
        (await quarry.execute(DeleteBucketDocument, { input: { id: bucketId, force: true } }, who)).code,
      ];
      expect(new Set(codes)).toEqual(new Set([code]));
    }
    expect((await bobs.upload(bucketId, 'x', new Blob(['x']))).code).toBe('NOT_FOUND');
    expect((await nobody.upload(bucketId, 'x', new Blob(['x']))).code).toBe('UNAUTHENTICATED');
    expect((await anns.find(id))!.path).toBe('secret.txt');
  });

  test('a file goes into no bucket of somebody else', async () => {
    const { id: bobsBucket } = await bobs.bucket({ name: next() });
    const { id: annsBucket } = await anns.bucket({ name: next() });
    const { id } = await anns.file(annsBucket, 'a', 'x');
    const input = { id, path: 'a', bucketId: bobsBucket };
    expect((await quarry.execute(MoveFileDocument, { input }, ann)).code).toBe('NOT_FOUND');
  });

  test('an administrator has an owner’s rights', async () => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    const { id } = await anns.file(bucketId, 'a', 'x');
    const file = await createFileClient(quarry, admin).find(id);
    expect(await (await fetch(file!.url!)).text()).toBe('x');
    const { deleteBucket } = await quarry.ask(DeleteBucketDocument, { input: { id: bucketId, force: true } }, admin);
    expect(deleteBucket.deletedBucketId).toBe(bucketId);
    expect(await statusOf(file!.url!)).toBe(404);
  });
});

describe('of a bucket of a project', () => {
  test('a viewer reads and an editor writes, as long as they are members: also by links that they made before', async () => {
    const { memberId, bucketId } = await shared('EDITOR');
    const { id } = await anns.file(bucketId, 'a', 'x');
    const { url } = (await bobs.find(id))!;
    const target = await bobs.target(bucketId, 'b', 1);
    expect(await statusOf(url!)).toBe(200);
    await quarry.ask(RemoveMemberDocument, { input: { id: memberId } }, ann);
    expect(await statusOf(url!)).toBe(404);
    expect(await statusOf(target.url, { method: 'HEAD' })).toBe(404);
    expect((await put(target.url, 'x')).status).toBe(404);
    expect((await anns.find(target.file.id))!.status).toBe('PENDING');
  });

  test('a viewer reads and changes nothing', async () => {
    const { bucketId } = await shared('VIEWER');
    const { id } = await anns.file(bucketId, 'a', 'x');
    expect(await statusOf((await bobs.find(id))!.url!)).toBe(200);
    expect((await bobs.upload(bucketId, 'b', new Blob(['x']))).code).toBe('FORBIDDEN');
    expect((await quarry.execute(DeleteFileDocument, { input: { id } }, bob)).code).toBe('FORBIDDEN');
    expect((await quarry.execute(MoveFileDocument, { input: { id, path: 'b' } }, bob)).code).toBe('FORBIDDEN');
  });

  test('it is listed for its members, and named once in its project', async () => {
    const { projectId, bucketId } = await shared('VIEWER');
    for (const who of [ann, bob]) {
      const { buckets } = await quarry.ask(BucketsDocument, { projectId }, who);
      expect(buckets.nodes.map(({ id, viewerRole }) => [id, viewerRole])).toEqual([
        [bucketId, who === ann ? 'OWNER' : 'VIEWER'],
      ]);
    }
    const name = next();
    await anns.bucket({ name, projectId });
    await anns.bucket({ name });
    await expect(anns.bucket({ name, projectId })).rejects.toThrow('CONFLICT');
    await expect(anns.bucket({ name: ` ${name} ` })).rejects.toThrow('CONFLICT');
  });
});

describe('names', () => {
  test('that want out of a folder, or look like another, are names and nothing else', async () => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    const ids = new Map<string, string>();
    for (const path of hostilePaths) {
      const file = await anns.file(bucketId, path, path);
      ids.set(path, file.id);
      const response = await fetch(file.url);
      expect([response.status, Buffer.from(await response.arrayBuffer()).toString()]).toEqual([200, path]);
    }
    const { node } = await quarry.ask(FilesDocument, { bucket: bucketId, first: 500 }, ann);
    const listed = (node as { files: { totalCount: number; nodes: { path: string }[] } }).files;
    expect(listed.totalCount).toBe(new Set(hostilePaths.map((path) => path.normalize('NFC'))).size);
    for (const [path, id] of ids) {
      const { node: bucket } = await quarry.ask(FileAtDocument, { bucket: bucketId, path }, ann);
      expect(bucket).toMatchObject({ file: { id, path: path.normalize('NFC') } });
    }
  });

  test.each(refusedPaths)('%j is no path', async (path) => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    const input = { bucketId, path, sizeBytes: 1 };
    await expect(anns.target(bucketId, path, input.sizeBytes)).rejects.toThrow('BAD_USER_INPUT');
    expect((await anns.upload(bucketId, path, new Blob(['x']))).code).toBe('BAD_USER_INPUT');
  });

  test('of one text in two forms are one name', async () => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    await anns.file(bucketId, 'caf\u00e9', 'x');
    expect((await anns.upload(bucketId, 'cafe\u0301', new Blob(['y']))).code).toBe('CONFLICT');
    await anns.file(bucketId, 'CAF\u00c9', 'another');
  });

  test.each(['', '  ', 'a\0b', 'a\nb', 'x'.repeat(101), '\u202egpj.exe'])('%j is no name of a bucket', async (name) => {
    await expect(anns.bucket({ name })).rejects.toThrow('BAD_USER_INPUT');
  });

  test('of buckets are what was written, or refused, and never a place', async () => {
    const seen = new Set<string>();
    for (const path of [...hostilePaths, ...refusedPaths]) {
      const kept = path.trim().normalize('NFC');
      const { code, bucket } = await bobs.bucket({ name: path }).then(
        (made) => ({ code: null, bucket: made }),
        (error: Error) => ({ code: String(error.message), bucket: null }),
      );
      if (bucket === null) expect([kept, code]).toEqual([kept, expect.stringMatching(/BAD_USER_INPUT|CONFLICT/)]);
      else expect(bucket.name).toBe(kept);
      if (code?.includes('CONFLICT')) expect(seen.has(kept)).toBe(true);
      seen.add(kept);
    }
    // Nothing on the disk is called by any name: blobs are random, and no folder is a bucket's.
    for (const entry of await readdir(join(quarry.dataDir, 'files'), { recursive: true }))
      expect(entry).toMatch(/^files(\/[0-9a-f]{32})?$/);
  });

  test.each(['../../etc', 'CON', 'a/b', '%2e%2e', "'; DROP TABLE buckets; --", '🦊'])(
    '%j is the name of a bucket, and of nothing else',
    async (name) => {
      expect((await anns.bucket({ name })).name).toBe(name);
    },
  );
});

describe('lists', () => {
  test('of files go by path and page by page', async () => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    const paths = ['a', 'a/1', 'a/2', 'a/3', 'a0', 'b', 'é', '%', '_'];
    for (const path of paths) await anns.file(bucketId, path, 'x');
    interface Page {
      totalCount: number;
      nodes: { path: string }[];
      pageInfo: { hasNextPage: boolean; endCursor?: string | null };
    }
    async function pages(prefix: string, first: number, after?: string | null): Promise<string[]> {
      const { node } = await quarry.ask(FilesDocument, { bucket: bucketId, prefix, first, after: after ?? null }, ann);
      const { nodes, pageInfo } = (node as unknown as { files: Page }).files;
      const seen = nodes.map(({ path }) => path);
      return pageInfo.hasNextPage ? [...seen, ...(await pages(prefix, first, pageInfo.endCursor))] : seen;
    }
    const sorted = [...paths].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const first of [1, 2, 4, 100]) expect(await pages('', first)).toEqual(sorted);
    expect(await pages('a/', 2)).toEqual(['a/1', 'a/2', 'a/3']);
    expect(await pages('a', 2)).toEqual(['a', 'a/1', 'a/2', 'a/3', 'a0']);
    expect(await pages('%', 2)).toEqual(['%']);
    expect(await pages('nothing', 2)).toEqual([]);
  });

  test('show no file that is not whole yet', async () => {
    const { id: bucketId } = await anns.bucket({ name: next() });
    const { file } = await anns.target(bucketId, 'coming', 10);
    const { node } = await quarry.ask(FilesDocument, { bucket: bucketId }, ann);
    expect(node).toMatchObject({ usedBytes: 0, files: { totalCount: 0, nodes: [] } });
    expect((await quarry.execute(MoveFileDocument, { input: { id: file.id, path: 'b' } }, ann)).code).toBe('CONFLICT');
    const { deleteFile } = await quarry.ask(DeleteFileDocument, { input: { id: file.id } }, ann);
    expect(deleteFile).toMatchObject({ deletedFileId: file.id, bucket: { usedBytes: 0 } });
  });
});

test('a bucket that is not empty is deleted with its files only where that is said', async () => {
  const { id } = await anns.bucket({ name: next() });
  const file = await anns.file(id, 'a', 'x');
  expect((await quarry.execute(DeleteBucketDocument, { input: { id } }, ann)).code).toBe('CONFLICT');
  await quarry.ask(DeleteBucketDocument, { input: { id, force: true } }, ann);
  expect(await statusOf(file.url)).toBe(404);
  const { id: empty } = await anns.bucket({ name: next() });
  await quarry.ask(DeleteBucketDocument, { input: { id: empty } }, ann);
});

test('a bucket takes what it says, and what it says can be changed', async () => {
  const { id } = await anns.bucket({ name: next(), maxFileSizeBytes: 10, allowedMimeTypes: ['image/*'] });
  const png = (bytes: number) => new Blob([Buffer.alloc(bytes)], { type: 'image/png' });
  expect((await anns.upload(id, 'a', png(11))).code).toBe('LIMIT_EXCEEDED');
  expect((await anns.upload(id, 'a', new Blob(['x'], { type: 'text/html' }))).code).toBe('BAD_USER_INPUT');
  await expect(anns.target(id, 'a', 11, { mimeType: 'image/png' })).rejects.toThrow('LIMIT_EXCEEDED');
  await expect(anns.target(id, 'a', 10)).rejects.toThrow('BAD_USER_INPUT');
  await anns.file(id, 'a', png(10));
  const input = { id, maxFileSizeBytes: null, allowedMimeTypes: null };
  await quarry.ask(UpdateBucketDocument, { input }, ann);
  await anns.file(id, 'b', 'anything');
  for (const wrong of [
    { maxFileSizeBytes: 0 },
    { allowedMimeTypes: [] },
    { allowedMimeTypes: ['png'] },
    { public: null },
  ])
    expect((await quarry.execute(UpdateBucketDocument, { input: { id, ...wrong } }, ann)).code).toBe('BAD_USER_INPUT');
});
