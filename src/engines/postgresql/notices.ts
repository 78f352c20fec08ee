/** Keeps what the server remarks until the run reports it: the newest, so many, and so much of each. */
import type pg from 'pg';

const maxNotices = 1_000;
const maxNoticeCharacters = 8_192;

export interface Notices {
  /** What came since the last time, oldest first. */
  take(): string[];
  /** A new script begins: it hears nothing of what came before. */
  reset(): void;
}

export function createNotices({ client, wake }: { client: pg.Client; wake: () => void }): Notices {
  let waiting: string[] = [];

  client.on('notice', ({ severity, message = '' }) => {
    waiting.push(`${severity ?? 'NOTICE'}: ${message.slice(0, maxNoticeCharacters)}`);
    // Not one by one: to take the first from a list moves all others.
    if (waiting.length >= 2 * maxNotices) waiting = waiting.slice(-maxNotices);
    wake();
  });

  return {
    take() {
      const taken = waiting.slice(-maxNotices);
      waiting = [];
      return taken;
    },
    reset() {
      waiting = [];
    },
  };
}
