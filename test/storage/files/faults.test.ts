/** Stores that fail in the middle of an upload: what the client is told, what is safe, and that it goes on. */
import { rm, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { Secret } from '../../../src/lib/secret.ts';
import { createReadiness } from '../../../src/readiness.ts';
import { createS3Store } from '../../../src/storage/s3.ts';
import { startS3 } from '../../support/s3.ts';
import { mountSmallDisk, noSmallDisk } from '../../support/small-disk.ts';
import { filled } from '../filled.ts';
import { offsetOf, put } from './client.ts';
import { serveFiles } from './serve.ts';
import { createFileWorld, type FileWorld } from './world.ts';

const MiB = 2 ** 20;

async function begin(world: FileWorld, sizeBytes: number) {
  const served = await serveFiles(world);
  const ann = await world.person();
  const bucketId = await world.bucket({ owner: ann });
  const target = await served.uploads.create(ann, { bucketId, path: 'a', sizeBytes, overwrite: false });
  return { served, ann, bucketId, ...target };
}

function storeOn({ endpoint, bucket, accessKeyId, secretAccessKey }: Awaited<ReturnType<typeof startS3>>) {
  const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: null };
  return createS3Store({ kind: 's3', bucket, endpoint, region: 'us-east-1', credentials });
}

/** @returns what is answered to all that is not safe yet */
async function goOn(url: string, bytes: Buffer) {
  const offset = await offsetOf(url);
  const range = { 'content-range': `bytes ${offset}-${bytes.length - 1}/${bytes.length}` };
  return { offset, response: await put(url, new Uint8Array(bytes.subarray(offset)), range) };
}

test('a disk that is full is told, keeps what it took, and takes the rest when it has room', async (context) => {
  await using world = await createFileWorld();
  await using disk = await mountSmallDisk(world.directory, '6m');
  if (!disk) return context.skip(noSmallDisk);
  const bytes = filled(12 * MiB);
  const { served, ann, bucketId, url } = await begin(world, bytes.length);
  using _served = served;
  for (const room of [6, 9]) {
    await disk.resize(`${room}m`);
    const { response } = await goOn(url, bytes);
    expect([response.status, (await response.json()).code]).toEqual([507, 'LIMIT_EXCEEDED']);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await offsetOf(url)).toBeGreaterThan((room - 2) * MiB);
  }
  const inline = { bucketId, path: 'b', overwrite: false, file: new File([new Uint8Array(MiB)], 'b') };
  const asked = { caller: { ipAddress: null, userAgent: null }, signal: new AbortController().signal };
  await expect(served.uploads.uploadInline(ann, inline, asked)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  expect(await world.store.countFiles(bucketId, '')).toBe(0);
  await disk.resize('30m');
  expect((await goOn(url, bytes)).response.status).toBe(201);
  const file = await world.store.fileAt(null, bucketId, 'a');
  const got = await fetch(served.linkTo(ann, file!));
  expect(bytes.equals(Buffer.from(await got.arrayBuffer()))).toBe(true);
});

test('a disk that can only be read is told as such, and takes the file when it can be written to', async (context) => {
  await using world = await createFileWorld();
  await using disk = await mountSmallDisk(world.directory, '6m');
  if (!disk) return context.skip(noSmallDisk);
  const bytes = filled(2 * MiB);
  const { served, url } = await begin(world, bytes.length);
  using _served = served;
  expect((await put(url, new Uint8Array(bytes.subarray(0, 5)), { 'content-range': 'bytes 0-4/*' })).status).toBe(202);
  await disk.resize('6m,ro');
  const { response } = await goOn(url, bytes);
  expect([response.status, (await response.json()).code]).toEqual([503, 'CONNECTION_FAILED']);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  await disk.resize('6m,rw');
  expect((await goOn(url, bytes)).response.status).toBe(201);
});

