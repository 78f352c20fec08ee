/** Projects: what people share databases in, and who is what in them. A project always has an owner. */
import type pg from 'pg';
import { type Action, can, type ProjectRole, requireCan } from '../accounts/policy.ts';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import { type AuditAction, record } from '../audit/audit.ts';
import { createLimiter } from '../db/limiter.ts';
import { type Prisma, transaction } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { encodeId, isUuid } from '../lib/ids.ts';
import type { Page } from '../lib/pages.ts';
import { rateLimited } from '../lib/rates.ts';
import type { Topic } from '../lib/topics.ts';
import type { Access, RightsLostHook } from './access.ts';
import type { Project, ProjectMember, ProjectSelection } from './store.ts';
import * as store from './store.ts';

export type { Project, ProjectMember };

/** Members of one project at the most. */
export const maxMembers = 200;
/** Projects of one owner at the most. */
export const maxOwnedProjects = 500;

/** Addresses that have no account, which one user may name in an hour: nobody finds out who has one. */
export const maxUnknownPerHour = 60;

/** Of a project that the transaction holds, when one more has joined. @throws AppError LIMIT_EXCEEDED */
export async function requireMemberRoom(client: pg.PoolClient, projectId: string): Promise<void> {
  const before = (await store.countMembers(client, projectId)) - 1;
  if (before < maxMembers) return;
  throw new AppError('LIMIT_EXCEEDED', `At most ${maxMembers} members of a project`, {
    details: { limit: maxMembers, actual: before },
  });
}

export interface ProjectsDeps {
  pool: pg.Pool;
  prisma: Prisma;
  access: Pick<Access, 'roleOf'>;
  onRightsLost: RightsLostHook;
  settings: { readonly requireVerifiedEmail: boolean };
}

export interface NewProject {
  name: string;
  description?: string | null | undefined;
}

export interface ProjectChange {
  name?: string | undefined;
  /** Null clears it. */
  description?: string | null | undefined;
}

export interface NewMember {
  projectId: string;
  /** Of an account that is there, is not disabled and, where the server asks for that, has confirmed it. */
  email: string;
  role: ProjectRole;
}

/** All ids are UUIDs. Who is no member of a project gets NOT_FOUND for it, whose role is too small FORBIDDEN. */
export interface Projects {
  /** The viewer's projects, newest first; one more than the page holds, where there is one. */
  list(
    viewer: Viewer | null,
    page: Page,
    selection?: ProjectSelection,
  ): Promise<{ projects: Project[]; count: () => Promise<number> }>;
  /** Null when it is absent or not the viewer's to see. */
  find(viewer: Viewer | null, id: string): Promise<Project | null>;
  /** Null when it is absent or not the viewer's to see. */
  findMember(viewer: Viewer | null, id: string): Promise<ProjectMember | null>;
  /** The viewer is its first owner. @throws AppError LIMIT_EXCEEDED */
  create(viewer: Viewer | null, project: NewProject, caller: Caller): Promise<Project>;
  update(viewer: Viewer | null, id: string, change: ProjectChange, caller: Caller): Promise<Project>;
  /** Its databases stay with their owners; what others still run there ends. */
  delete(viewer: Viewer | null, id: string, caller: Caller): Promise<void>;
  /** @throws AppError NOT_FOUND for an unknown address, RATE_LIMITED for many, CONFLICT for a member, LIMIT_EXCEEDED */
  addMember(viewer: Viewer | null, member: NewMember, caller: Caller): Promise<ProjectMember>;
  /** What he runs and may not any more ends. @throws AppError CONFLICT where no owner would be left */
  updateMember(viewer: Viewer | null, id: string, role: ProjectRole, caller: Caller): Promise<ProjectMember>;
  /** Every member may remove himself; what he still runs there ends. @throws AppError CONFLICT where no owner would be left */
  removeMember(
    viewer: Viewer | null,
    id: string,
    caller: Caller,
  ): Promise<{ project: Project; viewerRole: ProjectRole }>;
}

