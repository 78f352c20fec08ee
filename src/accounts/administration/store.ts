/** Accounts as an administrator changes them, in the metadata database. */
import type { User } from '../../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';
import { emailKeyOf } from '../email.ts';
import { roleOfText, type UserRole } from '../viewer.ts';

export interface AccountRow {
  readonly id: string;
  readonly role: UserRole;
  readonly disabled: boolean;
}

export interface UserChange {
  role?: UserRole | undefined;
  disabled?: boolean | undefined;
  /** The ceiling; null: the server's. */
  maxParallelJobs?: number | null | undefined;
}

/** $1 an address's key and $2 a name, in part. */
const matches = `($1::text IS NULL OR strpos(email_key, $1) > 0 OR strpos(lower(name), $2) > 0)`;
const valuesOf = (search: string | undefined) =>
  search === undefined ? [null, null] : [emailKeyOf(search), search.toLowerCase()];

/** Newest first: one more than the page holds, where there is one. */
export async function findUsers(
  { db, prisma }: { db: Executor; prisma: Prisma },
  search: string | undefined,
  { limit, backward, after, before }: Page,
): Promise<User[]> {
  const { rows } = await db.query<{ id: string }>(
    `SELECT id FROM users WHERE ${matches} AND ($3::uuid IS NULL OR id < $3) AND ($4::uuid IS NULL OR id > $4)
      ORDER BY id ${backward ? 'ASC' : 'DESC'} LIMIT $5`,
    [...valuesOf(search), after, before, limit + 1],
  );
  return prisma.user.findMany({ where: { id: { in: rows.map(({ id }) => id) } }, orderBy: { id: 'desc' } });
}

export async function countUsers(db: Executor, search: string | undefined): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM users WHERE ${matches}`,
    valuesOf(search),
  );
  return rows[0]!.count;
}

/**
 * Those who can administer now: nobody else changes them until the transaction ends, and each takes them in one order.
 * Whoever only refers to them, as a submitted job does, passes: two owners in another order would be a deadlock.
 */
export async function lockAdministrators(client: Executor): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR NO KEY UPDATE`,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Until the transaction ends it stays as it is, and nothing is made that would be his. Null when it is gone. */
export async function lockAccount(client: Executor, id: string): Promise<AccountRow | null> {
  const { rows } = await client.query<Omit<AccountRow, 'role'> & { role: string }>(
    'SELECT id, role, disabled_at IS NOT NULL AS disabled FROM users WHERE id = $1 FOR UPDATE',
    [id],
  );
  return rows[0] ? { ...rows[0], role: roleOfText(rows[0].role) } : null;
}

/** What is undefined stays. */
export async function updateAccount(client: Executor, id: string, change: UserChange): Promise<void> {
  const { role, disabled, maxParallelJobs } = change;
  await client.query(
    `UPDATE users SET role = coalesce($2, role),
            disabled_at = CASE WHEN $3::boolean IS NULL THEN disabled_at WHEN $3 THEN coalesce(disabled_at, now()) END,
            max_parallel_jobs_limit = CASE WHEN $4 THEN $5::int ELSE max_parallel_jobs_limit END
     WHERE id = $1`,
    [id, role ?? null, disabled ?? null, maxParallelJobs !== undefined, maxParallelJobs ?? null],
  );
}

/** What he is known by where something of his is open: his sessions and his API keys. */
export async function accessesOf(client: Executor, userId: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
     UNION ALL SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL`,
    [userId],
  );
  return rows.map(({ id }) => id);
}

export async function deleteAccount(client: Executor, id: string): Promise<void> {
  await client.query('DELETE FROM users WHERE id = $1', [id]);
}
