/** Users and sessions in the metadata database. What has to be one transaction takes the transaction's client. */
import type { Session, User } from '../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../db/metadata.ts';
import { uuidv7 } from '../lib/ids.ts';
import { emailKeyOf } from './email.ts';
import { type Caller, roleOfText, type UserRole } from './viewer.ts';

export type { Session, User };

/** How many sign-ins of one user live at once, here and by an issuer each; one more of a kind ends the one that was longest unused. */
export const maxSessions = 100;

const loadedAtOnce = 500;
const maxUserAgentCharacters = 512;
const uniqueViolation = '23505';

/** What signing in and mailing ask of an account. */
export interface Account {
  readonly id: string;
  /** As typed. */
  readonly email: string;
  /** Empty: none. */
  readonly passwordHash: string;
  readonly disabled: boolean;
  readonly verified: boolean;
  /** Somebody has been signed in to it. */
  readonly used: boolean;
}

const accountColumns = `id, email, password_hash AS "passwordHash", disabled_at IS NOT NULL AS disabled,
  email_verified_at IS NOT NULL AS verified, last_login_at IS NOT NULL AS used`;

export async function findSignIn(client: Executor, email: string): Promise<Account | null> {
  const sql = `SELECT ${accountColumns} FROM users WHERE email_key = $1`;
  return (await client.query<Account>(sql, [emailKeyOf(email)])).rows[0] ?? null;
}

export async function findAccount(client: Executor, id: string): Promise<Account | null> {
  return (await client.query<Account>(`SELECT ${accountColumns} FROM users WHERE id = $1`, [id])).rows[0] ?? null;
}

/** As findAccount(); nobody else changes it until the transaction ends. */
export async function lockAccount(client: Executor, id: string): Promise<Account | null> {
  const sql = `SELECT ${accountColumns} FROM users WHERE id = $1 FOR NO KEY UPDATE`;
  return (await client.query<Account>(sql, [id])).rows[0] ?? null;
}

export async function anyUser(client: Executor): Promise<boolean> {
  const { rows } = await client.query<{ any: boolean }>('SELECT EXISTS (SELECT FROM users) AS any');
  return rows[0]?.any === true;
}

/** Arbitrary, and no other lock's. */
const firstUserLock = 7_305_011;

/** One at a time until the transaction ends, so that of several first accounts one is the first. */
export async function lockRegistration(client: Executor): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1)', [firstUserLock]);
}

export interface NewUser {
  email: string;
  name: string | null;
  role: UserRole;
  passwordHash: string;
  /** Whether the address is known to be his. */
  verified: boolean;
}

