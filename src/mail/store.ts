/** The table of outgoing mails: taken by one process at a time, by the database's clock. */
import type { Executor } from '../db/metadata.ts';

export interface NewMail {
  readonly id: string;
  readonly template: string;
  readonly sealed: string;
  readonly giveUpHours: number;
  /** Given up then, where that is sooner. */
  readonly until: Date | null;
}

export interface StoredMail {
  readonly id: string;
  readonly template: string;
  readonly sealed: string;
  readonly queuedAt: Date;
}

export interface TakenMail extends StoredMail {
  /** This one included; whoever takes the mail next has another number. */
  readonly attempts: number;
  /** Until it is given up; negative when that has passed. */
  readonly leftMs: number;
}

export async function insertMail(client: Executor, { id, template, sealed, giveUpHours, until }: NewMail) {
  await client.query(
    `INSERT INTO outgoing_mails (id, template, sealed, give_up_at)
     VALUES ($1, $2, $3, least(now() + make_interval(hours => $4), $5))`,
    [id, template, sealed, giveUpHours, until],
  );
}

export interface MailStore {
  /** Nobody else takes them for `holdMs`. */
  take(options: { limit: number; holdMs: number }): Promise<TakenMail[]>;
  /** It has left, or never will; nothing happens to one that another process has taken since. */
  remove(mail: TakenMail): Promise<void>;
  /** It is tried again after so long, unless another process has taken it since. */
  putOff(mail: TakenMail, forMs: number): Promise<void>;
  /** How long until the next can be taken; null where there is none. */
  untilNextMs(): Promise<number | null>;
}

export function createMailStore({ db }: { db: Executor }): MailStore {
  return {
    async take({ limit, holdMs }) {
      const { rows } = await db.query<TakenMail>(
        `UPDATE outgoing_mails SET attempts = attempts + 1, next_attempt_at = now() + $2 * interval '1 millisecond'
         WHERE id IN (
           SELECT id FROM outgoing_mails WHERE next_attempt_at <= now()
           ORDER BY next_attempt_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING id, template, sealed, attempts, queued_at AS "queuedAt",
           (extract(epoch FROM give_up_at - now()) * 1000)::float8 AS "leftMs"`,
        [limit, holdMs],
      );
      return rows;
    },
    async remove({ id, attempts }) {
      await db.query('DELETE FROM outgoing_mails WHERE id = $1 AND attempts = $2', [id, attempts]);
    },
    async putOff({ id, attempts }, forMs) {
      await db.query(
        `UPDATE outgoing_mails SET next_attempt_at = now() + $3 * interval '1 millisecond'
         WHERE id = $1 AND attempts = $2`,
        [id, attempts, forMs],
      );
    },
    async untilNextMs() {
      const { rows } = await db.query<{ ms: number | null }>(
        `SELECT (extract(epoch FROM min(next_attempt_at) - now()) * 1000)::float8 AS ms FROM outgoing_mails`,
      );
      return rows[0]?.ms ?? null;
    },
  };
}
