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
    `SELECT '${secret}' AS password`,
    `INSERT INTO users (name, pwd) VALUES ('bob', '${secret}')`,
    `SET app.api_secret TO ${secret}`,
    `SET app.token = ${secret}`,
    `ALTER ROLE bob SET app.token TO ${secret}`,
    `SET app.token = "${secret}"`,
    `CREATE SERVER s OPTIONS (host 'h', pwd '${secret}')`,
    `SELECT http_header('Authorization', 'Bearer ${secret}')`,
    `SELECT http_header('x-auth-key', '${secret}')`,
    `SELECT jsonb_build_object('passcode', '${secret}')`,
    `SELECT dblink('host=x pass=${secret}')`,
    `SELECT dblink_connect('host=x PWD=${secret}')`,
    `CREATE SUBSCRIPTION s CONNECTION 'postgresql://u@h/db?password=${secret}' PUBLICATION p`,
    `CREATE SUBSCRIPTION s CONNECTION 'postgresql://:${secret}@h/db' PUBLICATION p`,
    `SELECT * FROM t WHERE auth_key = '${secret}'`,
    `OPTIONS (access_key '${secret}')`,
    `SELECT digest('${secret}', 'sha256')`,
    `SELECT U&"p\\0061ss", '${secret}'`,
    `SELECT /* a /* password */ it is ${secret} */ 1`,
    `SELECT /* a /* password '${secret}' */ '${secret}' */ 1`,
    `/* /* */ ' */ ALTER ROLE bob PASSWORD '${secret}'`,
    `ALTER ROLE bob PASSWORD 'it\\'${secret}'`,
    `SELECT 'it\\', password', '${secret}'`,
  ])('in %s', (sql) => {
    expect(maskSecrets(sql)).not.toContain(secret);
  });

  test('where it is a number, and what only counts parameters stays', () => {
    expect(maskSecrets('SET app.token = 12345678')).toBe(`SET app.token = '***'`);
    expect(maskSecrets('INSERT INTO t1 (pwd, x) VALUES (1234, $2)')).toBe(`INSERT INTO t1 (pwd, x) VALUES ('***', $2)`);
  });
});

describe('what is no secret stays', () => {
  test.each([
    `SELECT * FROM orders WHERE state = 'open' AND note = $$as "is"$$`,
    `SELECT a$b$c, d$b$e FROM t WHERE x = $1 -- all of them`,
    `SELECT E'a\\'b', U&'\\0041', '' FROM "some table" /* of mine */`,
    `SELECT 'https://example.com/a:b', 'x@y'`,
    `SELECT name FROM authors JOIN passengers USING (id) WHERE id = 7 AND name = 'Ann'`,
    `SELECT /* a /* b */ 'c */ 1; SELECT 'C:\\', 2`,
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

test('a long text of what never ends is read once, to its end', () => {
  const quotes = `SELECT ${`'''''"$a$`.repeat(100_000)}`;
  expect(maskSecrets(quotes)).toBe(quotes);
  const comments = `SELECT 1 ${'/*'.repeat(500_000)}`;
  expect(maskSecrets(comments)).toBe(comments);
  const url = `SELECT '${'://a'.repeat(4)}${':a'.repeat(50_000)}'`;
  expect(maskSecrets(url)).toBe(url);
  expect(maskSecrets(`SELECT password, ${"'a', ".repeat(100_000)}1`)).toBe(
    `SELECT password, ${"'***', ".repeat(100_000)}'***'`,
  );
});
