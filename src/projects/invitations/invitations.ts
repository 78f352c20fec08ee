/**
 * Invitations by mail, into a project or to the server. One is good once, for the address that it was sent to, and for as
 * long as whoever sent it could send it again.
 */
import type pg from 'pg';
import type { Admission, RegistrationMode } from '../../accounts/admission.ts';
import { emailKeyOf } from '../../accounts/email.ts';
import { issueToken, spendToken, subjectOf } from '../../accounts/one-time-tokens.ts';
import { can, type ProjectRole, requireCan } from '../../accounts/policy.ts';
import { type Caller, roleOfText, type UserRole, type Viewer } from '../../accounts/viewer.ts';
import { type AuditAction, record } from '../../audit/audit.ts';
import { createLimiter } from '../../db/limiter.ts';
import { type Executor, type Prisma, transaction } from '../../db/metadata.ts';
import { AppError, badInput, type FieldFault, notFound } from '../../lib/errors.ts';
import { encodeId } from '../../lib/ids.ts';
import { rateLimited } from '../../lib/rates.ts';
import type { Outbox } from '../../mail/outbox.ts';
import { type Access, projectRoleOfText } from '../access.ts';
import { requireMemberRoom } from '../projects.ts';
import { insertMember, lockProject } from '../store.ts';
import type { Invitation, InvitationRow, PrismaQuery, Project } from './store.ts';
import * as store from './store.ts';

export type { Invitation };

export const invitationLimits = {
  lifetimeHours: 7 * 24,
  /** Neither accepted nor revoked, of a project and of the server. */
  open: 200,
  /** Of a project, or of the server, the newest, in whatever state. */
  shown: 400,
  /** Of those that are over. */
  kept: 200,
  /** To one address, from whomever: nobody's inbox is filled by whoever knows his address. */
  mailsPerHour: 5,
  /** By one user, to whomever: nobody sends his letters by this server. */
  mailsPerHourOfUser: 300,
} as const;

export interface InvitationsDeps {
  pool: pg.Pool;
  prisma: Prisma;
  access: Pick<Access, 'roleOf'>;
  outbox: Pick<Outbox, 'queue'>;
  registration: RegistrationMode;
}

/** All ids are UUIDs. */
export interface Invitations extends Admission {
  /** Null when it is absent or not the viewer's to see. */
  find(viewer: Viewer | null, id: string): Promise<Invitation | null>;
  /** Of each project the newest first; none of those that the viewer does not own. */
  ofProjects(viewer: Viewer | null, projectIds: readonly string[]): Promise<Map<string, Invitation[]>>;
  /** Those to the server, the newest first, for administrators. @throws AppError FORBIDDEN */
  ofServer(viewer: Viewer | null): Promise<Invitation[]>;
  /**
   * Takes the place of one that is open for the address.
   * @throws AppError NOT_FOUND, FORBIDDEN, CONFLICT for a member, LIMIT_EXCEEDED, RATE_LIMITED
   */
  inviteMember(
    viewer: Viewer | null,
    invitation: { projectId: string; email: string; role: ProjectRole },
    caller: Caller,
  ): Promise<Invitation>;
  /** @throws AppError FORBIDDEN, CONFLICT for an account, LIMIT_EXCEEDED, RATE_LIMITED */
  inviteUser(viewer: Viewer | null, invitation: { email: string; role: UserRole }, caller: Caller): Promise<Invitation>;
  /** No-op for one that is revoked. @throws AppError NOT_FOUND, CONFLICT for one that was accepted */
  revoke(viewer: Viewer | null, id: string, caller: Caller): Promise<Invitation>;
  /**
   * Into a project, for the account of its address; who is a member stays what he is. @returns the project's id
   * @throws AppError BAD_USER_INPUT for a token that is not good, FORBIDDEN for another account, LIMIT_EXCEEDED
   */
  accept(viewer: Viewer | null, token: string, caller: Caller): Promise<string>;
  /** Null where it is to the server. */
  projectOf(invitation: Pick<Invitation, 'projectId'>, query: PrismaQuery): Promise<Project | null>;
}

