/** One-time tokens: what the links of mails carry. Random, known here by their hash alone, good for one purpose and once. */
import { createHash, randomBytes } from 'node:crypto';
import type { Executor } from '../db/metadata.ts';
import { badInput } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';

export type TokenPurpose = 'email.verify' | 'password.reset' | 'invitation';

export interface NewToken {
  readonly purpose: TokenPurpose;
  /** A UUID: the user, or the invitation, that it is about. */
  readonly subjectId: string;
  /** Where it is mailed to. */
  readonly email: string;
  readonly lifetimeHours: number;
}

export interface IssuedToken {
  /** For the mail, and for nothing that stays. */
  readonly token: string;
  readonly expiresAt: Date;
}

export interface SpentToken {
  readonly subjectId: string;
  readonly email: string;
}

const tokenBytes = 32;
const form = /^[A-Za-z0-9_-]{43}$/;
/** For so long it can still be said what became of a token. */
const toldForDays = 7;

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Inside a transaction. Earlier ones of the same purpose and subject are void from then on. */
export async function issueToken(client: Executor, token: NewToken): Promise<IssuedToken> {
  const { purpose, subjectId, email, lifetimeHours } = token;
  const secret = randomBytes(tokenBytes).toString('base64url');
  await oneAtATime(client, purpose, subjectId);
  await voidTokens(client, { purpose, subjectId });
  const { rows } = await client.query<{ expiresAt: Date }>(
    `INSERT INTO one_time_tokens (id, purpose, subject_id, email, token_hash, expires_at)
     VALUES ($1, $2, $3, $4, $5, now() + make_interval(hours => $6)) RETURNING expires_at AS "expiresAt"`,
    [uuidv7(), purpose, subjectId, email, hashOf(secret), lifetimeHours],
  );
  return { token: secret, expiresAt: rows[0]!.expiresAt };
}

/** Until the transaction ends, so that of two at once the second one sees the first. */
async function oneAtATime(client: Executor, purpose: TokenPurpose, subjectId: string): Promise<void> {
  const key = `one_time_tokens ${purpose} ${subjectId}`;
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [key]);
}

/** Inside the transaction that issues one more: how many there were in the last hour, and no other comes between. */
export async function tokensOfLastHour(
  client: Executor,
  { purpose, subjectId }: Pick<NewToken, 'purpose' | 'subjectId'>,
): Promise<number> {
  await oneAtATime(client, purpose, subjectId);
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM one_time_tokens
     WHERE subject_id = $1 AND purpose = $2 AND created_at > clock_timestamp() - interval '1 hour'`,
    [subjectId, purpose],
  );
  return rows[0]!.count;
}

/** Before work that costs much: whether it is worth it. @throws AppError as spendToken() */
export async function requireGoodToken(client: Executor, purpose: TokenPurpose, token: string): Promise<void> {
  if (!form.test(token)) throw refused('is not one of this server');
  const fate = await fateOf(client, purpose, hashOf(token));
  if (fate) throw refused(fate);
}

/**
 * Inside the transaction that does what the token is for: when that fails, the token is as good as before.
 * @throws AppError BAD_USER_INPUT, saying what became of it
 */
export async function spendToken(client: Executor, purpose: TokenPurpose, token: string): Promise<SpentToken> {
  if (!form.test(token)) throw refused('is not one of this server');
  const hash = hashOf(token);
  const { rows } = await client.query<SpentToken>(
    `UPDATE one_time_tokens SET used_at = clock_timestamp()
     WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND voided_at IS NULL AND expires_at > clock_timestamp()
     RETURNING subject_id AS "subjectId", email`,
    [hash, purpose],
  );
  if (rows[0]) return rows[0];
  throw refused((await fateOf(client, purpose, hash)) ?? 'has been used');
}

/** Whom or what a token is about, good or not, where a lock on that comes before the token's own. */
export async function subjectOf(client: Executor, purpose: TokenPurpose, token: string): Promise<string | null> {
  if (!form.test(token)) return null;
  const { rows } = await client.query<{ subjectId: string }>(
    'SELECT subject_id AS "subjectId" FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2',
    [hashOf(token), purpose],
  );
  return rows[0]?.subjectId ?? null;
}

const refused = (fate: string) => badInput({ path: 'input.token', message: `this token ${fate}` });

/** Null for one that is good. */
async function fateOf(client: Executor, purpose: TokenPurpose, hash: Buffer): Promise<string | null> {
  const { rows } = await client.query<{ used: boolean; voided: boolean; expired: boolean }>(
    `SELECT used_at IS NOT NULL AS used, voided_at IS NOT NULL AS voided, expires_at <= clock_timestamp() AS expired
     FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2`,
    [hash, purpose],
  );
  const [known] = rows;
  if (!known) return 'is not one of this server';
  if (known.used) return 'has been used';
  if (known.voided) return 'has been replaced by a newer one';
  return known.expired ? 'has expired; ask for another one' : null;
}

/** Those that are good; of every purpose where none is named. */
export async function voidTokens(
  client: Executor,
  { purpose, subjectId }: { purpose?: TokenPurpose; subjectId: string },
): Promise<void> {
  await client.query(
    `UPDATE one_time_tokens SET voided_at = clock_timestamp()
     WHERE subject_id = $1 AND ($2::text IS NULL OR purpose = $2) AND used_at IS NULL AND voided_at IS NULL`,
    [subjectId, purpose ?? null],
  );
}

/** @returns a duty of the janitor: how many of those that ended long ago it took away */
export const createTokenSweeper =
  ({ pool }: { pool: Executor }) =>
  async (): Promise<number> => {
    const { rowCount } = await pool.query(
      'DELETE FROM one_time_tokens WHERE expires_at < now() - make_interval(days => $1)',
      [toldForDays],
    );
    return rowCount ?? 0;
  };
