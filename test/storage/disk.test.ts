import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { createDiskStore } from '../../src/storage/disk.ts';
import { createOwnWriter } from '../../src/storage/disk-writer.ts';
import { mountSmallDisk, noSmallDisk } from '../support/small-disk.ts';
import { describeStorage } from './describe-storage.ts';
import { filled } from './filled.ts';
import { uploadInProcess } from './upload-in-process.ts';

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

describeStorage('a disk of a process that writes by itself', async () => {
  const root = mkdtempSync(join(tmpdir(), 'quarry-test-blobs-'));
  return {
    store: createDiskStore({ directory: root, writer: createOwnWriter() }),
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
  mkdirSync(join(directory, 'results/a/1/0-2.upload'));
  for (const name of ['0-0.partial', '0-1.partial', '0-2.upload/1.held', 'README.md']) {
    writeFileSync(join(directory, 'results/a/1', name), 'half');
  }
  mkdirSync(join(directory, 'results/a/1/0-3.upload'));
  expect((await Array.fromAsync(store.list('results', signal))).map(({ key, partial }) => [key, partial])).toEqual([
    ['results/a/1/0-0', undefined],
    ['results/a/1/0-0', true],
    ['results/a/1/0-1', true],
    ['results/a/1/0-2', true],
    ['results/a/1/0-3', true],
  ]);
  expect(await store.uploadOffset('results/a/1/0-2')).toBe(4);
  await store.deletePrefix('results/a/1/0-0', signal);
  expect(readdirSync(join(directory, 'results/a/1'))).toEqual(['0-1.partial', '0-2.upload', '0-3.upload', 'README.md']);
  await store.deletePrefix('results/a', signal);
  expect(readdirSync(join(directory, 'results'))).toEqual([]);
});

test('a link that somebody has put among the blobs is deleted, and what it leads to never is', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'quarry-test-outside-'));
  try {
    writeFileSync(join(outside, 'secret'), bytes);
    await store.put('files/real', bytes);
    symlinkSync(outside, join(directory, 'files/folder'));
    symlinkSync(join(outside, 'secret'), join(directory, 'files/blob'));
    symlinkSync(outside, join(directory, 'files/begun.upload'));
    // What is below a link is not found by the sweeper, so that nothing of it becomes trash.
    expect((await Array.fromAsync(store.list('files', signal))).map(({ key }) => key)).not.toContain(
      'files/folder/secret',
    );
    for (const key of ['files/folder', 'files/blob', 'files/begun']) await store.deletePrefix(key, signal);
    expect(readdirSync(join(directory, 'files'))).toEqual(['real']);
    await store.put('files/blob', Buffer.from('ours'));
    expect(readFileSync(join(outside, 'secret')).equals(bytes)).toBe(true);
    expect(readdirSync(outside)).toEqual(['secret']);
  } finally {
    rmSync(outside, { recursive: true });
  }
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
  mkdirSync(join(directory, 'results/a/1/0-1.upload'), { recursive: true });
  symlinkSync('/dev/full', join(directory, 'results/a/1/0-1.upload/1'));
  await using writing = await store.upload('results/a/1/0-1', signal);
  await writing.write(bytes);
  for (let i = 0; i < 3; i += 1) await expect(writing.finish()).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(writing.offset).toBe(0);
  expect(await store.get('results/a/1/0-1')).toBeNull();
});

test('what was taken before an upload is left is kept to the last byte, and not after it was stopped', async () => {
  const stopping = new AbortController();
  for (const { signal: its, kept } of [
    { signal, kept: bytes.length },
    { signal: stopping.signal, kept: bytes.length },
  ]) {
    await using writing = await store.upload('files/a', its);
    await writing.write(bytes);
    if (its !== signal) stopping.abort();
    await writing[Symbol.asyncDispose]();
    expect(await store.uploadOffset('files/a')).toBe(kept);
  }
});

test('an upload that was left is gone on with as it is, one that may still be held as a copy, and half a copy not at all', async () => {
  const folder = join(directory, 'files/a.upload');
  const left = async () => {
    await using writing = await store.upload('files/a', signal);
    await writing.write(bytes);
  };
  await left();
  const { ino } = statSync(join(folder, '1'));
  await left();
  expect(readdirSync(folder)).toEqual(['2']);
  expect(statSync(join(folder, '2')).ino).toBe(ino);
  renameSync(join(folder, '2'), join(folder, '2.held'));
  writeFileSync(join(folder, '3.held.copy'), 'half');
  expect(await store.uploadOffset('files/a')).toBe(2 * bytes.length);
  await left();
  expect(readdirSync(folder)).toEqual(['3']);
  expect(statSync(join(folder, '3')).ino).not.toBe(ino);
  expect(String(readFileSync(join(folder, '3')))).toBe('some rowssome rowssome rows');
});

test('a writer that comes back while the next one writes changes nothing of what is his', async () => {
  await using uploading = uploadInProcess({ kind: 'file', directory }, 'files/a', 150 * 2 ** 20);
  await uploading.line(({ safe = 0 }) => safe > 9 * 2 ** 20);
  uploading.pause();
  await using next = await store.upload('files/a', signal);
  const { offset } = next;
  uploading.goOn();
  expect(await uploading.failed()).toBe(true);
  const others = Buffer.alloc(9 * 2 ** 20, 'x');
  await next.write(others);
  await next.finish();
  const expected = Buffer.concat([filled(offset), others]);
  expect(expected.equals((await store.get('files/a')) ?? bytes)).toBe(true);
  expect(readdirSync(join(directory, 'files')).filter((name) => !name.endsWith('-warm'))).toEqual(['a']);
});

