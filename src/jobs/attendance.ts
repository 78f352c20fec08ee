/**
 * A worker says that it is there, and takes the jobs that others give it (accept.ts). When it leaves, what it was given and
 * has not begun goes back.
 */
import type { Mail } from '../db/notify.ts';
import type { Log } from '../lib/log.ts';
import type { Presence } from './given.ts';
import type { Job } from './job.ts';
import type { JobStore } from './store.ts';

export interface AttendanceDeps {
  store: Pick<JobStore, 'announce' | 'withdraw' | 'givenBy' | 'releaseUnknown'>;
  mail: Mail;
  log: Log;
}

export interface Attendance {
  /** Again and again, or it is taken for lost; rejects where the metadata do not answer. */
  announce(): Promise<void>;
  /** From now on nothing is begun. */
  close(): void;
  /** Behind `close`: gives back what is not among those that it runs; never throws. */
  leave(running: readonly string[]): Promise<void>;
}

export function attend(
  { store, mail, log }: AttendanceDeps,
  worker: Omit<Presence, 'mailbox'>,
  begin: (job: Job) => void,
): Attendance {
  let mailbox: string | null = null;
  let closed = false;
  let announced: Promise<void> = Promise.resolve();
  const warn = (event: string) => (error: unknown) => log.warn({ error: String(error) }, event);

  function announce(): Promise<void> {
    if (mailbox !== null && !closed) announced = store.announce({ ...worker, mailbox });
    return announced;
  }

  async function take(message: string): Promise<void> {
    const job = await store.givenBy(message);
    if (job && !closed) begin(job);
  }

  void mail
    .receive({
      opened(id) {
        mailbox = id;
        void announce().catch(() => undefined); // The next heartbeat tries again.
      },
      // What cannot be read now is rescued when its lease is over.
      received: (text) => void take(text).catch(warn('worker.given_failed')),
    })
    .catch(warn('worker.mailbox_failed'));

  return {
    announce,
    close() {
      closed = true;
    },
    async leave(running) {
      if (mailbox === null) return;
      try {
        await announced.catch(() => undefined);
        await store.withdraw(worker.workerId);
        await store.releaseUnknown(worker.workerId, running);
      } catch (error) {
        // The leases tell the next worker.
        warn('worker.leave_failed')(error);
      }
    },
  };
}
