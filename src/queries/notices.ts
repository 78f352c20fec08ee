/** What a target says beside its rows: the newest are kept, written in batches, so that a flood costs little. */
import type { Patience } from '../db/patience.ts';
import type { Hold, JobStore } from '../jobs/store.ts';

export interface NoticeLog {
  add(message: string): void;
  /** Writes what has not been written; called often, it writes seldom. */
  flush(when: 'DUE' | 'NOW'): Promise<void>;
}

interface NoticeLogDeps {
  store: Pick<JobStore, 'addNotices'>;
  hold: Hold;
  patience: Patience;
}

const maxNotices = 1_000;
const flushMs = 200;

export function createNoticeLog({ store, hold, patience }: NoticeLogDeps): NoticeLog {
  let waiting: { index: number; message: string }[] = [];
  let last = 0;
  let writtenAt = 0;
  return {
    add(message) {
      last += 1;
      waiting.push({ index: last, message });
      if (waiting.length > 2 * maxNotices) waiting = waiting.slice(-maxNotices);
    },
    async flush(when) {
      if (waiting.length === 0 || (when === 'DUE' && Date.now() - writtenAt < flushMs)) return;
      const notices = waiting.slice(-maxNotices);
      waiting = [];
      writtenAt = Date.now();
      await patience(() => store.addNotices(hold, notices, maxNotices));
    },
  };
}
