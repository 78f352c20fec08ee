/** Room that is shared: who loses it when it is full. */
import { expect, test } from 'vitest';
import { createByteBudget } from '../../src/lib/byte-budget.ts';

const ended: string[] = [];
const end = (name: string) => () => void ended.push(name);

test('is there until it is full, and again when something is released, once', () => {
  const room = createByteBudget(100);
  const first = room.hold('a', 60, end('first'));
  expect(room.hold('a', 50, end('second'))).toBeNull();
  first!.release();
  first!.release();
  expect(room.hold('a', 100, end('third'))).not.toBeNull();
  expect(room.hold('a', 1, end('fourth'))).toBeNull();
  expect(ended.splice(0)).toEqual([]);
});

test('is taken from whoever holds most, what he has held longest first, and never from who holds less', () => {
  const room = createByteBudget(100);
  for (const name of ['oldest', 'older', 'young']) room.hold('many', 20, end(name));
  room.hold('some', 30, end('his'));
  expect(room.hold('few', 40, end('mine'))).not.toBeNull();
  expect(ended.splice(0)).toEqual(['oldest', 'older']);
  // 20, 30 and 40 are held: nobody has more than he who asks for more still.
  expect(room.hold('few', 40, end('too much'))).toBeNull();
  expect(room.hold('few', 5, end('fits'))).not.toBeNull();
  expect(ended.splice(0)).toEqual([]);
});

test('is given to nobody who asks for more than there is, and taken from nobody for him', () => {
  const room = createByteBudget(100);
  room.hold('a', 50, end('a'));
  expect(room.hold('b', 101, end('b'))).toBeNull();
  expect(ended.splice(0)).toEqual([]);
});
