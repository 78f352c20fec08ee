import { describe, expect, test } from 'vitest';
import { createChance } from '../../../bench/search/seed.ts';
import { createEditMeter, editsAllowed } from '../../../src/catalog/search/edits.ts';

const unitsOf = (text: string) => Uint16Array.from({ length: text.length }, (_, place) => text.charCodeAt(place));
const measure = (term: string, word: string) => {
  const meter = createEditMeter(term, 2);
  return { whole: meter.measure(unitsOf(word), 0, word.length), begun: meter.begun() };
};

/** By the definition, all of the table. */
function distance(a: string, b: string): number {
  const table = Array.from({ length: a.length + 1 }, (_, row) =>
    Array.from({ length: b.length + 1 }, (_, at) => row + at),
  );
  const at = (row: number, column: number) => table[row]![column]!;
  for (let row = 1; row <= a.length; row += 1) {
    for (let column = 1; column <= b.length; column += 1) {
      const options = [at(row - 1, column) + 1, at(row, column - 1) + 1];
      options.push(at(row - 1, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        options.push(at(row - 2, column - 2) + 1);
      table[row]![column] = Math.min(...options);
    }
  }
  return at(a.length, b.length);
}

describe('typing errors', () => {
  test.each([
    ['orders', 'orders', 0],
    ['orders', 'ordrs', 1],
    ['orders', 'oorders', 1],
    ['orders', 'orxers', 1],
    ['orders', 'odrers', 1],
    ['customer', 'cusotmre', 2],
  ])('%s and %s: %i', (term, word, edits) => {
    expect(measure(term, word).whole).toBe(edits);
  });

  test('one is forgiven from 4 letters on, two from 8 on, none in numbers', () => {
    const words = ['abc', 'abcd', 'abcdefg', 'abcdefgh', '2024', '20242025'];
    expect(words.map(editsAllowed)).toEqual([0, 1, 1, 2, 0, 0]);
  });

  test('a beginning of a longer word is measured, too', () => {
    expect(measure('custmer', 'customers')).toEqual({ whole: 2, begun: 1 });
  });

  test('what the meter says up to the limit is what the definition says, and beyond it is beyond it', () => {
    const chance = createChance(7);
    const text = () =>
      Array.from({ length: 1 + Math.floor(chance() * 9) }, () => 'abc'[Math.floor(chance() * 3)]).join('');
    for (let round = 0; round < 5_000; round += 1) {
      const [term, word] = [text(), text()];
      const real = distance(term, word);
      const found = measure(term, word).whole;
      expect(real > 2 ? found > 2 : found === real, `${term} ${word}`).toBe(true);
    }
  });

  test('a meter that measured one word measures the next as if it were the first', () => {
    const meter = createEditMeter('abcd', 1);
    for (const word of ['zzzzzzz', 'bacd', 'q', 'abcd']) meter.measure(unitsOf(word), 0, word.length);
    expect(meter.measure(unitsOf('abdc'), 0, 4)).toBe(1);
  });
});
