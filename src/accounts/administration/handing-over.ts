/** What becomes of the projects that would be without an owner when an account goes: one of their members has them, or they go with it. */
import type pg from 'pg';
import { record } from '../../audit/audit.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId } from '../../lib/ids.ts';
import { deleteProject, memberAlone, ownedAlone, promoteIn } from '../../projects/store.ts';
import type { Caller, Viewer } from '../viewer.ts';
import { lockAccount } from './store.ts';

/** Projects that a refusal names. */
const namedProjects = 10;

export interface HandingOver {
  readonly viewer: Viewer;
  readonly caller: Caller;
  /** Whose account goes. */
  readonly userId: string;
  /** Null: nobody was named. */
  readonly successorId: string | null;
  /** His projects, which the transaction holds. */
  readonly projectIds: readonly string[];
}

/**
 * Only who is in a project already is made its owner: an administrator lets nobody in, himself least of all.
 * @throws AppError NOT_FOUND, BAD_USER_INPUT for a successor who cannot be one, and as requireOtherOwners()
 */
export async function handOver(client: pg.PoolClient, given: HandingOver): Promise<void> {
  const { viewer, caller, userId, successorId, projectIds } = given;
  if (successorId !== null) await requireSuccessor(client, successorId, userId);
  const noted = { actorId: viewer.userId, outcome: 'success', caller } as const;
  for (const id of await memberAlone(client, userId, projectIds)) {
    const name = await deleteProject(client, id);
    const subject = encodeId('Project', id);
    await record(client, { ...noted, action: 'project.deleted', subject, details: { name } });
  }
  const alone = new Set(await ownedAlone(client, userId, projectIds.length));
  const held = projectIds.filter((id) => alone.has(id));
  const promoted = successorId === null ? [] : await promoteIn(client, successorId, held);
  for (const { id, projectId, role: from } of promoted) {
    const details = { project: encodeId('Project', projectId), from, to: 'owner' };
    const subject = encodeId('ProjectMember', id);
    await record(client, { ...noted, action: 'member.updated', subject, details });
  }
  await requireOtherOwners(client, userId);
}

/** @throws AppError CONFLICT, with the projects that have no other owner who is not disabled */
export async function requireOtherOwners(client: pg.PoolClient, userId: string): Promise<void> {
  const alone = await ownedAlone(client, userId, namedProjects);
  if (alone.length === 0) return;
  throw new AppError('CONFLICT', 'He is the only owner of a project: name one of its members as his successor', {
    details: { projectIds: alone.map((projectId) => encodeId('Project', projectId)) },
  });
}

async function requireSuccessor(client: pg.PoolClient, id: string, userId: string): Promise<void> {
  const path = 'input.successorId';
  if (id === userId) throw badInput({ path, message: 'another account than the one that goes' });
  const account = await lockAccount(client, id);
  if (!account) throw notFound('User');
  if (account.disabled) throw badInput({ path, message: 'an account that is not disabled' });
}
