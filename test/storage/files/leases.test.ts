/** Who uploads: one at a time, until he ends, dies or is held up; and what the next one finds. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createKeyring } from '../../../src/lib/keyring.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { createAddresses } from '../../../src/storage/files/addresses.ts';
import { createLinks } from '../../../src/storage/files/links.ts';
import { createUploads, type Uploads } from '../../../src/storage/files/uploads.ts';
import { bytesOf } from '../bytes-of.ts';
import type { ReceiveTask } from './run-receive.ts';
import { createFileWorld, type FileWorld, signal } from './world.ts';

const asked = { caller: { ipAddress: null, userAgent: null }, signal };
const leaseMs = 1_000;
let world: FileWorld;
let uploads: Uploads;
let ann: Viewer;
let bucketId: string;

beforeAll(async () => {
  world = await createFileWorld();
  const links = createLinks({ keyring: createKeyring([{ id: 'k', key: new Secret(randomBytes(32)) }]) });
  const addresses = createAddresses({ links, publicUrl: new URL('http://127.0.0.1') });
  uploads = createUploads({ ...world, addresses, leaseMs });
});
beforeEach(async () => {
  ann = await world.person();
  bucketId = await world.bucket({ owner: ann });
});
afterAll(() => world?.[Symbol.asyncDispose]());

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const create = async (sizeBytes: number, more: object = {}) =>
  (await uploads.create(ann, { bucketId, path: 'a', sizeBytes, overwrite: true, ...more })).file;
const blobOf = async (blob: string) => bytesOf(await world.blobs.read(blob, {}, signal));

function pieceOf(bytes: Uint8Array, start: number, total: number) {
  const body = Readable.from([bytes]);
  return { start, end: start + bytes.length, total, body, stop: (reason: Error) => void body.destroy(reason) };
}

/** As much of it as a process wrote before it died. */
async function writeSome(blob: string, bytes: Uint8Array) {
  await using upload = await world.blobs.upload(blob, signal);
  await upload.write(bytes);
}

test('an upload that has all its bytes is ended by whoever looks, in the name of nobody else', async () => {
  const bytes = randomBytes(3_000_000);
  const file = await create(bytes.length);
  await writeSome(file.blob, bytes);
  const bob = await world.person();
  await expect(uploads.progressOf(bob, file.id, asked)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { file: ready, offset } = await uploads.progressOf(ann, file.id, asked);
  expect(ready).toMatchObject({ status: 'ready', sha256: sha256(bytes), sizeBytes: bytes.length });
  expect(offset).toBe(bytes.length);
  expect(bytes.equals(await blobOf(file.blob))).toBe(true);
  expect(await world.blobs.uploadOffset(file.blob)).toBeNull();
});

test('an upload that has all its bytes is ended by a client who brings the last ones again', async () => {
  const bytes = randomBytes(3_000);
  const file = await create(bytes.length);
  await writeSome(file.blob, bytes);
  const piece = pieceOf(bytes.subarray(2_000), 2_000, bytes.length);
  expect((await uploads.receive(ann, file.id, piece, asked)).file).toMatchObject({ sha256: sha256(bytes) });
});

test('two who look at such an upload at once end it once', async () => {
  const bytes = randomBytes(3_000_000);
  const file = await create(bytes.length);
  await writeSome(file.blob, bytes);
  const both = await Promise.allSettled([1, 2, 3].map(() => uploads.progressOf(ann, file.id, asked)));
  for (const one of both) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'CONFLICT' });
  expect(both.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
  expect(await world.store.findFiles([file.id])).toMatchObject([{ status: 'ready', sha256: sha256(bytes) }]);
});

test('an upload that has all its bytes, and whose place was taken, gives its room back', async () => {
  const file = await create(5, { overwrite: false });
  await world.file(ann, bucketId, 'a');
  await writeSome(file.blob, Buffer.from('whole'));
  await expect(uploads.progressOf(ann, file.id, asked)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await world.store.findFiles([file.id])).toEqual([]);
});

