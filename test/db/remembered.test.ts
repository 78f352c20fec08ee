/** What was read of the metadata is believed for as long as nothing is committed there, and not for longer. */
import { expect, test } from 'vitest';
import { createRemembered } from '../../src/db/remembered.ts';

function world({ maxKeys }: { maxKeys?: number } = {}) {
  const rows = new Map([['a', 1]]);
  let moment = 0;
  let asked = 0;
  const read: string[] = [];
  let during: (() => void) | undefined;
  const remembered = createRemembered<number>({
    moments: {
      async now() {
        asked += 1;
        return String(moment);
      },
    },
    ...(maxKeys !== undefined && { maxKeys }),
  });
  const find = (key: string) =>
    remembered(key, async () => {
      read.push(key);
      const value = rows.get(key);
      await Promise.resolve();
      during?.();
      if (key === 'broken') throw new Error('away');
      return value;
    });
  return {
    find,
    read,
    momentsAsked: () => asked,
    commit(key: string, value: number | null) {
      if (value === null) rows.delete(key);
      else rows.set(key, value);
      moment += 1;
    },
    whileReading(work: (() => void) | undefined) {
      during = work;
    },
    /** After which every look-up asks which moment it is. */
    async settled() {
      for (let times = 0; times < 3; times += 1) await find('a');
      read.length = 0;
    },
  };
}

test('nothing is read again while nothing is committed, what is not there neither', async () => {
  const { find, read, settled } = world();
  await settled();
  for (let times = 0; times < 5; times += 1) expect([await find('a'), await find('b')]).toEqual([1, undefined]);
  expect(read).toEqual(['b']);
});

test('what was committed is seen at the next look, each time', async () => {
  const { find, commit, settled } = world();
  await settled();
  for (let value = 2; value < 200; value += 1) {
    commit('a', value);
    for (let times = 0; times < value % 4; times += 1) expect(await find('a')).toBe(value);
  }
  commit('a', null);
  expect(await find('a')).toBeUndefined();
});

test('what was read while somebody committed is not what is read later', async () => {
  const { find, commit, settled, whileReading } = world();
  await settled();
  commit('a', 2);
  whileReading(() => commit('a', 3));
  await Promise.all(Array.from({ length: 4 }, () => find('a')));
  whileReading(undefined);
  for (let times = 0; times < 4; times += 1) expect(await find('a')).toBe(3);
});

test('a read that fails is tried again', async () => {
  const { find, read, settled } = world();
  await settled();
  await expect(find('broken')).rejects.toThrow('away');
  await expect(find('broken')).rejects.toThrow('away');
  expect(read).toEqual(['broken', 'broken']);
});

test('where something is committed all the time the moment is hardly asked for', async () => {
  const { find, commit, momentsAsked, read } = world();
  for (let value = 0; value < 1_000; value += 1) {
    commit('a', value);
    expect(await find('a')).toBe(value);
  }
  expect(momentsAsked()).toBeLessThan(30);
  expect(read).toHaveLength(1_000);
});

test('more than there is room for are read again', async () => {
  const { find, read, settled } = world({ maxKeys: 2 });
  await settled();
  for (const key of ['b', 'c', 'a']) await find(key);
  expect(read).toEqual(['b', 'c', 'a']);
});
