/** How the feeds of this process are doing: of one database for whoever looks after it, and of all in numbers. */
import { can } from '../../accounts/policy.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import { resourceOf } from '../../databases/access.ts';
import type { VisibleDatabase } from '../../databases/databases.ts';
import type { Hub, HubDatabase, HubStatus } from '../hub.ts';
import { keeperLimits } from './keeper.ts';
import type { FeedStore } from './store.ts';

export interface FeedHealth {
  readonly kept: boolean;
  readonly tables: number;
  readonly readers: number;
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
  readonly lagMs: number | null;
  readonly heardAt: Date;
}

export interface FeedProblem {
  readonly message: string;
  /** Null: now. */
  readonly at: Date | null;
}

export interface FeedHealths {
  /** Null: nothing listens to it here, or the viewer may not manage it. */
  of(viewer: Viewer | null, database: VisibleDatabase): FeedHealth | null;
  /** Of kept changes: why no process listens, or what lost some last. Null: nothing has, or the viewer may not manage it. */
  problemOf(viewer: Viewer | null, database: VisibleDatabase): Promise<FeedProblem | null>;
}

export interface FeedHealthsDeps<Database extends HubDatabase> {
  readonly hub: Pick<Hub<Database>, 'status'>;
  readonly store: Pick<FeedStore, 'problemOf'>;
}

export const createFeedHealths = <Database extends HubDatabase>({
  hub,
  store,
}: FeedHealthsDeps<Database>): FeedHealths => ({
  of(viewer, database) {
    if (!can(viewer, 'database:manage', resourceOf(database))) return null;
    const status = hub.status(database.id);
    return status && healthOf(status);
  },

  async problemOf(viewer, database) {
    if (!can(viewer, 'database:manage', resourceOf(database))) return null;
    const found = await store.problemOf(database.id);
    if (!found) return null;
    if (!found.isHeld) return { message: found.message ?? unheld, at: null };
    return found.message === null ? null : { message: found.message, at: found.at };
  },
});

const unheld = `No process listens to it just now: each holds ${keeperLimits.held} databases at the most, another one has room for more`;

function healthOf({ kept, tables, readers, lagMs, feed }: HubStatus): FeedHealth {
  const { retainedBytes, safeBytes, heardAt } = feed;
  return { kept, tables, readers, retainedBytes, safeBytes, lagMs, heardAt };
}