/** Null when the address is taken. */
export async function insertUser(client: Executor, { email, name, role, passwordHash, verified }: NewUser) {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO users (id, email, email_key, name, role, password_hash, email_verified_at)
     VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN now() END)
     ON CONFLICT (email_key) DO NOTHING RETURNING id`,
    [uuidv7(), email, emailKeyOf(email), name, role, passwordHash, verified],
  );
  return rows[0]?.id ?? null;
}

/** Of an account that nobody has used, by who opens it again: the last one's words count, as the last mail does. */
export async function reopenUser(
  client: Executor,
  userId: string,
  { email, name, passwordHash }: Omit<NewUser, 'role' | 'verified'>,
) {
  await client.query(
    `UPDATE users SET email = $2, name = $3, password_hash = $4
     WHERE id = $1 AND last_login_at IS NULL AND email_verified_at IS NULL`,
    [userId, email, name, passwordHash],
  );
}

/** False when it is not `from` any more; null: whatever it was. */
export async function replacePassword(client: Executor, userId: string, hash: string, from: string | null) {
  const { rowCount } = await client.query(
    'UPDATE users SET password_hash = $2 WHERE id = $1 AND ($3::text IS NULL OR password_hash = $3)',
    [userId, hash, from],
  );
  return rowCount === 1;
}

/** Nothing happens where the account has another address by now. */
export async function confirmAddress(client: Executor, userId: string, email: string): Promise<void> {
  await client.query(
    'UPDATE users SET email_verified_at = coalesce(email_verified_at, now()) WHERE id = $1 AND email_key = $2',
    [userId, emailKeyOf(email)],
  );
}

/** To one that is confirmed. False when another account has it: nothing else can be done in the transaction then. */
export async function replaceAddress(client: Executor, userId: string, email: string): Promise<boolean> {
  const sql = 'UPDATE users SET email = $2, email_key = $3, email_verified_at = now() WHERE id = $1';
  return client.query(sql, [userId, email, emailKeyOf(email)]).then(
    () => true,
    (error: { code?: string }) => {
      if (error.code === uniqueViolation) return false;
      throw error;
    },
  );
}

export async function renameUser(client: Executor, userId: string, name: string | null): Promise<void> {
  await client.query('UPDATE users SET name = $2 WHERE id = $1', [userId, name]);
}

/** Null when the password was changed, or the account disabled, since `passwordHash` was read. */
export async function noteSignIn(client: Executor, userId: string, passwordHash: string): Promise<UserRole | null> {
  const { rows } = await client.query<{ role: string }>(
    `UPDATE users SET last_login_at = now() WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL RETURNING role`,
    [userId, passwordHash],
  );
  return rows[0] ? roleOfText(rows[0].role) : null;
}

export interface NewSession {
  readonly userId: string;
  readonly caller: Caller;
  /** Of another issuer's session or token; null: of this server's own. */
  readonly origin: Buffer | null;
}

/** A session without a token yet. @returns its id, and those of the sessions that it displaced */
export async function insertSession(client: Executor, { userId, caller, origin }: NewSession) {
  const id = uuidv7();
  await client.query('DELETE FROM sessions WHERE user_id = $1 AND expires_at < now()', [userId]);
  await client.query(
    `INSERT INTO sessions (id, user_id, user_agent, ip_address, origin_hash, expires_at) VALUES ($1, $2, $3, $4, $5, now())`,
    [id, userId, caller.userAgent?.slice(0, maxUserAgentCharacters), caller.ipAddress, origin],
  );
  const { rows } = await client.query<{ id: string }>(
    `UPDATE sessions SET revoked_at = now() WHERE id IN (
       SELECT id FROM sessions
       WHERE user_id = $1 AND revoked_at IS NULL AND id <> $2 AND (origin_hash IS NULL) = $4
       ORDER BY last_used_at DESC, id DESC OFFSET $3
     ) RETURNING id`,
    // An issuer's tokens come often, and would end what somebody signed in to by his password.
    [userId, id, maxSessions - 1, origin === null],
  );
  return { id, displaced: rows.map((row) => row.id) };
}

/** One of a user's sessions, all but one, or all. */
export type WhichSessions = { readonly only: string } | { readonly but: string } | 'all';

/** Links to files that were made in its sessions until now open nothing any more. */
export async function endLinks(client: Executor, userId: string): Promise<void> {
  await client.query('UPDATE users SET links_ended_at = clock_timestamp() WHERE id = $1', [userId]);
}

/**
 * The role of who made a link to a file; null for an account that is gone or disabled, or has ended its links since.
 * @param madeAt null: of a link that does not end so
 */
export async function roleOfLinks(client: Executor, userId: string, madeAt: Date | null): Promise<UserRole | null> {
  const { rows } = await client.query<{ role: string }>(
    `SELECT role FROM users WHERE id = $1 AND disabled_at IS NULL
       AND ($2::timestamptz IS NULL OR links_ended_at IS NULL OR links_ended_at <= $2)`,
    [userId, madeAt],
  );
  return rows[0] ? roleOfText(rows[0].role) : null;
}

/**
 * Those that are live; of another issuer also those that have run out, which its next token would prolong.
 * @returns the ids of those that it ended
 */
export async function endSessions(client: Executor, userId: string, which: WhichSessions): Promise<string[]> {
  const only = which !== 'all' && 'only' in which ? which.only : null;
  const but = which !== 'all' && 'but' in which ? which.but : null;
  const { rows } = await client.query<{ id: string }>(
    `UPDATE sessions SET revoked_at = now() WHERE id IN (
       SELECT id FROM sessions
       WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3)
         AND revoked_at IS NULL AND (expires_at > now() OR origin_hash IS NOT NULL)
       ORDER BY id FOR UPDATE
     ) RETURNING id`,
    [userId, only, but],
  );
  return rows.map(({ id }) => id);
}

/**
 * The user's role; null when the session has ended, is not this user's, or the user is disabled, or may not be signed in
 * before his address is confirmed.
 */
export async function roleInSession(
  client: Executor,
  { sessionId, userId }: { sessionId: string; userId: string },
  { requireVerifiedEmail }: { readonly requireVerifiedEmail: boolean },
): Promise<UserRole | null> {
  const { rows } = await client.query<{ role: string }>(
    `SELECT u.role FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
       AND (NOT $3 OR u.email_verified_at IS NOT NULL)`,
    [sessionId, userId, requireVerifiedEmail],
  );
  return rows[0] ? roleOfText(rows[0].role) : null;
}

export interface SettingsChange {
  maxParallelJobs?: number | null | undefined;
  statementTimeoutMs?: number | null | undefined;
  maxRows?: number | null | undefined;
  queuePriority?: number | null | undefined;
  defaultExportFormat?: string | null | undefined;
  /** A UUID. */
  defaultExportBucketId?: string | null | undefined;
  defaultExportPrefix?: string | null | undefined;
}

export async function updateSettings(client: Executor, userId: string, change: SettingsChange): Promise<void> {
  const columns = {
    max_parallel_jobs: change.maxParallelJobs,
    statement_timeout_ms: change.statementTimeoutMs,
    max_rows: change.maxRows,
    queue_priority: change.queuePriority,
    default_export_format: change.defaultExportFormat,
    default_export_bucket_id: change.defaultExportBucketId,
    default_export_prefix: change.defaultExportPrefix,
  };
  const set = Object.entries(columns).filter(([, value]) => value !== undefined);
  if (set.length === 0) return;
  const assignments = set.map(([column], index) => `${column} = $${index + 2}`).join(', ');
  await client.query(`UPDATE users SET ${assignments} WHERE id = $1`, [userId, ...set.map(([, value]) => value)]);
}

/** Locks the user's row, so that a ceiling cannot sink below what is being set. */
export async function lockCeiling(client: Executor, userId: string): Promise<number | null> {
  const { rows } = await client.query<{ limit: number | null }>(
    'SELECT max_parallel_jobs_limit AS limit FROM users WHERE id = $1 FOR UPDATE',
    [userId],
  );
  return rows[0]?.limit ?? null;
}

/** Those that are asked for in one tick are read together. */
export const findUser = (prisma: Prisma, id: string): Promise<User | null> => prisma.user.findUnique({ where: { id } });

export const findSession = (prisma: Prisma, id: string): Promise<Session | null> =>
  prisma.session.findFirst({ where: { id, revokedAt: null, expiresAt: { gt: new Date() } } });

/** The live sessions of each user, the last used first. */
export async function findSessions(prisma: Prisma, userIds: readonly string[]): Promise<Map<string, Session[]>> {
  const byUser = new Map<string, Session[]>(userIds.map((id) => [id, []]));
  for (let start = 0; start < userIds.length; start += loadedAtOnce) {
    const sessions = await prisma.session.findMany({
      where: {
        userId: { in: userIds.slice(start, start + loadedAtOnce) },
        revokedAt: null,
        expiresAt: { gt: new Date() },
      },
      orderBy: [{ lastUsedAt: 'desc' }, { id: 'desc' }],
    });
    for (const session of sessions) byUser.get(session.userId)?.push(session);
  }
  return byUser;
}
