/** The task of every job: `select 1` through a pool on the database that the work is for. */
import pg from 'pg';
import type { Place } from './system.ts';

/** What runs at once, however many jobs a worker holds. */
const poolSize = 8;

export function openTarget(connection: Place['postgres']) {
  const pool = new pg.Pool({ ...connection, max: poolSize });
  // The server ends before the last socket has closed.
  pool.on('error', () => undefined);
  return {
    query: async () => void (await pool.query('select 1')),
    close: () => pool.end(),
  };
}
