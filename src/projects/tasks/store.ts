/** Tasks in the metadata database. What has to be one transaction takes the transaction's client, which holds the project. */
import { type ProjectRole, projectRoles } from '../../accounts/policy.ts';
import type { Project } from '../../db/generated/prisma/client.ts';
import type { Executor, Prisma } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';
import { type Task, type TaskStatus, taskLimits, taskStatuses, type VisibleTask } from './task.ts';

export interface TaskFilter {
  readonly projectId: string;
  readonly statuses?: readonly TaskStatus[] | undefined;
}

/** The newest state of a task, or that it is gone. */
export type TaskChange = { readonly position: bigint } & (
  | { readonly task: Task; readonly deletedTaskId: null }
  | { readonly task: null; readonly deletedTaskId: string }
);

export interface TaskChanges {
  /** What the user is in the project at the moment of reading. */
  readonly role: ProjectRole | null;
  readonly changes: readonly TaskChange[];
  /** Of the last deletion that may be forgotten; behind it none is missing. */
  readonly lost: bigint;
}

export type { Project };

/** What Pothos wants to have with a row. */
export type PrismaQuery = { include?: object; select?: object };

export interface TaskStore {
  /** With what the user is in its project; null where it is gone. */
  find(userId: string, id: string): Promise<VisibleTask | null>;
  /** Newest first; one more than the page's limit tells of a next page. None where the user is nobody in the project. */
  list(userId: string, filter: TaskFilter, page: Page): Promise<Task[]>;
  count(userId: string, filter: TaskFilter): Promise<number>;
  countAll(client: Executor, projectId: string): Promise<number>;
  isMember(client: Executor, projectId: string, userId: string): Promise<boolean>;
  projectOf(client: Executor, id: string): Promise<string | null>;
  read(client: Executor, id: string): Promise<Task | null>;
  insert(client: Executor, task: Omit<Task, 'createdAt' | 'updatedAt' | 'position'>): Promise<Task>;
  /** Of one that is there. */
  replace(client: Executor, task: Omit<Task, 'createdAt' | 'updatedAt' | 'position'>): Promise<Task>;
  remove(client: Executor, task: Pick<Task, 'id' | 'projectId'>): Promise<void>;
  /** What the user is in a project, and the position of the last change of its tasks; 0 where there was none. */
  begin(userId: string, projectId: string): Promise<{ role: ProjectRole | null; newest: bigint }>;
  /** What changed behind a position, in its order. */
  changes(
    userId: string,
    projectId: string,
    after: { readonly position: bigint; readonly deletionsBehind: bigint; readonly limit: number },
  ): Promise<TaskChanges>;
  project(query: PrismaQuery, id: string): Promise<Project | null>;
}

const columns = `t.id, t.project_id AS "projectId", t.title, t.description, t.status, t.assignee_id AS "assigneeId",
  t.due_at AS "dueAt", t.created_at AS "createdAt", t.updated_at AS "updatedAt", t.position`;

/** $1 the user, $2 the project: task:see of policy.ts, for many rows at once. */
const matches = `t.project_id = $2 AND ($3::text[] IS NULL OR t.status = ANY($3))
  AND EXISTS (SELECT FROM project_members m WHERE m.project_id = $2 AND m.user_id = $1)`;

const valuesOf = (task: Omit<Task, 'createdAt' | 'updatedAt' | 'position'>) => [
  task.id,
  task.projectId,
  task.title,
  task.description,
  task.status,
  task.assigneeId,
  task.dueAt,
];

