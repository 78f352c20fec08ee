/** What every driver of the blob store has to do, whatever it stands on. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BlobEntry, BlobStore } from '../../src/storage/blob-store.ts';
import { bytesOf } from './bytes-of.ts';
import { filled } from './filled.ts';
import { uploadInProcess } from './upload-in-process.ts';

export interface OpenedStorage extends AsyncDisposable {
  store: BlobStore;
  /** The same blobs as another process sees them. */
  other: BlobStore;
  /** For run-upload.ts, as JSON. */
  place: object;
}

const MiB = 2 ** 20;
/** What an upload may have taken without having made it safe, whatever the driver. */
const maxUnsafeBytes = 8 * MiB;

const { signal } = new AbortController();
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const text = (words: string) => Buffer.from(words);

export function describeStorage(name: string, open: () => Promise<OpenedStorage>): void {
  describe(name, () => {
    let opened: OpenedStorage;
    let store: BlobStore;
    let other: BlobStore;
    let folders = 0;
    /** A folder for each test, so that none sees another's blobs. */
    const folder = () => {
      folders += 1;
      return `suite/t${folders}`;
    };

    beforeAll(async () => {
      opened = await open();
      ({ store, other } = opened);
    });
    afterAll(() => opened?.[Symbol.asyncDispose]());

    async function rangeOf(key: string, range: { start?: number; end?: number } = {}): Promise<Buffer | null> {
      const reading = await store.read(key, range, signal);
      return reading && bytesOf(reading);
    }

    async function listed(prefix: string): Promise<BlobEntry[]> {
      return Array.fromAsync(store.list(prefix, signal));
    }

    async function upload(key: string, ...pieces: Uint8Array[]) {
      await using writing = await store.upload(key, signal);
      for (const piece of pieces) await writing.write(piece);
      return writing.finish();
    }

    test('a blob is read as it was written, and is nothing before', async () => {
      const key = `${folder()}/a`;
      expect(await store.get(key)).toBeNull();
      expect(await rangeOf(key)).toBeNull();
      expect(await store.size(key)).toBeNull();
      await store.put(key, text('some rows'));
      expect(await store.get(key)).toEqual(text('some rows'));
      expect(await rangeOf(key)).toEqual(text('some rows'));
      expect(await other.size(key)).toBe(9);
    });

    test('a folder of blobs is not itself a blob', async () => {
      const key = folder();
      await store.put(`${key}/a`, text('some rows'));
      expect(await store.get(key)).toBeNull();
      expect(await rangeOf(key)).toBeNull();
      expect(await store.size(key)).toBeNull();
      expect(await store.get(`${key}/a/below`)).toBeNull();
    });

    test.each([
      [{}, '0123456789'],
      [{ start: 0, end: 0 }, '0'],
      [{ start: 3 }, '3456789'],
      [{ end: 3 }, '0123'],
      [{ start: 3, end: 5 }, '345'],
      [{ start: 9, end: 99 }, '9'],
      [{ start: 10 }, ''],
      [{ start: 99, end: 200 }, ''],
    ])('the range %o of ten digits is “%s”', async (range, expected) => {
      const key = `${folder()}/a`;
      await store.put(key, text('0123456789'));
      expect(String(await rangeOf(key, range))).toBe(expected);
    });

    test.each([{ start: -1 }, { start: 5, end: 4 }, { end: -1 }, { start: 0.5 }, { start: Number.NaN }])(
      'the range %o is refused',
      async (range) => {
        const key = `${folder()}/a`;
        await store.put(key, text('0123456789'));
        await expect(store.read(key, range, signal)).rejects.toThrow(RangeError);
      },
    );

    test('an empty blob is there, and empty', async () => {
      const key = `${folder()}/a`;
      await store.put(`${key}-put`, Buffer.alloc(0));
      const finished = await upload(key);
      expect(finished).toEqual({ bytes: 0, sha256: sha256(Buffer.alloc(0)) });
      for (const one of [key, `${key}-put`]) {
        expect(await store.size(one)).toBe(0);
        expect(await store.get(one)).toEqual(Buffer.alloc(0));
        expect(await rangeOf(one)).toEqual(Buffer.alloc(0));
        expect(await rangeOf(one, { start: 0, end: 5 })).toEqual(Buffer.alloc(0));
      }
    });

    test('an upload is visible when it is finished, whole, and not before', async () => {
      const key = `${folder()}/a`;
      const bytes = filled(20 * MiB + 12_345);
      await using writing = await store.upload(key, signal);
      expect(writing.offset).toBe(0);
      for (let at = 0; at < bytes.length; at += 3 * MiB) await writing.write(bytes.subarray(at, at + 3 * MiB));
      expect(await other.size(key)).toBeNull();
      expect(await other.get(key)).toBeNull();
      expect(await writing.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
      expect(await other.size(key)).toBe(bytes.length);
      expect(bytes.equals(await bytesOf(await store.read(key, {}, signal)))).toBe(true);
      const range = { start: 8 * MiB - 7, end: 16 * MiB + 7 };
      expect(
        bytes.subarray(range.start, range.end + 1).equals(await bytesOf(await store.read(key, range, signal))),
      ).toBe(true);
    });

    test('bytes that were taken may be overwritten by their owner', async () => {
      const key = `${folder()}/a`;
      await using writing = await store.upload(key, signal);
      const own = text('first,');
      await writing.write(own);
      own.write('second');
      await writing.write(own);
      await writing.finish();
      expect(String(await store.get(key))).toBe('first,second');
    });

    test('an upload that was left goes on where it is safe, and its sum is over all bytes', async () => {
      const key = `${folder()}/a`;
      const bytes = filled(19 * MiB);
      {
        await using first = await store.upload(key, signal);
        await first.write(bytes.subarray(0, 17 * MiB));
      }
      expect(await store.size(key)).toBeNull();
      const safe = await other.uploadOffset(key);
      expect(safe).toBe(17 * MiB);
      await using second = await other.upload(key, signal);
      expect(second.offset).toBe(safe);
      await second.write(bytes.subarray(second.offset));
      expect(await second.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
      expect(bytes.equals(await bytesOf(await store.read(key, {}, signal)))).toBe(true);
      expect(await store.uploadOffset(key)).toBeNull();
    });

    test('an upload that begins anew has nothing of the one that was left, and nothing stays of that', async () => {
      const key = `${folder()}/a`;
      for (const left of [9 * MiB, 5]) {
        await using writing = await store.upload(key, signal, { anew: true });
        expect(writing.offset).toBe(0);
        await writing.write(filled(left));
      }
      expect(await other.uploadOffset(key)).toBe(5);
      await using anew = await other.upload(key, signal, { anew: true });
      await anew.write(text('some rows'));
      expect(await anew.finish()).toEqual({ bytes: 9, sha256: sha256(text('some rows')) });
      expect(await listed(key)).toMatchObject([{ key }]);
      expect(await store.uploadOffset(key)).toBeNull();
    });

    test('an upload goes on where its process was killed', async () => {
      const key = `${folder()}/a`;
      const bytes = filled(20 * MiB);
      await using uploading = uploadInProcess(opened.place, key, bytes.length, 'hold');
      await uploading.line(({ safe = 0 }) => safe > 9 * MiB);
      await uploading.kill();
      expect(await store.size(key)).toBeNull();
      expect((await listed(key)).map(({ partial }) => partial)).toEqual([true]);
      await using next = await store.upload(key, signal);
      expect(next.offset).toBeGreaterThan(9 * MiB);
      await next.write(bytes.subarray(next.offset));
      expect(await next.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
      expect(bytes.equals(await bytesOf(await store.read(key, {}, signal)))).toBe(true);
    });

    test('a writer that was held up for too long fails when he comes back, and the blob is the next one’s', async () => {
      const key = `${folder()}/a`;
      await using uploading = uploadInProcess(opened.place, key, 150 * MiB);
      await uploading.line(({ safe = 0 }) => safe > 9 * MiB);
      uploading.pause();
      await using next = await store.upload(key, signal);
      const { offset } = next;
      expect(offset).toBeGreaterThan(9 * MiB);
      const others = Buffer.alloc(9 * MiB, 'x');
      await next.write(others);
      const bytes = Buffer.concat([filled(offset), others]);
      expect(await next.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
      uploading.goOn();
      expect(await uploading.failed()).toBe(true);
      expect(bytes.equals(await bytesOf(await other.read(key, {}, signal)))).toBe(true);
    });

    test('a small upload that comes late fails, and the blob is that of the next one', async () => {
      const key = `${folder()}/a`;
      for (const before of [null, text('before')]) {
        if (before) await store.put(key, before);
        await using late = await store.upload(key, signal);
        await late.write(text('late'));
        await using next = await other.upload(key, signal, { anew: true });
        await next.write(text('next'));
        expect(await next.finish()).toMatchObject({ sha256: sha256(text('next')) });
        await expect(late.finish()).rejects.toMatchObject({ code: 'CONFLICT' });
        await late.abandon();
        expect(String(await store.get(key))).toBe('next');
      }
    });

    test('an upload takes no more memory the larger it is', async () => {
      const key = `${folder()}/a`;
      await using uploading = uploadInProcess(opened.place, key, 150 * MiB);
      const { bytes, memoryBytes } = await uploading.line((line) => 'sha256' in line);
      expect(bytes).toBe(150 * MiB);
      // Buffers on their way and what no collection has taken yet are some 20 MiB of any upload; one that kept its bytes has 150.
      expect(memoryBytes).toBeLessThan(75 * MiB);
    });

    test('an upload that is left after every piece comes forward, however small the pieces are', async () => {
      const key = `${folder()}/a`;
      const bytes = filled(21 * MiB + 5);
      for (let at = 0; at < bytes.length; at += 3 * MiB) {
        await using writing = await (at % (6 * MiB) ? other : store).upload(key, signal);
        expect(writing.offset).toBe(at);
        await writing.write(bytes.subarray(at, at + 3 * MiB));
      }
      expect((await listed(key)).map(({ partial }) => partial)).toEqual([true]);
      await using last = await store.upload(key, signal);
      expect(await last.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
      expect(bytes.equals(await bytesOf(await store.read(key, {}, signal)))).toBe(true);
      expect(await store.uploadOffset(key)).toBeNull();
      expect(await listed(key)).toHaveLength(1);
    });

    test('a small upload that was left is found, listed, and goes with its prefix', async () => {
      const prefix = folder();
      for (const key of [`${prefix}/a`, `${prefix}/b/c`]) {
        await using left = await store.upload(key, signal);
        await left.write(text('half'));
      }
      expect(await other.uploadOffset(`${prefix}/a`)).toBe(4);
      expect((await listed(prefix)).map(({ key, partial }) => [key, partial])).toEqual([
        [`${prefix}/a`, true],
        [`${prefix}/b/c`, true],
      ]);
      {
        await using next = await other.upload(`${prefix}/a`, signal);
        expect(next.offset).toBe(4);
        await next.abandon();
      }
      await store.deletePrefix(`${prefix}/b`, signal);
      expect(await listed(prefix)).toEqual([]);
      expect(await store.uploadOffset(`${prefix}/b/c`)).toBeNull();
    });

    test('pieces of any size come to the same', async () => {
      const bytes = filled(9 * MiB + 1);
      for (const piece of [MiB / 2, 3 * MiB - 1, 65_535]) {
        const key = `${folder()}/a`;
        await using writing = await store.upload(key, signal);
        for (let at = 0; at < bytes.length; at += piece) await writing.write(bytes.subarray(at, at + piece));
        expect(await writing.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
        expect(bytes.equals(await bytesOf(await store.read(key, {}, signal)))).toBe(true);
      }
    });

    test('an upload that was left with nothing in it has never been', async () => {
      const key = `${folder()}/a`;
      await (await store.upload(key, signal))[Symbol.asyncDispose]();
      expect(await store.uploadOffset(key)).toBeNull();
      expect(await listed(key)).toEqual([]);
    });

    test('finished twice is finished once', async () => {
      const key = `${folder()}/a`;
      await using writing = await store.upload(key, signal);
      await writing.write(text('some rows'));
      const finished = await writing.finish();
      expect(await writing.finish()).toEqual(finished);
      await writing.abandon();
      await expect(writing.write(text('more'))).rejects.toThrow();
      expect(String(await store.get(key))).toBe('some rows');
    });

    test('of an upload that was abandoned nothing is left', async () => {
      const key = `${folder()}/a`;
      const writing = await store.upload(key, signal);
      await writing.write(filled(9 * MiB));
      await writing.abandon();
      await writing.abandon();
      expect(await store.uploadOffset(key)).toBeNull();
      expect(await listed(key)).toEqual([]);
      await expect(writing.write(text('more'))).rejects.toThrow();
      await expect(writing.finish()).rejects.toThrow();
      await using next = await store.upload(key, signal);
      expect(next.offset).toBe(0);
    });

    test('what is replaced stays until the upload is finished, and an abandoned one leaves it', async () => {
      const key = `${folder()}/a`;
      await store.put(key, text('old'));
      const abandoned = await store.upload(key, signal);
      await abandoned.write(text('never'));
      await abandoned.abandon();
      await using writing = await store.upload(key, signal);
      await writing.write(text('new rows'));
      expect(String(await store.get(key))).toBe('old');
      await writing.finish();
      expect(String(await store.get(key))).toBe('new rows');
      expect(await upload(key, text('newer'))).toMatchObject({ bytes: 5 });
    });

    test('who reads while it is replaced or deleted reads what he opened', async () => {
      const key = `${folder()}/a`;
      const old = filled(4 * MiB);
      await upload(key, old);
      const [first, second] = [await store.read(key, {}, signal), await store.read(key, {}, signal)];
      await upload(key, text('new'));
      expect(old.equals(await bytesOf(first))).toBe(true);
      await store.deletePrefix(key, signal);
      expect(old.equals(await bytesOf(second))).toBe(true);
      expect(await store.get(key)).toBeNull();
    });

    test('a write waits until no more is unsafe than the store may hold', async () => {
      const key = `${folder()}/a`;
      await using writing = await store.upload(key, signal);
      const piece = filled(MiB);
      for (let taken = MiB; taken <= 20 * MiB; taken += MiB) {
        await writing.write(piece);
        expect(taken - writing.offset).toBeLessThan(maxUnsafeBytes);
      }
      const { offset } = writing;
      expect(await other.uploadOffset(key)).toBeGreaterThanOrEqual(offset);
    });

    test('a write in the middle of another is refused, and the first one is whole', async () => {
      const key = `${folder()}/a`;
      const bytes = filled(9 * MiB);
      await using writing = await store.upload(key, signal);
      const first = writing.write(bytes);
      await expect(writing.write(text('more'))).rejects.toThrow('one write at a time');
      await expect(writing.finish()).rejects.toThrow('one write at a time');
      await first;
      expect(await writing.finish()).toEqual({ bytes: bytes.length, sha256: sha256(bytes) });
    });

    test('an upload that is stopped takes no more, keeps what is safe and can be abandoned', async () => {
      const key = `${folder()}/a`;
      const stopping = new AbortController();
      const writing = await store.upload(key, stopping.signal);
      await writing.write(filled(9 * MiB));
      const { offset } = writing;
      expect(offset).toBeGreaterThan(0);
      stopping.abort(new Error('cancelled'));
      await expect(writing.write(text('more'))).rejects.toThrow('cancelled');
      await expect(writing.finish()).rejects.toThrow('cancelled');
      expect(await other.uploadOffset(key)).toBeGreaterThanOrEqual(offset);
      await writing.abandon();
      expect(await other.uploadOffset(key)).toBeNull();
      await expect(store.upload(key, stopping.signal)).rejects.toThrow('cancelled');
    });

    test('a read that is stopped ends with an error, before it began too', async () => {
      const key = `${folder()}/a`;
      await upload(key, filled(9 * MiB));
      const stopping = new AbortController();
      const stream = await store.read(key, {}, stopping.signal);
      const reading = bytesOf(stream);
      stopping.abort();
      await expect(reading).rejects.toThrow();
      await expect(store.read(key, {}, stopping.signal)).rejects.toThrow();
    });

    test('a list has what is below the prefix in the order of the keys, with what is unfinished', async () => {
      const prefix = folder();
      const keys = ['b/1', 'b/10', 'b/2', 'b-1', 'a', 'c/d/e', 'c/d-e'].map((key) => `${prefix}/${key}`);
      const before = Date.now();
      for (const key of keys) await store.put(key, text('some rows'));
      await store.put(`${prefix}0/a`, text('some rows'));
      for (const key of [`${prefix}/b/15`, `${prefix}/a`]) {
        await using left = await store.upload(key, signal);
        await left.write(filled(9 * MiB));
      }
      const found = await listed(prefix);
      expect(found.map(({ key, partial }) => `${key.slice(prefix.length)}${partial ? ' partial' : ''}`)).toEqual([
        ...['/a', '/a partial', '/b-1', '/b/1', '/b/10', '/b/15 partial', '/b/2', '/c/d-e', '/c/d/e'],
      ]);
      // S3 tells whole seconds.
      for (const { modifiedAt } of found) expect(modifiedAt.getTime()).toBeGreaterThan(before - 2_000);
      expect((await listed(`${prefix}/c`)).map(({ key }) => key)).toEqual([`${prefix}/c/d-e`, `${prefix}/c/d/e`]);
      expect((await listed(`${prefix}/b-1`)).map(({ key }) => key)).toEqual([`${prefix}/b-1`]);
      expect(await listed(`${prefix}/nothing`)).toEqual([]);
      await expect(Array.fromAsync(store.list(prefix, AbortSignal.abort()))).rejects.toThrow();
    });

    test('a prefix takes everything below it along, and nothing whose name only begins like it', async () => {
      const prefix = folder();
      for (const key of ['a/1/x', 'a/1/y', 'a/10/x', 'ab/1']) await store.put(`${prefix}/${key}`, text('some rows'));
      for (const key of ['a/1/z', 'ab/2']) {
        await using left = await store.upload(`${prefix}/${key}`, signal);
        await left.write(filled(9 * MiB));
      }
      const left = async () => (await listed(prefix)).map(({ key }) => key.slice(prefix.length + 1));
      await store.deletePrefix(`${prefix}/a/1`, signal);
      expect(await left()).toEqual(['a/10/x', 'ab/1', 'ab/2']);
      await store.deletePrefix(`${prefix}/a`, signal);
      expect(await left()).toEqual(['ab/1', 'ab/2']);
      await store.deletePrefix(`${prefix}/ab/1`, signal);
      await store.deletePrefix(`${prefix}/ab/2`, signal);
      expect(await left()).toEqual([]);
      await store.deletePrefix(prefix, signal);
    });

    test('more blobs than a page holds are listed and deleted, by two at once', async () => {
      const prefix = folder();
      const keys = Array.from({ length: 1_100 }, (_, i) => `${prefix}/a/${String(i).padStart(4, '0')}`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, text('some rows'))));
      }
      expect((await listed(prefix)).map(({ key }) => key)).toEqual(keys);
      await Promise.all([store.deletePrefix(prefix, signal), other.deletePrefix(prefix, signal)]);
      expect(await listed(prefix)).toEqual([]);
    });

    test('who is stopped deletes nothing more', async () => {
      const key = `${folder()}/a`;
      await store.put(key, text('some rows'));
      await expect(store.deletePrefix(key, AbortSignal.abort())).rejects.toThrow();
      expect(await store.size(key)).toBe(9);
    });

    test.each(['', '/', '..', 'suite/../..', 'suite/', '/suite', 'Suite', 'a.b', 'a//b', 'a\0', 'ä', 'a\n'])(
      'the name %j is not of our making: nothing is done under it',
      async (key) => {
        const refused = 'not a key';
        await expect(store.put(key, text('x'))).rejects.toThrow(refused);
        await expect(store.get(key)).rejects.toThrow(refused);
        await expect(store.read(key, {}, signal)).rejects.toThrow(refused);
        await expect(store.size(key)).rejects.toThrow(refused);
        await expect(listed(key)).rejects.toThrow(refused);
        await expect(store.upload(key, signal)).rejects.toThrow(refused);
        await expect(store.uploadOffset(key)).rejects.toThrow(refused);
        await expect(store.deletePrefix(key, signal)).rejects.toThrow(refused);
      },
    );

    test('a store that works says so', async () => {
      await store.check();
    });
  });
}
