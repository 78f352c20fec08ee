/** Invitations in the metadata database. What has to be one transaction takes the transaction's client. */
import { emailKeyOf } from '../../accounts/email.ts';
import { roleOfText, type UserRole } from '../../accounts/viewer.ts';
import type { Invitation, Project } from '../../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../../db/metadata.ts';
import { uuidv7 } from '../../lib/ids.ts';

export type { Invitation, Project };

/** What Pothos wants to have with a row. */
export type PrismaQuery = { include?: object; select?: object };

/** As much of one as decides what becomes of it. */
export interface InvitationRow {
  readonly id: string;
  readonly emailKey: string;
  readonly projectId: string | null;
  readonly role: string;
  readonly invitedById: string | null;
  readonly acceptedAt: Date | null;
  readonly revokedAt: Date | null;
}

const columns = `id, email_key AS "emailKey", project_id AS "projectId", role, invited_by_id AS "invitedById",
  accepted_at AS "acceptedAt", revoked_at AS "revokedAt"`;

export const findInvitation = (prisma: Prisma, id: string): Promise<Invitation | null> =>
  prisma.invitation.findUnique({ where: { id } });

export const findProject = (prisma: Prisma, query: PrismaQuery, id: string): Promise<Project | null> =>
  prisma.project.findUnique({ ...query, where: { id } });

/** The newest of each project, for those that the user owns: invitation:see of policy.ts, for many rows at once. */
export async function findOfProjects(
  { db, prisma }: { db: Executor; prisma: Prisma },
  userId: string,
  projectIds: readonly string[],
  limitOfEach: number,
): Promise<Invitation[]> {
  const { rows } = await db.query<{ id: string }>(
    `SELECT newest.id FROM project_members m CROSS JOIN LATERAL (
       SELECT id FROM invitations WHERE project_id = m.project_id ORDER BY id DESC LIMIT $3) newest
     WHERE m.user_id = $1 AND m.role = 'owner' AND m.project_id = ANY($2::uuid[])`,
    [userId, projectIds, limitOfEach],
  );
  return prisma.invitation.findMany({ where: { id: { in: rows.map(({ id }) => id) } }, orderBy: { id: 'desc' } });
}

/** Those to the server, the newest first. */
export const findOfServer = (prisma: Prisma, limit: number): Promise<Invitation[]> =>
  prisma.invitation.findMany({ where: { projectId: null }, orderBy: { id: 'desc' }, take: limit });

export async function read(client: Executor, id: string): Promise<InvitationRow | null> {
  const { rows } = await client.query<InvitationRow>(`SELECT ${columns} FROM invitations WHERE id = $1`, [id]);
  return rows[0] ?? null;
}

/** It stays as it is until the transaction ends. */
export async function hold(client: Executor, id: string): Promise<InvitationRow | null> {
  const { rows } = await client.query<InvitationRow>(`SELECT ${columns} FROM invitations WHERE id = $1 FOR UPDATE`, [
    id,
  ]);
  return rows[0] ?? null;
}

export interface NewInvitation {
  readonly email: string;
  /** Null: to the server. */
  readonly projectId: string | null;
  readonly role: string;
  readonly invitedById: string;
  readonly lifetimeHours: number;
}

/** Invitations of an address, and of the server, one after the other until the transaction ends. */
export async function lockAddress(client: Executor, email: string): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`invitations ${emailKeyOf(email)}`]);
}

