/** Whose an issuer's subject is, and which session a token of his belongs to, in the metadata database. */
import type { Executor } from '../../db/metadata.ts';

export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

export async function findIdentity(client: Executor, { issuer, subject }: Identity): Promise<string | null> {
  const { rows } = await client.query<{ userId: string }>(
    'SELECT user_id AS "userId" FROM external_identities WHERE issuer = $1 AND subject = $2',
    [issuer, subject],
  );
  return rows[0]?.userId ?? null;
}

export async function insertIdentity(client: Executor, { issuer, subject }: Identity, userId: string): Promise<void> {
  await client.query('INSERT INTO external_identities (issuer, subject, user_id) VALUES ($1, $2, $3)', [
    issuer,
    subject,
    userId,
  ]);
}

/** Whether another subject of the issuer leads to the account already. */
export async function isLinked(client: Executor, issuer: string, userId: string): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM external_identities WHERE issuer = $1 AND user_id = $2', [
    issuer,
    userId,
  ]);
  return rows.length > 0;
}

/** Of every issuer. */
export async function deleteIdentities(client: Executor, userId: string): Promise<void> {
  await client.query('DELETE FROM external_identities WHERE user_id = $1', [userId]);
}

/** By an address in the form that is compared. */
export async function findUserByEmail(client: Executor, emailKey: string) {
  const { rows } = await client.query<{ id: string; email: string; verified: boolean }>(
    'SELECT id, email, email_verified_at IS NOT NULL AS verified FROM users WHERE email_key = $1',
    [emailKey],
  );
  return rows[0] ?? null;
}

/** Holds the account until the transaction ends. @returns whether it may sign in */
export async function holdUser(client: Executor, userId: string): Promise<'enabled' | 'disabled' | 'gone'> {
  const { rows } = await client.query<{ disabled: boolean }>(
    'SELECT disabled_at IS NOT NULL AS disabled FROM users WHERE id = $1 FOR UPDATE',
    [userId],
  );
  if (!rows[0]) return 'gone';
  return rows[0].disabled ? 'disabled' : 'enabled';
}

export interface IssuedSession {
  readonly id: string;
  readonly userId: string;
}

/** Also one that was ended: it stays so for as long as tokens of it are shown. */
export async function findSession(client: Executor, origin: Buffer, until: Date): Promise<IssuedSession | null> {
  const { rows } = await client.query<IssuedSession>(
    `UPDATE sessions SET expires_at = greatest(expires_at, $2), last_used_at = now() WHERE origin_hash = $1
     RETURNING id, user_id AS "userId"`,
    [origin, until],
  );
  return rows[0] ?? null;
}

export async function beginSession(client: Executor, id: string, until: Date): Promise<void> {
  await client.query(
    `WITH session AS (UPDATE sessions SET expires_at = $2 WHERE id = $1 RETURNING user_id)
     UPDATE users SET last_login_at = now() FROM session WHERE users.id = session.user_id`,
    [id, until],
  );
}
