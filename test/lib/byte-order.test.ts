/** Names are ordered by their bytes. */
import { expect, test } from 'vitest';
import { compareBytes } from '../../src/lib/byte-order.ts';

const texts = [
  '',
  'a',
  'aa',
  'ab',
  'b',
  'Z',
  '_',
  'é',
  'ß',
  '\u0800',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '😀',
  '😁',
  'a😀',
  'a\uffff',
];

test('as their bytes in UTF-8 are', () => {
  for (const a of texts) {
    for (const b of texts) {
      expect(Math.sign(compareBytes(a, b)), `${a} ${b}`).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }
  }
});
