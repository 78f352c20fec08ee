/** The two phases of a file: what is reserved, when it becomes visible, and what takes its place. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { uuidv7 } from '../../../src/lib/ids.ts';
import { createKeyring } from '../../../src/lib/keyring.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { createAddresses } from '../../../src/storage/files/addresses.ts';
import { createFiles } from '../../../src/storage/files/files.ts';
import { storageLimits } from '../../../src/storage/files/limits.ts';
import { createLinks } from '../../../src/storage/files/links.ts';
import { createReservations } from '../../../src/storage/files/reservations.ts';
import { createS3Store } from '../../../src/storage/s3.ts';
import { createFileWorld, type FileWorld } from './world.ts';

let world: FileWorld;
let ann: Viewer;
let bob: Viewer;
let bucketId: string;

beforeAll(async () => {
  world = await createFileWorld({ limits: { bytesOfUser: 1_000, filesOfUser: 40 } });
});
beforeEach(async () => {
  ann = await world.person();
  bob = await world.person();
  bucketId = await world.bucket({ owner: ann });
});
afterAll(() => world[Symbol.asyncDispose]());

const reserve = (viewer: Viewer | null, changes: object = {}) =>
  world.reservations.reserve(viewer, { bucketId, path: 'a/b.csv', overwrite: false, sizeBytes: 0, ...changes });
/** @returns what it may have then */
const claim = (fileId: string, bytes: number, aheadBytes = 0, together = [fileId]) =>
  world.reservations.claim({ fileId, bytes, aheadBytes, together });
const done = (bytes: number, changes: object = {}) => ({ bytes, sha256: 'ab'.repeat(32), ...changes });

test('a file is visible once it is committed, whole, and not before', async () => {
  const { fileId, blobKey } = await reserve(ann, { mimeType: 'text/csv' });
  expect(blobKey).toMatch(/^files\/[0-9a-f]{32}$/);
  expect(await world.store.fileAt(null, bucketId, 'a/b.csv')).toBeNull();
  await world.blobs.put(blobKey, Buffer.from('1,2\n'));
  const sha256 = createHash('sha256').update('1,2\n').digest('hex');
  const file = await world.reservations.commit(fileId, { bytes: 4, sha256, mimeType: 'text/csv' });
  expect(file).toMatchObject({ id: fileId, status: 'ready', sizeBytes: 4, sha256, ownerId: ann.userId });
  expect(await world.store.fileAt(null, bucketId, 'a/b.csv')).toEqual(file);
});

