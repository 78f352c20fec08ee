import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { createDiskStore } from '../../src/storage/disk.ts';

let directory: string;
let store: BlobStore;
const { signal } = new AbortController();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quarry-test-blobs-'));
  store = createDiskStore({ directory });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const bytes = Buffer.from('some rows');

test('a blob is read as it was written, and is nothing before', async () => {
  expect(await store.get('results/a/1/0-0')).toBeNull();
  await store.put('results/a/1/0-0', bytes);
  expect(await store.get('results/a/1/0-0')).toEqual(bytes);
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-0']);
});

test('a prefix takes everything below it along, and nothing whose name only begins like it', async () => {
  for (const key of ['results/a/1/0-0', 'results/a/1/0-1', 'results/a/10/0-0', 'results/ab/1/0-0'])
    await store.put(key, bytes);
  writeFileSync(join(directory, 'results/a/1/0-2.partial'), 'half');
  await store.deletePrefix('results/a/1', signal);
  expect(readdirSync(join(directory, 'results/a'))).toEqual(['10']);
  await store.deletePrefix('results/a', signal);
  expect(readdirSync(join(directory, 'results'))).toEqual(['ab']);
});

test('the name of one blob is a prefix too', async () => {
  await store.put('results/a/1/0-0', bytes);
  await store.put('results/a/1/0-1', bytes);
  await store.deletePrefix('results/a/1/0-0', signal);
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-1']);
});

test('what is not there is deleted without a word, also by two at once', async () => {
  await store.deletePrefix('results/nothing', signal);
  await Promise.all(Array.from({ length: 200 }, (_, i) => store.put(`results/a/1/0-${i}`, bytes)));
  await Promise.all([store.deletePrefix('results/a', signal), store.deletePrefix('results/a', signal)]);
  expect(readdirSync(join(directory, 'results'))).toEqual([]);
});

test('a folder that another process deleted is made anew', async () => {
  await store.put('results/a/1/0-0', bytes);
  await createDiskStore({ directory }).deletePrefix('results/a', signal);
  await store.put('results/a/1/0-1', bytes);
  expect(await store.get('results/a/1/0-1')).toEqual(bytes);
});

test.each(['', '/', '..', 'results/../..', 'results/', 'Results', 'a.b'])(
  'the prefix “%s” deletes nothing',
  async (prefix) => {
    await store.put('results/a/1/0-0', bytes);
    await expect(store.deletePrefix(prefix, signal)).rejects.toThrow('not a key');
    expect(existsSync(join(directory, 'results/a/1/0-0'))).toBe(true);
  },
);

test('who is stopped deletes nothing more', async () => {
  await store.put('results/a/1/0-0', bytes);
  await expect(store.deletePrefix('results/a', AbortSignal.abort())).rejects.toThrow();
  expect(await store.get('results/a/1/0-0')).toEqual(bytes);
});

test('a disk that is full is told as such, and leaves no half of a blob', async () => {
  await store.put('results/a/1/0-0', bytes);
  symlinkSync('/dev/full', join(directory, 'results/a/1/0-1.partial'));
  await expect(store.put('results/a/1/0-1', bytes)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-0']);
});
