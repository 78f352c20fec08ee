/** What administrators do about other people's accounts: look them up, set role and ceiling, disable, delete. */
import type pg from 'pg';
import { type AuditAction, record } from '../../audit/audit.ts';
import type { Databases } from '../../databases/databases.ts';
import { bequeath } from '../../databases/store.ts';
import { type Prisma, transaction } from '../../db/metadata.ts';
import { ringInTransaction } from '../../db/notify.ts';
import type { JobStore } from '../../jobs/store.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId, isUuid } from '../../lib/ids.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import type { Topic } from '../../lib/topics.ts';
import { leaveAll, lockProjectsOf } from '../../projects/store.ts';
import { voidTokens } from '../one-time-tokens.ts';
import { requireCan } from '../policy.ts';
import { endSessions, findUser, type User } from '../store.ts';
import type { Caller, Viewer } from '../viewer.ts';
import { handOver, requireOtherOwners } from './handing-over.ts';
import type { UserChange } from './store.ts';
import * as store from './store.ts';

export type { UserChange };

export interface AdministrationDeps {
  pool: pg.Pool;
  prisma: Prisma;
  bus: Bus<Topic>;
  jobs: Pick<JobStore, 'cancelAllOfOwner' | 'queueOf'>;
  databases: Pick<Databases, 'disconnectAllOf'>;
}

/** Of administrators only: anybody else gets FORBIDDEN. All ids are UUIDs. */
export interface Administration {
  /** Newest first. @param search a part of the address or the name. @throws AppError BAD_USER_INPUT */
  users(viewer: Viewer | null, list: PageArguments & { search?: string | null | undefined }): Promise<Connection<User>>;
  /**
   * What is absent stays. Of a disabled user sessions, streams and jobs end at once; so do the sessions of one who is no
   * administrator any more. @throws AppError NOT_FOUND, CONFLICT where no administrator would be left
   */
  update(viewer: Viewer | null, id: string, change: UserChange, caller: Caller): Promise<User>;
  /**
   * Ends what he does, lets go of his databases, deletes his jobs and files. What is in a project stays there, and the
   * audit stays. One that breaks off is done again: the account is disabled from the first moment. Of projects that would
   * have no owner those that he alone was in go with him, and those that the successor is in are his.
   * @throws AppError NOT_FOUND, BAD_USER_INPUT for a successor who cannot be one, CONFLICT where no administrator would be
   * left, or a project without an owner
   */
  delete(viewer: Viewer | null, id: string, asked: Deletion): Promise<void>;
}

export interface Deletion {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** A UUID; absent: nobody. */
  readonly successorId?: string | null | undefined;
}

const maxSearchCharacters = 254;
/** So long a deletion waits for what runs to end; a job that is deleted under its worker ends as well, only later. */
const endWithinMs = 10_000;
const pollMs = 1_000;

export function createAdministration({ pool, prisma, bus, jobs, databases }: AdministrationDeps): Administration {
  async function lock(client: pg.PoolClient, id: string) {
    const administrators = await store.lockAdministrators(client);
    const account = await store.lockAccount(client, id);
    if (!account) throw notFound('User');
    return { account, isLast: administrators.has(id) && administrators.size === 1 };
  }

  const lastOne = () => new AppError('CONFLICT', 'The installation keeps at least one administrator');

  const note = (
    client: pg.PoolClient,
    viewer: Viewer,
    caller: Caller,
    action: AuditAction,
    id: string,
    details: Record<string, unknown>,
  ) =>
    record(client, {
      actorId: viewer.userId,
      action,
      subject: encodeId('User', id),
      outcome: 'success',
      caller,
      details,
    });

  const ringAccesses = (client: pg.PoolClient, ids: readonly string[]) =>
    ringInTransaction(
      client,
      ids.map((id) => ['session.revoked' satisfies Topic, id] as const),
    );

  /** This process need not wait for its own ring to come back. */
  const forget = (ids: readonly string[]) => {
    for (const id of ids) bus.ringHere('session.revoked', id);
  };

  /** Nothing that he has shown holds any more. @returns what it was known by */
  async function disable(client: pg.PoolClient, id: string): Promise<string[]> {
    await store.updateAccount(client, id, { disabled: true });
    const accesses = await store.accessesOf(client, id);
    await endSessions(client, id, 'all');
    await jobs.cancelAllOfOwner(client, id);
    return accesses;
  }

  async function untilJobsEnded(userId: string, signal: AbortSignal): Promise<void> {
    using bell = createDoorbell(bus, 'jobs.of_user', userId);
    const deadline = performance.now() + endWithinMs;
    while (!signal.aborted && performance.now() < deadline && (await jobs.queueOf(userId)).running > 0)
      await bell.wait(pollMs, signal);
  }

  return {
    async users(viewer, { search, ...args }) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      const page = pageOf(args, { isKey: isUuid });
      const part = search || undefined;
      if (part !== undefined && (part.length > maxSearchCharacters || /\p{Cc}/u.test(part)))
        throw badInput({ path: 'search', message: `at most ${maxSearchCharacters} characters, on one line` });
      const users = await store.findUsers({ db: pool, prisma }, part, page);
      return connectionOf(
        page,
        users,
        ({ id }) => id,
        () => store.countUsers(pool, part),
      );
    },

    async update(viewer, id, change, caller) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      const told = await transaction(pool, async (client) => {
        const { account, isLast } = await lock(client, id);
        const demoted = account.role === 'admin' && change.role === 'member';
        if (isLast && (demoted || change.disabled)) throw lastOne();
        await store.updateAccount(client, id, change);
        const accesses = change.disabled ? await disable(client, id) : await store.accessesOf(client, id);
        // What he began as an administrator goes on by what he was then: it ends.
        if (demoted) await endSessions(client, id, 'all');
        await ringAccesses(client, accesses);
        await note(client, viewer, caller, 'user.updated', id, { ...change });
        return accesses;
      });
      forget(told);
      const user = await findUser(prisma, id);
      if (!user) throw notFound('User');
      return user;
    },

    async delete(viewer, id, asked) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      const { caller, signal, successorId = null } = asked;
      const ended = await transaction(pool, async (client) => {
        // Projects before accounts, as everybody who adds a member takes them.
        const projectIds = await lockProjectsOf(client, id);
        const { isLast } = await lock(client, id);
        if (isLast) throw lastOne();
        await handOver(client, { viewer, caller, userId: id, successorId, projectIds });
        const accesses = await disable(client, id);
        await ringAccesses(client, accesses);
        await note(client, viewer, caller, 'user.deletion_begun', id, {});
        return accesses;
      });
      forget(ended);
      await databases.disconnectAllOf(viewer, id, asked);
      await untilJobsEnded(id, signal);
      await transaction(pool, async (client) => {
        const projectIds = await lockProjectsOf(client, id);
        const { account, isLast } = await lock(client, id);
        if (isLast) throw lastOne();
        await requireOtherOwners(client, id);
        if ((await bequeath(client, id)) > 0)
          throw new AppError('CONFLICT', 'He has connected a database in this moment: delete the account once more');
        await leaveAll(client, id);
        await voidTokens(client, { subjectId: id });
        await store.deleteAccount(client, id);
        await ringInTransaction(
          client,
          projectIds.map((projectId) => ['tasks.of_project' satisfies Topic, projectId] as const),
        );
        await note(client, viewer, caller, 'user.deleted', id, { role: account.role });
      });
    },
  };
}
