/** Projects and their members in the metadata database. What has to be one transaction takes the transaction's client. */
import { emailKeyOf } from '../accounts/email.ts';
import type { ProjectRole } from '../accounts/policy.ts';
import type { Prisma as Args, Project, ProjectMember } from '../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../db/metadata.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Page } from '../lib/pages.ts';
import { projectRoleOfText } from './access.ts';

export type { Project, ProjectMember };

/** What the graph wants read along with each project. */
export type ProjectSelection = Pick<Args.ProjectFindManyArgs, 'include'>;

const ofMember = (userId: string): Args.ProjectWhereInput => ({ members: { some: { userId } } });

export const findProject = (prisma: Prisma, id: string): Promise<Project | null> =>
  prisma.project.findUnique({ where: { id } });

export const findMember = (prisma: Prisma, id: string): Promise<ProjectMember | null> =>
  prisma.projectMember.findUnique({ where: { id } });

/** The user's projects, newest first: one more than the page holds, where there is one. */
export async function findProjects(
  prisma: Prisma,
  userId: string,
  { limit, backward, after, before }: Page,
  selection: ProjectSelection,
): Promise<Project[]> {
  const rows = await prisma.project.findMany({
    ...selection,
    where: { ...ofMember(userId), id: { ...(after && { lt: after }), ...(before && { gt: before }) } },
    // Ids rise with time.
    orderBy: { id: backward ? 'asc' : 'desc' },
    take: limit + 1,
  });
  return backward ? rows.reverse() : rows;
}

export const countProjects = (prisma: Prisma, userId: string): Promise<number> =>
  prisma.project.count({ where: ofMember(userId) });

/** Behind a lock on the owner, so that several at once cannot pass a limit together. */
export async function countOwned(client: Executor, userId: string): Promise<number> {
  await client.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM project_members WHERE user_id = $1 AND role = 'owner'`,
    [userId],
  );
  return rows[0]!.count;
}

export async function insertProject(
  client: Executor,
  { name, description }: { name: string; description: string | null },
) {
  const id = uuidv7();
  await client.query('INSERT INTO projects (id, name, description, updated_at) VALUES ($1, $2, $3, now())', [
    id,
    name,
    description,
  ]);
  return id;
}

/** What is undefined stays. */
export async function updateProject(
  client: Executor,
  id: string,
  { name, description }: { name?: string | undefined; description?: string | null | undefined },
): Promise<void> {
  await client.query(
    `UPDATE projects SET name = coalesce($2, name), description = CASE WHEN $3 THEN $4 ELSE description END,
            updated_at = now() WHERE id = $1`,
    [id, name ?? null, description !== undefined, description ?? null],
  );
}

export async function databasesIn(client: Executor, projectId: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM databases WHERE project_id = $1', [projectId]);
  return rows.map(({ id }) => id);
}

/** @returns its name */
export async function deleteProject(client: Executor, id: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>('DELETE FROM projects WHERE id = $1 RETURNING name', [id]);
  return rows[0]!.name;
}

/** Until the transaction ends nobody else changes the project or its members. @returns the user's role in it */
export async function lockProject(client: Executor, id: string, userId: string): Promise<ProjectRole | null> {
  await client.query('SELECT FROM projects WHERE id = $1 FOR UPDATE', [id]);
  const { rows } = await client.query<{ role: string }>(
    'SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2',
    [id, userId],
  );
  return rows[0] ? projectRoleOfText(rows[0].role) : null;
}

export interface MemberRow {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly role: ProjectRole;
}

export async function readMember(client: Executor, id: string): Promise<MemberRow | null> {
  const { rows } = await client.query<Omit<MemberRow, 'role'> & { role: string }>(
    `SELECT id, project_id AS "projectId", user_id AS "userId", role FROM project_members WHERE id = $1`,
    [id],
  );
  return rows[0] ? { ...rows[0], role: projectRoleOfText(rows[0].role) } : null;
}

/** Of an account that is not disabled and, with `verified`, whose owner has shown that the address is his. */
export async function findUserByEmail(
  client: Executor,
  email: string,
  { verified }: { verified: boolean },
): Promise<string | null> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM users
     WHERE email_key = $1 AND disabled_at IS NULL AND (email_verified_at IS NOT NULL OR NOT $2::boolean)`,
    [emailKeyOf(email), verified],
  );
  return rows[0]?.id ?? null;
}

