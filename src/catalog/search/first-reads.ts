/** Reads catalogues for the first time when a search wished for them: a few at once, in the background. */
import type { Viewer } from '../../accounts/viewer.ts';
import { createGate } from '../../lib/gate.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';

export const firstReadLimits = {
  atOnce: 2,
  /** Databases that wait; the search asks again for what has no place. */
  waiting: 1_000,
  /** Before a database that could not be read is tried again. */
  pauseMs: 300_000,
} as const;

export interface FirstReadsDeps<Database> {
  /** Null where the viewer does not see it. */
  load(viewer: Viewer, databaseId: string): Promise<Database | null>;
  /** Reads the whole catalogue and keeps it. */
  refresh(database: Database, options: { signal: AbortSignal }): Promise<void>;
  readonly log: Log;
}

export interface FirstReads extends Service {
  readLater(viewer: Viewer, databaseIds: readonly string[]): void;
}

export function createFirstReads<Database>({ load, refresh, log }: FirstReadsDeps<Database>): FirstReads {
  const gate = createGate({ max: firstReadLimits.atOnce });
  const stopped = new AbortController();
  const waiting = new Map<string, Promise<void>>();
  /** By the clock of this process; the oldest is first. */
  const failedAt = new Map<string, number>();

  async function read(viewer: Viewer, databaseId: string): Promise<void> {
    try {
      await gate.run(async () => {
        // His right may have ended while it waited.
        const database = await load(viewer, databaseId);
        if (database) await refresh(database, { signal: stopped.signal });
      }, stopped.signal);
    } catch (error) {
      if (stopped.signal.aborted) return;
      failedAt.set(databaseId, performance.now());
      log.debug({ databaseId, error: String(error) }, 'search.not_read');
    } finally {
      waiting.delete(databaseId);
    }
  }

  return {
    readLater(viewer, databaseIds) {
      for (const [id, at] of failedAt) {
        if (performance.now() - at < firstReadLimits.pauseMs) break;
        failedAt.delete(id);
      }
      for (const id of databaseIds) {
        if (stopped.signal.aborted || waiting.size >= firstReadLimits.waiting) return;
        if (!waiting.has(id) && !failedAt.has(id)) waiting.set(id, read(viewer, id));
      }
    },
    async stop() {
      stopped.abort(new Error('the search has stopped'));
      await Promise.all(waiting.values());
    },
  };
}