export function createInvitations(deps: InvitationsDeps): Invitations {
  const { pool, prisma, access, outbox, registration } = deps;
  const sent = createLimiter({
    pool,
    name: 'invitations.user',
    points: invitationLimits.mailsPerHourOfUser,
    windowSeconds: 3_600,
  });

  /** Outside of a transaction, which would hold a second connection. @throws AppError RATE_LIMITED */
  async function requireRoomToSend({ userId }: Viewer): Promise<void> {
    const exceeded = await sent.take(userId);
    if (exceeded) throw rateLimited(exceeded.waitMs, 'Too many invitations of one user');
  }

  const note = (
    client: Executor,
    actorId: string,
    caller: Caller,
    action: AuditAction,
    { id, projectId, role }: Pick<InvitationRow, 'id' | 'projectId' | 'role'>,
  ) =>
    record(client, {
      actorId,
      action,
      subject: encodeId('Invitation', id),
      outcome: 'success',
      caller,
      details: { project: projectId === null ? null : encodeId('Project', projectId), role },
    });

  const reread = async (id: string): Promise<Invitation> => {
    const invitation = await store.findInvitation(prisma, id);
    if (!invitation) throw notFound('Invitation');
    return invitation;
  };

  /** Behind a lock on what it leads to. */
  async function send(
    client: pg.PoolClient,
    given: Omit<store.NewInvitation, 'lifetimeHours'>,
    caller: Caller,
  ): Promise<string> {
    const { email, projectId, invitedById } = given;
    const { lifetimeHours, open, kept, mailsPerHour } = invitationLimits;
    await store.lockAddress(client, email);
    const { count, freeInMs } = await store.sentLately(client, email);
    if (count >= mailsPerHour)
      throw new AppError('RATE_LIMITED', 'This address was sent many invitations: try again later', {
        details: { retryAfterMs: freeInMs },
      });
    const { id, fresh } = await store.put(client, { ...given, lifetimeHours });
    const actual = fresh ? await store.countOpen(client, projectId) : 0;
    if (actual > open)
      throw new AppError('LIMIT_EXCEEDED', `At most ${open} open invitations: revoke some`, {
        details: { limit: open, actual: open },
      });
    await store.forgetOld(client, projectId, kept);
    const token = await issueToken(client, {
      purpose: 'invitation',
      subjectId: id,
      email: emailKeyOf(email),
      lifetimeHours,
    });
    const mail = { to: email, until: token.expiresAt };
    if (projectId === null) await outbox.queue(client, { ...mail, template: 'accountInvitation', values: token });
    else {
      const project = await store.nameOfProject(client, projectId);
      await outbox.queue(client, { ...mail, template: 'projectInvitation', values: { ...token, project } });
    }
    await note(client, invitedById, caller, 'invitation.sent', { ...given, id });
    return id;
  }

  /** Uses the token up. Locks what it leads to first, then it, as whoever sends one does. @throws AppError BAD_USER_INPUT */
  async function redeem(client: pg.PoolClient, token: string, emailKey: string): Promise<InvitationRow> {
    const id = await subjectOf(client, 'invitation', token);
    const seen = id === null ? null : await store.read(client, id);
    const inviter = seen?.invitedById ?? nobody;
    const role = seen?.projectId ? await lockProject(client, seen.projectId, inviter) : null;
    const invitation = seen && (await store.hold(client, seen.id));
    if (invitation?.revokedAt) throw refused('this invitation has been revoked');
    await spendToken(client, 'invitation', token);
    if (!invitation) throw refused('this invitation is gone');
    if (invitation.emailKey !== emailKey)
      throw new AppError('FORBIDDEN', 'The invitation was sent to another address: use an account with that one');
    // Null as well for who is disabled, and may be an owner still.
    const sender = await store.roleOfUser(client, invitation.invitedById ?? nobody);
    const mayInvite = invitation.projectId ? role === 'owner' && sender !== null : sender === 'admin';
    if (!mayInvite) throw refused('whoever sent this invitation may invite nobody any more');
    await store.accept(client, invitation.id);
    return invitation;
  }

  async function join(client: pg.PoolClient, { projectId, role }: InvitationRow, userId: string): Promise<void> {
    if (projectId === null) return;
    const memberId = await insertMember(client, projectId, userId, projectRoleOfText(role));
    if (memberId) await requireMemberRoom(client, projectId);
  }

  const resourceOf = (projectId: string | null, role: ProjectRole | null) =>
    ({ kind: 'invitation', shared: projectId !== null, role }) as const;

  return {
    async find(viewer, id) {
      const invitation = viewer && (await store.findInvitation(prisma, id));
      if (!invitation) return null;
      const { projectId } = invitation;
      const role = projectId === null ? null : await access.roleOf(viewer.userId, projectId);
      return can(viewer, 'invitation:see', resourceOf(projectId, role)) ? invitation : null;
    },

    async ofProjects(viewer, projectIds) {
      const byProject = new Map<string, Invitation[]>(projectIds.map((id) => [id, []]));
      if (!viewer || !can(viewer, 'invitation:see', { kind: 'invitation', shared: true, role: 'owner' }))
        return byProject;
      const found = await store.findOfProjects({ db: pool, prisma }, viewer.userId, projectIds, invitationLimits.shown);
      for (const invitation of found) byProject.get(invitation.projectId ?? '')?.push(invitation);
      return byProject;
    },

    async ofServer(viewer) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      return store.findOfServer(prisma, invitationLimits.shown);
    },

    async inviteMember(viewer, { projectId, email, role }, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      await requireRoomToSend(viewer);
      const id = await transaction(pool, async (client) => {
        const own = await lockProject(client, projectId, viewer.userId);
        requireCan(viewer, 'project:manage', { kind: 'project', role: own });
        if (await store.isMember(client, projectId, email))
          throw new AppError('CONFLICT', 'This account is a member already');
        return await send(client, { email, projectId, role, invitedById: viewer.userId }, caller);
      });
      return reread(id);
    },

    async inviteUser(viewer, { email, role }, caller) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      await requireRoomToSend(viewer);
      const id = await transaction(pool, async (client) => {
        if (await store.hasAccount(client, email))
          throw new AppError('CONFLICT', 'There is an account with this address');
        return await send(client, { email, projectId: null, role, invitedById: viewer.userId }, caller);
      });
      return reread(id);
    },

    async revoke(viewer, id, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      await transaction(pool, async (client) => {
        const seen = await store.read(client, id);
        const role = seen?.projectId ? await lockProject(client, seen.projectId, viewer.userId) : null;
        const invitation = seen && (await store.hold(client, id));
        if (!invitation) throw notFound('Invitation');
        requireCan(viewer, 'invitation:revoke', resourceOf(invitation.projectId, role));
        if (invitation.acceptedAt) throw new AppError('CONFLICT', 'The invitation has been accepted');
        if (invitation.revokedAt) return;
        await store.revoke(client, id);
        await note(client, viewer.userId, caller, 'invitation.revoked', invitation);
      });
      return reread(id);
    },

    async accept(viewer, token, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { userId } = viewer;
      return await transaction(pool, async (client) => {
        const emailKey = await store.addressOf(client, userId);
        if (emailKey === null) throw notFound('User');
        const invitation = await redeem(client, token, emailKey);
        const { projectId } = invitation;
        if (projectId === null) throw refused('this invitation opens an account: it is for registering');
        await join(client, invitation, userId);
        await store.confirmAddress(client, userId);
        await note(client, userId, caller, 'invitation.accepted', invitation);
        return projectId;
      });
    },

    async admit(client, { token, email }) {
      const invitation = await redeem(client, token, emailKeyOf(email)).catch((error: unknown) => {
        throw atRegistration(error);
      });
      const { projectId, role } = invitation;
      // Only administrators let somebody in then.
      if (projectId !== null && registration === 'closed')
        throw new AppError('FORBIDDEN', 'Registration is closed: an invitation to a project opens no account');
      return {
        role: projectId === null ? roleOfText(role) : 'member',
        verified: true,
        async welcome(userId, caller) {
          await join(client, invitation, userId);
          await note(client, userId, caller, 'invitation.accepted', invitation);
        },
      };
    },

    projectOf: async ({ projectId }, query) =>
      projectId === null ? null : await store.findProject(prisma, query, projectId),
  };
}

const nobody = '00000000-0000-0000-0000-000000000000';

const refused = (message: string) => badInput({ path: 'input.token', message });

/** The same, said at the field of registerInput. */
function atRegistration(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'BAD_USER_INPUT') return error;
  const [fault] = (error.details as { fields: FieldFault[] }).fields;
  return badInput({ path: 'input.invitationToken', message: fault?.message ?? 'not good' });
}
