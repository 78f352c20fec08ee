/** As whom a job runs: its owner, with the role that he has now and not the one that he had when he submitted it. */
import type { Viewer } from '../accounts/viewer.ts';
import type { Job } from './job.ts';
import type { JobStore } from './store.ts';

/** Null for an account that is gone or disabled. */
export async function ownerOf(
  store: Pick<JobStore, 'roleOfOwner'>,
  { ownerId }: Pick<Job, 'ownerId'>,
): Promise<Viewer | null> {
  const role = await store.roleOfOwner(ownerId);
  return role && { userId: ownerId, role, sessionId: '', expiresAt: new Date(0) };
}
