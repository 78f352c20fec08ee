/** Whether a snapshot sees a transaction: also one whose number has begun anew. */
import { describe, expect, test } from 'vitest';
import { isVisible, parseSnapshot } from '../../../../src/engines/postgresql/live/visible.ts';

describe('a snapshot', () => {
  const snapshot = parseSnapshot('100:110:100,105,109');

  test('sees what had ended before it, and nothing that was under way or has begun since', () => {
    const seen = ['3', '99', '101', '104', '108'];
    const unseen = ['100', '105', '109', '110', '111', '500'];
    expect(seen.filter((id) => !isVisible(snapshot, id))).toEqual([]);
    expect(unseen.filter((id) => isVisible(snapshot, id))).toEqual([]);
  });

  test('may have nothing under way', () => {
    const quiet = parseSnapshot('100:100:');
    expect([isVisible(quiet, '99'), isVisible(quiet, '100')]).toEqual([true, false]);
  });

  test('knows a transaction by its last 32 bits, in whatever epoch', () => {
    const epoch = 2n ** 32n;
    for (const base of [epoch, 7n * epoch]) {
      const later = parseSnapshot(`${base + 100n}:${base + 110n}:${base + 105n}`);
      expect([isVisible(later, '99'), isVisible(later, '105'), isVisible(later, '110')]).toEqual([true, false, false]);
    }
  });

  test('knows those around the end of an epoch', () => {
    const epoch = 2n ** 32n;
    const last = String(epoch - 2n);
    const before = parseSnapshot(`${epoch - 10n}:${epoch - 5n}:`);
    expect([isVisible(before, String(epoch - 6n)), isVisible(before, last), isVisible(before, '3')]).toEqual([
      true,
      false,
      false,
    ]);
    const behind = parseSnapshot(`${epoch + 3n}:${epoch + 4n}:${epoch + 3n}`);
    expect([isVisible(behind, last), isVisible(behind, '3'), isVisible(behind, '4')]).toEqual([true, false, false]);
    const since = parseSnapshot(`${epoch + 4n}:${epoch + 4n}:`);
    expect(isVisible(since, '3')).toBe(true);
  });

  test('knows one by all of its 64 bits, where it is told so', () => {
    const later = parseSnapshot(`${2n ** 33n}:${2n ** 33n + 5n}:${2n ** 33n + 1n}`);
    expect(isVisible(later, String(2n ** 33n + 1n))).toBe(false);
    expect(isVisible(later, String(2n ** 33n + 2n))).toBe(true);
  });

  test('is not read from anything else', () => {
    expect(() => parseSnapshot('100:110')).toThrow('Not a snapshot');
  });
});
