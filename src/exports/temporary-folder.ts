/** Where an attempt puts what its format cannot stream. */
import { join } from 'node:path';
import type { Hold } from '../jobs/store.ts';

/** Of this attempt alone: when its job is another worker's, or has ended, nobody needs it any more. */
export const temporaryFolderOf = (folder: string, { id, fence }: Hold): string => join(folder, `${id}-${fence}`);
