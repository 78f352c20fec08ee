/** The difference between two lists of rows, tried on thousands of random ones. */
import { describe, expect, test } from 'vitest';
import { type Difference, differenceOf } from '../../src/realtime/live/diff.ts';
import { random } from './random.ts';

interface Row {
  readonly key: string;
  readonly text: string;
}

const row = (key: string, text = ''): Row => ({ key, text });
const rows = (keys: string): Row[] => [...keys].map((key) => row(key));
const keysOf = (list: readonly Row[]) => list.map(({ key }) => key).join('');

/** As the contract says it. */
function apply(before: readonly Row[], { removed, upserted }: Difference<Row>): Row[] {
  const out = new Set([...removed, ...upserted.map(({ row }) => row.key)]);
  const list = before.filter(({ key }) => !out.has(key));
  for (const { index, row } of upserted) list.splice(index, 0, row);
  return list;
}

/** As a client does that looks at one row after the other. */
function applyOneByOne(before: readonly Row[], { removed, upserted }: Difference<Row>): Row[] {
  const list = before.filter(({ key }) => !removed.includes(key));
  for (const { index, row } of upserted) {
    const place = list.findIndex(({ key }) => key === row.key);
    if (place >= 0) list.splice(place, 1);
    list.splice(index, 0, row);
  }
  return list;
}

function shuffled<T>(list: readonly T[], next: () => number): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}

/** Length of the longest common subsequence of keys, by the book: the square of the length. */
function longestCommon(a: readonly Row[], b: readonly Row[]): number {
  let previous = new Array<number>(b.length + 1).fill(0);
  for (const { key } of a) {
    const current = [0];
    for (const [j, other] of b.entries()) {
      current.push(key === other.key ? previous[j]! + 1 : Math.max(previous[j + 1]!, current[j]!));
    }
    previous = current;
  }
  return previous.at(-1)!;
}

describe('the difference between two lists', () => {
  test('applied to the old one gives the new one, with no more moves than are needed', () => {
    const next = random(1);
    for (let round = 0; round < 5_000; round++) {
      const size = Math.floor(next() * 14);
      const before = shuffled(rows('abcdefghijklmnop'), next).slice(0, size);
      const kept = before.filter(() => next() < 0.8).map((old) => (next() < 0.25 ? row(old.key, 'changed') : old));
      const fresh = rows('qrstuvwxyz').filter(() => next() < 0.2);
      const mixed = next() < 0.5 ? shuffled([...kept, ...fresh], next) : [...kept, ...fresh];
      const difference = differenceOf(before, mixed);
      expect(apply(before, difference)).toEqual(mixed);
      expect(applyOneByOne(before, difference)).toEqual(mixed);
      expect(apply(before, difference).every((one, i) => one === mixed[i])).toBe(true);
      const indexes = difference.upserted.map(({ index }) => index);
      expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
      const changed = mixed.filter((one) => !before.includes(one)).length;
      const moved = difference.upserted.filter(({ row }) => before.includes(row)).length;
      // A changed row that moves costs nothing more, so that this is where the fewest can be at most.
      expect(moved).toBeLessThanOrEqual(mixed.length - fresh.length - longestCommon(before, mixed));
      expect(difference.upserted).toHaveLength(changed + moved);
    }
  });

  test('between equal lists is nothing', () => {
    const list = rows('abc');
    expect(differenceOf(list, [...list])).toEqual({ removed: [], upserted: [] });
    expect(differenceOf([], [])).toEqual({ removed: [], upserted: [] });
  });

  test('is one row where one row went from one end to the other', () => {
    const before = rows('abcdef');
    const after = [...before.slice(1), before[0]!];
    expect(differenceOf(before, after)).toEqual({ removed: [], upserted: [{ index: 5, row: before[0] }] });
    const back = [before[5]!, ...before.slice(0, 5)];
    expect(differenceOf(before, back)).toEqual({ removed: [], upserted: [{ index: 0, row: before[5] }] });
  });

  test('names a row that passes others which are put in, so that whoever goes one by one is right as well', () => {
    const before = rows('axy');
    const after = [before[1]!, row('n'), before[2]!, before[0]!];
    const difference = differenceOf(before, after);
    expect(difference.removed).toEqual(['a']);
    expect(difference.upserted.map(({ index, row }) => [index, row.key])).toEqual([
      [1, 'n'],
      [3, 'a'],
    ]);
    expect(keysOf(applyOneByOne(before, difference))).toBe('xnya');
  });

  test('of ten thousand rows in another order is found at once', () => {
    const next = random(2);
    const before = Array.from({ length: 10_000 }, (_, i) => row(String(i)));
    const after = shuffled(before, next);
    expect(apply(before, differenceOf(before, after))).toEqual(after);
  });
});
