/** Statements as others are shown them: no secret in them, and the rest as it was. */
import { describe, expect, test } from 'vitest';
import { maskSecrets } from '../../../src/engines/postgresql/mask.ts';

const secret = 'hunter2';

describe('a secret is hidden', () => {
  test.each([
    `ALTER ROLE bob PASSWORD '${secret}'`,
    `alter role bob with login password E'${secret}\\'${secret}' valid until 'infinity'`,
    `CREATE USER bob PASSWORD U&'${secret}' UESCAPE '!'`,
    `ALTER USER bob PASSWORD $$${secret}$$`,
    `ALTER USER bob PASSWORD $a$${secret}$$${secret}$a$`,
    `ALTER USER bob PASSWORD /* it is */ '${secret}'`,
    `ALTER USER bob PASSWORD -- it is\n '${secret}'`,
    `ALTER USER bob PASSWORD '${secret}''${secret}`,
    `ALTER USER bob PASSWORD $$${secret}`,
    `ALTER USER bob PASSWORD '`.concat(secret),
    `CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'bob', password '${secret}')`,
    `CREATE SUBSCRIPTION s CONNECTION 'host=h password=${secret}' PUBLICATION p`,
    `SELECT * FROM dblink('postgresql://bob:${secret}@host/db', 'select 1')`,
    `SELECT crypt('${secret}', gen_salt('bf'))`,
    `SELECT pgp_sym_decrypt(data, '${secret}') FROM t`,
    `UPDATE users SET "Password" = '${secret}'`,
    `INSERT INTO users (name, password_hash) VALUES ('bob', '${secret}')`,
    `SELECT '{"apiKey": "${secret}"}'::jsonb`,
    `SELECT 1; ALTER ROLE bob PASSWORD '${secret}'; SELECT 2`,
    `DO $$ BEGIN EXECUTE 'ALTER ROLE bob PASSWORD ''${secret}'''; END $$`,
    `/* password: ${secret} */ SELECT 1`,
    `SELECT 1 -- the token is ${secret}`,
    `SELECT 'it''s', "a""b" FROM t WHERE password = '${secret}'`,
  ])('in %s', (sql) => {
    expect(maskSecrets(sql)).not.toContain(secret);
  });
});

describe('what is no secret stays', () => {
  test.each([
    `SELECT * FROM orders WHERE state = 'open' AND note = $$as "is"$$`,
    `SELECT a$b$c, d$b$e FROM t WHERE x = $1 -- all of them`,
    `SELECT E'a\\'b', U&'\\0041', '' FROM "some table" /* of mine */`,
    `SELECT 'https://example.com/a:b', 'x@y'`,
    '',
    `SELECT 'cut he`,
  ])('%s', (sql) => {
    expect(maskSecrets(sql)).toBe(sql);
  });

  test('before the word that names one, and between the literals behind it', () => {
    expect(maskSecrets(`ALTER ROLE bob SET a = 'b'; ALTER ROLE bob PASSWORD '${secret}' VALID UNTIL 'x'`)).toBe(
      `ALTER ROLE bob SET a = 'b'; ALTER ROLE bob PASSWORD '***' VALID UNTIL '***'`,
    );
  });
});

test('a long text of quotes takes no time that grows faster than it', () => {
  const text = `SELECT ${`'''''"$a$`.repeat(100_000)}`;
  expect(maskSecrets(text).length).toBeGreaterThan(0);
});
