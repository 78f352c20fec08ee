/** Tells the server how far the log is needed no longer: at most once a second, and at once when it asks. */
import type { CommitPosition } from '../../changes.ts';
import type { Events } from './events.ts';
import { flushedUpTo, later } from './lsn.ts';
import type { WalStream } from './wal-stream.ts';

export interface Feedback extends Disposable {
  readonly confirmed: CommitPosition;
  confirm(position: CommitPosition): void;
  /** Says where we are, whether or not that is new: the server ends a reader that says nothing. */
  send(): void;
  /** What was read and had nothing to tell needs nobody's word. */
  advance(): void;
}

const pauseMs = 1_000;

export function createFeedback({
  stream,
  events,
  start,
}: {
  stream: Pick<WalStream, 'feedback'>;
  events: Pick<Events, 'told' | 'position'>;
  start: CommitPosition;
}): Feedback {
  let confirmed = start;
  let sent = start;
  let timer: NodeJS.Timeout | undefined;

  function send(): void {
    stream.feedback(flushedUpTo(confirmed));
    sent = confirmed;
  }

  function move(position: CommitPosition): void {
    confirmed = later(confirmed, position);
    if (confirmed === sent || timer !== undefined) return;
    send();
    timer = setTimeout(() => {
      timer = undefined;
      if (confirmed !== sent) send();
    }, pauseMs).unref();
  }

  return {
    get confirmed() {
      return confirmed;
    },
    confirm: move,
    send,
    advance() {
      if (confirmed >= events.told) move(events.position);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
    },
  };
}
