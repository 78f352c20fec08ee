/** What a server has to be and to have set so that its log can be followed, and how to say what is missing. */
import pg from 'pg';
import { AppError } from '../../../lib/errors.ts';
import type { Target } from '../../engine.ts';
import { unsupported } from './names.ts';
import type { Side } from './side.ts';

export interface ServerFacts {
  /** 18, 17, … */
  readonly major: number;
}

/** @throws AppError UNSUPPORTED */
export async function checkServer(
  side: Side,
  { target, kept }: { target: Target; kept: boolean },
  options: { signal: AbortSignal },
): Promise<ServerFacts> {
  const [row = []] = await side.query(factsSql, [], options);
  const [version, walLevel, standby, keepSize, synchronous, senderTimeout] = row;
  if (standby === 't') throw unsupported('The server is a read-only standby: connect to its primary to follow changes');
  if (walLevel !== 'logical')
    throw unsupported(
      `The server writes no logical log: set wal_level = logical and restart it (it is ${walLevel}), or install change tracking for rows`,
    );
  // It would then count as a standby, and the owner's commits would wait for it.
  if (synchronous?.includes('*'))
    throw unsupported(
      'synchronous_standby_names takes every client for a standby: name the standbys there instead of *',
    );
  if (kept && keepSize === '-1' && !target.hosted)
    throw new AppError(
      'UNSUPPORTED',
      'What is kept for a reader that stays away could fill the disk of the server: set max_slot_wal_keep_size, e.g. to 4GB',
      { details: { engine: 'POSTGRESQL', capability: 'ROW_CHANGES', setting: 'max_slot_wal_keep_size' } },
    );
  // A temporary slot goes with its session, which the server ends where we have died without a word; unless it never does.
  if (!kept && keepSize === '-1' && senderTimeout === '0' && !target.hosted)
    throw new AppError(
      'UNSUPPORTED',
      'The server would keep its log without a limit for a reader that died without a word: set wal_sender_timeout, or max_slot_wal_keep_size, e.g. to 4GB',
      { details: { engine: 'POSTGRESQL', capability: 'ROW_CHANGES', setting: 'wal_sender_timeout' } },
    );
  return { major: Math.floor(Number(version) / 10_000) };
}

const factsSql = `
  SELECT current_setting('server_version_num'), current_setting('wal_level'), pg_is_in_recovery(),
         coalesce((SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), '-1'),
         current_setting('synchronous_standby_names'),
         (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout')`;

/** What opening the log ran into. */
export function openFailure(error: unknown): unknown {
  const code = sqlStateOf(error);
  if (code === '42501')
    return unsupported(
      'The credentials may not follow the log: the role needs REPLICATION (ALTER ROLE … REPLICATION), and CREATE on the database',
      error,
    );
  if (code === '53400')
    return unsupported('The server has no replication slot left: raise max_replication_slots, or drop one', error);
  if (code === '53300')
    return unsupported('The server takes no more readers of its log: raise max_wal_senders, or end one', error);
  if (code === '08P01' || code === '0A000')
    return unsupported(
      'What stands before the server, a pooler perhaps, passes no log on: connect to the server itself',
      error,
    );
  return streamFailure(error);
}

/** What ended the log. */
export function streamFailure(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  // The slot was invalidated, or what it needs is gone; or the publications are, which the log then cannot be read with.
  if (error.code === '55000' || error.code === '58P01' || error.code === '42704')
    return new AppError('POSITION_LOST', 'The server no longer has what was committed since the feed was read last', {
      cause: error,
      details: { sqlState: error.code },
    });
  return new AppError('CONNECTION_FAILED', `The server has ended the feed: ${error.message}`, {
    cause: error,
    details: { reason: 'DATABASE', sqlState: error.code },
  });
}

/** Of the server's error, also where the start of a session wrapped it. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError) return error.code;
  if (error instanceof AppError && typeof error.details?.sqlState === 'string') return error.details.sqlState;
  return undefined;
}
