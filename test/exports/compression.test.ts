/** Compression: what goes in comes out of a reader of that format, at the pace of the sink below. */
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type CompressionName, compressions, compressTo } from '../../src/exports/compression.ts';
import { csv } from '../../src/exports/csv.ts';
import type { Sink } from '../../src/exports/format.ts';
import { memorySink, textColumns, writeTo } from './write.ts';

const readers = { gzip: promisify(gunzip), zstd: promisify(zstdDecompress) };
const never = () => ({ signal: new AbortController().signal });
/** Does not get smaller. */
const noise = (bytes: number) => {
  let state = 1;
  return Uint8Array.from({ length: bytes }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state & 255;
  });
};

/** Takes nothing until it is let go. */
function heldSink() {
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const kept = memorySink();
  let writing = 0;
  const sink: Sink = {
    async write(bytes) {
      expect(++writing).toBe(1);
      await kept.write(bytes);
      held.resolve();
      await release.promise;
      writing--;
    },
  };
  return { sink, kept, held: held.promise, release: release.resolve };
}

describe.each(Object.keys(compressions) as CompressionName[])('%s', (name) => {
  const read = async (bytes: Uint8Array) => Buffer.from(await readers[name](bytes));

  test('gives back what a format wrote', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => [String(i), `text "${i}" é\u{1f427}`]);
    const set = { name: 'result', columns: textColumns('n', 't'), rows };
    const [plain, packed] = [memorySink(), memorySink()];
    await writeTo(plain, csv, [set]);
    await using sink = compressTo(packed, name, never());
    await writeTo(sink, csv, [set]);
    await sink.end();
    expect((await read(packed.file())).equals(plain.file())).toBe(true);
    expect(packed.file().length).toBeLessThan(plain.file().length / 3);
  });

  test('is a sound file of nothing when nothing is written', async () => {
    const packed = memorySink();
    await using sink = compressTo(packed, name, never());
    await sink.end();
    expect(packed.file().length).toBeGreaterThan(0);
    expect((await read(packed.file())).length).toBe(0);
  });

  test('takes text as UTF-8, and bytes, of any length', async () => {
    const packed = memorySink();
    await using sink = compressTo(packed, name, never());
    const bytes = noise(3_000_000);
    await sink.write('é\u{1f427}');
    await sink.write(bytes);
    await sink.write(new Uint8Array(0));
    await sink.end();
    expect((await read(packed.file())).equals(Buffer.concat([Buffer.from('é\u{1f427}'), bytes]))).toBe(true);
  });

  test('holds its writer while the sink below holds it', async () => {
    const { sink: below, kept, held, release } = heldSink();
    await using sink = compressTo(below, name, never());
    const bytes = noise(400_000);
    let written = 0;
    const writing = (async () => {
      for (; written < 50; written++) await sink.write(bytes);
      await sink.end();
    })();
    await held;
    await new Promise(setImmediate);
    expect(written).toBeLessThan(50);
    expect(kept.writes.length).toBe(1);
    release();
    await writing;
    expect((await read(kept.file())).length).toBe(50 * bytes.length);
  });

  test('fails with what the sink below fails with, in a write and in its end', async () => {
    const full = new Error('no space left');
    const below: Sink = { write: () => Promise.reject(full) };
    await using first = compressTo(below, name, never());
    const bytes = noise(400_000);
    const writing = (async () => {
      for (;;) await first.write(bytes);
    })();
    await expect(writing).rejects.toBe(full);
    await expect(first.write('more')).rejects.toBe(full);
    await expect(first.end()).rejects.toBe(full);
    await using second = compressTo(below, name, never());
    await second.write('little');
    await expect(second.end()).rejects.toBe(full);
  });

  test('breaks off with the reason of its signal', async () => {
    const { sink: below, kept, held, release } = heldSink();
    const controller = new AbortController();
    const reason = new Error('stopped');
    await using sink = compressTo(below, name, { signal: controller.signal });
    const bytes = noise(400_000);
    const writing = (async () => {
      for (;;) await sink.write(bytes);
    })();
    await held;
    controller.abort(reason);
    release();
    await expect(writing).rejects.toBe(reason);
    await expect(sink.end()).rejects.toBe(reason);
    expect(kept.writes.length).toBe(1);
  });

  test('may be left in the middle, twice', async () => {
    const sink = compressTo(memorySink(), name, never());
    await sink.write('half');
    await sink[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await expect(sink.write('more')).rejects.toThrow();
  });
});
