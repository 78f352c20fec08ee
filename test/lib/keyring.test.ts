/** KEY-1: what a secret opens with, and what a rotation leaves of it. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createKeyring, type MasterKey, SealError, secretOf } from '../../src/lib/keyring.ts';
import { Secret } from '../../src/lib/secret.ts';

const masterKey = (id: string): MasterKey => ({ id, key: new Secret(randomBytes(32)) });
const [k1, k2, k3] = [masterKey('k1'), masterKey('k2'), masterKey('k3')] as const;
const [old, both, young] = [createKeyring([k1]), createKeyring([k2, k1]), createKeyring([k2])] as const;
const place = ['databases', 'password', 'a', 'db.example.com', '5432'];
const canary = 'correct horse battery staple';

test('a secret opens where it belongs, and nowhere else', () => {
  const sealed = old.seal(canary, place);
  expect(old.open(sealed, place)).toBe(canary);
  expect(sealed).not.toContain(canary);
  const others = [place.slice(0, -1), [...place, ''], place.with(2, 'b'), place.with(3, 'evil.example'), []];
  for (const other of others) expect(() => old.open(sealed, other)).toThrow(SealError);
});

test('with any letter of it changed it does not open', () => {
  for (const sealed of [old.seal(canary, place), both.rewrap(old.seal(canary, place), place)]) {
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      // The last letter of a part has bits that belong to no byte.
      const opened = (() => {
        try {
          return both.open(changed, place);
        } catch (error) {
          expect(error).toBeInstanceOf(SealError);
          return null;
        }
      })();
      if (opened !== null) expect(opened).toBe(canary);
    }
  }
});

test('parts of two secrets make no third one', () => {
  const [a, b] = [old.seal(canary, place), old.seal('another', place)].map((text) => text.split('.')) as [
    string[],
    string[],
  ];
  expect(() => old.open([...a.slice(0, 3), b[3]].join('.'), place)).toThrow(SealError);
  expect(() => old.open([...a.slice(0, 2), b[2], a[3]].join('.'), place)).toThrow(SealError);
});

test('wrapped again it is the same secret, opens with the new key alone, and no more with the old one', () => {
  const sealed = old.seal(canary, place);
  const rewrapped = both.rewrap(sealed, place);
  expect(secretOf(rewrapped)).toBe(secretOf(sealed));
  expect(young.open(rewrapped, place)).toBe(canary);
  expect(() => old.open(rewrapped, place)).toThrow('no master key “k2” in the ring');
  expect(() => young.open(rewrapped, place.with(2, 'b'))).toThrow(SealError);
  // Once more, and back.
  const third = createKeyring([k3, k2]).rewrap(rewrapped, place);
  expect(createKeyring([k3]).open(third, place)).toBe(canary);
  const back = createKeyring([k1, k3]).rewrap(third, place);
  expect(old.open(back, place)).toBe(canary);
  expect(secretOf(back)).toBe(secretOf(sealed));
});

test('what is under the active key already stays as it is, and what does not open is not wrapped', () => {
  const sealed = both.seal(canary, place);
  expect(both.rewrap(sealed, place)).toBe(sealed);
  expect(() => young.rewrap(old.seal(canary, place), place)).toThrow('no master key “k1” in the ring');
  expect(() => both.rewrap(old.seal(canary, place), [])).toThrow(SealError);
  for (const garbage of ['', 'x', 'v1', 'v1.k1', 'v1.k1..', 'v2.k1.a.b', 'v1.k1.a.b.c.d'])
    expect(() => both.open(garbage, place)).toThrow(SealError);
});

test('what is derived is known to every ring that has the key', () => {
  const rings = [createKeyring([k1, k2]), createKeyring([k2, k1])] as const;
  expect(rings[0].derivations('jwt')).toEqual(rings[1].derivations('jwt').toReversed());
  expect(rings[0].derivations('jwt')[0]).toEqual(old.derive('jwt'));
  expect(old.derive('jwt')).not.toEqual(old.derive('file-links'));
});
