/** Files as programs and browsers meet them: uploaded, fetched in parts, refused, over HTTP on a whole server. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rm, symlink, truncate } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeId } from '../../../src/lib/ids.ts';
import {
  CreateApiKeyDocument,
  FilesDocument,
  LogoutDocument,
  MoveFileDocument,
  RevokeApiKeyDocument,
  UpdateBucketDocument,
} from '../../support/operations.ts';
import { startPlainQuarry } from '../../support/plain-server.ts';
import { type Account, accountPassword, type Quarry } from '../../support/server.ts';
import { createFileClient, type FileClient, offsetOf, put } from './client.ts';

let quarry: Quarry;
let account: Account;
let ann: FileClient;
let bucketId: string;
let names = 0;

const next = (prefix = 'file') => `${prefix}-${++names}`;
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  quarry = await startPlainQuarry();
  await quarry.register();
  account = await quarry.register();
  ann = createFileClient(quarry, account);
  bucketId = (await ann.bucket({ name: 'files' })).id;
});
afterAll(() => quarry?.[Symbol.asyncDispose]());

describe('fetching', () => {
  const text = 'The quick brown fox jumps over the lazy dog';
  let url: string;
  beforeAll(async () => {
    url = (await ann.file(bucketId, 'fox.txt', text)).url;
  });
  const get = (headers: object = {}, method = 'GET') =>
    fetch(url, { method, headers: { ...headers } as Record<string, string> });

  test('gives all of it, with its checksum, its name and its size', async () => {
    const response = await get();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(text);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${sha256(text)}"`,
      'content-length': '43',
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `inline; filename="fox.txt"; filename*=UTF-8''fox.txt`,
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache',
    });
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/);
    expect(response.headers.get('set-cookie')).toBeNull();
  });

  test.each([
    ['bytes=0-2', 'The', 'bytes 0-2/43'],
    ['bytes=40-', 'dog', 'bytes 40-42/43'],
    ['bytes=-3', 'dog', 'bytes 40-42/43'],
    ['bytes=40-1000', 'dog', 'bytes 40-42/43'],
    ['bytes=-1000', text, 'bytes 0-42/43'],
  ])('gives the range “%s”', async (range, part, contentRange) => {
    const response = await get({ range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(await response.text()).toBe(part);
  });

  test.each(['bytes=43-', 'bytes=1000-2000', 'bytes=-0'])('has no range “%s”', async (range) => {
    const response = await get({ range });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe('bytes */43');
  });

  test.each(['bytes=0-1,4-5', 'lines=0-1', 'bytes=5-2', 'bytes=', 'bytes=-', 'nonsense'])(
    'gives all of it for “%s”',
    async (range) => {
      const response = await get({ range });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(text);
    },
  );

  test('gives nothing that is known already', async () => {
    const { headers } = await get({}, 'HEAD');
    const [etag, modified] = [headers.get('etag')!, headers.get('last-modified')!];
    for (const known of [
      { 'if-none-match': etag },
      { 'if-none-match': `"other", W/${etag}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': modified },
    ]) {
      const response = await get(known);
      expect(response.status).toBe(304);
      expect(await response.text()).toBe('');
    }
    for (const unknown of [
      { 'if-none-match': '"other"' },
      { 'if-none-match': '"other"', 'if-modified-since': modified },
      { 'if-modified-since': new Date(0).toUTCString() },
      { 'if-modified-since': 'yesterday' },
    ]) {
      expect((await get(unknown)).status).toBe(200);
    }
  });

  test('goes on with a part only where the file is still the same', async () => {
    const { headers } = await get({}, 'HEAD');
    const part = (condition: string) => get({ range: 'bytes=40-', 'if-range': condition });
    expect((await part(headers.get('etag')!)).status).toBe(206);
    // Another version may have had the same second.
    expect((await part(headers.get('last-modified')!)).status).toBe(200);
    expect((await part('"other"')).status).toBe(200);
    expect((await part(`W/${headers.get('etag')}`)).status).toBe(200);
    expect((await part(new Date(0).toUTCString())).status).toBe(200);
  });

  test('gives nothing where the file is another one by now', async () => {
    const { headers } = await get({}, 'HEAD');
    const etag = headers.get('etag')!;
    for (const other of [
      { 'if-match': '"other"' },
      { 'if-match': `W/${etag}` },
      { 'if-unmodified-since': new Date(0).toUTCString() },
    ]) {
      const response = await get(other);
      expect([response.status, (await response.json()).code]).toEqual([412, 'CONFLICT']);
    }
    for (const same of [
      { 'if-match': etag },
      { 'if-match': `"other", ${etag}` },
      { 'if-match': '*' },
      { 'if-match': etag, 'if-unmodified-since': new Date(0).toUTCString() },
      { 'if-unmodified-since': headers.get('last-modified')! },
      { 'if-unmodified-since': 'yesterday' },
    ])
      expect((await get(same)).status).toBe(200);
  });

  test('asks with HEAD what GET would say', async () => {
    const response = await get({}, 'HEAD');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('43');
    expect(await response.text()).toBe('');
  });

  test('saves a name in any script, and nothing of it is a header', async () => {
    const name = `ünï "quoted" 100% \\ 漢字 🦊.txt`;
    const { id } = await ann.file(bucketId, name, 'x');
    const file = await ann.find(id, { download: true });
    const response = await fetch(file!.url!);
    const disposition = response.headers.get('content-disposition')!;
    expect(disposition).toMatch(/^attachment; filename="[\x20-\x7e]+"; filename\*=UTF-8''/);
    expect(decodeURIComponent(disposition.split("UTF-8''")[1]!)).toBe(name);
  });

  test('by a path with dots gives nothing', async () => {
    for (const path of [
      '/files/../etc/passwd',
      '/files/%2e%2e/%2e%2e/etc/passwd',
      '/files/..%2f..%2fetc',
      '/files/%00',
    ]) {
      const sending = request({ port: new URL(url).port, host: '127.0.0.1', path }).end();
      const [response] = await once(sending, 'response');
      response.resume();
      expect(response.statusCode).toBe(403);
    }
  });

  test('of an empty file gives nothing, and no range of it', async () => {
    const { url: empty } = await ann.file(bucketId, next(), '');
    const response = await fetch(empty);
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('etag')).toBe(`"${sha256('')}"`);
    expect((await fetch(empty, { headers: { range: 'bytes=0-' } })).status).toBe(416);
  });

  test('takes no other method', async () => {
    for (const method of ['POST', 'DELETE', 'PUT', 'PATCH']) {
      const response = await get({}, method);
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
    }
  });

  test('by a link that is another one gives nothing', async () => {
    const { origin, pathname } = new URL(url);
    const token = pathname.split('/')[2]!;
    const at = (path: string) => fetch(`${origin}${path}`).then(({ status }) => status);
    const flipped = (i: number) => `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
    for (const i of [0, 3, 8, 20, 40, 60, 95]) expect(await at(`/files/${flipped(i)}/fox.txt`)).toBe(403);
    for (const path of ['/files/', '/files/x', `/files/${token}A`, `/files/${token}%41`])
      expect(await at(path)).toBe(403);
    for (const path of ['/files/public', '/files/public/', '/files/public/x', `/files/public/${'A'.repeat(22)}`])
      expect(await at(path)).toBe(404);
  });

  test('by a link lasts as long as was asked for', async () => {
    const { id } = await ann.file(bucketId, next(), 'x');
    const { url: short } = (await ann.find(id, { expiresInMs: 1_000 }))!;
    expect((await fetch(short!)).status).toBe(200);
    await expect.poll(async () => (await fetch(short!)).status, { timeout: 10_000 }).toBe(410);
    for (const expiresInMs of [0, -1, 999, 7 * 24 * 3_600_000 + 1])
      await expect(ann.find(id, { expiresInMs })).rejects.toThrow('BAD_USER_INPUT');
    expect((await ann.find(id, { expiresInMs: 7 * 24 * 3_600_000 }))!.url).toMatch(/^http/);
  });

  test('by a link of an API key lasts an hour at the most, and no longer than the key', async () => {
    const { id } = await ann.file(bucketId, next(), 'x');
    const clientOf = async (expiresAt: Date | null) => {
      const input = { name: 'key', scopes: ['WRITE' as const], expiresAt: expiresAt?.toISOString() ?? null };
      const { secret } = (await quarry.ask(CreateApiKeyDocument, { input }, account)).createApiKey;
      return createFileClient(quarry, { ...account, token: secret });
    };
    const hourMs = 3_600_000;
    const lasting = await clientOf(null);
    expect((await lasting.find(id, { expiresInMs: hourMs }))!.url).toMatch(/^http/);
    await expect(lasting.find(id, { expiresInMs: hourMs + 1 })).rejects.toThrow('BAD_USER_INPUT');
    const upload = await lasting.target(bucketId, next(), 1);
    expect(Date.parse(upload.expiresAt)).toBeLessThanOrEqual(Date.now() + hourMs);
    const keyEndsAt = new Date(Date.now() + 600_000);
    const ending = await clientOf(keyEndsAt);
    expect(Date.parse((await ending.target(bucketId, next(), 1)).expiresAt)).toBe(keyEndsAt.getTime());
  });

  test('by a link of an API key ends with the key, and so does bringing one; other links stay', async () => {
    const { id, url } = await ann.file(bucketId, next(), 'still here');
    const input = { name: 'key', scopes: ['WRITE' as const] };
    const { apiKey, secret } = (await quarry.ask(CreateApiKeyDocument, { input }, account)).createApiKey;
    const program = createFileClient(quarry, { ...account, token: secret });
    const link = (await program.find(id))!.url!;
    const upload = await program.target(bucketId, next(), 10);
    expect(await (await fetch(link)).text()).toBe('still here');
    expect((await put(upload.url, '01234', { 'content-range': 'bytes 0-4/10' })).status).toBe(202);
    // Neither can it be made into one that knows of no key.
    const { origin, pathname } = new URL(link);
    const token = Buffer.from(pathname.split('/')[2]!, 'base64url');
    const bare = Buffer.concat([token.subarray(0, 46), token.subarray(62)]);
    bare.writeUInt8(3, 0);
    for (const forged of [bare, Buffer.from(token).fill(0, 46, 62)])
      expect((await fetch(`${origin}/files/${forged.toString('base64url')}/x`)).status).toBe(403);

    await quarry.ask(RevokeApiKeyDocument, { id: apiKey.id }, account);
    const response = await fetch(link);
    expect([response.status, (await response.json()).error]).toEqual([403, expect.stringContaining('API key')]);
    expect((await fetch(link, { headers: { range: 'bytes=0-1' } })).status).toBe(403);
    expect((await fetch(upload.url, { method: 'HEAD' })).status).toBe(403);
    expect((await put(upload.url, '56789', { 'content-range': 'bytes 5-9/10' })).status).toBe(403);
    expect(await (await fetch(url)).text()).toBe('still here');
  });

  test('by a link of a session outlives that one, and ends with all of them and with the password; so does bringing one', async () => {
    const person = await quarry.register();
    const own = createFileClient(quarry, person);
    const { id: bucket } = await own.bucket({ name: 'own' });
    const { id, url } = await own.file(bucket, 'a.txt', 'still here');
    const input = { name: 'key', scopes: ['WRITE' as const] };
    const { secret } = (await quarry.ask(CreateApiKeyDocument, { input }, person)).createApiKey;
    const keyed = (await createFileClient(quarry, { ...person, token: secret }).find(id))!.url!;
    const statusOf = async (at: string, method = 'GET') => (await fetch(at, { method })).status;

    const { email } = person;
    const login = async () => {
      const document = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
      const { data } = await quarry.execute<{ login: { accessToken: string } }, object>(document, {
        input: { email, password: accountPassword },
      });
      return { ...person, token: data!.login.accessToken };
    };
    await quarry.ask(LogoutDocument, { input: {} }, await login());
    expect(await statusOf(url)).toBe(200);
    const after = await login();
    const { url: upload } = await createFileClient(quarry, after).target(bucket, 'b.txt', 3);
    await quarry.ask(LogoutDocument, { input: { everywhere: true } }, after);
    expect([await statusOf(url), await statusOf(upload, 'HEAD')]).toEqual([403, 403]);

    const again = await login();
    const link = (await createFileClient(quarry, again).find(id))!.url!;
    expect(await statusOf(link)).toBe(200);
    const change = 'mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { accessToken } }';
    const { data } = await quarry.execute<{ changePassword: { accessToken: string } }, object>(
      change,
      { input: { currentPassword: accountPassword, newPassword: 'another battery staple' } },
      again,
    );
    expect(await statusOf(link)).toBe(403);
    const changed = createFileClient(quarry, { ...person, token: data!.changePassword.accessToken });
    expect(await statusOf((await changed.find(id))!.url!)).toBe(200);
    // One of a key is the key's.
    expect(await statusOf(keyed)).toBe(200);
  });

  test('of a blob that lost bytes breaks off, and the server goes on', async () => {
    const folder = `${quarry.dataDir}/files/files`;
    const before = new Set(await readdir(folder));
    const { id, url: damaged } = await ann.file(bucketId, next(), randomBytes(100_000).toString('hex'));
    const [blob] = (await readdir(folder)).filter((name) => !before.has(name));
    await truncate(`${folder}/${blob}`, 1_000);
    await expect(fetch(damaged).then((response) => response.text())).rejects.toThrow();
    expect((await get()).status).toBe(200);
    await quarry.until('file.blob_missing', { of: ({ fileId }) => fileId === decodeId(id)!.parts[0] });
    expect((await ann.find(id))!.url).toBeNull();
  });

  test('of a blob that cannot be read is told at once, and says nothing of the file', async () => {
    const folder = `${quarry.dataDir}/files/files`;
    const before = new Set(await readdir(folder));
    const { url: unreadable } = await ann.file(bucketId, next(), 'x'.repeat(10_000));
    const [blob] = (await readdir(folder)).filter((name) => !before.has(name));
    await rm(`${folder}/${blob}`);
    await symlink(blob!, `${folder}/${blob}`);
    const response = await fetch(unreadable, { headers: { range: 'bytes=0-4999' } });
    expect([response.status, (await response.json()).error]).toEqual([500, 'internal']);
    for (const name of ['etag', 'content-range', 'content-disposition']) expect(response.headers.get(name)).toBeNull();
    await rm(`${folder}/${blob}`);
  });

  test('whose bytes are lost is told, and not an empty file', async () => {
    const { id, url: lost } = await ann.file(bucketId, next(), 'soon gone');
    await rm(`${quarry.dataDir}/files/files`, { recursive: true });
    for (let i = 0; i < 2; i += 1) {
      const response = await fetch(lost);
      expect([response.status, (await response.json()).code]).toEqual([410, 'NOT_FOUND']);
    }
    expect((await fetch(lost, { method: 'HEAD' })).status).toBe(410);
    await quarry.until('file.blob_missing', { of: ({ fileId }) => fileId === decodeId(id)!.parts[0] });
    expect((await ann.find(id))!.url).toBeNull();
  });
});

describe('a public bucket', () => {
  test('gives a file to anyone who has its address, which stays when it is moved or overwritten', async () => {
    const { id: open } = await ann.bucket({ name: next(), public: true });
    const { id } = await ann.file(open, 'a.txt', 'one');
    const { publicUrl } = (await ann.find(id))!;
    const response = await fetch(publicUrl!);
    expect(await response.text()).toBe('one');
    expect(response.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    await ann.file(open, 'a.txt', 'two', { overwrite: true });
    expect(await (await fetch(publicUrl!)).text()).toBe('two');
    await quarry.ask(UpdateBucketDocument, { input: { id: open, public: false } }, account);
    expect((await fetch(publicUrl!)).status).toBe(404);
  });

  test('has no address where it is not public', async () => {
    const { id } = await ann.file(bucketId, next(), 'x');
    expect((await ann.find(id))!.publicUrl).toBeNull();
  });
});

describe('an upload', () => {
  const bytes = randomBytes(1_000_000);
  const pieceOf = (start: number, end: number, total: number | '*' = bytes.length) => ({
    'content-range': `bytes ${start}-${end - 1}/${total}`,
  });

  test('at once is ready when it is answered, and not before', async () => {
    const { url, method, headers, file } = await ann.target(bucketId, next(), bytes.length, { mimeType: 'image/png' });
    expect({ method, headers, file }).toMatchObject({
      method: 'PUT',
      headers: {},
      file: { status: 'PENDING', url: null },
    });
    expect(await offsetOf(url)).toBe(0);
    const response = await put(url, bytes);
    expect(response.status).toBe(201);
    expect(response.headers.get('etag')).toBe(`"${sha256(bytes)}"`);
    const ready = (await ann.find(file.id))!;
    expect(ready).toMatchObject({
      status: 'READY',
      sha256: sha256(bytes),
      mimeType: 'image/png',
      sizeBytes: bytes.length,
    });
    expect(Buffer.from(await (await fetch(ready.url!)).arrayBuffer()).equals(bytes)).toBe(true);
    expect(await offsetOf(url)).toBe(bytes.length);
    expect((await put(url, bytes)).status).toBe(409);
  });

  test('goes on piece by piece', async () => {
    const { url, file } = await ann.target(bucketId, next(), bytes.length);
    for (const [start, end] of [
      [0, 300_000],
      [300_000, 300_001],
      [300_001, 1_000_000],
    ] as const) {
      expect(await offsetOf(url)).toBe(start);
      const response = await put(url, bytes.subarray(start, end), pieceOf(start, end));
      expect([response.status, response.headers.get('upload-offset')]).toEqual([
        end === 1_000_000 ? 201 : 202,
        String(end),
      ]);
    }
    expect((await ann.find(file.id))!.sha256).toBe(sha256(bytes));
  });

  test('that goes on at another place is told where', async () => {
    const { url } = await ann.target(bucketId, next(), bytes.length);
    await put(url, bytes.subarray(0, 1_000), pieceOf(0, 1_000));
    for (const start of [0, 999, 1_001]) {
      const response = await put(url, bytes.subarray(start, 2_000), pieceOf(start, 2_000));
      expect([response.status, response.headers.get('upload-offset')]).toEqual([409, '1000']);
    }
    expect(await offsetOf(url)).toBe(1_000);
    expect((await put(url, bytes)).status).toBe(201);
  });

  test.each([
    ['bytes 0-9/20', 400],
    ['bytes 0-9/10', 400],
    ['bytes 9-0/1000000', 400],
    ['bytes */1000000', 400],
    ['lines 0-9/1000000', 400],
    ['bytes 0-8/1000000', 400],
    ['bytes 1000000-1000009/*', 413],
  ])('with “%s” for ten bytes is refused', async (header, status) => {
    const { url } = await ann.target(bucketId, next(), bytes.length);
    expect((await put(url, bytes.subarray(0, 10), { 'content-range': header })).status).toBe(status);
    expect(await offsetOf(url)).toBe(0);
  });

  test('of another size than was said is refused, and starts anew', async () => {
    const { url } = await ann.target(bucketId, next(), 10);
    expect((await put(url, bytes.subarray(0, 9))).status).toBe(400);
    expect((await put(url, bytes.subarray(0, 11))).status).toBe(413);
    expect((await put(url, bytes.subarray(0, 10))).status).toBe(201);
  });

  test('of 200 MB where ten bytes were said is refused before it comes', async () => {
    const { url } = await ann.target(bucketId, next(), 10);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `PUT ${new URL(url).pathname} HTTP/1.1\r\nhost: ${new URL(url).host}\r\ncontent-length: 200000000\r\n\r\n`,
    );
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    await once(socket, 'close');
  });

  test('without an end is cut off where it was to end', async () => {
    const { url, file } = await ann.target(bucketId, next(), 1_000);
    const sending = request(url, { method: 'PUT' });
    sending.on('error', () => undefined);
    const answered = once(sending, 'response');
    const closed = new Promise((resolve) => sending.once('close', resolve));
    const chunk = Buffer.alloc(65_536);
    const timer = setInterval(() => sending.write(chunk), 1);
    const [response] = await answered;
    response.on('error', () => undefined);
    expect(response.statusCode).toBe(413);
    await closed;
    clearInterval(timer);
    expect((await ann.find(file.id))!.status).toBe('PENDING');
  });

  test('in chunks of nobody knows how many bytes is taken, when they are as many as was said', async () => {
    const { url } = await ann.target(bucketId, next(), bytes.length);
    const chunked = (part: Uint8Array) => put(url, new Blob([part as never]).stream());
    const short = await chunked(bytes.subarray(0, 500));
    expect([short.status, (await short.json()).code]).toEqual([400, 'BAD_USER_INPUT']);
    expect((await chunked(bytes)).status).toBe(201);
  });

  /** More than the store keeps in memory before it is on the disk. */
  const large = randomBytes(3_000_000);
  const begun = 2_000_000;
  /** @returns the status of the PUT that brings what is left */
  async function goOn(url: string): Promise<number> {
    const offset = await offsetOf(url);
    const range = { 'content-range': `bytes ${offset}-${large.length - 1}/${large.length}` };
    return (await put(url, large.subarray(offset), range)).status;
  }

  test('that breaks off goes on where it stopped', async () => {
    const { url, file } = await ann.target(bucketId, next(), large.length);
    const sending = request(url, { method: 'PUT', headers: { 'content-length': large.length } });
    sending.on('error', () => undefined);
    sending.write(large.subarray(0, begun));
    await expect.poll(() => offsetOf(url)).toBeGreaterThan(0);
    sending.destroy();
    // Until the server has seen that the other one is gone.
    await expect.poll(() => goOn(url), { timeout: 10_000 }).toBe(201);
    expect((await ann.find(file.id))!.sha256).toBe(sha256(large));
  });

  test('by two at once is the one’s', async () => {
    const { url } = await ann.target(bucketId, next(), large.length);
    const first = request(url, { method: 'PUT', headers: { 'content-length': large.length } });
    const answered = once(first, 'response');
    first.write(large.subarray(0, begun));
    await expect.poll(() => offsetOf(url)).toBeGreaterThan(0);
    const second = await put(url, large);
    expect([second.status, second.headers.has('retry-after')]).toEqual([409, true]);
    first.end(large.subarray(begun));
    const [response] = await answered;
    expect(response.statusCode).toBe(201);
  });

  test('goes on after the server was killed', async () => {
    const path = next();
    const { url, file } = await ann.target(bucketId, path, large.length);
    const sending = request(url, { method: 'PUT', headers: { 'content-length': large.length } });
    sending.on('error', () => undefined);
    sending.write(large.subarray(0, begun));
    await expect.poll(() => offsetOf(url)).toBeGreaterThan(0);
    await quarry.kill();
    await quarry.restart();
    const there = new URL(url);
    there.port = new URL(quarry.url).port;
    expect(await ann.find(file.id)).toMatchObject({ status: 'PENDING', url: null });
    expect(await offsetOf(there.href)).toBeGreaterThan(0);
    // The lease of the one that died ends by itself.
    await expect.poll(() => goOn(there.href), { timeout: 30_000, interval: 500 }).toBe(201);
    expect((await ann.find(file.id))!.sha256).toBe(sha256(large));
  });

  test('that takes the place of a file does so with its last byte', async () => {
    const path = next();
    const { url: before } = await ann.file(bucketId, path, 'old');
    const { url } = await ann.target(bucketId, path, bytes.length, { overwrite: true });
    await put(url, bytes.subarray(0, 1_000), pieceOf(0, 1_000));
    expect(await (await fetch(before)).text()).toBe('old');
    await put(url, bytes.subarray(1_000), pieceOf(1_000, bytes.length));
    expect((await fetch(before)).status).toBe(404);
    const { node } = await quarry.ask(FilesDocument, { bucket: bucketId, prefix: path }, account);
    expect(node).toMatchObject({ files: { totalCount: 1, nodes: [{ path, sizeBytes: bytes.length }] } });
  });

  test('to a path where a file came meanwhile is a conflict, and takes up no room', async () => {
    const path = next();
    const { url, file } = await ann.target(bucketId, path, bytes.length);
    await ann.file(bucketId, path, 'first');
    const response = await put(url, bytes);
    expect([response.status, (await response.json()).code]).toEqual([409, 'CONFLICT']);
    expect(await ann.find(file.id)).toBeNull();
    expect((await put(url, bytes)).status).toBe(404);
  });

  test('of nothing is a file', async () => {
    const { url, file } = await ann.target(bucketId, next(), 0);
    expect((await put(url, '')).status).toBe(201);
    expect((await ann.find(file.id))!.sha256).toBe(sha256(''));
  });

  test('that is to match something is refused: nothing is there', async () => {
    const { url } = await ann.target(bucketId, next(), 1);
    expect((await put(url, 'x', { 'if-match': '*' })).status).toBe(412);
    expect((await put(url, 'x', { 'if-none-match': '*' })).status).toBe(201);
  });

  test('link fetches nothing, and the link to fetch takes nothing', async () => {
    const { url } = await ann.target(bucketId, next(), 10);
    const response = await fetch(url);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'HEAD, PUT']);
  });
});

