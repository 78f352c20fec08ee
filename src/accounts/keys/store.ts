/** API keys in the metadata database. What has to be one transaction takes the transaction's client. */
import type { ApiKey } from '../../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../../db/metadata.ts';
import { type ApiKeyScope, apiKeyScopes, roleOfText, type UserRole } from '../viewer.ts';

export type { ApiKey };

const loadedAtOnce = 500;

/** In the order of their greatness; what is not known there grants nothing. */
export const scopesOfText = (scopes: readonly string[]): ApiKeyScope[] =>
  apiKeyScopes.filter((scope) => scopes.includes(scope));

/** A key that is not revoked, of a user who is not disabled and may be signed in. */
export interface LiveKey {
  readonly id: string;
  readonly userId: string;
  readonly userRole: UserRole;
  readonly scopes: readonly ApiKeyScope[];
  /** Null: all that its user reaches. */
  readonly databaseIds: readonly string[] | null;
  readonly secretHash: Buffer;
  readonly expiresAt: Date | null;
}

export async function findLiveKey(
  client: Executor,
  id: string,
  { requireVerifiedEmail }: { readonly requireVerifiedEmail: boolean },
): Promise<LiveKey | null> {
  const { rows } = await client.query<
    Omit<LiveKey, 'userRole' | 'scopes'> & { role: string; scopes: readonly string[] }
  >(
    `SELECT k.id, k.user_id AS "userId", u.role, k.scopes, k.secret_hash AS "secretHash", k.expires_at AS "expiresAt",
            CASE WHEN k.narrowed THEN ARRAY(SELECT database_id FROM api_key_databases WHERE key_id = k.id) END
              AS "databaseIds"
     FROM api_keys k JOIN users u ON u.id = k.user_id
     WHERE k.id = $1 AND k.revoked_at IS NULL AND u.disabled_at IS NULL AND (NOT $2 OR u.email_verified_at IS NOT NULL)`,
    [id, requireVerifiedEmail],
  );
  const [row] = rows;
  if (!row) return null;
  const { role, scopes, ...key } = row;
  return { ...key, userRole: roleOfText(role), scopes: scopesOfText(scopes) };
}

/** One at a time for a user until the transaction ends, so that the keys that are counted stay as many. */
export async function lockUser(client: Executor, userId: string): Promise<void> {
  await client.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [userId]);
}

/** Those that still open something. */
export async function countLive(client: Executor, userId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM api_keys
     WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
    [userId],
  );
  return rows[0]!.count;
}

/** Of those that open nothing any more the newest stay. */
export async function forgetDead(client: Executor, userId: string, kept: number): Promise<void> {
  await client.query(
    `DELETE FROM api_keys WHERE id IN (
       SELECT id FROM api_keys WHERE user_id = $1 AND (revoked_at IS NOT NULL OR expires_at <= now())
       ORDER BY coalesce(revoked_at, expires_at) DESC, id DESC OFFSET $2
     )`,
    [userId, kept],
  );
}

export interface NewKey {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  readonly databaseIds: readonly string[] | null;
  readonly secretHash: Buffer;
  readonly expiresAt: Date | null;
}

/** A database that went meanwhile is not among its own. */
export async function insertKey(
  client: Executor,
  { id, userId, name, scopes, databaseIds, secretHash, expiresAt }: NewKey,
): Promise<void> {
  await client.query(
    `INSERT INTO api_keys (id, user_id, name, scopes, secret_hash, expires_at, narrowed)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [id, userId, name, scopes, secretHash, expiresAt, databaseIds !== null],
  );
  await client.query(
    `INSERT INTO api_key_databases (key_id, database_id)
     SELECT $1, id FROM databases WHERE id = ANY($2::uuid[]) ORDER BY id FOR KEY SHARE`,
    [id, databaseIds ?? []],
  );
}

/** Of each narrowed key. */
export async function findDatabases(client: Executor, keyIds: readonly string[]): Promise<Map<string, string[]>> {
  const { rows } = await client.query<{ keyId: string; databaseIds: string[] }>(
    `SELECT id AS "keyId", ARRAY(SELECT database_id FROM api_key_databases WHERE key_id = id ORDER BY 1) AS "databaseIds"
     FROM api_keys WHERE narrowed AND id = ANY($1::uuid[])`,
    [keyIds],
  );
  return new Map(rows.map(({ keyId, databaseIds }) => [keyId, databaseIds]));
}

/** False when it was revoked before. */
export async function revokeKey(client: Executor, id: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL',
    [id],
  );
  return rowCount === 1;
}

/** All of a user's. @returns those that it ended */
export async function revokeKeysOf(client: Executor, userId: string): Promise<{ id: string; name: string }[]> {
  const { rows } = await client.query<{ id: string; name: string }>(
    `UPDATE api_keys SET revoked_at = now() WHERE id IN (
       SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
       ORDER BY id FOR UPDATE
     ) RETURNING id, name`,
    [userId],
  );
  return rows;
}

/** Unless it was noted within the last minute, by whichever process. */
export async function noteUse(client: Executor, id: string): Promise<void> {
  await client.query(
    `UPDATE api_keys SET last_used_at = now()
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')`,
    [id],
  );
}

export const findKey = (prisma: Prisma, id: string): Promise<ApiKey | null> =>
  prisma.apiKey.findUnique({ where: { id } });

/** All keys of each user, the newest first. */
export async function findKeys(prisma: Prisma, userIds: readonly string[]): Promise<Map<string, ApiKey[]>> {
  const byUser = new Map<string, ApiKey[]>(userIds.map((id) => [id, []]));
  for (let start = 0; start < userIds.length; start += loadedAtOnce) {
    const keys = await prisma.apiKey.findMany({
      where: { userId: { in: userIds.slice(start, start + loadedAtOnce) } },
      orderBy: { id: 'desc' },
    });
    for (const key of keys) byUser.get(key.userId)?.push(key);
  }
  return byUser;
}
