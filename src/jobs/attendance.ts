/**
 * A worker says that it is there, and takes the jobs that others give it (accept.ts). When it leaves, what it was given and
 * has not begun goes back.
 */
import type { Mail } from '../db/notify.ts';
import { createPatience } from '../db/patience.ts';
import type { Log } from '../lib/log.ts';
import { untilAborted } from '../lib/until-aborted.ts';
import type { Presence } from './given.ts';
import type { Job } from './job.ts';
import type { JobStore } from './store.ts';

export interface AttendanceDeps {
  store: Pick<JobStore, 'announce' | 'retire' | 'withdraw' | 'givenBy' | 'releaseUnknown'>;
  mail: Mail;
  log: Log;
}

export interface Attendance {
  /** Again and again, or it is taken for lost. Never throws: where the metadata do not answer, the next time may. */
  announce(): Promise<void>;
  /** From now on nothing is begun, and soon nothing is given. */
  close(): void;
  /**
   * Behind `close`: gives back what is not among those that it runs. It tries until it could or the signal aborts, and then
   * the leases tell the next worker; never throws.
   */
  leave(running: () => readonly string[], signal: AbortSignal): Promise<void>;
}

export function attend(
  { store, mail, log }: AttendanceDeps,
  worker: Omit<Presence, 'mailbox'>,
  begin: (job: Job) => void,
): Attendance {
  let mailbox: string | null = null;
  let closed = false;
  let announced: Promise<void> = Promise.resolve();
  let retired: Promise<void> = Promise.resolve();
  const warn = (event: string) => (error: unknown) => log.warn({ error: String(error) }, event);

  function announce(): Promise<void> {
    if (mailbox === null || closed) return Promise.resolve();
    announced = store.announce({ ...worker, mailbox }).catch(warn('worker.announce_failed'));
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
        void announce();
      },
      // What is not heard, or cannot be read now, the worker finds when it looks.
      received: (text) => void take(text).catch(warn('worker.given_failed')),
    })
    .catch(warn('worker.mailbox_failed'));

  async function giveBack(running: () => readonly string[], signal: AbortSignal): Promise<void> {
    const patience = createPatience(signal);
    await retired;
    await patience(() => store.withdraw(worker.workerId));
    await patience(() => store.releaseUnknown(worker.workerId, running()));
  }

  return {
    announce,
    close() {
      closed = true;
      // Without a lock, so that who holds up the claims keeps no jobs coming; behind what was said last of it.
      if (mailbox !== null)
        retired = announced.then(() => store.retire(worker.workerId)).catch(warn('worker.leave_failed'));
    },
    async leave(running, signal) {
      if (mailbox === null) return;
      await untilAborted(giveBack(running, signal), signal).catch(warn('worker.leave_failed'));
    },
  };
}
