/**
 * Names of what is committed to the metadata. Where the name is the same at two times nothing was committed between them,
 * and whatever was read between them would be read again: one small question instead of many.
 *
 * The name is the snapshot of transactions, which every commit changes
 * (https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-INFO-SNAPSHOT), with the second of the database's clock,
 * so that what ends by the time ends.
 */
import type pg from 'pg';
import { createGathered } from '../lib/gathered.ts';

export interface Moments {
  /** As it is now, read after this was called; whoever asks at once is told together. */
  now(): Promise<string>;
}

const now = `SELECT pg_current_snapshot() || ' ' || date_trunc('second', clock_timestamp()) AS now`;

export function createMoments({ pool }: { pool: pg.Pool }): Moments {
  const find = createGathered<string>({
    async read([key = '']) {
      const { rows } = await pool.query<{ now: string }>({ name: 'moment', text: now });
      return new Map(rows.map((row) => [key, row.now]));
    },
    maxReads: 1,
  });
  return {
    async now() {
      const moment = await find('now');
      if (moment === undefined) throw new Error('The metadata database does not say what is committed');
      return moment;
    },
  };
}
