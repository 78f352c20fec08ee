/** What was begun with API keys that open nothing any more: its jobs end, and its schedules run no more. */
import type { EndWorkOfKeys } from '../accounts/keys/api-keys.ts';
import type { JobStore } from '../jobs/store.ts';
import { stopSchedulesOfKeys } from './saved/store.ts';

export const createEndWorkOfKeys =
  ({ jobs }: { jobs: Pick<JobStore, 'cancelAllOfKeys'> }): EndWorkOfKeys =>
  async (client, ownerId, keyIds) => {
    // Schedules first: none of them makes another job behind those that end.
    await stopSchedulesOfKeys(client, ownerId, keyIds);
    await jobs.cancelAllOfKeys(client, ownerId, keyIds);
  };
