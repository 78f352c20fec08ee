/** The rows of saved queries as people reach them, read with what the asking user is in each one's project. */
import { type ProjectRole, projectRoles } from '../../accounts/policy.ts';
import type { Executor, Prisma } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';
import { projectRoleOfText } from '../../projects/access.ts';
import { type SavedQuery, scheduleProblems, type VisibleSavedQuery } from './saved-query.ts';

export type NewSavedQuery = Omit<SavedQuery, 'createdAt' | 'updatedAt'>;

export interface SavedQueryFilter {
  /** A part of the name, in whatever case. */
  readonly search?: string | undefined;
  readonly projectId?: string | undefined;
  /** Of these; null: of any, and of none. */
  readonly databaseIds?: readonly string[] | null;
}

/** What Pothos wants to have with a row. */
export type PrismaQuery = { include?: object; select?: object };
export type ProjectRow = Awaited<ReturnType<Prisma['project']['findFirstOrThrow']>>;

export interface SavedQueryStore {
  /** Those that are there, in no order; whether the user may see them is not asked here. */
  find(userId: string, ids: readonly string[]): Promise<VisibleSavedQuery[]>;
  /** Those that the user sees, newest first; one more than the page's limit tells of a next page. */
  list(userId: string, filter: SavedQueryFilter, page: Page): Promise<VisibleSavedQuery[]>;
  count(userId: string, filter: SavedQueryFilter): Promise<number>;
  /** How many the user owns. Holds his row, so that two transactions do not count past each other. */
  countOwned(client: Executor, ownerId: string): Promise<number>;
  insert(client: Executor, saved: NewSavedQuery): Promise<void>;
  /** What the user is in these projects stays so until the transaction ends; before `hold`, as whatever deletes takes them. */
  holdRoles(client: Executor, userId: string, projectIds: readonly string[]): Promise<Map<string, ProjectRole>>;
  /** As it is now and stays until the transaction ends; null when it is gone. */
  hold(client: Executor, userId: string, id: string): Promise<VisibleSavedQuery | null>;
  /** Of one that the transaction holds. */
  replace(client: Executor, next: NewSavedQuery): Promise<void>;
  /** False when it is gone. */
  remove(client: Executor, id: string): Promise<boolean>;
  /** The database's clock. */
  now(client: Executor): Promise<Date>;
  /** The user's own last job of each, by the id of the saved query. */
  lastJobs(userId: string, ids: readonly string[]): Promise<Map<string, string>>;
  project(query: PrismaQuery, projectId: string): Promise<ProjectRow | null>;
}

/** Of `s`; the scheduler reads the same. */
export const columns = `s.id, s.name, s.sql, s.owner_id AS "ownerId", s.database_id AS "databaseId", s.project_id AS "projectId",
  s.schedule, s.schedule_enabled AS "scheduleEnabled", s.schedule_problem AS "scheduleProblem", s.schedule_key_id AS "scheduleKeyId",
  s.next_run_at AS "nextRunAt", s.export,
  s.created_at AS "createdAt", s.updated_at AS "updatedAt"`;

const withRole = `SELECT ${columns}, m.role FROM saved_queries s
  LEFT JOIN project_members m ON m.project_id = s.project_id AND m.user_id = $1`;

/** saved-query:see of policy.ts, for many rows at once, each half by an index. */
const visible = `s.id IN (
  SELECT id FROM saved_queries WHERE owner_id = $1 AND project_id IS NULL
  UNION ALL SELECT shared.id FROM project_members JOIN saved_queries shared USING (project_id) WHERE user_id = $1)`;
const matches = `($2::text IS NULL OR strpos(lower(s.name), lower($2)) > 0) AND ($3::uuid IS NULL OR s.project_id = $3)
  AND ($4::uuid[] IS NULL OR s.database_id = ANY($4))`;

