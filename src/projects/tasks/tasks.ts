/** Tasks of a project: its editors plan them, every member sees them. How they are followed is events.ts. */
import type pg from 'pg';
import { can, requireCan } from '../../accounts/policy.ts';
import type { Caller, Viewer } from '../../accounts/viewer.ts';
import { type AuditAction, record } from '../../audit/audit.ts';
import { transaction } from '../../db/metadata.ts';
import { ringInTransaction } from '../../db/notify.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId, isUuid, uuidv7 } from '../../lib/ids.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import type { Topic } from '../../lib/topics.ts';
import { lockProject } from '../store.ts';
import { createTaskEvents, type TaskEvents, type TaskEventsDeps } from './events.ts';
import type { PrismaQuery, Project, TaskStore } from './store.ts';
import { type Task, type TaskStatus, taskLimits } from './task.ts';

export interface TasksDeps extends Pick<TaskEventsDeps, 'bus'> {
  pool: pg.Pool;
  store: TaskStore;
}

export interface NewTask {
  projectId: string;
  title: string;
  description?: string | null | undefined;
  /** Of a member. */
  assigneeId?: string | null | undefined;
  dueAt?: Date | null | undefined;
}

/** What is absent stays, and null clears. */
export interface TaskChange {
  title?: string | undefined;
  description?: string | null | undefined;
  status?: TaskStatus | undefined;
  assigneeId?: string | null | undefined;
  dueAt?: Date | null | undefined;
}

/** All ids are UUIDs. Who is no member of a project gets NOT_FOUND for it, whose role is too small FORBIDDEN. */
export interface Tasks extends TaskEvents {
  /** Null when it is absent or not the viewer's to see. */
  find(viewer: Viewer | null, id: string): Promise<Task | null>;
  /** Newest first. @throws AppError BAD_USER_INPUT */
  list(
    viewer: Viewer | null,
    projectId: string,
    list: PageArguments & { status?: readonly TaskStatus[] | null | undefined },
  ): Promise<Connection<Task>>;
  /** @throws AppError BAD_USER_INPUT for an assignee who is no member, LIMIT_EXCEEDED */
  create(viewer: Viewer | null, task: NewTask, caller: Caller): Promise<Task>;
  /** @throws AppError BAD_USER_INPUT for an assignee who is no member */
  update(viewer: Viewer | null, id: string, change: TaskChange, caller: Caller): Promise<Task>;
  /** @returns what it was */
  delete(viewer: Viewer | null, id: string, caller: Caller): Promise<Task>;
  /** @throws AppError NOT_FOUND where it is gone by now */
  projectOf(task: Task, query: PrismaQuery): Promise<Project>;
}

export function createTasks({ pool, store, bus }: TasksDeps): Tasks {
  /** A task that the viewer may edit, in a project that nobody else changes until the transaction ends. */
  async function requireTask(client: pg.PoolClient, viewer: Viewer, id: string): Promise<Task> {
    const projectId = await store.projectOf(client, id);
    const role = projectId === null ? null : await lockProject(client, projectId, viewer.userId);
    requireCan(viewer, 'task:edit', { kind: 'task', role });
    // Behind the lock: it may be gone by now.
    const task = await store.read(client, id);
    if (!task) throw notFound('Task');
    return task;
  }

  async function requireAssignee(client: pg.PoolClient, { projectId, assigneeId }: Task | NewTask): Promise<void> {
    if (assigneeId != null && !(await store.isMember(client, projectId, assigneeId)))
      throw badInput({ path: 'input.assigneeId', message: 'a member of the project' });
  }

  const note = (client: pg.PoolClient, viewer: Viewer, caller: Caller, action: AuditAction, task: Task) =>
    record(client, {
      actorId: viewer.userId,
      action,
      subject: encodeId('Task', task.id),
      outcome: 'success',
      caller,
      details: { project: encodeId('Project', task.projectId), status: task.status },
    });

  const ring = (client: pg.PoolClient, projectId: string) =>
    ringInTransaction(client, [['tasks.of_project' satisfies Topic, projectId]]);

  return {
    ...createTaskEvents({ store, bus }),

    async find(viewer, id) {
      const task = viewer && (await store.find(viewer.userId, id));
      return task && can(viewer, 'task:see', { kind: 'task', role: task.role }) ? task : null;
    },

    async list(viewer, projectId, { status, ...args }) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const page = pageOf(args, { isKey: isUuid });
      const filter = { projectId, statuses: status ?? undefined };
      const tasks = await store.list(viewer.userId, filter, page);
      return connectionOf(
        page,
        tasks,
        ({ id }) => id,
        () => store.count(viewer.userId, filter),
      );
    },

    async create(viewer, input, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { projectId } = input;
      return await transaction(pool, async (client) => {
        const role = await lockProject(client, projectId, viewer.userId);
        requireCan(viewer, 'task:edit', { kind: 'project', role });
        await requireAssignee(client, input);
        const [limit, actual] = [taskLimits.tasks, await store.countAll(client, projectId)];
        if (actual >= limit)
          throw new AppError('LIMIT_EXCEEDED', `At most ${limit} tasks of a project`, { details: { limit, actual } });
        const task = await store.insert(client, {
          id: uuidv7(),
          projectId,
          title: input.title,
          description: input.description ?? null,
          status: 'todo',
          assigneeId: input.assigneeId ?? null,
          dueAt: input.dueAt ?? null,
        });
        await ring(client, projectId);
        await note(client, viewer, caller, 'task.created', task);
        return task;
      });
    },

    async update(viewer, id, change, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      return await transaction(pool, async (client) => {
        const now = await requireTask(client, viewer, id);
        const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
        const next: Task = { ...now, ...given };
        await requireAssignee(client, next);
        const task = await store.replace(client, next);
        await ring(client, task.projectId);
        await note(client, viewer, caller, 'task.updated', task);
        return task;
      });
    },

    async delete(viewer, id, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      return await transaction(pool, async (client) => {
        const task = await requireTask(client, viewer, id);
        await store.remove(client, task);
        await ring(client, task.projectId);
        await note(client, viewer, caller, 'task.deleted', task);
        return task;
      });
    },

    async projectOf({ projectId }, query) {
      const found = await store.project(query, projectId);
      if (!found) throw notFound('Project');
      return found;
    },
  };
}