test('whether it is ready is looked at once for all who ask together, and a folder that is gone is named', async () => {
  await using world = await createFileWorld();
  let looked = 0;
  const blobs = {
    check() {
      looked += 1;
      return world.blobs.check();
    },
  };
  const ready = createReadiness({ pool: world.pool, blobs });
  expect(await Promise.all(Array.from({ length: 20 }, ready))).toEqual(Array(20).fill([]));
  expect(await ready()).toEqual([]);
  expect(looked).toBe(1);
  await rm(world.directory, { recursive: true });
  await writeFile(world.directory, '');
  expect(await createReadiness({ pool: world.pool, blobs })()).toEqual(['storage']);
  await rm(world.directory);
});

/** Sends 100 bytes, and 50 more when they are being taken. */
async function* tooMany(world: FileWorld, id: string): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(100, 'x');
  const isTaken = async () =>
    (await world.pool.query('SELECT FROM files WHERE id = $1 AND writer_id IS NOT NULL', [id])).rowCount;
  await expect.poll(isTaken, { timeout: 10_000 }).toBe(1);
  yield Buffer.alloc(50, 'x');
}

async function expectNothingKept(world: FileWorld) {
  const { served, ann, bucketId, url, file } = await begin(world, 100);
  using _served = served;
  const refused = await put(url, Readable.toWeb(Readable.from(tooMany(world, file.id))) as BodyInit);
  expect([refused.status, (await refused.json()).code]).toEqual([413, 'LIMIT_EXCEEDED']);
  expect(await offsetOf(url)).toBe(0);
  expect(await world.store.fileAt(null, bucketId, 'a')).toBeNull();
  // Nor what came before it: nobody knows of what that is the beginning.
  const range = { 'content-range': 'bytes 0-49/100' };
  expect((await put(url, 'x'.repeat(50), range)).status).toBe(202);
  const body = new Response('x'.repeat(51)).body!;
  expect((await put(url, body, { 'content-range': 'bytes 50-99/100' })).status).toBe(413);
  expect(await offsetOf(url)).toBe(0);
  expect((await put(url, 'y'.repeat(100))).status).toBe(201);
  const ready = await world.store.fileAt(null, bucketId, 'a');
  expect(await (await fetch(served.linkTo(ann, ready!))).text()).toBe('y'.repeat(100));
}

test('of a PUT that brings more than was to come nothing is kept, and whoever looks ends nothing: on a disk', async () => {
  await using world = await createFileWorld();
  await expectNothingKept(world);
});

test('of a PUT that brings more than was to come nothing is kept, and whoever looks ends nothing: on S3', async () => {
  const s3 = await startS3();
  await using world = await createFileWorld({ blobs: storeOn(s3) });
  await expectNothingKept(world);
  await s3.stop();
});

test('an S3 that fails in the middle is told, keeps its parts, and takes the rest when it is back', async () => {
  const s3 = await startS3();
  await using world = await createFileWorld({ blobs: storeOn(s3) });
  const bytes = filled(20 * MiB);
  const { served, ann, bucketId, url } = await begin(world, bytes.length);
  using _served = served;
  s3.failWith((asked) => (asked.includes('partNumber=2') ? { status: 403, code: 'AccessDenied' } : null));
  const { response } = await goOn(url, bytes);
  expect([response.status, (await response.json()).code]).toEqual([503, 'CONNECTION_FAILED']);
  s3.failWith((asked) => (asked.startsWith('GET') ? { status: 403, code: 'AccessDenied' } : null));
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(503);
  s3.failWith((asked) => (asked.startsWith('POST') ? { status: 507, code: 'XMinioStorageFull' } : null));
  const ending = await goOn(url, bytes);
  expect(ending.offset).toBe(8 * MiB);
  expect([ending.response.status, (await ending.response.json()).code]).toEqual([507, 'LIMIT_EXCEEDED']);
  s3.failWith(null);
  // All of it had come: who looks ends it.
  expect(await offsetOf(url)).toBe(bytes.length);
  const file = await world.store.fileAt(null, bucketId, 'a');
  const link = served.linkTo(ann, file!);
  expect(bytes.equals(Buffer.from(await (await fetch(link)).arrayBuffer()))).toBe(true);
  s3.failWith(() => ({ status: 403, code: 'AccessDenied' }));
  expect((await fetch(link)).status).toBe(503);
  s3.failWith(null);
  await s3.stop();
});
