/** Who may be given jobs in the statement that accepts them (accept.ts), and what the message about one says, as SQL has them. */
import type pg from 'pg';
import { type Executor, transaction } from '../db/metadata.ts';
import { claimLock } from './claim.ts';
import type { Hold } from './finish.ts';
import type { Job } from './job.ts';
import { type JobRow, jobOf, leaseFromNow, leaseSeconds } from './row.ts';

export interface Presence {
  readonly workerId: string;
  /** Where it hears of its jobs; see db/mailbox.ts. */
  readonly mailbox: string;
  /** Jobs at once. */
  readonly concurrency: number;
}

/** Rows of workers that were lost go so much later. */
const forgottenSeconds = 3_600;
/** What was told of a job is there by then, or lost. */
const onItsWaySeconds = 1;
/** Of one look: the texts of jobs may be long. */
const mostUnheard = 16;

export function createGiven(pool: pg.Pool) {
  return {
    /** From now on, and for a lease's time unless it is said again, jobs may be given to it. */
    async announce({ workerId, mailbox, concurrency }: Presence): Promise<void> {
      await pool.query(
        `WITH gone AS (DELETE FROM workers WHERE seen_until < now() - make_interval(secs => ${forgottenSeconds}) AND id <> $1)
         INSERT INTO workers (id, mailbox, concurrency, seen_until)
         VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => ${leaseSeconds}))
         ON CONFLICT (id) DO UPDATE
         SET mailbox = excluded.mailbox, concurrency = excluded.concurrency, seen_until = excluded.seen_until`,
        [workerId, mailbox, concurrency],
      );
    },

    /** From now on no statement that begins gives it a job. Waits for nobody. */
    async retire(workerId: string): Promise<void> {
      await pool.query('UPDATE workers SET seen_until = now() WHERE id = $1', [workerId]);
    },

    /** Once this has resolved no job is given to it any more, and each that was has been committed. */
    withdraw: (workerId: string): Promise<void> =>
      transaction(pool, async (client) => {
        // Whoever gives holds it.
        await client.query(claimLock.text);
        await client.query('DELETE FROM workers WHERE id = $1', [workerId]);
      }),

    /**
     * What it was given, or has claimed, and has not heard of: NOTIFY is a hint. Each is told once, with a new lease.
     * `known`: what it runs.
     */
    async unheardBy(workerId: string, known: readonly string[]): Promise<Job[]> {
      const { rows } = await pool.query<JobRow>(
        // A lease that was never renewed is as long as one is from the start of the job.
        `UPDATE jobs SET lease_until = ${leaseFromNow}
         WHERE id IN (
           SELECT id FROM jobs
           WHERE status = 'running' AND worker_id = $1 AND backend_id IS NULL AND id <> ALL($2::uuid[])
             AND started_at < clock_timestamp() - make_interval(secs => ${onItsWaySeconds})
             AND lease_until < started_at + make_interval(secs => ${leaseSeconds + onItsWaySeconds / 2})
           ORDER BY id LIMIT ${mostUnheard} FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [workerId, known],
      );
      return rows.map(jobOf);
    },

    /** What a message says of a job that was given; null where it is somebody else's by now. */
    async givenBy(message: string): Promise<Job | null> {
      const row = JSON.parse(message) as MessageRow | Hold;
      return 'status' in row ? jobOfMessage(row) : await findHeld(pool, row);
    },
  };
}

/** As JSON has it: times are texts. */
type MessageRow = {
  readonly [Column in keyof JobRow]: Date extends JobRow[Column]
    ? string | Extract<JobRow[Column], null>
    : JobRow[Column];
};

const timeOf = <Time extends string | null>(time: Time) =>
  (time === null ? null : new Date(time)) as Time extends string ? Date : null;

const jobOfMessage = (row: MessageRow): Job =>
  jobOf({
    ...row,
    run_at: timeOf(row.run_at),
    held_until: timeOf(row.held_until),
    submitted_at: timeOf(row.submitted_at),
    started_at: timeOf(row.started_at),
    finished_at: timeOf(row.finished_at),
    cancel_requested_at: timeOf(row.cancel_requested_at),
    results_expire_at: timeOf(row.results_expire_at),
  });

async function findHeld(pool: Executor, { id, fence }: Hold): Promise<Job | null> {
  const { rows } = await pool.query<JobRow>(`SELECT * FROM jobs WHERE id = $1 AND fence = $2 AND status = 'running'`, [
    id,
    fence,
  ]);
  return rows[0] ? jobOf(rows[0]) : null;
}
