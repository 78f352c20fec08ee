import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Secret } from '../../src/lib/secret.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import type { S3Place } from '../../src/storage/place.ts';
import { createS3Store } from '../../src/storage/s3.ts';
import { type S3Server, startS3 } from '../support/s3.ts';
import { describeStorage } from './describe-storage.ts';
import { filled } from './filled.ts';

const MiB = 2 ** 20;
const { signal } = new AbortController();

const placeAt = ({ endpoint, bucket, accessKeyId, secretAccessKey }: S3Server): S3Place => ({
  kind: 's3',
  bucket,
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: null },
});

describeStorage('S3', async () => {
  const server = await startS3();
  return {
    store: createS3Store(placeAt(server)),
    other: createS3Store(placeAt(server)),
    place: {
      ...placeAt(server),
      credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
});

let server: S3Server;
let store: BlobStore;
let keys = 0;
const newKey = () => {
  keys += 1;
  return `s3/${keys}`;
};

beforeAll(async () => {
  server = await startS3();
  store = createS3Store(placeAt(server));
});
beforeEach(() => server.failWith(null));
afterAll(() => server.stop());

const since = (count: number) => server.requests.slice(count).map((asked) => asked.replace(/\/?\?.*/, ''));

test('a small upload is one object put, and a large one goes in parts of 8 MiB', async () => {
  const before = server.requests.length;
  const key = newKey();
  await using small = await store.upload(key, signal);
  await small.write(filled(MiB));
  await small.finish();
  const looks = [`GET /${server.bucket}`, `HEAD /${server.bucket}/${key}`, `GET /${server.bucket}/.tails/${key}`];
  expect(since(before)).toEqual([...looks, `PUT /${server.bucket}/${key}`]);
  const between = server.requests.length;
  await using large = await store.upload(key, signal);
  await large.write(filled(17 * MiB));
  expect(large.offset).toBe(16 * MiB);
  await large.finish();
  const path = `/${server.bucket}/${key}`;
  expect(since(between)).toEqual([
    ...looks,
    `POST ${path}`,
    ...Array.from({ length: 3 }, () => `PUT ${path}`),
    `POST ${path}`,
  ]);
});

test('an upload whose last part was sent before it died goes on behind the whole ones', async () => {
  const key = newKey();
  const bytes = filled(34 * MiB + 5);
  {
    await using dying = await store.upload(key, signal);
    await dying.write(bytes);
    server.failWith((asked) => (asked.startsWith('POST') ? { status: 400, code: 'MalformedXML' } : null));
    await expect(dying.finish()).rejects.toMatchObject({ code: 'MalformedXML' });
    server.failWith((asked) => (asked.startsWith('PUT') ? { status: 403, code: 'AccessDenied' } : null));
  }
  server.failWith(null);
  expect(await store.uploadOffset(key)).toBe(32 * MiB);
  await using next = await store.upload(key, signal);
  expect(next.offset).toBe(32 * MiB);
  await next.write(bytes.subarray(32 * MiB, 33 * MiB));
  expect(await next.finish()).toEqual({
    bytes: 33 * MiB,
    sha256: createHash('sha256')
      .update(bytes.subarray(0, 33 * MiB))
      .digest('hex'),
  });
});

test('an old tail is no part of what comes after it', async () => {
  const key = newKey();
  const bytes = filled(16 * MiB);
  for (const [from, to] of [
    [0, 9],
    [9, 16],
  ] as const) {
    await using writing = await store.upload(key, signal);
    expect(writing.offset).toBe(from * MiB);
    await writing.write(bytes.subarray(from * MiB, to * MiB));
  }
  {
    await using last = await store.upload(key, signal);
    expect(last.offset).toBe(16 * MiB);
    expect(await last.finish()).toMatchObject({ sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  expect(await Array.fromAsync(store.list(key, signal))).toHaveLength(1);
  await using next = await store.upload(key, signal);
  expect(next.offset).toBe(0);
});

test('what failed for a moment is asked again, and a part that failed for good is written once more', async () => {
  const key = newKey();
  const bytes = filled(20 * MiB);
  await using writing = await store.upload(key, signal);
  let failures = 0;
  server.failWith((asked) =>
    asked.includes('partNumber=1') && ++failures <= 2 ? { status: 503, code: 'SlowDown' } : null,
  );
  await writing.write(bytes.subarray(0, 9 * MiB));
  expect(failures).toBeGreaterThan(2);
  server.failWith((asked) => (asked.includes('partNumber=2') ? { status: 403, code: 'AccessDenied' } : null));
  await expect(writing.write(bytes.subarray(9 * MiB))).rejects.toMatchObject({ code: 'AccessDenied', status: 403 });
  expect(writing.offset).toBe(8 * MiB);
  server.failWith(null);
  await expect(writing.finish()).rejects.toMatchObject({ code: 'AccessDenied' });
  await writing.write(bytes.subarray(writing.offset));
  expect(await writing.finish()).toEqual({
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  expect(bytes.equals((await store.get(key)) ?? Buffer.alloc(0))).toBe(true);
});

test('an upload whose last answer was lost is finished, not begun anew', async () => {
  const key = newKey();
  const bytes = filled(9 * MiB);
  await using writing = await store.upload(key, signal);
  await writing.write(bytes);
  let lost = false;
  server.failWith((asked) => {
    if (lost || !asked.startsWith('POST')) return null;
    lost = true;
    return { loseAnswer: true };
  });
  expect(await writing.finish()).toMatchObject({ bytes: bytes.length });
  expect(lost).toBe(true);
  expect(await store.size(key)).toBe(bytes.length);
});

test('a small upload whose answer was lost is finished, and where nobody knows conditions it goes without', async () => {
  for (const fault of [{ loseAnswer: true }, { status: 501, code: 'NotImplemented' }] as const) {
    const key = newKey();
    await using writing = await store.upload(key, signal);
    await writing.write(filled(MiB));
    let failed = false;
    server.failWith((asked) => {
      if (failed || !asked.startsWith('PUT')) return null;
      failed = true;
      return fault;
    });
    expect(await writing.finish()).toMatchObject({ bytes: MiB });
    expect([failed, await store.size(key)]).toEqual([true, MiB]);
  }
});

test('a sum that could not be read after the upload is read when it is finished once more', async () => {
  const key = newKey();
  const bytes = filled(9 * MiB);
  {
    await using first = await store.upload(key, signal);
    await first.write(bytes);
  }
  await using second = await store.upload(key, signal);
  await second.write(bytes.subarray(second.offset));
  server.failWith((asked) => (asked.includes('x-id=GetObject') ? { status: 403, code: 'AccessDenied' } : null));
  await expect(second.finish()).rejects.toMatchObject({ code: 'AccessDenied' });
  server.failWith(null);
  expect((await second.finish()).sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
});

test('a read whose connection breaks goes on where it was, and not in another object', async () => {
  const key = newKey();
  const bytes = filled(9 * MiB);
  await store.put(key, bytes);
  let breaks = 0;
  server.failWith((asked) => (asked.includes('x-id=GetObject') && ++breaks <= 3 ? { breakAt: 2 * MiB } : null));
  const range = { start: 5, end: 8 * MiB };
  const stream = await store.read(key, range, signal);
  expect(bytes.subarray(range.start, range.end + 1).equals(await buffer(stream ?? process.stdin))).toBe(true);
  expect(breaks).toBeGreaterThan(3);

  server.failWith((asked) => (asked.includes('x-id=GetObject') ? { breakAt: 2 * MiB } : null));
  const broken = await store.read(key, {}, signal);
  await store.put(key, filled(8 * MiB));
  await expect(buffer(broken ?? process.stdin)).rejects.toMatchObject({ code: 'PreconditionFailed' });
});

test('a read that breaks again and again without a byte more fails', async () => {
  const key = newKey();
  await store.put(key, filled(2 * MiB));
  let gets = 0;
  server.failWith((asked) => {
    if (!asked.includes('x-id=GetObject')) return null;
    gets += 1;
    return { breakAt: gets === 1 ? MiB : 0 };
  });
  const stream = await store.read(key, {}, signal);
  await expect(buffer(stream ?? process.stdin)).rejects.toMatchObject({ name: 'S3Failure' });
});

test('who waits for a server that does not answer is let go by his signal', async () => {
  const key = newKey();
  await store.put(key, filled(MiB));
  const stopping = new AbortController();
  await using writing = await store.upload(key, stopping.signal);
  let hanging = 0;
  const waiting = new Promise<void>((resolve) => {
    server.failWith(() => {
      hanging += 1;
      if (hanging === 2) resolve();
      return { hang: true };
    });
  });
  const attempts = [writing.write(filled(8 * MiB)), store.read(key, {}, stopping.signal)];
  await waiting;
  stopping.abort(new Error('cancelled'));
  await Promise.all(attempts.map((attempt) => expect(attempt).rejects.toThrow('cancelled')));
});

test('who reads no further frees the connection', async () => {
  const key = newKey();
  await store.put(key, filled(9 * MiB));
  const stream = (await store.read(key, {}, signal)) as Readable | null;
  const closed = new Promise((resolve) => stream?.once('close', resolve));
  stream?.once('data', () => stream.destroy());
  await closed;
  expect(stream?.destroyed).toBe(true);
});

test('of two unfinished uploads of a key the newest goes on, and the other goes away', async () => {
  const key = newKey();
  const first = await store.upload(key, signal);
  const second = await store.upload(key, signal);
  await first.write(filled(8 * MiB));
  await second.write(filled(16 * MiB));
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  const before = server.requests.length;
  await using next = await store.upload(key, signal);
  expect(next.offset).toBe(16 * MiB);
  expect(since(before).filter((asked) => asked.startsWith('DELETE'))).toHaveLength(1);
});

test('an error has its code and the request, and nothing that was signed', async () => {
  const secret = 'a-secret-that-is-wrong';
  const stranger = createS3Store({
    ...placeAt(server),
    credentials: {
      accessKeyId: 'AKIASTRANGER',
      secretAccessKey: new Secret(secret),
      sessionToken: new Secret('token-1'),
    },
  });
  const error = await stranger.get('s3/any').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'S3Failure', code: 'SignatureDoesNotMatch', status: 403 });
  const shown = `${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}`;
  for (const part of [secret, 'token-1', 'AKIASTRANGER', 'StringToSign', 'Signature='])
    expect(shown).not.toContain(part);
});

test('a bucket that is not there, or a server, is told by check', async () => {
  await expect(createS3Store({ ...placeAt(server), bucket: 'another' }).check()).rejects.toMatchObject({ status: 404 });
  await expect(
    createS3Store({ ...placeAt(server), endpoint: new URL('http://127.0.0.1:9') }).check(),
  ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a bucket that is not there is no blob that is not there', async () => {
  const nowhere = createS3Store({ ...placeAt(server), bucket: 'another' });
  await expect(nowhere.get('s3/any')).rejects.toMatchObject({ code: 'NoSuchBucket' });
});

test('settings in the user’s home are not read', async () => {
  const home = mkdtempSync(join(tmpdir(), 'quarry-test-aws-'));
  writeFileSync(
    join(home, 'config'),
    '[default]\nendpoint_url = http://127.0.0.1:9\nregion = nowhere-1\nmax_attempts = x\n',
  );
  const before = { ...process.env };
  Object.assign(process.env, { AWS_CONFIG_FILE: join(home, 'config'), AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' });
  try {
    await createS3Store(placeAt(server)).check();
  } finally {
    process.env = before;
    rmSync(home, { recursive: true });
  }
});