export function createProjects({ pool, prisma, access, onRightsLost, settings }: ProjectsDeps): Projects {
  const unknown = createLimiter({ pool, name: 'members.unknown', points: maxUnknownPerHour, windowSeconds: 3_600 });
  const idOfProject = (id: string) => encodeId('Project', id);
  const idOfMember = (id: string) => encodeId('ProjectMember', id);

  async function read(id: string): Promise<Project> {
    const project = await store.findProject(prisma, id);
    if (!project) throw notFound('Project');
    return project;
  }

  async function readMember(id: string): Promise<ProjectMember> {
    const member = await store.findMember(prisma, id);
    if (!member) throw notFound('Member');
    return member;
  }

  const sees = async (viewer: Viewer, projectId: string): Promise<boolean> =>
    can(viewer, 'project:see', { kind: 'project', role: await access.roleOf(viewer.userId, projectId) });

  /** Nobody else changes the project's members until the transaction ends. */
  async function requireProject(
    client: pg.PoolClient,
    viewer: Viewer,
    action: Extract<Action, `project:${string}`>,
    id: string,
  ): Promise<ProjectRole | null> {
    const role = await store.lockProject(client, id, viewer.userId);
    requireCan(viewer, action, { kind: 'project', role });
    return role;
  }

  /** @throws AppError NOT_FOUND also for a member of a project that the viewer does not see */
  async function requireMember(
    client: pg.PoolClient,
    viewer: Viewer,
    id: string,
    actionFor: (member: store.MemberRow) => 'project:manage' | 'project:leave',
  ): Promise<{ member: store.MemberRow; viewerRole: ProjectRole }> {
    const before = await store.readMember(client, id);
    const viewerRole = before && (await store.lockProject(client, before.projectId, viewer.userId));
    // Again, behind the lock.
    const member = viewerRole && (await store.readMember(client, id));
    if (!member) throw notFound('Member');
    requireCan(viewer, actionFor(member), { kind: 'project', role: viewerRole });
    return { member, viewerRole };
  }

  async function requireOtherOwner(client: pg.PoolClient, { projectId, userId, role }: store.MemberRow): Promise<void> {
    if (role === 'owner' && !(await store.hasOtherOwner(client, projectId, userId)))
      throw new AppError('CONFLICT', 'A project keeps at least one owner');
  }

  /** Whoever follows them may not any more. */
  const ringTasks = (client: pg.PoolClient, projectId: string) =>
    ringInTransaction(client, [['tasks.of_project' satisfies Topic, projectId]]);

  const note = (
    client: pg.PoolClient,
    viewer: Viewer,
    caller: Caller,
    action: AuditAction,
    subject: string,
    details: Record<string, unknown>,
  ) => record(client, { actorId: viewer.userId, action, subject, outcome: 'success', caller, details });

  return {
    async list(viewer, page, selection = {}) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      for (const path of ['after', 'before'] as const)
        if (page[path] !== null && !isUuid(page[path])) throw badInput({ path, message: 'not a cursor of this list' });
      const { userId } = viewer;
      // With a key that sees none.
      if (!can(viewer, 'project:see', { kind: 'project', role: 'viewer' }))
        return { projects: [], count: async () => 0 };
      return {
        projects: await store.findProjects(prisma, userId, page, selection),
        count: () => store.countProjects(prisma, userId),
      };
    },

    async find(viewer, id) {
      return viewer && (await sees(viewer, id)) ? store.findProject(prisma, id) : null;
    },

    async findMember(viewer, id) {
      const member = viewer && (await store.findMember(prisma, id));
      return member && (await sees(viewer, member.projectId)) ? member : null;
    },

    async create(viewer, { name, description }, caller) {
      requireCan(viewer, 'project:create', { kind: 'server' });
      const id = await transaction(pool, async (client) => {
        const actual = await store.countOwned(client, viewer.userId);
        if (actual >= maxOwnedProjects) {
          throw new AppError('LIMIT_EXCEEDED', `At most ${maxOwnedProjects} projects of one owner`, {
            details: { limit: maxOwnedProjects, actual },
          });
        }
        const projectId = await store.insertProject(client, { name, description: description ?? null });
        await store.insertMember(client, projectId, viewer.userId, 'owner');
        await note(client, viewer, caller, 'project.created', idOfProject(projectId), { name });
        return projectId;
      });
      return read(id);
    },

    async update(viewer, id, change, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      await transaction(pool, async (client) => {
        await requireProject(client, viewer, 'project:edit', id);
        await store.updateProject(client, id, change);
        await note(client, viewer, caller, 'project.updated', idOfProject(id), { ...change });
      });
      return read(id);
    },

    async delete(viewer, id, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      await transaction(pool, async (client) => {
        await requireProject(client, viewer, 'project:manage', id);
        const databaseIds = await store.databasesIn(client, id);
        const name = await store.deleteProject(client, id);
        await ringTasks(client, id);
        await onRightsLost(client, databaseIds);
        await note(client, viewer, caller, 'project.deleted', idOfProject(id), { name });
      });
    },

    async addMember(viewer, { projectId, email, role }, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      // Before it is known whether it is one, or many at once would each find room; outside of the transaction, which would
      // hold a second connection.
      const exceeded = await unknown.take(viewer.userId);
      if (exceeded) throw rateLimited(exceeded.waitMs, 'Too many addresses that have no account');
      let missed = false;
      const id = await transaction(pool, async (client) => {
        await requireProject(client, viewer, 'project:manage', projectId);
        const userId = await store.findUserByEmail(client, email, { verified: settings.requireVerifiedEmail });
        missed = userId === null;
        if (!userId) throw new AppError('NOT_FOUND', 'There is no account with this address');
        const memberId = await store.insertMember(client, projectId, userId, role);
        if (!memberId) throw new AppError('CONFLICT', 'This account is a member already');
        await requireMemberRoom(client, projectId);
        const details = { project: idOfProject(projectId), user: encodeId('User', userId), role };
        await note(client, viewer, caller, 'member.added', idOfMember(memberId), details);
        return memberId;
      }).finally(() => missed || unknown.giveBack(viewer.userId));
      return readMember(id);
    },

    async updateMember(viewer, id, role, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      await transaction(pool, async (client) => {
        const { member } = await requireMember(client, viewer, id, () => 'project:manage');
        if (role !== 'owner') await requireOtherOwner(client, member);
        await store.updateMember(client, id, role);
        await onRightsLost(client, await store.databasesIn(client, member.projectId));
        const details = { project: idOfProject(member.projectId), from: member.role, to: role };
        await note(client, viewer, caller, 'member.updated', idOfMember(id), details);
      });
      return readMember(id);
    },

    async removeMember(viewer, id, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { projectId, viewerRole } = await transaction(pool, async (client) => {
        const found = await requireMember(client, viewer, id, ({ userId }) =>
          userId === viewer.userId ? 'project:leave' : 'project:manage',
        );
        const { member } = found;
        await requireOtherOwner(client, member);
        await store.deleteMember(client, id);
        await ringTasks(client, member.projectId);
        await onRightsLost(client, await store.databasesIn(client, member.projectId));
        const details = {
          project: idOfProject(member.projectId),
          user: encodeId('User', member.userId),
          role: member.role,
        };
        await note(client, viewer, caller, 'member.removed', idOfMember(id), details);
        return { projectId: member.projectId, viewerRole: found.viewerRole };
      });
      return { project: await read(projectId), viewerRole };
    },
  };
}
