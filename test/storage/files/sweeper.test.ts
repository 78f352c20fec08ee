/** What belongs to nothing goes, both ways; what belongs to somebody stays. */
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { sweep } from '../../../src/queries/janitor.ts';
import { createLeftovers } from '../../../src/queries/leftovers.ts';
import type { StoredFile } from '../../../src/storage/files/store.ts';
import { createSweeper } from '../../../src/storage/files/sweeper.ts';
import { createS3Store } from '../../../src/storage/s3.ts';
import { silent } from '../../support/metadata.ts';
import { startS3 } from '../../support/s3.ts';
import { createFileWorld, type FileWorld, signal } from './world.ts';

let world: FileWorld;
let ann: Viewer;
let bucketId: string;

beforeAll(async () => {
  world = await createFileWorld();
});
beforeEach(async () => {
  ann = await world.person();
  bucketId = await world.bucket({ owner: ann });
});
afterAll(() => world[Symbol.asyncDispose]());

const sweeper = () => createSweeper({ store: world.store, blobs: world.blobs, log: silent });
const round = () =>
  sweep({ leftovers: createLeftovers(world.pool), blobs: world.blobs, log: silent, others: sweeper() }, signal);
const reserve = (path: string) => world.reservations.reserve(ann, { bucketId, path, overwrite: false, sizeBytes: 10 });
const age = (key: string, ending = '') => utimes(join(world.directory, `${key}${ending}`), 0, 0);

test('an upload that nobody ended goes when it expires, with its bytes and the room that it took', async () => {
  const expired = await reserve('expired');
  const going = await reserve('going');
  const writing = await reserve('writing');
  {
    await using upload = await world.blobs.upload(expired.blobKey, signal);
    await upload.write(Buffer.from('half'));
  }
  await world.store.takeLease(writing.fileId, writing.fileId, 60_000);
  await world.pool.query(`UPDATE files SET expires_at = now() WHERE id = ANY($1::uuid[])`, [
    [expired.fileId, writing.fileId],
  ]);
  await round();
  const left = await world.store.findFiles([expired.fileId, going.fileId, writing.fileId]);
  expect(left.map(({ path }) => path).sort()).toEqual(['going', 'writing']);
  expect(await world.blobs.uploadOffset(expired.blobKey)).toBeNull();
  expect(await world.store.usageOf(world.pool, ann.userId)).toEqual({ bytes: 20, files: 2 });
});

test('bytes without a row go when they are old, also unfinished ones; others stay', async () => {
  const file = await world.file(ann, bucketId, 'kept');
  const pending = await reserve('pending');
  const [stray, young, half] = ['files/stray', 'files/young', 'files/half'];
  for (const key of [stray, young, pending.blobKey]) await world.blobs.put(key, Buffer.from('x'));
  {
    await using upload = await world.blobs.upload(half, signal);
    await upload.write(Buffer.from('x'));
  }
  for (const key of [stray, file.blob, pending.blobKey]) await age(key);
  await age(half, '.upload/1');
  await round();
  expect(await Promise.all([stray, young, pending.blobKey, file.blob].map((key) => world.blobs.size(key)))).toEqual([
    null,
    1,
    1,
    4,
  ]);
  expect(await world.blobs.uploadOffset(half)).toBeNull();
});

test('a row without its bytes, or with too few, is marked and stays', async () => {
  const [lost, short, sound] = [
    await world.file(ann, bucketId, 'lost'),
    await world.file(ann, bucketId, 'short'),
    await world.file(ann, bucketId, 'sound'),
  ];
  await world.blobs.deletePrefix(lost.blob, signal);
  await world.blobs.put(short.blob, Buffer.from('x'));
  await world.pool.query(`UPDATE files SET checked_at = now() - interval '2 days' WHERE bucket_id = $1`, [bucketId]);
  expect(await sweeper().lostBlobs!(signal)).toBe(2);
  const marked = await world.store.findFiles([lost.id, short.id, sound.id]);
  expect(new Map(marked.map(({ path, missingAt }) => [path, missingAt !== null]))).toEqual(
    new Map([
      ['lost', true],
      ['short', true],
      ['sound', false],
    ]),
  );
  // Looked for once a day.
  expect(await sweeper().lostBlobs!(signal)).toBe(0);
});