export async function countMembers(client: Executor, projectId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM project_members WHERE project_id = $1',
    [projectId],
  );
  return rows[0]!.count;
}

/** Besides this one: who is disabled can do nothing for the project. */
export async function hasOtherOwner(client: Executor, projectId: string, userId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM project_members JOIN users ON users.id = user_id
     WHERE project_id = $1 AND project_members.role = 'owner' AND user_id <> $2 AND disabled_at IS NULL LIMIT 1`,
    [projectId, userId],
  );
  return rowCount === 1;
}

/** Null when the user is a member already. */
export async function insertMember(client: Executor, projectId: string, userId: string, role: ProjectRole) {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO project_members (id, project_id, user_id, role) VALUES ($1, $2, $3, $4)
     ON CONFLICT (project_id, user_id) DO NOTHING RETURNING id`,
    [uuidv7(), projectId, userId, role],
  );
  return rows[0]?.id ?? null;
}

export async function updateMember(client: Executor, id: string, role: ProjectRole): Promise<void> {
  await client.query('UPDATE project_members SET role = $2 WHERE id = $1', [id, role]);
}

export async function deleteMember(client: Executor, id: string): Promise<void> {
  await client.query('DELETE FROM project_members WHERE id = $1', [id]);
}

/** The projects of a user, which nobody else changes until the transaction ends. @returns their ids */
export async function lockProjectsOf(client: Executor, userId: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM projects WHERE id IN (SELECT project_id FROM project_members WHERE user_id = $1) ORDER BY id FOR UPDATE`,
    [userId],
  );
  return rows.map(({ id }) => id);
}

/** Those that have no other owner who is not disabled; at most `limit`. */
export async function ownedAlone(client: Executor, userId: string, limit: number): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT own.project_id AS id FROM project_members own
     WHERE own.user_id = $1 AND own.role = 'owner' AND NOT EXISTS (
       SELECT FROM project_members other JOIN users ON users.id = other.user_id AND users.disabled_at IS NULL
       WHERE other.project_id = own.project_id AND other.role = 'owner' AND other.user_id <> $1)
     ORDER BY own.project_id LIMIT $2`,
    [userId, limit],
  );
  return rows.map(({ id }) => id);
}

/** Those of these projects that nobody else is in, disabled or not. */
export async function memberAlone(client: Executor, userId: string, projectIds: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM unnest($2::uuid[]) AS project (id) WHERE NOT EXISTS (
       SELECT FROM project_members WHERE project_id = project.id AND user_id <> $1)`,
    [userId, projectIds],
  );
  return rows.map(({ id }) => id);
}

/** The members that one user is in these projects, of which he is an owner then. @returns what they were before */
export async function promoteIn(client: Executor, userId: string, projectIds: readonly string[]): Promise<MemberRow[]> {
  const { rows } = await client.query<Omit<MemberRow, 'role'> & { role: string }>(
    `UPDATE project_members member SET role = 'owner'
     FROM (SELECT id, role FROM project_members WHERE user_id = $1 AND project_id = ANY($2::uuid[]) ORDER BY id FOR UPDATE) before
     WHERE member.id = before.id AND before.role <> 'owner'
     RETURNING member.id, member.project_id AS "projectId", member.user_id AS "userId", before.role`,
    [userId, projectIds],
  );
  return rows.map((row) => ({ ...row, role: projectRoleOfText(row.role) }));
}

export async function leaveAll(client: Executor, userId: string): Promise<void> {
  await client.query('DELETE FROM project_members WHERE user_id = $1', [userId]);
}
