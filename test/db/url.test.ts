import { expect, test } from 'vitest';
import { connectionOfUrl } from '../../src/db/url.ts';

const parse = (text: string) => connectionOfUrl(new URL(text), 'DATABASE_URL');

test('a URL becomes explicit fields, with its escapes undone', () => {
  expect(parse('postgres://u%40x:p%2Fw@db.example:6000/my%20base')).toEqual({
    host: 'db.example',
    port: 6000,
    user: 'u@x',
    password: 'p/w',
    database: 'my base',
    ssl: false,
  });
  expect(parse('postgresql://u:p@[::1]/d')).toMatchObject({ host: '::1', port: 5432 });
});

test.each([
  ['require', { rejectUnauthorized: false }],
  ['verify-full', true],
])('sslmode=%s asks for TLS', (mode, ssl) => {
  expect(parse(`postgres://u:p@h/d?sslmode=${mode}`).ssl).toEqual(ssl);
});

test.each([
  'postgres://u:secret@h/d?host=/var/run/postgresql',
  'postgres://u:secret@h/d?sslrootcert=/etc/hostname',
  'postgres://u:secret@h/d?sslmode=maybe',
  'postgres://u:secret@h/d?sslmode=constructor',
  'postgres://u:secret@%2Fvar%2Frun/d',
  'postgres://:secret@h/d',
  'postgres://u:secret@h',
  'postgres://u%zz:secret@h/d',
  'postgres://u:secret%zz@h/d',
])('%s is refused by the name of its variable, without a word of it', (text) => {
  let message = '';
  try {
    parse(text);
  } catch (error) {
    message = String(error);
  }
  expect(message).toMatch(/DATABASE_URL/);
  expect(message).not.toMatch(/secret|hostname|\/var/);
});