test('of a round that a failing store cut short what was looked at counts, and the rest is due as before', async () => {
  const s3 = await startS3();
  const { endpoint, bucket, accessKeyId, secretAccessKey } = s3;
  const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: null };
  const blobs = createS3Store({ kind: 's3', bucket, endpoint, region: 'us-east-1', credentials });
  await using own = await createFileWorld({ blobs });
  const cleo = await own.person();
  const into = await own.bucket({ owner: cleo });
  const files: StoredFile[] = [];
  for (const path of ['sound', 'lost', 'unknown', 'lost too']) files.push(await own.file(cleo, into, path));
  const [, lost, unknown, lostToo] = files;
  for (const { blob } of [lost!, lostToo!]) await blobs.deletePrefix(blob, signal);
  for (const [days, { id }] of [9, 8, 7, 6].map((days, i) => [days, files[i]!] as const)) {
    await own.pool.query(`UPDATE files SET checked_at = now() - $2 * interval '1 day' WHERE id = $1`, [id, days]);
  }
  const look = () => createSweeper({ store: own.store, blobs, log: silent }).lostBlobs!(signal);
  const due = async () => (await own.store.dueForCheck(10)).map(({ id }) => id);
  s3.failWith((asked) => (asked.includes(unknown!.blob) ? { status: 403, code: 'AccessDenied' } : null));
  await expect(look()).rejects.toThrow();
  expect(await due()).toEqual([unknown!.id, lostToo!.id]);
  expect((await own.store.findFiles([lost!.id]))[0]!.missingAt).not.toBeNull();
  s3.failWith(null);
  expect(await look()).toBe(1);
  expect(await due()).toEqual([]);
  await s3.stop();
});

test('bytes that are back are a file again, and are looked for in an hour', async () => {
  const file = await world.file(ann, bucketId, 'lost');
  await world.blobs.deletePrefix(file.blob, signal);
  const pass = (time: string) =>
    world.pool.query(`UPDATE files SET checked_at = checked_at - interval '${time}' WHERE id = $1`, [file.id]);
  const look = async () => {
    await sweeper().lostBlobs!(signal);
    return (await world.store.findFiles([file.id]))[0]!.missingAt;
  };
  await pass('25 hours');
  expect(await look()).not.toBeNull();
  await world.blobs.put(file.blob, Buffer.from('lost'));
  await pass('50 minutes');
  expect(await look()).not.toBeNull();
  await pass('20 minutes');
  expect(await look()).toBeNull();
});

test('an upload that was left beside a file that is ready goes, and the file stays', async () => {
  const file = await world.file(ann, bucketId, 'ready');
  const pending = await reserve('pending');
  for (const key of [file.blob, pending.blobKey]) {
    await using upload = await world.blobs.upload(key, signal);
    await upload.write(Buffer.from('x'));
    await upload[Symbol.asyncDispose]();
    await age(key, '.upload/1');
  }
  expect(await sweeper().strayBlobs!(signal)).toBe(1);
  expect(await world.blobs.uploadOffset(file.blob)).toBeNull();
  expect(await world.blobs.size(file.blob)).toBe(5);
  expect(await world.blobs.uploadOffset(pending.blobKey)).toBe(1);
});

test('two that sweep at once take away each thing once', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => reserve(`f${i}`)));
  await world.pool.query(`UPDATE files SET expires_at = now() WHERE bucket_id = $1`, [bucketId]);
  const counts = await Promise.all([sweeper().uploads!(signal), sweeper().uploads!(signal)]);
  expect(counts.reduce((a, b) => a + b)).toBe(all.length);
});
