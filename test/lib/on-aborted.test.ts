/** Many who wait for the end of one signal. */
import { expect, test } from 'vitest';
import { onAborted } from '../../src/lib/on-aborted.ts';

test('each is told once, and who waits no longer is not', () => {
  const end = new AbortController();
  const told: string[] = [];
  const same = () => told.push('same');
  const stop = onAborted(end.signal, () => told.push('left'));
  onAborted(end.signal, same);
  onAborted(end.signal, same);
  stop();
  end.abort();
  end.abort();
  expect(told).toEqual(['same', 'same']);
  onAborted(end.signal, () => told.push('late'))();
  expect(told).toEqual(['same', 'same', 'late']);
});

test('one who leaves, or comes, while the others are told does them no harm', () => {
  const end = new AbortController();
  const told: string[] = [];
  onAborted(end.signal, () => {
    told.push('first');
    stop();
    onAborted(end.signal, () => told.push('new'));
  });
  const stop = onAborted(end.signal, () => told.push('second'));
  onAborted(end.signal, () => told.push('third'));
  end.abort();
  expect(told).toEqual(['first', 'new', 'third']);
});
