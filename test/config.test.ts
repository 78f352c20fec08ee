import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';

const read = (env: Record<string, string>) => readConfig({ env, terminal: false });
const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7)).toString('base64');

function faultsOf(env: Record<string, string>): Record<string, string> {
  try {
    read(env);
  } catch (error) {
    if (error instanceof ConfigError) return Object.fromEntries(error.faults.map((f) => [f.name, f.message]));
    throw error;
  }
  return {};
}

test('everything has a default that works on a laptop', () => {
  const config = read({ HOME: '/home/somebody', PATH: '/bin', EMPTY: '' });
  expect(config).toMatchObject({
    port: 4000,
    host: '127.0.0.1',
    databaseUrl: null,
    playground: 'embedded',
    allowPrivateHosts: false,
    graphiql: true,
    resultsRetentionMs: 7 * 24 * 3_600_000,
    catalogTtlMs: 60_000,
    storageOfUserBytes: 10 * 2 ** 30,
  });
  expect(config.publicUrl.href).toBe('http://127.0.0.1:4000/');
});

test('all faults are told at once, each with its name and what is allowed', () => {
  const faults = faultsOf({
    PORT: 'eighty',
    LOG_LEVEL: 'loud',
    ALLOW_PRIVATE_HOSTS: '10.0.0.0/99',
    CORS_ORIGINS: 'example.com/path',
  });
  expect(Object.keys(faults).sort()).toEqual(['ALLOW_PRIVATE_HOSTS', 'CORS_ORIGINS', 'LOG_LEVEL', 'PORT']);
  expect(faults.PORT).toContain('0 to 65535');
  expect(faults.LOG_LEVEL).toContain('silent, error, warn');
});

test('rows are kept for an hour at least and a year at most', () => {
  expect(read({ RESULTS_RETENTION_HOURS: '1' }).resultsRetentionMs).toBe(3_600_000);
  expect(faultsOf({ RESULTS_RETENTION_HOURS: '0' }).RESULTS_RETENTION_HOURS).toContain('1 to 8760');
  expect(faultsOf({ RESULTS_RETENTION_HOURS: '8761' })).toHaveProperty('RESULTS_RETENTION_HOURS');
});

test('the files of a user may have as much as is said, in whole GiB', () => {
  expect(read({ STORAGE_PER_USER_GIB: '250' }).storageOfUserBytes).toBe(250 * 2 ** 30);
  for (const wrong of ['0', '1.5', '1000001', 'all'])
    expect(faultsOf({ STORAGE_PER_USER_GIB: wrong }).STORAGE_PER_USER_GIB).toContain('1 to 1000000');
});

test('to execute persisted documents only there have to be some', () => {
  expect(read({ PERSISTED_DOCUMENTS: 'documents.json', PERSISTED_DOCUMENTS_ONLY: 'on' })).toMatchObject({
    persistedDocuments: resolve('documents.json'),
    persistedDocumentsOnly: true,
  });
  expect(faultsOf({ PERSISTED_DOCUMENTS_ONLY: 'true' })).toHaveProperty('PERSISTED_DOCUMENTS');
});

test('a name within two letters of a variable stops the start', () => {
  expect(faultsOf({ DATABASE_ULR: 'x' })).toEqual({ DATABASE_ULR: 'unknown; did you mean DATABASE_URL?' });
  expect(faultsOf({ MASTERKEYS: 'x' })).toHaveProperty('MASTERKEYS');
  expect(faultsOf({ PROT: '1' })).toHaveProperty('PROT');
  expect(faultsOf({ TEST: '1', ROOT: '/', HOME: '/' })).toEqual({});
});

