/** Look-ups put together. */
import { expect, test } from 'vitest';
import { createGathered } from '../../src/lib/gathered.ts';

function world({ maxKeys }: { maxKeys?: number } = {}) {
  const reads: { keys: readonly string[]; end(error?: Error): void }[] = [];
  const find = createGathered<string>({
    read: (keys) =>
      new Promise((resolve, reject) => {
        const values = new Map(keys.filter((key) => key !== 'none').map((key) => [key, `value of ${key}`]));
        reads.push({ keys, end: (error) => (error ? reject(error) : resolve(values)) });
      }),
    maxReads: 1,
    ...(maxKeys !== undefined && { maxKeys }),
  });
  return { reads, find };
}

/** Everything that can go on without an answer has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('what is asked for in one tick is one read, each key once', async () => {
  const { reads, find } = world();
  const asked = Promise.all([find('a'), find('b'), find('a'), find('none')]);
  await settled();
  expect(reads.map(({ keys }) => keys)).toEqual([['a', 'b', 'none']]);
  reads[0]?.end();
  expect(await asked).toEqual(['value of a', 'value of b', 'value of a', undefined]);
});

test('whoever asks during a read gets an answer that was read after he asked', async () => {
  const { reads, find } = world();
  const first = find('a');
  await settled();
  const later = Promise.all([find('a'), find('b')]);
  await settled();
  expect(reads).toHaveLength(1);
  reads[0]?.end();
  await first;
  await settled();
  expect(reads.map(({ keys }) => keys)).toEqual([['a'], ['a', 'b']]);
  reads[1]?.end();
  expect(await later).toEqual(['value of a', 'value of b']);
});

test('a read that fails is the failure of those who asked for it, and of nobody else', async () => {
  const { reads, find } = world();
  const first = find('a');
  await settled();
  const second = find('a');
  reads[0]?.end(new Error('away'));
  await expect(first).rejects.toThrow('away');
  await settled();
  reads[1]?.end();
  expect(await second).toBe('value of a');
});

test('more keys than one read may have are several, one after the other', async () => {
  const { reads, find } = world({ maxKeys: 2 });
  const asked = Promise.all(['a', 'b', 'c'].map(find));
  await settled();
  expect(reads.map(({ keys }) => keys)).toEqual([['a', 'b']]);
  reads[0]?.end();
  await settled();
  reads[1]?.end();
  expect(await asked).toEqual(['value of a', 'value of b', 'value of c']);
});