describe('a file inside of a request', () => {
  test('larger than the limit is told about createUpload', async () => {
    const answer = await ann.upload(bucketId, next(), new Blob([Buffer.alloc(8 * 2 ** 20 + 1)]));
    expect([answer.code, answer.errors?.[0]?.message]).toEqual([
      'LIMIT_EXCEEDED',
      expect.stringContaining('createUpload'),
    ]);
    const whole = await ann.file(bucketId, next(), new Blob([Buffer.alloc(8 * 2 ** 20)]));
    expect(whole.sizeBytes).toBe(8 * 2 ** 20);
  });

  test('that is no file is refused', async () => {
    const input = { bucketId, path: next(), file: 'text' };
    const document = 'mutation ($input: UploadFileInput!) { uploadFile(input: $input) { file { id } } }';
    expect((await quarry.execute<unknown, object>(document, { input }, account)).code).toBe('BAD_USER_INPUT');
  });
});

test('a file that is moved keeps its id and its links', async () => {
  const { id: other } = await ann.bucket({ name: next() });
  const { id, url } = await ann.file(bucketId, next(), 'moving');
  const { moveFile } = await quarry.ask(
    MoveFileDocument,
    { input: { id, path: 'deep/er/name.txt', bucketId: other } },
    account,
  );
  expect(moveFile.file).toEqual({ id, path: 'deep/er/name.txt', bucket: { id: other } });
  const response = await fetch(url);
  expect(await response.text()).toBe('moving');
  expect(response.headers.get('content-disposition')).toContain('name.txt');
});
