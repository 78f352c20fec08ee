/** AUTH-6: which passwords there are, which are equal, and that hashing them is bounded. */
import { afterAll, describe, expect, test } from 'vitest';
import { createPasswordHasher } from '../../src/accounts/password-hasher.ts';
import { passwordFault } from '../../src/accounts/passwords.ts';

const hasher = createPasswordHasher({ cost: 4, threads: 2 });
afterAll(() => hasher.stop());

const equal = async (one: string, two: string) => hasher.verify(two, await hasher.hash(one));

describe('two passwords are different', () => {
  test.each([
    ['after byte 72', `${'a'.repeat(72)}X`, `${'a'.repeat(72)}Y`],
    ['in length behind byte 72', 'a'.repeat(73), 'a'.repeat(74)],
    ['in the nineteenth emoji', '😀'.repeat(19), `${'😀'.repeat(18)}😁`],
    ['behind a NUL', 'secret\0one', 'secret\0two'],
    ['in a NUL at the end', 'password', 'password\0'],
    ['in the last of 1,024 bytes', `${'a'.repeat(1_023)}b`, `${'a'.repeat(1_023)}c`],
    ['in case', 'Password', 'password'],
    ['in a compatible character', 'ﬁrewall!', 'firewall!'],
    ['in a space at the end', 'password', 'password '],
    ['in width', 'ｐassword', 'password'],
  ])('%s', async (_name, one, two) => {
    expect(await equal(one, two)).toBe(false);
    expect(await equal(two, one)).toBe(false);
  });
});

test('an é is one é, however the keyboard composed it', async () => {
  expect(await equal('caf\u00e9 cr\u00e8me', 'cafe\u0301 cre\u0300me')).toBe(true);
});

test.each(['correct horse', '😀'.repeat(19), 'a\0b\0c\0d\0', 'a'.repeat(1_024)])(
  'a password equals itself: %j',
  async (text) => {
    expect(await equal(text, text)).toBe(true);
  },
);

test.each([
  ['seven characters', 'a'.repeat(7), 'at least 8 characters'],
  ['seven emoji of four bytes', '😀'.repeat(7), 'at least 8 characters'],
  ['four characters in eight code points', 'e\u0301'.repeat(4), 'at least 8 characters'],
  ['1,025 bytes', 'a'.repeat(1_025), 'at most 1024 bytes of UTF-8'],
  ['257 emoji', '😀'.repeat(257), 'at most 1024 bytes of UTF-8'],
  ['half a character', `password\ud800`, 'text that is valid Unicode'],
])('%s is no password', (_name, text, fault) => {
  expect(passwordFault(text)).toBe(fault);
});

test.each(['a'.repeat(8), '😀'.repeat(8), 'a'.repeat(1_024), '\0'.repeat(8)])('%j is a password', (text) => {
  expect(passwordFault(text)).toBeNull();
});

test('nobody is signed in without an account', async () => {
  expect(await hasher.verify('', null)).toBe(false);
  expect(await hasher.verify('password', null)).toBe(false);
});

test('AUTH-5: a password of nobody takes a thread and a hash as any other does', async () => {
  const full = createPasswordHasher({ cost: 4, maxWaiting: 0 });
  for (const hash of [null, await hasher.hash('password')])
    await expect(full.verify('password', hash)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  await full.stop();
});

test('the same password is hashed differently each time, at the cost that was asked for', async () => {
  const [one, two] = await Promise.all([hasher.hash('password'), hasher.hash('password')]);
  expect(one).not.toBe(two);
  expect(one).toMatch(/^\$2b\$04\$/);
});

test('nothing equals a hash that is none, and the thread goes on', async () => {
  await expect(hasher.verify('password', 'nonsense'.repeat(8))).resolves.toBe(false);
  expect(await equal('password', 'password')).toBe(true);
});

test('more than may wait are turned away, and those who wait are served', async () => {
  const narrow = createPasswordHasher({ cost: 4, threads: 1, maxWaiting: 2 });
  const answers = await Promise.allSettled(Array.from({ length: 5 }, () => narrow.hash('password')));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
  expect(answers[4]).toMatchObject({ reason: { code: 'RATE_LIMITED', details: { retryAfterMs: 5_000 } } });
  await narrow.stop();
});

test('who stops waiting leaves the queue', async () => {
  const narrow = createPasswordHasher({ cost: 4, threads: 1, maxWaiting: 1 });
  const running = narrow.hash('password');
  const abort = new AbortController();
  const waiting = narrow.hash('password', abort.signal);
  abort.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  await expect(narrow.hash('password', abort.signal)).rejects.toThrow('gone');
  const next = narrow.hash('password');
  await Promise.all([running, next]);
  await narrow.stop();
});

test('stopping rejects who waits, who is served, and who comes after', async () => {
  const stopping = createPasswordHasher({ cost: 14, threads: 1 });
  const rejected = Promise.allSettled([stopping.hash('password'), stopping.hash('password')]);
  await stopping.stop();
  expect((await rejected).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(stopping.hash('password')).rejects.toThrow('stopped');
});