test('a file that is not as it was written is not shown', async () => {
  await using writing = await store.upload('files/a', signal);
  await writing.write(filled(3 * 2 ** 20));
  await expect.poll(() => writing.offset).toBe(3 * 2 ** 20);
  const [held = ''] = readdirSync(join(directory, 'files/a.upload'));
  appendFileSync(join(directory, 'files/a.upload', held), 'more');
  await expect(writing.finish()).rejects.toThrow('3145732 bytes where 3145728 were written');
  truncateSync(join(directory, 'files/a.upload', held), 5);
  await expect(writing.finish()).rejects.toThrow('5 bytes where 3145728 were written');
  expect(await store.get('files/a')).toBeNull();
});

test('an upload keeps what a disk took before it was full, and goes on when it has room', async (context) => {
  await using disk = await mountSmallDisk(directory, '5m');
  if (!disk) return context.skip(noSmallDisk);
  const whole = filled(9 * 2 ** 20);
  {
    await using writing = await store.upload('files/a', signal);
    const bring = async (bytes: Buffer) => {
      await writing.write(bytes);
      await writing.finish();
    };
    await expect(bring(whole)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(writing.offset).toBeGreaterThan(4 * 2 ** 20);
    expect(await store.uploadOffset('files/a')).toBe(writing.offset);
    await expect(store.put('files/b', whole)).rejects.toMatchObject({ code: 'ENOSPC' });
    await disk.resize('7m');
    await expect(writing.finish()).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(bring(whole.subarray(writing.offset))).rejects.toMatchObject({ code: 'ENOSPC' });
  }
  await disk.resize('12m');
  await using next = await store.upload('files/a', signal);
  expect(next.offset).toBeGreaterThan(6 * 2 ** 20);
  await next.write(whole.subarray(next.offset));
  const sha256 = createHash('sha256').update(whole).digest('hex');
  expect(await next.finish()).toEqual({ bytes: whole.length, sha256 });
  expect(readdirSync(join(directory, 'files'))).toEqual(['a']);
});

test('an upload whose process was killed goes on, begins anew and is swept on a disk that has no room for a copy', async (context) => {
  await using disk = await mountSmallDisk(directory, '24m');
  if (!disk) return context.skip(noSmallDisk);
  const MiB = 2 ** 20;
  const folder = join(directory, 'files/a.upload');
  const place = { kind: 'file', directory };
  {
    await using uploading = uploadInProcess(place, 'files/a', 16 * MiB, 'hold');
    await uploading.line(({ written }) => written === 16 * MiB);
    await expect.poll(() => store.uploadOffset('files/a')).toBe(16 * MiB);
  }
  // What the ones before him left when they died in the middle of a copy.
  writeFileSync(join(folder, '2.held.copy'), filled(6 * MiB));
  const [held = ''] = readdirSync(folder).filter((name) => name.endsWith('.held'));
  const { ino } = statSync(join(folder, held));
  const whole = filled(20 * MiB);
  {
    await using next = await store.upload('files/a', signal);
    expect(next.offset).toBe(16 * MiB);
    expect(readdirSync(folder).map((name) => statSync(join(folder, name)).ino)).toEqual([ino]);
    await next.write(whole.subarray(next.offset));
  }
  // Nobody knows of this one whether he lives.
  renameSync(join(folder, '2'), join(folder, '2.held'));
  await expect(store.upload('files/a', signal)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(readdirSync(folder)).toEqual(['2.held']);
  await using anew = await store.upload('files/a', signal, { anew: true });
  expect(anew.offset).toBe(0);
  await anew.write(whole);
  expect(await anew.finish()).toMatchObject({ bytes: whole.length });
  expect(whole.equals(await readFile(join(directory, 'files/a')))).toBe(true);
});

test('of whom it is not sure that he is dead, what he writes is copied: he lives, or is another machine’s', async () => {
  const folder = join(directory, 'files/a.upload');
  await using alive = await store.upload('files/a', signal);
  await alive.write(bytes);
  const [own = ''] = readdirSync(folder);
  const [, boot, space, pid, start] = /^1\.([0-9a-f]+)-(\d+)-(\d+)-(\d+)\.held$/.exec(own) ?? [];
  expect(Number(pid)).toBe(process.pid);
  const isTaken = async (holder: string) => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    writeFileSync(join(folder, `1.${holder}.held`), bytes);
    const { ino } = statSync(join(folder, `1.${holder}.held`));
    await using next = await store.upload('files/a', signal);
    expect(next.offset).toBe(bytes.length);
    return readdirSync(folder).some((name) => statSync(join(folder, name)).ino === ino);
  };
  const dead = 2 ** 22 + 1; // more than any pid
  expect(await isTaken(`${boot}-${space}-${pid}-${start}`)).toBe(false);
  expect(await isTaken(`0123456789ab-${space}-${dead}-${start}`)).toBe(false);
  expect(await isTaken(`${boot}-1-${dead}-${start}`)).toBe(false);
  expect(await isTaken('unknown')).toBe(false);
  expect(await isTaken(`${boot}-${space}-${dead}-${start}`)).toBe(true);
  // His number is another's by now.
  expect(await isTaken(`${boot}-${space}-${pid}-1`)).toBe(true);
});

test('an upload whose folder was deleted fails, and leaves nothing', async () => {
  await using writing = await store.upload('results/a/1/0-0', signal);
  await writing.write(bytes);
  await createDiskStore({ directory }).deletePrefix('results/a', signal);
  await expect(writing.finish()).rejects.toMatchObject({ code: 'CONFLICT' });
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