/** Those that are neither accepted nor revoked. */
export async function countOpen(client: Executor, projectId: string | null): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM invitations
     WHERE project_id IS NOT DISTINCT FROM $1 AND accepted_at IS NULL AND revoked_at IS NULL`,
    [projectId],
  );
  return rows[0]!.count;
}

/** How many mails an address was sent within the last hour, and when the oldest of them is an hour old. */
export async function sentLately(client: Executor, email: string): Promise<{ count: number; freeInMs: number }> {
  const { rows } = await client.query<{ count: number; freeInMs: number | null }>(
    `SELECT count(*)::int AS count,
            ceil(extract(epoch FROM min(created_at) + interval '1 hour' - now()) * 1000)::int AS "freeInMs"
     FROM one_time_tokens WHERE purpose = 'invitation' AND email = $1 AND created_at > now() - interval '1 hour'`,
    [emailKeyOf(email)],
  );
  const { count, freeInMs } = rows[0]!;
  return { count, freeInMs: Math.max(freeInMs ?? 0, 1) };
}

/** Takes the place of the one that is open for the address. @returns its id, and whether there was none */
export async function put(client: Executor, given: NewInvitation): Promise<{ id: string; fresh: boolean }> {
  const { email, projectId, role, invitedById, lifetimeHours } = given;
  const renewed = await client.query<{ id: string }>(
    `UPDATE invitations SET email = $1, role = $4, invited_by_id = $5, expires_at = now() + make_interval(hours => $6)
     WHERE email_key = $2 AND project_id IS NOT DISTINCT FROM $3 AND accepted_at IS NULL AND revoked_at IS NULL RETURNING id`,
    [email, emailKeyOf(email), projectId, role, invitedById, lifetimeHours],
  );
  const [known] = renewed.rows;
  if (known) return { id: known.id, fresh: false };
  const id = uuidv7();
  await client.query(
    `INSERT INTO invitations (id, email, email_key, project_id, role, invited_by_id, expires_at)
     VALUES ($7, $1, $2, $3, $4, $5, now() + make_interval(hours => $6))`,
    [email, emailKeyOf(email), projectId, role, invitedById, lifetimeHours, id],
  );
  return { id, fresh: true };
}

/** Of those that are over the newest are kept. */
export async function forgetOld(client: Executor, projectId: string | null, keep: number): Promise<void> {
  await client.query(
    `DELETE FROM invitations WHERE id IN (
       SELECT id FROM invitations
       WHERE project_id IS NOT DISTINCT FROM $1 AND (accepted_at IS NOT NULL OR revoked_at IS NOT NULL)
       ORDER BY id DESC OFFSET $2)`,
    [projectId, keep],
  );
}

export async function accept(client: Executor, id: string): Promise<void> {
  await client.query('UPDATE invitations SET accepted_at = now() WHERE id = $1', [id]);
}

export async function revoke(client: Executor, id: string): Promise<void> {
  await client.query('UPDATE invitations SET revoked_at = now() WHERE id = $1', [id]);
}

export async function hasAccount(client: Executor, email: string): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM users WHERE email_key = $1', [emailKeyOf(email)]);
  return rows.length > 0;
}

export async function isMember(client: Executor, projectId: string, email: string): Promise<boolean> {
  const { rows } = await client.query(
    'SELECT FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project_id = $1 AND u.email_key = $2',
    [projectId, emailKeyOf(email)],
  );
  return rows.length > 0;
}

export async function nameOfProject(client: Executor, id: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT name FROM projects WHERE id = $1', [id]);
  return rows[0]!.name;
}

/** Null for one who is gone or disabled. */
export async function roleOfUser(client: Executor, id: string): Promise<UserRole | null> {
  const { rows } = await client.query<{ role: string }>(
    'SELECT role FROM users WHERE id = $1 AND disabled_at IS NULL',
    [id],
  );
  return rows[0] ? roleOfText(rows[0].role) : null;
}

/** Null for one who is gone. */
export async function addressOf(client: Executor, userId: string): Promise<string | null> {
  const { rows } = await client.query<{ emailKey: string }>('SELECT email_key AS "emailKey" FROM users WHERE id = $1', [
    userId,
  ]);
  return rows[0]?.emailKey ?? null;
}

/** Who has the token that was mailed there reads its mail. */
export async function confirmAddress(client: Executor, userId: string): Promise<void> {
  await client.query('UPDATE users SET email_verified_at = coalesce(email_verified_at, now()) WHERE id = $1', [userId]);
}