test('a file is committed and released by its writer alone, while his lease lasts', async () => {
  const file = await create(1);
  const [mine, his] = [file.id, bucketId]; // any two
  const committed = { bytes: 1, sha256: 'ab'.repeat(32) };
  expect(await world.store.takeLease(file.id, mine, 60_000)).toBe(true);
  for (const writer of [{}, { writerId: his }]) {
    await expect(world.reservations.commit(file.id, { ...committed, ...writer })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await world.reservations.release(file.id, writer);
  }
  await world.pool.query(`UPDATE files SET writer_until = now() - interval '1 second' WHERE id = $1`, [file.id]);
  await expect(world.reservations.commit(file.id, { ...committed, writerId: mine })).rejects.toMatchObject({
    code: 'CONFLICT',
  });
  await world.reservations.release(file.id, { writerId: mine });
  expect(await world.store.findFiles([file.id])).toMatchObject([{ status: 'pending' }]);
  await world.store.renewLease(file.id, mine, 60_000);
  expect(await world.reservations.commit(file.id, { ...committed, writerId: mine })).toMatchObject({ status: 'ready' });
});

test('who loses his lease while he waits for his client is let go', async () => {
  const file = await create(10);
  const body = new Readable({ read: () => undefined });
  const stop = (reason: Error) => void body.destroy(reason);
  const receiving = uploads.receive(ann, file.id, { start: 0, end: 10, total: 10, body, stop }, asked);
  const ended = expect(receiving).rejects.toMatchObject({ code: 'CONFLICT' });
  const taken = async () =>
    (await world.pool.query('UPDATE files SET writer_id = id WHERE id = $1 AND writer_id IS NOT NULL', [file.id]))
      .rowCount;
  await expect.poll(taken).toBe(1);
  await ended;
  expect(body.destroyed).toBe(true);
});

test('a client who has gone before anything began leaves nothing behind', async () => {
  const file = await create(10);
  const gone = { ...asked, signal: AbortSignal.abort(new Error('gone')) };
  await expect(uploads.receive(ann, file.id, pieceOf(Buffer.alloc(10), 0, 10), gone)).rejects.toThrow('gone');
  expect(await world.store.takeLease(file.id, file.id, 1)).toBe(true);
});

test('who is held up for longer than his lease has not written into the file of the next one', async () => {
  const his = randomBytes(9_000_000);
  const file = await create(his.length);
  const { host, port, user, password, database } = world.database;
  const task: ReceiveTask = {
    connection: { host, port, user, password, database },
    directory: world.directory,
    viewer: { userId: ann.userId, role: ann.role, sessionId: ann.sessionId },
    fileId: file.id,
    sizeBytes: his.length,
    leaseMs,
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run-receive.ts'), JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = text(child.stdout);
  child.stdin.on('error', () => undefined);
  child.stdin.write(his.subarray(0, 5_000_000));
  const offset = async () => (await world.blobs.uploadOffset(file.blob)) ?? 0;
  await expect.poll(offset, { timeout: 20_000 }).toBeGreaterThan(4_000_000);
  child.kill('SIGSTOP');
  // What he is sent meanwhile he finds when he wakes up.
  child.stdin.end(his.subarray(5_000_000));
  const start = await offset();
  const others = randomBytes(his.length - start);
  const bring = () => uploads.receive(ann, file.id, pieceOf(others, start, his.length), asked).catch(() => null);
  await expect.poll(bring, { timeout: 20_000 }).toMatchObject({ file: { status: 'ready' } });
  child.kill('SIGCONT');
  await once(child, 'exit');
  expect(await said).toBe('CONFLICT\n');
  const whole = Buffer.concat([his.subarray(0, start), others]);
  expect(whole.equals(await blobOf(file.blob))).toBe(true);
  expect(await world.store.findFiles([file.id])).toMatchObject([{ status: 'ready', sha256: sha256(whole) }]);
});
