/**
 * Refresh tokens: opaque, exchanged once, known here by their hash alone. Which of a family's tokens is shown decides
 * what happens; all of it runs under a lock on the family's session.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Executor } from '../db/metadata.ts';
import type { SealedColumn } from '../db/rotation.ts';
import { uuidv7 } from '../lib/ids.ts';
import { type Keyring, SealError } from '../lib/keyring.ts';

export const refreshTokenDays = 30;
/** For this long the last token that was exchanged gives the same child again: its answer may have been lost. */
export const graceSeconds = 10;

const tokenBytes = 32;
const form = /^[A-Za-z0-9_-]{43}$/;

export interface RefreshToken {
  readonly token: string;
  readonly expiresAt: Date;
}

interface Family {
  readonly sessionId: string;
  readonly userId: string;
}

export type Exchange =
  | ({ readonly outcome: 'exchanged' } & Family & RefreshToken)
  /** Somebody else has the token: the whole family must end. */
  | ({ readonly outcome: 'reused' } & Family)
  | { readonly outcome: 'refused' };

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
const boundTo = (rowId: string): readonly string[] => ['refresh_tokens', rowId];

/** For a rotation of the keys. */
export const sealedChildren: SealedColumn = {
  table: 'refresh_tokens',
  column: 'sealed_child',
  key: { id: 'uuid' },
  boundTo: ['id'],
  context: boundTo,
};

/** The first or next token of a session, which lives as long as it does. */
export async function issueRefreshToken(client: Executor, sessionId: string): Promise<RefreshToken> {
  const token = randomBytes(tokenBytes).toString('base64url');
  const { rows } = await client.query<{ expiresAt: Date }>(
    `WITH session AS (
       UPDATE sessions SET last_used_at = now(), expires_at = now() + make_interval(days => $4)
       WHERE id = $2 RETURNING id, expires_at
     )
     INSERT INTO refresh_tokens (id, session_id, token_hash, expires_at)
     SELECT $1, id, $3, expires_at FROM session RETURNING expires_at AS "expiresAt"`,
    [uuidv7(), sessionId, hashOf(token), refreshTokenDays],
  );
  return { token, expiresAt: rows[0]!.expiresAt };
}

/** Inside a transaction. A token in the place of all that the session had; those are refused from then on. */
export async function replaceRefreshTokens(client: Executor, sessionId: string): Promise<RefreshToken> {
  // Before its tokens, as an exchange does: the child of one that is under way is there then, and goes as well.
  await client.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [sessionId]);
  await client.query('DELETE FROM refresh_tokens WHERE session_id = $1', [sessionId]);
  return issueRefreshToken(client, sessionId);
}

interface ExchangeDeps {
  readonly keyring: Keyring;
  /** Whoever has not confirmed his address is refused. */
  readonly requireVerifiedEmail: boolean;
}

interface Shown {
  id: string;
  used: boolean;
  recent: boolean;
  expired: boolean;
  sealedChild: string | null;
}

/** Inside a transaction. It writes nothing for a reused token: who ends the family is the caller. */
export async function exchangeRefreshToken(
  client: Executor,
  { keyring, requireVerifiedEmail }: ExchangeDeps,
  token: string,
): Promise<Exchange> {
  if (!form.test(token)) return { outcome: 'refused' };
  const hash = hashOf(token);
  const sessions = await client.query<Family & { dead: boolean }>(
    `SELECT s.id AS "sessionId", s.user_id AS "userId",
            s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL OR ($2 AND u.email_verified_at IS NULL) AS dead
     FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.id = (SELECT session_id FROM refresh_tokens WHERE token_hash = $1)
     FOR UPDATE OF s`,
    [hash, requireVerifiedEmail],
  );
  const [session] = sessions.rows;
  // Nothing is used up: where the address alone is missing, the token is good again when that is confirmed.
  if (!session || session.dead) return { outcome: 'refused' };
  const family: Family = { sessionId: session.sessionId, userId: session.userId };

  // Read behind the lock, and by the clock and not the start of the transaction: it may have waited.
  const tokens = await client.query<Shown>(
    `SELECT id, used_at IS NOT NULL AS used, sealed_child AS "sealedChild",
            coalesce(used_at > clock_timestamp() - make_interval(secs => $2), false) AS recent,
            expires_at <= clock_timestamp() AS expired
     FROM refresh_tokens WHERE token_hash = $1`,
    [hash, graceSeconds],
  );
  const [shown] = tokens.rows;
  if (!shown || shown.expired) return { outcome: 'refused' };
  if (!shown.used) return { outcome: 'exchanged', ...family, ...(await exchange(client, keyring, family, shown.id)) };
  if (!shown.recent || !shown.sealedChild) return { outcome: 'reused', ...family };
  const child = childOf(keyring, shown.sealedChild, shown.id);
  // The replica that sealed it has a key that is not in the ring here: that is not the client's doing.
  if (child === null) return { outcome: 'refused' };
  return { outcome: 'exchanged', ...family, token: child, expiresAt: await expiryOf(client, child) };
}

function childOf(keyring: Keyring, sealed: string, id: string): string | null {
  try {
    return keyring.open(sealed, boundTo(id));
  } catch (error) {
    if (error instanceof SealError) return null;
    throw error;
  }
}

async function exchange(client: Executor, keyring: Keyring, { sessionId }: Family, id: string): Promise<RefreshToken> {
  const child = await issueRefreshToken(client, sessionId);
  // A child that is used was received: from now on its parent is somebody else's, and its copy is not needed.
  await client.query(
    'UPDATE refresh_tokens SET sealed_child = NULL WHERE session_id = $1 AND sealed_child IS NOT NULL',
    [sessionId],
  );
  await client.query('UPDATE refresh_tokens SET used_at = clock_timestamp(), sealed_child = $2 WHERE id = $1', [
    id,
    keyring.seal(child.token, boundTo(id)),
  ]);
  // Expired ones are refused with or without their row.
  await client.query('DELETE FROM refresh_tokens WHERE session_id = $1 AND expires_at < now()', [sessionId]);
  return child;
}

async function expiryOf(client: Executor, token: string): Promise<Date> {
  const { rows } = await client.query<{ expiresAt: Date }>(
    'SELECT expires_at AS "expiresAt" FROM refresh_tokens WHERE token_hash = $1',
    [hashOf(token)],
  );
  return rows[0]!.expiresAt;
}
