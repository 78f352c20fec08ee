/**
 * A mailbox is a channel of NOTIFY that one session alone listens to, under a name that nobody can guess. While that session
 * lives it holds the advisory lock of the name, so that whoever posts knows in SQL whether somebody hears.
 */
import { randomUUID } from 'node:crypto';
import type { Executor } from './metadata.ts';

const prefix = 'quarry_mail_';

/** In SQL: sends a text to the mailbox of that id when the transaction commits. Under 8,000 bytes. */
export const post = (id: string, text: string): string => `pg_notify('${prefix}' || ${id}::text, ${text})`;

/** In SQL: somebody hears what is posted to it. */
export const isHeard = (id: string): string => `NOT pg_try_advisory_xact_lock_shared(${lockOf(id)})`;

const lockOf = (id: string): string => `hashtextextended('${prefix}' || ${id}::text, 0)`;

export const mailChannelOf = (id: string): string => `${prefix}${id}`;

/** On the session that is to hear it. @returns its id */
export async function listenToMail(session: Executor): Promise<string> {
  const id = randomUUID();
  await session.query(`LISTEN "${mailChannelOf(id)}"`);
  await session.query(`SELECT pg_advisory_lock(${lockOf('$1')})`, [id]);
  return id;
}
