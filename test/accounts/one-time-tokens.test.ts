/** Tokens that mails carry: AUTH-8, that each is good once, for one purpose, for its time, and found in no dump. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTokenSweeper, issueToken, spendToken, voidTokens } from '../../src/accounts/one-time-tokens.ts';
import { transaction } from '../../src/db/metadata.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestMetadata, type TestMetadata } from '../support/metadata.ts';

let metadata: TestMetadata;
beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(() => metadata?.[Symbol.asyncDispose]());

const email = 'ann@example.com';
const issue = (subjectId = uuidv7(), lifetimeHours = 1) =>
  transaction(metadata.pool, (client) =>
    issueToken(client, { purpose: 'password.reset', subjectId, email, lifetimeHours }),
  );
const spend = (token: string, purpose: 'password.reset' | 'email.verify' = 'password.reset') =>
  transaction(metadata.pool, (client) => spendToken(client, purpose, token));
const refusedWith = (message: string) => ({
  code: 'BAD_USER_INPUT',
  details: { fields: [{ path: 'input.token', message: `this token ${message}` }] },
});

describe('a one-time token', () => {
  test('is good for its subject and the address that it was mailed to, once', async () => {
    const subjectId = uuidv7();
    const { token, expiresAt } = await issue(subjectId);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(expiresAt.getTime() - Date.now()).toBeGreaterThan(3_500_000);
    expect(await spend(token)).toEqual({ subjectId, email });
    await expect(spend(token)).rejects.toMatchObject(refusedWith('has been used'));
  });

  test('is used once by a hundred that come at once', async () => {
    const { token } = await issue();
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => spend(token)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject(refusedWith('has been used'));
  });

  test('is not used by what fails', async () => {
    const { token } = await issue();
    const failed = transaction(metadata.pool, async (client) => {
      await spendToken(client, 'password.reset', token);
      throw new Error('later');
    });
    await expect(failed).rejects.toThrow('later');
    expect(await spend(token)).toMatchObject({ email });
  });

  test('is void when a newer one is made, and one stays good of many that are made at once', async () => {
    const subjectId = uuidv7();
    const made = await Promise.all(Array.from({ length: 8 }, () => issue(subjectId)));
    const answers = await Promise.allSettled(made.map(({ token }) => spend(token)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [refusal] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    expect(refusal).toMatchObject(refusedWith('has been replaced by a newer one'));
  });

  test('leaves those of other purposes and other subjects alone', async () => {
    const subjectId = uuidv7();
    const { token } = await issue(subjectId);
    await transaction(metadata.pool, (client) =>
      issueToken(client, { purpose: 'email.verify', subjectId, email, lifetimeHours: 1 }),
    );
    await issue();
    expect(await spend(token)).toMatchObject({ subjectId });
  });

  test('is nothing to another purpose, and nothing is said of it there', async () => {
    const { token } = await issue();
    await expect(spend(token, 'email.verify')).rejects.toMatchObject(refusedWith('is not one of this server'));
    expect(await spend(token)).toBeDefined();
  });

  test.each(['', 'x', 'a'.repeat(43), `${'a'.repeat(43)}\0`, '%27 OR 1=1', 'a'.repeat(100_000)])(
    'is none of this server’s: %#',
    async (token) => {
      await expect(spend(token)).rejects.toMatchObject(refusedWith('is not one of this server'));
    },
  );

  test('has its time', async () => {
    const { token } = await issue(uuidv7(), 0);
    await expect(spend(token)).rejects.toMatchObject(refusedWith('has expired; ask for another one'));
  });

  test('ends with all others of its subject where that is asked for', async () => {
    const subjectId = uuidv7();
    const { token } = await issue(subjectId);
    await voidTokens(metadata.pool, { subjectId });
    await expect(spend(token)).rejects.toMatchObject(refusedWith('has been replaced by a newer one'));
  });

  test('is in the database only as its SHA-256, and there until a week after its end', async () => {
    const { token } = await issue();
    const dump = async () => JSON.stringify((await metadata.pool.query('SELECT * FROM one_time_tokens')).rows);
    expect(await dump()).not.toContain(token);
    expect(await dump()).not.toContain(JSON.stringify(Buffer.from(token, 'base64url')));
    const sweep = createTokenSweeper(metadata);
    await sweep();
    const known = (await metadata.pool.query('SELECT FROM one_time_tokens')).rowCount;
    expect(await sweep()).toBe(0);
    await metadata.pool.query(`UPDATE one_time_tokens SET expires_at = now() - interval '8 days'`);
    expect(await sweep()).toBe(known);
  });
});
