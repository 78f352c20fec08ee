import { expect, inject, test } from 'vitest';
import { connect, connectionFromUrl } from '../../src/db/connection.ts';

const parse = (text: string) => connectionFromUrl('DATABASE_URL', new URL(text));

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
  ['verify-full', {}],
])('sslmode=%s asks for TLS', (mode, ssl) => {
  expect(parse(`postgres://u:p@h/d?sslmode=${mode}`).ssl).toEqual(ssl);
});

test.each([
  'postgres://u:secret@h/d?host=/var/run/postgresql',
  'postgres://u:secret@h/d?sslrootcert=/etc/hostname',
  'postgres://u:secret@h/d?sslmode=maybe',
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

test('a host that does not answer, and a server that is not there, are faults in time', async () => {
  const server = { ...inject('postgres'), database: 'postgres' };
  await expect(connect({ ...server, port: 1 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(connect({ ...server, database: 'nothing' })).rejects.toMatchObject({ code: '3D000' });
  // Reserved for documentation: nothing there answers (RFC 5737).
  const signal = AbortSignal.timeout(50);
  await expect(connect({ ...server, host: '192.0.2.1' }, { signal })).rejects.toThrow();
});