export function createSavedQueryStore({ db, prisma }: { db: Executor; prisma: Prisma }): SavedQueryStore {
  const filterValues = ({ search, projectId, databaseIds }: SavedQueryFilter) => [
    search ?? null,
    projectId ?? null,
    databaseIds ?? null,
  ];
  return {
    async find(userId, ids) {
      const { rows } = await db.query<Row>(`${withRole} WHERE s.id = ANY($2::uuid[])`, [userId, ids]);
      return rows.map(visibleOf);
    },

    async list(userId, filter, { limit, backward, after, before }) {
      const { rows } = await db.query<Row>(
        `${withRole} WHERE ${visible} AND ${matches} AND ($5::uuid IS NULL OR s.id < $5) AND ($6::uuid IS NULL OR s.id > $6)
          ORDER BY s.id ${backward ? 'ASC' : 'DESC'} LIMIT $7`,
        [userId, ...filterValues(filter), after, before, limit + 1],
      );
      return (backward ? rows.reverse() : rows).map(visibleOf);
    },

    async count(userId, filter) {
      const { rows } = await db.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM saved_queries s WHERE ${visible} AND ${matches}`,
        [userId, ...filterValues(filter)],
      );
      return rows[0]!.count;
    },

    async countOwned(client, ownerId) {
      await client.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [ownerId]);
      const { rows } = await client.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM saved_queries WHERE owner_id = $1',
        [ownerId],
      );
      return rows[0]!.count;
    },

    async insert(client, saved) {
      await client.query(
        `INSERT INTO saved_queries (id, name, sql, owner_id, database_id, project_id, schedule, schedule_enabled,
           schedule_problem, next_run_at, export, schedule_key_id, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())`,
        valuesOf(saved),
      );
    },

    async holdRoles(client, userId, projectIds) {
      const { rows } = await client.query<{ projectId: string; role: string }>(
        `SELECT p.id AS "projectId", m.role FROM projects p JOIN project_members m ON m.project_id = p.id
          WHERE m.user_id = $1 AND p.id = ANY($2::uuid[]) ORDER BY p.id FOR KEY SHARE OF p FOR SHARE OF m`,
        [userId, projectIds],
      );
      return new Map(rows.map(({ projectId, role }) => [projectId, projectRoleOfText(role)]));
    },

    async hold(client, userId, id) {
      const { rows } = await client.query<Row>(`${withRole} WHERE s.id = $2 FOR NO KEY UPDATE OF s`, [userId, id]);
      return rows[0] ? visibleOf(rows[0]) : null;
    },

    async replace(client, next) {
      await client.query(
        `UPDATE saved_queries SET name = $2, sql = $3, owner_id = $4, database_id = $5, project_id = $6, schedule = $7,
           schedule_enabled = $8, schedule_problem = $9, next_run_at = $10, export = $11, schedule_key_id = $12, updated_at = now(),
           -- What the schedule had in hand was for another time.
           schedule_held_until = CASE WHEN next_run_at = $10 THEN schedule_held_until END
         WHERE id = $1`,
        valuesOf(next),
      );
    },

    async remove(client, id) {
      const { rowCount } = await client.query('DELETE FROM saved_queries WHERE id = $1', [id]);
      return rowCount === 1;
    },

    async now(client) {
      const { rows } = await client.query<{ now: Date }>('SELECT now()');
      return rows[0]!.now;
    },

    async lastJobs(userId, ids) {
      const { rows } = await db.query<{ id: string; jobId: string }>(
        `SELECT saved.id, last.id AS "jobId" FROM unnest($2::uuid[]) AS saved (id) CROSS JOIN LATERAL (
           SELECT id FROM jobs WHERE saved_query_id = saved.id AND owner_id = $1 ORDER BY id DESC LIMIT 1) last`,
        [userId, ids],
      );
      return new Map(rows.map(({ id, jobId }) => [id, jobId]));
    },

    // Prisma puts such look-ups of one tick together in one statement.
    project: (query, projectId) => prisma.project.findUnique({ ...query, where: { id: projectId } }),
  };
}

/** A database that is about to go, in the caller's transaction: schedules on it stop and say why. */
export async function letGoOf(client: Executor, databaseId: string): Promise<void> {
  await client.query('UPDATE saved_queries SET database_id = NULL WHERE database_id = $1', [databaseId]);
}

/** API keys of a user that open nothing any more, in the caller's transaction: what was decided with them runs no more. */
export async function stopSchedulesOfKeys(client: Executor, ownerId: string, keyIds: readonly string[]): Promise<void> {
  await client.query(
    `UPDATE saved_queries SET schedule_enabled = false, schedule_problem = 'key_ended', next_run_at = NULL, schedule_held_until = NULL
     WHERE id IN (SELECT id FROM saved_queries WHERE owner_id = $1 AND schedule_key_id = ANY($2::uuid[])
       AND schedule IS NOT NULL AND schedule_enabled ORDER BY id FOR NO KEY UPDATE)`,
    [ownerId, keyIds],
  );
}

const valuesOf = (saved: NewSavedQuery) => [
  saved.id,
  saved.name,
  saved.sql,
  saved.ownerId,
  saved.databaseId,
  saved.projectId,
  saved.schedule,
  saved.scheduleEnabled,
  saved.scheduleProblem,
  saved.nextRunAt,
  saved.export && JSON.stringify(saved.export),
  saved.scheduleKeyId,
];

export type Row = Omit<SavedQuery, 'scheduleProblem'> & { scheduleProblem: string | null; role: string | null };

/** @throws Error for text that no version of this code has written */
function oneOf<T extends string>(known: readonly T[], text: string | null, what: string): T | null {
  if (text === null) return null;
  const found = known.find((one) => one === text);
  if (found === undefined) throw new Error(`saved queries: unknown ${what} “${text}”`);
  return found;
}

export const visibleOf = (row: Row): VisibleSavedQuery => ({
  ...row,
  scheduleProblem: oneOf(scheduleProblems, row.scheduleProblem, 'problem'),
  role: oneOf(projectRoles, row.role, 'project role'),
});
