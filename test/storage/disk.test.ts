import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { createDiskStore } from '../../src/storage/disk.ts';
import { describeStorage } from './describe-storage.ts';
import { filled } from './filled.ts';

const run = promisify(execFile);

let directory: string;
let store: BlobStore;
const { signal } = new AbortController();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quarry-test-blobs-'));
  store = createDiskStore({ directory });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const bytes = Buffer.from('some rows');

describeStorage('a disk', async () => {
  const root = mkdtempSync(join(tmpdir(), 'quarry-test-blobs-'));
  return {
    store: createDiskStore({ directory: root }),
    other: createDiskStore({ directory: root }),
    place: { kind: 'file', directory: root },
    [Symbol.asyncDispose]: async () => rmSync(root, { recursive: true, force: true }),
  };
});

test('a folder has nothing but its blobs, and no others may look into it', async () => {
  await store.put('results/a/1/0-0', bytes);
  await using writing = await store.upload('results/a/1/0-1', signal);
  await writing.write(bytes);
  await writing.finish();
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-0', '0-1']);
  expect(statSync(join(directory, 'results/a/1/0-1')).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, 'results/a')).mode & 0o777).toBe(0o700);
});

test('what a killed process left half-written is listed, and goes with its prefix', async () => {
  await store.put('results/a/1/0-0', bytes);
  for (const name of ['0-0.partial', '0-1.partial', '0-2.upload', 'README.md']) {
    writeFileSync(join(directory, 'results/a/1', name), 'half');
  }
  expect((await Array.fromAsync(store.list('results', signal))).map(({ key, partial }) => [key, partial])).toEqual([
    ['results/a/1/0-0', undefined],
    ['results/a/1/0-0', true],
    ['results/a/1/0-1', true],
    ['results/a/1/0-2', true],
  ]);
  await store.deletePrefix('results/a/1/0-0', signal);
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-1.partial', '0-2.upload', 'README.md']);
  await store.deletePrefix('results/a', signal);
  expect(readdirSync(join(directory, 'results'))).toEqual([]);
});

test('a folder that another process deleted is made anew', async () => {
  await store.put('results/a/1/0-0', bytes);
  await createDiskStore({ directory }).deletePrefix('results/a', signal);
  await store.put('results/a/1/0-1', bytes);
  expect(await store.get('results/a/1/0-1')).toEqual(bytes);
});

test('a disk that is full is told as such, and leaves no half of a blob', async () => {
  await store.put('results/a/1/0-0', bytes);
  symlinkSync('/dev/full', join(directory, 'results/a/1/0-1.partial'));
  await expect(store.put('results/a/1/0-1', bytes)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-0']);
});

test('an upload to a disk that is full is told as such', async () => {
  await store.put('results/a/1/0-0', bytes);
  symlinkSync('/dev/full', join(directory, 'results/a/1/0-1.upload'));
  await using writing = await store.upload('results/a/1/0-1', signal);
  await writing.write(bytes);
  for (let i = 0; i < 3; i += 1) await expect(writing.finish()).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(writing.offset).toBe(0);
  expect(await store.get('results/a/1/0-1')).toBeNull();
});

test('what was taken before an upload is left is kept to the last byte', async () => {
  const stopping = new AbortController();
  {
    await using writing = await store.upload('files/a', stopping.signal);
    await writing.write(bytes);
    stopping.abort();
  }
  expect(await store.uploadOffset('files/a')).toBe(bytes.length);
});

test('an upload keeps what a disk took before it was full, and goes on when it has room', async (context) => {
  const mount = (options: string) => run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
  const mounted = await mount('size=5m').then(
    () => true,
    () => false,
  );
  if (!mounted) return context.skip('this machine mounts no tmpfs');
  try {
    const whole = filled(9 * 2 ** 20);
    {
      await using writing = await store.upload('files/a', signal);
      await expect(writing.write(whole)).rejects.toMatchObject({ code: 'ENOSPC' });
      expect(writing.offset).toBeGreaterThan(4 * 2 ** 20);
      expect(await store.uploadOffset('files/a')).toBe(writing.offset);
      await expect(store.put('files/b', whole)).rejects.toMatchObject({ code: 'ENOSPC' });
      await mount('remount,size=7m');
      await expect(writing.finish()).rejects.toMatchObject({ code: 'ENOSPC' });
      await expect(writing.write(whole.subarray(writing.offset))).rejects.toMatchObject({ code: 'ENOSPC' });
    }
    await mount('remount,size=12m');
    await using next = await store.upload('files/a', signal);
    expect(next.offset).toBeGreaterThan(6 * 2 ** 20);
    await next.write(whole.subarray(next.offset));
    const sha256 = createHash('sha256').update(whole).digest('hex');
    expect(await next.finish()).toEqual({ bytes: whole.length, sha256 });
    expect(readdirSync(join(directory, 'files'))).toEqual(['a']);
  } finally {
    await run('umount', [directory]);
  }
});

test('an upload whose folder was deleted fails, and leaves nothing', async () => {
  await using writing = await store.upload('results/a/1/0-0', signal);
  await writing.write(bytes);
  await createDiskStore({ directory }).deletePrefix('results/a', signal);
  await expect(writing.finish()).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await store.get('results/a/1/0-0')).toBeNull();
  await using next = await store.upload('results/a/1/0-0', signal);
  expect(next.offset).toBe(0);
});

test('a folder that cannot be written to is told before anything is', async () => {
  writeFileSync(join(directory, 'file'), '');
  await expect(createDiskStore({ directory: join(directory, 'file') }).check()).rejects.toMatchObject({
    code: 'EEXIST',
  });
});
