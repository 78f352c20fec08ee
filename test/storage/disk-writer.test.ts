/** Those who write files to a disk: what is given to them without waiting is written in its order, and without a hole. */
import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createOwnWriter, createWriterThread } from '../../src/storage/disk-writer.ts';
import { mountSmallDisk, noSmallDisk } from '../support/small-disk.ts';
import { filled } from './filled.ts';

const MiB = 2 ** 20;

describe.each([
  ['a thread', createWriterThread],
  ['whoever has the bytes', createOwnWriter],
])('%s', (_name, create) => {
  test('writes nothing of what follows a piece that was cut short, until that is whole', async (context) => {
    const directory = await mkdtemp(join(tmpdir(), 'quarry-test-writer-'));
    await using _removed = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
    await using disk = await mountSmallDisk(directory, '5m');
    if (!disk) return context.skip(noSmallDisk);
    const path = join(directory, 'file');
    await using file = await open(path, 'w+');
    const writer = create();
    using written = writer.open(path, file);
    const whole = filled(9 * MiB);
    const pieces = [0, 1, 2].map((i) => {
      const piece = writer.buffer(3 * MiB);
      whole.copy(piece, 0, i * 3 * MiB);
      return piece;
    });
    const lengths = await Promise.all(pieces.map((piece, i) => written.write(piece, i * 3 * MiB)));
    const cut = lengths[1]!;
    expect(lengths).toEqual([3 * MiB, expect.any(Number), 0]);
    expect(cut).toBeLessThan(3 * MiB);
    expect((await file.stat()).size).toBe(3 * MiB + cut);
    await expect(written.write(pieces[1]!.subarray(cut), 3 * MiB + cut)).rejects.toMatchObject({ code: 'ENOSPC' });
    await disk.resize('20m');
    const rest = [written.write(pieces[1]!.subarray(cut), 3 * MiB + cut), written.write(pieces[2]!, 6 * MiB)];
    expect(await Promise.all(rest)).toEqual([3 * MiB - cut, 3 * MiB]);
    expect(await written.digest(whole.length)).toBe(createHash('sha256').update(whole).digest('hex'));
  });
});