test('an issuer of access tokens is kept letter for letter, comes with its audience, and is no machine without TLS', () => {
  const OIDC_AUDIENCE = 'https://quarry.example.com/api';
  for (const OIDC_ISSUER of ['https://team.auth0.com/', 'https://sso.example.com/realms/a', 'http://localhost:9000'])
    expect(read({ OIDC_ISSUER, OIDC_AUDIENCE }).oidc).toEqual({ issuer: OIDC_ISSUER, audience: OIDC_AUDIENCE });
  expect(read({}).oidc).toBeNull();
  expect(faultsOf({ OIDC_ISSUER: 'https://sso.example.com' })).toHaveProperty('OIDC_AUDIENCE');
  expect(faultsOf({ OIDC_AUDIENCE })).toHaveProperty('OIDC_ISSUER');
  const PUBLIC_URL = 'https://quarry.example.com';
  for (const OIDC_ISSUER of [
    'http://sso.example.com',
    'https://a:b@sso.example.com',
    'https://sso.example.com/?a',
    PUBLIC_URL,
    'x',
  ])
    expect(faultsOf({ OIDC_ISSUER, OIDC_AUDIENCE, PUBLIC_URL })).toHaveProperty('OIDC_ISSUER');
});

test('a variable whose part is not built is refused, not ignored', () => {
  expect(faultsOf({ LLM_BASE_URL: 'http://127.0.0.1' })).toHaveProperty('LLM_BASE_URL');
});

test('a fault never shows the value', () => {
  const secret = 'hunter2-and-more';
  for (const name of ['DATABASE_URL', 'PLAYGROUND_URL', 'MASTER_KEYS', 'PUBLIC_URL', 'PORT', 'TRUST_PROXY']) {
    const faults = faultsOf({ [name]: secret });
    expect(faults).toHaveProperty(name);
    expect(JSON.stringify(faults)).not.toContain('hunter2');
  }
});

test('short, weak and repeated master keys are refused', () => {
  for (const keys of [
    `a:${Buffer.alloc(31, 'xyzabc').toString('base64')}`,
    `a:${Buffer.alloc(32).toString('base64')}`,
    `a:${key},b:${key}`,
    key,
    'a:',
  ]) {
    expect(faultsOf({ MASTER_KEYS: keys })).toHaveProperty('MASTER_KEYS');
  }
  expect(read({ MASTER_KEYS: `a:${key}` }).masterKeys?.[0].id).toBe('a');
});

test('a metadata database of one’s own needs master keys of one’s own', () => {
  expect(faultsOf({ DATABASE_URL: 'postgresql://u:p@db/quarry' })).toHaveProperty('MASTER_KEYS');
});

test('mails go into a folder, or where SMTP_URL says, from whom MAIL_FROM says', () => {
  expect(read({ PUBLIC_URL: 'https://quarry.example.com' }).mail).toEqual({
    smtp: null,
    from: { name: 'Quarry', address: 'quarry@quarry.example.com' },
  });
  const given = {
    SMTP_URL: 'smtps://ann%40example.com:p%2Fw@mail.example.com',
    MAIL_FROM: 'The Quarry <q@example.com>',
  };
  const { smtp, from } = read(given).mail;
  expect(smtp).toMatchObject({ host: 'mail.example.com', port: 465, secure: true });
  expect(smtp?.credentials?.user).toBe('ann@example.com');
  expect(smtp?.credentials?.password.reveal()).toBe('p/w');
  expect(from).toEqual({ name: 'The Quarry', address: 'q@example.com' });
  expect(read({ SMTP_URL: 'smtp://[::1]', MAIL_FROM: 'q@example.com' }).mail).toEqual({
    smtp: { host: '::1', port: 587, secure: false, credentials: null },
    from: { name: null, address: 'q@example.com' },
  });
});

test('what SMTP_URL and MAIL_FROM cannot be is said without the value', () => {
  expect(faultsOf({ SMTP_URL: 'smtp://mail' })).toEqual({ MAIL_FROM: 'required with SMTP_URL' });
  for (const wrong of ['mail:25', 'http://mail', 'smtp://hunter2@mail', 'smtp://mail?tls.rejectUnauthorized=hunter2']) {
    const faults = faultsOf({ SMTP_URL: wrong, MAIL_FROM: 'q@example.com' });
    expect(faults.SMTP_URL).toContain('smtp://USER:PASSWORD@HOST:PORT');
    expect(JSON.stringify(faults)).not.toContain('hunter2');
  }
  for (const wrong of ['hunter2', 'Q <q@example.com>, x@example.com', 'Q\r\nBcc: x@example.com <q@example.com>'])
    expect(faultsOf({ MAIL_FROM: wrong }).MAIL_FROM).toContain('Quarry <quarry@example.com>');
});

