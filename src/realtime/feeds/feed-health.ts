/** How the feeds of this process are doing: of one database for whoever looks after it, and of all in numbers. */
import { can } from '../../accounts/policy.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import { resourceOf } from '../../databases/access.ts';
import type { VisibleDatabase } from '../../databases/databases.ts';
import type { Hub, HubDatabase, HubStatus } from '../hub.ts';

export interface FeedHealth {
  readonly kept: boolean;
  readonly tables: number;
  readonly readers: number;
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
  readonly lagMs: number | null;
  readonly heardAt: Date;
}

export interface FeedHealths {
  /** Null: nothing listens to it here, or the viewer may not manage it. */
  of(viewer: Viewer | null, database: VisibleDatabase): FeedHealth | null;
}

export const createFeedHealths = <Database extends HubDatabase>(hub: Pick<Hub<Database>, 'status'>): FeedHealths => ({
  of(viewer, database) {
    if (!can(viewer, 'database:manage', resourceOf(database))) return null;
    const status = hub.status(database.id);
    return status && healthOf(status);
  },
});

function healthOf({ kept, tables, readers, lagMs, feed }: HubStatus): FeedHealth {
  const { retainedBytes, safeBytes, heardAt } = feed;
  return { kept, tables, readers, retainedBytes, safeBytes, lagMs, heardAt };
}