test('a path that is taken is refused when it is reserved, and when another file came there meanwhile', async () => {
  const first = await reserve(ann);
  const second = await reserve(ann);
  await world.reservations.commit(first.fileId, done(1));
  await expect(world.reservations.commit(second.fileId, done(1))).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(reserve(ann)).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(world.reservations.commit(first.fileId, done(1))).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('a file that takes the place of another has its public address, and the bytes of the other go to the trash', async () => {
  const old = await world.file(ann, bucketId, 'a/b.csv');
  const { fileId } = await reserve(ann, { overwrite: true });
  expect(await world.store.fileAt(null, bucketId, 'a/b.csv')).toMatchObject({ id: old.id });
  const file = await world.reservations.commit(fileId, done(1));
  expect(await world.store.fileAt(null, bucketId, 'a/b.csv')).toMatchObject({ id: fileId });
  expect(file.publicKey).toBe(old.publicKey);
  expect(await world.store.findFiles([old.id])).toEqual([]);
  expect(await world.trash()).toContain(old.blob);
});

test('what takes the place of a file of the same user needs no room beside it, as often as it comes', async () => {
  await world.file(ann, bucketId, 'a/b.csv', { text: 'x'.repeat(700) });
  for (let night = 1; night <= 3; night += 1) {
    const unknown = await reserve(ann, { overwrite: true });
    expect(await claim(unknown.fileId, 0, 5_000)).toBe(1_000);
    await world.reservations.commitAll(ann, bucketId, [{ fileId: unknown.fileId, ...done(700 + night) }]);
    const known = await reserve(ann, { overwrite: true, sizeBytes: 700 });
    await world.reservations.commit(known.fileId, done(700));
  }
  // Elsewhere it does, and what is under way is counted as ever.
  await expect(reserve(ann, { path: 'other', overwrite: true, sizeBytes: 301 })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 1_000, actual: 1_001 },
  });
  const last = await reserve(ann, { overwrite: true, sizeBytes: 900 });
  await expect(reserve(ann, { overwrite: true, sizeBytes: 101 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  await expect(world.reservations.commit(last.fileId, done(1_001))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test('the file of another user that is replaced gives its room to him', async () => {
  const projectId = await world.project([
    [ann, 'editor'],
    [bob, 'owner'],
  ]);
  bucketId = await world.bucket({ owner: bob, projectId });
  await world.file(bob, bucketId, 'a/b.csv', { text: 'x'.repeat(700) });
  await world.file(ann, bucketId, 'own', { text: 'x'.repeat(500) });
  const unknown = await reserve(ann, { overwrite: true });
  expect(await claim(unknown.fileId, 500, 1)).toBe(500);
  await world.reservations.release(unknown.fileId);
  await expect(reserve(ann, { overwrite: true, sizeBytes: 501 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test('of two that overwrite at the same moment one takes the place of the other', async () => {
  const both = await Promise.all([1, 2, 3, 4].map(() => reserve(ann, { overwrite: true })));
  await Promise.all(both.map(({ fileId }) => world.reservations.commit(fileId, done(10))));
  expect(await world.store.countFiles(bucketId, '')).toBe(1);
  expect((await world.store.usedBytes([bucketId])).get(bucketId)).toBe(10);
});

test('files that are committed together are visible all or none, and once more is the same', async () => {
  const both = [await reserve(ann, { path: 'one' }), await reserve(ann, { path: 'two' })];
  const ids = both.map(({ fileId }) => fileId);
  const all = (bytes: number) => ids.map((fileId) => ({ fileId, ...done(bytes) }));
  await expect(world.reservations.commitAll(ann, bucketId, all(501))).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 1_000, actual: 1_002 },
  });
  await expect(world.reservations.commitAll(bob, bucketId, all(1))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect([await world.store.countFiles(bucketId, ''), await world.reservations.areCommitted(ids)]).toEqual([0, false]);
  await world.reservations.commitAll(ann, bucketId, all(500));
  await world.reservations.commitAll(ann, bucketId, all(500));
  expect([await world.store.countFiles(bucketId, ''), await world.reservations.areCommitted(ids)]).toEqual([2, true]);
  const other = ids.map((fileId) => ({ fileId, ...done(500, { sha256: 'cd'.repeat(32) }) }));
  await expect(world.reservations.commitAll(ann, bucketId, other)).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('files that are committed together while others are wait for them, and count them', async () => {
  const groups = await Promise.all(
    [1, 2, 3].map(async (group) => [
      await reserve(ann, { path: `${group}-a` }),
      await reserve(ann, { path: `${group}-b` }),
    ]),
  );
  const ended = await Promise.allSettled(
    groups.map((group) =>
      world.reservations.commitAll(
        ann,
        bucketId,
        group.map(({ fileId }) => ({ fileId, ...done(200) })),
      ),
    ),
  );
  expect(ended.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  expect(await world.store.countFiles(bucketId, '')).toBe(4);
});

test('who reserves under an id asks again without leaving anything of the first time', async () => {
  const id = uuidv7();
  const first = await reserve(ann, { id });
  await claim(id, 700);
  const second = await reserve(ann, { id });
  expect([first.fileId, second.fileId, await claim(id, 1_000)]).toEqual([id, id, 1_000]);
  expect(second.blobKey).not.toBe(first.blobKey);
  expect(await world.trash()).toContain(first.blobKey);
  await world.reservations.commit(id, done(1));
  await expect(reserve(ann, { id })).rejects.toThrow();
});

test('what is released leaves nothing, and what is committed cannot be released', async () => {
  const gone = await reserve(ann);
  await world.reservations.release(gone.fileId);
  expect(await world.store.findFiles([gone.fileId])).toEqual([]);
  expect(await world.trash()).toContain(gone.blobKey);
  await expect(world.reservations.commit(gone.fileId, done(1))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const kept = await world.file(ann, bucketId, 'kept');
  await world.reservations.release(kept.id);
  expect(await world.store.findFiles([kept.id])).toHaveLength(1);
});

test('the quota of a user is exact, however many reserve at once', async () => {
  const attempts = await Promise.allSettled(
    Array.from({ length: 30 }, (_, i) => reserve(ann, { path: `f${i}`, sizeBytes: 50 })),
  );
  expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  const refused = attempts.find((attempt) => attempt.status === 'rejected');
  expect(refused?.reason).toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: 1_000, actual: 1_050 } });
});

test('the quota of a user is exact, however many commit more than they reserved at once', async () => {
  const all = await Promise.all(Array.from({ length: 30 }, (_, i) => reserve(ann, { path: `f${i}` })));
  const ended = await Promise.allSettled(all.map(({ fileId }) => world.reservations.commit(fileId, done(50))));
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  expect((await world.store.usedBytes([bucketId])).get(bucketId)).toBe(1_000);
});

test('files whose sizes nobody knows take room as they grow: all at once never more than there is, and some come to their end', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, (_, i) => reserve(ann, { path: `f${i}` })));
  const taken: number[] = [];
  async function grow(fileId: string): Promise<void> {
    for (let bytes = 100; bytes <= 400; bytes += 100) {
      await claim(fileId, bytes);
      taken.push((await world.store.usageOf(world.pool, ann.userId)).bytes);
    }
    await world.reservations.commit(fileId, done(400));
  }
  const ended = await Promise.allSettled(all.map(({ fileId }) => grow(fileId)));
  expect(Math.max(...taken)).toBeLessThanOrEqual(1_000);
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  for (const one of ended) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LIMIT_EXCEEDED' });
  expect((await world.store.usedBytes([bucketId])).get(bucketId)).toBe(800);
});

test('a file that grows takes what is ahead where there is room, to the byte, and gives back what it has too much', async () => {
  const [one, two] = [await reserve(ann, { path: 'one' }), await reserve(ann, { path: 'two' })];
  expect(await claim(one.fileId, 100, 300)).toBe(400);
  expect(await claim(two.fileId, 200, 5_000)).toBe(600);
  await expect(reserve(ann, { path: 'three', sizeBytes: 1 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  expect(await claim(one.fileId, 150)).toBe(150);
  await reserve(ann, { path: 'three', sizeBytes: 250 });
  // Refused, it has nothing any more, nor have those that come with it.
  await expect(claim(two.fileId, 601, 0, [one.fileId, two.fileId])).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 1_000, actual: 1_001 },
  });
  expect((await world.store.usageOf(world.pool, ann.userId)).bytes).toBe(250);
  await world.reservations.release(one.fileId);
  await expect(claim(one.fileId, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await world.reservations.commit(two.fileId, done(750));
  await expect(claim(two.fileId, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('files that come together need no room beside any of those whose places they take', async () => {
  for (const path of ['one', 'two']) await world.file(ann, bucketId, path, { text: 'x'.repeat(500) });
  const ids: string[] = [];
  for (const path of ['one', 'two']) {
    const { fileId } = await reserve(ann, { path, overwrite: true });
    ids.push(fileId);
    expect(await claim(fileId, 500)).toBe(500);
  }
  const all = (bytes: number) => ids.map((fileId) => ({ fileId, ...done(bytes) }));
  await expect(world.reservations.commitAll(ann, bucketId, all(501))).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 1_000, actual: 1_002 },
  });
  await world.reservations.commitAll(ann, bucketId, all(500));
  expect((await world.store.usedBytes([bucketId])).get(bucketId)).toBe(1_000);
});

test('of many that are to take one place a single one needs no room', async () => {
  await world.file(ann, bucketId, 'a/b.csv', { text: 'x'.repeat(800) });
  const both = [await reserve(ann, { overwrite: true }), await reserve(ann, { overwrite: true })];
  expect(await claim(both[0]!.fileId, 800)).toBe(800);
  expect(await claim(both[1]!.fileId, 200)).toBe(200);
  await expect(claim(both[1]!.fileId, 201)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test('files that came together did, also when one of them has been deleted since', async () => {
  const ids = [(await reserve(ann, { path: 'one' })).fileId, (await reserve(ann, { path: 'two' })).fileId];
  await world.reservations.commitAll(
    ann,
    bucketId,
    ids.map((fileId) => ({ fileId, ...done(1) })),
  );
  await world.store.deleteFile(null, ids[0]!);
  expect(await world.reservations.areCommitted(ids)).toBe(true);
});

test('a user has so many files and uploads at the most', async () => {
  for (let i = 0; i < 40; i += 1) await reserve(ann, { path: `f${i}` });
  await expect(reserve(ann, { path: 'more' })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

test('what is larger than the store takes of one file is refused before anything comes', async () => {
  const limits = { ...storageLimits, bytesOfUser: 2 ** 50 };
  const blobs = createS3Store({ kind: 's3', bucket: 'files', endpoint: null, region: 'us-east-1', credentials: null });
  const { reserve: on } = createReservations({ ...world, blobs, limits });
  const most = 10_000 * 8 * 2 ** 20;
  const into = { bucketId, path: 'large', overwrite: false };
  await expect(on(ann, { ...into, sizeBytes: most + 1 })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    message: `Where files are kept one has at most ${most} bytes`,
    details: { limit: most, actual: most + 1 },
  });
  expect(await on(ann, into)).toMatchObject({ maxBytes: most, limitedBy: 'store' });
  expect(await reserve(ann)).toMatchObject({ maxBytes: Number.POSITIVE_INFINITY });
});

test('a bucket takes what it says: sizes to the byte, and types as they are declared', async () => {
  bucketId = await world.bucket({ owner: ann, maxFileSizeBytes: 100, allowedMimeTypes: ['image/*', 'text/csv'] });
  const csv = { mimeType: 'text/csv; charset=utf-8' };
  await expect(reserve(ann, { ...csv, sizeBytes: 101 })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 100, actual: 101 },
  });
  await expect(reserve(ann, { mimeType: 'text/html' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  await expect(reserve(ann, { mimeType: null })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  const { fileId, maxBytes, limitedBy } = await reserve(ann, { ...csv, sizeBytes: 100 });
  expect([maxBytes, limitedBy]).toEqual([100, 'bucket']);
  await expect(world.reservations.commit(fileId, done(101))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  await expect(world.reservations.commit(fileId, done(100, { mimeType: 'text/html' }))).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
  });
  await world.reservations.commit(fileId, done(100, { mimeType: 'IMAGE/PNG' }));
});

test('who writes into a bucket is its owner, an owner or editor of its project, or an administrator', async () => {
  const [owner, editor, viewer] = [await world.person(), await world.person(), await world.person()];
  const projectId = await world.project([
    [owner, 'owner'],
    [editor, 'editor'],
    [viewer, 'viewer'],
  ]);
  const shared = await world.bucket({ owner: ann, projectId });
  const into = (who: Viewer | null, id: string) => reserve(who, { bucketId: id, path: uuidv7() });
  for (const who of [owner, editor, await world.person('admin')]) await into(who, shared);
  await expect(into(viewer, shared)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  // Whoever made it: in a project its members decide.
  await expect(into(ann, shared)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(into(bob, bucketId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(into(bob, uuidv7())).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(into(null, bucketId)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('however files go, their bytes go to the trash', async () => {
  const projectId = await world.project([[bob, 'owner']]);
  const shared = await world.bucket({ owner: ann, projectId });
  const own = await world.file(ann, bucketId, 'own');
  const inShared = await world.file(bob, shared, 'shared');
  await world.pool.query('DELETE FROM users WHERE id = $1', [ann.userId]);
  expect(await world.store.findBuckets(bob.userId, [bucketId])).toEqual([]);
  expect(await world.trash()).toContain(own.blob);
  expect(await world.store.findFiles([inShared.id])).toHaveLength(1);
  // Nobody is left whose it could be.
  await world.pool.query('DELETE FROM project_members WHERE project_id = $1', [projectId]);
  await world.pool.query('DELETE FROM projects WHERE id = $1', [projectId]);
  expect(await world.trash()).toContain(inShared.blob);
});

function filesOf(its: FileWorld) {
  const links = createLinks({ keyring: createKeyring([{ id: 'k', key: new Secret(randomBytes(32)) }]) });
  const addresses = createAddresses({ links, publicUrl: new URL('http://127.0.0.1') });
  return createFiles({ ...its, addresses, limits: { ...storageLimits, bytesOfUser: 1_000 } });
}

test('a bucket of a project that is deleted does not go back to who left: the OWNER who joined first has it', async () => {
  const cleo = await world.person();
  const projectId = await world.project([
    [cleo, 'editor'],
    [bob, 'owner'],
    [await world.person(), 'owner'],
  ]);
  const [anns, cleos] = [await world.bucket({ owner: ann, projectId }), await world.bucket({ owner: cleo, projectId })];
  const { id } = await world.file(bob, anns, 'secret');
  await world.pool.query('DELETE FROM projects WHERE id = $1', [projectId]);
  await expect(world.access.requireFile(ann, 'bucket:see', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { bucket } = await world.access.requireFile(bob, 'bucket:manage', id);
  expect(bucket).toMatchObject({ id: anns, ownerId: bob.userId, projectId: null });
  await world.access.requireBucket(cleo, 'bucket:manage', cleos);
});

test('a file that is moved takes the room of its new place', async () => {
  const files = filesOf(world);
  const caller = { ipAddress: null, userAgent: null };
  const projectId = await world.project([
    [ann, 'editor'],
    [bob, 'owner'],
  ]);
  const shared = await world.bucket({ owner: bob, projectId });
  const bytesOf = async ({ userId }: Viewer) => (await world.store.usageOf(world.pool, userId)).bytes;
  const { id } = await world.file(bob, shared, 'a', { text: 'x'.repeat(300) });

  await files.move(ann, { id, path: 'b', bucketId: shared }, caller);
  expect([await bytesOf(ann), await bytesOf(bob)]).toEqual([0, 300]);
  await files.move(ann, { id, path: 'a', bucketId }, caller);
  expect([await bytesOf(ann), await bytesOf(bob)]).toEqual([300, 0]);
  const admin = await world.person('admin');
  await files.move(admin, { id, path: 'a', bucketId: shared }, caller);
  expect([await bytesOf(ann), await bytesOf(admin)]).toEqual([0, 300]);
  await files.move(admin, { id, path: 'a', bucketId }, caller);
  expect([await bytesOf(ann), await bytesOf(admin)]).toEqual([300, 0]);

  const { id: large } = await world.file(bob, shared, 'large', { text: 'x'.repeat(701) });
  await expect(files.move(ann, { id: large, path: 'large', bucketId }, caller)).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
    details: { limit: 1_000, actual: 1_001 },
  });
  expect(await bytesOf(bob)).toBe(701);
});

test('of two moves at once into a bucket of which the owner has room for one, one goes', async () => {
  const files = filesOf(world);
  const shared = await world.bucket({
    owner: bob,
    projectId: await world.project([
      [ann, 'editor'],
      [bob, 'owner'],
    ]),
  });
  const both = [await world.file(bob, shared, 'a', { text: 'x'.repeat(400) })];
  const cleo = await world.person();
  const other = await world.bucket({
    owner: cleo,
    projectId: await world.project([
      [ann, 'editor'],
      [cleo, 'owner'],
    ]),
  });
  both.push(await world.file(cleo, other, 'b', { text: 'x'.repeat(601) }));
  const moved = await Promise.allSettled(
    both.map(({ id, path }) => files.move(ann, { id, path, bucketId }, { ipAddress: null, userAgent: null })),
  );
  expect(moved.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a bucket of a project that is deleted goes back to who made it, also where he has one of its name', async () => {
  const projectId = await world.project([[ann, 'owner']]);
  const shared = await world.bucket({ owner: ann, projectId });
  await world.pool.query('UPDATE buckets SET name = $2 WHERE id = ANY($1::uuid[])', [[shared, bucketId], 'exports']);
  await world.pool.query('DELETE FROM projects WHERE id = $1', [projectId]);
  const buckets = await world.store.findBuckets(ann.userId, [shared, bucketId]);
  expect(buckets.map(({ name }) => name).sort()).toEqual(['exports', `exports ${shared.slice(-12)}`]);
});
