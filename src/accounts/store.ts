/** Users and sessions in the metadata database. What has to be one transaction takes the transaction's client. */
import type { Session, User } from '../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../db/metadata.ts';
import { uuidv7 } from '../lib/ids.ts';
import { emailKeyOf } from './email.ts';
import { type Caller, roleOfText, type UserRole } from './viewer.ts';

export type { Session, User };

/** How many sign-ins of one user live at once; one more ends the one that was longest unused. */
export const maxSessions = 100;

const loadedAtOnce = 500;
const maxUserAgentCharacters = 512;

export async function findSignIn(client: Executor, email: string) {
  const { rows } = await client.query<{ id: string; passwordHash: string; disabled: boolean }>(
    `SELECT id, password_hash AS "passwordHash", disabled_at IS NOT NULL AS disabled FROM users WHERE email_key = $1`,
    [emailKeyOf(email)],
  );
  return rows[0] ?? null;
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
}

/** Null when the address is taken. */
export async function insertUser(client: Executor, { email, name, role, passwordHash }: NewUser) {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO users (id, email, email_key, name, role, password_hash) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (email_key) DO NOTHING RETURNING id`,
    [uuidv7(), email, emailKeyOf(email), name, role, passwordHash],
  );
  return rows[0]?.id ?? null;
}

/** Null when the password was changed, or the account disabled, since `passwordHash` was read. */
export async function noteSignIn(client: Executor, userId: string, passwordHash: string): Promise<UserRole | null> {
  const { rows } = await client.query<{ role: string }>(
    `UPDATE users SET last_login_at = now() WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL RETURNING role`,
    [userId, passwordHash],
  );
  return rows[0] ? roleOfText(rows[0].role) : null;
}

/** A session without a token yet. @returns its id, and those of the sessions that it displaced */
export async function insertSession(client: Executor, userId: string, caller: Caller) {
  const id = uuidv7();
  await client.query('DELETE FROM sessions WHERE user_id = $1 AND expires_at < now()', [userId]);
  await client.query(
    `INSERT INTO sessions (id, user_id, user_agent, ip_address, expires_at) VALUES ($1, $2, $3, $4, now())`,
    [id, userId, caller.userAgent?.slice(0, maxUserAgentCharacters), caller.ipAddress],
  );
  const { rows } = await client.query<{ id: string }>(
    `UPDATE sessions SET revoked_at = now() WHERE id IN (
       SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND id <> $2
       ORDER BY last_used_at DESC, id DESC OFFSET $3
     ) RETURNING id`,
    [userId, id, maxSessions - 1],
  );
  return { id, displaced: rows.map((row) => row.id) };
}

/** Ends one live session of the user, or all of them. @returns the ids of those that it ended */
export async function endSessions(client: Executor, userId: string, sessionId: string | null): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `UPDATE sessions SET revoked_at = now() WHERE id IN (
       SELECT id FROM sessions
       WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND revoked_at IS NULL AND expires_at > now()
       ORDER BY id FOR UPDATE
     ) RETURNING id`,
    [userId, sessionId],
  );
  return rows.map((row) => row.id);
}

/** The user's role; null when the session has ended, is not this user's, or the user is disabled. */
export async function roleInSession(client: Executor, sessionId: string, userId: string): Promise<UserRole | null> {
  const { rows } = await client.query<{ role: string }>(
    `SELECT u.role FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL`,
    [sessionId, userId],
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
