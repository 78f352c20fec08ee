/** Keeps what the server remarks until the run reports it: so many, and so much of each. */
import type pg from 'pg';

const maxNotices = 1_000;
const maxNoticeCharacters = 8_192;

export interface Notices {
  /** What came since the last time, oldest first. */
  take(): string[];
  /** A new script begins: it counts anew, and hears nothing of what came before. */
  reset(): void;
}

export function createNotices({ client, wake }: { client: pg.Client; wake: () => void }): Notices {
  let waiting: string[] = [];
  let reported = 0;

  client.on('notice', ({ severity, message = '' }) => {
    reported++;
    if (reported > maxNotices) return;
    const text = `${severity ?? 'NOTICE'}: ${message.slice(0, maxNoticeCharacters)}`;
    waiting.push(reported === maxNotices ? `${text}\nWhat the server remarks from here on is left out.` : text);
    wake();
  });

  return {
    take() {
      const taken = waiting;
      waiting = [];
      return taken;
    },
    reset() {
      waiting = [];
      reported = 0;
    },
  };
}