export function createTaskStore({ db, prisma }: { db: Executor; prisma: Prisma }): TaskStore {
  const filterValues = (userId: string, { projectId, statuses }: TaskFilter) => [userId, projectId, statuses ?? null];

  return {
    async find(userId, id) {
      const { rows } = await db.query<Row & { role: string | null }>(
        `SELECT ${columns}, m.role FROM tasks t
         LEFT JOIN project_members m ON m.project_id = t.project_id AND m.user_id = $1 WHERE t.id = $2`,
        [userId, id],
      );
      return rows[0] ? { ...taskOf(rows[0]), role: roleOf(rows[0].role) } : null;
    },

    async list(userId, filter, { limit, backward, after, before }) {
      const { rows } = await db.query<Row>(
        `SELECT ${columns} FROM tasks t WHERE ${matches} AND ($4::uuid IS NULL OR t.id < $4) AND ($5::uuid IS NULL OR t.id > $5)
          ORDER BY t.id ${backward ? 'ASC' : 'DESC'} LIMIT $6`,
        [...filterValues(userId, filter), after, before, limit + 1],
      );
      return (backward ? rows.reverse() : rows).map(taskOf);
    },

    async count(userId, filter) {
      const { rows } = await db.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM tasks t WHERE ${matches}`,
        filterValues(userId, filter),
      );
      return rows[0]!.count;
    },

    async countAll(client, projectId) {
      const { rows } = await client.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM tasks WHERE project_id = $1',
        [projectId],
      );
      return rows[0]!.count;
    },

    async isMember(client, projectId, userId) {
      const { rows } = await client.query('SELECT FROM project_members WHERE project_id = $1 AND user_id = $2', [
        projectId,
        userId,
      ]);
      return rows.length > 0;
    },

    async projectOf(client, id) {
      const { rows } = await client.query<{ projectId: string }>(
        'SELECT project_id AS "projectId" FROM tasks WHERE id = $1',
        [id],
      );
      return rows[0]?.projectId ?? null;
    },

    async read(client, id) {
      const { rows } = await client.query<Row>(`SELECT ${columns} FROM tasks t WHERE id = $1`, [id]);
      return rows[0] ? taskOf(rows[0]) : null;
    },

    async insert(client, task) {
      const { rows } = await client.query<Row>(
        `INSERT INTO tasks AS t (id, project_id, title, description, status, assignee_id, due_at, updated_at, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, now(), nextval('task_changes')) RETURNING ${columns}`,
        valuesOf(task),
      );
      return taskOf(rows[0]!);
    },

    async replace(client, task) {
      const { rows } = await client.query<Row>(
        `UPDATE tasks t SET title = $3, description = $4, status = $5, assignee_id = $6, due_at = $7, updated_at = now(),
                position = nextval('task_changes')
         WHERE id = $1 AND project_id = $2 RETURNING ${columns}`,
        valuesOf(task),
      );
      return taskOf(rows[0]!);
    },

    async remove(client, { id, projectId }) {
      await client.query('DELETE FROM tasks WHERE id = $1', [id]);
      await client.query(
        `INSERT INTO task_deletions (task_id, project_id, position) VALUES ($1, $2, nextval('task_changes'))`,
        [id, projectId],
      );
      await client.query(`DELETE FROM task_deletions WHERE project_id = $1 AND position < (${oldestKept})`, [
        projectId,
      ]);
    },

    async begin(userId, projectId) {
      const { rows } = await db.query<{ role: string | null; newest: string }>(
        `SELECT (${roleIn}) AS role,
                greatest(0, (SELECT max(position) FROM tasks WHERE project_id = $1),
                            (SELECT max(position) FROM task_deletions WHERE project_id = $1)) AS newest`,
        [projectId, userId],
      );
      const { role, newest } = rows[0]!;
      return { role: roleOf(role), newest: BigInt(newest) };
    },

    async changes(userId, projectId, { position, deletionsBehind, limit }) {
      const { rows } = await db.query<ChangeRow>(
        `WITH change AS (
           (SELECT id, position AS at, false AS deleted FROM tasks
             WHERE project_id = $1 AND position > $3 ORDER BY position LIMIT $5)
           UNION ALL
           (SELECT task_id, position, true FROM task_deletions
             WHERE project_id = $1 AND position > $4 ORDER BY position LIMIT $5)
           ORDER BY at LIMIT $5
         )
         SELECT access.role, access.lost, change.id AS "changedId", change.at, change.deleted, ${columns}
         FROM (SELECT (${roleIn}) AS role, coalesce((${oldestKept}), 0) AS lost) access
         LEFT JOIN change ON access.role IS NOT NULL
         LEFT JOIN tasks t ON t.id = change.id AND NOT change.deleted
         ORDER BY change.at`,
        [projectId, userId, position, deletionsBehind, limit],
      );
      const { role, lost } = rows[0]!;
      return {
        role: roleOf(role),
        lost: BigInt(lost),
        changes: rows.flatMap((row) => (row.changedId === null ? [] : [changeOf(row, row.changedId)])),
      };
    },

    // Prisma puts such look-ups of one tick together in one statement.
    project: (query, id) => prisma.project.findUnique({ ...query, where: { id } }),
  };
}

const roleIn = 'SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2';

/** $1 a project: where as many of its deletions are kept as may be, what came before the oldest may be forgotten. */
const oldestKept = `SELECT position FROM task_deletions WHERE project_id = $1
  ORDER BY position DESC OFFSET ${taskLimits.deletionsKept - 1} LIMIT 1`;

type Row = Omit<Task, 'status' | 'position'> & { status: string; position: string };
type ChangeRow = Row & { role: string | null; lost: string; changedId: string | null; at: string; deleted: boolean };

/** @throws Error for text that no version of this code has written */
function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw new Error(`tasks: unknown ${what} “${text}”`);
  return found;
}

const roleOf = (role: string | null): ProjectRole | null =>
  role === null ? null : oneOf(projectRoles, role, 'project role');

const taskOf = (row: Row): Task => ({
  id: row.id,
  projectId: row.projectId,
  title: row.title,
  description: row.description,
  status: oneOf(taskStatuses, row.status, 'status'),
  assigneeId: row.assigneeId,
  dueAt: row.dueAt,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  position: BigInt(row.position),
});

const changeOf = (row: ChangeRow, id: string): TaskChange => ({
  position: BigInt(row.at),
  ...(row.deleted ? { task: null, deletedTaskId: id } : { task: taskOf(row), deletedTaskId: null }),
});