test('secrets print as [redacted]', () => {
  const config = read({ DATABASE_URL: 'postgresql://u:hunter2@db/quarry', MASTER_KEYS: `a:${key}` });
  for (const shown of [inspect(config, { depth: 9 }), JSON.stringify(config), `${config.databaseUrl}`]) {
    expect(shown).not.toContain('hunter2');
    expect(shown).toContain('[redacted]');
  }
});

test('blobs are below DATA_DIR, or where STORAGE_URL says', () => {
  expect(read({ DATA_DIR: '/data' }).storage).toEqual({ kind: 'file', directory: '/data/files' });
  expect(read({ STORAGE_URL: 'file:blobs' }).storage).toEqual({ kind: 'file', directory: resolve('blobs') });
  expect(read({ STORAGE_URL: 'file:/var/some blobs' }).storage).toEqual({ kind: 'file', directory: '/var/some blobs' });
  expect(read({ STORAGE_URL: 'file:///var/some%20blobs' }).storage).toMatchObject({ directory: '/var/some blobs' });
  expect(read({ STORAGE_URL: 's3://blobs', AWS_REGION: 'eu-central-1' }).storage).toEqual({
    kind: 's3',
    bucket: 'blobs',
    endpoint: null,
    region: 'eu-central-1',
    credentials: null,
  });
  const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'hunter2', AWS_SESSION_TOKEN: 'hunter3' };
  const { storage } = read({ STORAGE_URL: 's3://blobs?endpoint=http://127.0.0.1:9000&region=home', ...keys });
  expect(storage).toMatchObject({ region: 'home', endpoint: new URL('http://127.0.0.1:9000') });
  expect(storage).toMatchObject({ credentials: { accessKeyId: 'AKIA' } });
  expect(inspect(storage, { depth: 9 })).not.toMatch(/hunter/);
  expect(read({ STORAGE_URL: 's3://blobs?endpoint=https://s3.example.com' }).storage).toMatchObject({
    region: 'us-east-1',
  });
});

test.each([
  'files',
  'file:',
  'file://other-host/blobs',
  's3://',
  's3://Blobs?region=home',
  's3://b?region=home',
  's3://blobs/folder?region=home',
  's3://hunter2:hunter2@blobs?region=home',
  's3://blobs?region=home&acl=hunter2',
  's3://blobs?region=hunter2 or so',
  's3://blobs?endpoint=hunter2.example.com',
  's3://blobs?endpoint=https://user:hunter2@s3.example.com',
  's3://blobs?endpoint=https://s3.example.com/hunter2',
  's3://blobs',
  'https://blobs.example.com',
])('the storage “%s” stops the start with what is allowed', (url) => {
  const { STORAGE_URL: fault } = faultsOf({ STORAGE_URL: url });
  expect(fault).toContain('file:PATH, or s3://BUCKET');
  expect(fault).not.toContain('hunter2');
});

test('half of a pair of keys for S3 stops the start, and is nobody’s business without S3', () => {
  const url = { STORAGE_URL: 's3://blobs?region=home' };
  expect(faultsOf({ ...url, AWS_ACCESS_KEY_ID: 'AKIA' })).toEqual({
    AWS_SECRET_ACCESS_KEY: 'required with AWS_ACCESS_KEY_ID',
  });
  expect(faultsOf({ ...url, AWS_SECRET_ACCESS_KEY: 'hunter2' })).toEqual({
    AWS_ACCESS_KEY_ID: 'required with AWS_SECRET_ACCESS_KEY',
  });
  expect(faultsOf({ AWS_ACCESS_KEY_ID: 'AKIA' })).toEqual({});
});

test('a limit of requests is a number, or none at all', () => {
  const { rateLimits, attempts } = read({ RATE_LIMIT_USER: 'off', RATE_LIMIT_KEY: '0', RATE_LIMIT_LOGIN: 'none' });
  expect(rateLimits).toEqual({ address: 12_000, user: 0, key: 0, cost: 10_000_000 });
  expect(attempts).toEqual({ perAccount: 0, perAddress: 100, registrations: 50 });
  expect(() => read({ RATE_LIMIT_COST: 'much' })).toThrow(/RATE_LIMIT_COST: .*“none”, “off”, or a whole number/);
});
