import { expect, test } from 'vitest';
import { createOwnHost } from '../../src/lib/own-host.ts';

const publicUrl = new URL('https://quarry.example.com');

test.each(['127.0.0.1', 'localhost', '::1', '[::1]'])(
  'who listens on %s is known by his names and by addresses',
  (host) => {
    const isOwn = createOwnHost({ host, publicUrl });
    for (const known of [
      'quarry.example.com',
      'QUARRY.example.com:443',
      'localhost:4000',
      '127.0.0.1:4000',
      '[::1]:4000',
      '10.1.1.1',
    ])
      expect({ known, own: isOwn(known) }).toEqual({ known, own: true });
    for (const other of [
      'evil.example',
      'quarry.example.com.evil.example:4000',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'a b',
      '',
    ])
      expect({ other, own: isOwn(other) }).toEqual({ other, own: false });
    expect(isOwn(undefined)).toBe(true);
  },
);

test('who listens for other machines is known by whatever they call him', () => {
  expect(createOwnHost({ host: '0.0.0.0', publicUrl })('box.lan:4000')).toBe(true);
});
