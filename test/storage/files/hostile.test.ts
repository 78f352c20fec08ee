/** STO-2 and the accounts behind links: clients that stall, many at once, and files of which nothing may run. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createKeyring } from '../../../src/lib/keyring.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { createAddresses } from '../../../src/storage/files/addresses.ts';
import { createLinks } from '../../../src/storage/files/links.ts';
import { createFileRoutes } from '../../../src/storage/files/routes.ts';
import { createUploads } from '../../../src/storage/files/uploads.ts';
import { has, pathOf } from '../../support/debian.ts';
import { silent } from '../../support/metadata.ts';
import { offsetOf, put } from './client.ts';
import { serveFiles } from './serve.ts';
import { createFileWorld, type FileWorld } from './world.ts';

const caller = { ipAddress: '192.0.2.1', userAgent: 'test' };
const enter = async () => undefined;
const quota = 200_000_000;
let world: FileWorld;
let server: Server;
let uploads: ReturnType<typeof createUploads>;
let addresses: ReturnType<typeof createAddresses>;
let ann: Viewer;
let bucketId: string;
let beforeRole = async (): Promise<void> => undefined;

beforeAll(async () => {
  world = await createFileWorld({ limits: { bytesOfUser: quota } });
  const links = createLinks({ keyring: createKeyring([{ id: 'k', key: new Secret(randomBytes(32)) }]) });
  const publicUrl = new URL('http://127.0.0.1');
  addresses = createAddresses({ links, publicUrl });
  uploads = createUploads({ ...world, addresses });
  const routes = createFileRoutes({
    ...world,
    uploads,
    links,
    roleOf: async (userId) => {
      await beforeRole();
      const { rows } = await world.pool.query('SELECT role FROM users WHERE id = $1 AND disabled_at IS NULL', [userId]);
      return rows[0]?.role ?? null;
    },
    isKeyLive: async () => true,
    corsOrigins: ['https://app.example.com'],
    log: silent,
    pace: { withinMs: 500, bytes: 1_000 },
  });
  server = createServer((incoming, response) => void routes.handle(incoming, response, { caller, enter })).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  publicUrl.port = String((server.address() as AddressInfo).port);
});
beforeEach(async () => {
  ann = await world.person();
  bucketId = await world.bucket({ owner: ann });
});
afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await world[Symbol.asyncDispose]();
});

const target = (path: string, sizeBytes: number) =>
  uploads.create(ann, { bucketId, path, sizeBytes, overwrite: false });
const linkTo = (file: Awaited<ReturnType<FileWorld['file']>>) =>
  addresses.signed(ann, file, 'show', new Date(Date.now() + 60_000));

test('who uploads too slowly is let go, and what came is kept', async () => {
  const { url } = await target('slow', 1_000_000);
  const sending = request(url, { method: 'PUT', headers: { 'content-length': 1_000_000 } });
  sending.on('error', () => undefined);
  sending.write(Buffer.alloc(50_000));
  const [response] = await once(sending, 'response');
  expect(response.statusCode).toBe(408);
  expect(await offsetOf(url)).toBe(50_000);
});

test('who drips a byte now and then is let go as well', async () => {
  const { url } = await target('drips', 1_000_000);
  const sending = request(url, { method: 'PUT', headers: { 'content-length': 1_000_000 } });
  sending.on('error', () => undefined);
  const dripping = setInterval(() => sending.write('x'), 20);
  const [response] = await once(sending, 'response');
  clearInterval(dripping);
  sending.destroy();
  expect(response.statusCode).toBe(408);
});

test('who does not read what he fetches is let go', async () => {
  const file = await world.file(ann, bucketId, 'large', { text: 'x'.repeat(30_000_000) });
  const { port, pathname } = new URL(linkTo(file));
  const socket = connect(Number(port), '127.0.0.1');
  const left = new Promise<void>((resolve) => {
    server.once('connection', (served) => served.once('close', () => resolve()));
  });
  socket.on('error', () => undefined).pause();
  socket.write(`GET ${pathname} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await left;
  socket.destroy();
});

test('who reads slowly, but reads, gets all of it', async () => {
  const bytes = 16_000_000;
  const file = await world.file(ann, bucketId, 'large', { text: 'x'.repeat(bytes) });
  const { port, pathname } = new URL(linkTo(file));
  const socket = connect(Number(port), '127.0.0.1').pause();
  socket.write(`GET ${pathname} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  let read = 0;
  const take = (some: Buffer | null) => {
    read += some?.length ?? 0;
  };
  const reading = setInterval(() => take(socket.read(65_536)), 50);
  await expect.poll(() => read, { timeout: 30_000 }).toBeGreaterThan(6_000_000);
  clearInterval(reading);
  socket.on('data', take).resume();
  await once(socket, 'end');
  expect(read).toBeGreaterThan(bytes);
});

test('who goes while his right is looked up holds nothing', async () => {
  const { file, url } = await target('gone', 1_000);
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  beforeRole = () => {
    ask();
    return mayAnswer;
  };
  const served = once(server, 'connection');
  const sending = request(url, { method: 'PUT', headers: { 'content-length': 1_000 }, agent: false });
  sending.on('error', () => undefined).write('x');
  const [socket] = await served;
  await asked;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  sending.destroy();
  await closed;
  beforeRole = async () => undefined;
  answer();
  await expect.poll(async () => (await put(url, Buffer.alloc(1_000))).status).toBe(201);
  expect(await world.store.findFiles([file.id])).toMatchObject([{ status: 'ready' }]);
});

test('fifty uploads at once stay within the quota, to the byte', async () => {
  const sizeBytes = quota / 40;
  const targets = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => target(`f${i}`, sizeBytes)));
  const given = targets.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  expect(given).toHaveLength(40);
  for (const one of targets) if (one.status === 'rejected') expect(one.reason.code).toBe('LIMIT_EXCEEDED');
  const bytes = Buffer.alloc(sizeBytes, 'x');
  const statuses = await Promise.all(given.map(async ({ url }) => (await put(url, bytes)).status));
  expect(new Set(statuses)).toEqual(new Set([201]));
  expect((await world.store.usedBytes([bucketId])).get(bucketId)).toBe(quota);
  await expect(target('one byte', 1)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  await target('nothing', 0);
});

test('of five hundred small uploads at once as many are taken as there is room for, to the byte', {
  timeout: 120_000,
}, async () => {
  await using small = await createFileWorld({ limits: { bytesOfUser: 400_000 } });
  using served = await serveFiles(small);
  const bob = await small.person();
  const into = await small.bucket({ owner: bob });
  const all = Array.from({ length: 500 }, (_, i) => ({ bucketId: into, path: `f${i}`, overwrite: false }));
  const asked = { caller, signal: new AbortController().signal };
  // Half of them inside of a request, half by a link.
  const ended = await Promise.allSettled(
    all.map(async (one, i) => {
      if (i % 2)
        return await served.uploads.uploadInline(bob, { ...one, file: new File(['x'.repeat(1_000)], 'f') }, asked);
      const { url } = await served.uploads.create(bob, { ...one, sizeBytes: 1_000 });
      expect((await put(url, 'x'.repeat(1_000))).status).toBe(201);
    }),
  );
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(400);
  for (const one of ended) if (one.status === 'rejected') expect(one.reason.code).toBe('LIMIT_EXCEEDED');
  expect((await small.store.usedBytes([into])).get(into)).toBe(400_000);
  expect(await small.store.usageOf(small.pool, bob.userId)).toEqual({ bytes: 400_000, files: 400 });
});

test('the links of an account that is disabled or gone lead nowhere', async () => {
  const shared = await world.bucket({ owner: ann, projectId: await world.project([[ann, 'owner']]) });
  const url = linkTo(await world.file(ann, shared, 'a'));
  const { url: upload } = await target('b', 1);
  await world.pool.query('UPDATE users SET disabled_at = now() WHERE id = $1', [ann.userId]);
  expect([(await fetch(url)).status, (await put(upload, 'x')).status]).toEqual([403, 403]);
  await world.pool.query('DELETE FROM users WHERE id = $1', [ann.userId]);
  expect((await fetch(url)).status).toBe(403);
});

test('bytes that were all there when the server died are found and shown', async () => {
  const { file, url } = await target('whole', 5);
  await world.blobs.put(file.blob, Buffer.from('whole'));
  expect(await offsetOf(url)).toBe(5);
  const [ready] = await world.store.findFiles([file.id]);
  expect(ready).toMatchObject({ status: 'ready', sizeBytes: 5 });
  expect(await (await fetch(linkTo(ready!))).text()).toBe('whole');
});

test('another page may use it only where the configuration says so', async () => {
  const url = linkTo(await world.file(ann, bucketId, 'a'));
  const allowed = async (origin: string, method: string) =>
    (await fetch(url, { method, headers: { origin } })).headers.get('access-control-allow-origin');
  for (const method of ['GET', 'OPTIONS']) {
    expect(await allowed('https://app.example.com', method)).toBe('https://app.example.com');
    expect(await allowed('https://evil.example.com', method)).toBeNull();
    expect(await allowed('null', method)).toBeNull();
  }
});

test('another page that may use it sees where an upload goes on, what was refused and how much more it may ask', async () => {
  const url = linkTo(await world.file(ann, bucketId, 'a'));
  const { headers } = await fetch(url, { headers: { origin: 'https://app.example.com' } });
  const exposed = headers.get('access-control-expose-headers')!.split(', ');
  expect(exposed).toEqual(
    expect.arrayContaining(['etag', 'accept-ranges', 'content-range', 'upload-offset', 'x-request-id']),
  );
  expect(exposed).toEqual(expect.arrayContaining(['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset']));
  expect(exposed).toContain('retry-after');
});

describe.runIf(has('Chromium'))('of a file nothing runs in a browser,', { timeout: 120_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: pathOf('Chromium'),
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
    });
  }, 120_000);
  afterAll(() => browser?.close());

  const script = 'document.title = "ran"; fetch("/ran")';
  const html = `<html><body><script>${script}</script><img src=x onerror='${script}'></body></html>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>${script}</script></svg>`;
  const xml = `<?xml version="1.0"?><x:html xmlns:x="http://www.w3.org/1999/xhtml"><x:script>${script}</x:script></x:html>`;

  const pdf = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\("ran"\\);)>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/AA<</O<</S/URI/URI(/ran)>>>>>>endobj
trailer<</Root 1 0 R>>`;

  test.each([
    ['text/html', html],
    ['application/xhtml+xml', xml],
    ['image/svg+xml', svg],
    ['text/xml', xml],
    ['text/plain', html],
    ['image/png', html],
    ['image/png', svg],
    ['image/png', xml],
    ['image/png', pdf],
    ['application/pdf', pdf],
    ['application/json', html],
    ['text/javascript', script],
    ['application/octet-stream', html],
    ['TEXT/HTML; charset=utf-7', html],
  ])('also not as %s', async (mimeType, text) => {
    const { fileId, blobKey } = await world.reservations.reserve(ann, { bucketId, path: 'x', overwrite: false });
    await world.blobs.put(blobKey, Buffer.from(text));
    const committed = { bytes: Buffer.byteLength(text), sha256: 'ab'.repeat(32), mimeType };
    const url = linkTo(await world.reservations.commit(fileId, committed));
    const seen: string[] = [];
    const note = ({ url: asked }: { url?: string }) => seen.push(String(asked));
    server.on('request', note);
    const page = await browser.newPage();
    // What is saved and not shown ends the navigation.
    await page.goto(url).catch(() => undefined);
    expect(await page.title()).not.toBe('ran');
    // As a script of a page of the same origin, too.
    await page.goto(new URL('/files/public/none', url).href);
    const loaded = await page.evaluate(
      (src) =>
        new Promise((resolve) => {
          const element = Object.assign(document.createElement('script'), { src });
          element.onload = () => resolve('loaded');
          element.onerror = () => resolve('refused');
          document.head.append(element);
        }),
      url,
    );
    expect(loaded).toBe('refused');
    await page.close();
    server.off('request', note);
    expect(seen.filter((path) => path.includes('ran'))).toEqual([]);
    const { headers } = await fetch(url, { method: 'HEAD' });
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('content-disposition')).toMatch(
      ['text/plain', 'image/png', 'application/json'].includes(mimeType) ? /^inline/ : /^attachment/,
    );
  });
});
