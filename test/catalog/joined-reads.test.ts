/** Reads that several ask for at once. */
import { expect, test } from 'vitest';
import { createJoinedReads } from '../../src/catalog/joined-reads.ts';
import { AppError } from '../../src/lib/errors.ts';

function world() {
  const joined = createJoinedReads();
  const reads: { key: string; signal: AbortSignal; end(value: string | Error): void }[] = [];
  const ask = (key: string, { signal }: { signal: AbortSignal } = new AbortController()) =>
    joined(
      key,
      (options) =>
        new Promise<string>((resolve, reject) => {
          const end = (value: string | Error) => (value instanceof Error ? reject(value) : resolve(value));
          options.signal.addEventListener('abort', () => reject(options.signal.reason));
          reads.push({ key, signal: options.signal, end });
        }),
      { signal },
    );
  return { reads, ask };
}

/** Everything that can go on without an answer has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('who comes while it is read gets the next read, with all others who came meanwhile', async () => {
  const { reads, ask } = world();
  const first = ask('a');
  const later = Promise.all([ask('a'), ask('a'), ask('a')]);
  await settled();
  expect(reads).toHaveLength(1);
  reads[0]?.end('one');
  expect(await first).toBe('one');
  await settled();
  expect(reads).toHaveLength(2);
  reads[1]?.end('two');
  expect(await later).toEqual(['two', 'two', 'two']);
  await settled();
  void ask('a').catch(() => undefined);
  expect(reads).toHaveLength(3);
});

test('other reads do not wait', async () => {
  const { reads, ask } = world();
  const both = Promise.all([ask('a'), ask('b')]);
  expect(reads.map(({ key }) => key)).toEqual(['a', 'b']);
  for (const { key, end } of reads) end(key);
  expect(await both).toEqual(['a', 'b']);
});

test('a read that fails fails for those who asked for it, and the next one is read', async () => {
  const { reads, ask } = world();
  const first = ask('a');
  const second = ask('a');
  reads[0]?.end(new AppError('TIMEOUT', 'late'));
  await expect(first).rejects.toMatchObject({ code: 'TIMEOUT' });
  await settled();
  reads[1]?.end('two');
  expect(await second).toBe('two');
});

test('one who leaves takes nothing from the others, and the last one ends the read', async () => {
  const { reads, ask } = world();
  const [one, other, last] = [new AbortController(), new AbortController(), new AbortController()];
  const first = ask('a', one);
  const waiting = [ask('a', other), ask('a', last)];
  one.abort(new Error('left'));
  await expect(first).rejects.toThrow('left');
  expect(reads[0]?.signal.aborted).toBe(true);
  await settled();
  other.abort(new Error('left too'));
  await expect(waiting[0]).rejects.toThrow('left too');
  expect(reads[1]?.signal.aborted).toBe(false);
  reads[1]?.end('two');
  expect(await waiting[1]).toBe('two');
});

test('a read that nobody waited for until it began is not begun, and who comes then has one of his own', async () => {
  const { reads, ask } = world();
  const first = ask('a');
  const left = new AbortController();
  const second = ask('a', left);
  left.abort(new Error('left'));
  await expect(second).rejects.toThrow('left');
  const third = ask('a');
  reads[0]?.end('one');
  await first;
  await settled();
  expect(reads).toHaveLength(2);
  reads[1]?.end('three');
  expect(await third).toBe('three');
});

test('who has left before he asks asks nothing', async () => {
  const { reads, ask } = world();
  await expect(ask('a', { signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow('left');
  expect(reads).toEqual([]);
});
